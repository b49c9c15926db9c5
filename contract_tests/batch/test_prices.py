"""The ceiling holds whatever the order of events, and a price is learnt before it is relied on."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wanflow.batch.prices import Prices, Verdict, kind_of
from wanflow.spec.catalog import packaged_catalog

CATALOG = packaged_catalog()


@given(
    st.floats(0, 100),
    st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), min_size=1, max_size=60),
    st.fixed_dictionaries({kind: st.floats(0.1, 20) for kind in "abc"}),
)
def test_no_job_of_a_known_price_passes_the_ceiling(
    ceiling: float, events: list[tuple[str, bool]], costs: dict[str, float]
) -> None:
    """Only the first job of a kind, whose price nobody knows, can bring the sum above."""
    prices = Prices(ceiling)
    bound: list[tuple[str, str]] = []
    known: set[str] = set()
    for number, (kind, ends) in enumerate(events):
        if ends and bound:
            name, first = bound.pop(0)
            prices.tell(name, first, costs[first])
            known.add(first)
        elif prices.judge(kind) is Verdict.GO:
            under_way = [one for _, one in bound]
            if kind in known:
                total = prices.spent + sum(costs[one] for one in [*under_way, kind] if one in known)
                assert total <= ceiling + 1e-6
            else:
                assert kind not in under_way, "two of a kind whose price nobody knows"
            prices.begin(str(number), kind)
            bound.append((str(number), kind))


def test_a_kind_whose_price_nobody_tells_is_not_sent_blindly() -> None:
    """Under a ceiling, the second of a kind is sent only once the first told its price."""
    prices = Prices(100)
    prices.begin("1", "k")
    prices.tell("1", "k", None)
    assert prices.judge("k") is Verdict.WAIT
    prices.settle("k", None, None)
    assert prices.judge("k") is Verdict.BLIND
    assert Prices().judge("k") is Verdict.GO


def test_what_is_in_doubt_stays_counted_and_what_was_refused_does_not() -> None:
    """A doubt may have been charged; a refusal was not."""
    prices = Prices(100)
    prices.begin("1", "k")
    prices.tell("1", "k", 10)
    prices.begin("2", "k")
    prices.doubt("2", "k")
    prices.begin("3", "k")
    prices.forget("3", "k")
    assert prices.spent == 20


def test_texts_and_links_make_no_kind_and_all_else_does() -> None:
    """Jobs that differ in words alone cost the same; those that differ in number or size don't."""
    pictures = [model for model in CATALOG.models.values() if "prompt" in model.parameters]
    assert pictures
    for model in pictures:
        body = {"model": model.name, "prompt": "a"}
        assert kind_of(CATALOG, body) == kind_of(CATALOG, {**body, "prompt": "another"})
        for name in set(model.parameters) & {"n", "duration", "size", "quality"}:
            assert kind_of(CATALOG, {**body, name: 1}) != kind_of(CATALOG, {**body, name: 2})
