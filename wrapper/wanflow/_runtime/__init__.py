"""Performs the effects that flows yield: one driver for sync code, one for async."""
