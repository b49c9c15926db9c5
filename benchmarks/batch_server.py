"""The mock in a process of its own, with the smallest files: a benchmark is not of its drawing.

It prints its base URL; for each line that it then reads it prints its books.
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
            books = {"tasks": len(tasks), "polls": sum(task.polls for task in tasks)}
            print(json.dumps(books), flush=True)


if __name__ == "__main__":
    main(float(sys.argv[1]))
