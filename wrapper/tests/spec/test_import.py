"""A source spec is imported completely, or rejected with the line of its first error."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from tests.examples import examples
from tests.spec.family import VIDEOS, document, request
from wanflow.cli.spec import spec
from wanflow.spec.errors import Conflict, FindingsError, InvalidDocument, SpecError
from wanflow.spec.intake.importer import import_locations, plan_import
from wanflow.spec.intake.loader import load_file
from wanflow.spec.project import Checkout
from wanflow.spec.read.lock import read_lock
from wanflow.spec.read.source import SourceSpec, read_sources, source_from_text
from wanflow.spec.read.yaml import quote_ambiguous, read_yaml, write_yaml

Json = dict[str, Any]

ROOT = Path(__file__).parents[3]
SOURCES = sorted((ROOT / "specs" / "sources").glob("wan*.yaml"))
TEXT = {"type": "string"}


@pytest.fixture
def empty(tmp_path: Path) -> Checkout:
    """A checkout without a source spec."""
    (tmp_path / "checkout" / "specs" / "sources").mkdir(parents=True)
    return Checkout(tmp_path / "checkout")


def page(text: str, info: str = "en/video/nova-1.json post /v1/videos/generations") -> str:
    table = "What it costs:\n\n| a | b |\n|---|---|"
    return f"# Nova\n\n{table}\n\n````yaml {info}\n{text}````\n\nSee also\n"


def small(model: str = "nova-1", **changes: Any) -> Json:
    return document(request(model, prompt=TEXT, **changes))


def put(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_a_yaml_document_is_stored_byte_for_byte(path: Path, empty: Checkout):
    """The file in specs/sources is what was received, and the lock has its digest."""
    taken = import_locations(empty, [path])[0]
    kept = empty.sources / path.name
    assert kept.read_bytes() == path.read_bytes()
    (source,) = read_sources(empty.sources)
    assert read_lock(empty.lock)[path.stem].sha256 == source.sha256
    assert taken.lines[0].startswith("new, from")


@pytest.mark.parametrize(
    "info",
    [
        "en/api/nova-1.json post /v1/videos/generations",
        "/en/api/nova-1.json POST /v1/videos/generations",
        "nova-1.json Post /v1/videos/generations",
    ],
)
def test_the_document_of_a_page_is_read_from_its_fence(tmp_path: Path, info: str):
    """The path may lack its slash, the method may be in any case, with text above and below."""
    text = write_yaml(small())
    received = load_file(put(tmp_path, "page.md", page(text, info)))
    assert received.source.name == "nova-1"
    assert received.source.text == text
    assert received.origin == "en/api/nova-1.json"[-len(received.origin) :]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_a_page_of_each_received_document_yields_that_document(path: Path, tmp_path: Path):
    """A spec with fences of three backticks in its texts is read from a page unchanged."""
    operation = next(iter(yaml.safe_load(path.read_text())["paths"]))
    whole = page(path.read_text(), f"en/{path.stem}.json post {operation}")
    received = load_file(put(tmp_path, "some page.md", whole))
    assert received.source.text == path.read_text()
    assert received.source.name == path.stem


def test_json_becomes_the_same_document(tmp_path: Path):
    """JSON and YAML of the same data are the same spec."""
    received = load_file(put(tmp_path, "nova-1.json", json.dumps(small())))
    assert received.source.document == small()
    assert source_from_text(received.source.text, "x").document == small()


def test_a_directory_stands_for_all_its_documents(tmp_path: Path, empty: Checkout):
    """YAML, JSON and pages of a directory are imported together."""
    folder = tmp_path / "new"
    folder.mkdir()
    put(folder, "nova-1.yaml", write_yaml(small("nova-1")))
    put(folder, "nova-2.json", json.dumps(small("nova-2")))
    put(folder, "three.md", page(write_yaml(small("nova-3")), f"en/nova-3.json POST {VIDEOS}"))
    names = [taken.name for taken in import_locations(empty, [folder])]
    assert names == ["nova-1", "nova-2", "nova-3"]
    assert {path.stem for path in empty.sources.iterdir()} == set(names)


def test_line_ends_and_a_byte_order_mark_do_not_matter(tmp_path: Path):
    """Windows line ends and a byte order mark are removed, and that is reported."""
    text = write_yaml(small())
    data = ("\ufeff" + text.replace("\n", "\r\n")).encode()
    received = load_file(put(tmp_path, "nova-1.yaml", data))
    assert received.source.text == text
    assert received.done == ("made its line ends plain",)


def test_an_ambiguous_scalar_is_quoted_and_reported(tmp_path: Path):
    """An unquoted `16:9` is a string, unlike in YAML 1.1; every other byte is kept."""
    text = write_yaml(small(ratio={"type": "string", "default": "16:9"}))
    loose = text.replace("'16:9'", "16:9  # the widest")
    received = load_file(put(tmp_path, "nova-1.yaml", loose))
    assert received.source.text == text.replace("'16:9'", "'16:9'  # the widest")
    assert "16:9" in received.done[0]


AMBIGUOUS = [
    "16:9",
    "no",
    "yes",
    "on",
    "off",
    "n",
    "Y",
    "null",
    "~",
    "0o17",
    "017",
    "1_000",
    "1e3",
    "0x1F",
    "2024-01-01",
    ".5",
    "1.",
    "+1",
    "true",
    "True",
    "=",
    "<<",
    "0b1",
    "1:2:3",
    "12e03",
    ".inf",
    "a\x85",
    "\u2028\n",
    "\u2029",
]
SCALARS = st.sampled_from(AMBIGUOUS) | st.text(max_size=6)


@given(st.dictionaries(SCALARS, SCALARS | st.integers() | st.booleans() | st.none(), max_size=6))
@settings(max_examples=examples(300))
def test_every_loader_reads_the_written_yaml_the_same(data: Json):
    """PyYAML, ruamel.yaml and this project's loader read the same from written YAML."""
    text = write_yaml(data)
    assert read_yaml(text, "x").data == data
    assert not read_yaml(text, "x").ambiguous
    assert yaml.safe_load(text) == data
    assert YAML(typ="safe", pure=True).load(text) == data


