"""Generate images and videos through an asynchronous API: submit, wait, download.

Client and AsyncClient send the requests. Every error is a WanflowError. Errors that are rarely
caught by name, such as BadRequest, are in `wanflow.errors` only.
"""

from __future__ import annotations

import os
from _thread import RLock
from importlib import import_module

# Type checkers treat this name as true. It saves the import of `typing`.
TYPE_CHECKING: bool = False

if TYPE_CHECKING:
    from typing import Any

    from wanflow._core.snapshot import Snapshot as Snapshot
    from wanflow._media_checks import check_audio as check_audio
    from wanflow._media_checks import check_image as check_image
    from wanflow.async_client import AsyncClient as AsyncClient
    from wanflow.async_client import AsyncResult as AsyncResult
    from wanflow.async_client import AsyncTask as AsyncTask
    from wanflow.catalog.violation import Violation as Violation
    from wanflow.client import Client as Client
    from wanflow.client import Result as Result
    from wanflow.client import Task as Task
    from wanflow.errors import APIError as APIError
    from wanflow.errors import AuthenticationFailed as AuthenticationFailed
    from wanflow.errors import ConfigurationError as ConfigurationError
    from wanflow.errors import ConnectionFailed as ConnectionFailed
    from wanflow.errors import DownloadFailed as DownloadFailed
    from wanflow.errors import InsufficientCredits as InsufficientCredits
    from wanflow.errors import InvalidRequest as InvalidRequest
    from wanflow.errors import LedgerError as LedgerError
    from wanflow.errors import LinkExpired as LinkExpired
    from wanflow.errors import NotFound as NotFound
    from wanflow.errors import RateLimited as RateLimited
    from wanflow.errors import RequestWarning as RequestWarning
    from wanflow.errors import ServerError as ServerError
    from wanflow.errors import SubmitUncertain as SubmitUncertain
    from wanflow.errors import TaskFailed as TaskFailed
    from wanflow.errors import UnknownModel as UnknownModel
    from wanflow.errors import WaitTimeout as WaitTimeout
    from wanflow.errors import WanflowError as WanflowError
    from wanflow.ledger.ledger import Ledger as Ledger

__version__ = "0.1.0"

_MODULES = {
    "check_audio": "_media_checks",
    "check_image": "_media_checks",
    "AsyncClient": "async_client",
    "AsyncResult": "async_client",
    "AsyncTask": "async_client",
    "Client": "client",
    "Ledger": "ledger.ledger",
    "Result": "client",
    "Snapshot": "_core.snapshot",
    "Task": "client",
    "Violation": "catalog.violation",
}

__all__ = [
    "APIError",
    "AsyncClient",
    "AsyncResult",
    "AsyncTask",
    "AuthenticationFailed",
    "Client",
    "ConfigurationError",
    "ConnectionFailed",
    "DownloadFailed",
    "InsufficientCredits",
    "InvalidRequest",
    "Ledger",
    "LedgerError",
    "LinkExpired",
    "NotFound",
    "RateLimited",
    "RequestWarning",
    "Result",
    "ServerError",
    "Snapshot",
    "SubmitUncertain",
    "Task",
    "TaskFailed",
    "UnknownModel",
    "Violation",
    "WaitTimeout",
    "WanflowError",
    "__version__",
    "check_audio",
    "check_image",
]


_importing = RLock()
"""Of two threads that import a package and a module of it, one would get a `_DeadlockError`."""
if hasattr(os, "register_at_fork"):
    # It may be another thread that holds it, which a new process doesn't have.
    os.register_at_fork(after_in_child=lambda: globals().update(_importing=RLock()))


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `import wanflow` is fast."""
    if name not in __all__:
        raise AttributeError(f"module 'wanflow' has no attribute {name!r}")
    with _importing:
        module = import_module(f"wanflow.{_MODULES.get(name, 'errors')}")
    value = globals()[name] = getattr(module, name)
    return value


def __dir__() -> list[str]:
    return __all__
