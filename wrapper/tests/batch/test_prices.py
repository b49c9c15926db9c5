"""A price is known before it is relied on, and what is counted is the same in every run."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wanflow.batch.cost_limit import CostLimit, Decision, price_class
from wanflow.catalog.catalog import packaged_catalog

CATALOG = packaged_catalog()


def test_one_job_of_unknown_price_is_sent_at_a_time() -> None:
    """Whatever its kind: two of them could both pass the ceiling."""
    prices = CostLimit(100)
    prices.reserve("1", "small")
    assert prices.decide("large") is Decision.WAIT
    prices.record("1", 2.0)
    assert prices.decide("large") is Decision.GO


def test_the_dearest_price_seen_bounds_an_unknown_one() -> None:
    """A job of another kind isn't sent where it could not even cost as much as the dearest."""
    prices = CostLimit(9)
    prices.reserve("1", "large")
    prices.record("1", 6.0)
    assert prices.decide("unknown") is Decision.STOP
    assert prices.decide("large") is Decision.STOP
    prices.record("1", 4.0)
    assert prices.decide("unknown") is Decision.STOP, "it was that dear once"
    prices.record("1", 3.0)
    assert prices.decide("unknown") is Decision.GO


def test_a_kind_whose_price_nobody_tells_is_not_sent_blindly() -> None:
    """Under a ceiling, no second job of unknown price is sent while the first one's is unknown."""
    prices = CostLimit(100)
    prices.reserve("1", "kind")
    prices.record("1", None)
    assert prices.decide("kind") is Decision.WAIT
    prices.settle("1")
    assert prices.decide("kind") is Decision.UNKNOWN_PRICE
    assert prices.decide("other") is Decision.UNKNOWN_PRICE
    assert prices.decide("kind", "1") is Decision.GO, "the same submission may be sent again"
    assert CostLimit().decide("kind") is Decision.GO


def test_what_is_uncertain_stays_counted_and_what_was_refused_does_not() -> None:
    """An uncertain one may have been charged; a refused one was not."""
    prices = CostLimit(100)
    for key in "123":
        prices.reserve(key, "kind")
    prices.record("1", 10.0)
    prices.settle("2")
    prices.release("3")
    assert prices.spent == 20


def test_what_was_given_back_is_not_counted_and_is_no_price() -> None:
    """A failed task that cost nothing doesn't make the next one free, in the next run either."""
    prices, later = CostLimit(20), CostLimit(20)
    prices.reserve("1", "kind")
    prices.record("1", 10.0)
    prices.record("1", 0.0)
    prices.settle("1", failed=True)
    later.restore("1", "kind", 0.0, in_flight=False, failed=True)
    for one in (prices, later):
        assert one.spent == 0
        one.reserve("2", "kind")
        one.reserve("3", "kind")
        assert one.decide("kind") is not Decision.GO


SUBMISSIONS = st.tuples(
    st.sampled_from("abc"),
    st.none() | st.floats(0, 1e11),
    st.none() | st.floats(0, 1e11),
    st.sampled_from(["ended", "failed", "uncertain", "refused"]),
)


@given(st.lists(SUBMISSIONS), st.randoms())
def test_the_next_run_counts_what_this_one_did(submissions: list[tuple], chance) -> None:
    """Whatever was told, failed or is uncertain, and in whatever order."""
    prices, later = CostLimit(), CostLimit()
    numbered = list(enumerate(submissions))
    for number, (kind, reserved, used, end) in numbered:
        key = str(number)
        prices.reserve(key, kind)
        if end == "refused":
            prices.release(key)
            continue
        if end != "uncertain":
            prices.record(key, reserved)
            prices.record(key, used)
        prices.settle(key, failed=end == "failed")
    chance.shuffle(numbered)
    for number, (kind, reserved, used, end) in numbered:
        last = None if end == "uncertain" else reserved if used is None else used
        if end != "refused":
            later.restore(str(number), kind, last, in_flight=False, failed=end == "failed")
    assert later.spent == prices.spent


def test_texts_and_links_make_no_kind_and_all_else_does() -> None:
    """Jobs that differ in words alone cost the same; those that differ in number or size don't."""
    pictures = [model for model in CATALOG.models.values() if "prompt" in model.parameters]
    assert pictures
    for model in pictures:
        body = {"model": model.name, "prompt": "a"}
        assert price_class(CATALOG, body) == price_class(CATALOG, {**body, "prompt": "another"})
        for name in set(model.parameters) & {"n", "duration", "size", "quality"}:
            assert price_class(CATALOG, {**body, name: 1}) != price_class(
                CATALOG, {**body, name: 2}
            )