@pytest.mark.parametrize(
    ("text", "written"),
    [("😀", "😀"), ("a\x85", '"a\\N"'), ("\u2028", '"\\L"'), ("\u2029\n", '"\\P\\n"'), ("", "''")],
)
def test_yaml_is_written_alike_with_and_without_libyaml(text: str, written: str):
    """The dumper in C, which not every installation has, writes some of them in another form."""
    assert write_yaml({"a": text}) == f"a: {written}\n"


@given(st.lists(SCALARS.filter(lambda text: text.isascii() and text.isprintable()), max_size=5))
@settings(max_examples=examples(300))
def test_quoted_scalars_are_read_the_same_by_every_loader(texts: list[str]):
    """Quoting an ambiguous scalar doesn't change what YAML 1.2 reads."""
    loose = "".join(f"- {text}\n" for text in texts)
    try:
        read = read_yaml(loose, "x")
    except InvalidDocument:
        return
    mended = quote_ambiguous(loose, read)
    again = read_yaml(mended, "x")
    assert not again.ambiguous
    assert again.data == read.data
    assert yaml.safe_load(mended) == read.data


FLAT = """\
# Nova

````yaml en/nova-1.json post /v1/videos/generations
openapi: 3.1.0
info:
title: nova-1
version: 1.0.0
paths:
/v1/videos/generations:
post:
````
"""
GLUED = (
    "Nova\n\n````yaml en/nova-1.json post /v1/videos/generations openapi: 3.1.0 info: title: x\n"
)
TWO = page("a: 1\n") + page("b: 2\n")
GOOD = write_yaml(small())
REFUSED: dict[str, tuple[str, str, str]] = {
    "a page without indentation": ("p.md", FLAT, r"p\.md, line 5: nothing lies inside `info`"),
    "a page without line breaks": ("p.txt", GLUED, r"p\.txt, line 3: .*line breaks are lost"),
    "no fence": ("p.md", "# Nova\n```yaml\na: 3.1.0\n```\n", r"p\.md: no fence contains"),
    "several fences": ("p.md", TWO, r"p\.md: there are 2 documents that could be meant"),
    "a fence that never ends": ("p.md", page("a: 1\n").replace("````\n\n", "\n"), "never closed"),
    "a fence that says nothing": (
        "p.md",
        page("a: 1\n", "x"),
        r"line 8: the fence contains no OpenAPI",
    ),
    "another operation": (
        "p.md",
        page(write_yaml(small()), "en/nova-1.json post /v1/other"),
        r"p\.md, line 8: the fence says POST /v1/other, its document doesn't",
    ),
    "Swagger": ("a.yaml", "swagger: '2.0'\n", r"a\.yaml is not an OpenAPI document"),
    "OpenAPI 2": ("a.yaml", "openapi: '2.0'\ninfo: {}\npaths: {}\n", "not an OpenAPI 3 document"),
    "a number as version": ("a.yaml", "openapi: 3.1\ninfo: {}\npaths: {}\n", "openapi: 3.1"),
    "no paths": (
        "a.yaml",
        "openapi: 3.1.0\ninfo: {title: a, version: '1'}\n",
        "`paths` is missing",
    ),
    "not YAML": ("a.yaml", "openapi: 3.1.0\n\tinfo: x\n", r"a\.yaml, line 2: "),
    "a key twice": (
        "a.yaml",
        "openapi: 3.1.0\ninfo: {}\ninfo: {}\n",
        r"line 3: the key 'info' is a duplicate",
    ),
    "a key twice in JSON": ("a.json", '{"a": 1, "a": 2}', "the key 'a' is there twice"),
    "broken JSON": ("a.json", '{\n"a": }', r"a\.json, line 2"),
    "NaN": ("a.json", '{"a": NaN}', "NaN is no JSON"),
    "a tag": ("a.yaml", "openapi: !!python/object/apply:os.system [x]\n", "a.yaml"),
    "another tag": ("a.yaml", "openapi: !thing 3.1.0\n", "line 1: has the tag !thing"),
    "a merge key": ("a.yaml", "a: &a {b: 1}\nc: {<<: *a}\n", "merge key"),
    "two documents": ("a.yaml", "openapi: 3.1.0\n---\nopenapi: 3.1.0\n", "a.yaml, line"),
    "not UTF-8": ("a.yaml", b"openapi: 3.1.0\nx: \xff\n", r"a\.yaml, line 2: this is not UTF-8"),
    "no OpenAPI in it": ("a.yaml", "hello\n", "not an OpenAPI document"),
    "nothing in it": ("a.yaml", "", "not an OpenAPI document"),
    "a name that is a path": (
        "p.md",
        page(write_yaml(small()), f"en/..json post {VIDEOS}"),
        "can't be a document's name",
    ),
    "what OpenAPI forbids": (
        "a.yaml",
        write_yaml({**small(), "authorization": "Bearer x"}),
        r"a\.yaml, line 66: 'authorization' is no key of OpenAPI here, at #/authorization; remove",
    ),
    "a key with a letter too few": (
        "a.yaml",
        GOOD.replace("      operationId:", "      operatonId:"),
        r"line \d+: 'operatonId' is no key .*/post/operatonId; write operationId",
    ),
    "a rule of another type": (
        "a.json",
        json.dumps(small(seed={"type": "integer", "minimum": "many"}), indent=1),
        r"a\.json, line \d+: 'many' is not of type 'number', at #/.*/properties/seed/minimum",
    ),
    "a document cut off": (
        "a.yaml",
        GOOD[: GOOD.index("    VideoGenerationResponse:")],
        r"a\.yaml, line 25: \$ref '#/components/schemas/ErrorResponse' leads nowhere",
    ),
    "a reference to another file": (
        "a.yaml",
        GOOD.replace("'#/components/schemas/ErrorResponse'", "b.yaml#/ErrorResponse"),
        r"a\.yaml, line \d+: \$ref 'b\.yaml#/ErrorResponse' leads out of the document",
    ),
    "references in a circle": (
        "a.yaml",
        write_yaml(
            document(request("nova-1"), error={"$ref": "#/components/schemas/ErrorResponse"})
        ),
        r"a\.yaml, line \d+: \$ref '#/components/schemas/ErrorResponse' leads round in a circle",
    ),
    "a tab": ("a.yaml", GOOD.replace("  title:", "\ttitle:"), "line 3: .*spaces, not tabs"),
    "a small JSON file": ("a.json", '{"openapi": "3.1.0"}', r"a\.json is not a complete OpenAPI"),
    "half a character": ("a.json", '{"a": "\\ud800"}', r"a\.json: it holds half a character"),
    "a number beyond all": ("a.json", '{"a": 1e999}', r"a\.json: 1e999 is more than any number"),
}


