"""Refusals because the server can't fetch a file that a request names.

By the documents a server must reach each file, and the suite names the documents' own examples,
which nobody can reach. A server that fetches files when a request comes refuses them, which is a
note; one that takes an example doesn't, and is judged. `--input` gives files that it can fetch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import define, field

from wanflow.catalog.keywords import AUDIO_FILE, IMAGE_FILE
from wanflow_contract.checks.definitions.access import FILE_ACCESS
from wanflow_contract.checks.expectation import Expected
from wanflow_contract.checks.faulty_field import error_of, model_of, request_field
from wanflow_contract.checks.refusals import check_rejection, names_cause, require_accepted

if TYPE_CHECKING:
    from wanflow.catalog.catalog import Model
    from wanflow_contract.checks.expectation import Expectation
    from wanflow_contract.support.exchange import Exchange


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
        name = self._refused_file(expectation, exchange)
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

    def _refused_file(self, expectation: Expectation, exchange: Exchange) -> str:
        """Return the parameter whose file is refused and may not be reached, '' if none is."""
        name, body = named_file(exchange), exchange.request_body()
        wrong = expectation.parameters if expectation.expected is Expected.REJECT else ()
        if not name or name in wrong:
            return ""
        given = name in self.given and not _has_example(model_of(body), name, body)
        unknown = name not in self.given and name not in self._accepted
        return name if given or unknown else ""


def file_parameters(model: Model) -> list[str]:
    """Return the parameters of a model that name files."""
    return [
        name
        for name, rule in model.parameters.items()
        if {IMAGE_FILE, AUDIO_FILE} & (rule.keys() | rule.get("items", {}).keys())
    ]


def named_file(exchange: Exchange) -> str:
    """Return the parameter with a file that a refusal with 400 names, '' if it names none."""
    body, named = exchange.request_body(), error_of(exchange).get("param")
    model = model_of(body)
    if exchange.status != 400 or model is None or not isinstance(named, str):
        return ""
    names = (name for name in file_parameters(model) if name in body)
    return next((name for name in names if names_cause(named, [name])), "")


def _has_example(model: Model | None, name: str, body: dict[str, Any]) -> bool:
    """Return whether all files of a parameter are those of its example."""
    known = _listed(model.parameters[name].get("example")) if model else []
    return name in body and all(one in known for one in _listed(body[name]))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
