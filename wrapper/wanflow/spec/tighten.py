"""Prove that what an overlay changes lets nothing through that the documents refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wanflow.spec.failures import NotProved, OverlayFault
from wanflow.spec.meaning import meaning
from wanflow.spec.overlay import apply_action
from wanflow.spec.places import answers_of, reached_by, requests_of
from wanflow.spec.prove import show
from wanflow.spec.rests import LOOSENS, Origins, check_rests

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from wanflow.spec.document import Json
    from wanflow.spec.overlay import Action, Overlay


def overlaid(document: Json, overlays: Iterable[Overlay], origins: Origins) -> Json:
    """Apply overlays one action at a time: each founded on a sentence, and proved to tighten.

    Raises:
        OverlayFault: an action doesn't apply, or rests on nothing.
        NotProved: an action loosens, and doesn't say why.
    """
    for overlay in overlays:
        for action in overlay.actions:
            check_rests(document, action, origins)
            changed = apply_action(document, action)
            prove_tighter(document, changed, action)
            document = changed
    return document


def prove_tighter(before: Json, after: Json, action: Action) -> None:
    """Prove that what is accepted after an action was accepted before it.

    Raises:
        NotProved: shows a body that only the changed document accepts.
        OverlayFault: the action says that it loosens, and doesn't.
    """
    loosened = next(_loosened(before, after), None)
    if LOOSENS in action.raw:
        if loosened is None:
            raise OverlayFault(f"{action.place}: it says that it loosens something, and it doesn't")
    elif loosened is not None:
        raise NotProved(f"{action.place}: it loosens {loosened}; {LOOSENS} may say why")


def _loosened(before: Json, after: Json) -> Iterator[str]:
    touched = _touched(before, after)
    for schemas_of in (requests_of, answers_of):
        earlier = schemas_of(before)
        for name, schema in schemas_of(after).items():
            was = earlier.get(name)
            if was is None:
                yield f"{name}, which wasn't there"
            elif was != schema or reached_by(after, schema) & touched:
                old, new = meaning(before, was), meaning(after, schema)
                if not old.covers(new):
                    yield f"{name}, which now takes {show(old.lacks(new))}"


def _touched(before: Json, after: Json) -> set[str]:
    """Name the schemas that aren't the same object any more; what is shared wasn't touched."""
    old, new = before["components"]["schemas"], after["components"]["schemas"]
    return {name for name in old.keys() | new.keys() if old.get(name) is not new.get(name)}
