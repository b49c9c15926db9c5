"""The one file that knows the generated modules: they give a request its method, path and headers.

Answers are read by `_core.snapshot` and `_core.answer` instead. The generated parsers raise on an
unknown status, on an unknown word of an enum and on a body that isn't JSON, and a paid task must
survive all of these.
"""

from __future__ import annotations

import json
import pkgutil
import sys
from functools import cache
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wanflow._core.effects import Request
from wanflow.catalog.document import PROJECT_VARIABLE, project_client
from wanflow.errors import ConfigurationError, InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

    from wanflow.catalog.catalog import Catalog, Model

_PACKAGE = "wanflow_client"
IDEMPOTENCY_HEADER = "idempotency-key"


class _AnyBody:
    """Stands for a body: the generated functions call its `to_dict`, and don't read the result."""

    def to_dict(self) -> dict[str, Any]:
        return {}


def build_submit(
    model: Model, body: Mapping[str, Any], idempotency_key: str, base_url: str = ""
) -> Request:
    """Build the request that submits a body to its model's operation."""
    kwargs = _builder(model.operation_id)(body=_AnyBody())
    headers = {**kwargs.get("headers", {}), IDEMPOTENCY_HEADER: idempotency_key}
    method, path = kwargs["method"].upper(), kwargs["url"]
    return Request(method, path, _encoded(body), headers, base_url=base_url)


def build_status(catalog: Catalog, task_id: str, base_url: str = "") -> Request:
    """Build the request that reads a task; the id is escaped into the path."""
    kwargs = _builder(catalog.status_operation.operation_id)(task_id)
    method, path, headers = kwargs["method"].upper(), kwargs["url"], kwargs.get("headers", {})
    return Request(method, path, headers=headers, base_url=base_url)


def request_as_dict(request: object) -> dict[str, Any]:
    """Return the fields of a request object of the generated package.

    Raises:
        TypeError: it is no such object.
    """
    to_dict = getattr(request, "to_dict", None)
    if to_dict is None:
        raise TypeError(
            f"a request is a dict or an object of wanflow.models, not {type(request).__name__}"
        )
    fields: dict[str, Any] = to_dict()
    return fields


def generated(module: str) -> ModuleType:
    """Import a module of the generated package: of the user's project, or the installed one.

    Raises:
        ConfigurationError: the other package was imported before.
    """
    own = project_client()
    if own is not None:
        _load(own)
    # First, and whole: of two threads, one of which imports this package and the other one a module
    # of it, one would get a `_DeadlockError` (CPython 3.14).
    import_module(f"{_PACKAGE}.models")
    return import_module(f"{_PACKAGE}.{module}")


def _load(folder: Path) -> None:
    present = sys.modules.get(_PACKAGE)
    if present is not None and Path(str(present.__file__)).parent != folder:
        raise ConfigurationError(
            f"{_PACKAGE} of {Path(str(present.__file__)).parent} was imported before that of "
            f"{PROJECT_VARIABLE}; import it from wanflow.models, or set PYTHONPATH={folder.parent}"
        )
    if present is None:
        found = spec_from_file_location(
            _PACKAGE, folder / "__init__.py", submodule_search_locations=[str(folder)]
        )
        assert found is not None
        assert found.loader is not None
        sys.modules[_PACKAGE] = module = module_from_spec(found)
        found.loader.exec_module(module)


def _encoded(body: Mapping[str, Any]) -> bytes:
    try:
        text = json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequest(f"the request can't be written as JSON: {error}") from None


@cache
def _builder(operation_id: str) -> Callable[..., dict[str, Any]]:
    """Find the generated module of an operation, however the generator spelt its name."""
    api = generated("api")
    for module in pkgutil.walk_packages(api.__path__, f"{api.__name__}."):
        if _normalized(module.name.rpartition(".")[2]) == _normalized(operation_id):
            build: Callable[..., dict[str, Any]] = import_module(module.name)._get_kwargs  # noqa: SLF001
            return build
    raise LookupError(
        f"the generated client has no operation {operation_id}; run `wanflow spec generate`"
    )


def _normalized(name: str) -> str:
    return name.replace("_", "").lower()
