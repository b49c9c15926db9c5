"""The page at `/_mock/` in a real browser."""

from __future__ import annotations

import json
import re

import httpx
import pytest

from tests.plain_http import PLAIN
from wanflow.catalog.catalog import packaged_catalog
from wanflow.mock import MockServer

pytestmark = pytest.mark.processes

CATALOG = packaged_catalog()
MODEL = next(model for model in CATALOG.models.values() if model.kind == "image")
QUERY = CATALOG.status_operation.operation_id
ROW = "document.querySelector('#task-rows tr')"


def submit(server, prompt="a cat", **headers) -> httpx.Response:
    return httpx.post(
        server.base_url + MODEL.path,
        json={**MODEL.example, "prompt": prompt},
        headers={"Authorization": "Bearer mock-key", **headers},
        **PLAIN,
    )


def text_of(browser, selector: str) -> str:
    return str(browser(f"document.querySelector({json.dumps(selector)}).innerText"))


class TestLife:
    """A task, a fault and the clock, used by mouse clicks."""

    @pytest.mark.processes
    def test_a_task_from_its_submission_to_its_image(self, browser, server) -> None:
        """A task is submitted, advanced by the clock, and shown when completed."""
        entry = f"[data-operation={MODEL.operation_id}]"
        browser.click(f"{entry} summary")
        browser.choose(f"{entry} select", MODEL.name)
        browser.click(f"{entry} form > button")
        browser.until(f"document.querySelector('{entry} > pre').innerText.startsWith('200')")
        browser.until(f"{ROW}.innerText.includes('pending')")
        assert MODEL.name in text_of(browser, "#task-rows tr")
        browser.click("[data-seconds='60']")
        browser.until(f"{ROW}.innerText.includes('50 %')")
        assert "processing" in text_of(browser, "#task-rows tr")
        browser.click("[data-seconds='60']")
        browser.until(f"{ROW}.innerText.includes('completed')")
        browser("document.querySelector('#task-rows img').scrollIntoView()")
        assert browser.until("document.querySelector('#task-rows img').naturalWidth") > 100
        task = browser(f"{ROW}.dataset.task")
        assert next(iter(server.gateway.tasks)).id == task

    def test_a_video_is_previewed(self, browser, server) -> None:
        """A visible video shows its first frame before it is played."""
        model = next(model for model in CATALOG.models.values() if model.kind == "video")
        httpx.post(
            server.base_url + model.path,
            json={**model.example, "quality": "720p"},
            headers={"Authorization": "Bearer mock-key", "X-Mock-Progression": "immediately"},
            **PLAIN,
        )
        browser.until(f"{ROW}.innerText.includes('completed')")
        browser("document.querySelector('#task-rows video').scrollIntoView()")
        assert browser.until("document.querySelector('#task-rows video').videoWidth") > 100

    def test_previews_use_no_fault_and_no_journal_entry(self, browser, server) -> None:
        """Requests of the page itself trigger no fault and have no journal entry."""
        submit(server, **{"X-Mock-Progression": "immediately"})
        noted = len(server.journal)
        rule = server.faults.add("status=503", count=2)
        browser.until(f"{ROW}.innerText.includes('completed')")
        browser("document.querySelector('#task-rows img').scrollIntoView()")
        assert browser.until("document.querySelector('#task-rows img').naturalWidth") > 100
        assert (rule.calls, len(server.journal)) == (0, noted)
        link = server.url + browser("document.querySelector('#task-rows a').pathname")
        assert httpx.get(link, **PLAIN).status_code == 503

    def test_the_poll_button_polls_a_task(self, browser, server) -> None:
        """The button polls like a client."""
        submit(server, **{"X-Mock-Progression": "polls=2"})
        browser.until(f"{ROW}.innerText.includes('pending')")
        browser.click("#task-rows button")
        browser.until(f"{ROW}.innerText.includes('processing')")
        browser.click("#task-rows button")
        browser.until(f"{ROW}.innerText.includes('completed')")

    def test_a_fault_is_added_hits_and_is_removed(self, browser, server) -> None:
        """The form adds a rule; the list shows its hits, and removes it."""
        browser.choose("#fault-name", "status")
        browser.choose("#fault-value", "503")
        browser.choose("#fault-operation", MODEL.operation_id)
        browser.choose("#fault-count", "5")
        browser.click("#fault-form button")
        browser.until("document.querySelector('#fault-rules').innerText.includes('status=503')")
        assert submit(server).status_code == 503
        browser.until("document.querySelector('#fault-rules').innerText.includes('hit 1')")
        browser.until("document.querySelector('#journal-rows').innerText.includes('status=503')")
        browser.click("#fault-rules button")
        browser.until("document.querySelector('#fault-rules').innerText === ''")
        assert submit(server).status_code == 200

    def test_expired_urls_are_shown(self, browser, server) -> None:
        """After 24 hours of the clock the result URLs have expired."""
        submit(server)
        browser.click("[data-seconds='3600']")
        browser.until(f"{ROW}.innerText.includes('completed')")
        browser.click("[data-seconds='86400']")
        browser.until(f"{ROW}.innerText.includes('links expired')")

    def test_a_refusal_is_explained(self, browser, server) -> None:
        """The journal has the error, the parameter and the near miss."""
        httpx.post(f"{server.url}{MODEL.path}", json={}, **PLAIN)
        httpx.post(
            server.base_url + MODEL.path,
            json={**MODEL.example, "prompt": 3},
            headers={"Authorization": "Bearer k"},
            **PLAIN,
        )
        browser.until(
            "document.querySelector('#journal-rows').innerText.includes('prompt must be')"
        )
        assert f"Did it mean POST {server.gateway.api.base}" in text_of(browser, "#journal-rows")
        browser.choose("#journal-filter", "faults")
        browser.until("document.querySelector('#journal-rows').innerText === ''")


