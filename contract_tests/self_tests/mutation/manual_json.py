"""Mutants written by hand: forms of JSON that are refused, guessed, or make the server fail."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from self_tests.mutation.kill_proof import SCRIPTS, image_model
from self_tests.mutation.manual_refusals import error
from self_tests.mutation.manual_texts import REQUEST, refuse_when, send_bytes
from self_tests.mutation.mutant import Mutant, register, submits

if TYPE_CHECKING:
    from collections.abc import Callable

    from self_tests.mutation.fault_layer import MutableRequest, MutableResponse

    State = dict[str, Any]


def _raw(name: str, description: str, pattern: bytes, sample: bytes, status: int = 400) -> None:
    """Register a mutant that refuses, or fails at, bodies whose bytes match a pattern."""
    refuse_when(
        name, description, lambda call: re.search(pattern, call.content, re.DOTALL), sample, status
    )


_TEXT = json.dumps(REQUEST).encode()


def _as(prompt: bytes) -> bytes:
    return json.dumps({**REQUEST, "prompt": "P"}).encode().replace(b'"P"', prompt)


_raw(
    "no-escaped-names",
    "Escapes in the names of fields are refused.",
    rb'"\\u0070rom',
    _TEXT.replace(b'"prompt"', b'"\\u0070rompt"'),
)
_raw(
    "no-escapes-in-capitals",
    "Escapes in capitals are refused.",
    rb"\\u0?[0-9A-F]*[A-F]",
    _as(b'"\\u041A"'),
)
_raw(
    "no-short-escapes",
    "The escapes of a tab and a line break are refused.",
    rb"[^\\]\\[nt]\\?",
    _as(b'"a\\ncat\\ta"'),
)
_raw(
    "no-padding",
    "Bodies with many spaces around them are refused.",
    rb"^ {1000}|\s{1000}$",
    b" " * 2000 + _TEXT,
)
_raw(
    "mark-fails",
    "A byte order mark makes the server fail.",
    rb"^\xef\xbb\xbf",
    b"\xef\xbb\xbf" + _TEXT,
    500,
)
_raw(
    "utf-16-fails",
    "A body in UTF-16 makes the server fail.",
    rb"^(\xff\xfe[^\0]|\xfe\xff)",
    json.dumps(REQUEST).encode("utf-16"),
    500,
)
_raw(
    "lone-surrogate-fails",
    "Half a surrogate pair makes the server fail.",
    rb"\\ud83d cat",
    _as(b'"\\ud83d cat"'),
    500,
)
_raw(
    "lone-trail-fails",
    "The second half of a surrogate pair makes the server fail.",
    rb'"[a ]*\\udc31',
    _as(b'"\\udc31"'),
    500,
)
_raw(
    "NUL-fails", "An escaped NUL makes the server fail.", rb"\\u0000cat", _as(b'"a\\u0000cat"'), 500
)
_raw(
    "control-fails",
    "Escaped control characters make the server fail.",
    rb"\\u001b",
    _as(b'"\\u001b"'),
    500,
)
_raw(
    "no-character-fails",
    "A code point that is no character makes the server fail.",
    rb"\\uffff",
    _as(b'"\\uffff"'),
    500,
)
_raw(
    "no-utf-8-fails",
    "Bytes that aren't UTF-8 make the server fail.",
    rb"a \xff\xfe",
    _as(b'"a \xff\xfe"'),
    500,
)
_raw(
    "overlong-fails",
    "An overlong encoding makes the server fail.",
    rb"\xc0\xaf",
    _as(b'"\xc0\xaf"'),
    500,
)
_raw(
    "encoded-surrogate-fails",
    "A surrogate in UTF-8 makes the server fail.",
    rb"\xed\xa0\xbd",
    _as(b'"\xed\xa0\xbd"'),
    500,
)
_raw(
    "half-character-fails",
    "Half a character makes the server fail.",
    rb"\xf0\x9f\x90\"",
    _as(b'"\xf0\x9f\x90"'),
    500,
)
_raw(
    "name-twice-fails",
    "A name that occurs twice makes the server fail.",
    rb'"prompt".*"prompt"',
    _TEXT[:-1] + b', "prompt": "a cat"}',
    500,
)
_raw(
    "infinity-fails",
    "A number beyond all limits makes the server fail.",
    rb"1e999",
    _TEXT[:-1] + b', "a": 1e999}',
    500,
)
_raw(
    "long-number-fails",
    "A number of thousands of digits makes the server fail.",
    rb'"unknown": 9{4000}',
    _TEXT[:-1] + b', "unknown": ' + b"9" * 6000 + b"}",
    500,
)
_raw(
    "deep-value-fails",
    "A deep value of an unknown field makes the server fail.",
    rb": \[{2000}",
    _TEXT[:-1] + b', "a": ' + b"[" * 2500 + b"]" * 2500 + b"}",
    500,
)
_raw(
    "many-names-fail",
    "An object of many names makes the server fail.",
    rb'"a2500"',
    _TEXT[:-1] + b', "a2500": 1}',
    500,
)
_raw(
    "long-name-fails",
    "A name of many characters makes the server fail.",
    rb'"a{60000}',
    _TEXT[:-1] + b', "' + b"a" * 65000 + b'": 1}',
    500,
)


def _lenient(name: str, description: str, mend: Callable[[str], str], sample: str) -> None:
    """Register a mutant that reads some texts that aren't JSON."""

    def before(call: MutableRequest, _state: State) -> MutableResponse | None:
        text = call.content.decode("utf-8", "replace")
        if not call.body and "model" in text:
            mended = mend(text)
            try:
                json.loads(mended)
            except (ValueError, RecursionError):
                return None
            call.content = mended.encode()
        return None

    SCRIPTS[name] = send_bytes(sample.encode())
    register(Mutant(name, "validation missing", description, name, submits, before=before))


