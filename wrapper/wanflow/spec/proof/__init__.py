"""Proofs that merging lost nothing, and that overlays only restrict."""
