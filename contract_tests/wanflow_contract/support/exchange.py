"""One request and its response as sent and received; API keys are redacted when it is printed."""

from __future__ import annotations

import gzip
import json
import re
import shlex
from base64 import b64encode
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any, NoReturn

from attrs import field, frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MAX_BODY_SHOWN = 1500
MIN_KEY_LENGTH = 8
"""Shorter keys are not searched for: any text may contain them by chance."""
_OWN_KEYS = ("API_KEY", "API_KEY2")
_DEEPEST = 100
"""Levels of a response; documented ones have fewer than ten."""
_INLINE = 2500
"""A longer body is compressed when it is written into a command."""
_OF_THE_CLIENT = frozenset({"host", "user-agent", "connection", "content-length"})
_CODINGS = frozenset({"gzip", "deflate", "br", "zstd", "identity", "*", ""})

Headers = tuple[tuple[str, str], ...]


@frozen
class Exchange:
    """A request and its response; `secrets` are the API keys, which are never printed."""

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
        """Return a response header, ignoring case; the first of several."""
        return next((value for key, value in self.headers if key.lower() == name), None)

    def sent_header(self, name: str) -> str | None:
        """Return a request header, ignoring case."""
        return next((value for key, value in self.request_headers if key.lower() == name), None)

    def json(self) -> Any:
        """Return the decoded response body.

        Raises:
            ValueError: it isn't JSON in UTF-8, an object has a name twice, or it is nested deeper
                than checks can go through; older Pythons don't parse it, newer ones do.
        """
        body = json.loads(
            self.content.decode("utf-8"),
            parse_constant=_reject_constant,
            object_pairs_hook=_unique_keys,
        )
        if _is_deep(body):
            raise ValueError(f"it is nested more than {_DEEPEST} levels deep")
        return body

    def decoded(self) -> Any:
        """Return the decoded response body, None if it isn't JSON."""
        try:
            return self.json()
        except (ValueError, RecursionError):
            return None

    @property
    def task_id(self) -> str | None:
        """The id of the task that the response has, None without one."""
        body = self.decoded()
        found = body.get("id") if isinstance(body, dict) else None
        return found if isinstance(found, str) else None

    @property
    def shows_task(self) -> bool:
        """Whether the response has a task, or a part of one."""
        body = self.decoded()
        if not isinstance(body, dict):
            return False
        named = str(body.get("id")).startswith("task-unified-")
        return named or bool({"results", "progress"} & body.keys())

    def request_body(self) -> Any:
        """Return the decoded request body, None if it isn't JSON."""
        try:
            return json.loads(self.sent)
        except (ValueError, RecursionError):
            return None

    def redacted(self, text: str) -> str:
        """Replace each API key in a text by the shell expression that produces it."""
        forms = _forms_of(self.secrets)
        if not forms:
            return text
        longest_first = sorted(forms, key=len, reverse=True)
        return re.sub("|".join(map(re.escape, longest_first)), lambda found: forms[found[0]], text)

    def curl(self) -> str:
        """Return a curl command that repeats the request; the key is read from a shell variable."""
        without_body = self.method == "HEAD" and not self.sent  # after -X HEAD, curl waits for one
        parts = ["curl", "-sS", "-i", *(["--head"] if without_body else ["-X", self.method])]
        given = {name.lower() for name, _ in self.request_headers}
        for name, value in repeated_headers(self.request_headers, self.headers):
            parts += ["-H", f"{name}: {self.redacted(value)}" if value else f"{name};"]
            if name.lower() == "accept-encoding":
                parts.append("--compressed")
        if self.sent and "content-type" not in given:
            parts += ["-H", "content-type:"]  # otherwise curl sends the type of a form
        if set("[]{}") & set(self.url):
            parts.append("--globoff")
        if "/." in self.path:
            parts.append("--path-as-is")
        quoted = [_shell_quote(part) for part in parts]
        return " ".join([*quoted, *self._body_arguments(), _shell_quote(self.redacted(self.url))])

    def _body_arguments(self) -> list[str]:
        """Return curl's arguments for the body: as text, or compressed if it is long or binary."""
        if not self.sent:
            return []
        plain = self.sent.decode("utf-8", "replace")
        text = self.redacted(plain)
        if len(self.sent) <= _INLINE and text.isprintable() and "\ufffd" not in text:
            return ["--data-raw", _shell_quote(text)]
        content = self.sent if text == plain else text.encode()
        packed = b64encode(gzip.compress(content, mtime=0)).decode()
        return ["--data-binary", f"@<(base64 -d <<<{packed} | gunzip)"]

    def response_text(self) -> str:
        """Return the response as text: status, headers and the start of the body."""
        lines = [str(self.status), *(f"{name}: {value}" for name, value in self.headers), ""]
        body = self.content[:MAX_BODY_SHOWN].decode("utf-8", "replace")
        return self.redacted("\n".join([*lines, body]))

    def format(self) -> str:
        """Return the exchange in two lines: the curl command, and the response."""
        body = self.content[:300].decode("utf-8", "replace")
        return f"{self.curl()}\n-> {self.status} {self.redacted(body)}"


