"""The plan of a run: what is tested in which order, and what it may cost."""
