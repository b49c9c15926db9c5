"""Importing a new or changed source spec."""
