"""In a notebook, a client without `on_event` shows its tasks in one table a cell."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.any_model import model_name
from tests.examples import examples
from wanflow import AsyncClient, Client, events
from wanflow._notebook_progress import MAX_ROWS, NotebookProgress

if TYPE_CHECKING:
    from wanflow.mock import MockServer


class Notebook:
    """What a kernel has of IPython: a shell that counts cells, and displays that can change."""

    def __init__(self) -> None:
        self.displays: list[list[dict[str, str]]] = []
        self.shell: Any = SimpleNamespace(kernel=None, execution_count=1)

    def get_ipython(self) -> Any:
        """Return the shell."""
        return self.shell

    def display(self, content: dict[str, str], *, raw: bool, display_id: bool) -> Any:
        """Show a content, and return what changes it."""
        assert raw
        assert display_id
        shown = [content]
        self.displays.append(shown)

        def update(content: dict[str, str], *, raw: bool) -> None:
            assert raw
            shown.append(content)

        return SimpleNamespace(update=update)

    @property
    def texts(self) -> list[str]:
        """What each display shows at last."""
        return [shown[-1]["text/plain"] for shown in self.displays]


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Notebook:
    """This process as a kernel."""
    kernel = Notebook()
    monkeypatch.setitem(sys.modules, "IPython", kernel)
    monkeypatch.setitem(sys.modules, "IPython.display", kernel)
    return kernel


def polled(task_id: str, status: str = "processing", progress: int = 10) -> events.Polled:
    return events.Polled(
        0.0, 0.0, operation="wait", task_id=task_id, number=1, status=status, progress=progress
    )


def completed(task_id: str) -> events.Completed:
    return events.Completed(0.0, 0.0, operation="wait", task_id=task_id, polls=1, links=1)


def test_each_cell_has_one_table(notebook: Notebook, mock: MockServer, api_key: str) -> None:
    """Each of its tasks has a row; a later cell has a table of its own."""
    with Client(api_key, mock.base_url) as client:
        for cell in (1, 2):
            notebook.shell.execution_count = cell
            ids = [
                client.run(model=model_name("image"), prompt=prompt).task_id
                for prompt in ("a", "b")
            ]
            assert notebook.texts[cell - 1 :] == ["\n".join(f"{one}  completed" for one in ids)]
    assert all(len(shown) > 1 for shown in notebook.displays)


def test_a_task_stays_in_the_table_in_which_it_began(notebook: Notebook) -> None:
    """Also when it ends while a later cell runs; what is done for it afterwards is shown there."""
    show = NotebookProgress()
    show(polled("t-1"))
    notebook.shell.execution_count = 2
    show(polled("t-2"))
    show(completed("t-1"))
    assert notebook.texts == ["t-1  completed", "t-2  processing 10 %"]
    saved: dict[str, Any] = {"position": 1, "count": 1, "path": "a.png", "size": 1, "attempts": 1}
    show(events.Saved(0.0, 0.0, operation="download", task_id="t-1", **saved))
    assert notebook.texts == ["t-1  completed", "t-2  processing 10 %\nt-1  saved a.png"]


def test_of_many_tasks_the_latest_are_shown(notebook: Notebook) -> None:
    """The others are counted, so that a batch of thousands doesn't make the page slow."""
    show = NotebookProgress()
    count = 50 * MAX_ROWS
    for number in range(count):
        show(completed(f"t-{number}"))
    *rows, summary = notebook.texts[0].splitlines()
    assert len(rows) == MAX_ROWS
    assert summary == f"{count} tasks, of which {count} have ended"
    assert all(shown["text/html"].count("<tr>") <= MAX_ROWS for shown in notebook.displays[0])


@settings(max_examples=examples(100))
@given(st.text("<>\"'&/ scriptjavho:"), st.text("<>\"'&/ scriptjavho:"))
def test_no_text_of_others_becomes_html(notebook: Notebook, task_id: str, path: str) -> None:
    """Ids and paths are escaped."""
    notebook.displays.clear()
    saved: dict[str, Any] = {"position": 1, "count": 1, "path": path, "size": 1, "attempts": 1}
    NotebookProgress()(events.Saved(0.0, 0.0, operation="download", task_id=task_id, **saved))
    html = notebook.displays[0][0]["text/html"]
    for known in ("<table>", "</table>", "<tr>", "</tr>", "<td>", "</td>"):
        html = html.replace(known, "")
    html = html.replace('<progress max="100" value="100"></progress>', "")
    assert not set(html) & set("<>\"'")


@pytest.mark.parametrize("client", [Client, AsyncClient])
@pytest.mark.parametrize("process", ["no IPython", "IPython without a kernel", "own function"])
def test_elsewhere_nothing_is_shown(
    notebook: Notebook,
    monkeypatch: pytest.MonkeyPatch,
    mock: MockServer,
    client: Any,
    process: str,
) -> None:
    """Neither in other processes, nor by a client with its own function."""
    own = print if process == "own function" else None
    if process == "no IPython":
        monkeypatch.delitem(sys.modules, "IPython")
    elif process == "IPython without a kernel":
        notebook.shell = SimpleNamespace(execution_count=1)
    assert client("a-key", mock.base_url, on_event=own)._config.on_event is own
