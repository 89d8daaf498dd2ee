"""From encoded rows to answers, in NumPy."""
