"""The mock in its own process, with the smallest files, so that making them isn't measured.

It prints its base URL; for each line of input it prints its counts.
"""

from __future__ import annotations

import json
import sys

from wanflow.mock import MockServer
from wanflow.mock.files import cache
from wanflow.mock.files.media import placeholder_png


def main(seconds: float) -> None:
    """Serve until the input ends."""
    picture = cache.File(placeholder_png(64, 64), b"image/png", b'"same"')
    cache._make = lambda *_: picture
    with MockServer(seconds=seconds) as mock:
        print(mock.base_url, flush=True)
        for _ in sys.stdin:
            tasks = list(mock.gateway.tasks)
            counts = {"tasks": len(tasks), "polls": sum(task.polls for task in tasks)}
            print(json.dumps(counts), flush=True)


if __name__ == "__main__":
    main(float(sys.argv[1]))
