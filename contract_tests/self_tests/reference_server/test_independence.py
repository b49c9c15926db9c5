"""The second server is another make: it has nothing of ours in it, and none of the mock's doors."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from self_tests.reference_server.server import Server
from wanflow.mock import MockServer
from wanflow.mock.admin import api
from wanflow_contract.support.target_options import controls_of

HERE = Path(__file__).parent
MADE = ("server", "variants", "faults")
LIBRARIES = {"jsonschema", "PIL"}
DOORS = re.findall(r'\("([A-Z]+)", "(/_mock/[^"]+)"\)', inspect.getsource(api))
assert len(DOORS) >= 15, "the mock's controls are written otherwise"


def imported(name: str) -> set[str]:
    """Return the modules that a file imports anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse((HERE / f"{name}.py").read_text())):
        match node:
            case ast.Import(names=names):
                found |= {one.name for one in names}
            case ast.ImportFrom(module=str(module), level=0):
                found.add(module)
            case ast.ImportFrom():
                raise AssertionError("a relative import")
    return found - {f"self_tests.reference_server.{one}" for one in MADE}


@pytest.mark.parametrize("name", MADE)
def test_it_is_made_of_other_things(name) -> None:
    """Its files import Python's own modules and two libraries that the mock doesn't validate by."""
    modules = imported(name)
    assert modules
    roots = {module.partition(".")[0] for module in modules}
    assert roots <= set(sys.stdlib_module_names) | LIBRARIES
    assert "importlib" not in modules, "what is imported by a name made up can't be seen"


def test_nothing_of_ours_comes_with_it() -> None:
    """Imported alone, it brings no module of wanflow, and of the suite no more than itself."""
    lines = (f"import self_tests.reference_server.{name}" for name in MADE)
    script = "\n".join((*lines, "import sys", "print(*sys.modules)"))
    command = [sys.executable, "-c", script]
    told = subprocess.run(command, cwd=HERE.parents[1], check=True, capture_output=True, text=True)
    loaded = set(told.stdout.split())
    assert "self_tests.reference_server.server" in loaded
    roots = {name.partition(".")[0] for name in loaded}
    assert not roots & {"wanflow", "jsonschema_rs"}
    ours = {name for name in loaded if name.startswith("self_tests.")}
    assert ours == {
        "self_tests.reference_server",
        *(f"self_tests.reference_server.{one}" for one in MADE),
    }


@pytest.mark.parametrize("under", ["", "/apiv1"], ids=["at the root", "under the base"])
def test_it_has_no_control_routes(under: str) -> None:
    """Each of the mock's controls is 404 there, with a key and without, and the suite sees none."""
    shown = {"Authorization": "Bearer first-key-0001"}
    with Server("first-key-0001") as server, httpx.Client(trust_env=False) as client:
        assert server.base == "/apiv1"
        for method, path in DOORS:
            for headers in ({}, shown):
                url = server.origin + under + path
                answer = client.request(method, url, headers=headers, json={})
                assert answer.status_code == 404, (method, path)
        assert controls_of(server.origin + server.base) is None


def test_the_mock_has_each_of_the_doors_that_are_tried() -> None:
    """None of them is 404 there: what is refused next door is really something."""
    with MockServer() as mock, httpx.Client(trust_env=False) as client:
        for method, path in DOORS:
            assert client.request(method, mock.url + path, json={}).status_code != 404, path
        assert controls_of(mock.base_url) is not None
