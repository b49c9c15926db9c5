"""Laws of tokens: made by us alone, and only as we spelled them."""

from __future__ import annotations

import hmac
import json
import pickle
from base64 import urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wanflow.errors import ConfigurationError, InvalidRequest
from wanflow.webhooks.errors import CallbackRejected
from wanflow.webhooks.url_tokens import TokenData, UrlSigner

OLD, NEW, OTHER = "old secret of ours", "new secret of ours", "a secret of others"
NOW = 1_750_000_000
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
TICKETS = st.builds(TokenData, TEXT, TEXT, st.none() | st.integers(NOW + 1, NOW + 10**9))
LETTERS = st.sampled_from("ABCyz019-_.=+/ \n\0é")


@st.composite
def changes(draw: st.DrawFn) -> tuple[TokenData, str, str]:
    """A ticket, its token, and the token with one letter changed, added, lost or moved."""
    ticket = draw(TICKETS)
    token = UrlSigner(NEW).sign(ticket)
    place = draw(st.integers(0, len(token) - 1))
    before, letter, after = token[:place], token[place], token[place + 1 :]
    changed = draw(
        st.sampled_from(
            [
                before + draw(LETTERS) + after,
                before + draw(LETTERS) + letter + after,
                token + draw(LETTERS),
                before + after,
                before + letter.swapcase() + after,
                before + after[:1] + letter + after[1:],
                letter + before + after,
            ]
        )
    )
    return ticket, token, changed


class TestSealing:
    """What was sealed is read as it was, until it expires."""

    @given(TICKETS)
    def test_whatever_is_sealed_is_read_again(self, ticket: TokenData) -> None:
        """Any job and kind survive, and the token needs no escape in a URL."""
        token = UrlSigner(NEW).sign(ticket)
        assert UrlSigner(NEW).verify(token, now=NOW) == ticket
        assert set(token) <= set(
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
        )

    def test_a_token_expires_on_the_second(self) -> None:
        """It is good before its moment, and not from then on."""
        token = UrlSigner(NEW).sign(TokenData("job", "task", NOW))
        assert UrlSigner(NEW).verify(token, now=NOW - 0.001).expires == NOW
        for moment in (NOW, NOW + 0.5, NOW + 10**9):
            with pytest.raises(CallbackRejected) as refused:
                UrlSigner(NEW).verify(token, now=moment)
            assert refused.value.status == 410

    def test_a_token_without_a_moment_never_expires(self) -> None:
        """None is for ever."""
        token = UrlSigner(NEW).sign(TokenData("job", "task"))
        assert UrlSigner(NEW).verify(token, now=1e15) == TokenData("job", "task")

    def test_half_a_letter_is_no_name(self) -> None:
        """A lone surrogate can't be written, and that is said."""
        with pytest.raises(InvalidRequest, match="Unicode"):
            UrlSigner(NEW).sign(TokenData("\ud800", "task"))


