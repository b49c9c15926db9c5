"""Mutants written by hand: statuses, headers, the form of errors, and single fields."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from self_tests.mutation.mutant import after, queries, submits

if TYPE_CHECKING:
    from self_tests.mutation.fault_layer import MutableRequest, MutableResponse

    State = dict[str, Any]


def _any(call: MutableRequest) -> bool:
    return call.is_submission or call.is_query


def _error(response: MutableResponse, **changes: Any) -> None:
    body = response.body
    if (
        response.status < 400
        or not isinstance(body, dict)
        or not isinstance(body.get("error"), dict)
    ):
        return
    error = {**body["error"], **changes}
    response.set_body(
        {"error": {name: value for name, value in error.items() if value is not None}}
    )


def _status(kind: str, description: str, where: Any, script: str, was: int, now: int) -> None:
    name = f"{'submit' if where is submits else 'query' if where is queries else 'any'}-{was}-{now}"

    @after("status", description, where, script, name)
    def alter(_call: MutableRequest, response: MutableResponse, _state: State) -> None:
        if response.status == was:
            response.status = now


_status("status", "The response to a submission is 201.", submits, "submit", 200, 201)
_status("status", "The response to a submission is 202.", submits, "submit", 200, 202)
_status("status", "The response to a submission is 204.", submits, "submit", 200, 204)
_status("status", "The response to an invalid request is 409.", submits, "refusal", 400, 409)
_status("status", "The response to an invalid request is 500.", submits, "refusal", 400, 500)
_status("status", "The response to an invalid request is 200.", submits, "refusal", 400, 200)
_status("status", "The response to an invalid request is 401.", submits, "refusal", 400, 401)
_status("status", "The response to an unknown model is 503.", submits, "model", 404, 503)
_status("status", "The response to an unknown task is 200.", queries, "unknown-id", 404, 200)
_status("status", "The response to an unknown task is 410.", queries, "unknown-id", 404, 410)
_status("status", "The response to an unknown task is 500.", queries, "unknown-id", 404, 500)
_status("status", "The response to a missing key is 403.", _any, "keyless", 401, 403)
_status("status", "The response to a missing key is 200.", _any, "keyless", 401, 200)
_status("status", "The response to a missing key is 400.", _any, "keyless", 401, 400)
_status("status", "The response at the rate limit is 503.", _any, "rate-limit", 429, 503)


@after("headers", "JSON is called text/html.", _any, "submit")
def json_as_html(_call: MutableRequest, response: MutableResponse, _state: State) -> None:
    response.set_header("content-type", "text/html")


@after("headers", "JSON has no content type.", _any, "submit")
def no_content_type(_call: MutableRequest, response: MutableResponse, _state: State) -> None:
    response.set_header("content-type", None)


@after("headers", "Errors are called application/problem+text.", _any, "refusal")
def problem_text(_call: MutableRequest, response: MutableResponse, _state: State) -> None:
    if response.status >= 400:
        response.set_header("content-type", "application/problem+text")


@after("headers", "Retry-After is a word.", _any, "rate-limit")
def retry_after_soon(_call: MutableRequest, response: MutableResponse, _state: State) -> None:
    if response.status == 429:
        response.set_header("retry-after", "soon")


@after("headers", "Retry-After says ten times what the suggestion says.", _any, "rate-limit")
def retry_after_tenfold(_call: MutableRequest, response: MutableResponse, _state: State) -> None:
    if response.status == 429:
        response.set_header("retry-after", "600")


@after("error shape", "Errors have no message.", _any, "refusal")
def no_message(_call: MutableRequest, response: MutableResponse, _state: State) -> None:
    _error(response, message=None)


@after("error shape", "Errors have an empty message.", _any, "refusal")
def empty_message(_call: MutableRequest, response: MutableResponse, _state: State) -> None:
    _error(response, message="")


@after("error shape", "Errors have no code.", _any, "refusal")
def no_code(_call: MutableRequest, response: MutableResponse, _state: State) -> None:
    _error(response, code=None)


@after("error shape", "Each code is 500.", _any, "refusal")
def code_of_another_status(_call: MutableRequest, response: MutableResponse, _state: State) -> None:
    _error(response, code=500)


@after("error shape", "Each code is a fraction.", _any, "refusal")
def code_as_fraction(_call: MutableRequest, response: MutableResponse, _state: State) -> None:
    _error(response, code=response.status + 0.5)


@after("error shape", "Errors have no type.", _any, "refusal")
def no_type(_call: MutableRequest, response: MutableResponse, _state: State) -> None:
    _error(response, type=None)


@after("error shape", "Each type is server_error.", _any, "refusal")
def type_of_another_status(_call: MutableRequest, response: MutableResponse, _state: State) -> None:
    _error(response, type="server_error")


@after("error shape", "The parameter at fault is a wrong one.", submits, "refusal")
def wrong_param(_call: MutableRequest, response: MutableResponse, _state: State) -> None:
    if response.status == 400:
        _error(response, param="size" if "size" not in str(response.body) else "duration")


@after("error shape", "The error is a text.", _any, "refusal")
def error_as_text(_call: MutableRequest, response: MutableResponse, _state: State) -> None:
    if response.status >= 400:
        response.set_body({"error": "something went wrong"})


@after("error shape", "The error is not wrapped.", _any, "refusal")
def error_unwrapped(_call: MutableRequest, response: MutableResponse, _state: State) -> None:
    if response.status >= 400 and isinstance(response.body, dict):
        response.set_body(response.body["error"])


@after("error shape", "Errors are an HTML page.", _any, "refusal")
def error_page(_call: MutableRequest, response: MutableResponse, _state: State) -> None:
    if response.status >= 400:
        response.set_content(b"<h1>Bad Request</h1>")


@after("error shape", "Errors are empty.", _any, "refusal")
def error_empty(_call: MutableRequest, response: MutableResponse, _state: State) -> None:
    if response.status >= 400:
        response.set_content(b"")


@after("error shape", "A 401 has the error of a 404.", _any, "keyless")
def error_of_another_status(
    _call: MutableRequest, response: MutableResponse, _state: State
) -> None:
    if response.status == 401:
        _error(response, code=404, type="not_found_error")


@after("schema", "The response is cut off.", _any, "submit")
def cut_off(_call: MutableRequest, response: MutableResponse, _state: State) -> None:
    if response.status == 200:
        response.set_content(response.content[:-2])


@after("schema", "The response is in a list.", _any, "submit")
def in_a_list(_call: MutableRequest, response: MutableResponse, _state: State) -> None:
    if response.status == 200:
        response.set_body([response.body])


@after("schema", "The response is wrapped in `data`.", _any, "submit")
def in_data(_call: MutableRequest, response: MutableResponse, _state: State) -> None:
    if response.status == 200:
        response.set_body({"data": response.body})


@after("schema", "Numbers are texts.", _any, "submit")
def numbers_as_texts(_call: MutableRequest, response: MutableResponse, _state: State) -> None:
    if response.status == 200:
        body = json.loads(response.content, parse_int=str)
        response.set_body(body)


@after("schema", "A receipt has no id.", submits, "submit")
def receipt_without_id(_call: MutableRequest, response: MutableResponse, _state: State) -> None:
    _without(response, "id")


@after("schema", "A receipt has no status.", submits, "submit")
def receipt_without_status(_call: MutableRequest, response: MutableResponse, _state: State) -> None:
    _without(response, "status")


@after("schema", "A receipt has no model.", submits, "submit")
def receipt_without_model(_call: MutableRequest, response: MutableResponse, _state: State) -> None:
    _without(response, "model")


@after("schema", "A task query has no status.", queries, "poll")
def task_without_status(_call: MutableRequest, response: MutableResponse, _state: State) -> None:
    _without(response, "status")


@after("schema", "A task loses its time of creation after the receipt.", queries, "poll")
def task_without_created(_call: MutableRequest, response: MutableResponse, _state: State) -> None:
    _without(response, "created")


def _without(response: MutableResponse, name: str) -> None:
    if response.status == 200 and isinstance(response.body, dict):
        response.set_body({key: value for key, value in response.body.items() if key != name})
