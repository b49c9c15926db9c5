"""What changed between two specs, and whom it breaks."""
