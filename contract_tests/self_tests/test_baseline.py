"""The baseline: what is accepted doesn't fail, everything else does, and its file is readable."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from wanflow_contract.findings.baseline import (
    Acceptance,
    Baseline,
    BaselineUnusable,
    Entry,
    summary,
)
from wanflow_contract.findings.baseline_file import read_baseline, write_baseline
from wanflow_contract.findings.finding import KNOWN, Finding, finding_id
from wanflow_contract.report.counters import Counters
from wanflow_contract.report.formats import RENDERERS
from wanflow_contract.report.result import RanTest, RunResult

TODAY, TOMORROW, YESTERDAY = date(2026, 6, 2), date(2026, 6, 3), date(2026, 6, 1)
ENTRY = Entry("json", "getTask", "response /a", "is <number>", "ada", "ticket 5", TOMORROW)
TEXTS = st.text(st.characters(codec="utf-8"), min_size=1).filter(str.strip)
ENTRIES = st.builds(
    Entry, TEXTS, TEXTS, TEXTS, TEXTS, TEXTS, TEXTS, st.dates(), TEXTS, st.tuples(TEXTS)
)


def finding(entry: Entry, **other: str) -> Finding:
    """Return a finding that an entry accepts."""
    key = dict(zip(("check", "operation", "pointer", "shape"), entry.key, strict=True)) | other
    return Finding(finding_id(**key), sentence="", cites="", detail="it is 5", **key, kind=KNOWN)


def baseline(*entries: Entry, accepts: Acceptance | None = None, path: Path = Path()) -> Baseline:
    return Baseline(path, {one.key: one for one in entries}, accepts, today=TODAY)


@pytest.mark.parametrize("name", ["check", "operation", "pointer", "shape"])
def test_only_the_same_deviation_is_known(name) -> None:
    """Another check, operation, pointer or shape is another deviation."""
    known = baseline(ENTRY)
    assert known.knows(finding(ENTRY))
    assert not known.knows(finding(ENTRY, **{name: "other"}))


def test_an_entry_is_found_by_its_parts_whatever_its_id() -> None:
    """An entry that was edited by hand works, although its id is of before."""
    edited = evolve(ENTRY, shape="edited", id=ENTRY.finding_id)
    assert baseline(edited).knows(finding(edited))
    assert not baseline(edited).knows(finding(ENTRY))


def test_an_expired_entry_fails_again_and_the_report_says_so() -> None:
    """An entry holds on its last day, and fails on the next."""
    assert baseline(evolve(ENTRY, until=TODAY)).knows(finding(ENTRY))
    expired = baseline(evolve(ENTRY, until=YESTERDAY))
    assert not expired.knows(finding(ENTRY))
    lines = summary(expired.outcome([finding(ENTRY)], []))
    assert "expired on 2026-06-01" in lines[1]
    assert "ada: ticket 5" in lines[1]


@pytest.mark.parametrize(
    ("outcomes", "absent"),
    [
        ({"one": "passed", "two": "passed"}, True),
        ({"one": "passed"}, False),
        ({"one": "passed", "two": "skipped"}, False),
        ({"one": "passed", "two": "failed"}, False),
        ({}, False),
    ],
)
def test_an_absent_deviation_is_named_only_if_all_of_its_tests_ran(outcomes, absent) -> None:
    """A run without these tests, or in which one was skipped, says nothing about the entry."""
    known = baseline(evolve(ENTRY, tests=("one", "two")))
    ran = [RanTest(name, outcome) for name, outcome in outcomes.items()]
    gone = known.absent([], ran)
    assert bool(gone) is absent
    assert not known.absent([finding(ENTRY)], ran)
    assert any("no longer occurs" in line for line in summary(known.outcome([], gone))) is absent


def test_an_entry_that_accepts_nothing_in_a_run_is_named_once_if_something_is_to_be_done() -> None:
    """Expired, gone, without tests or without a check; one whose tests didn't all run isn't."""
    shapes = {
        "expired_unseen": {"until": YESTERDAY, "tests": ("two",)},
        "absent": {"tests": ("one",)},
        "without_tests": {"tests": ()},
        "without_check": {"check": "a-check-of-before"},
        "not run": {"tests": ("one", "two")},
    }
    entries = {name: evolve(ENTRY, shape=name, **more) for name, more in shapes.items()}
    known = baseline(*entries.values())
    outcome = known.outcome([], known.absent([], [RanTest("one", "passed")]))
    assert {name: [one["id"] for one in outcome[name]] for name in shapes.keys() - {"not run"}} == {
        name: [one.finding_id] for name, one in entries.items() if name != "not run"
    }
    assert outcome["expired"] == []


NAMED = ("expired", "expired_unseen", "absent", "without_tests", "without_check")


@pytest.mark.parametrize("form", ["html", "json", "markdown", "terminal"])
@pytest.mark.parametrize("kind", NAMED)
def test_each_form_of_the_report_names_such_an_entry(form, kind) -> None:
    """With who accepted it, and why."""
    outcome = baseline().outcome([], []) | {kind: [ENTRY.shown()]}
    text = RENDERERS[form](RunResult(Counters(), baseline=outcome))
    assert all(one in text for one in ("ada", "ticket 5"))


@pytest.mark.parametrize("suffix", [".toml", ".json"])
@given(entries=st.lists(ENTRIES, unique_by=lambda one: one.key))
def test_what_is_written_is_read(tmp_path_factory, suffix, entries) -> None:
    """Any text survives in both formats, and a second update changes nothing."""
    path = tmp_path_factory.mktemp("b") / f"known{suffix}"
    write_baseline(path, entries)
    text = path.read_text("utf-8")
    assert list(read_baseline(path).values()) == entries
    write_baseline(path, entries)
    assert path.read_text("utf-8") == text


def test_comments_and_edited_texts_survive_an_update(tmp_path) -> None:
    """New entries are appended, absent ones removed with their comments, others are untouched."""
    path = tmp_path / "known.toml"
    second, third = evolve(ENTRY, shape="second"), evolve(ENTRY, shape="third")
    write_baseline(path, [ENTRY, second])
    first, one, two = path.read_text().split("\n\n")
    one = "# ours, see ticket 5\n" + one.replace('"ticket 5"', '"ticket 6"  # moved')
    path.write_text("\n\n".join(["# our own words", first, one, "# about the second\n" + two]))
    kept = read_baseline(path)[ENTRY.key]
    assert kept.why == "ticket 6"
    write_baseline(path, [kept, third])
    text = path.read_text()
    assert text.startswith(f"# our own words\n\n{first}\n\n{one}\n\n")
    assert "about the second" not in text
    assert list(read_baseline(path).values()) == [kept, third]


def test_an_update_accepts_what_was_found_again(tmp_path) -> None:
    """An expired entry that occurs gets a new day; its reason and its comments stay."""
    path = tmp_path / "known.toml"
    expired = evolve(ENTRY, until=YESTERDAY)
    write_baseline(path, [expired])
    path.write_text(path.read_text().replace("until = 2026-06-01", "until = 2026-06-01 # soon"))
    accepts = Acceptance("bob", "why", TOMORROW)
    known = baseline(expired, accepts=accepts, path=path)
    other = finding(ENTRY, shape="other")
    assert known.knows(other)
    write_baseline(path, known.updated([finding(ENTRY), other], []))
    known_now = [evolve(one, kind=KNOWN) for one in (finding(ENTRY), other)]
    assert "updated, 1 added" in summary(known.outcome(known_now, []))[0]
    assert known.outcome(known_now, [])["expired"] == []
    again, new = read_baseline(path).values()
    assert (again.by, again.why, again.until) == ("bob", "ticket 5", TOMORROW)
    assert (new.by, new.why, new.until, new.id) == ("bob", "why", TOMORROW, other.id)
    assert "# soon" in path.read_text()


GOOD = {**dict.fromkeys(("check", "operation", "pointer", "shape", "by", "why"), "x")}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no", "isn't JSON"),
        ("[]", "must be an object with `version` 1"),
        ("{}", "has no `version`; it must be 1"),
        ('{"version": 0}', "has `version` 0; it must be 1"),
        ('{"version": "2.1.0"}', "has `version` '2.1.0'; it must be 1"),
        ('{"version": 1, "deviations": 5}', "must be a list"),
        ('{"version": 1, "deviations": [5]}', "deviation 1 .* must be a table"),
        (json.dumps({"version": 1, "deviations": [GOOD]}), "`until` of deviation 1"),
        (json.dumps({"version": 1, "deviations": [{**GOOD, "until": "x"}]}), "not 'x'"),
        (json.dumps({"version": 1, "deviations": [{**GOOD, "why": " "}]}), "text `why`"),
        (json.dumps({"version": 1, "deviations": [{**GOOD, "value": 5}]}), "field 'value'"),
        (
            json.dumps({"version": 1, "deviations": [{**GOOD, "until": "2026-01-01"}] * 2}),
            "has x-.* twice: as deviations 1 and 2; keep one of them",
        ),
        (
            json.dumps({"version": 1, "deviations": [{**GOOD, "until": "2026-01-01", "tests": 1}]}),
            "`tests` of deviation 1",
        ),
    ],
)
def test_a_bad_file_is_reported_in_one_sentence(tmp_path, text, said) -> None:
    """The sentence names the file, the entry and what is allowed."""
    path = tmp_path / "known.json"
    path.write_text(text)
    with pytest.raises(BaselineUnusable, match=said) as caught:
        read_baseline(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read_or_written_is_reported(tmp_path) -> None:
    """The sentence says why."""
    for path in (tmp_path / "absent.toml", tmp_path):
        with pytest.raises(BaselineUnusable, match="can't be read"):
            read_baseline(path)
    with pytest.raises(BaselineUnusable, match="can't be written"):
        write_baseline(tmp_path / "no" / "folder.toml", [ENTRY])
    assert not list(tmp_path.iterdir())
    binary = tmp_path / "known.toml"
    binary.write_bytes(b"\xff\xfe")
    with pytest.raises(BaselineUnusable, match="UTF-8"):
        read_baseline(binary)


def test_a_full_disk_loses_no_entry_and_leaves_no_other_file(tmp_path) -> None:
    """The old file stays as it was."""
    resource = pytest.importorskip("resource")
    path = tmp_path / "known.toml"
    write_baseline(path, [ENTRY])
    before, limits = path.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
    try:
        with pytest.raises(BaselineUnusable, match="can't be written: File too large"):
            write_baseline(path, [])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_an_entry_in_another_form_is_never_lost(tmp_path) -> None:
    """A file whose entries are not tables of their own is read, and not updated."""
    path = tmp_path / "known.toml"
    row = ", ".join(f'{name} = "x"' for name in GOOD)
    path.write_text(f"version = 1\ndeviation = [{{{row}, until = 2026-01-01}}]\n")
    (entry,) = read_baseline(path).values()
    before = path.read_text()
    with pytest.raises(BaselineUnusable, match=r"\[\[deviation\]\]"):
        write_baseline(path, [entry, ENTRY])
    assert path.read_text() == before


def test_an_entry_of_a_check_that_is_gone_is_named_in_any_run(tmp_path) -> None:
    """It can't occur, whichever tests ran; an update removes it."""
    tested = evolve(ENTRY, tests=("one",))
    renamed = evolve(tested, check="a-check-of-before")
    known = baseline(tested, renamed)
    gone = known.absent([], [])
    assert gone == [renamed]
    outcome = known.outcome([], gone)
    (said,) = summary(outcome)[1:]
    assert said == (
        f"  accepts a check that doesn't exist; remove it: {renamed.finding_id}"
        " (accepted by ada: ticket 5)"
    )
    updating = baseline(tested, renamed, accepts=Acceptance("bob"), path=tmp_path / "known.toml")
    assert updating.updated([], updating.absent([], [])) == [tested]
    assert "doesn't exist; removed: " in summary(updating.outcome([], gone))[1]
    assert "no longer occurs" not in said
