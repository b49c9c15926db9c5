"""An accepted import can be regenerated and used, whatever names it has."""

from __future__ import annotations

import builtins
import inspect
import json
import shutil
import subprocess
import sys
from importlib import import_module
from keyword import kwlist, softkwlist
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from openapi_python_client import strings
from openapi_python_client.strings import ClassName, PythonIdentifier

from tests.examples import examples
from tests.spec.family import VIDEOS, document, request, source
from wanflow import Client
from wanflow.catalog.document import load_packaged
from wanflow.cli.main import main
from wanflow.cli.model_options import ModelOptions, Parameter
from wanflow.cli.spec import spec
from wanflow.spec.diff.diff import compare
from wanflow.spec.generate.names import public_classes
from wanflow.spec.generate.parameters_module import RESERVED_PARAMETERS
from wanflow.spec.generate.python_names import PREFIX, class_name, pascal_case, variable_name
from wanflow.spec.intake.importer import import_locations
from wanflow.spec.merge.merge import merge
from wanflow.spec.merge.naming import unique_name
from wanflow.spec.project import Checkout
from wanflow.spec.read.source import read_sources
from wanflow.spec.read.yaml import write_yaml
from wanflow.spec.regenerate import regenerate

if TYPE_CHECKING:
    from collections.abc import Iterable

pytestmark = pytest.mark.builds

Json = dict[str, Any]

ROOT = Path(__file__).parents[3]
TEXT = {"type": "string"}
QUERY = ROOT / "specs" / "sources" / "task-management.yaml"
OWN = sorted(
    {
        name
        for method in (Client.submit, Client.run, Client.preview)
        for name in inspect.signature(method).parameters
    }
    - {"model"}
)
ALIKE = {
    "dots and dashes": ["cfg.scale", "cfg-scale", "cfg scale", "cfg_scale", "cfgScale"],
    "slashes": ["x/y", "x~y", "x~1y", "x"],
    "symbols": ["+", "-", "*", "/", "~", "%", "{", "}", " ", "\t", "'", '"', "\\", "$", "#"],
    "blanks": ["seed ", " seed", "seed", "SEED", "Seed"],
    "beside the model": ["model ", " model", "Model", "MODEL", "model-"],
    "numbers": ["1", "01", "2nd", "_1", "1.5", "field_1"],
    "words of Python": ["class", "def", "None", "True", "self", "cls", "import", "async", "print"],
    "types": ["str", "int", "list", "dict", "float", "bool", "type", "Any", "Literal", "object"],
    "what the classes use": [
        *("field_dict", "src_dict", "d", "to_dict", "from_dict", "additional_properties"),
        *("additional_keys", "cast", "isoparse", "json", "types", "prop", "prop_name", "UNSET"),
    ],
    "other scripts": ["名前", "имя", "όνομα", "ﬁ", "fi", "é", "é", "K", "k", "İ", "😀", "🎬"],
    "underscores": ["_", "__", "___", "__init__", "__slots__", "_x", "x_", "__x"],
    "quotes": ['a"b', "a'b", "a`b", "a\\b", 'a"""b', "a\nb", "a{b}", "${a}"],
    "the wrapper's own": [*OWN, "ledger", "base_url", "api_key", "help", "version", "dry-run"],
    "words of schemas": ["properties", "required", "$ref", "enum", "default", "example", "const"],
}
COLLIDING = (
    *("dots and dashes", "symbols", "words of Python", "what the classes use"),
    *("other scripts", "the wrapper's own"),
)
"""One group of each reason why names collide; to import all of them takes 9 s of CPU time."""


def checkout(folder: Path) -> Checkout:
    """An empty checkout whose client can be generated, with the query of tasks."""
    (folder / "specs" / "sources").mkdir(parents=True)
    (folder / "generated").mkdir()
    for name in ("config.yaml", "ruff.toml"):
        shutil.copy(ROOT / "generated" / name, folder / "generated" / name)
    return Checkout(folder)


def files(project: Checkout) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in project.root.rglob("*") if path.is_file()}


def taken(project: Checkout, *documents: Json) -> None:
    """Import documents, regenerate, and reach each parameter of what was generated."""
    inbox = project.root / "inbox"
    inbox.mkdir()
    for number, data in enumerate(documents):
        (inbox / f"doc-{number}.yaml").write_text(write_yaml(data))
    import_locations(project, [inbox])
    regenerate(project)
    reached(project)


