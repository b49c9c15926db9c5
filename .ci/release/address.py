"""The repository's address: pyproject.toml declares it, and other files name it.

`python .ci/release address NAME/REPOSITORY` replaces it in all of them.
"""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

from changelog import ReleaseError
from distributions import committed

if TYPE_CHECKING:
    from pathlib import Path

PLACEHOLDER = "OWNER"
HOST = "https://github.com/"
FORM = re.compile(r"[A-Za-z0-9-]+/[\w.-]+")


def address_of(root: Path) -> str:
    """Return the owner and the name of the repository, as pyproject.toml declares them."""
    declared = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["urls"]
    return str(declared["Repository"]).removeprefix(HOST)


def naming(root: Path, address: str) -> list[str]:
    """Return the files that name an address."""
    return [
        path for path in committed(root) if address in (root / path).read_text("utf-8", "replace")
    ]


def set_address(root: Path, address: str) -> list[str]:
    """Replace the address in every file that names it, and return those files."""
    if not FORM.fullmatch(address):
        raise ReleaseError(f"{address!r} must be OWNER/REPOSITORY, such as acme/wanflow")
    before = address_of(root)
    files = naming(root, before)
    for path in files:
        text = (root / path).read_bytes()
        (root / path).write_bytes(text.replace(before.encode(), address.encode()))
    return files


def check_address(root: Path, tag: str = "") -> str:
    """Return the address; a tag must have a real one."""
    address = address_of(root)
    if tag and address.partition("/")[0] == PLACEHOLDER:
        named = ", ".join(naming(root, address))
        raise ReleaseError(
            f"the repository is still called {address}, in {named}: "
            "set its address with `python .ci/release address NAME/REPOSITORY`"
        )
    return address
