"""A fit: what is decided, planned, trained and put together."""
