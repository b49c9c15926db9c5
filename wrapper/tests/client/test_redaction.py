"""The API key is never shown, and errors can be pickled."""

from __future__ import annotations

import copy
import inspect
import logging
import pickle
import traceback
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.client.clients import httpx
from wanflow import Client, errors
from wanflow._config import ApiKey, load_config
from wanflow._core.failure_codes import task_failed
from wanflow._core.snapshot import Snapshot, parse_snapshot
from wanflow._transport.errors import ErrorMapper
from wanflow.catalog.violation import Violation

SECRET = "sk-very-secret-0123456789"

KINDS = [
    kind
    for kind in vars(errors).values()
    if inspect.isclass(kind) and issubclass(kind, errors.WanflowError)
]


def transport(respond: Any) -> Any:
    def handle(request: httpx.Request) -> httpx.Response:
        value = respond(request)
        if isinstance(value, Exception):
            raise value
        return value

    return handle


def chain(error: BaseException | None) -> list[BaseException]:
    """An exception with all that hangs on to it."""
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


ECHOES = {
    "an error that repeats the header": lambda request: httpx.Response(
        401, json={"error": {"message": f"bad {request.headers['authorization']}"}}
    ),
    "a page that repeats the header": lambda request: httpx.Response(
        200, text=f"<html>{request.headers['authorization']}"
    ),
    "a network error that repeats it": lambda request: httpx.ReadError(
        f"bad {request.headers['authorization']}", request=request
    ),
    "a connect error": lambda request: httpx.ConnectError("no", request=request),
    "a redirect": lambda request: httpx.Response(302, headers={"location": "http://elsewhere/"}),
}


@pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES.keys())
@pytest.mark.parametrize("act", ["submit", "wait", "refresh"])
def test_the_key_is_shown_nowhere(
    echo: Any, act: str, runner: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Not in a repr, a log, an exception, its cause, its traceback or its pickle."""
    caplog.set_level(logging.DEBUG, "wanflow")
    client = runner.client(
        api_key=SECRET,
        base_url="http://api.example/base",
        transport=httpx.MockTransport(transport(echo)),
        retry_timeout=0,
    )
    assert SECRET not in repr(client) + str(vars(client))
    request = {"model": client.models()[-1].name}
    task = client.task("task-unified-1-a")
    acts: dict[str, Any] = {
        "submit": lambda: client.submit(request, validate=False),
        "wait": lambda: task.wait(0),
        "refresh": task.refresh,
    }
    with pytest.raises(errors.WanflowError) as caught:
        runner.do(acts[act])
    shown = "".join(traceback.format_exception(caught.value))
    shown += repr(caught.value) + str(vars(caught.value)) + caplog.text
    assert SECRET not in shown
    assert SECRET.encode() not in pickle.dumps(caught.value)
    for error in chain(caught.value):
        assert type(error).__module__.startswith(("wanflow", "builtins", "json")), type(error)
        assert SECRET not in str(error) + str(vars(error))


def test_the_key_is_neither_printed_nor_pickled() -> None:
    """The repr of a configuration has no key, and a key can't be copied or pickled."""
    settings = load_config(SECRET, "http://api.example")
    assert SECRET not in repr(settings) + repr(settings.key) + str(settings.key)
    with pytest.raises(TypeError):
        pickle.dumps(settings.key)
    with pytest.raises(TypeError):
        copy.deepcopy(ApiKey(SECRET))


WRONG_OPTIONS: dict[str, dict[str, Any]] = {
    "key": {"api_key": f"{SECRET}\n"},
    "base_url": {"base_url": "nowhere"},
    "timeout": {"timeout": -1},
    "proxy": {"proxy": "nowhere"},
    "on_event": {"on_event": 3},
    "default_headers": {"default_headers": {"Authorization": "x"}},
    "app": {"app": "\n"},
    "uploader": {"uploader": "nowhere"},
    "log": {},
}


@pytest.mark.parametrize("wrong", WRONG_OPTIONS)
def test_a_client_that_is_not_made_can_be_reported(
    wrong: str, runner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Error reporters show the local variables, the unfinished client among them, without key."""
    if wrong == "log":
        monkeypatch.setenv("WANFLOW_LOG", "nowhere")
    options = {"api_key": SECRET, "base_url": "http://api.example"} | WRONG_OPTIONS[wrong]
    with pytest.raises(errors.ConfigurationError) as caught:
        runner.client(**options)
    frames = [*traceback.walk_tb(caught.value.__traceback__)]
    shown = [
        repr(frame.f_locals) for frame, _ in frames if "/tests/" not in frame.f_code.co_filename
    ]
    assert len(shown) >= 1
    assert SECRET not in "".join(shown) + repr(caught.value)


def test_an_error_without_words_takes_those_of_the_system_and_no_others() -> None:
    """The program may be handling an error of its own, which has nothing to do with the request."""

    def reason(behind: Exception) -> str:
        with ErrorMapper(ApiKey(SECRET)) as mapper:
            raise httpx.ConnectError("") from behind
        return mapper.error.reason

    assert reason(OSError("of the system")) == "ConnectError: of the system"
    assert reason(ValueError("of a server")) == "ConnectError: no reason given"
    own = OSError("of the program")
    try:
        raise own
    except OSError:
        assert reason(own) == "ConnectError: no reason given"


def test_a_preview_shows_no_key() -> None:
    """A preview has no Authorization header."""
    with Client(api_key=SECRET, base_url="http://api.example") as client:
        model = client.models()[-1]
        body = {**model.example, "image_urls": ["https://a.example/a.png"]}
        preview = client.preview({"model": model.name}, extra=body, validate=False)
    assert SECRET not in repr(preview)
    assert "authorization" not in {name.lower() for name in preview.headers}
    assert preview.url.startswith("http://api.example/")


plain = st.none() | st.integers() | st.text(max_size=10)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_every_error_survives_pickle(kind: type[errors.WanflowError], data: st.DataObject) -> None:
    """With any attributes, it is the same error after pickling."""
    named = [
        name
        for name, parameter in inspect.signature(kind).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    ]
    given_ = {name: data.draw(plain, label=name) for name in named}
    error = kind(data.draw(st.text(max_size=20)), **given_)
    error.add_note("a note")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert str(again) == str(error)
    assert vars(again) == vars(error)
    for name in named:
        assert getattr(again, name) == given_[name]


def test_errors_with_snapshots_and_violations_survive_pickle() -> None:
    """Their attributes are pickled, too."""
    snapshot = parse_snapshot(b'{"id": "t", "status": "failed", "error": {"code": "x"}}')
    for error in (
        task_failed(snapshot),
        errors.WaitTimeout("late", snapshot=Snapshot("t", "pending"), task_id="t"),
        errors.InvalidRequest("no", violations=(Violation("/n", "maximum", "too many", 9),)),
    ):
        again = pickle.loads(pickle.dumps(error))
        assert vars(again) == vars(error)


def test_the_tree_of_errors_in_the_docstring_is_complete() -> None:
    """It has every error, each under its parent."""
    drawing = errors.__doc__ or ""
    assert len(KINDS) > 15
    depths = {
        words[0]: line.index(words[0])
        for line in drawing.splitlines()
        if (words := line.lstrip("│├└─ ").split())
    }
    for kind in KINDS:
        assert kind.__name__ in depths, kind
        parent = kind.__mro__[1]
        if parent in KINDS:
            assert depths[kind.__name__] > depths[parent.__name__]
