"""From rows to tables, pictures and one self-contained page; knows nothing of models."""
