"""What `schemathesis run` with default settings finds on the same mutants, for comparison.

It doesn't know the keywords that JSON Schema lacks, and so reports a few things on the whole mock.
Only what it reports beyond those counts as a kill.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from contract_tests.mutants.layer import MutatedServer
from contract_tests.mutants.mutant import Mutant

from wanflow.spec.document import packaged_path

if TYPE_CHECKING:
    from collections.abc import Iterable

_KEY = "plain-key-of-nobody-else"
_PLACE = re.compile(r"^_+ (.+?) _+$|^- ([A-Z]{2}[0-9]+ .+)$", re.MULTILINE)

Found = frozenset[tuple[str, str]]


def killed_plainly(mutants: Iterable[Mutant]) -> dict[str, bool]:
    """Tell for each mutant whether the plain tool reports what it doesn't on the whole mock."""
    whole = Mutant("whole", "status", "Nothing is wrong.", "submit")
    usual = found_on(whole) | found_on(whole)
    return {one.name: bool(found_on(one) - usual) for one in mutants}


def found_on(mutant: Mutant) -> Found:
    """Return what the plain tool reports: each kind of failure with the operation it is about."""
    command = str(Path(sys.executable).with_name("schemathesis"))
    with MutatedServer(mutant, looks=2, api_key=_KEY) as server:
        where = [str(packaged_path()), "--url", server.base_url]
        done = subprocess.run(
            [command, "run", *where, "--header", f"Authorization: Bearer {_KEY}"],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    return _read(done.stdout)


def _read(told: str) -> Found:
    place, found = "", set[tuple[str, str]]()
    for operation, failure in _PLACE.findall(told):
        place = operation or place
        if failure:
            found.add((place, failure))
    return frozenset(found)
