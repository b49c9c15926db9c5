"""A job is identified by its files' contents, and paid for once, however often its links change."""

from __future__ import annotations

import itertools
import json
import sqlite3
import time
from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve

from tests.uploads.conftest import image, image_bytes
from tests.uploads.test_file_parameters import PARAMETERS, request_of
from wanflow import InvalidRequest, Ledger, SubmitUncertain
from wanflow.uploads import UploadedLink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from wanflow.mock import MockServer
    from wanflow.mock.gateway.accounts import Account
    from wanflow.uploads import FileUpload

MODEL, NAME = PARAMETERS[0]


class ChangingLinks:
    """Returns another link each time, as presigning does; `seconds` is how long it is valid."""

    numbers = itertools.count(1)

    def __init__(self, seconds: float = 5000.0) -> None:
        self.seconds = seconds
        self.links: list[str] = []

    def upload(self, file: FileUpload) -> UploadedLink:
        """Return a link that no other has."""
        now = int(time.time())
        signed = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
        self.links.append(
            f"https://bucket.example/{file.name}?X-Amz-Date={signed}&X-Amz-Expires="
            f"{self.seconds:.0f}&X-Amz-Signature=secret{next(self.numbers)}"
        )
        return UploadedLink(self.links[-1], now + self.seconds)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.db") as opened:
        yield opened


@pytest.fixture
def make(runner: Any, mock: MockServer, api_key: str, ledger: Ledger) -> Callable[..., Any]:
    """Make clients of the mock, which honours idempotency keys."""

    def made(uploader: object, **more: Any) -> Any:
        options = {"api_key": api_key, "base_url": mock.base_url, "ledger": ledger} | more
        return runner.client(uploader=uploader, **options)

    return made


@pytest.fixture
def charged(mock: MockServer, api_key: str) -> Account:
    """The test's account."""
    return mock.accounts.for_key(api_key)


def job(path: Path, tmp_path: Path, **more: Any) -> dict[str, Any]:
    """A job with a file."""
    return request_of(MODEL, NAME, str(path), tmp_path) | more


@pytest.mark.parametrize("more", [{}, {"key": "my-cat"}], ids=["without a key", "with a key"])
def test_a_batch_that_runs_again_pays_nothing_when_links_change(
    more: dict[str, Any],
    runner: Any,
    make: Callable[..., Any],
    charged: Account,
    tmp_path: Path,
) -> None:
    """Nor when the file was moved. Another content is another job, or an error of its key."""
    path = image(tmp_path)
    out = tmp_path / "out"
    first, second = ChangingLinks(), ChangingLinks()
    runner.do(make(first).batch, [job(path, tmp_path, **more)], out, timeout=30)
    report = runner.do(make(second).batch, [job(path, tmp_path, **more)], out, timeout=30)
    assert charged.submitted == 1
    assert [result.from_earlier_run for result in report.results] == [True]
    assert not set(first.links) & set(second.links)
    path.rename(tmp_path / "moved.png")
    moved = job(tmp_path / "moved.png", tmp_path, **more)
    runner.do(make(ChangingLinks()).batch, [moved], out, timeout=30)
    assert charged.submitted == 1
    image(tmp_path, "moved.png", shade=200)
    if more:
        with pytest.raises(InvalidRequest, match="already used for another request"):
            runner.do(make(ChangingLinks()).batch, [moved], out, timeout=30)
    else:
        runner.do(make(ChangingLinks()).batch, [moved], out, timeout=30)
        assert charged.submitted == 2


def bodies(mock: MockServer, api_key: str) -> list[str]:
    """The bodies of the submissions that reached the mock."""
    account = mock.accounts.for_key(api_key)
    return [
        one.body for one in mock.journal if one.account == account.name and one.method == "POST"
    ]


def lose_response(mock: MockServer, charged: Account) -> None:
    """Let the mock accept the next submission without a response."""
    mock.faults.add("lost-response", count=1, account=charged)


WAYS = ["same client", "other client", "batch", "resume"]


@pytest.mark.parametrize("way", WAYS)
def test_an_uncertain_submission_is_repeated_with_the_same_links(
    way: str,
    runner: Any,
    make: Callable[..., Any],
    mock: MockServer,
    api_key: str,
    charged: Account,
    tmp_path: Path,
) -> None:
    """The same body and key are sent, so the mock returns the first task and charges once."""
    body, key, out = job(image(tmp_path), tmp_path), "k" * 20, tmp_path / "out"
    client = make(ChangingLinks(), **({"ledger": None} if way == "same client" else {}))
    other = client if way == "same client" else make(ChangingLinks())
    lose_response(mock, charged)
    if way == "batch":
        runner.do(client.batch, [body], out, timeout=30)
        runner.do(other.batch, [body], out, timeout=30, resubmit_uncertain=True)
    else:
        with pytest.raises(SubmitUncertain) as lost:
            runner.do(client.submit, body, idempotency_key=key)
        assert "secret" not in repr(vars(lost.value))
        if way == "resume":
            runner.do(other.resume_all, out, timeout=30, resubmit_uncertain=True)
        else:
            again = {"idempotency_key": key, "resubmit_uncertain": True}
            runner.do(other.submit, lost.value.request, **again)
    sent = bodies(mock, api_key)
    assert len(sent) == 2
    assert sent[0] == sent[1]
    assert charged.submitted == 1


