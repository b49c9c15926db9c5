"""Laws of telling waits: look now, ever less often; and poll slower only while callbacks come."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wanflow.webhooks.notifier import WaitNotifier

LATEST = 47


@pytest.fixture
def announcer() -> WaitNotifier:
    return WaitNotifier()


class TestRings:
    """A callback tells those who listen, and a replay of it doesn't for long."""

    def test_listeners_are_told(self, announcer: WaitNotifier) -> None:
        """All who listen, while they listen."""
        one: list[str] = []
        other: list[str] = []
        with announcer.subscribe(one.append):
            with announcer.subscribe(other.append):
                announcer.notify("a", 0)
            announcer.notify("b", 0)
        announcer.notify("c", 0)
        assert (one, other) == (["a", "b"], ["a"])

    def test_who_comes_later_is_told_what_has_been(self, announcer: WaitNotifier) -> None:
        """A callback may be here before anybody waits; so many are told of, and the newest."""
        for n in range(5000):
            announcer.notify(f"{n}", 0)
        late: list[str] = []
        with announcer.subscribe(late.append):
            announcer.notify("new", 0)
        assert late == [f"{n}" for n in range(5000 - 4096, 5000)] + ["new"]

    def test_one_that_fails_keeps_nobody_else_from_it(self, announcer: WaitNotifier) -> None:
        """A wait whose loop has ended costs the others nothing."""
        told: list[str] = []

        def fail(_: str) -> None:
            raise RuntimeError("the loop is closed")

        with announcer.subscribe(fail), announcer.subscribe(told.append):
            assert announcer.notify("a", 0)
        assert told == ["a"]

    @given(st.lists(st.floats(0, 2), min_size=1, max_size=400))
    def test_a_replay_rings_ever_less_often(self, pauses: list[float]) -> None:
        """In t seconds the same task is told of at most 1 + log2(1 + t) times."""
        announcer, now, rings = WaitNotifier(), 0.0, 0
        for pause in pauses:
            now += pause
            rings += announcer.notify("a", now)
        assert rings >= 1
        assert 2 ** (rings - 1) <= 1 + now


class TestStretch:
    """Polling is slowed by what has been seen of callbacks, not by the hope of them."""

    def test_before_any_callback_nothing_is_slowed(self, announcer: WaitNotifier) -> None:
        """The first task is polled as if there were no receiver."""
        assert announcer.poll_factor("a", 0) == 1

    def test_callbacks_that_come_in_time_slow_it(self, announcer: WaitNotifier) -> None:
        """Twice, four and eight times, and no more."""
        stretches = []
        for n in range(5):
            announcer.notify(f"{n}", n)
            announcer.record_end(f"{n}", n + 0.1)
            stretches.append(announcer.poll_factor("other", n + 0.2))
        assert stretches == [2, 4, 8, 8, 8]

    def test_a_callback_that_comes_after_the_poll_is_in_time(self, announcer: WaitNotifier) -> None:
        """Whichever comes first: the sender's last try is within 47 seconds."""
        announcer.record_end("a", 0)
        announcer.notify("a", LATEST - 1)
        assert announcer.poll_factor("other", LATEST * 3) == 2

    def test_one_that_stays_away_ends_it(self, announcer: WaitNotifier) -> None:
        """A single task that ended without a callback, and polling is what it was."""
        for n in range(3):
            announcer.notify(f"{n}", 0)
            announcer.record_end(f"{n}", 0)
        announcer.record_end("silent", 1)
        assert announcer.poll_factor("other", LATEST) == 8
        assert announcer.poll_factor("other", LATEST + 1.1) == 1

    def test_one_that_comes_too_late_has_stayed_away(self, announcer: WaitNotifier) -> None:
        """A callback after the sender's last try counts as none."""
        announcer.record_end("a", 0)
        announcer.notify("a", LATEST + 1)
        assert announcer.poll_factor("other", LATEST + 1) == 1

    def test_a_closed_receiver_slows_nothing(self, announcer: WaitNotifier) -> None:
        """Who can't be called any more is polled for as ever, at once."""
        for n in range(3):
            announcer.notify(f"{n}", 0)
            announcer.record_end(f"{n}", 0)
        assert announcer.poll_factor("other", 1) == 8
        announcer.close()
        assert announcer.poll_factor("other", 1) == 1

    def test_a_task_that_was_called_about_is_polled_as_ever(self, announcer: WaitNotifier) -> None:
        """Its callback has been; only looks can tell the rest."""
        for n in range(3):
            announcer.notify(f"{n}", 0)
            announcer.record_end(f"{n}", 0)
        assert announcer.poll_factor("other", 1) == 8
        announcer.notify("other", 1)
        assert announcer.poll_factor("other", 1) == 1

    @given(
        st.lists(
            st.tuples(st.sampled_from(["ring", "end"]), st.integers(0, 5), st.floats(0, 60)),
            max_size=60,
        )
    )
    def test_whatever_happens_it_is_bounded(self, events: list[tuple[str, int, float]]) -> None:
        """One to eight, and back to one after a minute in which an end was told by nobody."""
        announcer, now = WaitNotifier(), 0.0
        for what, task, pause in events:
            now += pause
            if what == "ring":
                announcer.notify(str(task), now)
            else:
                announcer.record_end(str(task), now)
            assert announcer.poll_factor("other", now) in {1, 2, 4, 8}
        announcer.record_end("never told of", now)
        assert announcer.poll_factor("other", now + 60) == 1
