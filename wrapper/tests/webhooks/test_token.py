"""URL tokens: only a secret makes them, and each has exactly one valid form."""

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
PAYLOADS = st.builds(TokenData, TEXT, TEXT, st.none() | st.integers(NOW + 1, NOW + 10**9))
LETTERS = st.sampled_from("ABCyz019-_.=+/ \n\0é")


@st.composite
def changes(draw: st.DrawFn) -> tuple[TokenData, str, str]:
    """A payload, its token, and the token with one character changed, added, removed or moved."""
    payload = draw(PAYLOADS)
    token = UrlSigner(NEW).sign(payload)
    index = draw(st.integers(0, len(token) - 1))
    before, letter, after = token[:index], token[index], token[index + 1 :]
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
    return payload, token, changed


class TestSigning:
    """A signed token is read back unchanged until it expires."""

    @given(PAYLOADS)
    def test_any_token_is_read_back(self, payload: TokenData) -> None:
        """Any job and kind survive, and the token needs no escape in a URL."""
        token = UrlSigner(NEW).sign(payload)
        assert UrlSigner(NEW).verify(token, now=NOW) == payload
        assert set(token) <= set(
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
        )

    def test_a_token_expires_on_the_second(self) -> None:
        """It is valid before its expiry, and not from then on."""
        token = UrlSigner(NEW).sign(TokenData("job", "task", NOW))
        assert UrlSigner(NEW).verify(token, now=NOW - 0.001).expires == NOW
        for now in (NOW, NOW + 0.5, NOW + 10**9):
            with pytest.raises(CallbackRejected) as error:
                UrlSigner(NEW).verify(token, now=now)
            assert error.value.status == 410

    def test_a_token_without_an_expiry_never_expires(self) -> None:
        """An expiry of None means never."""
        token = UrlSigner(NEW).sign(TokenData("job", "task"))
        assert UrlSigner(NEW).verify(token, now=1e15) == TokenData("job", "task")

    def test_a_lone_surrogate_is_rejected(self) -> None:
        """A lone surrogate can't be encoded; the error says so."""
        with pytest.raises(InvalidRequest, match="Unicode"):
            UrlSigner(NEW).sign(TokenData("\ud800", "task"))


class TestForgery:
    """A token can be neither made without a secret nor derived from another token."""

    @given(changes())
    def test_no_single_change_makes_another_token(self, change: tuple[TokenData, str, str]) -> None:
        """A token with one character changed, added, removed or moved is rejected."""
        payload, token, changed = change
        if changed == token:
            assert UrlSigner(NEW).verify(changed, now=NOW) == payload
        else:
            with pytest.raises(CallbackRejected):
                UrlSigner(NEW).verify(changed, now=NOW)

    def test_every_single_character_matters(self) -> None:
        """Each position of a token is tried with each other character."""
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
        signer = UrlSigner(NEW)
        token = signer.sign(TokenData("job 7", "video", NOW + 60))
        tried = 0
        for index, letter in enumerate(token):
            for other in alphabet.replace(letter, ""):
                with pytest.raises(CallbackRejected):
                    signer.verify(token[:index] + other + token[index + 1 :], now=NOW)
                tried += 1
        assert tried == len(token) * (len(alphabet) - 1)

    @given(PAYLOADS, PAYLOADS)
    def test_parts_of_two_tokens_make_no_token(self, one: TokenData, other: TokenData) -> None:
        """The signature of one token is invalid for another's payload."""
        signer = UrlSigner(NEW)
        payload, signature = signer.sign(one).split(".")[0], signer.sign(other).split(".")[1]
        if one != other:
            with pytest.raises(CallbackRejected):
                signer.verify(f"{payload}.{signature}", now=NOW)

    @given(st.text(max_size=200) | st.text("ABCabc019-_.", max_size=4000))
    def test_any_other_text_is_rejected(self, text: str) -> None:
        """Any text is rejected with the same error."""
        with pytest.raises(CallbackRejected) as error:
            UrlSigner([NEW, OLD]).verify(text, now=NOW)
        assert error.value.status == 404

    def test_a_token_longer_than_a_url_is_rejected(self) -> None:
        """A token of more than 2048 characters is rejected, even if it is signed."""
        token = UrlSigner(NEW).sign(TokenData("j" * 2000, "task"))
        assert len(token) > 2048
        with pytest.raises(CallbackRejected):
            UrlSigner(NEW).verify(token, now=NOW)

    def test_the_secret_signs_nothing_else(self) -> None:
        """A signature over the payload alone, as another program might make it, is rejected."""
        payload = urlsafe_b64encode(json.dumps(["job", "task", None]).encode()).decode().rstrip("=")
        digest = hmac.digest(NEW.encode(), payload.encode(), "sha256")
        with pytest.raises(CallbackRejected):
            UrlSigner(NEW).verify(
                f"{payload}.{urlsafe_b64encode(digest).decode().rstrip('=')}", now=NOW
            )


class TestRotation:
    """The newest secret signs; all of them verify."""

    @given(PAYLOADS)
    def test_old_urls_are_valid_while_their_secret_is_configured(self, payload: TokenData) -> None:
        """A token of the old secret is valid until that secret is removed."""
        token = UrlSigner(OLD).sign(payload)
        assert UrlSigner([NEW, OLD]).verify(token, now=NOW) == payload
        with pytest.raises(CallbackRejected):
            UrlSigner(NEW).verify(token, now=NOW)

    @given(PAYLOADS)
    def test_the_newest_signs(self, payload: TokenData) -> None:
        """Two secrets sign like the first alone."""
        assert UrlSigner([NEW, OLD]).sign(payload) == UrlSigner(NEW).sign(payload)
        assert UrlSigner([NEW, OLD]).sign(payload) != UrlSigner([OLD, NEW]).sign(payload)

    def test_another_secret_verifies_nothing(self) -> None:
        """A token of one secret is invalid with another."""
        token = UrlSigner(NEW).sign(TokenData("job", "task"))
        assert UrlSigner(NEW.encode()).verify(token, now=NOW) == TokenData("job", "task")
        with pytest.raises(CallbackRejected):
            UrlSigner(OTHER).verify(token, now=NOW)


class TestSecrets:
    """Secrets are long enough, and never shown."""

    @pytest.mark.parametrize("secrets", ["", b"", "short", [], [NEW, "short"], [NEW] * 9])
    def test_an_invalid_secret_is_rejected(self, secrets: str | bytes | list[str | bytes]) -> None:
        """No secret, a short one, or too many: the error shows none of them."""
        with pytest.raises(ConfigurationError) as error:
            UrlSigner(secrets)
        assert "secret of ours" not in str(error.value)

    def test_secrets_are_in_no_repr_or_pickle(self) -> None:
        """Neither repr nor pickle contains one."""
        signer = UrlSigner([NEW, OLD])
        assert NEW not in repr(signer)
        with pytest.raises(TypeError):
            pickle.dumps(signer)
