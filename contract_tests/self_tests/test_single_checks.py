"""Each check fails for a fault: a mutant that it finds first, or here, for one wrong exchange."""

from __future__ import annotations

import json
import re
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest
from attrs import evolve

from wanflow_contract import (
    test_billing,
    test_bodies,
    test_callbacks,
    test_errors,
    test_files,
    test_http,
    test_idempotency,
    test_json_forms,
    test_lifecycle,
    test_refusals,
    test_texts,
    test_wire,
)
from wanflow_contract.checks import file_checks, task_changes
from wanflow_contract.checks.boundaries import cheapest
from wanflow_contract.checks.check import REGISTRY, Check, CheckFailed, observing
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.checks.error_checks import check_error
from wanflow_contract.checks.reported import Reported
from wanflow_contract.checks.task_history import TaskHistory, start
from wanflow_contract.support.exchange import Exchange
from wanflow_contract.watch.file_judge import FileJudge

if TYPE_CHECKING:
    from collections.abc import Callable

CONTRACT = packaged_contract()
MODELS = CONTRACT.catalog.models
MODEL = next(one for one in MODELS.values() if one.kind == "image")
ID = "task-unified-1-a"
CASES: dict[str, Callable[[bool], object]] = {}
"""What evaluates a check by its name, for a right or a wrong exchange."""


class Strict:
    """Lets every failure be raised, also of a note."""

    def evaluated(self, check: Check, exchanges: tuple[Exchange, ...], /) -> None:
        """Count nothing."""

    def tolerates(self, _failure: CheckFailed, /) -> bool:
        """Tolerate nothing."""
        return False


def case(name: str) -> Any:
    """Register what evaluates a check."""

    def decorate(evaluate: Callable[[bool], object]) -> Callable[[bool], object]:
        CASES[name] = evaluate
        return evaluate

    return decorate


def answered(status: int = 200, body: Any = None) -> Exchange:
    """Return an exchange whose response has a status and a body."""
    kind, content = (("content-type", "application/json"),), json.dumps(body or {}).encode()
    return Exchange("POST", "http://api.example/v1/x", "/v1/x", kind, b"{}", status, kind, content)


def answering(*exchanges: Exchange, **more: Any) -> Any:
    """Return what stands for the server: it answers each request with the next exchange."""
    left = list(exchanges)

    def answer(*_: Any, **__: Any) -> Exchange:
        return left.pop(0) if len(left) > 1 else left[0]

    values: dict[str, Any] = {
        **dict.fromkeys(("post", "post_bytes", "exchange", "get_task"), answer),
        "models": MODELS,
        "usual_model": MODEL,
        "keys": {"one": "a", "two": "b"},
        "tasks": {},
        "client": SimpleNamespace(send=answer),
        "authorization": dict,
        "task_path": str,
        "some_task": lambda: history({"id": ID}),
    }
    return SimpleNamespace(**{**values, **more})


def history(receipt: Any, state: Any = None, polls: int = 1, **request: Any) -> TaskHistory:
    """Return a task."""
    one = answered(body=receipt)
    return TaskHistory(MODEL, request, "one", receipt, one, one, state or {}, polls)


def by_status(name: str, right: int, wrong: int, evaluate: Callable[[Any], object]) -> None:
    """Register a check of a response's status."""
    CASES[name] = lambda is_right: evaluate(answering(answered(right if is_right else wrong)))


by_status(
    "json-form",
    *(200, 400),
    lambda target: test_json_forms.test_a_request_is_accepted_in_every_json_form(
        target, MODEL.name, min(test_json_forms.JSON_FORMS)
    ),
)
by_status(
    "unusual-body",
    *(400, 500),
    lambda target: test_json_forms.test_an_unusual_body_does_not_make_the_server_fail(
        target, min(test_json_forms.UNUSUAL_BODIES)
    ),
)
by_status(
    "all-parameters",
    *(200, 400),
    lambda target: test_json_forms.test_all_parameters_together_are_accepted(
        target, MODEL.name, last=True
    ),
)
by_status(
    "unusual-text",
    *(400, 500),
    lambda target: test_texts.test_an_unusual_text_does_not_make_the_server_fail(
        target, min(test_texts.BODIES)
    ),
)
by_status(
    "no-body",
    *(400, 200),
    lambda target: test_http.test_a_body_that_is_not_an_object_is_rejected(
        target, test_http.SUBMISSIONS[0], min(test_http.BODIES)
    ),
)
by_status(
    "no-query",
    *(404, 500),
    lambda target: test_refusals.test_a_query_chooses_no_other_task(target, "x=1"),
)


