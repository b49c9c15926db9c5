"""Every mutant, also those that are generated, for the commands that test with them."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from self_tests.mutation import generated
from self_tests.mutation.mutant import MUTANTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from self_tests.mutation.mutant import Mutant


@cache
def manual_mutants() -> Mapping[str, Mutant]:
    """Return the mutants of every module `manual_*` by name."""
    for path in sorted(Path(__file__).parent.glob("manual_*.py")):
        import_module(f"self_tests.mutation.{path.stem}")
    return dict(MUTANTS)


@cache
def all_mutants() -> Mapping[str, Mutant]:
    """Return every mutant by name: those that are written by hand, and those of the spec."""
    manual_mutants()
    generated.make()
    return dict(MUTANTS)
