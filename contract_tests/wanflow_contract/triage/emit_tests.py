"""Write findings as standalone pytest files, which need httpx and no part of this project."""

from __future__ import annotations

import inspect
import json
import pprint
import re
from pathlib import Path
from typing import TYPE_CHECKING

from wanflow_contract.findings.finding import Finding, printable
from wanflow_contract.triage import standalone
from wanflow_contract.triage.emitted_assertions import ASSERTIONS
from wanflow_contract.triage.emitted_facts import facts_of
from wanflow_contract.triage.emitted_requests import requests_of

if TYPE_CHECKING:
    from wanflow_contract.report.result import RunResult
    from wanflow_contract.triage.emitted_assertions import Assertion


def emit_tests(result: RunResult, folder: Path) -> tuple[list[Path], list[Finding]]:
    """Write the findings of a run, and return the files, and the findings without one.

    Raises:
        OSError: a file can't be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written, without = list[Path](), list[Finding]()
    for finding in result.findings:
        text = render_test(finding, result.counters.base_url)
        if text is None:
            without.append(finding)
            continue
        path = folder / f"test_{re.sub(r'[^a-z0-9]+', '_', finding.id.lower())}.py"
        path.write_text(text, "utf-8", errors="backslashreplace")
        written.append(path)
    return written, without


def render_test(finding: Finding, base_url: str) -> str | None:
    """Return the source of a test, None if the check can't be judged by httpx alone."""
    assertion = ASSERTIONS.get(finding.check)
    if assertion is None or not finding.exchanges:
        return None
    requests = list(requests_of(finding))
    if any("://" in one["path"] for one in requests):
        return None
    name = re.sub(r"\W+", "_", finding.id)
    quoted = json.dumps(printable(finding.detail)[:500])
    return "\n".join(
        [
            f'"""{_plain(finding.sentence)}',
            "",
            f"Finding {finding.id}; written by wanflow contract --emit-tests. Run it with pytest;",
            "it needs httpx, and the API key in WANFLOW_API_KEY.",
            *([f"Source: {_plain(finding.cites)}"] if finding.cites else []),
            '"""',
            "",
            _library(assertion),
            f'BASE_URL = os.environ.get("WANFLOW_CONTRACT_BASE_URL") or {base_url!r}',
            f"OBSERVED = {quoted}",
            f"REQUESTS = {pprint.pformat(requests, width=96, sort_dicts=False)}",
            f"FACTS = {pprint.pformat(facts_of(finding, requests), width=96)}",
            "",
            "",
            f"def test_{name}():",
            f'    """{_plain(finding.sentence)}"""',
            f"    {assertion.__name__}(run(REQUESTS), FACTS)",
            "",
        ]
    )


def _plain(text: str) -> str:
    return printable(text).replace("\\", "\\\\").replace('"', "'")


_IMPORTS = """\
import base64
import hashlib
import json
import os
import re
import time
import uuid
from email.utils import parsedate_to_datetime
from itertools import pairwise
from typing import Any

import httpx

"""


def _library(assertion: Assertion) -> str:
    """Return the source of what every test needs, and of one assertion."""
    _, begin, source = inspect.getsource(standalone).partition("KEYS = {")
    common = source.partition('BASE_URL = ""')[0].rstrip()
    return f"{_IMPORTS}{begin}{common}\n\n\n{inspect.getsource(assertion)}\n"
