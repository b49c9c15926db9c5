"""The options of a mock: unknown names and invalid values are clear errors."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from tests.plain_http import PLAIN
from wanflow.catalog.catalog import packaged_catalog
from wanflow.mock import AccountLimits, Mock, MockServer, MockTransport, RateLimit, VirtualClock
from wanflow.mock.options import _RULES, SOCKET_OPTIONS, Options

MODEL = next(iter(packaged_catalog().models.values()))
CONSTRUCTORS: list[Any] = [MockServer, MockTransport, lambda **options: Mock("http://x", **options)]


def submit(server: MockServer, key: str = "k") -> httpx.Response:
    return httpx.post(
        server.base_url + MODEL.path,
        json=dict(MODEL.example),
        headers={"Authorization": f"Bearer {key}"},
        **PLAIN,
    )


class TestNames:
    """An unknown option is rejected by every constructor."""

    @pytest.mark.parametrize("constructor", CONSTRUCTORS)
    def test_a_misspelt_option_suggests_the_right_one(self, constructor) -> None:
        """Both names are in the message."""
        with pytest.raises(TypeError, match="has no option 'poll'; did you mean 'polls'"):
            constructor(poll=1)

    def test_an_unknown_option_lists_all_options(self) -> None:
        """Every option is named."""
        with pytest.raises(TypeError, match="no option 'banana'") as caught:
            MockServer(banana=2)  # type: ignore[call-arg] # what is tested
        for name in (*Options.__annotations__, *SOCKET_OPTIONS):
            assert re.search(rf"\b{name}\b", str(caught.value))

    def test_host_and_port_are_options_of_servers_only(self) -> None:
        """A server has a port; a transport has none."""
        with pytest.raises(TypeError, match="did you mean 'port'"):
            MockServer(prot=0)  # type: ignore[call-arg] # what is tested
        with pytest.raises(TypeError, match="MockTransport has no option 'port'"):
            MockTransport(port=0)  # type: ignore[call-arg] # what is tested

    def test_each_option_is_validated(self) -> None:
        """Every option has a validation rule."""
        assert _RULES.keys() == {*Options.__annotations__, *SOCKET_OPTIONS}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("polls", "one"), ("polls", True), ("polls", -1), ("polls", 1.5),
        ("seconds", -1), ("seconds", float("nan")), ("seconds", "5"),
        ("progression", 5), ("progression", "sometimes"), ("clock", VirtualClock), ("clock", 0),
        ("credits", -1), ("credits", "many"), ("rate", 5), ("rate", "fast"), ("limits", {}),
        ("idempotency_keys", -1), ("idempotency_keys", None), ("idempotency_seconds", "1"),
        ("latency", ""), ("latency", 1), ("latency", "status=503"), ("latency", "latency=1,for=2"),
        ("public_url", ""), ("public_url", "mock.test"), ("public_url", "ftp://mock.test"),
        ("public_url", "http://u@mock.test"), ("public_url", "http://mock.test/?a"),
        ("public_url", "http://mock.test/ a"), ("public_url", "http://mock.test:99999"),
        ("allow_hosts", "mock"), ("allow_hosts", ["http://mock"]), ("allow_hosts", [""]),
        ("cors", "http://a.test"), ("cors", ["a.test"]), ("cors", ["http://a.test/"]),
        ("cors", ["null"]), ("cors", [b"*"]), ("journal_entries", -1), ("journal_entries", None),
        ("idempotency", None), ("loopback_callbacks", "no"), ("seed", None), ("seed", "x"),
        ("scenario", 1), ("state", b"x"), ("document", "openapi.yaml"),
        ("host", None), ("port", 65536), ("port", "80"),
    ],
)  # fmt: skip
def test_an_invalid_value_is_rejected(name, value) -> None:
    """The message names the option or the allowed form."""
    with pytest.raises(ValueError, match=f"{name} must be|is not a progression|a rate is written"):
        MockServer(**{name: value})


@pytest.mark.parametrize("key", ["", "clé-secret", "two secret", "x" * 513])
def test_an_api_key_that_cannot_be_sent_is_rejected(key) -> None:
    """No request could use it; the message doesn't contain it."""
    with pytest.raises(ValueError, match="api_key must be") as caught:
        MockServer(api_key=key)
    assert "secret" not in str(caught.value)


class TestLimits:
    """`credits` and `rate` are short forms of limits."""

    def test_credits_run_out(self) -> None:
        """Every account has that number of credits."""
        with MockServer(credits=0.5) as server:
            assert [submit(server, key).status_code for key in "ab"] == [402, 402]
            server.accounts.for_key("a").limits = AccountLimits(credits=1000)
            assert [submit(server, key).status_code for key in "ab"] == [200, 402]

    @pytest.mark.parametrize("rate", ["1/60", RateLimit(1, 60)])
    def test_a_rate_can_be_exceeded(self, rate) -> None:
        """A rate may be given as text."""
        with MockServer(rate=rate, clock=VirtualClock()) as server:
            assert [submit(server).status_code for _ in range(2)] == [200, 429]

    def test_they_take_precedence_over_limits(self) -> None:
        """Other limits are kept."""
        limits = AccountLimits(credits=1, forbidden_models=frozenset({MODEL.name}))
        mock = MockTransport(limits=limits, credits=2)
        assert mock.accounts.for_key("k").limits == AccountLimits(2, None, frozenset({MODEL.name}))
