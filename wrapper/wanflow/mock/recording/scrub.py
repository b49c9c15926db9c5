"""Removes from requests and responses what the spec doesn't publish.

Kept are numbers, true, false and null, enumerated values, and texts that the spec has as examples.
Every other text is replaced by a placeholder: an object whose only name begins with `$`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from attrs import define, field, frozen

from wanflow.catalog.document import is_array, is_object

if TYPE_CHECKING:
    from collections.abc import Collection

    from wanflow.mock.recording.vocabulary import Vocabulary

TEXT, TASK_ID, TIME, MILLISECONDS, LINK = "$text", "$id", "$time", "$milliseconds", "$link"
"""The placeholders: a text (its length), the task's id, times since the submission, a link."""
_YEAR = 366 * 86400.0
_LONG = 6
# Words of small letters, as in some_name or someName; encoded bytes have other forms.
_NAME = re.compile(r"_?[a-z]{1,20}(?:_[a-z]{1,20}|[A-Z][a-z]{1,20}){0,5}[0-9]{0,2}", re.ASCII)
_WORD = re.compile(r"[A-Za-z0-9_]+", re.ASCII)
SCHEMES = frozenset({"http", "https", "gs", "s3"})
ENDINGS = frozenset(
    {"png", "jpg", "jpeg", "webp", "gif", "bmp", "mp4", "webm", "mov", "wav", "mp3", "ogg", "txt"}
)
_PLACEHOLDER = re.compile(r"\(text of ([0-9]{1,7}) characters\)", re.ASCII)


@define
class Subject:
    """What a response is about: its task, the submission's Unix time, links, and private words.

    `links` are the URLs in the order in which they were first seen; private are the words of the
    request, its headers and its query.
    """

    began: float
    task_id: str | None = None
    links: list[str] = field(factory=list[str], repr=False)
    private: Collection[str] = field(default=frozenset[str](), repr=False)


@frozen
class Scrubber:
    """Scrubs by the vocabulary of a spec."""

    vocabulary: Vocabulary = field(repr=False)

    def request(self, value: Any, name: str = "") -> Any:
        """Return a request body without free texts, and without fields that the spec lacks."""
        if is_object(value):
            known = {key: one for key, one in value.items() if key in self.vocabulary.names}
            return {key: self.request(one, key) for key, one in known.items()}
        if is_array(value):
            return [self.request(one, name) for one in value]
        if isinstance(value, str) and not self.vocabulary.is_choice(name, value):
            return {TEXT: len(value)}
        return value

    def response(self, value: Any, subject: Subject, name: str = "") -> Any:
        """Return a response body with placeholders for texts, ids, times and links."""
        if is_object(value):
            return {
                self._name(key, index, subject): self.response(one, subject, key)
                for index, (key, one) in enumerate(value.items())
            }
        if is_array(value):
            return [self.response(one, subject, name) for one in value]
        if isinstance(value, str):
            return self._text(value, subject, name)
        return _number(value, subject.began)

    def pointer(self, text: str) -> str:
        """Return a JSON pointer without the parts that the spec has no name for."""
        known = self.vocabulary.names
        parts = _WORD.findall(text)
        return "/".join(one if one in known or one.isdigit() else "…" for one in parts)

    def _name(self, key: str, index: int, subject: Subject) -> str:
        folded = key.casefold()
        plain = _NAME.fullmatch(key) is not None and folded not in subject.private
        echoes = any(word in folded for word in subject.private if len(word) >= _LONG)
        kept = key in self.vocabulary.names or (plain and not echoes)
        return key if kept else f"field{index}"

    def _text(self, text: str, subject: Subject, name: str) -> Any:
        if text == subject.task_id:
            return {TASK_ID: True}
        if self.vocabulary.is_choice(name, text) or self.vocabulary.is_sample(name, text):
            return text
        if is_link(text):
            if text not in subject.links:
                subject.links.append(text)
            return {LINK: subject.links.index(text)}
        found = _PLACEHOLDER.fullmatch(text)
        return {TEXT: int(found[1]) if found else len(text)}


def is_link(text: str) -> bool:
    """Return whether a text is nothing but a URL of a file."""
    scheme, found, rest = text.partition("://")
    return bool(found and rest) and scheme.lower() in SCHEMES and not re.search(r"\s", text)


def ending_of(link: str) -> str:
    """Return the file name extension of a URL in small letters, "" for an unusual one."""
    try:
        ending = urlsplit(link).path.rpartition(".")[2].lower()
    except ValueError:
        return ""
    return ending if ending in ENDINGS else ""


def words_of(*texts: str) -> frozenset[str]:
    """Return the words of texts, without a difference of case."""
    return frozenset(word.casefold() for text in texts for word in _WORD.findall(text))


def text_of(length: int) -> str:
    """Return what is answered in place of a text that was removed."""
    return f"(text of {length} characters)"


def _number(value: Any, began: float) -> Any:
    """Replace what can only be a time by the time since the submission."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    if abs(value - began) < _YEAR:
        return {TIME: _like(value, value - began)}
    if abs(value - began * 1000) < _YEAR * 1000:
        return {MILLISECONDS: _like(value, value - began * 1000)}
    return value


def _like(value: float, since: float) -> float:
    return round(since) if isinstance(value, int) else round(since, 3)