@pytest.mark.parametrize(("name", "text", "why"), REFUSED.values(), ids=REFUSED)
def test_an_incomplete_document_is_rejected(tmp_path: Path, empty: Checkout, name, text, why):
    """The message has the line if there is one, and nothing is written."""
    path = put(tmp_path, name, text)
    with pytest.raises(InvalidDocument, match=why) as caught:
        import_locations(empty, [path])
    assert "\n" not in str(caught.value)
    assert not list(empty.sources.iterdir())
    assert not empty.lock.exists()


def test_an_alias_bomb_is_rejected(tmp_path: Path, empty: Checkout):
    """A spec that expands to billions of nodes is rejected quickly."""
    lines = ["openapi: 3.1.0", "a0: &a0 [x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    with pytest.raises(InvalidDocument, match="more nodes"):
        import_locations(empty, [put(tmp_path, "a.yaml", "\n".join(lines))])


@given(data=st.data())
@settings(max_examples=examples(60))
def test_a_document_that_lost_indentation_is_rejected(data, tmp_path_factory):
    """It is rejected, whatever the line from which the indentation is missing."""
    path = data.draw(st.sampled_from(SOURCES))
    lines = path.read_text().splitlines()
    indented = [number for number, line in enumerate(lines) if line.startswith(" ")]
    first = data.draw(st.sampled_from(indented))
    flat = "\n".join([*lines[:first], *(line.lstrip() for line in lines[first:])]) + "\n"
    with pytest.raises(InvalidDocument):
        load_file(put(tmp_path_factory.mktemp("flat"), path.name, flat))


def test_a_newer_revision_replaces_the_older_and_reports_the_difference(tmp_path, empty: Checkout):
    """A spec of the same model replaces the older one, whatever its file name."""
    import_locations(empty, [put(tmp_path, "nova-1.yaml", write_yaml(small()))])
    newer = write_yaml(small(seed={"type": "integer"}))
    (taken,) = import_locations(
        empty, [put(tmp_path, "nova-1 (2).md", page(newer, f"x/nova-one.json post {VIDEOS}"))]
    )
    assert taken.name == "nova-1"
    assert taken.lines[0].startswith("replaced; additive:")
    assert "a new parameter, /seed" in taken.lines[0]
    (source,) = read_sources(empty.sources)
    assert "seed" in source.text
    assert read_lock(empty.lock)["nova-1"].origin == "x/nova-one.json"


OVERVIEW = write_yaml(document(request("nova-1", "nova-2", "nova-3", prompt=TEXT)))
SINGLE = write_yaml(small("nova-2"))


def test_an_overview_and_a_page_of_one_of_its_models_are_two_documents(tmp_path, empty: Checkout):
    """Neither replaces the other, in one import or two; the error names both."""
    whole, one = put(tmp_path, "family.yaml", OVERVIEW), put(tmp_path, "nova-2.yaml", SINGLE)
    said = r"family\.yaml and .*nova-2\.yaml both describe nova-2; import one of them"
    with pytest.raises(Conflict, match=said):
        import_locations(empty, [one, whole])
    import_locations(empty, [whole])
    with pytest.raises(Conflict, match=r"nova-2\.yaml and specs/sources/family\.yaml both"):
        import_locations(empty, [one])
    assert [source.name for source in read_sources(empty.sources)] == ["family"]


def test_an_overview_never_replaces_several_documents(tmp_path, empty: Checkout):
    """The error names each spec that has one of its models."""
    other = put(tmp_path, "nova-3.yaml", write_yaml(small("nova-3")))
    import_locations(empty, [put(tmp_path, "nova-2.yaml", SINGLE), other])
    said = r"family\.yaml describes models of several documents, .*nova-2\.yaml, .*nova-3\.yaml"
    with pytest.raises(Conflict, match=said):
        import_locations(empty, [put(tmp_path, "family.yaml", OVERVIEW)])


def test_a_newer_overview_may_omit_a_model(tmp_path, empty: Checkout):
    """A spec from the same URL, or with the same file name, is a revision."""
    import_locations(empty, [put(tmp_path, "family.yaml", OVERVIEW)])
    (taken,) = import_locations(empty, [put(tmp_path, "family.yaml", SINGLE)])
    assert taken.lines[0].startswith("replaced; breaking")


def test_two_revisions_of_a_page_in_one_import_are_rejected(tmp_path, empty: Checkout):
    """Nobody knows which is newer; the error names both files."""
    two = [put(tmp_path, "old.md", page(SINGLE)), put(tmp_path, "new.md", page(SINGLE))]
    with pytest.raises(InvalidDocument, match=r"old\.md and new\.md are both called nova-1"):
        import_locations(empty, two)


def test_files_with_the_same_name_in_several_directories_are_kept_separate(
    tmp_path, empty: Checkout
):
    """They have different models; the name of the second gets a number."""
    for model in ("nova-1", "nova-2", "nova-3"):
        (tmp_path / "all" / model).mkdir(parents=True)
        put(tmp_path / "all" / model, "openapi.yaml", write_yaml(small(model)))
    import_locations(empty, [tmp_path / "all"])
    names = [source.name for source in read_sources(empty.sources)]
    assert sorted(names) == ["openapi", "openapi-2", "openapi-3"]


def test_the_same_document_again_changes_nothing(tmp_path, empty: Checkout):
    """A second import has no effect."""
    path = put(tmp_path, "nova-1.yaml", write_yaml(small()))
    import_locations(empty, [path])
    before = {file: file.read_bytes() for file in empty.root.rglob("*") if file.is_file()}
    (taken,) = import_locations(empty, [path])
    assert taken.lines == ("as it was",)
    assert {file: file.read_bytes() for file in empty.root.rglob("*") if file.is_file()} == before


def test_one_bad_document_stops_the_whole_import(tmp_path, empty: Checkout):
    """If one can't be merged with the rest, nothing is written."""
    folder = tmp_path / "new"
    folder.mkdir()
    put(folder, "a.yaml", write_yaml(small("nova-1")))
    put(folder, "b.yaml", write_yaml(small("nova-1")))
    with pytest.raises(Conflict):
        import_locations(empty, [folder])
    put(folder, "b.yaml", "hello")
    with pytest.raises(InvalidDocument):
        import_locations(empty, [folder])
    assert not list(empty.sources.iterdir())


def run(*words: str, root: Path) -> tuple[int, str]:
    done = CliRunner().invoke(spec, ["--root", str(root), *words])
    return done.exit_code, done.output


def test_the_command_reports_what_it_did(tmp_path, empty: Checkout):
    """One line for each spec; a rejection is a line on stderr and an exit code."""
    path = put(tmp_path, "nova-1.yaml", write_yaml(small()))
    assert run("import", str(path), root=empty.root) == (
        0,
        "nova-1: new, from nova-1.yaml: nova-1\n",
    )
    code, output = run("import", str(put(tmp_path, "p.md", FLAT)), root=empty.root)
    assert (code, output.count("\n")) == (3, 1)
    assert "Traceback" not in output


def test_a_source_that_was_edited_is_a_finding(tmp_path, project: Checkout):
    """Its digest isn't that of the lock; importing the edited file again accepts it."""
    shutil.copytree(project.root / "specs", tmp_path / "specs")
    path = tmp_path / "specs" / "sources" / "wan2.5-text-to-video.yaml"
    path.write_text(path.read_text() + "# edited\n")
    code, output = run("check", root=tmp_path)
    assert code == FindingsError.exit_code
    assert "wan2.5-text-to-video was changed since" in output
    assert run("import", str(path), root=tmp_path)[0] == 0
    assert run("check", root=tmp_path)[0] == 0


def test_a_stray_file_among_the_sources_is_rejected(tmp_path, empty: Checkout):
    """A file that wasn't imported isn't ignored."""
    import_locations(empty, [put(tmp_path, "nova-1.yaml", write_yaml(small()))])
    put(empty.sources, "nova-2.json", json.dumps(small("nova-2")))
    with pytest.raises(InvalidDocument, match=r"nova-2\.json is not a \*\.yaml"):
        read_sources(empty.sources)


def test_the_lock_has_every_source(project: Checkout, sources: list[SourceSpec]):
    """Every committed source is in the lock with its digest."""
    entries = read_lock(project.lock)
    assert {source.name: source.sha256 for source in sources} == {
        name: entry.sha256 for name, entry in entries.items()
    }
    assert len(entries) >= 6


def test_openapi_3_0_is_read_as_3_1(tmp_path, empty: Checkout):
    """`nullable` becomes a type, and `exclusiveMaximum: true` becomes a number."""
    rules = {
        "seed": {"type": "integer", "nullable": True, "minimum": 0, "exclusiveMinimum": True},
        "mood": {"type": "string", "enum": ["calm"], "nullable": True},
    }
    data = {**small("nova-1", **rules), "openapi": "3.0.3"}
    import_locations(empty, [put(tmp_path, "nova-1.yaml", write_yaml(data))])
    (source,) = read_sources(empty.sources)
    read = source.document["components"]["schemas"]["VideoGenerationRequest"]["properties"]
    assert read["seed"] == {"type": ["integer", "null"], "exclusiveMinimum": 0}
    assert read["mood"] == {"type": ["string", "null"], "enum": ["calm", None]}
    assert source.document["openapi"] == "3.1.0"


EXTENSIONS = ("x-wanflow-rests-on", "x-wanflow-effective-when", "x-other")
SHAPES = (
    *([], [1], [None], {}, {"a": 1}, {"minimum": ["a"]}, "text", 5, None, True),
    [{"keyword": "minimum", "sentence": "It is small."}],
)


def refusal(project: Checkout, path: Path) -> str:
    """Why a file can't be imported; empty if it can be."""
    try:
        plan_import(project, [load_file(path)])
    except SpecError as refused:
        return str(refused)
    return ""


@pytest.mark.parametrize("name", EXTENSIONS)
@pytest.mark.parametrize("place", ["", "info", "paths", "operation", "responses", "property"])
def test_an_extension_of_any_shape_is_ignored_or_refused_at_its_place(
    tmp_path, empty: Checkout, name, place
):
    """No document ends in an error of the tool for what an `x-` key has as its value."""
    for shape in SHAPES:
        whole = small(size={"type": "string", "description": "It must be at most 5 characters."})
        operation = whole["paths"][VIDEOS]["post"]
        schemas = whole["components"]["schemas"]
        nodes = {
            "": whole,
            "info": whole["info"],
            "paths": whole["paths"],
            "operation": operation,
            "responses": operation["responses"],
            "property": schemas["VideoGenerationRequest"]["properties"]["size"],
        }
        nodes[place][name] = shape
        refused = refusal(empty, put(tmp_path, "nova.json", json.dumps(whole)))
        assert not refused or (place == "property" and f"size/{name}" in refused), refused
