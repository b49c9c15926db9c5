"""Seeds, and inputs that are made of them by a number: the same number makes the same input."""

from __future__ import annotations

from pathlib import Path
from random import Random

SEEDS = Path(__file__).with_name("seeds")
WORDS = (
    *(b"\x00", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xff\xfe", b"\r\n", b"\n\n", b"---\n"),
    *(
        b"```yaml\n",
        b"```\n",
        b"~~~",
        b"&a ",
        b"*a",
        b"!!",
        b"<<: ",
        b"? ",
        b"- ",
        b"{",
        b"[",
        b'"',
    ),
    *(b"NaN", b"1e999", b"-0", b"99999999999999999999", b"0x10", b"16:9", b"\\ud800", b"null"),
    *(b"Content-Length: ", b"Transfer-Encoding: chunked", b"Host: ", b"HTTP/1.1\r\n", b"Upgrade: "),
    *(b"%00", b"%2F", b"..", b"://", b"@", b"?X-Amz-Date=", b"&se=", b"&Expires=", b"+00:00"),
    *(b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF", b"WEBP", b"BM", b"ID3", b"\xff\xfb"),
)
MOST = 4096


def seeds(name: str) -> list[bytes]:
    """Return the seeds of a target."""
    return [path.read_bytes() for path in sorted((SEEDS / name).iterdir())]


def changed(known: list[bytes], number: int) -> bytes:
    """Change a seed at some places: other bytes, words, pieces left out, repeated or moved."""
    random = Random(number)
    data = bytearray(random.choice(known)[:MOST])
    for _ in range(random.choice((1, 1, 2, 4, 8))):
        at, size = random.randint(0, len(data)), random.choice((1, 1, 2, 8, 64))
        other = random.choice(known)
        begin = random.randint(0, len(other))
        piece = random.choice(
            (
                random.randbytes(size),
                random.choice(WORDS),
                b"",
                bytes(data[at : at + size]) * random.choice((2, 2, 40)),
                other[begin : begin + 4 * size],
            )
        )
        data[at : at + random.choice((0, size))] = piece
    return bytes(data[:MOST])