def reached(project: Checkout) -> None:
    program = str(Path(__file__).parent / "reach.py")
    command = [sys.executable, program, str(project.root)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize("groups", [COLLIDING, pytest.param(ALIKE, marks=pytest.mark.slow)])
def test_parameters_with_equal_python_names_are_all_usable(
    tmp_path: Path, groups: Iterable[str]
) -> None:
    """By class, keyword, mapping, option and type; as a scalar, an enum and an object."""
    documents: list[Json] = []
    for number, names in enumerate(ALIKE[group] for group in groups):
        inner = {"type": "object", "properties": {name: {"enum": ["a", name]} for name in names}}
        schema = request(f"nova-{number}", **{f"{name} o": inner for name in names})
        schema["properties"].update({name: TEXT for name in names if name != "model"})
        documents.append(document(schema))
    taken(checkout(tmp_path), *documents)


def test_models_with_equal_class_names_are_all_usable(tmp_path: Path) -> None:
    """`wan25-x`, `wan2.5-x` and `wan-2-5-x` are three models with three classes."""
    names = ["wan25-x", "wan2.5-x", "wan-2-5-x", "WAN25-X", "2", "模型", "类", "gpt-4o-image"]
    taken(checkout(tmp_path), *(document(request(name, a=TEXT)) for name in names))


def test_operations_and_schemas_with_equal_names_are_all_usable(tmp_path: Path) -> None:
    """Two similar paths, and schemas with the names of classes, modules or builtins."""
    nasty = ["Any", "Unset", "Client", "Response", "Usage", "usage", "us-age", "TypeVar", "None"]
    nasty += ["Nova1RequestModel", "Nova1Request", "Nova2Request", "T", "list", "types", "UsageA"]
    inner = {"type": "object", "properties": {"a": {"type": "string", "enum": ["x", "y"]}}}
    answer = {
        "type": "object",
        "properties": {name: {"$ref": f"#/components/schemas/{name}"} for name in nasty},
    }
    one = document(request("nova-1"), response=answer, **dict.fromkeys(nasty, inner))
    other = document(request("nova-2"), path="/v2/videos/generations")
    third = document(request("nova-3"), path="/v1/videos-generations")
    taken(checkout(tmp_path), one, other, third)


@pytest.mark.parametrize(
    "name",
    # Each generates a client; the others go the same way.
    [
        'task"id',
        *(pytest.param(one, marks=pytest.mark.slow) for one in ("task'id", "任务", "class")),
    ],
)
def test_a_path_parameter_may_have_any_name(tmp_path: Path, name: str) -> None:
    """Its name is never sent, so the client uses another one."""
    data = read_sources(ROOT / "specs" / "sources")
    (tasks,) = (source.document for source in data if source.name == QUERY.stem)
    text = json.dumps(tasks).replace("{task_id}", json.dumps("{" + name + "}")[1:-1])
    text = text.replace('"name": "task_id"', f'"name": {json.dumps(name)}')
    taken(checkout(tmp_path), json.loads(text), document(request("nova-1")))


def test_enum_values_with_equal_names_are_all_kept(tmp_path: Path) -> None:
    """Enum values have no names in code, so none is lost."""
    lists = [["a-b", "a_b", "A B"], ["", " "], ['"', "'", "\\"], [1, 2], [1, "1"], [True, None]]
    rules = {f"mode{number}": {"enum": values} for number, values in enumerate(lists)}
    taken(checkout(tmp_path), document(request("nova-1", **rules)))


def test_the_public_classes_are_known_without_generating() -> None:
    """The classes that are compared are exactly those that the generator makes."""
    assert set(public_classes(load_packaged())) == set(
        import_module("wanflow_client.models").__all__
    )


def as_the_generator_names(name: str) -> None:
    assert class_name(name) == str(ClassName(name, PREFIX))
    assert variable_name(name) == str(PythonIdentifier(name, PREFIX))
    assert pascal_case(name) == strings.pascal_case(name)


def test_reserved_names_equal_those_of_the_generator() -> None:
    """Builtins, keywords and similar names, in lower and upper case."""
    alike = {name for names in ALIKE.values() for name in names}
    for name in {*dir(builtins), *kwlist, *softkwlist, *alike}:
        as_the_generator_names(name)
        as_the_generator_names(name.lower())
        as_the_generator_names(name.upper())


@settings(max_examples=examples(500))
@given(st.text() | st.text(st.sampled_from("aBcD12_-. \\/")))
def test_any_name_equals_that_of_the_generator(name: str) -> None:
    """The generator's rules are repeated here, since importing it is slow."""
    as_the_generator_names(name)


def test_a_removed_public_class_is_a_breaking_change() -> None:
    """Imports fail: the class of a schema, of a property, and one renamed because of another."""
    mode = {"type": "string", "enum": ["a", "b"]}

    def merged_of(*models: str, **rules: Json) -> Json:
        data = [document(request(model, **rules), path=VIDEOS) for model in models]
        return merge([source(f"doc-{n}", one) for n, one in enumerate(data)]).document

    def gone(old: Json, new: Json) -> set[str]:
        return {one.place for one in compare(old, new).changes if one.id == "WF103"}

    assert gone(merged_of("nova-1", mode=mode), merged_of("nova-1", mode=TEXT)) == {
        "Nova1RequestMode"
    }
    assert gone(merged_of("nova-1", "nova-2"), merged_of("nova-1")) == {"Nova2Request"}
    assert gone(merged_of("nova-1"), merged_of("nova-1", mode=mode)) == set()


def test_the_first_of_equal_names_stays() -> None:
    """Names are made unique in a stable order: existing ones keep theirs."""
    assert unique_name("A", []) == "A"
    assert unique_name("a_b", ["aB"]) == "a_b2"
    assert unique_name("A", ["A", "A2"]) == "A3"


def test_reserved_parameters_are_those_of_the_signatures() -> None:
    """They are read from the methods themselves, and documented."""
    signatures = [inspect.signature(one) for one in (Client.submit, Client.run, Client.preview)]
    names = {
        name
        for one in signatures
        for name, parameter in one.parameters.items()
        if parameter.kind is not parameter.VAR_KEYWORD
    }
    assert names - {"model"} == RESERVED_PARAMETERS
    guide = (ROOT / "docs" / "library.md").read_text()
    assert all(f"`{name}`" in guide for name in RESERVED_PARAMETERS)


def test_an_import_warns_of_reserved_parameter_names(tmp_path: Path) -> None:
    """Each is named with the way to set it; other names aren't."""
    (tmp_path / "specs" / "sources").mkdir(parents=True)
    rules = dict.fromkeys([*RESERVED_PARAMETERS, "ledger"], TEXT)
    (tmp_path / "nova.yaml").write_text(write_yaml(document(request("nova-1", **rules))))
    (taken,) = import_locations(Checkout(tmp_path), [tmp_path / "nova.yaml"])
    warned = [line for line in taken.lines if "has its own argument" in line]
    assert len(warned) == len(RESERVED_PARAMETERS)
    assert all(any(f"`{name}`" in line for line in warned) for name in RESERVED_PARAMETERS)


def _options() -> list[str]:
    """Every option of the commands that take a model's parameters."""
    context = click.Context(main)
    commands = [main.get_command(context, name) for name in ("run", "submit", "check")]
    found = {option for one in commands if one for p in one.params for option in p.opts}
    return sorted(one.removeprefix("--").replace("-", "_") for one in found if "--" in one)


OPTIONS = _options()


def test_a_parameter_with_the_name_of_a_command_option_gets_another_option() -> None:
    """For each option of the command line: the parameter's option has another name and sets it."""
    assert len(OPTIONS) > 5
    shared = {f"--{name.replace('_', '-')}" for name in [*OPTIONS, "help"]}
    parameters = [Parameter((name,), TEXT, required=False) for name in OPTIONS]
    form = ModelOptions.from_parameters(parameters, shared)
    flags = [flag for option in form.options for flag in option.opts]
    assert not shared & set(flags)
    for key, (parameter, option) in form.entries.items():
        assert option.opts[-1].startswith("--parameter-")
        assert form.body({key: "x"}) == {parameter.name: "x"}


NAMES = st.text(min_size=1, max_size=6) | st.sampled_from(
    [name for names in ALIKE.values() for name in names]
)
RULES = st.sampled_from(
    [
        TEXT,
        {"type": "integer"},
        {"enum": ["a", "b"]},
        {"type": "array", "items": TEXT},
        {"type": "object", "properties": {"a": TEXT, "a ": {"enum": ["x"]}}},
    ]
)


@pytest.mark.slow  # an example takes seconds
@settings(
    max_examples=4,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # shrinking would take minutes
)
@given(
    models=st.lists(NAMES, min_size=1, max_size=3, unique=True),
    properties=st.dictionaries(NAMES, RULES, max_size=12),
    schemas=st.lists(st.from_regex(r"\A[A-Za-z0-9._-]{1,8}\Z"), max_size=4, unique=True),
)
def test_an_accepted_import_regenerates_and_a_rejected_one_changes_nothing(
    models: list[str], properties: Json, schemas: list[str]
) -> None:
    """Random names: imported and usable, or rejected without changes."""
    properties.pop("model", None)
    answer = {
        "type": "object",
        "properties": {name: {"$ref": f"#/components/schemas/{name}"} for name in schemas},
    }
    named = {name: {"type": "object", "properties": properties} for name in schemas}
    with TemporaryDirectory() as name:
        project = checkout(Path(name) / "checkout")
        inbox = Path(name) / "inbox"
        inbox.mkdir()
        for number, model in enumerate(models):
            data = document(request(model, **properties), response=answer, **named)
            (inbox / f"doc-{number}.yaml").write_text(write_yaml(data))
        before = files(project)
        done = CliRunner().invoke(spec, ["--root", str(project.root), "import", str(inbox)])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        if done.exit_code:
            assert files(project) == before
            assert done.stderr.count("\n") == 1
            return
        assert all(letter.isprintable() or letter == "\n" for letter in done.output)
        regenerate(project)
        reached(project)


def test_an_import_that_fails_to_regenerate_changes_nothing(tmp_path: Path) -> None:
    """If the generator fails for any reason, the import is rejected before anything is written."""
    project = checkout(tmp_path)
    (project.generated / "config.yaml").write_text("literal_enums: [no boolean]\n")
    (tmp_path / "nova.yaml").write_text(write_yaml(document(request("nova-1"), path=VIDEOS)))
    before = files(project)
    done = CliRunner().invoke(
        spec, ["--root", str(tmp_path), "import", str(tmp_path / "nova.yaml")]
    )
    assert done.exit_code == 8
    assert files(project) == before