class TestAccessibility:
    """The page is readable and usable for everyone."""

    def test_text_of_requests_is_never_markup(self, browser, server) -> None:
        """A prompt with HTML is shown as text."""
        hostile = (
            "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
        )
        submit(server, hostile)
        browser.until(f"{ROW}.innerText.includes('onerror')")
        browser.until("document.querySelector('#journal-rows').textContent.includes('onerror')")
        assert browser("document.title") == "wanflow mock"
        assert browser("document.querySelectorAll('#task-rows img').length") == 0

    def test_the_keyboard_is_enough(self, browser, server) -> None:
        """Tab reaches everything that can be clicked, and Enter clicks it."""
        before = server.clock.now()
        browser("document.body.focus(); document.activeElement.blur()")
        reached = []
        for _ in range(40):
            browser.press("Tab", code=9)
            reached.append(
                browser("document.activeElement.dataset.seconds ?? document.activeElement.id")
            )
            if reached.count("3600") == 1 and reached[-1] == "3600":
                browser.press("Enter", "\r", 13)
        browser.until("document.querySelector('#notice').innerText.includes('1 h')")
        assert server.clock.now() == before + 3600
        wanted = {"1", "86400", "journal-filter", "journal-clear", "fault-name", "api-key"}
        assert wanted <= set(reached)

    def test_everything_has_a_name(self, browser, server) -> None:
        """Each field and each button has a name for screen readers."""
        submit(server)
        browser.until(f"{ROW} !== null")
        nameless = browser(
            "[...document.querySelectorAll("
            "'input, select, textarea, button, progress, video, img')]"
            ".filter((e) => !e.labels?.length && !e.ariaLabel && !e.textContent && !e.alt)"
            ".map((e) => e.outerHTML)"
        )
        assert nameless == []

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_it_can_be_read_in_light_and_dark(self, browser, scheme) -> None:
        """The contrast of text is at least 4.5 to 1 (WCAG AA) in both schemes."""
        browser.prefer(scheme)
        ground = browser("getComputedStyle(document.querySelector('header')).backgroundColor")
        text_colors = browser(
            "['body', 'a[href]', 'caption', 'button'].map((s) =>"
            " getComputedStyle(document.querySelector(s)).color)"
        )
        assert all(contrast(color, ground) >= 4.5 for color in text_colors), (text_colors, ground)
        assert (luminance(ground) < 0.5) == (scheme == "dark")
        browser.prefer("light")

    def test_a_narrow_window_shows_everything(self, browser, server) -> None:
        """On a phone nothing is cut off, and each row is readable."""
        submit(server, "a rather long prompt " * 8)
        browser.until(f"{ROW}.innerText.includes('pending')")
        browser.resize(390, 844)
        browser.until("innerWidth === 390")
        try:
            assert browser("document.documentElement.scrollWidth") <= 390
            wide = browser(
                "[...document.querySelectorAll('.scroll')].map((e) =>"
                " e.scrollWidth - e.clientWidth)"
            )
            assert max(wide) <= 0
            name = "document.querySelector('#task-rows th').getBoundingClientRect()"
            assert browser(f"{name}.width") > 250
            assert browser(f"{name}.height") < 80
        finally:
            browser.resize(1200, 900)

    def test_nothing_is_loaded_from_other_servers(self, browser, server) -> None:
        """Every file of the page is served by the mock."""
        loaded = browser("performance.getEntriesByType('resource').map((e) => e.name)")
        assert len(loaded) > 5
        assert all(url.startswith(server.url) for url in loaded)


def luminance(color: str) -> float:
    parts = [int(part) / 255 for part in re.findall(r"\d+", color)[:3]]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


class TestServing:
    """The files of the page, without a browser."""

    def test_the_page_has_a_content_security_policy(self) -> None:
        """The content security policy blocks foreign scripts, styles and frames."""
        with MockServer() as server:
            answer = httpx.get(f"{server.url}/_mock/", **PLAIN)
        assert answer.status_code == 200
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy

    def test_every_file_that_is_named_is_served(self) -> None:
        """Scripts and styles are there, with their types."""
        with MockServer() as server:
            page = httpx.get(f"{server.url}/_mock/", **PLAIN).text
            named = re.findall(r'(?:src|href)="(page/[^"]+)"', page)
            assert len(named) >= 2
            for path in named:
                answer = httpx.get(f"{server.url}/_mock/{path}", **PLAIN)
                assert answer.status_code == 200
                assert answer.headers["content-type"].split(";")[0] in {
                    "text/css",
                    "text/javascript",
                }

    def test_a_path_without_its_slash_redirects(self) -> None:
        """`/_mock` redirects to the page."""
        with MockServer() as server:
            answer = httpx.get(f"{server.url}/_mock", **PLAIN)
            assert (answer.status_code, answer.headers["location"]) == (307, "_mock/")

    @pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example"])
    def test_another_host_name_is_rejected(self, host) -> None:
        """On loopback, `/_mock` accepts only loopback host names."""
        with MockServer() as server:
            for path in ("/_mock/", "/_mock/journal", "/_mock/clock"):
                answer = httpx.get(server.url + path, headers={"Host": host}, **PLAIN)
                assert answer.status_code == 403

    def test_the_spec_names_this_server(self) -> None:
        """GET /_mock/openapi.json has the URL of this server."""
        with MockServer() as server:
            document = httpx.get(f"{server.url}/_mock/openapi.json", **PLAIN).json()
            assert document["servers"] == [{"url": server.base_url}]
            assert QUERY in json.dumps(document["paths"])
