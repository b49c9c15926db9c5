"""Callbacks: the SSRF guard, and the sender."""