class TestForgery:
    """Nobody without a secret makes a token, and nobody makes a second one out of a first."""

    @given(changes())
    def test_no_single_change_makes_another_token(self, change: tuple[TokenData, str, str]) -> None:
        """One letter changed, added, lost or moved, and it is refused; there is one spelling."""
        ticket, token, changed = change
        if changed == token:
            assert UrlSigner(NEW).verify(changed, now=NOW) == ticket
        else:
            with pytest.raises(CallbackRejected):
                UrlSigner(NEW).verify(changed, now=NOW)

    def test_every_single_letter_counts(self) -> None:
        """Each place of one token, with each letter that a token can have."""
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
        sealer = UrlSigner(NEW)
        token = sealer.sign(TokenData("job 7", "video", NOW + 60))
        tried = 0
        for place, letter in enumerate(token):
            for other in alphabet.replace(letter, ""):
                with pytest.raises(CallbackRejected):
                    sealer.verify(token[:place] + other + token[place + 1 :], now=NOW)
                tried += 1
        assert tried == len(token) * (len(alphabet) - 1)

    @given(TICKETS, TICKETS)
    def test_halves_of_two_tokens_make_none(self, one: TokenData, other: TokenData) -> None:
        """The signature of one is worth nothing under another's payload."""
        sealer = UrlSigner(NEW)
        payload, signature = sealer.sign(one).split(".")[0], sealer.sign(other).split(".")[1]
        if one != other:
            with pytest.raises(CallbackRejected):
                sealer.verify(f"{payload}.{signature}", now=NOW)

    @given(st.text(max_size=200) | st.text("ABCabc019-_.", max_size=4000))
    def test_whatever_else_is_refused(self, text: str) -> None:
        """Any text at all is refused in one way, and nothing else is raised."""
        with pytest.raises(CallbackRejected) as refused:
            UrlSigner([NEW, OLD]).verify(text, now=NOW)
        assert refused.value.status == 404

    def test_what_is_longer_than_a_url_is_not_even_looked_at(self) -> None:
        """2048 characters are the most that the API can call: more is refused, signed or not."""
        token = UrlSigner(NEW).sign(TokenData("j" * 2000, "task"))
        assert len(token) > 2048
        with pytest.raises(CallbackRejected):
            UrlSigner(NEW).verify(token, now=NOW)

    def test_the_secret_signs_nothing_else(self) -> None:
        """A signature over the bare payload, as another program might make, is refused."""
        payload = urlsafe_b64encode(json.dumps(["job", "task", None]).encode()).decode().rstrip("=")
        digest = hmac.digest(NEW.encode(), payload.encode(), "sha256")
        with pytest.raises(CallbackRejected):
            UrlSigner(NEW).verify(
                f"{payload}.{urlsafe_b64encode(digest).decode().rstrip('=')}", now=NOW
            )


class TestRotation:
    """The newest secret signs; all of them verify, for as long as they are kept."""

    @given(TICKETS)
    def test_old_urls_outlive_the_change_of_secrets(self, ticket: TokenData) -> None:
        """A token of the old secret is good until the old secret is taken away."""
        token = UrlSigner(OLD).sign(ticket)
        assert UrlSigner([NEW, OLD]).verify(token, now=NOW) == ticket
        with pytest.raises(CallbackRejected):
            UrlSigner(NEW).verify(token, now=NOW)

    @given(TICKETS)
    def test_the_newest_signs(self, ticket: TokenData) -> None:
        """What two secrets seal is what the first alone would have sealed."""
        assert UrlSigner([NEW, OLD]).sign(ticket) == UrlSigner(NEW).sign(ticket)
        assert UrlSigner([NEW, OLD]).sign(ticket) != UrlSigner([OLD, NEW]).sign(ticket)

    def test_another_secret_opens_nothing(self) -> None:
        """Neither bytes nor text of another."""
        token = UrlSigner(NEW).sign(TokenData("job", "task"))
        assert UrlSigner(NEW.encode()).verify(token, now=NOW) == TokenData("job", "task")
        with pytest.raises(CallbackRejected):
            UrlSigner(OTHER).verify(token, now=NOW)


class TestSecrets:
    """Secrets are long enough to be ones, and are kept."""

    @pytest.mark.parametrize("secrets", ["", b"", "short", [], [NEW, "short"], [NEW] * 9])
    def test_what_is_no_secret(self, secrets: str | bytes | list[str | bytes]) -> None:
        """None, a short one, or too many: said at once, and without saying them."""
        with pytest.raises(ConfigurationError) as error:
            UrlSigner(secrets)
        assert "secret of ours" not in str(error.value)

    def test_they_are_shown_to_nobody(self) -> None:
        """Neither repr nor pickle gives one away."""
        sealer = UrlSigner([NEW, OLD])
        assert NEW not in repr(sealer)
        with pytest.raises(TypeError):
            pickle.dumps(sealer)
