"""Say which newer revision took from an overlay the sentence that it rests on."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from attrs import frozen

from wanflow.spec.failures import OverlayFault
from wanflow.spec.rests import flat, sentences_of, texts_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from wanflow.spec.failures import SpecFailure
    from wanflow.spec.overlay import Action, Overlay
    from wanflow.spec.source import Source

_MOST = 48
_ALIKE = 0.5


@frozen
class Revision:
    """A kept document, and the one that would replace it."""

    older: Source
    newer: Source

    @property
    def file(self) -> str:
        """What the newer one came in."""
        return self.newer.received_as or f"{self.newer.name}.yaml"

    @property
    def claims(self) -> str:
        """Say that a document of another name would replace the older one; empty otherwise."""
        if self.file.rpartition(".")[0] == self.older.name:
            return ""
        return f"it would replace {self.older.name}, whose models it names"

    def lost(self, sentence: str) -> bool:
        """Tell whether only the older one says a sentence."""
        old, new = ("\n".join(texts_of(one.document)) for one in (self.older, self.newer))
        return flat(sentence) in old and flat(sentence) not in new

    def instead(self, sentence: str) -> str:
        """Return what the newer one says in its place; empty where nothing is like it."""
        old, new = (_lines(one) for one in (self.older, self.newer))
        found = get_close_matches(flat(sentence), sorted(new - old), 1, _ALIKE)
        return found[0] if found else ""


def explained(
    failure: SpecFailure, overlays: Iterable[Overlay], replaced: Sequence[Revision]
) -> SpecFailure:
    """Return a failure of the same kind, with what a replaced document has to do with it."""
    claims = next((one.claims for one in replaced if one.claims), "")
    after = f"; {claims}" if claims else ""
    actions = [action for overlay in overlays for action in overlay.actions]
    action = next((one for one in actions if str(failure).startswith(f"{one.place}: ")), None)
    if isinstance(failure, OverlayFault) and action is not None:
        for revision in replaced:
            if told := _told(action, revision):
                return OverlayFault(told + after)
    return type(failure)(f"{failure}{after}") if after else failure


def _told(action: Action, revision: Revision) -> str | None:
    for sentence in sentences_of(action.raw.get("update")):
        if revision.lost(sentence):
            new = revision.instead(sentence)
            now = f"says “{_begun(new)}” now" if new else "says nothing like it now"
            return (
                f"{revision.file} {now}, not “{_begun(flat(sentence))}”, on which "
                f"{action.place} rests; mend that action, and import again"
            )
    return None


def _begun(text: str) -> str:
    return text if len(text) <= _MOST else f"{text[: _MOST - 1]}…"


def _lines(source: Source) -> set[str]:
    lines = [line.strip().removeprefix("- ") for line in source.text.splitlines()]
    return {flat(line) for line in lines} | set(texts_of(source.document))
