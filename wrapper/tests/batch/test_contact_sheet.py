"""The contact sheet in a real browser, opened from the disk: films, light and dark, costs."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from tests.mock.page.conftest import Browser, tab
from wanflow import Client, Ledger
from wanflow.catalog.catalog import packaged_catalog
from wanflow.mock import MockServer

if TYPE_CHECKING:
    from pathlib import Path

    from wanflow.batch import Report

pytestmark = pytest.mark.processes

__all__ = ["tab"]
PROMPT = '<script>document.title = "taken"</script><b>"fox" & \'hound\'</b>'
MODELS = [m for m in packaged_catalog().models.values() if m.required == ("prompt",)]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """A batch of a film, a picture and a task that failed, in a folder with a strange name."""
    folder: Path = tmp_path_factory.mktemp("sheet") / "a <b> #1 100%"
    kinds = {model.kind: model.name for model in MODELS}
    prompts = [*((name, PROMPT) for name in kinds.values())]
    prompts.append((kinds["image"], "[mock:fail=generation_timeout] x"))
    jobs = [{"model": name, "prompt": prompt} for name, prompt in prompts]
    with (
        MockServer(polls=1) as mock,
        Ledger(folder.parent / "l.db") as ledger,
        Client(mock.api_key, mock.base_url, ledger=ledger) as client,
    ):
        return client.batch(jobs, folder)


def opened(tab: Browser, report: Report) -> Browser:
    tab.problems.clear()
    tab._call("Page.navigate", url=(report.output_dir / "index.html").as_uri())
    tab.until("document.readyState === 'complete' && document.querySelectorAll('figure').length")
    return tab


def area(tab: Browser, selector: str) -> Image.Image:
    """Return what the browser shows of an element."""
    box: Any = tab(
        f"(() => {{ const e = document.querySelector('{selector}');"
        " e.scrollIntoView(); const r = e.getBoundingClientRect();"
        " return [r.left, r.top, r.right, r.bottom] })()"
    )
    return Image.open(BytesIO(tab.screenshot())).convert("RGB").crop(tuple(map(int, box)))


@pytest.mark.processes
def test_a_film_shows_its_beginning(tab: Browser, report: Report) -> None:
    """Its frame is there before it is played: the page has more than a black box."""
    opened(tab, report).until("document.querySelector('video').readyState >= 2")
    shown = area(tab, "video")
    middle = shown.crop((0, shown.height // 4, shown.width, shown.height // 2))
    colors = middle.getcolors(1 << 20) or []
    assert len(colors) > 50
    assert max(sum(color) for _, color in colors) > 200
    assert tab("document.querySelector('video').paused")


@pytest.mark.parametrize(("scheme", "dark"), [("light", False), ("dark", True)])
def test_it_is_light_or_dark_as_the_system_is(
    tab: Browser, report: Report, scheme: str, dark: bool
) -> None:
    """The background and the text change together."""
    opened(tab, report).prefer(scheme)
    page = Image.open(BytesIO(tab.screenshot())).convert("L")
    assert (page.getpixel((2, 2)) < 64) is dark  # type: ignore[operator]
    low, high = area(tab, "h1").convert("L").getextrema()
    assert high - low > 150  # type: ignore[operator]


def test_it_has_the_cost_of_each_job_and_of_all(tab: Browser, report: Report) -> None:
    """The failed task says what it cost, too."""
    opened(tab, report)
    costs = [f"{one.credits:g} credits" for one in report.results if one.credits is not None]
    assert len(costs) == len(report.results) == 3
    texts = tab("[...document.querySelectorAll('figcaption small')].map((e) => e.innerText)")
    assert all(cost in text for cost, text in zip(costs, texts, strict=True))
    assert f"{report.credits_spent:g} credits in all" in tab("document.body.innerText")


def test_texts_of_others_are_texts(tab: Browser, report: Report) -> None:
    """A prompt with markup is shown as it was written, and no script runs."""
    opened(tab, report)
    assert tab("document.title") == report.output_dir.name
    assert tab("document.querySelectorAll('script, figcaption p b').length") == 0
    assert PROMPT in tab("document.querySelector('figcaption p').innerText")
    assert tab.problems == []


def test_pictures_are_shown(tab: Browser, report: Report) -> None:
    """The files are found, whatever the folder's name."""
    opened(tab, report).until("document.querySelector('img').naturalWidth > 0")
