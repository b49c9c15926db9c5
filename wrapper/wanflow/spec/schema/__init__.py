"""What OpenAPI schemas mean: walking them, comparing them, the values that they accept."""
