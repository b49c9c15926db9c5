"""The documentation as a site: what `make docs` collects, generates and checks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from docs_build.build import complete_settings
from docs_build.collect import ELSEWHERE, collect
from docs_build.copy_checks import check_copies
from docs_build.html_as_markdown import article_as_markdown
from docs_build.markdown_copies import DIRECTIVE, listed
from docs_build.public_names import public_names
from docs_build.reference import write_reference
from docs_build.reference_errors import AdviceMissing, public_errors, write_error_pages
from docs_build.site_checks import check_site, parse, undocumented

from tests.mock.page.conftest import PROGRAMS, Browser
from tests.packaging.surface import public_modules

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
FOUND = (
    "[...document.querySelectorAll('div')].some("
    "(one) => one.shadowRoot?.querySelector('ol a h2')?.textContent === 'SubmitUncertain')"
)
MODULES = public_modules(ROOT / "wrapper/tests/packaging/public_modules.txt")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages of this checkout, before they are rendered."""
    folder = tmp_path_factory.mktemp("pages")
    collect(ROOT, folder)
    write_reference(ROOT, folder)
    return folder


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built from the files that git has, in another place."""
    folder = tmp_path_factory.mktemp("checkout")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    environment = {
        **os.environ,
        "PYTHONPATH": ":".join(
            str(folder / name) for name in ("wrapper", "generated", "contract_tests")
        ),
    }
    before = {path for path in folder.rglob("*") if "__pycache__" not in path.parts}
    done = subprocess.run(
        [sys.executable, "-m", "docs_build", str(folder / "build/site")],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    after = {path for path in folder.rglob("*") if "__pycache__" not in path.parts}
    assert {path.relative_to(folder).parts[0] for path in after - before} == {"build"}
    return folder / "build/site"


def settings_of(pages: Path) -> dict[str, Any]:
    """The settings of the site of these pages."""
    return dict(tomllib.loads(complete_settings(pages))["project"])


def site_of(folder: Path, **pages: str) -> Path:
    """Write a small site with an inventory of all public names."""
    folder.mkdir(exist_ok=True)
    for name, text in pages.items():
        (folder / f"{name}.html").write_text(text)
    lines = "".join(f"{name} py:class 1 api.html#$ -\n" for name in public_names(ROOT))
    head = b"# Sphinx inventory version 2\n# Project: x\n# Version: 0\n# zlib.\n"
    (folder / "objects.inv").write_bytes(head + zlib.compress(lines.encode()))
    return folder


class TestChecks:
    """Each rule for the built site is checked, and a correct site passes."""

    @pytest.mark.processes
    @pytest.mark.parametrize(
        ("body", "finding"),
        [
            ('<a href="b.html#there">b</a><p id="here"><a href="#here">a</a>', ""),
            ('<a href="https://example.com">elsewhere</a><img src="data:image/png;base64,">', ""),
            ('<a href="c.html">c</a>', "a.html: c.html: there is no such file"),
            ('<a href="b.html#nowhere">b</a>', "a.html: b.html#nowhere: there is no such anchor"),
            ('<a href="#nowhere">a</a>', "a.html: #nowhere: there is no such anchor"),
            ('<img src="picture.png">', "a.html: picture.png: there is no such file"),
            ('<a href="../outside.txt">x</a>', "a.html: ../outside.txt: the file is outside"),
            ('<a href="..">x</a>', "a.html: ..: there is no such file"),
            ('<script src="https://cdn.example/x.js"></script>', "loads https://cdn.example/x.js"),
            ('<script src="//cdn.example/x.js"></script>', "loads //cdn.example/x.js"),
            ('<link rel="stylesheet" href="http://fonts.example/x">', "loads http://fonts.example"),
            ('<img src="https://example.com/x.png">', "loads https://example.com/x.png"),
            ('<iframe src="https://example.com"></iframe>', "loads https://example.com"),
            ("<style>@import 'https://fonts.example/x'</style>", "may load https://fonts.example"),
            ("<script>fetch('https://example.com/x')</script>", "may load https://example.com/x"),
        ],
    )
    def test_what_a_page_links_and_loads(self, tmp_path: Path, body: str, finding: str) -> None:
        """A link to nothing, a missing anchor and a request to another host are findings."""
        (tmp_path / "outside.txt").touch()
        site = site_of(tmp_path / "site", a=body, b='<h1 id="there">b</h1>')
        found = check_site(site, ROOT)
        assert len(found) == bool(finding)
        assert finding in "".join(found)

    @pytest.mark.processes
    @pytest.mark.parametrize("name", ["x.js", "x.css"])
    def test_what_scripts_and_style_sheets_load(self, tmp_path: Path, name: str) -> None:
        """A URL in one of them is a finding, unless it is the name of an XML namespace."""
        site = site_of(tmp_path / "site", a="")
        (site / name).write_text('url("http://www.w3.org/2000/svg")')
        assert check_site(site, ROOT) == []
        (site / name).write_text('url("https://fonts.example/x.woff")')
        assert check_site(site, ROOT) == [f"{name}: may load https://fonts.example/x.woff"]

    @pytest.mark.processes
    def test_a_directive_in_a_markdown_copy(self, tmp_path: Path) -> None:
        """It stands for text that a reader of the copy doesn't get."""
        site = site_of(tmp_path / "site", a="")
        (site / "a.md").write_text("# wanflow.batch\n\nJobs::: many.\n")
        assert check_site(site, ROOT) == []
        (site / "a.md").write_text("# wanflow.batch\n\n::: wanflow.batch\n")
        found = "a.md: has a directive that only the renderer knows"
        assert check_site(site, ROOT) == [found]

    @pytest.mark.processes
    def test_a_public_name_that_is_not_described(self, tmp_path: Path) -> None:
        """It is named, whether it is of a module or of a class."""
        site = site_of(tmp_path / "site", a="")
        names = [*public_names(ROOT), "wanflow.Unknown", "wanflow.Client.unknown"]
        assert list(undocumented(site / "objects.inv", names)) == [
            "wanflow.Unknown is public, and no page describes it",
            "wanflow.Client.unknown is public, and no page describes it",
        ]

    def test_a_site_without_pages_is_a_finding(self, tmp_path: Path) -> None:
        """Otherwise the checks of nothing would pass."""
        assert len(check_site(tmp_path, ROOT)) == 1

    @pytest.mark.processes
    def test_every_kind_of_public_name_is_asked_for(self) -> None:
        """Those of modules, methods of both clients, inherited ones, and fields."""
        names = set(public_names(ROOT))
        assert {"wanflow.Client", "wanflow.AsyncClient.submit", "wanflow.Snapshot.urls"} <= names
        assert {"wanflow.Client.preview", "wanflow.events.Submitted.task_id"} <= names
        assert {name.rpartition(".")[0] for name in names} >= set(MODULES)


