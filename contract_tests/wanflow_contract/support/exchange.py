"""One request and its answer, as they went over the wire, with the key blotted out when shown."""

from __future__ import annotations

import gzip
import json
import re
import shlex
from base64 import b64encode
from typing import Any, NoReturn

from attrs import field, frozen

SHOWN = 1500
SHORTEST = 8
"""Shorter keys than this are words that any text may have."""
_OWN_KEYS = ("API_KEY", "API_KEY2")
_INLINE = 2500
"""A longer body is written into a command packed."""
_DULL = frozenset({"host", "user-agent", "accept", "accept-encoding", "connection"})

Headers = tuple[tuple[str, str], ...]


@frozen
class Exchange:
    """A request and its answer; `secrets` are the keys that are never shown."""

    method: str
    url: str
    path: str
    request_headers: Headers = field(repr=False)
    sent: bytes = field(repr=False)
    status: int
    headers: Headers = field(repr=False)
    content: bytes = field(repr=False)
    seconds: float = 0.0
    secrets: tuple[str, ...] = field(repr=False, default=())

    def header(self, name: str) -> str | None:
        """Return a header of the answer, whatever its case; the first of several."""
        return next((value for key, value in self.headers if key.lower() == name), None)

    def sent_header(self, name: str) -> str | None:
        """Return a header of the request, whatever its case."""
        return next((value for key, value in self.request_headers if key.lower() == name), None)

    def json(self) -> Any:
        """Return the decoded body of the answer.

        Raises:
            ValueError: it isn't JSON in UTF-8, or gives a name twice.
        """
        return json.loads(
            self.content.decode("utf-8"),
            parse_constant=_no_constant,
            object_pairs_hook=_of_single_names,
        )

    def decoded(self) -> Any:
        """Return the decoded body of the answer, None where it isn't JSON."""
        try:
            return self.json()
        except (ValueError, RecursionError):
            return None

    def asked(self) -> Any:
        """Return the decoded body of the request, None where it isn't JSON."""
        try:
            return json.loads(self.sent)
        except (ValueError, RecursionError):
            return None

    def blotted(self, text: str) -> str:
        """Return a text in which each key is replaced by what the shell makes it of."""
        for name, secret in zip(_OWN_KEYS, self.secrets, strict=False):
            text = text.replace(f"Bearer {secret}", f"Bearer ${{{name}}}")
            for guise, shell in guises(secret, name).items():
                text = text.replace(guise, shell)
        return text

    def curl(self) -> str:
        """Return the command that sends the request again, its key in a variable of the shell."""
        parts = ["curl", "-sS", "-i", "-X", self.method]
        given = {name.lower() for name, _ in self.request_headers}
        for name, value in self.request_headers:
            if name.lower() not in _DULL | {"content-length"}:
                parts += ["-H", f"{name}: {self.blotted(value)}" if value else f"{name};"]
        if self.sent and "content-type" not in given:
            parts += ["-H", "content-type:"]  # curl would say that it is a form
        if set("[]{}") & set(self.url):
            parts.append("--globoff")
        if "/." in self.path:
            parts.append("--path-as-is")
        quoted = [_quoted(part) for part in parts]
        return " ".join([*quoted, *self._data(), _quoted(self.blotted(self.url))])

    def _data(self) -> list[str]:
        """Return how a command sends the body: as text, or packed where that is long or is none."""
        if not self.sent:
            return []
        text = self.blotted(self.sent.decode("utf-8", "replace"))
        if len(self.sent) <= _INLINE and text.isprintable() and "\ufffd" not in text:
            return ["--data-raw", _quoted(text)]
        content = text.encode() if self.blotted(text) != text else self.sent
        packed = b64encode(gzip.compress(content, mtime=0)).decode()
        return ["--data-binary", f"@<(base64 -d <<<{packed} | gunzip)"]

    def answer(self) -> str:
        """Return the answer as text: status, headers and the beginning of the body."""
        lines = [str(self.status), *(f"{name}: {value}" for name, value in self.headers), ""]
        body = self.content[:SHOWN].decode("utf-8", "replace")
        return self.blotted("\n".join([*lines, body]))

    def told(self) -> str:
        """Return the exchange in two lines: the command, and what came back."""
        body = self.content[:300].decode("utf-8", "replace")
        return f"{self.curl()}\n-> {self.status} {self.blotted(body)}"


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _of_single_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("an object has a name twice")
    return found


def guises(secret: str, name: str) -> dict[str, str]:
    """Return the forms of a key that a run sends, each with how the shell makes it of a variable.

    A key is a key when all but its last sign is there, or when it is spelled otherwise.
    """
    if len(secret) < SHORTEST:
        return {}
    basic = b64encode(f"{secret}:".encode()).decode()
    found = {secret: f"${{{name}}}", secret[:-1]: f"${{{name}%?}}"}
    found.setdefault(secret.swapcase(), f'$(printf %s "${name}" | tr a-zA-Z A-Za-z)')
    found.setdefault(basic, f'$(printf %s: "${name}" | base64 -w0)')
    return found


_NAMES = "|".join(_OWN_KEYS)
_SHELL = re.compile(
    rf'(\$\{{(?:{_NAMES})(?:%\?)?\}}|\$\(printf %s:? "\$(?:{_NAMES})" \| [a-zA-Z0-9 -]+\))'
)


def _quoted(part: str) -> str:
    # A variable has to stay outside of single quotes to be filled in by the shell.
    if not _SHELL.search(part):
        return shlex.quote(part)
    pieces = _SHELL.split(part)
    plain = [re.sub(r'([\\"`$])', r"\\\1", piece) for piece in pieces[::2]]
    shown = [*pieces[1::2], ""]
    return '"' + "".join(one + two for one, two in zip(plain, shown, strict=True)) + '"'
