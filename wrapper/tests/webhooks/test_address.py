"""Laws of callback URLs: what the API would refuse is never made."""

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
    """Every URL that is made can be submitted."""

    @given(JOBS)
    def test_the_documents_take_it(self, job: str) -> None:
        """A URL for any job breaks no rule of any model that takes callbacks."""
        assert MODELS
        url = Receiver(SECRET, PUBLIC).url(job)
        for model in MODELS:
            assert (
                packaged_validator().violations(model, {**model.example, "callback_url": url}) == []
            )

    @given(st.integers(1, 2000))
    def test_a_name_that_is_too_long_is_refused(self, length: int) -> None:
        """2048 characters are the most: a longer URL is never made."""
        receiver = Receiver(SECRET, PUBLIC)
        if length <= 1400:
            assert len(receiver.url("j" * length)) <= 2048
        elif length >= 1500:
            with pytest.raises(InvalidRequest, match="2048"):
                receiver.url("j" * length)

    def test_the_longest_ones_open_again(self) -> None:
        """What is just short enough to be made is just short enough to be read."""
        receiver = Receiver(SECRET, PUBLIC)
        longest = ""
        for length in range(1400, 1600):
            try:
                longest = receiver.url("j" * length)
            except InvalidRequest:
                break
        assert len(longest) >= 2045
        assert receiver.read_token(longest.rpartition("/")[2]).job.startswith("jjj")

    def test_a_job_has_a_name(self) -> None:
        """None is refused."""
        with pytest.raises(InvalidRequest):
            Receiver(SECRET, PUBLIC).url("")

    def test_a_slash_more_or_less_is_the_same(self) -> None:
        """The token is the last segment."""
        url = Receiver(SECRET, PUBLIC, lifetime=None).url("a")
        assert url == Receiver(SECRET, PUBLIC.rstrip("/"), lifetime=None).url("a")


class TestBase:
    """A receiver says at once that nobody could reach it."""

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
    def test_no_public_url(self, url: str) -> None:
        """http, internal, malformed, or with a query: refused."""
        with pytest.raises(ConfigurationError, match="callback URL"):
            Receiver(SECRET, url)

    @pytest.mark.parametrize("url", ["http://127.0.0.1:8710/cb", "https://localhost/cb"])
    def test_a_local_one_where_told(self, url: str) -> None:
        """`local` lets http and internal hosts be; a host there must be."""
        assert Receiver(SECRET, url, allow_local=True).url("a").startswith(url)
        with pytest.raises(ConfigurationError):
            Receiver(SECRET, "http:///cb", allow_local=True)
        with pytest.raises(ConfigurationError):
            Receiver(SECRET, "http://ex\u00e4mple.org/cb", allow_local=True)

    def test_a_client_and_a_handler_come_together(self) -> None:
        """One without the other is a mistake."""
        with pytest.raises(ConfigurationError):
            Receiver(SECRET, PUBLIC, on_task_done=print)

    def test_the_secret_is_in_no_repr(self) -> None:
        """A receiver shows where it is, and no more."""
        assert SECRET not in repr(Receiver(SECRET, PUBLIC))