PAGE = "<h1>Many jobs</h1><p>A <code>Job</code>s list, <a href='#b'>here</a>.</p><p id='b'>End</p>"
COPY = "# Many jobs\n\nA `Job`s list, [here](#b).\n\nEnd\n"


class TestCopies:
    """The Markdown of each page is there, says the same, and `llms.txt` lists it."""

    @pytest.mark.parametrize(
        ("copy", "listed", "finding"),
        [
            (COPY, "[a](a.md)", ""),
            (None, "", "a.html: there is no Markdown of it"),
            (None, "[a](a.md)", "llms.txt: a.md: there is no such file"),
            (COPY, "", "llms.txt: doesn't list a.md"),
            (COPY.replace("list", "lists"), "[a](a.md)", "a.md: its text isn't that of the page"),
            (COPY.replace("#b", "#c"), "[a](a.md)", "a.md: #c: there is no such anchor"),
            (COPY.replace("#b", "c.md"), "[a](a.md)", "a.md: c.md: there is no such file"),
            (COPY.replace("#b", "https://example.com"), "[a](a.md)", ""),
        ],
    )
    def test_what_is_wrong_with_a_copy(
        self, tmp_path: Path, copy: str | None, listed: str, finding: str
    ) -> None:
        """And nothing is wrong with a correct one."""
        (tmp_path / "a.html").write_text(f"<article>{PAGE}</article>")
        (tmp_path / "llms.txt").write_text(listed)
        if copy is not None:
            (tmp_path / "a.md").write_text(copy)
        found = list(check_copies(tmp_path))
        assert finding in found if finding else found == []

    def test_a_copy_without_a_page_is_a_finding(self, tmp_path: Path) -> None:
        """Nobody would see that it is old."""
        (tmp_path / "a.md").write_text(COPY)
        assert "a.md: there is no page of it" in list(check_copies(tmp_path))

    def test_code_is_compared_too_and_its_brackets_are_no_links(self, tmp_path: Path) -> None:
        """A line of a block differs, so a reader of the copy would run another command."""
        html = "<article><pre>jobs[0](1)\n1. run</pre></article>"
        (tmp_path / "a.html").write_text(html)
        (tmp_path / "llms.txt").write_text("[a](a.md)")
        (tmp_path / "a.md").write_text("```python\njobs[0](1)\n1. run\n```\n")
        assert list(check_copies(tmp_path)) == []
        (tmp_path / "a.md").write_text("```python\njobs[0](2)\n1. run\n```\n")
        assert list(check_copies(tmp_path)) == ["a.md: its text isn't that of the page"]

    def test_the_list_has_headings_of_one_level(self, tmp_path: Path) -> None:
        """Programs that read `llms.txt` know no others; an empty heading would be lost."""
        for name in ("a", "b", "c"):
            (tmp_path / f"{name}.md").write_text(f"# Page {name}\n")
        nav = ["a.md", {"In": [{"Deep": ["b.md"]}, {"Named": "c.md"}]}, {"Only": [{"X": ["a.md"]}]}]
        assert listed(nav, tmp_path) == [
            *("- [Page a](a.md)", "", "## In", "", "- [Named](c.md)"),
            *("", "## In: Deep", "", "- [Page b](b.md)"),
            *("", "## Only: X", "", "- [Page a](a.md)"),
        ]


