"""Every format of the report shows other people's words as words, and no API key."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from attrs import evolve
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from self_tests.report_data import exchange, finding, result_with
from wanflow_contract.findings.finding import NEW
from wanflow_contract.report import sarif
from wanflow_contract.report.annotations import MOST, render_annotations
from wanflow_contract.report.counters import Counters
from wanflow_contract.report.formats import (
    DEFAULT,
    FILES,
    RENDERERS,
    parse_formats,
    write_reports,
)
from wanflow_contract.report.html import render
from wanflow_contract.report.markdown import render_markdown
from wanflow_contract.report.publish import lines_of, without_keys, write_step_summary
from wanflow_contract.report.result import RanTest, RunResult, read_result
from wanflow_contract.report.sarif import render_sarif
from wanflow_contract.report.terminal import render_terminal
from wanflow_contract.report.text import SCREEN, example_of, terminal

HOSTILE = (
    "\x1b[2J\x1b]0;title\x07",
    "\n::error::a command\n  ::add-mask::a",
    "##[group]a",
    "%0A::error::a",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "</pre></details><h1>passed</h1>",
    '"><a href="http://evil.example">',
    "```\n# passed\n[a](http://evil.example) ![b](http://evil.example/b.png) @everyone #1",
    "````\n</summary>| a | b |",
    "a | b \\| c `d` **e** ~~f~~ &lt;g&gt; $h$ _i_",
    "\u202egnp.exe\u2066\u200b\ufeff\u2028",
    "\ud800 \x00\x7f\x9b31m",
)
texts = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(max_size=60),
    st.text("`<>|[]()!@#:&%\\\n\r\x1b\x00\u202e ", max_size=40),
)
hostile = settings(max_examples=12, deadline=None)


def with_examples(test):
    """Run a test with all hostile texts, and with random ones."""
    for text in HOSTILE:
        test = example(text)(test)
    return hostile(given(texts)(test))


@with_examples
def test_the_terminal_gets_printable_lines_only(text) -> None:
    """No escape sequence, no direction mark, and no command to GitHub Actions."""
    shown = render_terminal(result_with(text))
    assert all(one.isprintable() or one in "\n\t" for one in shown)
    assert not re.search(r"^\s*::|##\[", shown, re.MULTILINE)
    assert not re.search(r"^\s*::|##\[|\x1b|\x00", terminal(text), re.MULTILINE)


@with_examples
def test_an_annotation_is_one_command_in_one_line(text) -> None:
    """A text of a server can't end a command, begin another, or add a property."""
    lines = render_annotations(result_with(text)).split("\n")
    assert len(lines) == 1
    assert re.fullmatch(r"::error title=contract%3A [^:,]*::.*", lines[0])
    assert lines[0].isprintable()


def test_no_more_annotations_than_github_shows() -> None:
    """The last annotation says how many causes have none."""
    many = [finding(check=f"check-{number}", detail="a") for number in range(30)]
    result = RunResult(Counters(), many, tests=[RanTest("test_a", "failed")])
    lines = render_annotations(result).split("\n")
    assert len(lines) == MOST
    assert "21 more causes" in lines[-1]
    few = RunResult(Counters(), many[:MOST], tests=result.tests)
    assert len(render_annotations(few).split("\n")) == MOST
    assert "more causes" not in render_annotations(few)


def outside_of_code(text: str) -> str:
    """Return Markdown without its blocks of code."""
    left, fence = list[str](), ""
    for line in text.split("\n"):
        found = re.match(r"(`{3,})(.*)", line)
        if fence:
            closes = found is not None and len(found[1]) >= len(fence) and not found[2].strip()
            fence = "" if closes else fence
        elif found is not None:
            fence = found[1]
        else:
            left.append(line)
    assert not fence, "a block of code is not closed"
    return "\n".join(left)


OWN = re.compile(r"</?(?:details|summary)>|&#[0-9]+;")


@with_examples
def test_markdown_shows_a_text_as_text(text) -> None:
    """Outside of code, a text of a server makes no HTML, link, image, mention or table cell."""
    shown = render_markdown(result_with(text))
    assert all(one.isprintable() or one in "\n\t" for one in shown)
    plain = OWN.sub("", outside_of_code(shown))
    assert not set("<>[]@`*_~$\\&") & set(plain)
    rows = [line for line in plain.split("\n") if line.startswith("|")]
    assert {line.count("|") for line in rows} <= {4, 7}
    headings = [line for line in plain.split("\n") if line.startswith("#")]
    assert all(re.fullmatch(r"##+ [\w ✅❌.,:'/-]*.*", line) for line in headings)
    assert len(headings) == len([*re.finditer(r"^##", render_markdown(result_with("a")), re.M)])


