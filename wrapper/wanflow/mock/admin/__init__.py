"""Admin API, journal, metrics and web page of the mock."""
