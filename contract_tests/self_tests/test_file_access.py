"""Refusals because of files that a server can't fetch: notes, unless it contradicts them."""

from __future__ import annotations

import time
from typing import Any

import pytest

from self_tests.test_account_access import KEY, submission
from wanflow_contract.checks.boundaries import cheapest
from wanflow_contract.checks.check import NotJudged, observing
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.checks.expectation import Expected, packaged_oracle
from wanflow_contract.checks.file_access import file_parameters
from wanflow_contract.checks.request_expectation import expectation_of_request
from wanflow_contract.checks.run_state import RunState
from wanflow_contract.findings.finding import NOTE
from wanflow_contract.findings.recorder import Recorder
from wanflow_contract.support.inputs import parse_inputs
from wanflow_contract.test_beside_faults import URLS
from wanflow_contract.watch.observer import Observer

MODELS = packaged_contract().catalog.models
MODEL = next(one for one in MODELS.values() if "image_urls" in file_parameters(one))
VALID = cheapest(MODEL)
OTHERS = {**VALID, "image_urls": ["https://example.com/b.png"]}
INVALID = {**VALID, "prompt": 5}
REFUSED = {"code": 400, "message": "No", "type": "invalid_request_error", "param": "image_urls"}
OF_PROMPT = {**REFUSED, "param": "prompt"}
OF_ONE = {**REFUSED, "param": "image_urls[0]"}
MADE = {"model": MODEL.name, "status": "pending"}


def judged(
    *responses: tuple[dict[str, Any], Any], given: tuple[str, ...] = (), mock: bool = False
) -> list[tuple[str, bool]]:
    """Return the checks that failed, and whether each is a note; None is an accepted request."""
    inputs = frozenset(given)
    state = RunState(MODELS, {"one": KEY}, mock, False, time.time, inputs=inputs)
    recorder = Recorder(is_known=lambda _finding: True)
    with observing(recorder):
        for number, (body, error) in enumerate(responses):
            made = {**MADE, "id": f"task-unified-1-{number}", "created": int(time.time())}
            exchange = submission(body, 400 if error else 200, error or made)
            operation = packaged_contract().operation_at(exchange.path)
            expectation = expectation_of_request(
                operation, "POST", dict(exchange.request_headers), exchange.sent
            )
            try:
                state.check(operation, expectation, exchange)
                state.stop_without_access(expectation, exchange)
            except NotJudged:
                continue
    return [(one.check, one.kind == NOTE) for one in recorder.findings.values()]


def test_a_server_that_cannot_fetch_the_examples_is_not_wrong() -> None:
    """It refuses them and all others, valid requests and ones with another fault."""
    assert judged((VALID, REFUSED), (OTHERS, OF_ONE), (INVALID, REFUSED)) == [("file-access", True)]
    assert judged((INVALID, REFUSED), (VALID, REFUSED)) == [("file-access", True)]


NAMELESS = {name: value for name, value in REFUSED.items() if name != "param"}
MESSAGES = (
    f"Failed to download {VALID['image_urls'][0]}",
    "Failed to download image",
    "image_urls: no response",
    "Images must be directly accessible",
    "Unable to fetch a file: timeout",
)


@pytest.mark.parametrize("more", [{}, {"param": ""}], ids=["no param", "empty param"])
@pytest.mark.parametrize("message", MESSAGES)
def test_a_refusal_without_a_parameter_names_the_file_in_its_message(message, more) -> None:
    """By its URL, by what it is, or as something that can't be fetched."""
    error = {**NAMELESS, "message": message, **more}
    assert judged((VALID, error), (OTHERS, error)) == [("file-access", True)]
    assert ("accepts", False) in judged((VALID, error), (VALID, None))


@pytest.mark.parametrize("message", ["No", "The prompt is too long", "Invalid size"])
def test_a_refusal_whose_message_names_no_file_is_judged(message) -> None:
    """A valid request is refused, and no file is the reason."""
    assert judged((VALID, {**NAMELESS, "message": message})) == [("accepts", False)]


