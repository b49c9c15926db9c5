"""The merge of any generated sources is proved, complete and independent of their order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.spec.family import document, request, source
from wanflow.spec.diff.diff import compare
from wanflow.spec.merge.decisions import format_report
from wanflow.spec.merge.merge import merge
from wanflow.spec.proof.inventory import prove_inventory
from wanflow.spec.proof.requests import prove_requests

if TYPE_CHECKING:
    from wanflow.spec.read.source import SourceSpec

Json = dict[str, Any]

NAMES = ("id", "status", "usage", "code")
TEXTS = st.sampled_from(["one", "two"])


@st.composite
def scalars(draw: st.DrawFn) -> Json:
    kind = draw(st.sampled_from(["string", "integer", "number", "boolean"]))
    rule: Json = {"type": kind}
    if kind == "string":
        extra = draw(st.sampled_from(["", "enum", "maxLength", "format", "pattern"]))
        values = {
            "enum": draw(st.lists(st.sampled_from("abcd"), min_size=1, unique=True)),
            "maxLength": draw(st.integers(1, 9)),
            "format": draw(st.sampled_from(["uri", "date"])),
            "pattern": draw(st.sampled_from(["^a", "b$"])),
        }
        rule |= {extra: values[extra]} if extra else {}
    elif kind != "boolean":
        low = draw(st.integers(0, 5))
        bounds = {"minimum": low, "maximum": low + draw(st.integers(0, 5))}
        rule |= {key: bounds[key] for key in draw(st.sets(st.sampled_from(sorted(bounds))))}
    if draw(st.booleans()):
        rule["description"] = draw(TEXTS)
    return rule


def objects(parts: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    return st.builds(
        lambda properties, required, closed, text: {
            "type": "object",
            "properties": properties,
            **({"required": [name for name in properties if name in required]} if required else {}),
            **({"additionalProperties": False} if closed else {}),
            **({"description": text} if text else {}),
        },
        st.dictionaries(st.sampled_from(NAMES), parts, max_size=3),
        st.sets(st.sampled_from(NAMES), max_size=2),
        st.sampled_from([False, False, False, True]),
        st.sampled_from(["", "one", "two"]),
    )


SCHEMAS = st.recursive(
    scalars() | st.just({"$ref": "#/components/schemas/Usage"}),
    lambda inner: objects(inner) | inner.map(lambda items: {"type": "array", "items": items}),
    max_leaves=4,
)
STATUSES = st.lists(st.sampled_from(["400", "402", "404", "429"]), unique=True).map(tuple)


@st.composite
def families(draw: st.DrawFn) -> list[SourceSpec]:
    """Two to four documents that share names, and differ in what they mean by them."""
    return [
        source(
            f"doc-{number}",
            document(
                request(f"nova-{number}", **draw(st.dictionaries(st.sampled_from(NAMES), SCHEMAS))),
                response=draw(objects(SCHEMAS)),
                error=draw(objects(SCHEMAS)),
                statuses=draw(STATUSES),
                Usage=draw(objects(scalars())),
            ),
        )
        for number in range(draw(st.integers(2, 4)))
    ]


@given(families())
@settings(max_examples=examples(60))
def test_the_merge_of_any_sources_is_proved(sources: list[SourceSpec]):
    """Nothing is lost or added, and each request accepts what its source accepts."""
    made = merge(sources)
    prove_requests(made.document, made.operations)
    prove_inventory(made.document, made.operations, made.schema_names)


@given(families(), st.randoms())
@settings(max_examples=examples(25))
def test_the_order_of_any_sources_does_not_matter(sources: list[SourceSpec], random):
    """Shuffled sources give the same spec and the same report."""
    shuffled = list(sources)
    random.shuffle(shuffled)
    one, other = merge(sources), merge(shuffled)
    assert one.document == other.document
    assert format_report(one.decisions, "x") == format_report(other.decisions, "x")


@given(families())
@settings(max_examples=examples(25))
def test_any_spec_equals_itself(sources: list[SourceSpec]):
    """A spec compared with itself has no changes; an additional source breaks no request."""
    fewer, more = merge(sources[:-1]).document, merge(sources).document
    assert compare(more, more).changes == ()
    worst = [str(one) for one in compare(fewer, more).changes if "used to pass" in one.what]
    assert worst == []
