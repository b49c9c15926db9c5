"""Faults that are injected into responses, and the rules that say when."""
