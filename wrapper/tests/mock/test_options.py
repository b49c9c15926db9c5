"""What a mock is told: options that don't exist, or make no sense, are one clear error."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from wanflow.catalog.catalog import packaged_catalog
from wanflow.mock import AccountLimits, Mock, MockServer, MockTransport, RateLimit, VirtualClock
from wanflow.mock.options import _RULES, SOCKET_OPTIONS, Options

MODEL = next(iter(packaged_catalog().models.values()))
DOORS: list[Any] = [MockServer, MockTransport, lambda **options: Mock("http://x", **options)]


def submit(server: MockServer, key: str = "k") -> httpx.Response:
    return httpx.post(
        server.base_url + MODEL.path,
        json=dict(MODEL.example),
        headers={"Authorization": f"Bearer {key}"},
        trust_env=False,
    )


class TestNames:
    """An option that doesn't exist is refused at every door."""

    @pytest.mark.parametrize("door", DOORS)
    def test_a_slip_is_told_with_the_nearest(self, door) -> None:
        """Both names are in the message."""
        with pytest.raises(TypeError, match="has no option 'poll'; did you mean 'polls'"):
            door(poll=1)

    def test_what_is_near_nothing_is_told_with_all(self) -> None:
        """Every option is named."""
        with pytest.raises(TypeError, match="no option 'banana'") as caught:
            MockServer(banana=2)  # type: ignore[call-arg] # what is tested
        for name in (*Options.__annotations__, *SOCKET_OPTIONS):
            assert re.search(rf"\b{name}\b", str(caught.value))

    def test_a_socket_s_options_are_for_a_socket(self) -> None:
        """A server takes a port, and says so of `prot`; a transport takes none."""
        with pytest.raises(TypeError, match="did you mean 'port'"):
            MockServer(prot=0)  # type: ignore[call-arg] # what is tested
        with pytest.raises(TypeError, match="MockTransport has no option 'port'"):
            MockTransport(port=0)  # type: ignore[call-arg] # what is tested

    def test_each_has_its_rule(self) -> None:
        """None can be added without saying what it must be."""
        assert _RULES.keys() == {*Options.__annotations__, *SOCKET_OPTIONS}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("polls", "one"), ("polls", True), ("polls", -1), ("polls", 1.5),
        ("seconds", -1), ("seconds", float("nan")), ("seconds", "5"),
        ("progression", 5), ("progression", "sometimes"), ("clock", VirtualClock), ("clock", 0),
        ("credits", -1), ("credits", "many"), ("rate", 5), ("rate", "fast"), ("limits", {}),
        ("idempotency", None), ("loopback_callbacks", "no"), ("seed", None), ("seed", "x"),
        ("scenario", 1), ("state", b"x"), ("document", "openapi.yaml"),
        ("host", None), ("port", 65536), ("port", "80"),
    ],
)  # fmt: skip
def test_a_value_that_makes_no_sense_is_refused(name, value) -> None:
    """The message names the option, or says what would be right."""
    with pytest.raises(ValueError, match=f"{name} must be|is not a progression|a rate is written"):
        MockServer(**{name: value})


@pytest.mark.parametrize("key", ["", "clé-secret", "two secret", "x" * 513])
def test_a_key_that_can_not_be_sent_is_refused_and_not_told(key) -> None:
    """It would let nobody in; the message doesn't show it."""
    with pytest.raises(ValueError, match="api_key must be") as caught:
        MockServer(api_key=key)
    assert "secret" not in str(caught.value)


class TestMoney:
    """A little credit, and a low rate, without a word about terms."""

    def test_credits_run_out(self) -> None:
        """Every account has as many, and no more."""
        with MockServer(credits=0.5) as server:
            assert [submit(server, key).status_code for key in "ab"] == [402, 402]
            server.accounts.for_key("a").limits = AccountLimits(credits=1000)
            assert [submit(server, key).status_code for key in "ab"] == [200, 402]

    @pytest.mark.parametrize("rate", ["1/60", RateLimit(1, 60)])
    def test_a_rate_is_passed(self, rate) -> None:
        """It may be written as on the command line."""
        with MockServer(rate=rate, clock=VirtualClock()) as server:
            assert [submit(server).status_code for _ in range(2)] == [200, 429]

    def test_what_they_say_comes_before_the_terms(self) -> None:
        """The rest of the terms stays."""
        terms = AccountLimits(credits=1, forbidden_models=frozenset({MODEL.name}))
        mock = MockTransport(limits=terms, credits=2)
        assert mock.accounts.for_key("k").limits == AccountLimits(2, None, frozenset({MODEL.name}))
