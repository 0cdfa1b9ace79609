"""The commands: each adds its arguments, and runs as one library call."""
