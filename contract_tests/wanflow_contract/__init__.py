"""Contract tests: checks of a server of the API against its OpenAPI documents."""
