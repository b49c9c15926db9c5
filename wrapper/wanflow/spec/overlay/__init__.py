"""Overlays: reviewed changes to source specs, each citing the sentence that it comes from."""
