"""What users may add to the headers of requests: further headers, and a name of their program."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import cast

from wanflow.errors import ConfigurationError

# RFC 9110, sections 5.6.2, 5.5 and 10.1.5.
_TOKEN = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"  # noqa: S105 - a grammar
_NAME = re.compile(_TOKEN)
_VALUE = re.compile(r"[!-~](?:[ -~]{0,8000}[!-~])?")
_APP = re.compile(rf"{_TOKEN}(?:/{_TOKEN})?(?: {_TOKEN}(?:/{_TOKEN})?)*")
_LONGEST_APP = 200
# Those that the client or its HTTP library sets.
_RESERVED = frozenset(
    {"accept", "accept-encoding", "authorization", "connection", "content-encoding"}
    | {"content-length", "content-type", "cookie", "expect", "host", "idempotency-key"}
    | {"keep-alive", "proxy-authorization", "proxy-connection", "range", "te", "trailer"}
    | {"transfer-encoding", "upgrade", "user-agent"}
)


def validate_headers(given: object) -> dict[str, str]:
    """Return headers with their names in lower case.

    Raises:
        ConfigurationError: a name or a value can't be sent, or the client sets that header itself.
    """
    if not isinstance(given, Mapping):
        raise ConfigurationError(
            f"default_headers is a dict of names and values (got {type(given).__name__})"
        )
    found: dict[str, str] = {}
    for name, value in cast("Mapping[object, object]", given).items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            # Not shown: it may be a whole header, with its value.
            raise ConfigurationError("default_headers: a key is not the name of a header")
        if name.lower() in _RESERVED:
            instead = "; use app=…" if name.lower() == "user-agent" else ""
            raise ConfigurationError(f"default_headers: the client sets {name} itself{instead}")
        if not isinstance(value, str) or not _VALUE.fullmatch(value):
            # Not shown: it may be a secret.
            raise ConfigurationError(
                f"default_headers: the value of {name} must be printable ASCII on one line, "
                "without spaces at its ends"
            )
        found[name.lower()] = value
    return found


def validate_app(given: object) -> str:
    """Return what is appended to the User-Agent.

    Raises:
        ConfigurationError: it isn't a list of names, each with a version or without.
    """
    if not isinstance(given, str) or len(given) > _LONGEST_APP or not _APP.fullmatch(given):
        raise ConfigurationError(
            f"app must have the form NAME/VERSION, such as 'my-shop/1.2' (got {given!r})"
        )
    return given


def user_agent(library: str, app: str) -> dict[str, str]:
    """Return the User-Agent of every request; `library` is what sends it, with its version."""
    python = ".".join(map(str, sys.version_info[:3]))
    text = f"wanflow/{package_version()} (python/{python}; {library})"
    return {"user-agent": f"{text} {app}" if app else text}


def package_version() -> str:
    """Return the version of this package, which is imported already."""
    return str(vars(sys.modules[__name__.partition(".")[0]])["__version__"])
