"""Values of a parameter on both sides of each constraint of its schema."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from wanflow.catalog.keywords import AUDIO_FILE, IMAGE_FILE, PIXEL_SIZE, PUBLIC_URL
from wanflow_contract.checks.coercions import coerced
from wanflow_contract.checks.sizes import corners, sizes
from wanflow_contract.support.callback_urls import INTERNAL_URLS, PUBLIC_URLS, WRONG_SCHEMES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from wanflow.catalog.document import JsonObject

_OF_ANOTHER_TYPE: dict[str, Any] = {
    "text": "5",
    "number": 5,
    "fraction": 5.5,
    "true": True,
    "null": None,
    "list": ["5"],
    "object": {"a": "5"},
}
_TYPE_OF = {
    "text": "string",
    "number": "integer",
    "fraction": "number",
    "true": "boolean",
    "null": "null",
    "list": "array",
    "object": "object",
}
_BOUNDED = {"enum", "const", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}
_FEW = 10
_LETTERS = {"ascii": "a", "accented": "é", "astral": "\U0001f3b9"}
_ALL_KINDS = (
    'A cat\'s "tail" & <b>\u2018paws\u2019</b> \\ {d} %e $f; 1/2 -- /* + */ = ~`^|?!@#: [x], (y)_\n'
    "\tДым 猫 ねこ 고양이 قطة חתול แมว बिल्ली \U0001f408 \U0001f468\u200d\U0001f469 é ñ ß « … » — €"
    "\r\n"
)
"""Letters of many scripts, quotes, signs, emoji and line breaks, all of them valid in a text."""


def edges_of(rule: JsonObject) -> Iterator[tuple[str, Any]]:
    """Yield values on both sides of each constraint of a parameter, each with a name."""
    yield from _types(rule)
    if "enum" in rule:
        yield from _choices(rule["enum"])
    yield from _bounds(rule)
    if rule.get("type") == "string":
        yield from _lengths(rule)
    if rule.get("type") == "array":
        yield from _lists(rule)
    if rule.get("type") == "boolean":
        yield from (("yes", True), ("no", False), ("as-text", "true"), ("as-number", 1))
    if PIXEL_SIZE in rule:
        yield from sizes(rule[PIXEL_SIZE])
    if rule.get(PUBLIC_URL):
        yield from _urls(rule)
    for name, inner in rule.get("properties", {}).items():
        yield from ((f"{name}-{edge}", {name: value}) for edge, value in edges_of(inner))
    yield from coerced(rule, choices_of(rule))


def _types(rule: JsonObject) -> Iterator[tuple[str, Any]]:
    wanted = rule.get("type")
    for name, value in _OF_ANOTHER_TYPE.items():
        if _TYPE_OF[name] != wanted and not (wanted == "number" and name == "number"):
            yield f"a-{name}", value
    if wanted in {"integer", "number"} and not _BOUNDED & rule.keys():
        yield "unbounded", rule.get("example", rule.get("default", 1))


def _choices(choices: list[Any]) -> Iterator[tuple[str, Any]]:
    for choice in choices:
        yield f"{choice}", choice
        if isinstance(choice, str):
            yield f"{choice}-and-a-space", f"{choice} "
            yield f"{choice}-and-more", f"{choice}0"
            yield f"{choice}-in-another-case", choice.swapcase()
    numbers = sorted(one for one in choices if isinstance(one, int))
    yield from _overflowing(numbers)
    around = {edge for one in numbers for edge in (one - 1, one + 1)} | {0, -1}
    between = {one for a, b in pairwise(numbers) for one in _inside(a, b)}
    beyond = {2 * numbers[-1], numbers[-1] + 5} if numbers else set[int]()
    for number in sorted((around | between | beyond) if numbers else ()):
        yield f"{number}", number
    if any(isinstance(one, str) for one in choices):
        yield from (("none-of-them", "none-of-them"), ("an-empty-text", ""))
        yield from _similar_values(choices)


def _inside(low: int, high: int) -> Iterable[int]:
    """Return the numbers between two others: all of a few, or else the middle one."""
    return range(low + 1, high) if high - low <= _FEW else [(low + high) // 2]


def _overflowing(numbers: list[int]) -> Iterator[tuple[str, Any]]:
    """Yield numbers that would be valid if they were truncated to 32 or 64 bits."""
    for number in numbers[:1]:
        for bits in (31, 32, 63, 64):
            yield from ((f"{away}", away) for away in (number + 2**bits, number - 2**bits))
        yield "1e300", 1e300


def _similar_values(choices: list[Any]) -> Iterator[tuple[str, Any]]:
    """Yield other numbers and words of the same kind: 360p and HD beside 480p, 21:9 beside 16:9."""
    for sign, words in _SIMILAR.items():
        if any(sign in str(choice) for choice in choices):
            yield from ((f"word-{word}", word) for word in words.split())


_SIMILAR = {
    "0p": "240p 360p 480p 540p 720p 1080p 1440p 2160p 2k 4k 8k 2K 4K 8K sd hd fhd uhd SD HD FHD UHD"
    " low standard high best auto default original",
    ":": "16:9 9:16 1:1 4:3 3:4 3:2 2:3 21:9 16:10 9:21 5:4 4:5 2:1 1:2 auto original square"
    " landscape portrait",
    "": "auto default none any custom",
}
"""Values of other APIs, by a sign that one of the valid values has; the last ones for all."""


def _bounds(rule: JsonObject) -> Iterator[tuple[str, Any]]:
    for word, step in (("minimum", -1), ("maximum", 1)):
        if word in rule:
            for away in (0, 1, 2, 10):
                yield f"{word}{step * away:+d}", rule[word] + step * away
    if "minimum" in rule and "maximum" in rule:
        yield from _overflowing([rule["minimum"]])
        few = range(rule["minimum"], min(rule["maximum"], rule["minimum"] + 16) + 1)
        for number in reversed(few):  # more results show more
            yield f"{number}", number


def _lengths(rule: JsonObject) -> Iterator[tuple[str, Any]]:
    if rule.get("format") == "uri":
        yield from ((f"no-url-{name}", url) for name, url in _NO_URLS.items())
        yield "plain-url", rule.get("example", "https://example.com/file")
        yield from _files_of(rule)
        return
    free, most = "enum" not in rule and "pattern" not in rule, rule.get("maxLength")
    if free:
        yield from _of_all_kinds(most)
    if most is not None:
        for name, letter in _LETTERS.items():
            for more in (-1, 0, 1):
                yield f"{name}-{more:+d}", letter * (most + more)
        yield "twice-as-long", "a " * most
        longest = "a" * most
        yield from (("a-space-after+1", f"{longest} "), ("a-space-before+1", f" {longest}"))
        yield "a-line-after+1", f"{longest}\n"
    if free:
        yield "one-letter", "a"
        yield "many-scripts", "Кот 猫 قطة חתול \U0001f408 é ñ"
        yield "lines", "a cat\nplaying\tthe piano"
        yield from _texts(rule)
        yield "signs", "\"a\" <b> & 'c' \\ {d} %e $f; -- /* */"


def _of_all_kinds(longest: int | None) -> Iterator[tuple[str, str]]:
    """Yield a text with characters of all kinds, as long as it may be: one request tests them."""
    if longest is None:
        yield "all-kinds", _ALL_KINDS
    elif longest >= len(_ALL_KINDS):
        text = _ALL_KINDS * (longest // len(_ALL_KINDS) + 1)
        yield "all-kinds+0", f"{text[: longest - 1]}."


def _texts(rule: JsonObject) -> Iterator[tuple[str, str]]:
    """Yield texts that resemble other types, and lengths that are limits in other systems."""
    for text in ("5", "true", "null", "{}", "[1]", "  a cat  ", "A", "e\u0301" * 9, "https://a.b"):
        yield f"text-{text}", text
    for length in (128, 255, 256, 257, 500, 512, 1000, 1023, 1024, 1025):
        if length <= rule.get("maxLength", 0):
            yield f"length-{length}", "a" * length


def _lists(rule: JsonObject) -> Iterator[tuple[str, Any]]:
    item = (rule.get("example") or ["https://example.com/image1.png"])[0]
    low, high = rule.get("minItems", 0), rule.get("maxItems", 3)
    for count in sorted({0, low, high, high + 1, high + 5} | set(range(low, high + 1))):
        yield f"{count}-entries", [_another(item, index) for index in range(count)]
    yield "a-text-for-a-list", item
    for name, value in _OF_ANOTHER_TYPE.items():
        if name != "text":
            yield f"entry-{name}", [value]
    if rule.get("items", {}).get("format") == "uri":
        yield from ((f"entry-{name}", [url]) for name, url in _NO_URLS.items())
        yield from ((f"entry-{name}", [url]) for name, url in _files_of(rule))
        if high > 1:
            yield from (("one-wrong-among-right", [item, "no url"]), ("twice-one", [item, item]))


_NO_URLS = {"no-url": "no url", "empty": "", "a-path": "/image.png", "a-host": "example.com/a.png"}


def _files_of(rule: JsonObject) -> Iterator[tuple[str, str]]:
    """Yield URLs of files in each format of a parameter, and some without a file name extension."""
    formats = {**rule.get(IMAGE_FILE, {}), **rule.get(AUDIO_FILE, {})}.get("formats", ())
    for name in formats:
        yield f"a-{name}", f"https://example.com/a/file.{name}"
        yield f"a-{name}-in-capitals", f"https://example.com/FILE.{name.upper()}"
        yield f"a-{name}-with-a-query", f"https://cdn.example.com/file.{name}?sign=1&until=2"
    if formats:
        yield "without-an-end", "https://example.com/files/1756817821"
        yield "not-over-tls", "http://example.com/file." + next(iter(formats))
        yield "at-a-port", "https://example.com:8443/file." + next(iter(formats))
        yield "with-escapes", "https://example.com/a%20cat%2B1." + next(iter(formats))
        yield "at-a-punycode-host", "https://xn--bcher-kva.example.com/a." + next(iter(formats))


def _another(item: Any, index: int) -> Any:
    """Return the URL of another file, the same one if the user has given it."""
    return item.replace("image1", f"image{index + 1}") if isinstance(item, str) else item


def _urls(rule: JsonObject) -> Iterator[tuple[str, Any]]:
    for name, urls in (
        ("public", PUBLIC_URLS),
        ("inside", INTERNAL_URLS),
        ("scheme", WRONG_SCHEMES),
    ):
        yield from ((f"{name}-{url}", url) for url in urls)
    if "maxLength" in rule:
        stem = "https://example.com/"
        for more in (-1, 0, 1, 100):
            yield f"length{more:+d}", stem + "a" * (rule["maxLength"] + more - len(stem))
        for name, text in (("query", "?a="), ("fragment", "#"), ("escapes", "%41" * 20)):
            yield f"length+1-{name}", (stem + text).ljust(rule["maxLength"] + 1, "a")


def choices_of(rule: JsonObject) -> list[Any]:
    """Return valid values of a parameter that are far apart: all of an enum, or the limits."""
    if "enum" in rule:
        return list(rule["enum"])
    if PIXEL_SIZE in rule:
        return corners(rule[PIXEL_SIZE])
    if rule.get("type") == "boolean":
        return [False, True]
    if "properties" in rule:
        inner = ((name, choices_of(one)) for name, one in rule["properties"].items())
        return [{name: one} for name, choices in inner for one in choices]
    if rule.get("type") == "array":
        item = (rule.get("example") or [""])[0]
        counts = {rule.get("minItems", 1) or 1, rule.get("maxItems", 1)}
        return [[_another(item, index) for index in range(count)] for count in sorted(counts)]
    ends = sorted(rule[word] for word in ("minimum", "maximum") if word in rule)
    longest = ["a" * rule.get("maxLength", 0)] if rule.get("format") != "uri" else []
    return [*ends, *filter(None, longest)] or [rule["example"]] * ("example" in rule)
