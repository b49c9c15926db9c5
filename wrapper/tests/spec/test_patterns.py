# ruff: noqa: E501, RUF001 - a table, and similar letters
"""Patterns are regular expressions of ECMA-262 for requests, specs and responses."""

from __future__ import annotations

import time

import pytest

from tests.spec.family import document, request, source
from tests.waiting import TIME_LIMIT
from wanflow.catalog.catalog import Catalog
from wanflow.catalog.patterns import is_unsupported, validator_for
from wanflow.catalog.validator import RequestValidator
from wanflow.spec.build import build_from
from wanflow.spec.errors import FindingsError

TEXTS = [
    *("", "a", "b", "A", "é", "1", "٣", "😀", "\n", "\r", "\u2028", "\x00", "\x01", "\x08"),
    *("ab", "aa", "abc", "aaa", "acca", "abba", "accа", "-", "z", "&", "~", "[", "]", "{", "}"),
    *("α", "漢", "\ufeff", " ", "\t", ".", "/", "_", "\x0b", "x é y", "$", "a#b c", "aéb", "a\n"),
    *("\t\n\r\f\v", "aB", "é!", "0", "\u00a0", "ſ", "K"),
]
# What an engine of ECMA-262 says: a pattern, and the texts of the above that it matches, or
# doesn't match. Each is read with the flag `u` where that dialect allows it.
# fmt: off
JUDGED: list[tuple[str, bool, list[str]]] = [
    ('^\\p{L}+$', True, ['a', 'b', 'A', '\xe9', 'ab', 'aa', 'abc', 'aaa', 'acca', 'abba', 'acc\u0430', 'z', '\u03b1', '\u6f22', 'a\xe9b', 'aB', '\u017f', 'K']),
    ('^\\P{L}$', False, ['', 'a', 'b', 'A', '\xe9', 'ab', 'aa', 'abc', 'aaa', 'acca', 'abba', 'acc\u0430', 'z', '\u03b1', '\u6f22', 'x \xe9 y', 'a#b c', 'a\xe9b', 'a\n', '\t\n\r\x0c\x0b', 'aB', '\xe9!', '\u017f', 'K']),
    ('^\\p{Lu}$', True, ['A', 'K']),
    ('^\\p{Script=Greek}$', True, ['\u03b1']),
    ('^\\p{scx=Han}$', True, ['\u6f22']),
    ('^\\p{Emoji}$', True, ['1', '\U0001f600', '0']),
    ('^\\p{General_Category=Lu}$', True, ['A', 'K']),
    ('^[\\p{L}\\d]+$', True, ['a', 'b', 'A', '\xe9', '1', 'ab', 'aa', 'abc', 'aaa', 'acca', 'abba', 'acc\u0430', 'z', '\u03b1', '\u6f22', 'a\xe9b', 'aB', '0', '\u017f', 'K']),
    ('^\\p{ASCII}$', False, ['', '\xe9', '\u0663', '\U0001f600', '\u2028', 'ab', 'aa', 'abc', 'aaa', 'acca', 'abba', 'acc\u0430', '\u03b1', '\u6f22', '\ufeff', 'x \xe9 y', 'a#b c', 'a\xe9b', 'a\n', '\t\n\r\x0c\x0b', 'aB', '\xe9!', '\xa0', '\u017f']),
    ('^(?<y>a)\\k<y>$', True, ['aa']),
    ('^(a|b)(?<z>c)\\k<z>\\1$', True, ['acca']),
    ('^(?<a>.)(?<b>.)\\k<b>\\k<a>$', True, ['acca', 'abba']),
    ('^\\u{1F600}$', True, ['\U0001f600']),
    ('^\\u{61}$', True, ['a']),
    ('^\\u0041$', True, ['A']),
    ('^\\uD83D\\uDE00$', True, ['\U0001f600']),
    ('^[\\uD83D\\uDE00]$', True, ['\U0001f600']),
    ('^\\d$', True, ['1', '0']),
    ('^\\D$', False, ['', '1', 'ab', 'aa', 'abc', 'aaa', 'acca', 'abba', 'acc\u0430', 'x \xe9 y', 'a#b c', 'a\xe9b', 'a\n', '\t\n\r\x0c\x0b', 'aB', '\xe9!', '0']),
    ('^\\w$', True, ['a', 'b', 'A', '1', 'z', '_', '0', 'K']),
    ('^\\W$', False, ['', 'a', 'b', 'A', '1', 'ab', 'aa', 'abc', 'aaa', 'acca', 'abba', 'acc\u0430', 'z', '_', 'x \xe9 y', 'a#b c', 'a\xe9b', 'a\n', '\t\n\r\x0c\x0b', 'aB', '\xe9!', '0', 'K']),
    ('^\\s$', True, ['\n', '\r', '\u2028', '\ufeff', ' ', '\t', '\x0b', '\xa0']),
    ('^\\S$', False, ['', '\n', '\r', '\u2028', 'ab', 'aa', 'abc', 'aaa', 'acca', 'abba', 'acc\u0430', '\ufeff', ' ', '\t', '\x0b', 'x \xe9 y', 'a#b c', 'a\xe9b', 'a\n', '\t\n\r\x0c\x0b', 'aB', '\xe9!', '\xa0']),
    ('^[^\\s]$', False, ['', '\n', '\r', '\u2028', 'ab', 'aa', 'abc', 'aaa', 'acca', 'abba', 'acc\u0430', '\ufeff', ' ', '\t', '\x0b', 'x \xe9 y', 'a#b c', 'a\xe9b', 'a\n', '\t\n\r\x0c\x0b', 'aB', '\xe9!', '\xa0']),
    ('^\\x41$', True, ['A']),
    ('^\\cA$', True, ['\x01']),
    ('^.$', False, ['', '\n', '\r', '\u2028', 'ab', 'aa', 'abc', 'aaa', 'acca', 'abba', 'acc\u0430', 'x \xe9 y', 'a#b c', 'a\xe9b', 'a\n', '\t\n\r\x0c\x0b', 'aB', '\xe9!']),
    ('^[.]$', True, ['.']),
    ('^\\.$', True, ['.']),
    ('^[^]$', False, ['', 'ab', 'aa', 'abc', 'aaa', 'acca', 'abba', 'acc\u0430', 'x \xe9 y', 'a#b c', 'a\xe9b', 'a\n', '\t\n\r\x0c\x0b', 'aB', '\xe9!']),
    ('^[]$', True, []),
    ('^[^a]$', False, ['', 'a', 'ab', 'aa', 'abc', 'aaa', 'acca', 'abba', 'acc\u0430', 'x \xe9 y', 'a#b c', 'a\xe9b', 'a\n', '\t\n\r\x0c\x0b', 'aB', '\xe9!']),
    ('^[[]$', True, ['[']),
    ('^]$', True, [']']),
    ('^}$', True, ['}']),
    ('^[\\w-]+$', True, ['a', 'b', 'A', '1', 'ab', 'aa', 'abc', 'aaa', 'acca', 'abba', '-', 'z', '_', 'aB', '0', 'K']),
    ('^[\\d-z]$', True, ['1', '-', 'z', '0']),
    ('^[a-\\d]$', True, ['a', '1', '-', '0']),
    ('^[--a]$', True, ['a', 'A', '1', '-', '[', ']', '.', '/', '_', '0', 'K']),
    ('^[\\b]$', True, ['\x08']),
    ('^[a&&b]$', True, ['a', 'b', '&']),
    ('^[~~]$', True, ['~']),
    ('^[a-z&&[aeiou]]$', True, []),
    ('^\\-$', True, ['-']),
    ('^\\/$', True, ['/']),
    ('^\\_$', True, ['_']),
    ('^\\0$', True, ['\x00']),
    ('^\\t\\n\\r\\f\\v$', True, ['\t\n\r\x0c\x0b']),
    ('^a$', True, ['a']),
    ('(?<=a)b', True, ['ab', 'abc', 'abba']),
    ('(?<!a)b', True, ['b', 'abba', 'a#b c', 'a\xe9b']),
    ('^(?=.{3}$)a+$', True, ['aaa']),
    ('^(?!a).$', False, ['', 'a', '\n', '\r', '\u2028', 'ab', 'aa', 'abc', 'aaa', 'acca', 'abba', 'acc\u0430', 'x \xe9 y', 'a#b c', 'a\xe9b', 'a\n', '\t\n\r\x0c\x0b', 'aB', '\xe9!']),
    ('^a{2,3}$', True, ['aa', 'aaa']),
    ('^(?:a|b)+?$', True, ['a', 'b', 'ab', 'aa', 'aaa', 'abba']),
    ('\\bé\\b', True, ['a\xe9b']),
    ('\\Bé', True, ['\xe9', 'x \xe9 y', '\xe9!']),
    ('^a\\b', True, ['a', 'a#b c', 'a\xe9b', 'a\n']),
    ('^\\A$', True, ['A']),
    ('^a#b c$', True, ['a#b c']),
    ('^(a+)+$', True, ['a', 'aa', 'aaa']),
    ('^(([a-z])+.)+[A-Z]+$', True, []),
]
# fmt: on


