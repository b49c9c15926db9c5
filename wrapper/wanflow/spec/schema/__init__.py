"""Work with OpenAPI schemas: their operations, their equality, the values that they accept."""
