"""Source specs are imported from URLs, and fetched again later."""

from __future__ import annotations

import shutil
import socket
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from tests.spec.family import VIDEOS, document, request
from tests.spec.site import Page, Site
from wanflow.cli.spec import spec
from wanflow.spec.errors import NotFetched
from wanflow.spec.intake.fetch import Fetcher, PageGone, PageVersion
from wanflow.spec.intake.published import links_of
from wanflow.spec.project import Checkout
from wanflow.spec.read.lock import read_lock
from wanflow.spec.read.yaml import write_yaml
from wanflow.spec.watch import Outcome, Watch

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]

ROOT = Path(__file__).parents[3]
TEXT = {"type": "string"}


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as made:
        yield made


@pytest.fixture
def project(tmp_path: Path) -> Checkout:
    """An empty checkout without a generated client."""
    (tmp_path / "checkout" / "specs" / "sources").mkdir(parents=True)
    return Checkout(tmp_path / "checkout")


def page(model: str, **properties: Json) -> str:
    text = write_yaml(document(request(model, **properties)))
    return f"# {model}\n\n````yaml en/{model}.json post {VIDEOS}\n{text}````\n"


def run(project: Checkout, *words: str) -> tuple[int, str]:
    done = CliRunner().invoke(spec, ["--root", str(project.root), *words])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.output


def files(project: Checkout) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in project.root.rglob("*") if path.is_file()}


def names(project: Checkout) -> set[str]:
    return {path.stem for path in project.sources.iterdir()}


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        *(("/en/nova-1.md", "text/markdown"), ("/en/nova-1", "text/html; charset=utf-8")),
        *(("/nova-1.yaml", "text/plain"), ("/nova-1", "application/yaml"), ("/nova-1", "")),
        *(("/nova-1.json", "application/json"), ("/nova-1", "application/json")),
    ],
)
def test_a_page_or_a_document_is_imported_from_its_url(
    site: Site, project: Checkout, path: str, kind: str
) -> None:
    """The kind is known by name, media type or content; the lock has URL and version."""
    data = document(request("nova-1", prompt=TEXT))
    import json

    text = page("nova-1", prompt=TEXT)
    if "yaml" in path + kind or not kind:
        text = write_yaml(data)
    if "json" in path + kind:
        text = json.dumps(data)
    url = site.put(path, text, etag='"one"', kind=kind)
    code, output = run(project, "import", url)
    assert (code, names(project)) == (0, {"nova-1"}), output
    entry = read_lock(project.lock)["nova-1"]
    assert (entry.origin, entry.etag) == (url, '"one"')


def test_a_page_is_fetched_again_with_a_conditional_request(site: Site, project: Checkout) -> None:
    """Without changes the exit code is 0; a changed page gives 1 and is imported."""
    url = site.put("/nova-1.md", page("nova-1"), etag='"one"')
    assert run(project, "import", url)[0] == 0
    before = files(project)
    assert run(project, "watch") == (0, "nothing new\n1 page fetched\n")
    assert site.asked[-1][1]["if-none-match"] == '"one"'
    assert files(project) == before
    site.put("/nova-1.md", page("nova-1", seed={"type": "integer"}), etag='"two"')
    code, output = run(project, "watch")
    assert code == 1
    assert "nova-1: replaced; additive" in output
    assert "/seed" in output
    assert read_lock(project.lock)["nova-1"].etag == '"two"'
    assert run(project, "watch")[0] == 0


def test_a_page_with_the_same_content_and_another_version_is_unchanged(
    site: Site, project: Checkout
) -> None:
    """The bytes are compared; the next request has the newer ETag."""
    url = site.put("/nova-1.md", page("nova-1"), etag='"one"')
    run(project, "import", url)
    site.put("/nova-1.md", page("nova-1") + "\nMore text.\n", etag='"two"')
    assert run(project, "watch")[0] == 0
    assert read_lock(project.lock)["nova-1"].etag == '"two"'


@pytest.mark.parametrize("status", [404, 410, 503, 500, 403, 429, 204, 206, 300])
def test_a_page_that_fails_is_never_reported_as_unchanged(
    site: Site, project: Checkout, status: int
) -> None:
    """The exit code is 9, a removed page is reported as gone, and the source is unchanged."""
    url = site.put("/nova-1.md", page("nova-1"))
    run(project, "import", url)
    before = files(project)
    site.pages["/nova-1.md"] = Page(status=status)
    code, output = run(project, "watch")
    assert code == 9
    assert f"HTTP {status}" in output
    assert ("is gone" in output) == (status in {404, 410})
    assert files(project) == before


