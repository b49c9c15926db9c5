"""What the first bytes of a file say that it is: one table of formats, and which kinds may be so.

A format that the table doesn't have is unknown, and never refused for that.
"""

from __future__ import annotations

import re
from codecs import getincrementaldecoder
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from attrs import frozen

BEGINNING = 4096
"""Bytes that are enough to detect a format by."""

IMAGE, VIDEO, AUDIO, TEXT = (frozenset({kind}) for kind in ("image", "video", "audio", "text"))
KINDS = IMAGE | VIDEO | AUDIO | TEXT
_MOVING = IMAGE | VIDEO
_PLAYED = VIDEO | AUDIO

_ISO = rb"(?s)....ftyp(?:%s)"
_EBML = rb"(?s)\x1aE\xdf\xa3.{0,60}?\x42\x82.%s"


@frozen
class Format:
    """A format: how its files end, begin and are labelled, and which kinds of result have it.

    `signature` is a pattern for the first bytes, None where only the label says it. A `weak` one is
    found in other files, too: it names a file, and contradicts nothing.
    """

    extension: str
    kinds: frozenset[str]
    types: tuple[str, ...] = ()
    signature: bytes | None = None
    weak: bool = False
    suffixes: tuple[str, ...] = ()


# The first that fits is the one: narrow signatures come before wide ones.
FORMATS = (
    Format(".png", _MOVING, ("image/png", "image/x-png", "image/apng"), rb"\x89PNG\r\n\x1a\n"),
    Format(
        ".jpg",
        IMAGE,
        ("image/jpeg", "image/jpg", "image/pjpeg", "image/jpe"),
        rb"\xff\xd8\xff",
        suffixes=(".jpeg", ".jpe", ".jfif"),
    ),
    Format(".gif", _MOVING, ("image/gif",), rb"GIF8[79]a"),
    Format(".webp", _MOVING, ("image/webp", "image/x-webp"), rb"(?s)RIFF....WEBP"),
    Format(
        ".wav",
        AUDIO,
        ("audio/wav", "audio/x-wav", "audio/wave", "audio/vnd.wave", "audio/x-pn-wav"),
        rb"(?s)(?:RIFF|RF64)....WAVE",
        suffixes=(".wave",),
    ),
    Format(
        ".avi",
        VIDEO,
        ("video/x-msvideo", "video/avi", "video/msvideo", "video/vnd.avi"),
        rb"(?s)RIFF....AVI ",
    ),
    Format(".avif", _MOVING, ("image/avif", "image/avif-sequence"), _ISO % rb"avi[fs]"),
    Format(
        ".heic",
        _MOVING,
        ("image/heic", "image/heif", "image/heic-sequence", "image/heif-sequence"),
        _ISO % rb"he[iv][cxms]|mif1|msf1",
        suffixes=(".heif",),
    ),
    Format(
        ".m4a",
        AUDIO,
        ("audio/mp4", "audio/x-m4a", "audio/m4a", "audio/mp4a-latm"),
        _ISO % rb"M4[AB] ",
    ),
    Format(".mov", _PLAYED, ("video/quicktime",), _ISO % rb"qt  ", suffixes=(".qt",)),
    Format(".3gp", _PLAYED, ("video/3gpp", "audio/3gpp", "video/3gpp2"), _ISO % rb"3g[a-z0-9]{2}"),
    Format(".m4v", VIDEO, ("video/x-m4v",), _ISO % rb"M4V[ HP]"),
    Format(".mp4", _PLAYED, ("video/mp4", "application/mp4", "video/x-mp4"), _ISO % rb""),
    # Files of QuickTime that were made before there was an `ftyp`.
    Format(".mov", _PLAYED, (), rb"(?s)....(?:moov|mdat|wide|free|skip|pnot)", weak=True),
    Format(".webm", _PLAYED, ("video/webm", "audio/webm"), _EBML % rb"webm"),
    Format(
        ".mkv",
        _PLAYED,
        ("video/x-matroska", "video/matroska", "audio/x-matroska", "application/x-matroska"),
        rb"\x1aE\xdf\xa3",
        suffixes=(".mka",),
    ),
    Format(".ogg", _PLAYED, ("audio/ogg", "application/ogg"), rb"OggS", suffixes=(".oga",)),
    Format(".ogv", VIDEO, ("video/ogg",)),
    Format(".opus", AUDIO, ("audio/opus",)),
    Format(".flac", AUDIO, ("audio/flac", "audio/x-flac"), rb"fLaC"),
    Format(".mp3", AUDIO, ("audio/mpeg", "audio/mp3", "audio/x-mp3", "audio/x-mpeg"), rb"ID3"),
    Format(
        ".aac",
        AUDIO,
        ("audio/aac", "audio/x-aac", "audio/aacp"),
        rb"(?s)\xff[\xf0\xf1\xf8\xf9][^\xc0-\xff]",
        weak=True,
    ),
    # The head of a frame of MPEG audio: its version, layer, bit rate and sampling rate.
    Format(
        ".mp3",
        AUDIO,
        (),
        rb"(?s)\xff[\xe2-\xe7\xf2-\xf7\xfa-\xff][\x10-\x1b\x20-\x2b\x30-\x3b\x40-\x4b\x50-\x5b"
        rb"\x60-\x6b\x70-\x7b\x80-\x8b\x90-\x9b\xa0-\xab\xb0-\xbb\xc0-\xcb\xd0-\xdb\xe0-\xeb]",
        weak=True,
    ),
    Format(
        ".aiff",
        AUDIO,
        ("audio/aiff", "audio/x-aiff"),
        rb"(?s)FORM....AIF[FC]",
        suffixes=(".aif",),
    ),
    Format(".amr", AUDIO, ("audio/amr",), rb"#!AMR"),
    Format(".caf", AUDIO, ("audio/x-caf",), rb"caff\x00"),
    Format(".mid", AUDIO, ("audio/midi", "audio/x-midi"), rb"MThd", suffixes=(".midi",)),
    Format(".flv", VIDEO, ("video/x-flv",), rb"FLV\x01"),
    Format(".mpg", VIDEO, ("video/mpeg",), rb"\x00\x00\x01[\xb3\xba]", suffixes=(".mpeg",)),
    Format(".ts", VIDEO, ("video/mp2t",), rb"(?s)\x47.{187}\x47.{187}\x47"),
    Format(".wmv", _PLAYED, ("video/x-ms-wmv", "video/x-ms-asf"), rb"\x30\x26\xb2\x75\x8e\x66\xcf"),
    Format(
        ".bmp",
        IMAGE,
        ("image/bmp", "image/x-bmp", "image/x-ms-bmp"),
        rb"(?s)BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\x00\x00\x00",
    ),
    Format(
        ".tiff",
        IMAGE,
        ("image/tiff", "image/x-tiff"),
        rb"II[*+]\x00|MM\x00[*+]",
        suffixes=(".tif",),
    ),
    Format(".jxl", IMAGE, ("image/jxl",), rb"\xff\x0a|\x00\x00\x00\x0cJXL \r\n\x87\n", weak=True),
    Format(".jp2", IMAGE, ("image/jp2", "image/jpx"), rb"\x00\x00\x00\x0cjP  \r\n\x87\n"),
    Format(
        ".ico", IMAGE, ("image/x-icon", "image/vnd.microsoft.icon"), rb"\x00\x00\x01\x00", weak=True
    ),
    Format(".psd", IMAGE, ("image/vnd.adobe.photoshop",), rb"8BPS"),
    Format(".exr", IMAGE, ("image/x-exr", "image/aces"), rb"v/1\x01"),
    Format(".svg", IMAGE | TEXT, ("image/svg+xml", "image/svg")),
    Format(".glb", KINDS, ("model/gltf-binary",), rb"glTF[\x01\x02]\x00\x00\x00"),
    Format(".zip", KINDS, ("application/zip", "application/x-zip-compressed"), rb"PK\x03\x04"),
    Format(".json", TEXT, ("application/json", "text/json")),
    Format(".xml", TEXT, ("application/xml", "text/xml")),
    Format(".md", TEXT, ("text/markdown",)),
    Format(".srt", TEXT, ("application/x-subrip",)),
    Format(".vtt", TEXT, ("text/vtt",)),
    Format(".csv", TEXT, ("text/csv",)),
    Format(".txt", TEXT, ("text/plain",)),
)
UNKNOWN = ".bin"
"""How the name of a file ends that nothing is known of."""

