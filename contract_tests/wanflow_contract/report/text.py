"""Other people's words made safe and short for a report."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from attrs import frozen

from wanflow.cli.text import counted
from wanflow_contract.findings.finding import printable, shown_body

if TYPE_CHECKING:
    from wanflow_contract.findings.finding import ShownExchange

SCREEN = 1200
"""The most characters of a request or a response in an example."""
_MOST_LINES = 20
_MOST_HEADERS = 12
_LINE = 240


def one_line(text: str, most: int = _LINE) -> str:
    """Return a text in one printable line, cut to a number of characters."""
    return cut(" ".join(printable(text).split()), most)


def cut(text: str, most: int) -> str:
    """Return the beginning of a text, and how much of it is left out."""
    left = len(text) - most
    return text if left <= 0 else f"{text[:most]} … ({counted(left, 'more character')})"


def often(count: int) -> str:
    """Return how often something was seen, in words."""
    return "once" if count == 1 else f"{count} times"


def block(text: str, most: int = SCREEN) -> str:
    """Return some printable lines of a text, cut to a screen."""
    lines = cut(printable(text), most).split("\n")
    left = len(lines) - _MOST_LINES
    return "\n".join(
        [*lines[:_MOST_LINES], *([f"… ({counted(left, 'more line')})"] if left > 0 else [])]
    )


_COMMAND = re.compile(r"^(\s*):(?=:)|#(?=#\[)", re.MULTILINE)


def terminal(text: str) -> str:
    """Return a text without control characters and without commands to GitHub Actions."""
    return _COMMAND.sub(lambda found: f"{found[0]} ", printable(text))


@frozen
class Example:
    """A request and its response, cut to a screen."""

    curl: str
    request: str
    response: str


def example_of(shown: ShownExchange) -> Example:
    """Return an exchange for a reader."""
    head = f"{shown.method} {one_line(shown.url)}"
    sent = _described(shown.sent, shown.sent_binary, _type(shown.request_headers))
    status = str(shown.status) if shown.status else "no response"
    body = block(shown_body(shown)) if shown.status else ""
    return Example(
        curl=printable(shown.curl).replace("\n", "\\n"),
        request="\n".join([head, *_headers(shown.request_headers), "", sent]).rstrip(),
        response="\n".join([status, *_headers(shown.headers), "", body]).rstrip(),
    )


def _headers(headers: list[list[str]]) -> list[str]:
    lines = [one_line(f"{name}: {value}") for name, value in headers]
    left = len(lines) - _MOST_HEADERS
    return [*lines[:_MOST_HEADERS], *([f"… ({counted(left, 'more header')})"] if left > 0 else [])]


def _type(headers: list[list[str]]) -> str:
    return next((value for name, value in headers if name.lower() == "content-type"), "")


def _described(content: str, binary: bool, kind: str) -> str:
    if not binary and "\0" not in content:
        return block(content)
    length = (
        len(content) * 3 // 4 - content[-2:].count("=")
        if binary
        else len(content.encode("utf-8", "surrogatepass"))
    )
    return f"({counted(length, 'byte')} of {one_line(kind, 80) or 'an unknown type'})"


_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>~&@:$^=\"'/])")


def markdown(text: str) -> str:
    """Return a text that Markdown shows as it is: no link, mention, image or HTML."""
    return _MARKDOWN.sub(lambda found: f"&#{ord(found[1])};", one_line(text))


def fenced(text: str, language: str = "") -> str:
    """Return a text as a block of code in Markdown, with a fence that it doesn't contain."""
    longest = max((len(one) for one in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"