def test_one_failure_does_not_stop_the_other_imports(site: Site, project: Checkout) -> None:
    """Of four pages one changed, one is invalid, one is gone, and one is unreachable."""
    for number in range(4):
        assert run(project, "import", site.put(f"/{number}.md", page(f"nova-{number}")))[0] == 0
    site.put("/0.md", page("nova-0", seed={"type": "integer"}))
    site.put("/1.md", "# Nothing here any more\n")
    del site.pages["/2.md"]
    site.pages["/3.md"] = Page(status=302, location="ftp://example.com/")
    code, output = run(project, "watch")
    assert code == 9
    assert "nova-0: replaced" in output
    assert output.count("failed: ") == 3
    assert "seed" in (project.sources / "nova-0.yaml").read_text()
    assert names(project) == {f"nova-{number}" for number in range(4)}


def test_only_the_changed_page_that_contradicts_others_is_not_imported(
    site: Site, project: Checkout
) -> None:
    """Of two changed pages the valid one is imported, and the other is an error."""
    for name in ("nova-1", "nova-2"):
        assert run(project, "import", site.put(f"/{name}.md", page(name)))[0] == 0
    site.put("/nova-1.md", page("nova-1", seed={"type": "integer"}))
    site.put("/nova-2.md", page("nova-2", seed={"type": "integer", "pattern": "("}))
    code, output = run(project, "watch")
    assert (code, output.count("failed: ")) == (9, 1)
    assert "seed" in (project.sources / "nova-1.yaml").read_text()
    assert "seed" not in (project.sources / "nova-2.yaml").read_text()


def test_new_documents_are_found_by_an_index(site: Site, project: Checkout) -> None:
    """Only specs with a model, on the same host, are imported; others are no error."""
    run(project, "import", site.put("/en/nova-1.md", page("nova-1"), etag='"1"'))
    site.put("/en/nova-2.md", page("nova-2"))
    site.put("/en/about.md", "# About\n\nWe make films.\n```bash\ncurl\n```\n")
    site.put("/en/logo.png", "no page")
    index = site.put(
        "/llms.txt",
        "# Docs\n- [One](/en/nova-1.md)\n- [Two](en/nova-2.md): new\n"
        f"- [About]({site.url('/en/about.md')})\n"
        "- ![](/en/logo.png)\n- [Elsewhere](https://other.example.com/nova-3.md)\n",
    )
    code, output = run(project, "watch", "--index", index)
    assert code == 1, output
    assert "nova-2: new, from" in output
    assert names(project) == {"nova-1", "nova-2"}
    assert not [path for path, _ in site.asked if "png" in path]
    assert run(project, "watch", "--index", index)[0] == 0
    del site.pages["/llms.txt"]
    assert run(project, "watch", "--index", index)[0] == 9


NO_URLS = ("http://[::1/x.md", "//[", "http://a\u2100b.example.com/x.md")


def test_a_link_that_is_no_url_keeps_nothing_from_being_imported(
    site: Site, project: Checkout
) -> None:
    """What changed and what is new is imported, whatever else an index says."""
    run(project, "import", site.put("/nova-1.md", page("nova-1")))
    site.put("/nova-1.md", page("nova-1", seed={"type": "integer"}))
    site.put("/nova-2.md", page("nova-2"))
    links = [f"- [a]({link})\n" for link in (*NO_URLS, "/nova-2.md")]
    code, output = run(project, "watch", "--index", site.put("/llms.txt", "".join(links)))
    assert code == 1, output
    assert names(project) == {"nova-1", "nova-2"}
    assert "seed" in (project.sources / "nova-1.yaml").read_text()


@pytest.mark.parametrize("place", NO_URLS)
def test_a_redirect_to_no_url_is_reported(site: Site, place: str) -> None:
    """The message has both places."""
    site.pages["/old.md"] = Page(status=302, location=place.encode().decode("latin-1"))
    with pytest.raises(NotFetched, match=r"/old\.md"):
        Fetcher().fetch(site.url("/old.md"))