_BY_TYPE = {name: format_ for format_ in FORMATS for name in format_.types}
_BY_SUFFIX = {end: format_ for format_ in FORMATS for end in (format_.extension, *format_.suffixes)}
EXTENSIONS = (*_BY_SUFFIX, UNKNOWN)
"""How names of files end."""
_TYPE_BY_SUFFIX = {".html": "text/html"} | {
    end: one.types[0] for one in FORMATS if one.types for end in (one.extension, *one.suffixes)
}
_SVG = _BY_TYPE["image/svg+xml"]
_GENERIC_TYPES = frozenset({"", "application/octet-stream", "binary/octet-stream"})
_HTML_TYPES = frozenset({"text/html", "application/xhtml+xml"})

# What may stand before the root of a document: its declaration, doctype and comments.
_BEFORE = re.compile(r"\s+|<\?.*?\?>|<!--.*?-->|<!doctype\s[^<>\[]*(?:\[.*?\]\s*)?>", re.I | re.S)
_ROOT = re.compile(r"<(?:[A-Za-z_][\w.-]*:)?([A-Za-z_][\w.-]*)[\s/>]")
_MARKUP = re.compile(r"<(?:[A-Za-z_!?])")
_DOCTYPE = re.compile(r"<!doctype\s+html\b", re.I)
_HTML_ROOTS = re.compile(
    r"(?:html|head|body|title|script|style|meta|link|div|table|iframe|h[1-6]|p|b|br|center|font)\Z",
    re.I,
)
_JSON = re.compile(r"""\s*(?:\{\s*["}]|\[\s*(?:[\[{"\]\d-]|true|false|null))""")
# Bytes that are in no text.
_BINARY = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")
_BYTE_ORDER_MARKS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)


