"""Merging source specs into one."""
