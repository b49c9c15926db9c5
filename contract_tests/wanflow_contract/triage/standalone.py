"""The source of emitted tests: it is copied into each, so it imports nothing but httpx.

A run is a list of responses. Polls of a task that the test submitted are repeated until its end.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import time
import uuid
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

KEYS = {
    "API_KEY": os.environ.get("WANFLOW_CONTRACT_API_KEY") or os.environ.get("WANFLOW_API_KEY", ""),
    "API_KEY2": os.environ.get("WANFLOW_CONTRACT_API_KEY2", ""),
}
RUN = uuid.uuid4().hex
TIMEOUT = float(os.environ.get("WANFLOW_CONTRACT_TIMEOUT", "300"))
ENDED = ("completed", "failed")


def filled(text: str) -> str:
    """Return a text with the API keys of the environment in place of their variables."""
    for name, key in KEYS.items():
        forms = {
            f"${{{name}}}": key,
            f"${{{name}%?}}": key[:-1],
            f'$(printf %s "${name}" | tr a-zA-Z A-Za-z)': key.swapcase(),
            f'$(printf %s: "${name}" | base64 -w0)': base64.b64encode(f"{key}:".encode()).decode(),
        }
        for shown, real in forms.items():
            assert real or shown not in text, f"set WANFLOW_CONTRACT_{name}"
            text = text.replace(shown, real)
    return text


def fresh(name: str, value: str) -> str:
    """Return the value of a header; of an idempotency key, one as long that is new in each run."""
    if name.lower() != "idempotency-key" or not re.fullmatch(r"[\w-]{16,}", value):
        return filled(value)
    return (hashlib.sha512(f"{RUN}{value}".encode()).hexdigest() * 9)[: len(value)]


def send(client: httpx.Client, request: dict[str, Any], ids: dict[str, str]) -> httpx.Response:
    """Send a request, with the ids of the tasks of this run in place of those of the report."""
    path, text = request["path"], request["text"]
    for was, now in ids.items():
        path, text = path.replace(was, now), text.replace(was, now)
    content = base64.b64decode(text) if request["binary"] else filled(text).encode()
    headers = [(name.encode(), fresh(name, value).encode()) for name, value in request["headers"]]
    url = BASE_URL + filled(path)
    response = client.request(request["method"], url, headers=headers, content=content or None)
    made = fields(response).get("id")
    if request["id"] and isinstance(made, str) and request["method"] == "POST":
        ids[request["id"]] = made
    return response


def run(requests: list[dict[str, Any]]) -> list[httpx.Response]:
    """Send the requests in order, and poll a task that they query until it has ended."""
    ids: dict[str, str] = {}
    responses = []
    # The context trusts the certificates of SSL_CERT_FILE; other settings of the environment, such
    # as proxies, have no effect.
    tls = httpx.create_ssl_context()
    with httpx.Client(timeout=60, trust_env=False, verify=tls) as client:
        for request in requests:
            responses.append(send(client, request, ids))
            if request["polled"]:
                responses += poll(client, request, ids, responses[-1])
    return responses


def poll(
    client: httpx.Client, request: dict[str, Any], ids: dict[str, str], last: httpx.Response
) -> list[httpx.Response]:
    """Repeat a poll until the task has ended, and three times more."""
    until, found, after = time.monotonic() + TIMEOUT, [last], 0
    while after < 3 and time.monotonic() < until and len(found) < 500:
        time.sleep(min(5.0, 0.05 * len(found)))
        found.append(send(client, request, ids))
        after += fields(found[-1]).get("status") in ENDED or found[-1].status_code != 200
    return found[1:]


def fields(response: httpx.Response) -> dict[str, Any]:
    """Return the body of a response, {} if it is no JSON object."""
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def error_of(response: httpx.Response) -> dict[str, Any]:
    """Return the error of a response, {} if it has none."""
    error = fields(response).get("error")
    return error if isinstance(error, dict) else {}


def seconds_until(date: str) -> float | None:
    """Return the seconds from now to a date of a header, None if it is none."""
    try:
        return parsedate_to_datetime(date).timestamp() - time.time()
    except (ValueError, OverflowError):
        return None


def seconds_kept(response: httpx.Response) -> float:
    """Return for how long a cache may keep a response, as far as its headers say."""
    control = ", ".join(response.headers.get_list("cache-control"))
    age = re.search(r"(?:max-age|s-maxage)\s*=\s*\"?([0-9]+)", control, re.IGNORECASE)
    if age:
        return float(age[1])
    given = re.search(r"no-store|no-cache|private|max-age", control, re.IGNORECASE)
    return 0.0 if given else seconds_until(response.headers.get("expires", "")) or 0.0


def polls_of(responses: list[httpx.Response]) -> list[dict[str, Any]]:
    """Return the bodies of the successful polls, in order."""
    got = [one for one in responses if one.request.method == "GET" and one.status_code == 200]
    return [fields(one) for one in got]


def problems(schema: Any, value: Any, at: str = "") -> list[str]:
    """Return how a value violates a schema; formats are not checked."""
    if isinstance(schema, bool):
        return [] if schema else [f"{at} is not allowed"]
    found = [
        *value_problems(schema, value, at),
        *number_problems(schema, value, at),
        *text_problems(schema, value, at),
        *object_problems(schema, value, at),
    ]
    for number, one in enumerate(value if isinstance(value, list) else ()):
        found += problems(schema.get("items", True), one, f"{at}/{number}")
    for one in schema.get("allOf", []):
        found += problems(one, value, at)
    for name in ("anyOf", "oneOf"):
        if name in schema and all(problems(one, value, at) for one in schema[name]):
            found.append(f"{at} matches none of {name}")
    return found


def value_problems(schema: dict[str, Any], value: Any, at: str) -> list[str]:
    """Return how a value violates `type`, `enum` and `const`."""
    types, choices = as_list(schema.get("type", "any")), schema.get("enum", [value])
    found = [] if any(is_of_type(value, one) for one in types) else [f"{at} is {value!r}: {types}"]
    if value not in choices or schema.get("const", value) != value:
        found.append(f"{at} is {value!r}, not {schema.get('const', choices)!r}")
    return found


def as_list(value: Any) -> list[Any]:
    """Return a list, of one entry if the value is none."""
    return value if isinstance(value, list) else [value]


def is_of_type(value: Any, name: str) -> bool:
    """Return whether a value is of a JSON type."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return {
        "any": True,
        "null": value is None,
        "boolean": isinstance(value, bool),
        "integer": number and value == int(value),
        "number": number,
        "string": isinstance(value, str),
        "array": isinstance(value, list),
        "object": isinstance(value, dict),
    }[name]


