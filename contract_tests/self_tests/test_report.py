"""The report: verdict first, each finding with what shows it, and what a run covered."""

from __future__ import annotations

import gzip
import os
import re
import subprocess
import sys
from base64 import b64decode
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from self_tests.reference_server.faults import KeysNotChecked, TooStrict
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.checks.expectation import packaged_oracle
from wanflow_contract.plan.rules import keywords_of, sides
from wanflow_contract.support.exchange import Exchange

if TYPE_CHECKING:
    from collections.abc import Iterator

    from self_tests.reference_server.server import Server


ROOT = Path(__file__).resolve().parents[2]
KEYS = ("The-key-that-pays-0001", "The-key-of-another-0002")
MODELS = packaged_contract().catalog.models


def suite(server: Server | None, folder: Path, *options: str) -> str:
    """Run some of the fast tests, and return the terminal output."""
    keys = dict(zip(("WANFLOW_CONTRACT_API_KEY", "WANFLOW_CONTRACT_API_KEY2"), KEYS, strict=True))
    command = [
        sys.executable,
        "-m",
        "pytest",
        "contract_tests/wanflow_contract",
        "-q",
        "-m",
        "fast",
    ]
    aimed = ["--base-url", server.origin + server.base, "--spend-limit", "9999"] if server else []
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", "--contract-report", str(folder), *aimed, *options],
        cwd=ROOT,
        env={**os.environ, **keys},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.stdout


def replayed(command: str, key: str = KEYS[0]) -> str:
    """Return the output of a command of a report, pasted into a shell."""
    environment = {**os.environ, "API_KEY": key, "API_KEY2": KEYS[1]}
    done = subprocess.run(
        ["bash", "-c", command], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.fixture(scope="module")
def strict(tmp_path_factory) -> Iterator[tuple[str, Path]]:
    """A run against a server that counts bytes instead of characters: its output and directory."""
    folder = tmp_path_factory.mktemp("report")
    with TooStrict(*KEYS) as server:
        yield suite(server, folder, "-k", "prompt or costs_nothing"), folder


@pytest.mark.slow
def test_a_finding_has_its_check_its_sentence_and_a_command_that_reproduces_it(strict) -> None:
    """The verdict comes first; the command of a finding reproduces it."""
    _, folder = strict
    page = (folder / "report.html").read_text()
    assert re.search(r"<main>\s*<h1 class=.bad.>[^<]*: 1 cause, 1 check failed<", page)
    assert "A request that the documents allow is accepted." in page
    shown = [
        unescape(one) for one in re.findall(r"<pre class=.curl.>(curl .*?)</pre>", page, re.DOTALL)
    ]
    assert shown
    with TooStrict(*KEYS) as server:
        for command in shown:
            here = re.sub(r"http://127\.0\.0\.1:\d+", server.origin, command)
            assert "The prompt is too long" in replayed(here)


@pytest.mark.slow
def test_a_run_without_controls_reports_what_was_not_tested_and_what_it_spent(strict) -> None:
    """The report also has what could not be tested, the responses, keywords and boundaries."""
    said, folder = strict
    page = (folder / "report.html").read_text()
    assert "it needs the mock&#x27;s controls" in page
    assert "has no test controls" in page
    assert re.search(r"[0-9.]+ credits spent", page)
    assert re.search(r"^never received \(.*getTaskDetail 429", said, re.MULTILINE)
    for title in ("Documented responses", "Request keywords", "Boundaries"):
        assert f"<summary>{title}</summary>\n<table" in page
    cells = re.sub(r"</?t[dr][^>]*>", "|", page)
    assert re.search(r"prompt\|\|maxLength\|\|\d+\|\|\d+", cells)
    assert re.search(r"getTaskDetail\|\|429\|\|never", cells)
    assert not re.search(r"(src|href)=.[^#]", page), "the page is self-contained"


@pytest.mark.processes
def test_junit_has_each_test_and_its_finding(strict) -> None:
    """The JUnit file names each failed test, with the check and the command."""
    _, folder = strict
    root = ET.parse(folder / "junit.xml").getroot()
    failed = [one for one in root.iter("testcase") if one.find("failure") is not None]
    assert failed
    assert len(list(root.iter("testcase"))) > len(failed)
    text = failed[0].find("failure").text
    assert re.search(r"^  finding: accepts-[0-9a-f]{8}$", text, re.MULTILINE)
    assert all(one.isprintable() or one in "\n\t" for one in text)
    assert "[accepts] A request that the documents allow is accepted." in text
    assert "curl -sS -i -X POST" in text


@pytest.mark.processes
def test_junit_has_nothing_that_jenkins_refuses(strict) -> None:
    """Its schema has elements and attributes by name, and a form for times."""
    _, folder = strict
    root = ET.parse(folder / "junit.xml").getroot()
    assert {one.tag for one in root.iter()} >= {"testsuites", "testsuite", "testcase", "failure"}
    assert [*junit_problems(root)] == []


_SUITE = "<testsuite name='a' tests='1' failures='0' errors='0'>"


@pytest.mark.parametrize(
    "wrong",
    [
        "<testsuite/>",
        "<testsuites><testcase name='a'/></testsuites>",
        "<testsuites><testsuite name='a' tests='1' failures='0'/></testsuites>",
        "<testsuites time='1.5s'/>",
        "<testsuites color='red'/>",
        f"<testsuites>{_SUITE}<testcase name='b'><properties/></testcase></testsuite></testsuites>",
    ],
)
def test_what_jenkins_refuses_is_found(wrong) -> None:
    """Among it properties of a test, which pytest would write."""
    assert [*junit_problems(ET.fromstring(wrong))]


_OUTPUT = ("system-out", "system-err")
_MESSAGE = ("message", "type")
# By element: what may be in it, which attributes it must have, and which it may have.
JUNIT: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "testsuites": (("testsuite",), (), ("name", "time", "tests", "failures", "errors")),
    "testsuite": (
        ("properties", "testcase", *_OUTPUT),
        ("name", "tests", "failures", "errors"),
        ("time", "skipped", "timestamp", "hostname", "id", "package", "file"),
    ),
    "testcase": (
        ("skipped", "error", "failure", *_OUTPUT),
        ("name",),
        ("time", "classname", "group"),
    ),
    "properties": (("property",), (), ()),
    "property": ((), ("name", "value"), ()),
    **dict.fromkeys(("skipped", "error", "failure"), ((), (), _MESSAGE)),
    **dict.fromkeys(_OUTPUT, ((), (), ())),
}


