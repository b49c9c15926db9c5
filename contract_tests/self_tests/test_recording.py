"""`wanflow mock --record` and `--replay`: lives play again as they were, and hold no secret."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from self_tests.recording_trials import leaks, plant, replay_trial
from self_tests.reference_server.server import Server
from self_tests.reference_server.variants import SignedLinks

if TYPE_CHECKING:
    from pathlib import Path


def _assert_equal(count: int, folder: Path, *servers: type[Server]) -> None:
    found = replay_trial(count, folder, servers)
    assert not found.differences, "\n".join(found.differences[:20])
    assert found.lives == count
    assert found.responses > count


def test_recorded_lives_replay_equal(tmp_path) -> None:
    """All values are the same, but for ids, times, links, and the texts that were removed."""
    _assert_equal(6, tmp_path, Server, SignedLinks)


@pytest.mark.slow  # two hundred tasks of servers that take their time
def test_two_hundred_recorded_lives_replay_equal(tmp_path) -> None:
    """The same is true of the reference server and of each of its variants."""
    _assert_equal(200, tmp_path)


def test_no_planted_secret_is_recorded(tmp_path) -> None:
    """Keys, texts, links, cookies, names and ids are in no file, however the server echoes them."""
    secrets = plant(tmp_path)
    assert len(secrets) == 20
    assert leaks(tmp_path, secrets) == []
