"""Runs of the suite against servers that charge: what is paid for, and what isn't."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest

from self_tests.limited_runs import KEY, suite
from self_tests.reference_server.faults import NotValidated
from self_tests.reference_server.server import Handler, Rejected, Server, png
from self_tests.reference_server.variants import Unmetered
from wanflow_contract.checks.files import image_size


@pytest.mark.slow
@pytest.mark.parametrize(("options", "code"), [((), 0), (("--require-complete",), 5)])
def test_an_incomplete_run_has_an_exit_code_of_its_own(tmp_path, options, code) -> None:
    """What wasn't tested is named; only with --require-complete does the exit code say so."""
    with Server(KEY) as server:
        done = suite(server, tmp_path, "-k", "unknown_id", *options)
    assert done.returncode == code, done.stdout
    assert "0 of 91 rules tested on both sides" in done.stdout
    assert re.search(r"not tested: \S+ \S+ \S+, with valid and invalid values", done.stdout)


@pytest.mark.slow
def test_what_was_shown_twice_is_not_paid_for_again(tmp_path) -> None:
    """A server that accepts anything gets the other invalid requests, within the limit."""

    class Counting(NotValidated):
        charged = 0.0

        def usage(self, kind: str, body: dict[str, Any]) -> dict[str, Any]:
            made = super().usage(kind, {**body, "n": 1, "duration": 5})
            self.charged += made["credits_reserved"]
            return made

    with Counting(KEY) as server:
        done = suite(server, tmp_path, "--spend-limit", "50", "-k", "valid_requests_are")
    assert done.returncode == 1
    assert "has failed twice, and isn't paid for again" in done.stdout
    assert 20 < server.charged <= 50


@pytest.mark.slow
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_another_method_that_submits_is_found_within_a_small_limit(tmp_path, method) -> None:
    """A correct server makes no task of it, and a wrong one is charged no more than the limit."""

    class AnyMethod(Handler):
        def submit(self, content: bytes) -> dict[str, Any]:
            self.command = "POST" if self.command == method else self.command
            return super().submit(content)

    class Counting(Server):
        charged = 0.0

        def handler(self) -> type[Handler]:
            return AnyMethod

        def usage(self, kind: str, body: dict[str, Any]) -> dict[str, Any]:
            made = super().usage(kind, body)
            self.charged += made["credits_reserved"]
            return made

    with Counting(KEY) as server:
        done = suite(server, tmp_path, "--spend-limit", "50", "-k", "undocumented_methods_are")
    assert done.returncode == 1, done.stdout
    assert 0 < server.charged <= 50


@pytest.mark.slow
def test_a_server_that_reports_no_price_is_tested_within_the_limit(tmp_path) -> None:
    """Without prices, a run is charged less than its limit, and not a tenth of it."""

    class Counting(Unmetered):
        charged = 0.0

        def usage(self, kind: str, body: dict[str, Any]) -> dict[str, Any]:
            made = super().usage(kind, body)
            self.charged += made["credits_reserved"]
            return made

    with Counting(KEY) as server:
        done = suite(server, tmp_path, "--spend-limit", "50")
    assert done.returncode == 0, done.stdout
    assert 5 < server.charged <= 50


@pytest.mark.slow
def test_a_poor_account_gets_the_invalid_requests_only(tmp_path) -> None:
    """After a few refusals with 402, no valid request is sent; the skipped tests say why."""
    valid, invalid = Counter[str](), Counter[str]()

    class Poor(Server):
        def validate(self, reference: str, body: dict[str, Any]) -> None:
            try:
                super().validate(reference, body)
            except Rejected:
                invalid[reference] += 1
                raise
            valid[reference] += 1
            raise Rejected(402, "Pay first")

    with Poor(KEY) as server:
        chosen = "many_valid or valid_requests_are"
        done = suite(server, tmp_path, "--spend-limit", "50", "-k", chosen, "-rs")
    assert done.returncode == 0, done.stdout
    assert "valid requests of this model were refused with 402" in done.stdout
    assert 2 <= max(valid.values()) <= 10
    assert min(invalid.values()) > 100


class NoTasks(Server):
    """Each task of one kind fails; its response says why."""

    kind = "image"
    code = "generation_failed_no_content"

    def poll(self, key: str, task_id: str) -> dict[str, Any]:
        seen = super().poll(key, task_id)
        if not seen["object"].startswith(self.kind) or seen["status"] != "completed":
            return seen
        kept = {name: seen[name] for name in ("id", "model", "object")}
        error = {"code": self.code, "message": "Sorry", "type": "task_error"}
        return {**kept, "status": "failed", "progress": 0, "error": error}


class FewerFiles(Server):
    """One file is missing where more than one was requested."""

    def poll(self, key: str, task_id: str) -> dict[str, Any]:
        body = super().poll(key, task_id)
        if len(body.get("results", ())) > 1:
            body["results"], body["result_data"] = body["results"][1:], body["result_data"][1:]
        return body


class OtherSides(Server):
    """Width and height of an image that isn't square are exchanged."""

    def file(self, path: str) -> tuple[str, bytes]:
        kind, content = super().file(path)
        size = image_size(content)
        return kind, png(*reversed(size)) if size else content


@pytest.mark.slow
@pytest.mark.parametrize(
    ("server", "check"), [(FewerFiles, "results"), (OtherSides, "size"), (Server, "")]
)
def test_what_was_paid_for_is_judged_to_its_files(tmp_path, server, check) -> None:
    """At a small limit, tests that only submit show what is wrong with results, too."""
    chosen = "many_valid or each_task_of_the_run"
    with server(KEY) as opened:
        done = suite(opened, tmp_path, "--spend-limit", "50", "-k", chosen)
    assert done.returncode == bool(check), done.stdout
    assert (f"[{check}]" in done.stdout) == bool(check)


@pytest.mark.slow
@pytest.mark.parametrize("reported", [-1, 1e300, float("nan"), "5", None, True, [5]], ids=str)
def test_no_reported_price_makes_a_run_spend_more_than_its_limit(tmp_path, reported) -> None:
    """Whatever a server reports instead of what it charges, the limit is passed by no task."""

    class Lying(Server):
        charged = 0.0

        def usage(self, kind: str, body: dict[str, Any]) -> dict[str, Any]:
            made = super().usage(kind, body)
            self.charged += made["credits_reserved"]
            return {**made, "credits_reserved": reported}

    with Lying(KEY) as server:
        suite(server, tmp_path, "--spend-limit", "50", "-k", "many_valid or forward_only")
    assert 0 < server.charged <= 50


class NoVideos(NoTasks):
    """The same, of the dearest kind."""

    kind = "video"


class NoInputs(NoTasks):
    """Files that it can't fetch let a task fail, not its submission."""

    kind = ""
    code = "image_processing_error"

    def poll(self, key: str, task_id: str) -> dict[str, Any]:
        asked = self.tasks.get(task_id, {}).get("asked", {})
        return (super() if "image_urls" in asked else super(NoTasks, self)).poll(key, task_id)


@pytest.mark.slow
@pytest.mark.parametrize("limit", ["50", "500"])
@pytest.mark.parametrize(("server", "found"), [(NoTasks, 1), (NoVideos, 1), (NoInputs, 0)])
def test_a_model_that_makes_nothing_is_found(tmp_path, server, found, limit) -> None:
    """Also within a small limit; files that can't be fetched are no fault."""
    with server(KEY) as opened:
        done = suite(opened, tmp_path, "--spend-limit", limit)
    assert done.returncode == found, done.stdout
    assert ("[generated]" in done.stdout) == bool(found)