def junit_problems(root: ET.Element) -> Iterator[str]:
    """Yield how a file violates the schema of Jenkins."""
    if root.tag != "testsuites":
        yield f"the root is {root.tag}"
    for one in root.iter():
        inside, required, optional = JUNIT.get(one.tag, ((), (), ()))
        yield from (f"{child.tag} in {one.tag}" for child in one if child.tag not in inside)
        yield from (f"{one.tag} has no {name}" for name in required if name not in one.attrib)
        unknown = one.attrib.keys() - {*required, *optional}
        yield from (f"{one.tag} has {name}" for name in unknown)
        if not re.fullmatch(r"[0-9]*(\.[0-9]{0,3})?", one.get("time", "")):
            yield f"the time of {one.tag} is {one.get('time')}"


@pytest.mark.processes
def test_similar_keys_are_redacted_like_the_key(tmp_path) -> None:
    """Shortened or altered keys are redacted, too."""
    with KeysNotChecked(*KEYS) as server:
        said = suite(server, tmp_path, "-k", "without_a_valid_key and getTaskDetail")
    page = (tmp_path / "report.html").read_text()
    written = "\n".join([said, page, (tmp_path / "junit.xml").read_text()])
    assert "[key-required]" in said
    for key in KEYS:
        assert key[:-1].lower() not in written.lower()
    assert "${API_KEY%?}" in said


@pytest.mark.slow
def test_a_documented_response_that_is_never_received_fails_a_run(tmp_path) -> None:
    """A whole run on a mock fails if a documented response is never received; a part doesn't."""
    few = [
        "--deselect",
        "contract_tests/wanflow_contract/test_errors.py",
        "--ignore-glob",
        "*test_[c-z]*.py",
    ]
    said = suite(None, tmp_path, *few)
    assert "FAILED: a documented response was never received" in said
    assert re.search(r"^never received: .*getTaskDetail 429", said, re.MULTILINE)
    said = suite(None, tmp_path, *few, "-k", "own_account")
    assert "FAILED" not in said


