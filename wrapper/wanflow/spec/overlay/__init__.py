"""Overlays: reviewed changes to the merged spec; each cites the sentence that it is from."""