@pytest.mark.parametrize("given", [(), ("image_urls",)])
@pytest.mark.parametrize("message", ["Not a text", "The prompt is no text beside an image"])
def test_an_invalid_request_without_a_named_parameter_is_refused_for_its_fault(
    given, message
) -> None:
    """A message that has the word image doesn't make it a refusal of a file."""
    beside = {**OTHERS, "prompt": 5}
    assert judged((beside, {**NAMELESS, "message": message}), given=given) == []


@pytest.mark.parametrize("url", URLS)
def test_an_unusual_url_may_be_refused_by_a_server_that_fetches_nothing(url) -> None:
    """Beside another fault it is no reason for a note, nor for a finding."""
    beside = {**INVALID, "image_urls": [url]}
    assert judged((beside, REFUSED)) == []
    assert judged((beside, REFUSED), (VALID, None)) == []


@pytest.mark.parametrize(
    ("responses", "found"),
    [
        ([(VALID, OF_PROMPT)], "accepts"),
        ([(VALID, None), (OTHERS, REFUSED)], "accepts"),
        ([(OTHERS, REFUSED), (VALID, None)], "accepts"),
        ([(VALID, REFUSED), (VALID, None)], "accepts"),
        ([(INVALID, REFUSED), (VALID, None)], "param"),
    ],
    ids=["another field", "example accepted", "example accepted later", "accepted later", "param"],
)
def test_a_server_that_takes_the_examples_does_not_fetch_them(responses, found) -> None:
    """It is judged by all files, and what was laid on a file is judged when it takes one."""
    assert (found, False) in judged(*responses)


def test_a_server_is_held_to_the_files_that_the_user_has_given() -> None:
    """Others may not be reached; a mock fetches none at all."""
    assert judged((OTHERS, REFUSED), given=("image_urls",)) == [("file-access", True)]
    assert judged((OTHERS, NAMELESS), given=("image_urls",)) == [("file-access", True)]
    assert ("accepts", False) in judged((OTHERS, OF_PROMPT), given=("image_urls",))
    assert ("accepts", False) in judged((VALID, NAMELESS), given=("image_urls",))
    assert ("accepts", False) in judged((VALID, REFUSED), given=("image_urls",))
    assert ("accepts", False) in judged((VALID, REFUSED), mock=True)


def test_a_watch_does_not_know_which_files_a_server_can_fetch() -> None:
    """The URLs are those of clients; a refusal that names another parameter is a finding."""
    for error, found in ((REFUSED, []), (OF_ONE, []), (OF_PROMPT, ["accepts"])):
        observer = Observer("http://api.example")
        observer.observe(submission(VALID, 400, error))
        assert [one.check for one in observer.result().findings] == found


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("image_urls", "NAME=URL is needed, with one of audio_url, image_urls"),
        ("prompt=https://a.example/b", "with one of audio_url, image_urls"),
        ("image_urls=a.png", "the URL must begin with https"),
        ("image_urls=https://", "the URL must begin with https"),
        ("image_urls=https:///x.png", "and a host"),
        ("image_urls=https://[::1/x.png", "and a host"),
        ("image_urls=https://a.example/x y.png", "the URL is not valid"),
        ("audio_url=https://a.example/\u00fc.mp3", "the URL is not valid"),
    ],
)
def test_a_wrong_input_is_refused(given: str, said: str) -> None:
    """The sentence names what was given, and what is needed."""
    with pytest.raises(ValueError, match=said):
        parse_inputs([given])


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:65535/a.png",
        "http://127.0.0.1:34567/files/a.png",
        "https://a.example/a.png?X-Amz-Credential=a%2Fb&X-Amz-Signature=0a%3D~",
    ],
)
def test_a_request_with_a_given_input_must_be_accepted(url) -> None:
    """Whatever its port and its signature are: otherwise nothing that has it would be judged."""
    expectation = packaged_oracle().expectation(MODEL.operation_id, {**VALID, "image_urls": [url]})
    assert expectation.expected is Expected.ACCEPT


def test_several_inputs_of_a_parameter_are_kept_in_order() -> None:
    """A signed URL is one, too."""
    signed = "https://a:8443/1.png?X-Amz-Signature=0a%2Fb&e=1~2"
    assert parse_inputs([f"image_urls={signed}", "image_urls=http://a/2"]) == {
        "image_urls": [signed, "http://a/2"]
    }
