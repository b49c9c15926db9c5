"""The exit codes of `wanflow contract`."""

from __future__ import annotations

from wanflow_contract.report.result import ExitCode

INTERRUPTED, TERMINATED = 130, 143

EXIT_CODES = (
    (ExitCode.PASSED, "no finding"),
    (ExitCode.FINDINGS, "findings: the server deviates from the documents"),
    (ExitCode.USAGE, "wrong usage: an option, a file or a selection of tests is invalid"),
    (ExitCode.SUITE_ERROR, "an error inside the suite, which says nothing about the server"),
    (
        ExitCode.NOT_TESTED,
        "the server was not tested: it isn't reachable, there is no key, or nothing was judged",
    ),
    (ExitCode.INCOMPLETE, "no finding, but a rule was not tested (with --require-complete)"),
    (INTERRUPTED, "Ctrl-C; the report has what was found before"),
    (TERMINATED, "SIGTERM; the report has what was found before"),
)
"""Each exit code and its meaning."""

__all__ = ["EXIT_CODES", "INTERRUPTED", "TERMINATED", "ExitCode"]
