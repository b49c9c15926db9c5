"""The `wanflow` command: the library for people and shell scripts."""

from __future__ import annotations

from wanflow.cli.main import main

__all__ = ["main"]
