"""The name of a document, and whether two documents describe the same models."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from wanflow.spec.errors import Conflict, InvalidDocument
from wanflow.spec.schema.operations import source_operations

if TYPE_CHECKING:
    from wanflow.spec.intake.loader import LoadedDocument
    from wanflow.spec.read.lock import LockEntry
    from wanflow.spec.read.source import SourceSpec


def reject_replacement(source: SourceSpec, kept: dict[str, SourceSpec], taken: set[str]) -> None:
    """Reject a document that would replace another one of the same import.

    Raises:
        Contradiction: names both.
    """
    if source.name in taken:
        raise _both(source, kept[source.name])


def replacement_notes(older: SourceSpec, newer: SourceSpec) -> list[str]:
    """Return a note for a failed import, if a document of another name would replace one."""
    file = newer.received_as or f"{newer.name}.yaml"
    same = file.rpartition(".")[0] == older.name
    return [] if same else [f"it would replace {older.name}, whose models it names"]


def _both(source: SourceSpec, other: SourceSpec) -> Conflict:
    """Return the error that two documents describe the same models."""
    shared = ", ".join(sorted(models_in(source) & models_in(other)))
    return Conflict(
        f"{_shown(source)} and {_shown(other)} both describe {shared or source.name}; import one "
        "of them, for a model has one document"
    )


def reject_duplicates(received: list[LoadedDocument]) -> None:
    """Reject documents with the same name and origin, unless their models differ."""
    for number, one in enumerate(received):
        for other in received[:number]:
            same_place = (one.source.name, one.origin) == (other.source.name, other.origin)
            if same_place and not _apart(one.source, other.source):
                files = f"{other.source.received_as} and {one.source.received_as}"
                raise InvalidDocument(
                    f"{files} are both called {one.source.name}, from {one.origin}; import one "
                    "of them"
                )


def _apart(one: SourceSpec, other: SourceSpec) -> bool:
    """Return whether two documents have models, but none in common."""
    return bool(models_in(one) and models_in(other)) and not models_in(one) & models_in(other)


def name_of(
    one: LoadedDocument, kept: dict[str, SourceSpec], entries: dict[str, LockEntry], taken: set[str]
) -> str:
    """Return the name to store a document under.

    Pages of one name with other models each are kept apart by a number, unless they are of one
    place, where the one of a later import replaces the older.
    """
    name = _known_as(one.source, kept)
    entry = entries.get(name)
    if name not in kept:
        return name
    if not _is_revision(one, kept[name], entry):
        raise _both(one.source, kept[name])
    same_place = entry is None or entry.origin == one.origin
    if (same_place and name not in taken) or not _apart(one.source, kept[name]):
        return name
    names = (f"{name}-{number}" for number in count(2))
    return next(free for free in names if free not in kept)


def _is_revision(one: LoadedDocument, older: SourceSpec, entry: LockEntry | None) -> bool:
    """Return whether a document may replace a stored one: it drops no model, or is the same page.

    A page of one model among the many of an overview would take the others with it.
    """
    same_page = one.source.name == older.name or (entry is not None and entry.origin == one.origin)
    return same_page or models_in(older) <= models_in(one.source)


def _known_as(source: SourceSpec, kept: dict[str, SourceSpec]) -> str:
    """Return the name of the stored document with the same models, or the document's own name."""
    models = models_in(source)
    older = sorted(name for name, other in kept.items() if models & models_in(other))
    if len(older) > 1:
        listed = ", ".join(_shown(kept[name]) for name in older)
        raise Conflict(
            f"{_shown(source)} describes models of several documents, which are {listed}; a model "
            "has one document"
        )
    return older[0] if older else source.name


def _shown(source: SourceSpec) -> str:
    return source.received_as or f"specs/sources/{source.name}.yaml"


def models_in(source: SourceSpec) -> set[str]:
    """Return the names of the models that a document describes."""
    return {model for call in source_operations(source) for model in call.models}