def repeated_headers(
    sent: Iterable[Sequence[str]], received: Iterable[Sequence[str]]
) -> list[tuple[str, str]]:
    """Return the headers of a request that one which repeats it must have.

    Others are the HTTP client's own. What it accepts matters only if it is unusual, or if the
    response was encoded.
    """
    encoded = any(name.lower() == "content-encoding" for name, _ in received)
    return [(name, value) for name, value in sent if _is_repeated(name, value, encoded)]


def _is_repeated(name: str, value: str, encoded: bool) -> bool:
    match name.lower():
        case "accept":
            return value != "*/*"
        case "accept-encoding":
            return encoded or not {coding_of(one) for one in value.split(",")} <= _CODINGS
        case _:
            return name.lower() not in _OF_THE_CLIENT


def coding_of(entry: str) -> str:
    """Return the content coding of an entry of Accept-Encoding, without its weight."""
    return entry.partition(";")[0].strip().lower()


def _is_deep(body: Any) -> bool:
    level = [body]
    for _ in range(_DEEPEST):
        if not level:
            return False
        objects = (one.values() for one in level if isinstance(one, dict))
        level = [*chain(*objects, *(one for one in level if isinstance(one, list)))]
    return bool(level)


def _reject_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not valid JSON")


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("an object has a name twice")
    return found


def shows_key(content: str | bytes, keys: Iterable[str]) -> bool:
    """Return whether a text contains an API key; a short one may be there by chance."""
    text = content if isinstance(content, bytes) else content.encode("utf-8", "replace")
    return any(key.encode() in text for key in keys if len(key) >= MIN_KEY_LENGTH)


def key_variants(secret: str, name: str) -> dict[str, str]:
    """Return the forms of a key that a run sends, each with the shell expression that produces it.

    A key without its last character, or with its case swapped, must not be printed either.
    """
    if len(secret) < MIN_KEY_LENGTH:
        return {}
    basic = b64encode(f"{secret}:".encode()).decode()
    found = {secret: f"${{{name}}}", secret[:-1]: f"${{{name}%?}}"}
    found.setdefault(secret.swapcase(), f'$(printf %s "${name}" | tr a-zA-Z A-Za-z)')
    found.setdefault(basic, f'$(printf %s: "${name}" | base64 -w0)')
    return found


@lru_cache(16)
def _forms_of(secrets: tuple[str, ...]) -> dict[str, str]:
    """Return all forms of several keys; a form that is itself a key stands for that key."""
    named = [(name, key) for name, key in zip(_OWN_KEYS, secrets, strict=False) if key]
    found: dict[str, str] = {}
    for name, key in named:
        found.setdefault(f"Bearer {key}", f"Bearer ${{{name}}}")
        if len(key) >= MIN_KEY_LENGTH:
            found.setdefault(key, f"${{{name}}}")
    for name, key in named:
        for variant, shell in key_variants(key, name).items():
            found.setdefault(variant, shell)
    return found


_NAMES = "|".join(_OWN_KEYS)
_SHELL = re.compile(
    rf'(\$\{{(?:{_NAMES})(?:%\?)?\}}|\$\(printf %s:? "\$(?:{_NAMES})" \| [a-zA-Z0-9 -]+\))'
)


def _shell_quote(part: str) -> str:
    # The shell expands no variables inside single quotes.
    if not _SHELL.search(part):
        return shlex.quote(part)
    pieces = _SHELL.split(part)
    plain = [re.sub(r'([\\"`$])', r"\\\1", piece) for piece in pieces[::2]]
    shown = [*pieces[1::2], ""]
    return '"' + "".join(one + two for one, two in zip(plain, shown, strict=True)) + '"'
