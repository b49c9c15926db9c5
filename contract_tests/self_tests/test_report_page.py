"""The page of the report in a real browser: light and dark, narrow and wide, by keyboard."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from self_tests.report_data import IMAGE, QUERY, VIDEO, exchange, finding, result_with
from tests.mock.page.conftest import PROGRAMS, Browser
from wanflow_contract.report.html import render

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wanflow_contract.report.result import RunResult


pytestmark = pytest.mark.processes
WIDTHS = (320, 768, 1400)
LONG = "an-unbroken-word-of-a-server-" * 40


def long_result() -> RunResult:
    """Return a result with several causes and long texts in every place."""
    result = result_with(LONG)
    more = [
        finding(
            "schema",
            operation,
            "response /error/code",
            f"{status}: violates type",
            exchanges=[exchange(f'{{"error": "{LONG}"}}', status)],
        )
        for operation in (VIDEO, IMAGE, QUERY)
        for status in (400, 401, 404)
    ]
    result.findings.extend(more)
    return result


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A tab with the report."""
    program = next(filter(shutil.which, PROGRAMS), None)
    if program is None:
        pytest.skip("the page is tested in Chromium, which isn't here (apt install chromium)")
    folder = tmp_path_factory.mktemp("page")
    page = Path(folder, "report.html")
    page.write_text(render(long_result()), errors="backslashreplace")
    browser = Browser(program, tmp_path_factory.mktemp("chromium"))
    browser._call("Page.navigate", url=page.as_uri())
    browser.until("document.readyState === 'complete' && document.querySelector('h1') !== null")
    yield browser
    browser.close()


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_wider_than_the_window(tab, width) -> None:
    """No horizontal scroll bar, also with everything open."""
    tab.resize(width, 900)
    tab("document.querySelectorAll('details').forEach((one) => { one.open = true })")
    assert tab("document.documentElement.scrollWidth") <= width
    wider = "[...document.querySelectorAll('main *')].filter((e) => e.scrollWidth > innerWidth)"
    assert tab(f"{wider}.length") == 0
    tab("document.querySelectorAll('details').forEach((one) => { one.open = false })")
    assert tab("document.documentElement.scrollWidth") <= width


# The contrast of each text with its background, by the formula of WCAG 2.
CONTRAST = """(() => {
  const parse = (text) => text.match(/[0-9.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const found = parse(getComputedStyle(e).backgroundColor);
      if (found.length < 4 || found[3] > 0) return found;
    }
    return [255, 255, 255];
  };
  const ratios = [...document.querySelectorAll('main *')]
    .filter((e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))
    .map((e) => {
      const [a, b] = [light(parse(getComputedStyle(e).color)), light(behind(e))];
      return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    });
  return Math.min(...ratios);
})()"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_enough_contrast(tab, scheme) -> None:
    """Each text has a contrast of 4.5 at least, and the page follows the system's scheme."""
    tab.prefer(scheme)
    assert tab(CONTRAST) >= 4.5
    dark = tab("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
    assert dark == (scheme == "dark")


def test_details_are_closed_and_open_by_keyboard(tab) -> None:
    """The page is short at first; the keyboard reaches a cause and opens its details."""
    tab.resize(1200, 900)
    assert tab("document.querySelectorAll('details[open]').length") == 0
    assert tab("document.querySelectorAll('details').length") > 5
    tab("document.querySelector('article summary').focus()")
    tab.press("Enter", "\r", 13)
    tab.until("document.querySelectorAll('details[open]').length === 1")
    tab.press("Enter", "\r", 13)
    tab.until("document.querySelectorAll('details[open]').length === 0")
    shown = "filter((one) => one.checkVisibility({ contentVisibilityAuto: true }))"
    focusable = f"[...document.querySelectorAll('a, summary')].{shown}"
    assert tab(
        f"{focusable}.every((one) => {{ one.focus(); return document.activeElement === one }})"
    )
    assert tab("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_the_verdict_and_the_causes_are_at_the_top(tab) -> None:
    """On a wide screen the verdict and the table of causes begin in the first window."""
    tab.resize(1400, 900)
    tab("scrollTo(0, 0)")
    assert tab("document.querySelector('h1').getBoundingClientRect().bottom") < 450
    assert tab("document.querySelector('table').getBoundingClientRect().top") < 900
    assert tab("document.querySelector('main').children[0].tagName") == "H1"


def test_the_page_loads_nothing(tab) -> None:
    """No request to anywhere, and no error."""
    assert tab("performance.getEntriesByType('resource').length") == 0
    assert tab.problems == []
