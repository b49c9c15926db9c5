"""The files that the mock serves."""
