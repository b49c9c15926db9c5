"""What `schemathesis run` with default settings finds on the same mutants, for comparison.

It doesn't know the spec's own keywords, so it reports a few things on the unmodified mock. Only
what it reports beyond those counts as a kill.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from self_tests.mutation.mutant import Mutant
from wanflow.catalog.document import packaged_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_TIMEOUT = 240.0
"""The timeout of one run in seconds; on the unmodified mock it takes about ten."""
_KEY = "plain-key-of-nobody-else"
_PLACE = re.compile(r"^_+ (.+?) _+$|^- ([A-Z]{2}[0-9]+ .+)$", re.MULTILINE)

Found = frozenset[tuple[str, str]]


def sample_mutants(mutants: Iterable[Mutant], part: int) -> list[Mutant]:
    """Return every Nth mutant of each class, at least one of each."""
    classes = defaultdict[str, list[Mutant]](list)
    for one in mutants:
        classes[one.kind].append(one)
    return [one for of_class in classes.values() for one in of_class[::part]]


def killed_by_baseline(mutants: Sequence[Mutant], jobs: int) -> dict[str, bool]:
    """Return for each mutant whether Schemathesis reports more than on the unmodified mock."""
    unmodified = Mutant("whole", "status", "Nothing is wrong.", "submit")
    usual = found_on(unmodified) | found_on(unmodified)
    with ThreadPoolExecutor(jobs) as pool:
        found = list(pool.map(found_on, mutants))
    return {one.name: bool(seen - usual) for one, seen in zip(mutants, found, strict=True)}


def found_on(mutant: Mutant) -> Found:
    """Return what Schemathesis reports: each kind of failure with its operation.

    For a run that times out, what it reported until then counts.
    """
    command = str(Path(sys.executable).with_name("schemathesis"))
    with mutant.opened(api_key=_KEY) as server:
        where = [str(packaged_path()), "--url", server.base_url]
        words = [command, "run", *where, "--header", f"Authorization: Bearer {_KEY}"]
        try:
            output = subprocess.run(
                words, capture_output=True, timeout=_TIMEOUT, check=False
            ).stdout
        except subprocess.TimeoutExpired as timeout:
            output = timeout.stdout or b""
    return _read(output.decode(errors="replace"))


def _read(output: str) -> Found:
    place, found = "", set[tuple[str, str]]()
    for operation, failure in _PLACE.findall(output):
        place = operation or place
        if failure:
            found.add((place, failure))
    return frozenset(found)
