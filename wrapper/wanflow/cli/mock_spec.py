"""The option `--spec` of `wanflow mock`: reads a merged spec or a document."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from wanflow.mock.errors import UnsupportedSpec
from wanflow.mock.gateway.endpoints import load

if TYPE_CHECKING:
    from wanflow.catalog.document import JsonObject


def read_spec(path: str) -> JsonObject:
    """Return the merged spec of a file.

    Raises:
        ValueError: the file can't be read, or isn't a spec that the mock can serve.
    """
    try:
        from wanflow.spec.errors import SpecError
        from wanflow.spec.serve import spec_of_file
    except ModuleNotFoundError as missing:
        raise ValueError(
            f"a spec is read with {missing.name}; run: pip install 'wanflow[spec]'"
        ) from missing
    try:
        document = spec_of_file(Path(path))
        load(document)
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from error
    except (SpecError, UnsupportedSpec) as error:
        raise ValueError(f"{path} can't be served: {error}") from error
    return document
