"""The wait notifier: callbacks cause polls, and while they arrive, polling is slower."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wanflow.webhooks.notifier import WaitNotifier

LAST_RETRY = 47


@pytest.fixture
def notifier() -> WaitNotifier:
    return WaitNotifier()


class TestSubscribers:
    """A callback notifies the subscribers; repetitions of it notify them ever less often."""

    def test_subscribers_are_notified(self, notifier: WaitNotifier) -> None:
        """All subscribers are notified while they are subscribed."""
        one: list[str] = []
        other: list[str] = []
        with notifier.subscribe(one.append):
            with notifier.subscribe(other.append):
                notifier.notify("a", 0)
            notifier.notify("b", 0)
        notifier.notify("c", 0)
        assert (one, other) == (["a", "b"], ["a"])

    def test_a_later_subscriber_is_notified_of_earlier_callbacks(
        self, notifier: WaitNotifier
    ) -> None:
        """A callback may arrive before the wait begins: the latest 4096 are passed on."""
        for n in range(5000):
            notifier.notify(f"{n}", 0)
        late: list[str] = []
        with notifier.subscribe(late.append):
            notifier.notify("new", 0)
        assert late == [f"{n}" for n in range(5000 - 4096, 5000)] + ["new"]

    def test_a_failing_subscriber_does_not_affect_others(self, notifier: WaitNotifier) -> None:
        """The others are notified, too, if the event loop of one has ended."""
        notified: list[str] = []

        def fail(_: str) -> None:
            raise RuntimeError("the loop is closed")

        with notifier.subscribe(fail), notifier.subscribe(notified.append):
            assert notifier.notify("a", 0)
        assert notified == ["a"]

    @given(st.lists(st.floats(0, 2), min_size=1, max_size=400))
    def test_a_repeated_callback_notifies_ever_less_often(self, pauses: list[float]) -> None:
        """In t seconds the same task causes at most 1 + log2(1 + t) notifications."""
        notifier, now, notifications = WaitNotifier(), 0.0, 0
        for pause in pauses:
            now += pause
            notifications += notifier.notify("a", now)
        assert notifications >= 1
        assert 2 ** (notifications - 1) <= 1 + now


class TestPollFactor:
    """Polling is slowed by callbacks that arrived, not by expected ones."""

    def test_before_any_callback_polling_is_not_slowed(self, notifier: WaitNotifier) -> None:
        """The first task is polled as if there were no receiver."""
        assert notifier.poll_factor("a", 0) == 1

    def test_callbacks_in_time_slow_polling(self, notifier: WaitNotifier) -> None:
        """The interval is 2, 4 and then 8 times as long, and no longer."""
        factors = []
        for n in range(5):
            notifier.notify(f"{n}", n)
            notifier.record_end(f"{n}", n + 0.1)
            factors.append(notifier.poll_factor("other", n + 0.2))
        assert factors == [2, 4, 8, 8, 8]

    def test_a_callback_after_the_poll_is_in_time(self, notifier: WaitNotifier) -> None:
        """The sender's last retry comes within 47 seconds of the end."""
        notifier.record_end("a", 0)
        notifier.notify("a", LAST_RETRY - 1)
        assert notifier.poll_factor("other", LAST_RETRY * 3) == 2

    def test_a_missing_callback_ends_slow_polling(self, notifier: WaitNotifier) -> None:
        """After one task that ended without a callback, the interval is normal again."""
        for n in range(3):
            notifier.notify(f"{n}", 0)
            notifier.record_end(f"{n}", 0)
        notifier.record_end("silent", 1)
        assert notifier.poll_factor("other", LAST_RETRY) == 8
        assert notifier.poll_factor("other", LAST_RETRY + 1.1) == 1

    def test_a_late_callback_counts_as_missing(self, notifier: WaitNotifier) -> None:
        """A callback after the sender's last retry counts as missing."""
        notifier.record_end("a", 0)
        notifier.notify("a", LAST_RETRY + 1)
        assert notifier.poll_factor("other", LAST_RETRY + 1) == 1

    def test_a_closed_receiver_ends_slow_polling(self, notifier: WaitNotifier) -> None:
        """A closed receiver gets no callbacks, so the interval is normal immediately."""
        for n in range(3):
            notifier.notify(f"{n}", 0)
            notifier.record_end(f"{n}", 0)
        assert notifier.poll_factor("other", 1) == 8
        notifier.close()
        assert notifier.poll_factor("other", 1) == 1

    def test_a_task_is_polled_normally_after_its_callback(self, notifier: WaitNotifier) -> None:
        """Its callback has arrived; only polls can show its end."""
        for n in range(3):
            notifier.notify(f"{n}", 0)
            notifier.record_end(f"{n}", 0)
        assert notifier.poll_factor("other", 1) == 8
        notifier.notify("other", 1)
        assert notifier.poll_factor("other", 1) == 1

    @given(
        st.lists(
            st.tuples(st.sampled_from(["callback", "end"]), st.integers(0, 5), st.floats(0, 60)),
            max_size=60,
        )
    )
    def test_the_factor_is_bounded(self, events: list[tuple[str, int, float]]) -> None:
        """It is between 1 and 8, and 1 again a minute after an end without a callback."""
        notifier, now = WaitNotifier(), 0.0
        for what, task, pause in events:
            now += pause
            if what == "callback":
                notifier.notify(str(task), now)
            else:
                notifier.record_end(str(task), now)
            assert notifier.poll_factor("other", now) in {1, 2, 4, 8}
        notifier.record_end("no callback", now)
        assert notifier.poll_factor("other", now + 60) == 1
