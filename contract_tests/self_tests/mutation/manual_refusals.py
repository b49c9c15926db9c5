"""Mutants written by hand: headers of refusals, what errors say, and the order of checks."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

from self_tests.mutation.fault_layer import MutableResponse
from self_tests.mutation.kill_proof import KEY, SCRIPTS, ScriptRunner, image_model
from self_tests.mutation.mutant import Mutant, after, before, queries, register, submits
from wanflow_contract.checks.boundaries import cheapest
from wanflow_contract.checks.documented_responses import packaged_contract

if TYPE_CHECKING:
    from collections.abc import Callable

    from self_tests.mutation.fault_layer import MutableRequest

    State = dict[str, Any]

UNKNOWN = "/v1/tasks/task-unified-1-none"
_JSON = [("content-type", "application/json")]


def _any(call: MutableRequest) -> bool:
    return call.path.startswith("/v1/")


def error(status: int, kind: str, message: str = "No", **more: Any) -> MutableResponse:
    """Return an error in the documented form."""
    response = MutableResponse(status, list(_JSON), b"")
    response.set_body({"error": {"code": status, "message": message, "type": kind, **more}})
    return response


def _header(
    name: str,
    description: str,
    where: Any,
    script: str,
    header: str,
    value: str | Callable[[], str],
    status: int,
) -> None:
    @after("headers", description, where, script, name)
    def alter(_call: MutableRequest, response: MutableResponse, _state: State) -> None:
        if response.status == status:
            response.set_header(header, value if isinstance(value, str) else value())


def _tomorrow() -> str:
    return format_datetime(datetime.now(UTC) + timedelta(days=1), usegmt=True)


_header(
    "challenge-basic",
    "A 401 asks for a name and a password.",
    _any,
    "keyless",
    "www-authenticate",
    'Basic realm="api"',
    401,
)
_header(
    "allow-refused-method",
    "A 405 lists the method that it refuses.",
    _any,
    "put",
    "allow",
    "GET, POST, PUT, PATCH, DELETE, OPTIONS, TRACE, HEAD",
    405,
)
_header(
    "allow-without-documented",
    "A 405 lists methods, but not the documented one.",
    _any,
    "put",
    "allow",
    "OPTIONS",
    405,
)
_header(
    "status-public",
    "Caches may return a task to another account.",
    queries,
    "poll",
    "cache-control",
    "public, max-age=5",
    200,
)
_header(
    "running-expires-tomorrow",
    "A running task expires from caches tomorrow.",
    queries,
    "poll",
    "expires",
    _tomorrow,
    200,
)
_header(
    "limit-cached",
    "A rate limit is cached for a day.",
    _any,
    "rate-limit",
    "cache-control",
    "max-age=86400",
    429,
)
_header(
    "limit-cached-by-date",
    "A rate limit is cached until tomorrow, by a date.",
    _any,
    "rate-limit",
    "expires",
    _tomorrow,
    429,
)
_header(
    "compressed-for-all",
    "Whatever the client accepts, a task is labelled as compressed.",
    queries,
    "refuses-gzip",
    "content-encoding",
    "x-none",
    200,
)


def _error(
    name: str,
    description: str,
    script: str,
    change: Callable[[MutableRequest, dict[str, Any], State], object],
    where: Any = queries,
    status: int = 404,
) -> None:
    @after("error shape", description, _any, script, name)
    def alter(call: MutableRequest, response: MutableResponse, state: State) -> None:
        body = response.body
        if call.is_submission and response.status == 200:
            state["last"] = (body, call.body)
        if response.status == status and where(call) and isinstance(body, dict):
            error = dict(body["error"])
            change(call, error, state)
            if error != body["error"]:
                response.set_body({"error": error})


def _foreign(error: dict[str, Any], state: State, text: str) -> None:
    if "last" in state:
        made, asked = state["last"]
        prompt = asked.get("prompt")
        error["message"] = text.format(id=made["id"], model=made["model"], prompt=prompt)


_error(
    "query-blames-model",
    "An unknown task's error blames the model.",
    "unknown-id",
    lambda _call, error, _state: error.update(param="model"),
)
_error(
    "query-blames-prompt",
    "A wrong id's error blames the prompt.",
    "unknown-id",
    lambda _call, error, _state: error.update(param="prompt"),
)
_error(
    "query-page",
    "An unknown task's message is a page.",
    "unknown-id",
    lambda _call, error, _state: error.update(message="<html><h1>404</h1></html>"),
)
_error(
    "query-no-message",
    "An unknown task's message is the text `null`.",
    "unknown-id",
    lambda _call, error, _state: error.update(message="null"),
)
_error(
    "query-message-object",
    "An unknown task's message is an object that was turned into text.",
    "unknown-id",
    lambda _call, error, _state: error.update(message="[object Object]"),
)
_error(
    "query-reason-as-code",
    "An unknown task has the code of a task that failed.",
    "unknown-id",
    lambda _call, error, _state: error.update(code="generation_timeout"),
)
_error(
    "query-suggests-foreign-id",
    "An unknown task's error names the last task, of whichever account.",
    "other-account",
    lambda _call, error, state: _foreign(error, state, "Not found. Did you mean {id}?"),
)
_error(
    "query-shows-foreign-model",
    "Another account's task is refused with its model.",
    "other-account",
    lambda _call, error, state: _foreign(error, state, "This {model} task isn't yours"),
)
_error(
    "query-shows-foreign-prompt",
    "Another account's task is refused with its prompt.",
    "other-account",
    lambda _call, error, state: _foreign(error, state, "You may not read: {prompt}"),
)
_error(
    "prompt-blames-longer-name",
    "The error for a prompt names a field whose name begins with it.",
    "wrong-prompt",
    lambda _call, error, _state: error["param"] == "prompt" and error.update(param="prompt_extend"),
    submits,
    400,
)
_error(
    "everything-blames-model",
    "Whatever is wrong with a submission, the error names the model.",
    "wrong-prompt",
    lambda _call, error, _state: error.update(param="model"),
    submits,
    400,
)
_error(
    "limit-without-seconds",
    "A rate limit doesn't say how long to wait.",
    "rate-limit-bare",
    lambda _call, error, _state: error.update(fallback_suggestion="slow down"),
    lambda call: call.is_query or call.is_submission,
    429,
)
_error(
    "billing-link-lost",
    "The error for an account without credits doesn't say where to get some.",
    "no-credits",
    lambda _call, error, _state: error.update(fallback_suggestion="pay"),
    queries,
    402,
)


def _names_third(call: MutableRequest, response: MutableResponse, _state: State) -> None:
    body = response.body
    wrong = [name for name in call.body if not _is_plain(name, call.body[name])]
    if call.is_submission and response.status == 400 and len(wrong) > 1:
        plain = [name for name in call.body if name not in {*wrong, "model"}]
        if plain:
            body["error"]["param"] = plain[0]
            response.set_body(body)


def _is_plain(name: str, value: Any) -> bool:
    """Return whether a value is one of the cheapest requests', and so isn't at fault."""
    match name:
        case "prompt":
            return isinstance(value, str) and len(value) < 200
        case "duration" | "n":
            return not isinstance(value, bool) and value in (1, 5)
        case "image_urls":
            return isinstance(value, list) and 0 < len(value) < 3 and "http" in str(value)
        case _:
            return name == "model" or value in ("480p", "720p", "1280x1280")


register(
    Mutant(
        "several-blame-another",
        "error shape",
        "If two parameters are wrong, the error names a third.",
        "two-wrong",
        after=_names_third,
    )
)


@before(
    "auth",
    "Without a key an unknown task isn't found, and a known one is refused.",
    queries,
    "unknown-keyless",
)
def task_before_key(call: MutableRequest, state: State) -> MutableResponse | None:
    known = state.get("ids", set())
    if "authorization" not in call.headers and call.task_id not in known:
        return error(404, "not_found_error", param="task_id")
    return None


def _fails_keyless(name: str, description: str, where: Any, is_wrong: Any) -> None:
    """Register a mutant that fails if a request without a key is wrong in something else, too."""

    def fail(call: MutableRequest, _state: State) -> MutableResponse | None:
        keyless = len(call.headers.get("authorization", "")) < 9
        return error(500, "server_error") if keyless and is_wrong(call) else None

    register(Mutant(name, "auth", description, name, where, before=fail))


_fails_keyless(
    "keyless-no-json",
    "A body that isn't an object makes the server fail if there is no key.",
    submits,
    lambda call: not isinstance(call.body, dict) or not call.body,
)
_fails_keyless(
    "keyless-unknown-model",
    "An unknown model makes the server fail if there is no key.",
    submits,
    lambda call: call.body and call.body.get("model") not in [*packaged_contract().catalog.models],
)
_fails_keyless(
    "keyless-invalid-field",
    "A number out of range makes the server fail if there is no key.",
    submits,
    lambda call: any(isinstance(one, int) and not 0 < one < 99 for one in call.body.values()),
)
_fails_keyless(
    "keyless-odd-id",
    "An id with a sign that ids don't have makes the server fail if there is no key.",
    queries,
    lambda call: re.search("[^/a-z0-9-]", call.path),
)


@before("auth", "A used idempotency key needs no API key.", submits, "replay-keyless")
def replay_before_key(call: MutableRequest, state: State) -> MutableResponse | None:
    key, shown = call.headers.get("idempotency-key"), call.headers.get("authorization", "")
    if key and len(shown) > 20:
        state[key] = shown
    elif key in state:
        call.headers["authorization"] = state[key]
    return None


def _key_among_more(name: str, description: str, pattern: str, shown: str) -> None:
    """Register a mutant that takes the key out of a header that has more than it."""

    def take(call: MutableRequest, _state: State) -> MutableResponse | None:
        found = re.fullmatch(pattern, call.headers.get("authorization", ""))
        if found:
            call.headers["authorization"] = f"Bearer {found[1]}"
        return None

    SCRIPTS[name] = lambda runner: runner.send("GET", UNKNOWN, headers={"Authorization": shown})
    register(Mutant(name, "auth", description, name, _any, before=take))


_key_among_more(
    "first-key-of-a-list",
    "Of keys in a list, the first one is enough.",
    r"Bearer ([^ ,]+),.*",
    f"Bearer {KEY},none",
)
_key_among_more(
    "key-with-a-parameter",
    "What follows the key after a semicolon is passed over.",
    r"Bearer ([^ ;]+);.*",
    f'Bearer {KEY}; realm="api"',
)
_key_among_more(
    "key-with-a-password",
    "What follows the key after a colon is passed over.",
    r"Bearer ([^ :]+):.*",
    f"Bearer {KEY}:none",
)
_key_among_more(
    "key-by-its-name",
    "A key that is given as a parameter is accepted.",
    r'Bearer token="([^ "]+)"',
    f'Bearer token="{KEY}"',
)


@before("http", "HEAD shows anyone whether a task exists.", _any, "head")
def head_needs_no_key(call: MutableRequest, _state: State) -> MutableResponse | None:
    known = call.method == "HEAD" and call.path.startswith("/v1/tasks/")
    return MutableResponse(200, list(_JSON), b"") if known else None


@before("http", "Any unknown method is taken for GET.", _any, "brew")
def unknown_is_get(call: MutableRequest, _state: State) -> MutableResponse | None:
    if call.method not in {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}:
        call.method = "GET" if call.path.startswith("/v1/tasks/") else "POST"
    return None


@before("http", "OPTIONS shows the task.", _any, "options")
def options_is_get(call: MutableRequest, _state: State) -> MutableResponse | None:
    if call.method == "OPTIONS" and call.path.startswith("/v1/tasks/"):
        call.method = "GET"
    return None


@before("http", "TRACE shows the request, with its key.", _any, "trace")
def trace_echoes(call: MutableRequest, _state: State) -> MutableResponse | None:
    if call.method != "TRACE":
        return None
    text = "".join(f"{name}: {value}\r\n" for name, value in call.headers.items())
    return MutableResponse(200, [("content-type", "message/http")], text.encode())


@before("http", "A header chooses another method.", _any, "override")
def method_override(call: MutableRequest, _state: State) -> MutableResponse | None:
    call.method = call.headers.get("x-http-method-override", call.method)
    return None


@before("http", "A header chooses another path.", _any, "rewrite")
def path_override(call: MutableRequest, _state: State) -> MutableResponse | None:
    call.path = call.headers.get("x-original-url", call.path)
    return None


@before("http", "A request that offers another protocol is refused.", _any, "upgrade")
def upgrade_refused(call: MutableRequest, _state: State) -> MutableResponse | None:
    return error(400, "invalid_request_error") if "upgrade" in call.headers else None


@before("http", "A request with an Origin is refused.", _any, "origin")
def origin_refused(call: MutableRequest, _state: State) -> MutableResponse | None:
    return error(403, "permission_error") if "origin" in call.headers else None


@before("http", "A request through proxies is refused.", _any, "forwarded")
def proxies_refused(call: MutableRequest, _state: State) -> MutableResponse | None:
    return error(403, "permission_error") if "x-forwarded-for" in call.headers else None


@before("http", "A preference that isn't known makes the server fail.", _any, "preference")
def preference_fails(call: MutableRequest, _state: State) -> MutableResponse | None:
    unknown = "wait=" in call.headers.get("prefer", "")
    return error(500, "internal_server_error") if unknown else None


@before("http", "A cookie that isn't known is refused.", _any, "cookie-kept")
def cookie_refused(call: MutableRequest, _state: State) -> MutableResponse | None:
    return (
        error(401, "authentication_error") if "session" in call.headers.get("cookie", "") else None
    )


@before("http", "A header of more than a kilobyte is refused.", _any, "long-header")
def long_header_refused(call: MutableRequest, _state: State) -> MutableResponse | None:
    long = max(map(len, call.headers.values()), default=0) > 1024
    return error(400, "invalid_request_error") if long else None


@before("http", "A query that asks for another version isn't answered.", queries, "if-none-match")
def never_modified(call: MutableRequest, _state: State) -> MutableResponse | None:
    return MutableResponse(304, [], b"") if "if-none-match" in call.headers else None


@before("http", "A task hasn't changed since any date.", queries, "if-modified-since")
def never_modified_since(call: MutableRequest, _state: State) -> MutableResponse | None:
    return MutableResponse(304, [], b"") if "if-modified-since" in call.headers else None


@before("http", "A range of a task can't be had.", queries, "range")
def range_refused(call: MutableRequest, _state: State) -> MutableResponse | None:
    return MutableResponse(416, [], b"") if "range" in call.headers else None


@after("http", "A range cuts a task, without a word.", queries, "range")
def range_cuts(call: MutableRequest, response: MutableResponse, _state: State) -> None:
    if "range" in call.headers and response.status == 200:
        response.set_content(response.content[:10])


@before("auth", "The scheme is compared with its case.", _any, "lower-scheme")
def scheme_in_one_case(call: MutableRequest, _state: State) -> MutableResponse | None:
    shown = call.headers.get("authorization", "")
    if shown[:6].lower() == "bearer" and not shown.startswith("Bearer"):
        del call.headers["authorization"]
    return None


@before("http", "Any query in a task's URL makes the server fail.", queries, "query")
def query_fails(call: MutableRequest, _state: State) -> MutableResponse | None:
    return error(500, "internal_server_error") if "=" in call.query else None


@before("http", "A query's field chooses the task.", queries, "query-id")
def query_chooses(call: MutableRequest, _state: State) -> MutableResponse | None:
    found = re.search("task_id=([^&]+)", call.query)
    if found:
        call.path = f"/v1/tasks/{found[1]}"
    return None


def _accepts(name: str, description: str, pattern: str) -> None:
    """Register a mutant that refuses some Accept headers."""

    def refuse(call: MutableRequest, _state: State) -> MutableResponse | None:
        refused = re.search(pattern, call.headers.get("accept", ""))
        return error(406, "invalid_request_error") if refused else None

    register(Mutant(name, "http", description, name, queries, before=refuse))
    SCRIPTS[name] = lambda runner: _poll_with(runner, Accept=_ACCEPTS[name])


_ACCEPTS = {
    "accept-any-application": "application/*",
    "accept-with-weight": "application/json;q=0.5",
    "accept-second": "text/html, application/json",
    "accept-in-capitals": "APPLICATION/JSON",
}
_accepts("accept-any-application", "A client that accepts application/* is refused.", r"n/\*$")
_accepts("accept-with-weight", "A client that gives a weight to JSON is refused.", r"json;q=0\.5")
_accepts("accept-second", "A client that would rather have HTML is refused.", "^text/html")
_accepts("accept-in-capitals", "A client that accepts JSON in capitals is refused.", "JSON")


def _poll_with(runner: ScriptRunner, **headers: str) -> None:
    made = runner.post()
    runner.get(str(made.get("id")), **headers)


def _method(method: str, key: str | None = KEY) -> Callable[[ScriptRunner], None]:
    def script(runner: ScriptRunner) -> None:
        made = runner.post()
        runner.send(method, f"/v1/tasks/{made.get('id')}", key)

    return script


def _replay_keyless(runner: ScriptRunner) -> None:
    for key in (KEY, None):
        runner.post(None, key, Idempotency_Key="witness-key-00000009")


def _query_fails(runner: ScriptRunner) -> None:
    made = runner.post()
    runner.get(f"{made.get('id')}?x=1")


def _query_chooses(runner: ScriptRunner) -> None:
    one, two = runner.post(), runner.post()
    runner.get(f"{one.get('id')}?task_id={two.get('id')}")


_TWO_WRONG = {**cheapest(image_model()), "n": 99, "size": "1x1"}
_PAST = "Sat, 01 Jan 2000 00:00:00 GMT"
SCRIPTS |= {
    "refuses-gzip": lambda runner: _poll_with(runner, Accept_Encoding="identity"),
    "rate-limit-bare": lambda runner: runner.post(Prefer="code=429"),
    "no-credits": lambda runner: runner.send("GET", UNKNOWN, KEY, headers={"Prefer": "code=402"}),
    "wrong-prompt": lambda runner: runner.post({**cheapest(image_model()), "prompt": 5}),
    "two-wrong": lambda runner: runner.post(_TWO_WRONG),
    "unknown-keyless": lambda runner: runner.send("GET", UNKNOWN),
    "replay-keyless": _replay_keyless,
    "keyless-no-json": lambda runner: runner.post({}, None),
    "keyless-unknown-model": lambda runner: runner.post({"model": "none"}, None),
    "keyless-invalid-field": lambda runner: runner.post(dict.fromkeys("abc", -1), None),
    "keyless-odd-id": lambda runner: runner.send("GET", f"{UNKNOWN}.json"),
    "head": _method("HEAD", None),
    "brew": _method("PROPFIND"),
    "options": _method("OPTIONS"),
    "trace": _method("TRACE"),
    "override": lambda runner: _poll_with(runner, X_HTTP_Method_Override="DELETE"),
    "rewrite": lambda runner: _poll_with(runner, X_Original_URL="/none"),
    "upgrade": lambda runner: _poll_with(runner, Upgrade="websocket", Connection="Upgrade"),
    "origin": lambda runner: _poll_with(runner, Origin="https://example.com"),
    "forwarded": lambda runner: _poll_with(runner, X_Forwarded_For="10.0.0.1"),
    "preference": lambda runner: _poll_with(runner, Prefer="wait=1"),
    "cookie-kept": lambda runner: _poll_with(runner, Cookie="session=1"),
    "long-header": lambda runner: _poll_with(runner, X_Long="a" * 3000),
    "if-none-match": lambda runner: _poll_with(runner, If_None_Match='"none"'),
    "if-modified-since": lambda runner: _poll_with(runner, If_Modified_Since=_PAST),
    "range": lambda runner: _poll_with(runner, Range="bytes=0-9"),
    "lower-scheme": lambda runner: _poll_with(runner, Authorization=f"bearer {KEY}"),
    "query": _query_fails,
    "query-id": _query_chooses,
}
