"""Callback URLs: none is made that the API would reject."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wanflow.catalog.catalog import packaged_catalog
from wanflow.catalog.validator import packaged_validator
from wanflow.errors import ConfigurationError, InvalidRequest
from wanflow.webhooks import Receiver

SECRET = "a secret of sixteen"
PUBLIC = "https://hooks.example.org/callbacks/"
MODELS = [m for m in packaged_catalog().models.values() if "callback_url" in m.parameters]
JOBS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200)


class TestUrls:
    """Every callback URL can be submitted."""

    @given(JOBS)
    def test_the_spec_accepts_it(self, job: str) -> None:
        """A URL for any job is valid for every model with callbacks."""
        assert MODELS
        url = Receiver(SECRET, PUBLIC).url(job)
        for model in MODELS:
            assert (
                packaged_validator().violations(model, {**model.example, "callback_url": url}) == []
            )

    @given(st.integers(1, 2000))
    def test_a_name_that_is_too_long_is_rejected(self, length: int) -> None:
        """A URL has at most 2048 characters; a longer one is never made."""
        receiver = Receiver(SECRET, PUBLIC)
        if length <= 1400:
            assert len(receiver.url("j" * length)) <= 2048
        elif length >= 1500:
            with pytest.raises(InvalidRequest, match="2048"):
                receiver.url("j" * length)

    def test_the_longest_urls_can_be_read(self) -> None:
        """The longest URL that can be made can also be read."""
        receiver = Receiver(SECRET, PUBLIC)
        longest = ""
        for length in range(1400, 1600):
            try:
                longest = receiver.url("j" * length)
            except InvalidRequest:
                break
        assert len(longest) >= 2045
        assert receiver.read_token(longest.rpartition("/")[2]).job.startswith("jjj")

    def test_an_empty_job_name_is_rejected(self) -> None:
        """A job needs a name."""
        with pytest.raises(InvalidRequest):
            Receiver(SECRET, PUBLIC).url("")

    def test_a_trailing_slash_makes_no_difference(self) -> None:
        """The token is the last path segment."""
        url = Receiver(SECRET, PUBLIC, lifetime=None).url("a")
        assert url == Receiver(SECRET, PUBLIC.rstrip("/"), lifetime=None).url("a")


class TestBaseUrl:
    """A base URL that the API can't reach is rejected by the constructor."""

    @pytest.mark.parametrize(
        "url",
        [
            *("http://hooks.example.org/", "ftp://hooks.example.org/", "hooks.example.org", ""),
            *("https://", "https://localhost/", "https://127.0.0.1/", "https://2130706433/"),
            *("https://10.1.2.3/x", "https://[::1]/", "https://user@example.org/"),
            *("https://example.org/?a=b", "https://example.org/#a", "https://example.org/a b"),
            *("https://example.org/?", "https://exämple.org/", "https://[::1/", "https://a.test/"),
            "https://example.org/\n",
        ],
    )
    def test_a_url_that_is_not_public_is_rejected(self, url: str) -> None:
        """An http, internal or malformed URL, or one with a query, is rejected."""
        with pytest.raises(ConfigurationError, match="callback URL"):
            Receiver(SECRET, url)

    @pytest.mark.parametrize("url", ["http://127.0.0.1:8710/cb", "https://localhost/cb"])
    def test_a_local_url_is_accepted_with_allow_local(self, url: str) -> None:
        """`allow_local` allows http and internal hosts; a valid host is required."""
        assert Receiver(SECRET, url, allow_local=True).url("a").startswith(url)
        with pytest.raises(ConfigurationError):
            Receiver(SECRET, "http:///cb", allow_local=True)
        with pytest.raises(ConfigurationError):
            Receiver(SECRET, "http://ex\u00e4mple.org/cb", allow_local=True)

    def test_a_handler_needs_a_client(self) -> None:
        """A handler without a client is rejected."""
        with pytest.raises(ConfigurationError):
            Receiver(SECRET, PUBLIC, on_task_done=print)

    def test_the_secret_is_in_no_repr(self) -> None:
        """The repr of a receiver has no secret."""
        assert SECRET not in repr(Receiver(SECRET, PUBLIC))
