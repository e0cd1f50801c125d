"""Loaded models: batches of numpy arrays in, scores out. `torch` ones can also be customised."""
