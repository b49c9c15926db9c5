"""Why the mock would rather not start than answer untruly."""

from __future__ import annotations


class UnservableSpec(Exception):
    """The document promises something that the mock can't keep; the message says what."""
