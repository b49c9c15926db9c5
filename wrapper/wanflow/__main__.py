"""Run the command line: `python -m wanflow` is the same as `wanflow`."""

from __future__ import annotations

from wanflow.cli import main

if __name__ == "__main__":
    main(prog_name="wanflow")
