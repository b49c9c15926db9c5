"""Proofs that merging lost nothing and loosened nothing."""