class TestPages:
    """The sources are plain Markdown, and the rest is made from the code."""

    @pytest.mark.processes
    def test_every_page_has_one_place_in_the_navigation(self, pages: Path) -> None:
        """None is missing, and none is there twice."""
        named = list(self.named(settings_of(pages)["nav"]))
        assert len(named) == len(set(named))
        written = {path.relative_to(pages).as_posix() for path in pages.rglob("*.md")}
        assert set(named) == written

    def test_a_page_that_is_named_nowhere_is_a_how_to(self, tmp_path: Path) -> None:
        """So a new page is never missing."""
        (tmp_path / "errors").mkdir()
        for name in ("new.md", "index.md", "errors/New.md", "errors/index.md"):
            (tmp_path / name).write_text("# New\n")
        nav = settings_of(tmp_path)["nav"]
        assert nav[1]["How to"][-1] == "new.md"
        named = list(self.named(nav))
        assert [named.count(name) for name in ("new.md", "index.md", "errors/New.md")] == [1, 1, 1]

    def named(self, nav: list[Any]) -> Iterator[str]:
        """The pages in a part of the navigation."""
        for entry in nav:
            if isinstance(entry, str):
                yield entry
            else:
                for inside in entry.values():
                    yield from [inside] if isinstance(inside, str) else self.named(inside)

    def test_links_of_the_repository_become_links_of_the_site(self, tmp_path: Path) -> None:
        """To pages elsewhere, to files (which are copied), and not inside of code."""
        root, pages = tmp_path / "root", tmp_path / "pages"
        for name in ELSEWHERE:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text("# x\n")
        (root / "docs/errors").mkdir(parents=True)
        (root / "container").mkdir()
        (root / "container/x.yaml").write_text("a: 1\n")
        (root / "docs/a.md").write_text("# a\n")
        (root / "docs/errors/b.md").write_text(
            "[r](../../README.md#use) [a](../a.md) [y](../../container/x.yaml) [w](https://x.y)\n"
            "[here](#b) [folder](../../container)\n```\n[r](../../README.md)\n```\n"
        )
        collect(root, pages)
        assert (pages / "errors/b.md").read_text() == (
            "[r](../readme.md#use) [a](../a.md) [y](../files/container/x.yaml) [w](https://x.y)\n"
            "[here](#b) folder\n```\n[r](../../README.md)\n```\n"
        )
        assert (pages / "files/container/x.yaml").read_text() == "a: 1\n"

    @pytest.mark.processes
    def test_the_page_of_a_notebook_offers_its_file(self, pages: Path) -> None:
        """Other pages link the page."""
        assert "](notebook.ipynb)" in (pages / "notebook.md").read_text()
        assert (pages / "notebook.ipynb").is_file()
        assert "](notebook.md)" in (pages / "frameworks.md").read_text()

    @pytest.mark.processes
    def test_every_error_says_what_to_do(self, pages: Path) -> None:
        """And what it means, how it is caught, and its exit code."""
        assert len(public_errors(MODULES)) > 25
        for error in public_errors(MODULES):
            text = (pages / f"errors/{error.__name__}.md").read_text()
            _, _, advice = text.partition("\n## What to do\n")
            assert len(advice.split()) > 15, error
            assert (error.__doc__ or "").split(".")[0] in text
            assert f"import {error.__name__}\n" in text

    @pytest.mark.parametrize("change", ["removed", "added", "empty"])
    def test_an_error_without_advice_stops_the_build(self, tmp_path: Path, change: str) -> None:
        """So does advice for an error that there isn't."""
        folder = tmp_path / "errors"
        shutil.copytree(ROOT / "docs/errors", folder)
        if change == "removed":
            (folder / "NotFound.md").unlink()
        else:
            name = "NotFound" if change == "empty" else "Gone"
            (folder / f"{name}.md").write_text(f"# {name}\n")
        with pytest.raises(AdviceMissing, match=r"in NotFound|in Gone|NotFound.md"):
            write_error_pages(folder, MODULES)


