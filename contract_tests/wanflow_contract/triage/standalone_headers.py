"""What a correct server says in its headers, by check: the assertions of emitted tests.

Each is copied into a test behind the source of `standalone`, as those of `standalone_checks` are.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from wanflow_contract.triage.standalone import error_of, fields, seconds_kept, seconds_until

if TYPE_CHECKING:
    import httpx


def lists_the_allowed_methods(responses: list[httpx.Response], facts: dict[str, Any]) -> None:
    """If a 405 lists the allowed methods, it lists the documented one, and not the refused one."""
    last = responses[-1]
    given = last.headers.get_list("allow", split_commas=True)
    if last.status_code == 405 and given:
        assert facts["method"] in given, given
        assert last.request.method not in given, given


def is_dated_now(responses: list[httpx.Response], facts: dict[str, Any]) -> None:
    """The date of a response is about now, if it has one."""
    for one in responses:
        away = seconds_until(one.headers.get("date", ""))
        assert away is None or abs(away) < 600, one.headers["date"]


def is_not_shared(responses: list[httpx.Response], facts: dict[str, Any]) -> None:
    """A response to a request with a key isn't offered to shared caches."""
    for one in responses:
        control = ", ".join(one.headers.get_list("cache-control"))
        kept = not re.search(r"no-store|no-cache|(?:max-age|s-maxage)\s*=\s*\"?0\b", control, re.I)
        if one.status_code == 200 and "authorization" in one.request.headers and kept:
            assert not re.search(r"(?:^|[\s,])(?:public|s-maxage)\b", control, re.I), control


def is_not_kept_while_it_runs(responses: list[httpx.Response], facts: dict[str, Any]) -> None:
    """The status of a running task isn't cached for longer than a minute."""
    for one in responses:
        if one.request.method == "GET" and fields(one).get("status") in ("pending", "processing"):
            assert seconds_kept(one) <= 60, dict(one.headers)


def is_not_kept_until_the_retry(responses: list[httpx.Response], facts: dict[str, Any]) -> None:
    """A refusal that asks to retry later isn't cached for longer than that."""
    for one in responses:
        if one.status_code in (429, 503):
            asked = re.search(r"retry after ([0-9]+) second", one.text, re.I)
            wait = max(60, int(asked[1]) if asked else 0)
            assert seconds_kept(one) <= wait, dict(one.headers)


def says_one_time_to_retry(responses: list[httpx.Response], facts: dict[str, Any]) -> None:
    """Retry-After is within a year, and not later than the suggestion of the error."""
    last = responses[-1]
    given = last.headers.get("retry-after", "")
    wait = float(given) if re.fullmatch("[0-9]{1,300}", given) else seconds_until(given)
    assert wait is None or abs(wait) < 365 * 86400, given
    suggested = str(error_of(last).get("fallback_suggestion", ""))
    asked = re.search(r"retry after ([0-9]+) second", suggested, re.I)
    if wait is not None and given.isdigit() and asked and int(asked[1]):
        assert wait <= int(asked[1]), (given, suggested)


def announces_its_length(responses: list[httpx.Response], facts: dict[str, Any]) -> None:
    """Content-Length is the length of the body, unless that is encoded, or left out after HEAD."""
    for one in responses:
        plain = "content-encoding" not in one.headers and one.request.method != "HEAD"
        if plain and "content-length" in one.headers:
            assert one.headers["content-length"] == str(len(one.content)), dict(one.headers)


def has_an_accepted_coding(responses: list[httpx.Response], facts: dict[str, Any]) -> None:
    """A response has a content encoding only if the client accepts it."""
    last = responses[-1]
    found = last.headers.get("content-encoding", "identity")
    assert found in ("identity", last.request.headers.get("accept-encoding")), found
