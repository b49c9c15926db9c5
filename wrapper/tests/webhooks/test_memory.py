"""Laws of what is remembered: so much, for so long; and of two that take, one is first."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from tests.webhooks.conftest import Time
from wanflow.webhooks import InMemoryStore, Store
from wanflow.webhooks.store import TTLCache


class TestShelf:
    """Bounded in size and in time."""

    @given(
        st.integers(1, 5),
        st.lists(st.tuples(st.sampled_from("abcdefgh"), st.floats(0, 4)), max_size=80),
    )
    def test_it_is_what_a_plain_list_would_be(
        self, size: int, events: list[tuple[str, float]]
    ) -> None:
        """At any moment it holds the latest `size` names that were put within ten seconds."""
        shelf: TTLCache[int] = TTLCache(size, 10)
        log: dict[str, tuple[float, int]] = {}
        now = 0.0
        for index, (name, pause) in enumerate(events):
            now += pause
            shelf.put(name, index, now)
            log.pop(name, None)
            log[name] = (now + 10, index)
            latest = list(log)[-size:]
            for every in "abcdefgh":
                until, value = log.get(every, (0, None))
                alive = every in latest and until > now
                assert shelf.get(every, now) == (value if alive else None)
            assert len(shelf) <= size

    def test_nothing_outlives_its_time(self) -> None:
        """To the second."""
        shelf: TTLCache[int] = TTLCache(5, 10)
        shelf.put("a", 1, 0)
        assert shelf.get("a", 9.99) == 1
        assert shelf.get("a", 10) is None
        assert list(shelf.expired(10)) == ["a"]
        assert len(shelf) == 0

    def test_what_is_past_its_time_takes_no_room(self) -> None:
        """The next one that is put clears it away."""
        shelf: TTLCache[int] = TTLCache(1000, 10)
        for n in range(100):
            shelf.put(str(n), n, 0)
        shelf.put("last", 0, 11)
        assert len(shelf) == 1


class TestMemory:
    """The store of one process."""

    def test_it_is_a_store(self) -> None:
        """As the receiver asks for one."""
        assert isinstance(InMemoryStore(), Store)

    def test_a_key_is_taken_once_until_it_is_given_back_or_forgotten(self) -> None:
        """And again afterwards."""
        time = Time()
        memory = InMemoryStore(2, 60, clock=time.ticks)
        assert memory.add("a")
        assert not memory.add("a")
        assert memory.seen("a")
        memory.remove("a")
        assert not memory.seen("a")
        assert memory.add("a")
        time.sleep(60)
        assert not memory.seen("a")
        assert memory.add("a")

    def test_a_flood_does_not_grow_it(self) -> None:
        """Ten thousand keys in a memory of a hundred are a hundred."""
        memory = InMemoryStore(100)
        for n in range(10_000):
            assert memory.add(str(n))
        assert len(memory) == 100

    def test_of_many_threads_one_is_first(self) -> None:
        """A thousand keys, eight threads: each is taken once."""
        memory, taken = InMemoryStore(), []
        barrier = threading.Barrier(8)

        def take() -> None:
            barrier.wait()
            taken.extend(key for key in range(1000) if memory.add(str(key)))

        threads = [threading.Thread(target=take) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(taken) == list(range(1000))
