"""What the mock shows and lets be set: admin API, journal, metrics and web pages."""
