"""How a batch learns prices, and that every run counts the same costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from wanflow._core.prices import price_class
from wanflow.batch.cost_limit import CostLimit, Decision
from wanflow.catalog.catalog import packaged_catalog

if TYPE_CHECKING:
    from random import Random

CATALOG = packaged_catalog()


def test_one_job_of_unknown_price_is_sent_at_a_time() -> None:
    """Two of them, of any class, could both exceed the limit."""
    prices = CostLimit(100)
    prices.reserve("1", "small")
    assert prices.decide("large") is Decision.WAIT
    prices.record("1", 2.0)
    assert prices.decide("large") is Decision.GO


def test_the_highest_known_price_stands_for_an_unknown_one() -> None:
    """A job of another class isn't sent unless the highest price fits into the limit."""
    prices = CostLimit(9)
    prices.reserve("1", "large")
    prices.record("1", 6.0)
    assert prices.decide("unknown") is Decision.STOP
    assert prices.decide("large") is Decision.STOP
    prices.record("1", 4.0)
    assert prices.decide("unknown") is Decision.STOP, "it had that price before"
    prices.record("1", 3.0)
    assert prices.decide("unknown") is Decision.GO


def test_jobs_of_a_class_without_a_reported_price_are_not_sent() -> None:
    """With a limit, no second job of unknown price is sent while the first price is unknown."""
    prices = CostLimit(100)
    prices.reserve("1", "kind")
    prices.record("1", None)
    assert prices.decide("kind") is Decision.WAIT
    prices.settle("1")
    assert prices.decide("kind") is Decision.UNKNOWN_PRICE
    assert prices.decide("other") is Decision.UNKNOWN_PRICE
    assert prices.decide("kind", "1") is Decision.GO, "the same submission may be sent again"
    assert CostLimit().decide("kind") is Decision.GO


def test_an_uncertain_job_is_counted_and_a_rejected_one_is_not() -> None:
    """An uncertain one may have been charged; a rejected one was not."""
    prices = CostLimit(100)
    for key in "123":
        prices.reserve(key, "kind")
    prices.record("1", 10.0)
    prices.settle("2")
    prices.release("3")
    assert prices.spent == 20


def test_a_refund_is_not_counted_and_is_not_a_price() -> None:
    """A refunded task doesn't make the next one free, nor in the next run."""
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


def test_a_free_job_is_not_a_price() -> None:
    """After one that was free, the others don't count as free, nor in the next run."""
    prices, later = CostLimit(20), CostLimit(20)
    prices.reserve("1", "kind")
    prices.record("1", 0.0)
    prices.settle("1")
    later.restore("1", "kind", 0.0, in_flight=False)
    for one in (prices, later):
        assert one.decide("kind") is Decision.GO
        one.reserve("2", "kind")
        assert one.decide("kind") is Decision.WAIT
        one.record("2", 10.0)
        one.reserve("3", "kind")
        assert one.spent + 10 == 20
        assert one.decide("kind") is Decision.STOP


SUBMISSIONS = st.tuples(
    st.sampled_from("abc"),
    st.none() | st.floats(0, 1e11),
    st.none() | st.floats(0, 1e11),
    st.sampled_from(["ended", "failed", "uncertain", "rejected"]),
)


@given(st.lists(SUBMISSIONS), st.randoms())
def test_the_next_run_counts_the_same_costs(
    submissions: list[tuple[str, float | None, float | None, str]], random: Random
) -> None:
    """Whatever was reported, failed or is uncertain, in any order."""
    prices, later = CostLimit(), CostLimit()
    numbered = list(enumerate(submissions))
    for number, (kind, reserved, used, end) in numbered:
        key = str(number)
        prices.reserve(key, kind)
        if end == "rejected":
            prices.release(key)
            continue
        if end != "uncertain":
            prices.record(key, reserved)
            prices.record(key, used)
        prices.settle(key, failed=end == "failed")
    random.shuffle(numbered)
    for number, (kind, reserved, used, end) in numbered:
        last = None if end == "uncertain" else reserved if used is None else used
        if end != "rejected":
            later.restore(str(number), kind, last, in_flight=False, failed=end == "failed")
    assert later.spent == prices.spent


def test_texts_and_links_do_not_change_the_price_class() -> None:
    """Number, duration, size and quality do."""
    models = [model for model in CATALOG.models.values() if "prompt" in model.parameters]
    assert models
    for model in models:
        body = {"model": model.name, "prompt": "a"}
        assert price_class(CATALOG, body) == price_class(CATALOG, {**body, "prompt": "another"})
        for name in set(model.parameters) & {"n", "duration", "size", "quality"}:
            assert price_class(CATALOG, {**body, name: 1}) != price_class(
                CATALOG, {**body, name: 2}
            )