class Tags(HTMLParser):
    """The elements of a page, with their attributes, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[tuple[str, str | None], ...]]] = []
        self.text = ""

    def handle_starttag(self, tag, attrs) -> None:
        """Record an element."""
        self.tags.append((tag, tuple(attrs)))

    def handle_data(self, data) -> None:
        """Record a text."""
        self.text += data


def parsed(page: str) -> Tags:
    """Return the elements of a page."""
    tags = Tags()
    tags.feed(page)
    tags.close()
    return tags


@with_examples
def test_the_page_shows_a_text_as_text(text) -> None:
    """A text of a server adds no element and no attribute; the page refers to nothing outside."""
    page, plain = parsed(render(result_with(text))), parsed(render(result_with("a")))
    assert {tag for tag, _ in page.tags} <= {tag for tag, _ in plain.tags} | {"details", "summary"}
    names = {name for _, attributes in page.tags for name, _ in attributes}
    assert names <= {
        "lang",
        "charset",
        "name",
        "content",
        "class",
        "id",
        "href",
        "scope",
        "data-title",
    }
    for tag, attributes in page.tags:
        assert tag not in {"script", "img", "link", "iframe"}
        assert dict(attributes).get("href", "#").startswith("#")
    assert all(one.isprintable() or one in "\n\t" for one in page.text)


@with_examples
def test_the_data_is_read_as_it_was_written(text) -> None:
    """The JSON file holds the result itself, any text included."""
    result = result_with(text)
    assert RunResult.from_json(json.loads(RENDERERS["json"](result))) == result


# The parts of the SARIF 2.1.0 schema that the report uses, with all that it requires of them.
MESSAGE = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}}
LOCATION = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "physicalLocation": {
            "type": "object",
            "required": ["artifactLocation"],
            "properties": {
                "artifactLocation": {
                    "properties": {"uri": {"type": "string", "pattern": r"^[\w./-]+$"}}
                },
                "region": {
                    "additionalProperties": False,
                    "properties": {
                        name: {"type": "integer", "minimum": 1}
                        for name in ("startLine", "startColumn", "endLine", "endColumn")
                    },
                },
            },
        },
        "logicalLocations": {
            "type": "array",
            "items": {
                "additionalProperties": False,
                "properties": {
                    "fullyQualifiedName": {"type": "string"},
                    "kind": {"type": "string"},
                },
            },
        },
    },
}
RULE = {
    "type": "object",
    "required": ["id"],
    "additionalProperties": False,
    "properties": {
        "id": {"type": "string"},
        "shortDescription": MESSAGE,
        "fullDescription": MESSAGE,
        "help": MESSAGE,
    },
}
RESULT = {
    "type": "object",
    "required": ["message"],
    "additionalProperties": False,
    "properties": {
        "ruleId": {"type": "string"},
        "ruleIndex": {"type": "integer", "minimum": 0},
        "level": {"enum": ["none", "note", "warning", "error"]},
        "kind": {"enum": ["notApplicable", "pass", "fail", "review", "open", "informational"]},
        "message": MESSAGE,
        "locations": {"type": "array", "items": LOCATION},
        "partialFingerprints": {"type": "object", "additionalProperties": {"type": "string"}},
        "occurrenceCount": {"type": "integer", "minimum": 1},
        "baselineState": {"enum": ["new", "unchanged", "updated", "absent"]},
        "properties": {"type": "object"},
    },
}
RUN = {
    "type": "object",
    "required": ["tool"],
    "additionalProperties": False,
    "properties": {
        "tool": {
            "required": ["driver"],
            "properties": {
                "driver": {
                    "required": ["name"],
                    "additionalProperties": False,
                    "properties": {
                        "name": {"type": "string"},
                        "version": {"type": "string"},
                        "semanticVersion": {"type": "string"},
                        "rules": {"type": "array", "items": RULE, "uniqueItems": True},
                    },
                }
            },
        },
        "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
        "results": {"type": "array", "items": RESULT},
        "invocations": {
            "type": "array",
            "items": {
                "required": ["executionSuccessful"],
                "additionalProperties": False,
                "properties": {
                    "executionSuccessful": {"type": "boolean"},
                    "toolExecutionNotifications": {
                        "items": {
                            "required": ["message"],
                            "properties": {"message": MESSAGE, "level": {"enum": ["error"]}},
                        }
                    },
                },
            },
        },
        "properties": {"type": "object"},
    },
}
SARIF = Draft202012Validator(
    {
        "type": "object",
        "required": ["version", "runs"],
        "additionalProperties": False,
        "properties": {
            "$schema": {"type": "string", "format": "uri"},
            "version": {"const": "2.1.0"},
            "runs": {"type": "array", "items": RUN},
        },
    }
)


def at_least(schema: dict[str, Any], *names: str) -> dict[str, Any]:
    """Return a schema of an object that must have some properties."""
    return {"required": list(names), "properties": schema}


def text_of(length: int) -> dict[str, Any]:
    """Return the schema of a message that isn't empty, nor too long."""
    return at_least({"text": {"minLength": 1, "maxLength": length}}, "text")


