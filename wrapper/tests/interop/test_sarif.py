"""The SARIF report of the contract suite is valid by the schema in Microsoft's npm package.

npm and a network that reaches its registry are needed; the part of the schema that the report
uses is checked without them, in the tests of the report's formats.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
from typing import TYPE_CHECKING

import pytest
from jsonschema.validators import validator_for

from self_tests.report_data import finding, result_with
from wanflow_contract.report.counters import Counters
from wanflow_contract.report.result import RunResult
from wanflow_contract.report.sarif import render_sarif

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

PACKAGE = "@microsoft/jest-sarif@1.0.0-beta.0"
SCHEMA = "package/lib/schemas/sarif-2.1.0-rtm.5.json"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not shutil.which("npm"),
        reason="NOT CHECKED: the SARIF schema: there is no Node (apt-get install nodejs npm)",
    ),
]


@pytest.fixture(scope="module")
def sarif(tmp_path_factory: pytest.TempPathFactory) -> Validator:
    """The schema, which is not installed: only its file is read."""
    folder = tmp_path_factory.mktemp("sarif")
    packed = subprocess.run(
        ["npm", "pack", "--silent", PACKAGE],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=200,
        check=True,
    )
    with tarfile.open(folder / packed.stdout.strip()) as archive:
        file = archive.extractfile(SCHEMA)
        assert file is not None
        schema = json.load(file)
    return validator_for(schema)(schema)


TEXTS = ["plain", "<b>&", "\u202e\x1b[31m\x00", "é \ud800", "", "a" * 5000, "::error::"]


@pytest.mark.parametrize("text", TEXTS, ids=ascii)
def test_a_report_with_any_text_is_valid(sarif, text) -> None:
    """Findings, notes, known deviations and errors of the suite, with a text in each place."""
    sarif.validate(json.loads(render_sarif(result_with(text))))


def test_a_report_without_findings_is_valid(sarif) -> None:
    """And the schema is one that can fail: a result needs a message."""
    sarif.validate(json.loads(render_sarif(RunResult(Counters()))))
    log = json.loads(render_sarif(RunResult(Counters(), [finding()])))
    sarif.validate(log)
    del log["runs"][0]["results"][0]["message"]
    assert not sarif.is_valid(log)
