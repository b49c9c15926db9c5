"""What `schemathesis run` with default settings finds on the same mutants, for comparison."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from contract_tests.mutants.layer import MutatedServer

from wanflow.spec.document import packaged_path

if TYPE_CHECKING:
    from collections.abc import Iterable

    from contract_tests.mutants.mutant import Mutant

_KEY = "plain-key-of-nobody-else"
_FOUND = 1


def killed_plainly(mutants: Iterable[Mutant]) -> dict[str, bool]:
    """Tell for each mutant whether the plain tool reports a failure."""
    return {one.name: _finds(one) for one in mutants}


def _finds(mutant: Mutant) -> bool:
    command = str(Path(sys.executable).with_name("schemathesis"))
    with MutatedServer(mutant, looks=2) as server:
        done = subprocess.run(
            [
                command,
                "run",
                str(packaged_path()),
                "--url",
                server.base_url,
                "--header",
                f"Authorization: Bearer {_KEY}",
                "--max-failures",
                "1",
            ],
            capture_output=True,
            timeout=300,
            check=False,
        )
    return done.returncode == _FOUND