# What GitHub requires beyond the schema, and the most that it takes.
_SHORT, _ANY = text_of(1024), text_of(10**6)
_REGION = ("startLine", "startColumn", "endLine", "endColumn")
_PLACE = at_least(
    {
        "artifactLocation": at_least({"uri": {"pattern": r"^(?!/|[a-z]+:)."}}, "uri"),
        "region": at_least({}, *_REGION),
    },
    "artifactLocation",
    "region",
)
_RESULT = at_least(
    {
        "message": _ANY,
        "locations": {
            "minItems": 1,
            "maxItems": 10,
            "items": at_least({"physicalLocation": _PLACE}, "physicalLocation"),
        },
        "partialFingerprints": at_least({}, "primaryLocationLineHash"),
    },
    *("message", "locations", "partialFingerprints", "ruleId"),
)
_RULE = at_least(
    {"id": {"minLength": 1}, "shortDescription": _SHORT, "fullDescription": _SHORT, "help": _ANY},
    *("id", "shortDescription", "fullDescription", "help"),
)
_DRIVER = at_least(
    {"name": {"minLength": 1}, "rules": {"maxItems": 25_000, "items": _RULE}}, "name", "rules"
)
_RUN = at_least(
    {
        "tool": at_least({"driver": _DRIVER}, "driver"),
        "results": {"maxItems": 25_000, "items": _RESULT},
    },
    *("tool", "results"),
)
GITHUB = Draft202012Validator(
    at_least({"runs": {"minItems": 1, "maxItems": 20, "items": _RUN}}, "$schema", "version", "runs")
)


def test_sarif_has_no_more_than_github_takes(monkeypatch) -> None:
    """Very long sentences are cut, very many results are left out, and the log says how many."""
    long = [finding(check="a-" + "b" * 99, sentence="long " * 999, cites="c" * 9999)]
    assert sarif._MOST_RESULTS == 25_000
    monkeypatch.setattr(sarif, "_MOST_RESULTS", 50)
    many = [finding(shape=f"{number}") for number in range(53)]
    log = json.loads(render_sarif(RunResult(Counters(), [*long, *many])))
    SARIF.validate(log)
    GITHUB.validate(log)
    (run,) = log["runs"]
    assert len({one["partialFingerprints"][MARK] for one in run["results"]}) == 50
    (said,) = run["invocations"][0]["toolExecutionNotifications"]
    assert said["message"]["text"] == "4 results are left out"


MARK = "primaryLocationLineHash"


@with_examples
def test_sarif_is_valid_and_has_each_finding(text) -> None:
    """The log follows SARIF 2.1.0; rules are checks, and fingerprints the ids of findings."""
    result = result_with(text)
    log = json.loads(render_sarif(result))
    SARIF.validate(log)
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert len({one["id"] for one in rules}) == len(rules)
    for one in run["results"]:
        assert rules[one["ruleIndex"]]["id"] == one["ruleId"]
        assert one["message"]["text"].isprintable()
    GITHUB.validate(log)
    shown = {one["partialFingerprints"]["findingId/v1"]: one["level"] for one in run["results"]}
    assert shown == {one.id: "error" if one.kind == NEW else "note" for one in result.findings}
    assert run["invocations"][0]["executionSuccessful"] is False


def test_sarif_points_to_the_operation_of_the_document() -> None:
    """There is no source file, so a result points to the operation in the document."""
    (run,) = json.loads(render_sarif(RunResult(Counters(), [finding()])))["runs"]
    (place,) = run["results"][0]["locations"]
    assert place["physicalLocation"]["artifactLocation"]["uri"] == "specs/openapi.yaml"
    name = place["logicalLocations"][0]["fullyQualifiedName"]
    assert re.fullmatch(r"POST /\S+ request /prompt", name)


