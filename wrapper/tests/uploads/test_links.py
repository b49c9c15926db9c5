"""Links that expire before a task can have read them are renewed or refused, before paying."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.uploads.conftest import image
from tests.uploads.test_file_parameters import PARAMETERS, request_of
from wanflow import (
    AsyncClient,
    Client,
    ConfigurationError,
    InvalidRequest,
    RequestWarning,
)
from wanflow._core.link_expiry import MIN_LIFETIME, expiry_of
from wanflow.errors import UploadFailed
from wanflow.uploads import UploadedLink

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from wanflow.mock import MockServer
    from wanflow.uploads import FileUpload

MODEL, NAME = PARAMETERS[0]


def stamp(form: str, at: float) -> str:
    return time.strftime(form, time.gmtime(at))


VENDORS: dict[str, Callable[[float], str]] = {
    "s3": lambda at: (
        f"X-Amz-Date={stamp('%Y%m%dT%H%M%SZ', at - 5000)}&X-Amz-Expires=5000&X-Amz-Signature=S3CRET"
    ),
    "s3 of version 2": lambda at: f"AWSAccessKeyId=a&Signature=S3CRET&Expires={at:.0f}",
    "gs": lambda at: (
        f"X-Goog-Date={stamp('%Y%m%dT%H%M%SZ', at - 60)}&X-Goog-Expires=60&X-Goog-Signature=S3CRET"
    ),
    "az": lambda at: f"sv=1&se={stamp('%Y-%m-%dT%H%%3A%M%%3A%SZ', at)}&sig=S3CRET",
    "cloudfront": lambda at: f"Expires={at:.0f}&Signature=S3CRET&Key-Pair-Id=k",
}


def link(vendor: str, seconds: float) -> str:
    """A presigned link that expires in some seconds."""
    return f"https://bucket.example/cat.png?{VENDORS[vendor](time.time() + seconds)}"


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize(("seconds", "problem"), [(-60, "has expired"), (60, "expires in ")])
def test_a_link_that_expires_too_early_is_refused_before_anything_is_sent(
    vendor: str,
    seconds: float,
    problem: str,
    runner: Any,
    mock: MockServer,
    api_key: str,
) -> None:
    """Of each provider. The error has no signature; validate=False sends it all the same."""
    client = runner.client(api_key=api_key, base_url=mock.base_url)
    body = request_of(MODEL, NAME, link(vendor, seconds), None)
    with pytest.raises(InvalidRequest, match=rf"{NAME}\[0\]: the link {problem}.*900 s") as refused:
        runner.do(client.submit, body)
    assert "S3CRET" not in str(refused.value) + repr(refused.value.violations)
    assert mock.accounts.for_key(api_key).submitted == 0
    runner.do(client.submit, body, validate=False)


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_link_that_lives_long_enough_is_sent(
    vendor: str, runner: Any, mock: MockServer, api_key: str
) -> None:
    """As it is."""
    client = runner.client(api_key=api_key, base_url=mock.base_url)
    runner.do(client.submit, request_of(MODEL, NAME, link(vendor, MIN_LIFETIME + 60), None))


@given(query=st.text(max_size=80), name=st.sampled_from(["X-Amz-Expires", "se", "Expires", "a"]))
def test_any_query_is_read_or_says_nothing(query: str, name: str) -> None:
    """No text raises."""
    for text in (query, f"{name}={query}&X-Amz-Signature=s&sig=s&Signature=s&X-Amz-Date={query}"):
        assert expiry_of(f"https://a.example/x?{text}") is None or expiry_of(f"https://a/?{text}")


def test_the_lines_of_a_batch_are_checked_for_expired_links_first(
    runner: Any, mock: MockServer, api_key: str, tmp_path: Path
) -> None:
    """Before the first is sent."""
    from wanflow import Ledger

    jobs = [request_of(MODEL, NAME, link("s3", seconds), None) for seconds in (5000, 60)]
    with Ledger(tmp_path / "l.db") as ledger:
        client = runner.client(api_key=api_key, base_url=mock.base_url, ledger=ledger)
        with pytest.raises(InvalidRequest, match=r"line 2: .*the link expires in"):
            runner.do(client.batch, jobs, tmp_path / "out")
    assert mock.accounts.for_key(api_key).submitted == 0


class Uploads:
    """An uploader whose links expire after some seconds, if it says when."""

    def __init__(self, *seconds: float | None) -> None:
        self.seconds = list(seconds)
        self.count = 0

    def upload(self, file: FileUpload) -> UploadedLink:
        """Return a link."""
        seconds, self.count = self.seconds[min(self.count, len(self.seconds) - 1)], self.count + 1
        until = None if seconds is None else time.time() + seconds
        return UploadedLink(f"https://bucket.example/{self.count}/{file.name}", until)


@pytest.mark.parametrize(
    ("seconds", "uploads"),
    [(None, 1), (24 * 3600, 1), (2 * MIN_LIFETIME + 60, 1), (MIN_LIFETIME + 60, 3)],
    ids=["unknown", "a day", "long enough", "soon"],
)
def test_a_link_is_reused_until_it_expires_soon(
    seconds: float | None,
    uploads: int,
    runner: Any,
    mock: MockServer,
    api_key: str,
    tmp_path: Path,
) -> None:
    """Then the file is uploaded again, and its link is new; copies of the client share links."""
    uploader = Uploads(seconds)
    client = runner.client(api_key=api_key, base_url=mock.base_url, uploader=uploader)
    body = request_of(MODEL, NAME, image(tmp_path), tmp_path)
    for one in (client, client, client.with_options(timeout=20)):
        runner.do(one.submit, body)
    assert uploader.count == uploads


def test_a_link_of_an_uploader_that_expires_too_early_is_refused(
    runner: Any, mock: MockServer, api_key: str, tmp_path: Path
) -> None:
    """Nothing is sent."""
    client = runner.client(api_key=api_key, base_url=mock.base_url, uploader=Uploads(60))
    with pytest.raises(InvalidRequest, match=r"the uploader gave a link for .* that expires in"):
        runner.do(client.submit, request_of(MODEL, NAME, image(tmp_path), tmp_path))
    assert mock.accounts.for_key(api_key).submitted == 0


def test_an_uploader_may_be_async_in_an_async_client_only(
    runner: Any, mock: MockServer, api_key: str, tmp_path: Path
) -> None:
    """An object or a function; a sync client says so, and leaves no coroutine behind."""

    class Async(Uploads):
        async def upload(self, file: FileUpload) -> UploadedLink:  # type: ignore[override]
            return super().upload(file)

    async def function(path: Path) -> str:
        return f"https://bucket.example/{path.name}"

    for uploader in (Async(None), function):
        client = runner.client(api_key=api_key, base_url=mock.base_url, uploader=uploader)
        body = request_of(MODEL, NAME, image(tmp_path), tmp_path)
        if runner.name == "sync":
            with pytest.raises(ConfigurationError, match="needs an AsyncClient"):
                runner.do(client.submit, body)
        else:
            runner.do(client.submit, body)


@pytest.mark.parametrize("kind", ["object", "function"])
def test_an_exception_of_an_uploader_is_one_error(
    kind: str, runner: Any, mock: MockServer, api_key: str, tmp_path: Path
) -> None:
    """It names the exception's type and not its text, which may have a link in it."""

    def fail(_: object) -> str:
        raise RuntimeError("PUT https://bucket.example/?X-Amz-Signature=S3CRET")

    class Failing:
        upload = staticmethod(fail)

    uploader = Failing() if kind == "object" else fail
    client = runner.client(api_key=api_key, base_url=mock.base_url, uploader=uploader)
    with pytest.raises(UploadFailed, match="the uploader raised RuntimeError; nothing") as failed:
        runner.do(client.submit, request_of(MODEL, NAME, image(tmp_path), tmp_path))
    assert "S3CRET" not in str(failed.value)
    assert mock.accounts.for_key(api_key).submitted == 0


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_an_interrupted_upload_says_that_nothing_was_sent(
    kind: str, mock: MockServer, api_key: str, tmp_path: Path
) -> None:
    """As a note of the exception that broke it off."""

    class Stop(BaseException):
        pass

    class Interrupted:
        def upload(self, _: FileUpload) -> str:
            raise Stop

    body = request_of(MODEL, NAME, image(tmp_path), tmp_path)

    async def submit_async() -> None:
        async with AsyncClient(api_key, mock.base_url, uploader=Interrupted()) as client:
            await client.submit(body)

    def submit() -> None:
        with Client(api_key, mock.base_url, uploader=Interrupted()) as client:
            client.submit(body)

    run = submit if kind == "sync" else partial(anyio.run, submit_async)
    with pytest.raises(Stop) as stopped:
        run()
    assert "nothing was sent" in " ".join(stopped.value.__notes__)
    assert mock.accounts.for_key(api_key).submitted == 0


def test_a_link_that_a_public_api_cannot_fetch_is_a_warning(runner: Any, tmp_path: Path) -> None:
    """It names the host, and not the link."""
    import httpx

    class Internal:
        def upload(self, file: FileUpload) -> str:
            return f"http://localhost:9000/{file.name}?sig=S3CRET"

    def respond(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"id": "task-unified-1-a", "status": "pending"})

    client = runner.client(
        api_key="k" * 20,
        base_url="https://api.example.com",
        transport=httpx.MockTransport(respond),
        uploader=Internal(),
    )
    with pytest.warns(RequestWarning, match="internal host 'localhost'") as warned:
        runner.do(client.submit, request_of(MODEL, NAME, image(tmp_path), tmp_path))
    assert "S3CRET" not in str(warned[0].message)
