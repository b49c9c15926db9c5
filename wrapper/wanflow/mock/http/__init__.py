"""The mock's own HTTP server."""