@case("forced-status")
def _forced(is_right: bool) -> None:
    operation, status = test_errors.ERRORS[0]
    error = CONTRACT.operations[operation].responses[status].errors[0]
    got = answered(status if is_right else status + 1, {"error": error})
    test_errors.test_each_documented_error_is_as_documented(answering(got), operation, status)


@case("suggested")
def _suggested(is_right: bool) -> None:
    name = MODEL.name if is_right else "wan9.9-of-tomorrow"
    target = answering(answered(404, {"error": {"fallback_suggestion": name}}))
    test_errors.test_a_suggested_model_exists(target, test_errors.PATHS[0], "no-such-model")


@case("key-apart")
def _key_apart(is_right: bool) -> None:
    both = answered(body={"id": ID}), answered(body={"id": ID + "b" * is_right})
    test_idempotency.test_a_key_belongs_to_one_account(answering(*both))


@case("error-only")
def _error_only(is_right: bool) -> None:
    operation, status = test_errors.ERRORS[0]
    documented = CONTRACT.operations[operation].responses[status]
    body = {"error": documented.errors[0]} | ({} if is_right else {"id": ID, "status": "pending"})
    check_error(documented, body, answered(status, body))


@case("frame")
def _frame(is_right: bool) -> None:
    size = (1280, 720) if is_right else (320, 180)
    with patch.object(file_checks, "video_size", lambda _content: size):
        file_checks.check_frame(history({"id": ID}), b"", "720p")


@case("own-links")
def _own_links(is_right: bool) -> None:
    one, two = history({"id": "a"}, prompt="a"), history({"id": "b"}, prompt="b")
    reported = Reported({"a": one, "b": two})
    reported.register(one, ["http://files.example/1"], one.last)
    reported.register(two, [f"http://files.example/{1 + is_right}"], two.last)


@case("receipt-fields")
def _receipt_fields(is_right: bool) -> None:
    receipt = {"id": ID, "model": MODEL.name, "status": "pending", "created": 1}
    receipt |= {} if is_right else {"created": None}
    start(MODEL, cheapest(MODEL), "one", receipt, answered(body=receipt))


@case("final-details")
def _final_details(is_right: bool) -> None:
    state = {"id": ID, "status": "completed", "progress": 100, "results": []}
    ended = history({"id": ID}, state)
    body = state | {"progress": 100 if is_right else 99}
    task_changes.check_order(ended, body, (ended.last,))


@case("same-file")
def _same_file(is_right: bool) -> None:
    judge: Any = SimpleNamespace(_lengths={})
    for content in ("a", "a" if is_right else "b"):
        FileJudge._check_same(judge, "http://x/1", history({"id": ID}), answered(body=content))


def _priced(price: Callable[[dict[str, Any]], float]) -> Any:
    """Return what stands for a server with prices."""

    def submit(body: dict[str, Any]) -> TaskHistory:
        return history({"id": ID, "usage": {"credits_reserved": price(body)}})

    return SimpleNamespace(models=MODELS, submit=submit, equal_task=lambda _body: None)


@case("default-price")
def _default_price(is_right: bool) -> None:
    name, field, default = test_billing.DEFAULTS[0]
    target = _priced(lambda body: 5.0 if is_right or field in body else 4.0)
    test_billing.test_an_omitted_parameter_costs_the_same_as_its_default(
        target, name, field, default
    )


@case("rejected-free")
def _rejected_free(is_right: bool) -> None:
    spent = iter((1.0, 1.0 if is_right else 2.0))
    controls = SimpleNamespace(account_status=lambda _headers: {"spent": next(spent)})
    test_billing.test_a_rejected_request_costs_nothing(
        answering(answered(400), controls=controls), MODEL
    )


@case("as-default")
def _as_default(is_right: bool) -> None:
    name, field, default = test_files.DEFAULTS[0]
    files = iter(([b"a"], [b"a" if is_right else b"b"]))
    with (
        patch.object(test_files, "completed_task", lambda *_: history({"id": ID})),
        patch.object(test_files, "fetch_files", lambda *_: next(files)),
        patch.object(test_files, "_measured", lambda content: (content,)),
    ):
        test_files.test_an_omitted_parameter_has_the_effect_of_its_default(
            answering(answered()), name, field, default
        )


