"""The suite passes a correct independent server, and fails it with a fault."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from self_tests.reference_server.faults import (
    FAULTS,
    AnyModelAnywhere,
    Composing,
    LowestByDefault,
    PlainTypes,
)
from self_tests.reference_server.server import Server
from self_tests.reference_server.variants import (
    VARIANTS,
    DatedModels,
    Fetching,
    Forgetful,
    Hinting,
    Interrupted,
    OneProtocol,
    Poor,
    Replaying,
    ShortReceipts,
    Stamped,
    Tiring,
    WithoutOneModel,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parents[3]
KEYS = ("first-key-0001", "second-key-0002")


def suite(
    server: Server, *options: str, tests: Sequence[str] = ("",)
) -> subprocess.CompletedProcess[str]:
    """Run the fast tests of the suite, or of some of its files, against a server."""
    keys = dict(zip(("WANFLOW_CONTRACT_API_KEY", "WANFLOW_CONTRACT_API_KEY2"), KEYS, strict=True))
    files = [f"contract_tests/wanflow_contract/{one}" for one in tests]
    command = [sys.executable, "-m", "pytest", *files, "-q", "-m", "fast"]
    aimed = ["--base-url", server.origin + server.base, "--spend-limit", "1000000"]
    return subprocess.run(
        [*command, "-p", "no:cacheprovider", *aimed, *options],
        cwd=ROOT,
        env={**os.environ, **keys},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


@pytest.mark.slow  # a whole run of the suite: more than a minute
def test_a_correct_independent_server_passes() -> None:
    """A correct server that makes other choices than the mock has no findings."""
    with Server(*KEYS) as server:
        done = suite(server)
    assert done.returncode == 0, done.stdout
    assert not any(key in done.stdout + done.stderr for key in KEYS)


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_that_the_documents_allow_passes(variant) -> None:
    """Short responses, other URLs, failures, strict validation: all of them are correct."""
    with variant(*KEYS) as server:
        done = suite(server)
    assert done.returncode == 0, done.stdout


_FEW = ("test_idempotency.py", "test_lifecycle.py")  # collecting all takes seconds


@pytest.mark.processes
@pytest.mark.parametrize("variant", [Replaying, Forgetful, ShortReceipts, DatedModels])
def test_a_variant_that_differs_in_what_no_document_says_passes(variant) -> None:
    """A few tests of each; what differs is a note at most."""
    with variant(*KEYS) as server:
        done = suite(server, "-k", "reused_key or moves_forward", tests=_FEW)
    assert done.returncode == 0, done.stdout


@pytest.mark.slow  # two runs of the suite's clients; test_account_access.py has each case
def test_an_account_without_access_or_credits_is_no_finding(tmp_path) -> None:
    """What it may not submit isn't tested, also by the client; the report has a note."""
    chosen = "produces_files or all_parameters_together"
    files = ("test_client_end_to_end.py", "test_json_forms.py")
    for variant in (WithoutOneModel, Poor):
        with variant(*KEYS) as server:
            done = suite(server, f"--contract-report={tmp_path}", "-k", chosen, tests=files)
        assert done.returncode == 0, done.stdout
        report = json.loads((tmp_path / "report.json").read_text())
        assert report["errors"] == []
        assert "model-access" in {one["check"] for one in report["findings"]}


@pytest.mark.processes
def test_informational_responses_are_passed_over() -> None:
    """Requests that are sent as bytes are judged by the final response."""
    with Hinting(*KEYS) as server:
        done = suite(server, tests=("test_wire.py",))
    assert done.returncode == 0, done.stdout


@pytest.mark.processes
@pytest.mark.parametrize(
    ("variant", "chosen"),
    [(Tiring, "test_wire"), (Stamped, "range"), (OneProtocol, "unknown_headers")],
)
def test_connections_and_files_may_differ(variant, chosen) -> None:
    """A connection ends after two responses, files are never the same, a protocol is refused."""
    files = ("test_wire.py", "test_files.py", "test_refusals.py")
    with variant(*KEYS) as server:
        done = suite(server, "-k", chosen, tests=files)
    assert done.returncode == 0, done.stdout


@pytest.mark.processes
def test_a_server_may_fetch_files_before_it_takes_a_request(tmp_path) -> None:
    """What it can't fetch isn't tested, which is a note; with files of `--input` it is."""
    chosen = ["-k", "image-to-image and (together or valid or moves_forward or produces_files)"]
    files, accepted = ("test_semantics.py", "test_client_end_to_end.py"), list[int]()
    with Fetching(*KEYS) as server:
        for given in ([], [f"--input=image_urls={server.origin}/files/a.png"]):
            done = suite(server, *chosen, *given, f"--contract-report={tmp_path}", tests=files)
            report = json.loads((tmp_path / "report.json").read_text())
            assert done.returncode == 0, done.stdout
            assert {one["check"] for one in report["findings"]} == {"file-access"}
            accepted.append(report["counters"]["tasks"])
    assert accepted[0] == 0
    assert accepted[1] > 10
    assert "--input image_urls=URL" in str(report["findings"])


@pytest.mark.processes
def test_a_server_may_not_be_available_now_and_then(tmp_path) -> None:
    """A request that gets 503 is sent again, and the last line says so."""
    files = ("test_auth.py", "test_wire.py", "test_client_end_to_end.py")
    with Interrupted(*KEYS) as server:
        done = suite(server, "-m", "fast", f"--contract-report={tmp_path}", tests=files)
    assert done.returncode == 0, done.stdout
    assert re.search(r"[0-9]+ responses with 503 did not come again", done.stdout), done.stdout
    gone = json.loads((tmp_path / "report.json").read_text())["counters"]["gone"]
    assert gone["503"] > 5


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_server_fails(fault) -> None:
    """The same server with one fault fails a check."""
    with fault(*KEYS) as server:
        done = suite(server, "-x")
    assert done.returncode == 1, done.stdout
    assert re.search(r"^\[[a-z-]+\] [A-Z].*\.$", done.stdout, re.MULTILINE), done.stdout
    assert "  curl -sS -i -X " in done.stdout
    assert not any(key in done.stdout + done.stderr for key in KEYS)


FREE_FILES = ("test_http.py", "test_semantics.py", "test_texts.py")
FOUND_FREE = [
    (PlainTypes, "why_a_body_is_refused", "media-type"),
    (LowestByDefault, "is_not_named", "param"),
    (Composing, "one_code_point_too_many", "rejects"),
    (AnyModelAnywhere, "another-operation", "schema"),
]


@pytest.mark.processes
@pytest.mark.parametrize(("fault", "chosen", "check"), FOUND_FREE)
def test_a_fault_is_found_by_requests_that_are_free(fault, chosen, check) -> None:
    """Without a limit, nothing that a correct server charges is sent, and these are found."""
    with fault(*KEYS) as server:
        done = suite(server, "--spend-limit=0", "-x", "-k", chosen, tests=FREE_FILES)
    assert done.returncode == 1, done.stdout
    assert f"[{check}]" in done.stdout


@pytest.mark.processes
def test_these_requests_make_no_task_on_a_correct_server() -> None:
    """All of them are refused, each for its own fault."""
    chosen = " or ".join(one for _, one, _ in FOUND_FREE)
    with Server(*KEYS) as server:
        done = suite(server, "--spend-limit=0", "-k", chosen, tests=FREE_FILES)
        assert not server.tasks
    assert done.returncode == 0, done.stdout
