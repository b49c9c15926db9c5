"""Whatever is typed, a command ends with a code of the table, and says why in a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cli.helpers import FROM_IMAGE, IMAGE, VIDEO
from wanflow.cli.exit_codes import EXIT_CODES, UNEXPECTED

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.helpers import Ended

# A real command line holds no NUL; bytes that aren't UTF-8 come as lone surrogates.
TEXT = st.text(st.characters(exclude_characters="\x00", exclude_categories=()), max_size=20)
WORDS = TEXT | st.sampled_from(
    [
        *(VIDEO, "--prompt", "--prompt", "--duration", "5", "--n", "--size", "1280x720"),
        *("--image-url", "https://h.example/a.png", "--model-params", '{"a":[]}', "--request"),
        *("-", "--extra", "a=1", "--json", "--no-validate", "-o", "out", "--timeout", "3", "--"),
        *(
            "--model-params.shot-type",
            "--prompt-extend",
            "--help",
            "--base-url",
            "-h",
            "--output-dir=x",
        ),
    ]
)
HEADS = [
    *(["models"], ["run"], ["submit"]),
    *(["run", model] for model in (VIDEO, IMAGE, FROM_IMAGE)),
    *(
        [command, model, "--prompt", "x"]
        for command in ("run", "submit")
        for model in (VIDEO, IMAGE)
    ),
]
CODES = {0, *(end.code for end in EXIT_CODES)}


@settings(max_examples=300)
@given(
    head=st.sampled_from(HEADS),
    words=st.lists(WORDS, max_size=10),
    stdin=st.binary(max_size=20) | st.just(b'{"model": "wan2.5-text-to-video", "prompt": "x"}'),
)
def test_no_command_line_is_unexpected(
    wanflow: Callable[..., Ended], head: list[str], words: list[str], stdin: bytes
) -> None:
    """Each ends well, or with a kind of error that is in the table, told on stderr."""
    dry = [] if head == ["models"] else ["--dry-run"]
    done = wanflow(*head, *dry, *words, stdin=stdin)
    assert done.code in CODES - {UNEXPECTED.code, 130}, done.err
    assert ("wanflow: " in done.err) == (done.code != 0)


@given(words=st.lists(TEXT, min_size=1, max_size=4))
def test_no_id_is_unexpected(wanflow: Callable[..., Ended], words: list[str]) -> None:
    """Nor does any id that is looked for, or any option beside it."""
    done = wanflow("status", *words)
    assert done.code in CODES - {UNEXPECTED.code, 0, 130}, done.err
    assert done.err.startswith("wanflow: ")
