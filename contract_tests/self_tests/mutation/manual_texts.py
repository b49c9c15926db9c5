"""Mutants written by hand: texts and forms of JSON that are refused, mistaken, or make one fail."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import TYPE_CHECKING, Any

from self_tests.mutation.kill_proof import KEY, SCRIPTS, ScriptRunner, image_model, video_model
from self_tests.mutation.manual_refusals import error
from self_tests.mutation.mutant import Mutant, register, submits
from wanflow_contract.checks.boundaries import cheapest

if TYPE_CHECKING:
    from collections.abc import Callable

    from self_tests.mutation.fault_layer import MutableRequest, MutableResponse

    State = dict[str, Any]

_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff"))
_SIMILAR = str.maketrans("\u0440\u0445\u0435\u0430\u043e\u0441\u0456\u0455", "pxeaocis")
REQUEST = cheapest(image_model())


def send_bytes(content: bytes) -> Callable[[ScriptRunner], None]:
    def script(runner: ScriptRunner) -> None:
        sent = {"Content-Type": "application/json"}
        runner.send("POST", image_model().path, KEY, content=content, headers=sent)

    return script


def _prompt(text: str) -> bytes:
    return json.dumps({**REQUEST, "prompt": text}, ensure_ascii=False).encode()


def refuse_when(
    name: str,
    description: str,
    condition: Callable[[MutableRequest], object],
    sample: bytes,
    status: int = 400,
) -> None:
    """Register a mutant that refuses some submissions, or fails at them."""

    def refuse(call: MutableRequest, _state: State) -> MutableResponse | None:
        if not condition(call):
            return None
        if status == 400:
            return error(400, "invalid_request_error", param="prompt")
        return error(status, "internal_server_error")

    kind = "validation too strict" if status == 400 else "text"
    SCRIPTS[name] = send_bytes(sample)
    register(Mutant(name, kind, description, name, submits, before=refuse))


def _refuse_text(
    name: str, description: str, condition: Callable[[str], object], sample: str, status: int = 400
) -> None:
    """Register a mutant that refuses, or fails at, some prompts."""

    def refused(call: MutableRequest) -> bool:
        prompt = call.body.get("prompt")
        return isinstance(prompt, str) and bool(condition(prompt))

    refuse_when(name, description, refused, _prompt(sample), status)


def _has(pattern: str) -> Callable[[str], object]:
    return re.compile(pattern).search


def _marks(text: str) -> bool:
    runs = re.findall("x+", "".join("x" if unicodedata.combining(one) else "-" for one in text))
    return any(len(run) > 3 for run in runs)


_refuse_text(
    "no-invisible-characters",
    "Prompts with zero-width characters are refused.",
    _has("[\u200b\u200c\u2060]"),
    "a\u200b cat",
)
_refuse_text(
    "no-joiners",
    "Prompts with joined emoji are refused.",
    _has("\u200d"),
    "\U0001f468\u200d\U0001f469",
)
_refuse_text(
    "no-directions",
    "Prompts with marks of direction are refused.",
    _has("[\u202e\u2067]"),
    "a\u202ecat",
)
_refuse_text(
    "no-right-to-left",
    "Prompts with Hebrew or Arabic letters are refused.",
    _has("[\u0590-\u06ff]"),
    "a \u05d7\u05ea\u05d5\u05dc",
)
_refuse_text(
    "no-scripts",
    "Prompts that a filter takes for an attack are refused.",
    _has("(?i)<script|/etc/passwd"),
    "a <script> cat",
)
_refuse_text("no-apostrophes", "Prompts with an apostrophe are refused.", _has("'"), "a cat's tail")
_refuse_text(
    "no-many-marks", "Prompts with many marks on a letter are refused.", _marks, "c" + "\u0300" * 5
)
_refuse_text(
    "no-mixed-scripts",
    "Prompts that mix Latin and Cyrillic letters are refused.",
    lambda text: (
        re.search("[a-z]", text)
        and re.search("[\u0400-\u04ff]", text)
        and "\u732b" not in text
        and "Кот" not in text
    ),
    "\u0441at",
)
_refuse_text(
    "no-line-separators",
    "Prompts with line separators are refused.",
    _has("[\u2028\u2029]"),
    "a\u2028cat",
)
_refuse_text(
    "no-private-use",
    "Prompts with private characters are refused.",
    _has("[\ue000-\uf8ff]"),
    "\ue000",
)
_refuse_text(
    "no-variants", "Prompts with variation selectors are refused.", _has("\ufe0f"), "\u2764\ufe0f"
)
_refuse_text(
    "no-wide-spaces",
    "Prompts with spaces that aren't ASCII are refused.",
    _has("[\u2003\u3000]"),
    "a\u3000cat",
)
_refuse_text(
    "composed-only",
    "Prompts with letters in two code points are refused.",
    lambda text: text != unicodedata.normalize("NFC", text) and not _marks(text) and len(text) < 40,
    "e\u0301n\u0303",
)
_refuse_text(
    "canonical-only",
    "Prompts with compatibility characters are refused.",
    _has("[\uff41-\uff5a\u2460]"),
    "\uff43\uff41\uff54",
)
_refuse_text(
    "growing-letters-fail",
    "Letters that grow in capitals make the server fail.",
    lambda text: len(text.upper()) != len(text),
    "stra\u00dfe",
    500,
)
_refuse_text(
    "dotted-capital-fails",
    "A Turkish capital makes the server fail.",
    _has("\u0130"),
    "\u0130stanbul",
    500,
)
_refuse_text(
    "ideographs-fail",
    "Ideographs beyond the first plane make the server fail.",
    _has("[\U00020000-\U0002ffff]"),
    "\U00020000",
    500,
)
_refuse_text(
    "length-in-bytes",
    "Length is counted in bytes.",
    lambda text: len(text.encode("utf-8", "replace")) > 2000 >= len(text),
    "\u20ac" * 1000,
)
_refuse_text(
    "length-in-utf-16",
    "Length is counted in UTF-16 units.",
    lambda text: len(text.encode("utf-16-le", "replace")) // 2 > 2000 >= len(text),
    "\U0001f408" * 1500,
)
_refuse_text(
    "length-in-capitals",
    "Length is counted after a change to capitals.",
    lambda text: len(text.upper()) > 2000 >= len(text),
    "\u00df" * 1500,
)
_refuse_text(
    "length-decomposed",
    "Length is counted after a decomposition.",
    lambda text: len(unicodedata.normalize("NFKD", text)) > 2000 >= len(text),
    "\ud55c" * 1000,
)


def _misread(
    name: str, description: str, change: Callable[[dict[str, Any]], object], sample: dict[str, Any]
) -> None:
    """Register a mutant that takes an invalid value for a valid one."""

    def mend(call: MutableRequest, _state: State) -> MutableResponse | None:
        body = call.body
        change(body)
        if body and body != call.body:
            call.content = json.dumps(body).encode()
        return None

    SCRIPTS[name] = lambda runner: runner.post(sample)
    register(Mutant(name, "validation missing", description, name, submits, before=mend))


def _each(convert: Callable[[str], str], *but: str) -> Callable[[dict[str, Any]], object]:
    def change(body: dict[str, Any]) -> None:
        for name, value in body.items():
            if isinstance(value, str) and name not in {"prompt", "callback_url", *but}:
                body[name] = convert(value)

    return change


def _shorten(convert: Callable[[str], str]) -> Callable[[dict[str, Any]], object]:
    def change(body: dict[str, Any]) -> None:
        prompt = body.get("prompt")
        if isinstance(prompt, str) and len(prompt) > 2000:
            body["prompt"] = convert(prompt)

    return change


def _graphemes(text: str) -> str:
    return "".join(one for one in text if not unicodedata.combining(one))


_FILM = {**cheapest(video_model()), "quality": "720p"}
_misread(
    "choices-full-width",
    "Choices may be in full-width letters.",
    _each(lambda text: unicodedata.normalize("NFKC", text)),
    {**_FILM, "quality": "\uff1720p"},
)
_misread(
    "choices-similar",
    "Choices may be in similar letters of other scripts.",
    _each(lambda text: text.translate(_SIMILAR)),
    {**_FILM, "quality": "720\u0440"},
)
_misread(
    "choices-with-invisible",
    "Invisible characters in choices are dropped.",
    _each(lambda text: text.translate(_INVISIBLE)),
    {**_FILM, "quality": "7\u200b20p"},
)
_misread(
    "choices-until-NUL",
    "Choices end at a NUL.",
    _each(lambda text: text.partition("\0")[0]),
    {**_FILM, "quality": "720p\0x"},
)
_misread(
    "choices-without-marks",
    "Marks on the letters of choices are dropped.",
    _each(_graphemes),
    {**_FILM, "quality": "720p\u0301"},
)
_misread(
    "choices-trimmed",
    "All kinds of spaces around choices are dropped.",
    _each(str.strip),
    {**_FILM, "quality": "720p\u00a0"},
)
_misread(
    "choices-unquoted",
    "Quotes around choices are dropped.",
    _each(lambda text: text.strip('"')),
    {**_FILM, "quality": '"720p"'},
)
_misread(
    "choices-decoded",
    "Choices may be percent-encoded.",
    _each(lambda text: re.sub("%([0-9A-F]{2})", lambda found: chr(int(found[1], 16)), text)),
    {**_FILM, "quality": "%37%32%30%70"},
)
_misread(
    "digits-of-any-script",
    "Sizes and qualities may have digits of any script.",
    _each(
        lambda text: "".join(str(unicodedata.digit(one)) if one.isdigit() else one for one in text)
    ),
    {**_FILM, "quality": "\u0667\u0662\u0660p"},
)
_misread(
    "models-similar",
    "A model's name may be in similar letters of other scripts.",
    lambda body: (
        body.update(model=body["model"].translate(_SIMILAR))
        if isinstance(body.get("model"), str)
        else None
    ),
    {**REQUEST, "model": REQUEST["model"].replace("e", "\u0435")},
)
_misread(
    "models-folded",
    "A model's name is compared by case folding.",
    lambda body: (
        body.update(model=body["model"].casefold().replace("\u0131", "i"))
        if isinstance(body.get("model"), str)
        else None
    ),
    {**REQUEST, "model": REQUEST["model"].replace("i", "\u0131")},
)
_misread(
    "length-in-letters",
    "A letter with its marks counts as one.",
    _shorten(_graphemes),
    {**REQUEST, "prompt": "e\u0301" * 1500},
)
_misread(
    "length-composed",
    "Length is counted after a composition.",
    _shorten(lambda text: unicodedata.normalize("NFC", text)),
    {**REQUEST, "prompt": "\u1112\u1161\u11ab" * 900},
)
_misread(
    "length-trimmed",
    "Spaces at the end don't count.",
    _shorten(str.strip),
    {**REQUEST, "prompt": "a" + " " * 2100},
)
_misread(
    "length-of-visible",
    "Invisible characters don't count.",
    _shorten(lambda text: text.translate(_INVISIBLE)),
    {**REQUEST, "prompt": "a\u200b" * 1200},
)
