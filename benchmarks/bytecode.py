"""The environment of processes that start as those of an installed package do."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def kept_bytecode() -> Iterator[dict[str, str]]:
    """Give an environment whose processes keep their bytecode in a folder, from the second on.

    pip compiles what it installs. Under PYTHONDONTWRITEBYTECODE this checkout is compiled anew by
    each process, and what it is compared with isn't.
    """
    names = {"PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX"}
    own = {name: value for name, value in os.environ.items() if name not in names}
    with tempfile.TemporaryDirectory(prefix="wanflow-bytecode-") as folder:
        yield {**own, "PYTHONPYCACHEPREFIX": folder}
