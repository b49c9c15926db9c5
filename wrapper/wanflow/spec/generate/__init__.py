"""The low-level client, generated from the merged spec."""