_PLAIN = _TEXT.decode()


def _decode_first(text: str) -> str:
    try:
        return json.dumps(json.JSONDecoder().raw_decode(text.lstrip())[0])
    except (ValueError, RecursionError):
        return text


def _unwrap(text: str) -> str:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return (
        found[0] if isinstance(found, list) and found else found if isinstance(found, str) else text
    )


_lenient(
    "trailing-comma-read",
    "A trailing comma is passed over.",
    lambda text: re.sub(r",\s*}", "}", text),
    _PLAIN[:-1] + ",}",
)
_lenient(
    "comments-read",
    "Comments are passed over.",
    lambda text: re.sub(r"/\*.*?\*/|//[^\"]*$", "", text),
    _PLAIN[:-1] + "/* a */}",
)
_lenient(
    "single-quotes-read",
    "Texts may be in single quotes.",
    lambda text: text.replace("'", '"'),
    _PLAIN.replace('"', "'"),
)
_lenient(
    "bare-names-read",
    "Names may be without quotes.",
    lambda text: re.sub(r"([{,]\s*)([a-z_]+):", r'\1"\2":', text),
    re.sub(r'"([a-z_]+)":', r"\1:", _PLAIN),
)
_lenient(
    "first-object-read",
    "What follows the first object is passed over.",
    _decode_first,
    _PLAIN + "x",
)
_lenient("unclosed-read", "A missing brace is added.", lambda text: text + "}", _PLAIN[:-1])
_lenient(
    "line-breaks-read",
    "Texts may have line breaks and tabs as they are.",
    lambda text: (
        json.dumps(json.loads(text, strict=False)) if "a\n" in text or "a\t" in text else text
    ),
    _as(b'"a\ncat"').decode(),
)
_lenient(
    "escapes-read",
    "Unknown escapes are taken as they are.",
    lambda text: re.sub(r"\\([^\"\\/bfnrtu])", r"\1", text),
    _as(b'"\\x41"').decode(),
)
_lenient(
    "objects-in-lists-read",
    "An object may be in a list of one, or within a text.",
    lambda text: json.dumps(_unwrap(text)) if not isinstance(_unwrap(text), str) else _unwrap(text),
    f"[{_PLAIN}]",
)


def _count(call: MutableRequest) -> int:
    return len(call.body)


refuse_when(
    "not-all-parameters",
    "A request with all parameters together is refused.",
    lambda call: _count(call) == len(image_model().parameters) + 1 and "size" in call.body,
    json.dumps(
        {
            **REQUEST,
            "size": "1280x1280",
            "n": 1,
            "prompt_extend": True,
            "callback_url": "https://example.com/a",
        }
    ).encode(),
)
refuse_when(
    "no-large-request",
    "A request of more than four kilobytes is refused.",
    lambda call: (
        call.body.get("callback_url")
        and len(call.content) > 2100
        and len(str(call.body.get("prompt"))) > 1000
    ),
    json.dumps(
        {**REQUEST, "prompt": "a" * 2000, "callback_url": "https://example.com/" + "a" * 900}
    ).encode(),
)


def _media_type(name: str, description: str, pattern: str, sample: str) -> None:
    def refuse(call: MutableRequest, _state: State) -> MutableResponse | None:
        found = re.search(pattern, call.headers.get("content-type", ""))
        return error(415, "invalid_request_error") if found else None

    SCRIPTS[name] = lambda runner: runner.post(Content_Type=sample)
    register(Mutant(name, "validation too strict", description, name, submits, before=refuse))


_media_type(
    "no-parameter",
    "A media type with a parameter is refused.",
    ";",
    "application/json; charset=utf-8",
)
_media_type(
    "no-quoted-charset", "A charset in quotes is refused.", '"', 'application/json; charset="utf-8"'
)
_media_type(
    "no-space-before-parameter",
    "A space before a parameter of the media type is refused.",
    " ;",
    "application/json ; charset=utf-8",
)
_media_type(
    "no-empty-parameter", "A semicolon without a parameter is refused.", ";$", "application/json;"
)
_media_type(
    "no-other-parameter",
    "An unknown parameter of the media type is refused.",
    "profile",
    "application/json; profile=x",
)
_media_type(
    "no-capital-charset",
    "A charset in capitals is refused.",
    "CHARSET",
    "application/json; CHARSET=UTF-8",
)


def _null_for(call: MutableRequest, _state: State) -> MutableResponse | None:
    call.content = re.sub(rb": (NaN|-?Infinity|undefined)", b": null", call.content)
    return None


SCRIPTS["no-number"] = send_bytes(_TEXT[:-1] + b', "unknown": NaN}')
register(
    Mutant(
        "no-number-taken-for-null",
        "validation missing",
        "NaN, Infinity and undefined are taken for null.",
        "no-number",
        submits,
        before=_null_for,
    )
)
