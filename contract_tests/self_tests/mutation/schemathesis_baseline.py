"""What `schemathesis run` with default settings finds on the same mutants, for comparison.

It doesn't know the keywords that JSON Schema lacks, and so reports a few things on the whole mock.
Only what it reports beyond those counts as a kill.
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

_PATIENCE = 240.0
"""Seconds that one run may take; on the whole mock it takes some ten."""
_KEY = "plain-key-of-nobody-else"
_PLACE = re.compile(r"^_+ (.+?) _+$|^- ([A-Z]{2}[0-9]+ .+)$", re.MULTILINE)

Found = frozenset[tuple[str, str]]


def sampled(mutants: Iterable[Mutant], part: int) -> list[Mutant]:
    """Return each so many-th mutant of every class, one of each class at least."""
    classes = defaultdict[str, list[Mutant]](list)
    for one in mutants:
        classes[one.kind].append(one)
    return [one for of_class in classes.values() for one in of_class[::part]]


def killed_plainly(mutants: Sequence[Mutant], jobs: int) -> dict[str, bool]:
    """Tell for each mutant whether the plain tool reports what it doesn't on the whole mock."""
    whole = Mutant("whole", "status", "Nothing is wrong.", "submit")
    usual = found_on(whole) | found_on(whole)
    with ThreadPoolExecutor(jobs) as pool:
        found = list(pool.map(found_on, mutants))
    return {one.name: bool(seen - usual) for one, seen in zip(mutants, found, strict=True)}


def found_on(mutant: Mutant) -> Found:
    """Return what the plain tool reports: each kind of failure with the operation it is about.

    A run that a fault keeps from ending is counted by what it had said until then.
    """
    command = str(Path(sys.executable).with_name("schemathesis"))
    with mutant.opened(api_key=_KEY) as server:
        where = [str(packaged_path()), "--url", server.base_url]
        words = [command, "run", *where, "--header", f"Authorization: Bearer {_KEY}"]
        try:
            told = subprocess.run(words, capture_output=True, timeout=_PATIENCE, check=False).stdout
        except subprocess.TimeoutExpired as late:
            told = late.stdout or b""
    return _read(told.decode(errors="replace"))


def _read(told: str) -> Found:
    place, found = "", set[tuple[str, str]]()
    for operation, failure in _PLACE.findall(told):
        place = operation or place
        if failure:
            found.add((place, failure))
    return frozenset(found)
