"""Everything that can go wrong, sorted by who must act.

WanflowError
├── ConfigurationError        you: a key or a base URL is missing or malformed
├── InvalidRequest            you: the request breaks the documents' rules; nothing was sent
│   └── UnknownModel              the model is in none of the documents
├── ConnectionFailed          the network: nothing reached the API, trying again is safe
├── SubmitUncertain           you: a submission may have been accepted and charged, or not
├── APIError                  the API answered with an error
│   ├── BadRequest                400  you: change the request
│   ├── AuthenticationFailed      401  you: check the key
│   ├── InsufficientCredits       402  you: top up
│   ├── PermissionDenied          403  you: the account may not use this
│   ├── NotFound                  404  you: a wrong or expired id, or a model the API doesn't have
│   ├── RequestTooLarge           413  you: send less
│   ├── RateLimited               429  nobody: wait `retry_after` seconds
│   ├── ServerError               5xx  the provider
│   └── UnexpectedAnswer          the answer isn't what the documents promise
├── TaskFailed                the task ended without a result
├── WaitTimeout               nobody: the task still runs; wait again by its id
├── DownloadFailed            a file could not be fetched or saved; the task's result stands
│   └── LinkExpired               the link is past its 24 hours
└── LedgerError               you: the ledger can't be opened, read or written
    └── JobTaken                  nobody: another process works on the job

Every error survives pickle, and holds plain data only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wanflow._text import printable

if TYPE_CHECKING:
    from pathlib import Path

    from wanflow.catalog.violation import Violation


class WanflowError(Exception):
    """The base of every error that this library raises on purpose.

    Attributes:
        task_id: the task that the error is about, where there is one; `client.task(task_id)`
            takes it up again.
    """

    task_id: str | None = None

    def __init__(self, message: str, *, task_id: str | None = None) -> None:
        # The API's own words are in it, and a traceback shows it as it is.
        super().__init__(printable(message, lines=isinstance(self, InvalidRequest)))
        self.task_id = task_id


class ConfigurationError(WanflowError, ValueError):
    """The client can't be made from what it was given."""


class InvalidRequest(WanflowError, ValueError):
    """The request breaks rules of the documents, and was not sent.

    Attributes:
        violations: every broken rule, each with pointer, value, rule and message.
    """

    def __init__(self, message: str, *, violations: tuple[Violation, ...] = ()) -> None:
        super().__init__(message)
        self.violations = violations


class RequestWarning(UserWarning):
    """The request is allowed, and part of it will not do what it seems to."""


class InsecureURLWarning(UserWarning):
    """The API key goes over plain http to another machine."""


class UnknownModel(InvalidRequest):
    """The model is in none of the documents."""


class ConnectionFailed(WanflowError, ConnectionError):
    """The API could not be reached, and provably got nothing."""


class SubmitUncertain(WanflowError):
    """A submission may have been accepted and charged, and nothing proves or disproves it.

    Either no whole response came, or one that leaves it open, such as a 500. It was not sent again.
    A server that honours idempotency keys, or the provider's support, can tell what became of it.

    Attributes:
        reason: what came instead of a proof.
        request: the body that was sent.
        idempotency_key: the key that it carried.
        status: the HTTP status of the response, None where none came.
        code: the API's own code in it, if any.
        body: the response's decoded body, or the text of its first 16 KiB, or of what came of it;
            None without one.
        task_id: the task that the response names, if it names any: `client.task(task_id)` takes
            it up, and it's in the ledger.
    """

    def __init__(
        self,
        message: str,
        *,
        reason: str = "",
        request: dict[str, Any] | None = None,
        idempotency_key: str | None = None,
        status: int | None = None,
        code: int | str | None = None,
        body: Any = None,
        task_id: str | None = None,
    ) -> None:
        super().__init__(message, task_id=task_id)
        self.reason = reason
        self.request = request
        self.idempotency_key = idempotency_key
        self.status = status
        self.code = code
        self.body = body


