"""The reference server is independent: no code of wanflow, no control routes."""

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
from tests.plain_http import PLAIN
from wanflow.mock import MockServer
from wanflow.mock.admin import api
from wanflow_contract.support.target_options import mock_controls

HERE = Path(__file__).parent
MODULES = ("server", "variants", "faults")
LIBRARIES = {"jsonschema", "PIL"}
CONTROL_ROUTES = re.findall(r'\("([A-Z]+)", "(/_mock/[^"]+)"\)', inspect.getsource(api))
assert len(CONTROL_ROUTES) >= 15, "the mock's control routes are written differently"


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
    return found - {f"self_tests.reference_server.{one}" for one in MODULES}


@pytest.mark.parametrize("name", MODULES)
def test_it_imports_only_independent_modules(name) -> None:
    """Its files import the standard library and two libraries that the mock doesn't use."""
    modules = imported(name)
    assert modules
    roots = {module.partition(".")[0] for module in modules}
    assert roots <= set(sys.stdlib_module_names) | LIBRARIES
    assert "importlib" not in modules, "dynamic imports can't be checked"


@pytest.mark.processes
def test_importing_it_loads_no_module_of_wanflow() -> None:
    """Importing it loads no module of wanflow, and none of the suite except itself."""
    lines = (f"import self_tests.reference_server.{name}" for name in MODULES)
    script = "\n".join((*lines, "import sys", "print(*sys.modules)"))
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=HERE.parents[1], check=True, capture_output=True, text=True)
    loaded = set(done.stdout.split())
    assert "self_tests.reference_server.server" in loaded
    roots = {name.partition(".")[0] for name in loaded}
    assert not roots & {"wanflow", "jsonschema_rs"}
    ours = {name for name in loaded if name.startswith("self_tests.")}
    assert ours == {
        "self_tests.reference_server",
        *(f"self_tests.reference_server.{one}" for one in MODULES),
    }


@pytest.mark.parametrize("under", ["", "/apiv1"], ids=["at the root", "under the base"])
def test_it_has_no_control_routes(under: str) -> None:
    """Each control route of the mock is 404 there, with a key and without."""
    shown = {"Authorization": "Bearer first-key-0001"}
    with Server("first-key-0001") as server, httpx.Client(**PLAIN) as client:
        assert server.base == "/apiv1"
        for method, path in CONTROL_ROUTES:
            for headers in ({}, shown):
                url = server.origin + under + path
                answer = client.request(method, url, headers=headers, json={})
                assert answer.status_code == 404, (method, path)
        assert mock_controls(server.origin + server.base) is None


def test_the_mock_has_each_of_the_tested_control_routes() -> None:
    """None of them is 404 on the mock, so the test above tests real routes."""
    with MockServer() as mock, httpx.Client(**PLAIN) as client:
        for method, path in CONTROL_ROUTES:
            assert client.request(method, mock.url + path, json={}).status_code != 404, path
        assert mock_controls(mock.base_url) is not None