class TestCommand:
    """The command that repeats a request."""

    def command(self, sent: bytes, url: str, *headers: tuple[str, str]) -> str:
        return Exchange("POST", url, "", headers, sent, 0, (), b"", secrets=KEYS).curl()

    @pytest.mark.processes
    @pytest.mark.parametrize(
        "sent",
        [
            b"",
            b'{"a": "\'$HOME `id` \\\\ \\"b\\" @c"}',
            b"@/etc/hostname",
            b'{"a": "\xff\x00"}',
            "猫\n\t\U0001f3b9".encode(),
            b"a" * 2_000_000,
        ],
        ids=["none", "signs", "at", "bytes", "lines", "large"],
    )
    def test_it_sends_what_was_sent(self, tmp_path, sent) -> None:
        """A shell that runs it sends the same bytes, with the key filled in."""
        received = tmp_path / "received.txt"
        fake = tmp_path / "curl"
        fake.write_text(
            f"#!{sys.executable}\nimport sys\nfrom pathlib import Path\n"
            "words = sys.argv[1:]\nout = b''\n"
            "for word, value in zip(words, words[1:]):\n"
            "    out = value.encode('utf-8', 'surrogateescape') if word == '--data-raw' else out\n"
            "    out = Path(value[1:]).read_bytes() if word == '--data-binary' else out\n"
            f"Path({str(received)!r}).write_bytes(out)\nprint(*words, sep='\\n')\n"
        )
        fake.chmod(0o700)
        header = ("authorization", f"Bearer {KEYS[0]}")
        command = self.command(sent, "http://127.0.0.1:1/a", header)
        assert KEYS[0] not in command
        said = replayed(f"PATH={tmp_path}:$PATH; {command}")
        assert received.read_bytes() == sent
        assert f"authorization: Bearer {KEYS[0]}" in said.splitlines()
        assert len(command) < 6000, "a command that can be pasted"

    @pytest.mark.parametrize("around", [b"", b"\r\n", b"\xff", b"a" * 3000], ids=len)
    @pytest.mark.parametrize("key", KEYS)
    def test_no_body_has_a_key(self, around, key) -> None:
        """Neither as text nor compressed: the body of a request may be another request."""
        command = self.command(around + key.encode() + around, "http://127.0.0.1:1/a")
        packed = re.search(r"<<<(\S+) \| gunzip", command)
        assert bool(packed) == bool(around)
        shown = command.encode()
        shown += gzip.decompress(b64decode(packed[1])) if packed else b""
        assert key.encode() not in shown
        assert b"${API_KEY" in shown

    def test_it_does_not_wait_for_the_body_of_head(self) -> None:
        """After `-X HEAD`, curl would wait for a body that never comes."""
        shown = Exchange("HEAD", "http://127.0.0.1:1/a", "", (), b"", 0, (), b"").curl()
        assert "--head" in shown
        assert "-X" not in shown

    @pytest.mark.processes
    @pytest.mark.parametrize("way", ["{}a", "{}b", "x{}", "swapped", "short"])
    def test_wrong_keys_are_derived_from_the_right_one(self, way) -> None:
        """The shell derives an altered key from the variable."""
        key = KEYS[0]
        forms = {"swapped": key.swapcase(), "short": key[:-1]}
        wrong = forms.get(way) or way.format(key)
        command = self.command(b"", "http://127.0.0.1:1/a", ("authorization", f"Bearer {wrong}"))
        assert key[:-1].lower() not in command.lower()
        shown = replayed(f"curl() {{ printf '%s\\n' \"$@\"; }}; {command}")
        assert f"authorization: Bearer {wrong}" in shown.splitlines()


@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_keyword_is_counted_as_valid_or_invalid(name) -> None:
    """An invalid request counts for the violated keyword, a valid one for all of its keywords."""
    model, oracle = MODELS[name], packaged_oracle()

    def tried(body: dict) -> set[str]:
        return set(sides(model, body, oracle.expectation(model.operation_id, body)))

    long = {**model.example, "prompt": "a" * 5000}
    assert tried(long) == {f"{name} prompt maxLength invalid"}
    satisfied = tried(dict(model.example))
    assert f"{name} prompt maxLength valid" in satisfied
    assert satisfied == {
        f"{name} {one} {word} valid" for one, word in keywords_of(model) if one in model.example
    }
