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
            complete=self.complete and content is not None,
        )

    def decoded(self) -> bytes | None:
        """Return the body without its content encoding, None if that isn't possible."""
        codings = [value for name, value in self.headers if name.lower() == "content-encoding"]
        if not self.encoded or not codings or not self.content:
            return self.content
        try:
            headers = [("content-encoding", value) for value in codings]
            found = httpx.Response(200, headers=headers, content=self.content).content
        except httpx.DecodingError:
            return None
        # httpx leaves a body alone whose encoding it doesn't know.
        known = {"gzip", "deflate", "identity", *_optional_codings()}
        names = {one.strip().lower() for value in codings for one in value.split(",")}
        return found if names <= known else None


def _optional_codings() -> set[str]:
    from httpx._decoders import SUPPORTED_DECODERS

    return set(SUPPORTED_DECODERS)
