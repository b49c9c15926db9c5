"""A sentence with a constraint is encoded as one, or accepted with a reason."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from tests.spec.family import document, request, source
from wanflow.cli.spec import spec
from wanflow.spec.build import BuildResult, build, build_from
from wanflow.spec.checks.prose import AcceptedProse
from wanflow.spec.errors import EXIT_CODES, OverlayError, SpecError
from wanflow.spec.project import Checkout
from wanflow.spec.read.yaml import write_yaml

if TYPE_CHECKING:
    from pathlib import Path

KINDS = SpecError.__subclasses__()
SENTENCE = "Only supports `4`, `8` values, representing `5 seconds`, `10 seconds`, `15 seconds`"


def reported_sentences(rule: dict[str, Any]) -> list[str]:
    schema = request("nova-1", duration={"type": "integer", **rule})
    return [one.sentence for one in build_from([source("nova-1", document(schema))], []).unencoded]


@pytest.mark.parametrize(
    "sentence",
    [
        "Only supports values `5` and `10`",
        "Must be a multiple of `4`",
        "It must not be negative",
        "Value range: 1-9",
        "No more than 12 of them",
        "It does not exceed 30",
        "Limited to 7",
        "At most 3, at least 1",
        "Any of [1, 4]",
        "Up to `15MB`",
    ],
)
def test_a_rule_in_prose_only_is_reported(sentence: str) -> None:
    """Many wordings are found, also next to other sentences."""
    assert reported_sentences({"description": f"How long.\n- {sentence}\n- It is nice."}) == [
        sentence
    ]


def test_a_rule_that_a_keyword_expresses_is_not_reported() -> None:
    """Every number of the sentence must be in a keyword of the schema; one isn't enough."""
    sentence = "Any value between 1 and 4"
    assert reported_sentences({"description": sentence, "minimum": 1, "maximum": 4}) == []
    assert reported_sentences({"description": sentence, "minimum": 1}) == [sentence]
    assert reported_sentences({"description": "The length of the film"}) == []


def test_every_rule_sentence_of_the_documents_is_encoded_or_accepted_as_prose(
    project: Checkout, built: BuildResult
) -> None:
    """The committed specs have no warning, and need the file of reasons for that."""
    assert built.unencoded == []
    left = AcceptedProse.read(project.accepted_prose)
    assert left.reasons
    assert all(left.reasons.values())


@pytest.fixture
def checkout(tmp_path: Path, project: Checkout) -> Path:
    shutil.copytree(project.root / "specs", tmp_path / "checkout" / "specs")
    return tmp_path / "checkout"


def run(*words: str, root: Path) -> tuple[int, str]:
    done = CliRunner().invoke(spec, ["--root", str(root), *words])
    return done.exit_code, done.output


def test_import_and_check_name_a_new_documents_sentence(
    checkout: Path, tmp_path: Path, project: Checkout
) -> None:
    """The warning has file, line, pointer, sentence and what to do; nothing fails."""
    text = (project.sources / "wan2.6-image-to-video.yaml").read_text()
    text = text.replace("wan2.6", "nova3").replace("`5`, `10`, `15` values", "`4`, `8` values")
    (tmp_path / "nova3.yaml").write_text(text)
    code, output = run("import", str(tmp_path / "nova3.yaml"), root=checkout)
    assert code == 0
    assert f"Request/properties/duration/description: “{SENTENCE}”" in output
    assert "warning: WF210  nova3.yaml:" in output
    assert "paste or write an action into a file of specs/overlays/" in output
    code, output = run("check", root=checkout)
    assert code == 0
    assert SENTENCE in output
    assert "no warnings" not in output


def test_unencoded_rules_are_counted_by_the_import_and_listed_by_the_check(
    checkout: Path, tmp_path: Path
) -> None:
    """The import prints one line for all; the check shows each with an action if it has one."""
    lines = [f"- The picture must be nice in way {word}" for word in ("one", "two", "three")]
    pictures = {"type": "array", "items": {"type": "string"}, "description": "\n".join(lines)}
    seconds = {"type": "integer", "description": "Only supports `4`, `8`"}
    data = document(request("nova-1", pictures=pictures, seconds=seconds))
    (tmp_path / "nova.yaml").write_text(write_yaml(data))
    code, output = run("import", str(tmp_path / "nova.yaml"), root=checkout)
    assert code == 0
    assert "  3 sentences read like rules, and no keyword can express them" in output
    assert "must be nice" not in output
    assert output.count("to paste into") == 1
    assert "reason:" not in output
    code, output = run("check", root=checkout)
    assert all(f"“The picture must be nice in way {word}”" in output for word in ("one", "three"))


