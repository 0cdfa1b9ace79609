"""Autoencoders: an encoder and a decoder that meet at a code, and what they learn from."""