class OwnLinks(ChangingLinks):
    """Returns links whose text doesn't say when they expire."""

    def upload(self, file: FileUpload) -> UploadedLink:
        """Return a link that no other has."""
        link = super().upload(file)
        return evolve(link, url=link.url.partition("?")[0])


def as_later(links: dict[str, Any], own: bool) -> dict[str, Any]:
    """Return recorded links as if 4500 seconds had passed."""
    if own:
        return {name: [url, expires - 4500] for name, (url, expires) in links.items()}
    return {name: url.replace("=5000", "=500") for name, (url, _) in links.items()}


@pytest.mark.parametrize("known_by", ["the link", "the uploader"])
def test_an_uncertain_submission_with_an_expired_link_is_not_repeated(
    known_by: str,
    runner: Any,
    make: Callable[..., Any],
    mock: MockServer,
    ledger: Ledger,
    charged: Account,
    tmp_path: Path,
) -> None:
    """Another link would be another request under the same key, and the old one can't be read.

    The expiry is known by the link's text, or by the uploader alone, which is recorded.
    """
    body, key, own = job(image(tmp_path), tmp_path), "k" * 20, known_by == "the uploader"
    lose_response(mock, charged)
    with pytest.raises(SubmitUncertain):
        runner.do(make(OwnLinks() if own else ChangingLinks()).submit, body, idempotency_key=key)
    with sqlite3.connect(ledger.path) as db:
        ((links,),) = db.execute("SELECT uploads FROM job").fetchall()
        db.execute("UPDATE job SET uploads = ?", [json.dumps(as_later(json.loads(links), own))])
    db.close()
    uploader = ChangingLinks()
    client = make(uploader)
    with pytest.raises(SubmitUncertain, match=r"can't be sent again as it was.*expires in"):
        runner.do(client.submit, body, idempotency_key=key, resubmit_uncertain=True)
    (ended,) = runner.do(client.resume_all, tmp_path, timeout=30, resubmit_uncertain=True)
    assert isinstance(ended.error, SubmitUncertain)
    assert "expires in" in str(ended.error)
    assert uploader.links == []
    assert charged.submitted == 1


@pytest.mark.parametrize("fault", ["", "status=400"])
def test_the_ledger_forgets_the_links_when_the_outcome_is_known(
    fault: str,
    runner: Any,
    make: Callable[..., Any],
    mock: MockServer,
    ledger: Ledger,
    charged: Account,
    tmp_path: Path,
) -> None:
    """Accepted or rejected, only the reference is left; while uncertain, the links are there."""
    body = job(image(tmp_path), tmp_path)
    lose_response(mock, charged)
    with pytest.raises(SubmitUncertain):
        runner.do(make(ChangingLinks()).submit, body)
    (uncertain,) = ledger.jobs()
    assert all("secret" in link.url for link in uncertain.uploads.values())
    assert "secret" not in str(uncertain.body) + repr(uncertain)
    if fault:
        mock.faults.add(fault, count=1, account=charged)
        with pytest.raises(Exception, match="400"):
            runner.do(make(ChangingLinks()).submit, body)
    else:
        runner.do(make(ChangingLinks()).submit, body)
    last = ledger.jobs()[-1]
    assert last.uploads == {}
    assert last.body is not None
    assert last.body[NAME][0].startswith("sha256:")


def test_a_file_that_changes_during_a_batch_is_not_sent(
    runner: Any, make: Callable[..., Any], charged: Account, tmp_path: Path
) -> None:
    """What was checked and identified is what is uploaded, or nothing is."""
    first, second = image(tmp_path, "1.png", 1), image(tmp_path, "2.png", 2)

    class Changing(ChangingLinks):
        def upload(self, file: FileUpload) -> UploadedLink:
            for path in (first, second):
                path.write_bytes(image_bytes(99))
            return super().upload(file)

    jobs = [job(path, tmp_path) for path in (first, second)]
    client = make(Changing())
    report = runner.do(client.batch, jobs, tmp_path / "out", timeout=30, max_concurrency=1)
    assert sorted(str(result.status) for result in report.results) == ["failed", "saved"]
    (failed,) = [result for result in report.results if str(result.status) == "failed"]
    assert "has changed since it was checked" in failed.reason
    assert charged.submitted == 1


def test_every_file_of_a_batch_is_checked_before_the_first_is_uploaded(
    runner: Any, make: Callable[..., Any], charged: Account, tmp_path: Path
) -> None:
    """An invalid and a missing file are errors of their lines."""
    (tmp_path / "small.png").write_bytes(image_bytes(size=(9, 9)))
    names = ("cat.png", "small.png", "gone.png")
    image(tmp_path)
    uploader = ChangingLinks()
    jobs = [job(tmp_path / name, tmp_path) for name in names]
    with pytest.raises(InvalidRequest) as refused:
        runner.do(make(uploader).batch, jobs, tmp_path / "out", timeout=30)
    assert [error.line for error in refused.value.row_errors] == [2, 3]
    assert uploader.links == []
    assert charged.submitted == 0