def number_problems(schema: dict[str, Any], value: Any, at: str) -> list[str]:
    """Return how a number violates its limits."""
    if not is_of_type(value, "number"):
        return []
    low, high = schema.get("minimum", value), schema.get("maximum", value)
    return [] if low <= value <= high else [f"{at} is {value}, not from {low} to {high}"]


def text_problems(schema: dict[str, Any], value: Any, at: str) -> list[str]:
    """Return how a text or a list violates the limits of its length, or a pattern."""
    if not isinstance(value, (str, list)):
        return []
    names = ("minLength", "maxLength") if isinstance(value, str) else ("minItems", "maxItems")
    low, high = schema.get(names[0], 0), schema.get(names[1], len(value))
    found = [] if low <= len(value) <= high else [f"{at} has the length {len(value)}"]
    if isinstance(value, str) and "pattern" in schema and not re.search(schema["pattern"], value):
        found.append(f"{at} is {value!r}, which doesn't match {schema['pattern']}")
    return found


def object_problems(schema: dict[str, Any], value: Any, at: str) -> list[str]:
    """Return how an object violates `required` and its properties' rules."""
    if not isinstance(value, dict):
        return []
    found = [f"{at}/{one} is absent" for one in schema.get("required", []) if one not in value]
    known = schema.get("properties", {})
    for name, one in value.items():
        rule = known.get(name, schema.get("additionalProperties", True))
        found += problems(rule, one, f"{at}/{name}")
    return found


BASE_URL = ""
"""The server; an emitted test sets it."""
