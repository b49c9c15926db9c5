"""Run the pipeline without the rest of the command line: `python -m wanflow.spec`."""

from __future__ import annotations

from wanflow.spec.commands import spec

if __name__ == "__main__":
    spec(prog_name="wanflow spec")