def media_type(name: str) -> str:
    """Return the media type of a file by its name, the same on every system.

    Python's `mimetypes` reads files and a registry that only some machines have.
    """
    return _TYPE_BY_SUFFIX.get(PurePosixPath(name).suffix.lower(), "application/octet-stream")


def result_problem(beginning: bytes, content_type: str, kinds: frozenset[str]) -> str | None:
    """Say why a file is no result of some kinds (none: of any medium); None where it may be one.

    The first bytes count more than the label: a server that labels a video as HTML sent a video.
    """
    if not beginning:
        return "an empty file"
    document = detect_document(beginning)
    found = None if document else detect_format(beginning, kinds)
    media_type = _media_type(content_type)
    if document is not None:
        return _document_problem(document, kinds)
    if found is not None:
        return (
            None
            if _matches(found.kinds, kinds)
            else f"a file of the kind {_kinds_text(found.kinds)}"
        )
    if _is_plain_text(beginning, media_type, kinds):
        return "a text"
    return _media_type_problem(beginning, media_type, kinds)


def extension(beginning: bytes, content_type: str, url: str) -> str:
    """Return how a file's name is to end: by its first bytes, its label or its link, else `.bin`.

    It is always one of the table's, whatever the link says.
    """
    document = detect_document(beginning)
    if document is not None:
        return _extension_of(document, content_type)
    labelled = _BY_TYPE.get(_media_type(content_type))
    if labelled is not None and labelled.kinds == TEXT and _BINARY.search(beginning):
        labelled = None
    found = detect_format(beginning, frozenset() if labelled is None else labelled.kinds)
    if found is not None:
        # Ogg and MP4 hold either medium, and the label says which.
        ambiguous = (
            labelled is not None and labelled.signature is None and found.extension == ".ogg"
        )
        return labelled.extension if labelled is not None and ambiguous else found.extension
    if labelled is not None:
        return labelled.extension
    named = _BY_SUFFIX.get(PurePosixPath(urlsplit(url).path).suffix.lower())
    return UNKNOWN if named is None else named.extension


