"""Talk to the server under test."""