@pytest.mark.parametrize("name", sorted(RENDERERS))
@pytest.mark.parametrize("key", ["sk-a-key-that-is-secret", 'k"ey\\with <signs> & more'])
def test_no_format_has_an_api_key(name, key) -> None:
    """A key in any text of a result is in no format, nor is the key without its last letter."""
    result = result_with(f"a {key} b {key.swapcase()}")
    assert key[:-1] in json.dumps(result.to_json(), ensure_ascii=False).replace(
        "\\\\", "\\"
    ).replace('\\"', '"')
    shown = RENDERERS[name](without_keys(result, [key]))
    for hidden in (key[:-1], json.dumps(key)[1:-2]):
        assert hidden not in shown
        assert hidden.swapcase() not in shown


@pytest.mark.parametrize("key", ["findings", "evaluations", "exchanges"])
def test_a_key_that_is_the_name_of_a_field_breaks_no_report(key) -> None:
    """A result is readable even if an API key happens to be a word of its format."""
    assert len(without_keys(result_with("a"), [key]).findings) == len(result_with("a").findings)


def test_binary_bodies_are_described() -> None:
    """Both bodies of an exchange are described by length and type, never shown."""
    shown = exchange(
        sent="iVBORw0KGgo=",
        sent_binary=True,
        request_headers=[["Content-Type", "image/png"]],
        content="iVBORw0KGgo=",
        content_binary=True,
        content_length=70_000,
        headers=[["Content-Type", "video/mp4"]],
    )
    example_ = example_of(shown)
    assert "(8 bytes of image/png)" in example_.request
    assert "(70000 bytes of video/mp4)" in example_.response
    result = RunResult(Counters(), [finding(exchanges=[evolve(shown, curl="curl")])])
    for name, render_it in RENDERERS.items():
        assert ("iVBORw0KGgo" in render_it(result)) == (name == "json")


def test_a_response_without_a_body_is_its_status_alone() -> None:
    """The line of the response has no headers, even if there is no body to show."""
    shown = exchange(content="", status=500, headers=[["date", "today"]])
    lines = render_terminal(RunResult(Counters(), [finding(exchanges=[shown])])).splitlines()
    assert "   -> 500" in [line.rstrip() for line in lines]


@pytest.mark.parametrize(("count", "words"), [(1, "once"), (2, "2 times")])
def test_what_was_seen_once_is_not_seen_1_times(count, words) -> None:
    """The terminal and the page say how often in words that are right for one."""
    result = RunResult(Counters(), [finding(count=count)])
    assert f"Seen {words}." in render_terminal(result)
    assert f"seen {words}" in render(result)


def test_an_example_is_cut_to_a_screen() -> None:
    """Long bodies, lines and headers are cut, with how much is left out."""
    long = exchange("a" * 99_999, headers=[[f"x-{number}", "b" * 9999] for number in range(99)])
    shown = example_of(long)
    assert len(shown.response) < SCREEN + 13 * 300
    assert "more characters)" in shown.response
    assert "(87 more headers)" in shown.response
    lines = example_of(exchange("a\n" * 500)).response
    assert "more lines)" in lines
    assert len(lines.split("\n")) < 40


def test_the_formats_of_a_run_are_files(tmp_path) -> None:
    """Each chosen format is written to its file; an unknown format is named."""
    result = result_with("a")
    write_reports(result, tmp_path, parse_formats("html, json,sarif,markdown,junit"))
    assert {one.name for one in tmp_path.iterdir()} == set(FILES.values())
    assert read_result(tmp_path / "report.json") == result
    assert parse_formats(",".join(DEFAULT)) == DEFAULT
    with pytest.raises(ValueError, match="'pdf' is not a format of the report; it must be of html"):
        parse_formats("html,pdf")


def test_github_gets_a_summary_and_annotations(tmp_path) -> None:
    """The summary is appended to the step's file; annotations are printed in GitHub only."""
    path, result = tmp_path / "summary.md", result_with("a")
    path.write_text("before\n")
    assert write_step_summary(result, {"GITHUB_STEP_SUMMARY": str(path)}) == []
    assert path.read_text() == "before\n" + render_markdown(result)
    assert write_step_summary(result, {}) == []
    absent = str(tmp_path / "absent" / "summary.md")
    (said,) = write_step_summary(result, {"GITHUB_STEP_SUMMARY": absent})
    assert said == f"the summary can't be written to {absent}: No such file or directory"
    assert any(line.startswith("::error") for line in lines_of(result, {"GITHUB_ACTIONS": "true"}))
    assert not any(line.startswith("::error") for line in lines_of(result, {}))


def test_a_summary_is_no_longer_than_github_takes() -> None:
    """A summary with very many causes stays below one MiB."""
    many = [
        finding(check=f"check-{number}", exchanges=[exchange("<" * 5000)], detail="<" * 5000)
        for number in range(200)
    ]
    assert len(render_markdown(RunResult(Counters(), many)).encode()) < 2**20
