"""All supported loaders read the same data from the specs."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from openapi_python_client import _get_document
from openapi_spec_validator.readers import read_from_filename
from ruamel.yaml import YAML
from schemathesis.core.deserialization import deserialize_yaml

from wanflow.spec.read.yaml import read_yaml

SPECS = Path(__file__).parents[3] / "specs"
FILES = [SPECS / "openapi.yaml", *sorted((SPECS / "sources").glob("*.yaml"))]
LOADERS = {
    "PyYAML": lambda path: yaml.safe_load(path.read_text()),
    "PyYAML without C": lambda path: yaml.load(path.read_text(), yaml.SafeLoader),
    "ruamel.yaml": lambda path: YAML(typ="safe").load(path.read_text()),
    "openapi-spec-validator": lambda path: read_from_filename(str(path))[0],
    "openapi-python-client": lambda path: _get_document(source=path, timeout=1),
    "Schemathesis": lambda path: deserialize_yaml(io.BytesIO(path.read_bytes())),
}


@pytest.mark.parametrize("loader", LOADERS.values(), ids=LOADERS)
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_loader_reads_the_same_data(path: Path, loader):
    """Sources and merged spec are the same data for every loader."""
    assert loader(path) == read_yaml(path.read_text(), path.name).data


def test_there_are_documents_to_read():
    """Six sources and the merged spec."""
    assert len(FILES) >= 7


@pytest.mark.processes
@pytest.mark.parametrize(
    ("module", "command"),
    [("yaml", "build"), ("jsonpath", "build"), ("openapi_spec_validator", "check")],
)
def test_without_the_extra_a_command_says_what_to_install(module: str, command: str):
    """The base install has the command; one sentence names the missing extra."""
    code = (
        f"import sys; sys.modules[{module!r}] = None\n"
        f"from wanflow.cli.spec import spec\nspec([{command!r}])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=SPECS, capture_output=True, text=True, check=False
    )
    assert done.returncode == 8
    assert "pip install 'wanflow[spec]'" in done.stderr
    assert "Traceback" not in done.stderr
