"""The server that a proxy forwards requests to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from wanflow_contract.support.server_url import split_url
from wanflow_contract.support.unavailable import tls_context

if TYPE_CHECKING:
    import ssl


@frozen
class Upstream:
    """The server that requests are forwarded to; `base` is the path of its URL."""

    scheme: str
    host: str
    port: int
    netloc: str
    base: str

    @classmethod
    def of(cls, url: str) -> Upstream:
        """Return the server of a URL.

        Raises:
            ValueError: it isn't an http or https URL without a user, a query or a fragment.
        """
        parts = split_url(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        return cls(parts.scheme, str(parts.hostname), port, parts.netloc, parts.path.rstrip("/"))

    @property
    def url(self) -> str:
        """The URL, without a slash at its end."""
        return f"{self.scheme}://{self.netloc}{self.base}"

    def tls(self) -> ssl.SSLContext | None:
        """Return how to encrypt, None for http.

        Raises:
            TargetUnavailable: the certificates that the environment names can't be read.
        """
        return tls_context() if self.scheme == "https" else None