@case("link-lifetime")
def _link_lifetime(is_right: bool) -> None:
    task = SimpleNamespace(links=["http://files.example/1"], last=answered())
    target = answering(answered(), controls=SimpleNamespace(advance_time=lambda _seconds: None))
    with (
        patch.object(test_files, "completed_task", lambda *_: task),
        patch.object(test_files, "fetch_link", lambda *_: answered(200 if is_right else 404)),
    ):
        test_files.test_a_result_url_works_for_a_day(target)


@case("callback-end")
def _callback_end(is_right: bool) -> None:
    task = history({"id": ID}, {"status": "completed" if is_right else "processing"})
    target: Any = SimpleNamespace(poll=lambda _task: None)
    receiver: Any = None
    with (
        patch.object(test_callbacks, "submit_with_callback", lambda *_: (task, "hook")),
        patch.object(test_callbacks, "callback_before_end", lambda *_: True),
    ):
        test_callbacks.test_a_completed_task_is_reported_once(target, receiver, MODEL.name)


@case("head-without-body")
def _head_without_body(is_right: bool) -> None:
    raw = SimpleNamespace(
        head=lambda *_: b"", send=lambda _sent: None, rest=lambda _s: b"" if is_right else b"{}"
    )
    with (
        patch.object(test_wire, "new_task", lambda _target: ID),
        patch.object(test_wire, "raw_connection", lambda _target: nullcontext(raw)),
        patch.object(test_wire, "bearer", lambda _target: ""),
        patch.object(test_wire, "receive", lambda *_: answered()),
    ):
        test_wire.test_a_response_to_head_has_no_body(answering(answered()))


@case("chunk-size")
def _chunk_size(is_right: bool) -> None:
    seen = iter((answered(400), answered(400 if is_right else 500)))
    with patch.object(test_bodies, "_in_chunks", lambda *_: next(seen)):
        test_bodies.test_the_size_of_a_chunk_may_be_written_in_capitals(answering(answered()))


@case("continues")
def _continues(is_right: bool) -> None:
    raw: Any = SimpleNamespace(
        send=lambda _sent: None,
        peek=lambda _seconds: b"H" if is_right else b"",
        receive=lambda *_, **__: answered(400),
    )
    test_bodies._waiting(raw, b"", b"")


@case("requested-end")
def _requested_end(is_right: bool) -> None:
    code = "generation_timeout" if is_right else "image_processing_error"
    task = history({"id": ID}, {"status": "failed", "error": {"code": code}})
    test_lifecycle.check_requested_end(task, "generation_timeout")


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_check_fails_for_the_wrong_exchange_only(name) -> None:
    """The same exchange without its fault passes."""
    with observing(Strict()):
        CASES[name](True)
        with pytest.raises(CheckFailed) as failed:
            CASES[name](False)
    assert failed.value.check.name == name


def test_each_check_is_shown_to_fail() -> None:
    """By a mutant that it finds first, here, or by its name in another of these tests."""
    here = Path(__file__)
    page = (here.parent / "mutation/mutants.md").read_text()
    found_first = set(re.findall(r"\| `([\w-]+)` \| [0-9]+ \| [0-9.]+ \|$", page, re.MULTILINE))
    tests = "".join(one.read_text() for one in here.parent.rglob("test_*.py") if one != here)
    defined = "".join(one.read_text() for one in _definitions())
    named = re.findall(r'^(\w+) = Check\(\s*"([\w-]+)"', defined, re.MULTILINE)
    constants = {name: constant for constant, name in named}
    lacking = [
        name
        for name in REGISTRY.keys() - found_first - CASES.keys()
        if f'"{name}"' not in tests
        and not re.search(rf"\b{constants.get(name, 'absent')}\b", tests)
    ]
    assert found_first & REGISTRY.keys()
    assert sorted(lacking) == []


def _definitions() -> list[Path]:
    return [*Path(file_checks.__file__).parent.glob("definitions/*.py")]


@pytest.mark.parametrize("depth", [150, 600, 50_000])
@pytest.mark.parametrize(("begin", "end"), [(b'{"usage":', b"}"), (b"[", b"]")])
def test_a_response_nested_deeper_than_checks_can_go_is_no_json(depth, begin, end) -> None:
    """It is a finding with every Python, and no fault of the suite."""
    content = begin * depth + b"1" + end * depth
    deep = Exchange("GET", "http://api.example/v1/x", "/v1/x", (), b"", 200, (), content)
    assert deep.decoded() is None
    with pytest.raises((ValueError, RecursionError)):
        deep.json()
    assert evolve(deep, content=begin * 50 + b"1" + end * 50).decoded() is not None