@pytest.mark.parametrize("name", ["watch", "diff", "drift"])
def test_an_unexpected_error_has_a_code_of_its_own(
    name: str, project: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The codes 0, 1 and 2 of these commands say what was found."""
    module = {"watch": "watch.Watch.run", "diff": "diff.diff.compare", "drift": "drift.find_drift"}

    def fail(*_: object, **__: object) -> None:
        raise ValueError("of no kind")

    monkeypatch.setattr(f"wanflow.spec.{module[name]}", fail)
    sides = [str(ROOT / "specs/openapi.yaml")] * 2 if name == "diff" else []
    code, output = run(project, name, *sides)
    assert (code, output) == (10, "wanflow spec: unexpected ValueError: of no kind\n")


def test_links_are_read_in_any_form() -> None:
    """Markdown, plain URLs and HTML; other hosts only if that is enabled."""
    text = '[a](/a.md) <https://b.example.com/b.md> <a href="c.yaml"> https://a.example.com/d#x'
    at = "https://a.example.com/docs/llms.txt"
    own = ["https://a.example.com/a.md", "https://a.example.com/docs/c.yaml"]
    own += ["https://a.example.com/d"]
    assert sorted(links_of(at, text)) == sorted(own)
    every = links_of(at, text, anywhere=True)
    assert sorted(every) == sorted([*own, "https://b.example.com/b.md"])


def test_a_redirect_is_followed_only_to_a_safe_url(site: Site) -> None:
    """The number of redirects is limited."""
    site.put("/new.md", "here")
    site.pages["/old.md"] = Page(status=301, location="/new.md")
    fetched = Fetcher().fetch(site.url("/old.md"))
    assert (fetched.url, fetched.data) == (site.url("/new.md"), b"here")
    site.pages["/round"] = Page(status=302, location="/round")
    with pytest.raises(NotFetched, match="redirects more than 5 times"):
        Fetcher().fetch(site.url("/round"))
    for place in (
        "file:///etc/passwd",
        "ftp://a.example.com/",
        "http://example.com/",
        "gopher://a/",
    ):
        site.pages["/bad"] = Page(status=302, location=place)
        with pytest.raises(NotFetched, match=r"isn't https|can't be fetched"):
            Fetcher().fetch(site.url("/bad"))
        assert site.asked[-1][0] == "/bad"


@pytest.mark.parametrize(
    "url",
    [
        *("http://example.com/a.md", "ftp://example.com/a", "file:///etc/passwd", "data://x"),
        *("https://10.0.0.1/a.md", "https://192.168.1.1/", "https://169.254.169.254/latest"),
        *("https://[fd00::1]/a", "https://0x7f000001/", "https://me:secret@example.com/a.md"),
        *("https:///a", "https://", "https://[", "http://127.0.0.1.example.com/"),
    ],
)
def test_an_unsafe_url_is_rejected(url: str, project: Checkout) -> None:
    """Other schemes, private addresses and passwords: one line without the password, and 9."""
    code, output = run(project, "import", url)
    assert code == 9, output
    assert output.count("\n") == 1
    assert "secret" not in output


def test_a_public_name_of_a_private_address_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    """The resolved address decides, not the name."""
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)

    def inside(*_: object, **__: object) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.1.2.3", 443))]

    monkeypatch.setattr(socket, "getaddrinfo", inside)
    with pytest.raises(NotFetched, match=r"10\.1\.2\.3, a private address"):
        Fetcher().fetch("https://docs.example.com/nova.md")


def test_the_environments_proxy_is_used(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests to other machines use it; its rejection is the error."""
    monkeypatch.setenv("https_proxy", site.url(""))
    monkeypatch.setenv("HTTPS_PROXY", site.url(""))
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("NO_PROXY", "")
    with pytest.raises(NotFetched, match="can't be fetched"):
        Fetcher().fetch("https://docs.example.com/nova.md")


def test_endless_large_and_slow_pages_are_abandoned(site: Site) -> None:
    """Size and time are limited, whatever the server sends."""
    site.pages["/endless"] = Page(endless=True)
    # Each time the clock is read, 15 seconds have passed, however fast the machine is.
    with pytest.raises(NotFetched, match="takes more than 60 s"):
        Fetcher(timeout=60.0, now=count(0.0, 15.0).__next__).fetch(site.url("/endless"))
    site.pages["/large"] = Page(b"x" * 2000)
    with pytest.raises(NotFetched, match="more than 1,000 bytes"):
        Fetcher(max_bytes=1000).fetch(site.url("/large"))
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(NotFetched, match="can't be fetched"):
            Fetcher(timeout=0.3).fetch(f"http://127.0.0.1:{silent.getsockname()[1]}/")
    with pytest.raises(PageGone, match="is gone"):
        Fetcher().fetch(site.url("/nowhere"), PageVersion('"x"'))


def test_no_credentials_are_sent(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the client's key, nor a password of a netrc file, nor cookies are sent."""
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("WANFLOW_API_KEY", "secret-key")
    site.put("/a.md", "x")
    Fetcher().fetch(site.url("/a.md"))
    assert not {"authorization", "cookie"} & site.asked[-1][1].keys()
    assert "secret" not in str(site.asked)


@pytest.mark.processes
def test_changes_are_regenerated_and_summarized(site: Site, tmp_path: Path) -> None:
    """In a checkout with a client, the summary is that of `regenerate`."""
    (tmp_path / "specs" / "sources").mkdir(parents=True)
    (tmp_path / "generated").mkdir()
    for name in ("config.yaml", "ruff.toml"):
        shutil.copy(ROOT / "generated" / name, tmp_path / "generated" / name)
    project = Checkout(tmp_path)
    assert run(project, "import", site.put("/nova-1.md", page("nova-1")))[0] == 0
    assert run(project, "regenerate")[0] == 0
    site.put("/nova-1.md", page("nova-1", seed={"type": "integer"}))
    watched = Watch(project).run()
    assert watched.outcome is Outcome.CHANGED
    assert watched.regenerated is not None
    assert "1 model changed (nova-1)" in watched.to_text()
    assert "seed" in project.spec.read_text()
