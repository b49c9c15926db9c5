"""Run the demo: `python -m wanflow.demo` is the same as `wanflow demo`."""

from __future__ import annotations

from wanflow.demo.command import demo

if __name__ == "__main__":
    demo(prog_name="python -m wanflow.demo")
