"""Every figure of the book; each function returns a matplotlib figure and computes no result."""
