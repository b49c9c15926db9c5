"""Generate the low-level client from the merged spec."""