def test_a_rendered_article_becomes_markdown() -> None:
    """Headings, paragraphs, lists, code and tables, without the links of headings."""
    html = """<nav>elsewhere</nav><article>
      <h2 id="x"><span>Report</span> <a href="#x" class="headerlink">&para;</a></h2>
      <div class="doc"><pre><span></span><code>Report(
    <span>a</span>: <a href="b.html">int</a>
)
</code></pre></div>
      <div><p>The <code>results</code> of a
      <em>batch</em> &amp; <a href="b.html">more</a>.</p><ul><li>one</li><li><p>two</p></li></ul>
      <table><thead><tr><th>Name</th><th>Type</th></tr></thead>
      <tbody><tr><td><code>a</code></td><td><code>int | None</code> <p>text</p></td></tr></tbody>
      </table>
      last</div></article><p>after</p>"""
    assert article_as_markdown(html) == (
        "## Report\n\n```python\nReport(\n    a: int\n)\n```\n\n"
        "The `results` of a *batch* & more.\n\n- one\n\n- two\n\n"
        "| Name | Type |\n|---|---|\n| `a` | `int \\| None` text |\n\nlast\n"
    )


@pytest.mark.slow  # it renders everything, which takes 10 s
class TestSite:
    """The whole site is built from a clean checkout."""

    def test_it_has_every_page_as_html_and_as_markdown(self, site: Path, pages: Path) -> None:
        """`llms.txt` links the Markdown of every page of the navigation."""
        written = [path.relative_to(pages) for path in pages.rglob("*.md")]
        assert [name for name in written if not (site / name.with_suffix(".html")).is_file()] == []
        assert [name for name in written if not (site / name).is_file()] == []
        index = (site / "llms.txt").read_text()
        named = TestPages().named(settings_of(pages)["nav"])
        assert all(f"]({name})" in index for name in named)
        assert list(check_copies(site)) == []

    @pytest.mark.parametrize("module", MODULES)
    def test_the_markdown_of_a_module_describes_its_public_names(
        self, site: Path, module: str
    ) -> None:
        """It has a heading for each, and no directive in place of them."""
        text = (site / f"reference/{module}.md").read_text()
        assert not DIRECTIVE.search(text)
        headings = {
            line.lstrip("# ").rpartition(".")[2] for line in text.splitlines() if line[:2] == "##"
        }
        own = {
            name.removeprefix(f"{module}.")
            for name in public_names(ROOT)
            if name.rpartition(".")[0] == module
        }
        assert own
        assert own <= headings


@pytest.mark.processes
def test_its_search_works_in_files_and_asks_no_server(site: Path, tmp_path: Path) -> None:
    """A browser finds a page, and fetches nothing but files."""
    program = next(filter(shutil.which, PROGRAMS), None)
    if program is None:
        pytest.skip("NOT CHECKED: the search: there is no Chromium")
    browser = Browser(program, tmp_path)
    try:
        browser._call("Network.enable")
        browser._call("Page.navigate", url=(site / "errors/TaskFailed.html").as_uri())
        browser.until("document.readyState === 'complete'")
        browser.click(".md-search__button")
        browser.until("document.activeElement.shadowRoot?.querySelector('input')")
        browser._call("Input.insertText", text="SubmitUncertain")
        browser.until(FOUND)
        entries = "performance.getEntriesByType('resource').map((one) => one.name)"
        assert [one for one in browser(entries) if not one.startswith("file:")] == []
        assert browser.problems == []
    finally:
        browser.close()


def test_the_parser_sees_what_browsers_fetch() -> None:
    """Each tag that loads something is collected, and a link is none of them."""
    page = parse('<a href="a"></a><video poster="b" src="c"></video><object data="d"></object>')
    assert page.links == ["a"]
    assert sorted(page.loads) == ["b", "c", "d"]