def detect_format(beginning: bytes, kinds: frozenset[str]) -> Format | None:
    """Detect a format by its signature; a weak one only where it fits what is wanted."""
    for format_ in FORMATS:
        if format_.signature is None or (format_.weak and not _matches(format_.kinds, kinds)):
            continue
        # Compiled, and kept by `re`, when the first file comes: importing this shall cost nothing.
        if re.match(format_.signature, beginning):
            return format_
    return None


def detect_document(beginning: bytes) -> str | None:
    """Detect a document by its first characters: `html`, `json`, `svg` or `xml`."""
    text = _text_of(beginning)
    if text is None:
        return None
    if _JSON.match(text):
        return "json"
    if not _MARKUP.match(text.lstrip()):
        return None
    root = _root_of(text)
    if _DOCTYPE.search(text) or (root is not None and _HTML_ROOTS.match(root)):
        return "html"
    return "svg" if root == "svg" else "xml"


def _root_of(text: str) -> str | None:
    position = 0
    while found := _BEFORE.match(text, position):
        position = found.end()
    root = _ROOT.match(text, position)
    return None if root is None else root[1]


def _text_of(beginning: bytes) -> str | None:
    for mark, encoding in _BYTE_ORDER_MARKS:
        if beginning.startswith(mark):
            return beginning[len(mark) :].decode(encoding, "replace")
    return None if _BINARY.search(beginning) else beginning.decode("utf-8", "replace")


def _document_problem(document: str, kinds: frozenset[str]) -> str | None:
    if document == "svg":
        return None if _matches(_SVG.kinds, kinds) else "an SVG image"
    if document != "html" and "text" in kinds:
        return None
    return {"html": "an HTML page", "json": "JSON", "xml": "XML"}[document]


def _media_type_problem(beginning: bytes, media_type: str, kinds: frozenset[str]) -> str | None:
    """Say why a label contradicts what is wanted, where no signature is known."""
    if media_type in _HTML_TYPES:
        return "an HTML page"
    known = _BY_TYPE.get(media_type)
    labelled_kinds = (
        known.kinds if known is not None else frozenset({media_type.partition("/")[0]}) & KINDS
    )
    if not labelled_kinds or _matches(labelled_kinds, kinds):
        return None
    if labelled_kinds == TEXT and _BINARY.search(beginning):
        return None  # a server that doesn't know a format may call it plain text
    return f"a file of the type {media_type}"


def _is_plain_text(beginning: bytes, media_type: str, kinds: frozenset[str]) -> bool:
    """Return whether a medium is wanted, and what came is text, such as a message.

    A label that is new may name a format that is written as text.
    """
    known = _BY_TYPE.get(media_type)
    labelled = known is not None and known.signature is not None
    labelled_kinds = labelled or (bool(kinds) and media_type in _GENERIC_TYPES)
    if not labelled_kinds or "text" in kinds or _text_of(beginning) is None:
        return False
    try:
        # What was cut off inside a letter is text all the same.
        getincrementaldecoder("utf-8")().decode(beginning)
    except UnicodeDecodeError:
        return False
    return True


def _extension_of(document: str, content_type: str) -> str:
    labelled = _BY_TYPE.get(_media_type(content_type))
    if labelled is not None and labelled.kinds == TEXT:
        return labelled.extension
    return {"svg": ".svg", "json": ".json", "xml": ".xml"}.get(document, ".txt")


def _matches(kinds: frozenset[str], wanted: frozenset[str]) -> bool:
    """Return whether kinds may be those wanted; where none is named, any medium is."""
    return not kinds.isdisjoint(wanted or KINDS - TEXT)


def _kinds_text(kinds: frozenset[str]) -> str:
    return " or ".join(sorted(kinds))


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()
