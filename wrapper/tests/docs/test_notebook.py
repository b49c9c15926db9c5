"""docs/notebook.ipynb runs in a real kernel, and shows progress that changes in place."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from wanflow.mock import MockServer

starts_a_kernel = pytest.mark.slow
NOTEBOOK = Path(__file__).parents[3] / "docs/notebook.ipynb"


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """The cells of code, with their outputs, and the files that they saved."""
    folder = tmp_path_factory.mktemp("notebook")
    with MockServer(polls=1) as mock, pytest.MonkeyPatch.context() as patch:
        patch.setenv("WANFLOW_API_KEY", mock.api_key)
        patch.setenv("WANFLOW_BASE_URL", mock.base_url)
        patch.setenv("IPYTHONDIR", str(folder / "ipython"))
        notebook = nbformat.read(NOTEBOOK, as_version=4)
        nbformat.validate(notebook)
        resources = {"metadata": {"path": str(folder)}}
        NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources).execute()
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tables(cell: Any) -> list[str]:
    """The progress that a cell shows, as text."""
    return [
        output.data["text/plain"]
        for output in cell.outputs
        if output.output_type == "display_data" and "<progress" in output.data["text/html"]
    ]


@starts_a_kernel
def test_a_cell_shows_one_table_which_changes_in_place(cells: list[Any]) -> None:
    """It is the last state of each task: sync, async, and in a batch."""
    run, run_async, batch, _ = map(tables, cells)
    assert re.fullmatch(r"task-unified-\S+  saved lakes/lake-[12]\.png", *run)
    assert re.fullmatch(r"task-unified-\S+  completed", *run_async)
    (table,) = batch
    saved = re.findall(r"  saved animals/(\w+)\.png$", table, re.MULTILINE)
    assert sorted(saved) == ["fox", "hare", "owl"]


@starts_a_kernel
def test_a_client_with_its_own_function_shows_nothing(cells: list[Any]) -> None:
    """Progress can be left out."""
    assert cells[-1].outputs == []


@starts_a_kernel
def test_the_results_are_shown(cells: list[Any]) -> None:
    """As pictures, and the names of the batch's files."""
    results = [one for cell in cells for one in cell.outputs if one.output_type == "execute_result"]
    pictures, links, names = [one.data for one in results]
    assert pictures["text/html"].count("<img ") == 2
    assert links["text/html"].count("<img ") == 1
    assert names["text/plain"] == "['fox.png', 'owl.png', 'hare.png']"


def test_it_says_how_to_try_it_without_paying() -> None:
    """Its first cell starts the mock, and names it before Jupyter starts."""
    first = nbformat.read(NOTEBOOK, as_version=4).cells[0].source
    lines = re.findall(r"^(?:pip|wanflow|export|jupyter) .*$", first, re.MULTILINE)
    assert [line.split()[0] for line in lines] == ["pip", "wanflow", "export", "jupyter"]
    assert "export WANFLOW_BASE_URL=http://127.0.0.1:8700/apiv1 WANFLOW_API_KEY=" in first


def test_the_notebook_is_stored_without_outputs() -> None:
    """So that it changes only when a person changes it."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)
