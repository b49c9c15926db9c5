"""An exchange as it was recorded, before its body is decoded and its keys are removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
from attrs import field, frozen

from wanflow_contract.support.exchange import Exchange

if TYPE_CHECKING:
    from wanflow_contract.support.exchange import Headers
    from wanflow_contract.watch.observer import Observer

MAX_BODY = 32 << 20
"""The longest body that is judged, in bytes."""
_PART = 206


@frozen
class Recorded:
    """A request and its response; `content` is encoded as `Content-Encoding` says."""

    method: str
    url: str
    request_headers: Headers = field(repr=False)
    sent: bytes = field(repr=False)
    status: int
    headers: Headers = field(repr=False)
    content: bytes = field(repr=False)
    started: float
    ended: float
    complete: bool = True
    encoded: bool = True

    def judge(self, observer: Observer) -> None:
        """Let an observer judge it; a body that can't be decoded is unknown."""
        content = self.decoded()
        unknown = self._codings() - _known_codings() if content is None else set[str]()
        observer.codings.update(unknown)
        wrong = content is None and not unknown and self.complete and self.status != _PART
        observer.observe(
            Exchange(
                self.method,
                self.url,
                self.url,
                self.request_headers,
                self.sent,
                self.status,
                self.headers,
                content or b"",
                max(0.0, self.ended - self.started),
            ),
            self.started,
            self.ended,
            complete=self.complete and (content is not None or wrong),
            wrong_coding=", ".join(sorted(self._codings())) if wrong else "",
        )

    def decoded(self) -> bytes | None:
        """Return the body without its content encoding, None if that isn't possible."""
        codings = self._codings()
        if not self.encoded or not codings or not self.content:
            return self.content
        if not codings <= _known_codings():  # httpx leaves such a body alone
            return None
        headers = [one for one in self.headers if one[0].lower() == "content-encoding"]
        try:
            return httpx.Response(200, headers=headers, content=self.content).content
        except httpx.DecodingError:
            return None

    def _codings(self) -> set[str]:
        values = [value for name, value in self.headers if name.lower() == "content-encoding"]
        return {one.strip().lower() for value in values for one in value.split(",")}


def _known_codings() -> set[str]:
    from httpx._decoders import SUPPORTED_DECODERS

    return {"gzip", "deflate", "identity", *SUPPORTED_DECODERS}