class APIError(WanflowError):
    """The API answered with an error.

    Attributes:
        status: the HTTP status.
        code: the API's own code, an integer or a string by the revision of the API.
        type: the API's kind of error, such as `rate_limit_error`.
        param: the parameter at fault, where it says one.
        fallback_suggestion: what the API suggests.
        request_id: the `x-request-id` of the answer, for the provider's support.
        retry_after: seconds to wait before another try, where the answer says so.
        body: the decoded body, or its text where it isn't JSON.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        code: int | str | None = None,
        type: str | None = None,  # noqa: A002 - the API's own word
        param: str | None = None,
        fallback_suggestion: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        body: Any = None,
        task_id: str | None = None,
    ) -> None:
        super().__init__(message, task_id=task_id)
        self.status = status
        self.code = code
        self.type = type
        self.param = param
        self.fallback_suggestion = fallback_suggestion
        self.request_id = request_id
        self.retry_after = retry_after
        self.body = body


class BadRequest(APIError):
    """400: the request is refused as it is."""


class AuthenticationFailed(APIError):
    """401: the key is missing, wrong or withdrawn."""


class InsufficientCredits(APIError):
    """402: the account has too few credits left."""


class PermissionDenied(APIError):
    """403: the account may not do this."""


class NotFound(APIError):
    """404: no such task (or it expired), or no such model."""


class RequestTooLarge(APIError):
    """413: the body is too large."""


class RateLimited(APIError):
    """429: too many requests; `retry_after` says how long to wait where the API does."""


class ServerError(APIError):
    """5xx: the gateway or the service behind it failed."""


class UnexpectedResponse(APIError):
    """The answer isn't what the documents promise: another status, or a body that can't be read."""


class TaskFailed(WanflowError):
    """The task ended without a result. A failed task is final: a new try is a new, charged one.

    Attributes:
        code: the API's business code, such as `content_policy_violation`.
        advice: what to do about that code.
        resubmit: True where a new submission of the same request may succeed.
        snapshot: the task as last seen.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        advice: str = "",
        resubmit: bool = False,
        snapshot: Any = None,
        task_id: str | None = None,
    ) -> None:
        super().__init__(message, task_id=task_id)
        self.code = code
        self.hint = advice
        self.retryable = resubmit
        self.snapshot = snapshot


class WaitTimeout(WanflowError, TimeoutError):
    """The task had not ended when the time given was up. It goes on, and so may you, by its id.

    Attributes:
        snapshot: the task as last seen, None when no look at it succeeded.
        fault: what became of the last look where it learnt nothing, else None.
    """

    def __init__(
        self,
        message: str,
        *,
        snapshot: Any = None,
        fault: str | None = None,
        task_id: str | None = None,
    ) -> None:
        super().__init__(message, task_id=task_id)
        self.snapshot = snapshot
        self.last_error = fault


class DownloadFailed(WanflowError):
    """A file could not be fetched or saved.

    Attributes:
        url: the link.
        status: the status its server answered with, where it answered.
        saved: the paths of the task's other files, which could be saved.
    """

    saved: tuple[Path, ...] = ()

    def __init__(
        self,
        message: str,
        *,
        url: str | None = None,
        status: int | None = None,
        task_id: str | None = None,
    ) -> None:
        super().__init__(message, task_id=task_id)
        self.url = url
        self.status = status


class LinkExpired(DownloadFailed):
    """The link is past its 24 hours, and its file is gone."""


class LedgerError(WanflowError):
    """The record of paid work can't be opened, read or written.

    Attributes:
        path: the ledger's file.
    """

    def __init__(
        self, message: str, *, path: str | None = None, task_id: str | None = None
    ) -> None:
        super().__init__(message, task_id=task_id)
        self.path = path


class JobLocked(LedgerError):
    """Another process that shares the ledger works on the job."""
