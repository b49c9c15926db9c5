"""Every kind of change and of finding, with the stable id that users and CI name it by.

The hundreds say how much it matters: 1 breaks somebody, 2 asks for attention, 3 adds, 4 informs;
5 and 6 are what `wanflow spec check` complains of. An id never changes its meaning, and the id of
a kind that is gone isn't used again. docs/changes.md lists them all.
"""

from __future__ import annotations

from enum import IntEnum

from attrs import frozen


class Severity(IntEnum):
    """The severity of a change; breaking is the highest."""

    NONE = 0
    INFO = 1
    ADDITIVE = 2
    WARNING = 3
    BREAKING = 4

    @property
    def exit_code(self) -> int:
        """The exit code of `wanflow spec diff` if this is the highest severity."""
        if self is Severity.BREAKING:
            return 2
        return int(self >= Severity.ADDITIVE)

    @property
    def label(self) -> str:
        """The name of the severity for users."""
        return self.name.lower()


@frozen
class ChangeKind:
    """One kind of change or finding."""

    id: str
    title: str

    @property
    def severity(self) -> Severity:
        """Its severity, which its id determines."""
        return _LEVELS[self.id[2]]


_LEVELS = {
    "1": Severity.BREAKING,
    "2": Severity.WARNING,
    "3": Severity.ADDITIVE,
    "4": Severity.INFO,
    "5": Severity.BREAKING,
    "6": Severity.BREAKING,
}

_TITLES = {
    "WF101": "an operation is gone",
    "WF102": "a model is gone",
    "WF103": "a class of the generated client is gone",
    "WF104": "an operation has another operationId",
    "WF105": "other security is required",
    "WF106": "a server is gone",
    "WF107": "the default server is another, and so where the key goes",
    "WF108": "a parameter of an operation is gone",
    "WF109": "a new parameter of an operation is required",
    "WF110": "a parameter of an operation is required now",
    "WF111": "a request body is required now",
    "WF112": "a media type of requests is gone",
    "WF113": "a parameter of a request is gone",
    "WF114": "a value that used to pass is refused",
    "WF115": "another default is sent",
    "WF116": "a rule in a keyword of ours is stricter, or another",
    "WF117": "a status of success isn't documented any more",
    "WF118": "a media type of responses is gone",
    "WF119": "a response may come that couldn't before",
    "WF120": "a schema isn't known to admit what it admitted",
    "WF121": "a response header is gone",
    "WF122": "a link is gone",
    "WF123": "a callback or webhook is gone",
    "WF124": "a parameter or body is written in another way",
    "WF125": "the discriminator is another property",
    "WF126": "a rule isn't applied any more, for its sentence is gone or changed",
    "WF201": "something is deprecated now",
    "WF202": "a value is deprecated now",
    "WF203": "a date of removal, or what replaces something, was set or changed",
    "WF204": "a response header changed",
    "WF205": "a link changed",
    "WF206": "a callback or webhook changed",
    "WF207": "a keyword that no proof sees changed",
    "WF208": "a variable of a server, or the schemas' dialect, changed",
    "WF209": "an entry of a reviewed file of exceptions matches nothing",
    "WF210": "a sentence reads like a rule that nothing expresses",
    "WF211": "a rule of an overlay isn't applied where its sentence nearly stands",
    "WF212": "an example or default that breaks its own schema was mended or left out",
    "WF301": "an operation is new",
    "WF302": "a model is new",
    "WF303": "a class of the generated client is new",
    "WF304": "a server is new",
    "WF305": "security may be another too, or none",
    "WF306": "a parameter of an operation is new",
    "WF307": "a parameter of an operation isn't required any more",
    "WF308": "a request body isn't required any more",
    "WF309": "a media type of requests is new",
    "WF310": "a parameter of a request is new",
    "WF311": "a value passes that used to be refused",
    "WF312": "a default or a rule in a keyword of ours is new or gone, and refuses nothing",
    "WF313": "a status is documented now",
    "WF314": "a status of failure isn't documented any more",
    "WF315": "a media type of responses is new",
    "WF316": "a response doesn't come any more",
    "WF317": "a schema isn't known to admit no more than it admitted",
    "WF318": "a response header is new",
    "WF319": "a link is new",
    "WF320": "a callback or webhook is new",
    "WF321": "something isn't deprecated any more",
    "WF401": "a text for people changed",
    "WF402": "the description of an enumeration changed",
    "WF403": "an example changed",
    "WF404": "what the document says of itself changed",
    "WF405": "a tag changed",
    "WF406": "a keyword of a schema changed; another line says what that does, if anything",
    "WF407": "an extension (x-…) changed",
    "WF408": "something else changed",
    "WF501": "YAML loaders read a scalar differently",
    "WF502": "it isn't valid OpenAPI 3.1",
    "WF503": "a keyword is unknown, or has a value that it can't have",
    "WF504": "the merged document doesn't hang together",
    "WF505": "an example or default breaks its own schema",
    "WF506": "a reference leads nowhere",
    "WF507": "a source isn't what was imported",
    "WF508": "an entry of left-as-prose.yaml is stale",
    "WF601": "a document is refused",
    "WF602": "documents contradict each other",
    "WF603": "not proved",
    "WF604": "an overlay is at fault",
    "WF605": "a tool is missing or complains",
}

KINDS = {number: ChangeKind(number, _TITLES[number]) for number in sorted(_TITLES)}
"""Every kind by its id, in order."""
