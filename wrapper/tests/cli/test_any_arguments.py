"""Any arguments give a documented exit code and an error message."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cli.helpers import FROM_IMAGE, IMAGE, VIDEO
from tests.examples import examples
from wanflow.cli.exit_codes import EXIT_CODES, UNEXPECTED

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.helpers import CommandResult

# A real command line has no NUL; bytes that aren't UTF-8 are lone surrogates.
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


@settings(max_examples=examples(300))
@given(
    head=st.sampled_from(HEADS),
    words=st.lists(WORDS, max_size=10),
    stdin=st.binary(max_size=20) | st.just(json.dumps({"model": VIDEO, "prompt": "x"}).encode()),
)
def test_no_command_line_is_unexpected(
    wanflow: Callable[..., CommandResult], head: list[str], words: list[str], stdin: bytes
) -> None:
    """Each command succeeds, or exits with a documented code and an error on stderr."""
    dry = [] if head == ["models"] else ["--dry-run"]
    done = wanflow(*head, *dry, *words, stdin=stdin)
    assert done.code in CODES - {UNEXPECTED.code, 130}, done.err
    assert ("wanflow: " in done.err) == (done.code != 0)


@given(words=st.lists(TEXT, min_size=1, max_size=4))
def test_no_id_is_unexpected(wanflow: Callable[..., CommandResult], words: list[str]) -> None:
    """The same holds for any id and option of `status`."""
    done = wanflow("status", *words)
    assert done.code in CODES - {UNEXPECTED.code, 0, 130}, done.err
    assert done.err.startswith("wanflow: ")