def test_one_action_serves_all_documents_that_say_the_same(checkout: Path, tmp_path: Path) -> None:
    """It is shown once, selects by the sentence, and applies to each spec when pasted."""
    seconds = {"type": "integer", "description": "Seconds\n\n- Only supports `4`, `8` seconds"}
    (tmp_path / "new").mkdir()
    for number in (1, 2, 3):
        text = write_yaml(document(request(f"nova-{number}", seconds=seconds)))
        (tmp_path / "new" / f"nova-{number}.yaml").write_text(text)
    code, output = run("import", str(tmp_path / "new"), root=checkout)
    assert code == 0
    assert output.count("- target:") == 1
    assert output.count("1 sentence reads like a rule, which the actions shown above express") == 2
    lines = output.splitlines()
    begin = next(n for n, line in enumerate(lines) if line.startswith("  - target:"))
    pasted = [line for line in lines[begin : begin + 11] if line.startswith(("  - ", "    "))]
    head = "overlay: 1.1.0\ninfo:\n  title: t\n  version: '1'\nactions:\n"
    (checkout / "specs" / "overlays" / "90-mine.yaml").write_text(head + "\n".join(pasted) + "\n")
    requests = build(Checkout(checkout)).document["components"]["schemas"]
    for number in (1, 2, 3):
        assert requests[f"Nova{number}Request"]["properties"]["seconds"]["enum"] == [4, 8]


def test_a_stale_entry_is_a_warning(checkout: Path, project: Checkout) -> None:
    """A sentence that no spec has any more is reported, and nothing fails."""
    path = checkout / "specs" / "left-as-prose.yaml"
    path.write_text(path.read_text() + "- sentence: Must be nice\n  reason: It is subjective\n")
    code, output = run("check", root=checkout)
    assert code == 0
    assert "WF508" in output
    assert "no document leaves “Must be nice” to prose" in output
    source = project.sources / "wan2.5-text-to-video.yaml"
    code, output = run("import", str(source), root=checkout)
    assert code == 0
    assert "no document leaves “Must be nice” to prose" in output
    path.write_text("- sentence: Must be nice\n")
    with pytest.raises(OverlayError, match="a `sentence` and a `reason`"):
        build(type(project)(checkout))


def test_a_revision_that_rewords_a_rule_is_reported_with_both_sentences(
    checkout: Path, tmp_path: Path, project: Checkout
) -> None:
    """The warning has the file, both sentences, and an action to paste; the import continues."""
    text = (project.sources / "wan2.6-image-to-video.yaml").read_text()
    text = text.replace("Only supports `5`, `10`, `15` values", "Only supports `5`, `20` values")
    (tmp_path / "rev.yaml").write_text(text)
    code, output = run("import", str(tmp_path / "rev.yaml"), root=checkout)
    assert code == 0
    lost = next(line for line in output.splitlines() if "isn't applied any more" in line)
    assert "/properties/duration: the rule `enum`" in lost
    assert "it rested on “Only supports `5`, `10`, `15` values" in lost
    assert "says “Only supports `5`, `20` values" in lost
    assert "enum:\n      - 5\n      - 20\n" in output


def test_the_difference_after_an_import_is_that_of_the_sources(
    checkout: Path, tmp_path: Path, project: Checkout
) -> None:
    """Before `make regenerate` the sources are newer than the spec, which is reported."""
    old = str(checkout / "specs" / "openapi.yaml")
    assert run("diff", old, root=checkout) == (0, "no difference\n")
    text = (project.sources / "wan2.6-image-to-video.yaml").read_text()
    (tmp_path / "nova3.yaml").write_text(text.replace("wan2.6", "nova3"))
    assert run("import", str(tmp_path / "nova3.yaml"), root=checkout)[0] == 0
    code, output = run("diff", old, root=checkout)
    assert code == 1
    assert "the sources are newer than specs/openapi.yaml" in output
    assert "nova3-image-to-video: a model that is new" in output


def test_the_help_lists_every_exit_code(checkout: Path) -> None:
    """Each exit code is in the help and in the README of the specs."""
    code, output = run("--help", root=checkout)
    assert code == 0
    readme = (checkout / "specs" / "README.md").read_text()
    assert {number for number, _ in EXIT_CODES} >= {kind.exit_code for kind in KINDS}
    for number, meaning in EXIT_CODES:
        assert re.search(rf"^ *{number} +{re.escape(meaning)}$", output, re.MULTILINE)
        assert f"{number} {meaning.split(';')[0]}" in " ".join(readme.split())
