"""Runs, records and what follows from them."""
