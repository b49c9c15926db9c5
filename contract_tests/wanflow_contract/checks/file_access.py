"""Refusals because the server can't fetch a file that a request names.

By the documents a server must reach each file, and the suite names the documents' own examples,
which nobody can reach. A server that fetches files when a request comes refuses them, which is a
note; one that takes an example doesn't, and is judged. `--input` gives files that it can fetch.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from attrs import define, field

from wanflow.catalog.keywords import AUDIO_FILE, IMAGE_FILE
from wanflow_contract.checks.definitions.access import FILE_ACCESS
from wanflow_contract.checks.expectation import Expected, packaged_oracle
from wanflow_contract.checks.faulty_field import error_of, model_of, request_field
from wanflow_contract.checks.refusals import check_rejection, names_cause, require_accepted

if TYPE_CHECKING:
    from wanflow.catalog.catalog import Model
    from wanflow_contract.checks.expectation import Expectation
    from wanflow_contract.support.exchange import Exchange

_FETCH = re.compile(
    r"fetch|download|retriev|reach|access|(could not|unable to) load", re.IGNORECASE
)


@define(eq=False)
class FileAccess:
    """Which parameters with files a server refuses with files that it can't reach.

    `given` are those whose files the user has given, which it reaches.
    """

    given: frozenset[str] = frozenset()
    _accepted: set[str] = field(factory=set)
    _refused: dict[str, tuple[str, Exchange, Expectation]] = field(factory=dict)

    @property
    def refused(self) -> frozenset[str]:
        """The parameters that were refused, which no accepted request contradicts."""
        return frozenset(self._refused)

    def refuses(self, operation_id: str, expectation: Expectation, exchange: Exchange) -> bool:
        """Return whether a submission is refused because of a file; the check fails if so.

        Raises:
            CheckFailed: it is, and notes are failures.
        """
        name = self._refused_file(operation_id, expectation, exchange)
        if name:
            self._refused.setdefault(name, (operation_id, exchange, expectation))
        FILE_ACCESS.require(
            not name,
            f"it refuses {name} that it may be unable to fetch, so its rules aren't tested;"
            f" give it others by --input {name}=URL",
            exchange,
            pointer=request_field(name),
            shape=f"{name} refused",
        )
        return bool(name)

    def check_earlier(self, exchange: Exchange) -> None:
        """Check refusals that were laid on files, one of which the server now accepts.

        Raises:
            CheckFailed: a refusal was wrong.
        """
        body = exchange.request_body()
        model = model_of(body)
        for name in file_parameters(model) if model else ():
            if not _has_example(model, name, body):
                continue
            self._accepted.add(name)
            if name in self._refused and name not in self.given:
                operation_id, earlier, expectation = self._refused.pop(name)
                if expectation.expected is Expected.REJECT:
                    check_rejection(operation_id, expectation, earlier)
                if expectation.expected is Expected.ACCEPT:
                    require_accepted(earlier)

    def _refused_file(self, operation_id: str, expectation: Expectation, exchange: Exchange) -> str:
        """Return the parameter whose file is refused and may not be reached, '' if none is."""
        body, others = exchange.request_body(), list[str]()
        if _names_nothing(exchange):
            if expectation.expected is Expected.REJECT:
                return ""  # it is refused for its fault
            others = self._others_than_given(body)
        name = named_file(exchange) or next(iter(others), "")
        if not name or name in packaged_oracle().causes(operation_id, body):
            return ""
        if name in self.given:
            return name if name in self._others_than_given(body) else ""
        return "" if name in self._accepted else name

    def _others_than_given(self, body: Any) -> list[str]:
        """Return the parameters of a request that have other files than those that were given."""
        model = model_of(body)
        given = self.given & body.keys() if model else ()
        return [name for name in sorted(given) if not _has_example(model, name, body)]


def file_parameters(model: Model) -> list[str]:
    """Return the parameters of a model that name files."""
    return [
        name
        for name, rule in model.parameters.items()
        if {IMAGE_FILE, AUDIO_FILE} & (rule.keys() | rule.get("items", {}).keys())
    ]


def named_file(exchange: Exchange) -> str:
    """Return the parameter with a file that a refusal with 400 is about, '' if it is about none.

    It is the one that `param` names. An error without it is about a file if its message has its
    URL, or the name of the parameter or of what the file is; one that a server couldn't fetch may
    be any.
    """
    body, error = exchange.request_body(), error_of(exchange)
    model = model_of(body)
    if exchange.status != 400 or model is None:
        return ""
    names = [name for name in file_parameters(model) if name in body]
    named, message = error.get("param"), str(error.get("message"))
    if named:
        return next((name for name in names if names_cause(str(named), [name])), "")
    known = next((name for name in names if _mentions(message, name, body[name])), "")
    return known or (names[0] if names and _FETCH.search(message) else "")


def _names_nothing(exchange: Exchange) -> bool:
    """Return whether a refusal with 400 says of no parameter that it is the reason."""
    return exchange.status == 400 and not error_of(exchange).get("param")


def _mentions(message: str, name: str, files: Any) -> bool:
    """Return whether a message has a file's URL, or what it is: an image of `image_urls`."""
    urls = [one for one in _listed(files) if isinstance(one, str) and len(one) > 1]
    kind = name.partition("_")[0]
    return any(one in message for one in urls) or bool(
        re.search(rf"\b{re.escape(name)}\b|\b{re.escape(kind)}s?\b", message, re.IGNORECASE)
    )


def _has_example(model: Model | None, name: str, body: dict[str, Any]) -> bool:
    """Return whether all files of a parameter are those of its example."""
    known = _listed(model.parameters[name].get("example")) if model else []
    return name in body and all(one in known for one in _listed(body[name]))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