@pytest.mark.parametrize(("pattern", "matched", "texts"), JUDGED)
def test_a_pattern_is_validated_as_in_ecma_262(
    pattern: str, matched: bool, texts: list[str]
) -> None:
    """For every text, our validator agrees with an engine of that dialect."""
    validator = validator_for({"pattern": pattern})
    expected = [text for text in TEXTS if (text in texts) == matched]
    assert [text for text in TEXTS if validator.is_valid(text)] == expected


@pytest.mark.parametrize("pattern", ["(", "a**", r"\p{Nope}", "(a{1000}){1000}", "(" * 5000])
def test_an_invalid_pattern_is_a_finding_with_its_line(pattern: str) -> None:
    """An invalid or too expensive pattern is rejected quickly, with its location."""
    data = document(request("nova-1", word={"type": "string", "pattern": pattern}))
    begun = time.monotonic()
    with pytest.raises(FindingsError, match=r"nova\.yaml:\d+ .*/word/pattern: .* is no pattern"):
        build_from([source("nova", data)], [])
    assert time.monotonic() - begun < TIME_LIMIT


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(a|aa)+$", r"^(?=a)(a+)+$", r"^(a+)+\1$"])
def test_no_text_makes_a_pattern_run_forever(pattern: str) -> None:
    """A thousand characters in an example or in a request are validated quickly."""
    long = "a" * 1000 + "!"
    begun = time.monotonic()
    assert not is_unsupported(pattern)
    assert not validator_for({"pattern": pattern}).is_valid(long)
    rule = {"type": "string", "pattern": pattern, "example": long, "default": long}
    built = build_from([source("nova", document(request("nova-1", word=rule)))], [])
    assert [one.left_out for one in built.example_fixes] == [True, True]
    assert time.monotonic() - begun < TIME_LIMIT


@pytest.mark.parametrize("pattern", [r"^\p{L}+$", r"^(?<y>[a-c])\k<y>$", r"^(?=a)(a+)+$", r"^[^]$"])
def test_requests_are_validated_so_and_messages_show_the_original_pattern(pattern: str) -> None:
    """The validator of client and mock rejects in bounded time, and shows the pattern of the spec."""
    rule = {"type": "string", "pattern": pattern}
    built = build_from([source("nova", document(request("nova-1", word=rule)))], [])
    rules = RequestValidator(Catalog(built.document))
    model = rules.catalog.models["nova-1"]
    good = {r"^\p{L}+$": "é", r"^(?<y>[a-c])\k<y>$": "aa", r"^(?=a)(a+)+$": "aaa", r"^[^]$": "\n"}
    assert rules.violations(model, {"model": "nova-1", "word": good[pattern]}) == []
    begun = time.monotonic()
    (found,) = rules.violations(model, {"model": "nova-1", "word": "a" * 5000 + "!"})
    assert time.monotonic() - begun < TIME_LIMIT
    assert (found.rule, found.pointer) == ("pattern", "/word")
    assert f"must match {pattern}" in found.message
