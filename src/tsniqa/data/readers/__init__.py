"""Readers: from the layout of a dataset to a task."""
