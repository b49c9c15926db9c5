"""Checks of source specs and of the merged spec."""
