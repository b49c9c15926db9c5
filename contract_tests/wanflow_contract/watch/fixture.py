"""A pytest fixture: `pytest_plugins = ["wanflow_contract.watch.fixture"]`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wanflow_contract.watch.client_hook import JudgingTransport
from wanflow_contract.watch.observer import Observer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    Judging = Callable[[Any], JudgingTransport]


@pytest.fixture
def judging() -> Iterator[Judging]:
    """Return a function that makes a transport judged: `Client(transport=judging(inner))`.

    The transport is one for httpx2 or httpx, sync or async.

    All transports of a test have one observer. The test fails at its end if a response deviated
    from the documents; an error inside a check fails it, too, and is named so.
    """
    observer = Observer()
    yield lambda inner: JudgingTransport(inner, observer)
    result = observer.result()
    if result.new:
        texts = "\n\n".join(one.text() for one in result.new)
        pytest.fail(f"the server deviates from the documents:\n{texts}", pytrace=False)
    if result.errors:
        pytest.fail(
            f"an error in the contract suite, not a finding:\n{result.errors[0].text}",
            pytrace=False,
        )
