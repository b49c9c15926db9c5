"""Mutants written by hand: a task that is found by what isn't its id, or not by its id."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from self_tests.mutation.kill_proof import KEY, SCRIPTS, ScriptRunner
from self_tests.mutation.manual_refusals import error
from self_tests.mutation.mutant import Mutant, before, queries, register

if TYPE_CHECKING:
    from collections.abc import Callable

    from self_tests.mutation.fault_layer import MutableRequest, MutableResponse

    State = dict[str, Any]


def _find(name: str, description: str, change: Callable[[str], str], form: str) -> None:
    def alter(call: MutableRequest, state: State) -> MutableResponse | None:
        tail = call.path.removeprefix("/v1/tasks/")
        call.path = f"/v1/tasks/{change(tail)}"
        return None

    def script(runner: ScriptRunner) -> None:
        made = str(runner.post().get("id"))
        runner.get(
            form.replace("ID", made)
            .replace("HEAD", made[:-1])
            .replace("CODED", made.replace("-", "%252D"))
            .replace("CAPITALS", made[:13] + made[13:].upper())
        )

    SCRIPTS[name] = script
    register(Mutant(name, "identity", description, name, queries, before=alter))


_find("id-decoded-twice", "An id is decoded twice.", unquote, "CODED")
_find(
    "id-until-semicolon",
    "An id ends at a semicolon.",
    lambda tail: tail.partition(";")[0],
    "ID;a=1",
)
_find(
    "id-without-extension",
    "An extension of an id is dropped.",
    lambda tail: tail.removesuffix(".json"),
    "ID.json",
)
_find(
    "id-until-comma",
    "Of several ids the first counts.",
    lambda tail: tail.partition(",")[0],
    "ID,ID",
)
_find(
    "id-until-fragment",
    "An id ends at an encoded number sign.",
    lambda tail: re.split("%23|%3F", tail)[0],
    "ID%23a",
)
_find(
    "id-trimmed",
    "Spaces around an id are dropped.",
    lambda tail: re.sub("^(%20|%09|%0A)+|(%20|%09|%0A)+$", "", tail),
    "ID%09",
)
_find(
    "id-without-invisible",
    "Invisible characters in an id are dropped.",
    lambda tail: tail.replace("%E2%80%8B", ""),
    "ID%E2%80%8B",
)
_find(
    "id-unquoted",
    "Quotes and braces around an id are dropped.",
    lambda tail: re.sub("%22|%7B|%7D", "", tail),
    "%22ID%22",
)
_find("id-folded", "An id is found in capitals, too.", str.lower, "CAPITALS")


def _pattern(name: str, description: str, sign: str, form: str) -> None:
    """Register a mutant that takes a sign of an id for any character."""

    def find(call: MutableRequest, state: State) -> MutableResponse | None:
        tail = call.path.removeprefix("/v1/tasks/")
        known = state.setdefault("ids", [])
        if call.task_id.endswith(sign):
            stem = tail[: -len(sign)]
            call.path = f"/v1/tasks/{next((one for one in known if one[:-1] == stem), tail)}"
        return None

    def remember(call: MutableRequest, response: MutableResponse, state: State) -> None:
        if call.is_submission and response.status == 200:
            state.setdefault("ids", []).append(response.body["id"])

    def script(runner: ScriptRunner) -> None:
        made = str(runner.post().get("id"))
        runner.get(made[:-1] + form)

    SCRIPTS[name] = script
    register(Mutant(name, "identity", description, name, before=find, after=remember))


_pattern("id-as-pattern", "A dot in an id stands for any character.", ".", ".")
_pattern("id-as-like", "An underscore in an id stands for any character.", "_", "_")
_pattern("id-as-glob", "A star in an id stands for any characters.", "*", "*")


@before(
    "identity",
    "An encoded slash separates the parts of a path.",
    lambda _call: True,
    "encoded-slash",
)
def encoded_slash(call: MutableRequest, _state: State) -> MutableResponse | None:
    call.path = re.sub("%2F", "/", call.path, flags=re.IGNORECASE)
    return None


@before("validation too strict", "An id with an encoded hyphen isn't found.", queries, "encoded-id")
def encoded_id_refused(call: MutableRequest, _state: State) -> MutableResponse | None:
    coded = re.search("%2D|%74", call.path, re.IGNORECASE)
    return error(404, "not_found_error", param="task_id") if coded else None


def _encoded_slash(runner: ScriptRunner) -> None:
    made = runner.post()
    runner.send("GET", f"/v1/tasks%2F{made.get('id')}", KEY)


def _encoded_id(runner: ScriptRunner) -> None:
    made = runner.post()
    runner.get(str(made.get("id")).replace("-", "%2D"))


SCRIPTS |= {"encoded-slash": _encoded_slash, "encoded-id": _encoded_id}
