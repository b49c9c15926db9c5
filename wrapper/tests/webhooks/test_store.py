"""The in-store store is bounded in size and time, and atomic."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from tests.webhooks.conftest import FakeClock
from wanflow.webhooks import InMemoryStore, Store
from wanflow.webhooks.store import TTLCache


class TestTTLCache:
    """The cache is bounded in size and in time."""

    @given(
        st.integers(1, 5),
        st.lists(st.tuples(st.sampled_from("abcdefgh"), st.floats(0, 4)), max_size=80),
    )
    def test_it_equals_a_simple_model(self, size: int, events: list[tuple[str, float]]) -> None:
        """It always holds the latest `size` names that were put within ten seconds."""
        cache: TTLCache[int] = TTLCache(size, 10)
        model: dict[str, tuple[float, int]] = {}
        now = 0.0
        for index, (name, pause) in enumerate(events):
            now += pause
            cache.put(name, index, now)
            model.pop(name, None)
            model[name] = (now + 10, index)
            latest = list(model)[-size:]
            for every in "abcdefgh":
                until, value = model.get(every, (0, None))
                valid = every in latest and until > now
                assert cache.get(every, now) == (value if valid else None)
            assert len(cache) <= size

    def test_an_entry_expires_on_the_second(self) -> None:
        """An entry expires exactly after its time to live."""
        cache: TTLCache[int] = TTLCache(5, 10)
        cache.put("a", 1, 0)
        assert cache.get("a", 9.99) == 1
        assert cache.get("a", 10) is None
        assert list(cache.expired(10)) == ["a"]
        assert len(cache) == 0

    def test_expired_entries_are_removed(self) -> None:
        """The next `put` removes expired entries."""
        cache: TTLCache[int] = TTLCache(1000, 10)
        for n in range(100):
            cache.put(str(n), n, 0)
        cache.put("last", 0, 11)
        assert len(cache) == 1


class TestInMemoryStore:
    """The store of one process."""

    def test_it_is_a_store(self) -> None:
        """It satisfies the protocol."""
        assert isinstance(InMemoryStore(), Store)

    def test_a_key_is_added_once_until_removed_or_expired(self) -> None:
        """After that it can be added again."""
        clock = FakeClock()
        store = InMemoryStore(2, 60, clock=clock.monotonic)
        assert store.add("a")
        assert not store.add("a")
        assert store.seen("a")
        store.remove("a")
        assert not store.seen("a")
        assert store.add("a")
        clock.sleep(60)
        assert not store.seen("a")
        assert store.add("a")

    def test_it_never_exceeds_its_size(self) -> None:
        """After ten thousand keys, a store of size 100 has 100."""
        store = InMemoryStore(100)
        for n in range(10_000):
            assert store.add(str(n))
        assert len(store) == 100

    def test_one_of_many_threads_adds_a_key(self) -> None:
        """With eight threads, each of a thousand keys is added once."""
        store, added = InMemoryStore(), []
        barrier = threading.Barrier(8)

        def add_all() -> None:
            barrier.wait()
            added.extend(key for key in range(1000) if store.add(str(key)))

        threads = [threading.Thread(target=add_all) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(added) == list(range(1000))
