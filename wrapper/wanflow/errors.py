"""The errors, by who can do something about them.

WanflowError
├── ConfigurationError        you: a key or a base URL is missing or malformed
├── InvalidRequest            you: the request violates the spec; nothing was sent
│   └── UnknownModel              the model is not in the spec
├── CreditLimitExceeded       you: it may cost more than max_credits; nothing was sent
├── ConnectionFailed          the network: nothing reached the API, a retry is safe
├── UploadFailed              the storage: a local file wasn't uploaded; nothing was sent
├── SubmitUncertain           you: a submission may have been accepted and charged, or not
├── APIError                  the API responded with an error
│   ├── BadRequest                400  you: change the request
│   ├── AuthenticationFailed      401  you: check the key
│   ├── InsufficientCredits       402  you: top up
│   ├── PermissionDenied          403  you: the account may not use this
│   ├── NotFound                  404  you: a wrong or expired id, or a model the API doesn't have
│   ├── WrongBaseURL              404  you: the API isn't at this base URL (a ConfigurationError)
│   ├── RequestTooLarge           413  you: send less
│   ├── RateLimited               429  nobody: wait `retry_after` seconds
│   ├── ServerError               5xx  the provider
│   └── UnexpectedResponse        the response doesn't match the spec
├── TaskFailed                the task ended without a result
├── WaitTimeout               nobody: the task keeps running; wait again by its id
├── DownloadFailed            a file could not be downloaded or saved; the result is still valid
│   ├── LinkExpired               the link is older than 24 hours
│   └── StorageFailed             the object storage can't be reached, or rejects the file
└── LedgerError               you: the ledger can't be opened, read or written
    └── JobLocked                 nobody: another process works on the job

Every error can be pickled, and has plain data only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wanflow._text import printable

if TYPE_CHECKING:
    from pathlib import Path

    from wanflow.catalog.violation import Violation


class WanflowError(Exception):
    """The base class of the library's errors.

    Attributes:
        task_id: the id of the task, None if there is none; `client.task(task_id)`
            resumes it.
    """

    task_id: str | None = None

    def __init__(self, message: str, *, task_id: str | None = None) -> None:
        # It may contain text of the API, and a traceback prints it unchanged.
        super().__init__(printable(message, lines=isinstance(self, InvalidRequest)))
        self.task_id = task_id


class ConfigurationError(WanflowError, ValueError):
    """The configuration is incomplete or invalid."""


class InvalidRequest(WanflowError, ValueError):
    """The request violates the spec, and was not sent.

    Attributes:
        violations: every violation, with pointer, value, rule and message.
    """

    def __init__(self, message: str, *, violations: tuple[Violation, ...] = ()) -> None:
        super().__init__(message)
        self.violations = violations


class RequestWarning(UserWarning):
    """The request is valid, but part of it has no effect or an unexpected one."""


class InsecureURLWarning(UserWarning):
    """The API key is sent to another machine over plain http."""


class UnknownModel(InvalidRequest):
    """The model is not in the spec."""


class CreditLimitExceeded(WanflowError):
    """The request may cost more than `max_credits`, and was not sent.

    Attributes:
        max_credits: the limit.
        estimate: what is known of its price, a `wanflow.ledger.Estimate`.
    """

    def __init__(self, message: str, *, max_credits: float = 0.0, estimate: Any = None) -> None:
        super().__init__(message)
        self.max_credits = max_credits
        self.estimate = estimate


class ConnectionFailed(WanflowError, ConnectionError):
    """The API could not be reached, and provably received nothing."""


class UploadFailed(WanflowError):
    """A local file could not be uploaded. Nothing was sent to the API, and nothing was charged."""


class SubmitUncertain(WanflowError):
    """A submission may have been accepted and charged, or not.

    No complete response came, or one that proves neither, such as a 500. It was not sent again. To
    find out, ask the provider's support, or send it again to a server that honours idempotency
    keys.

    Attributes:
        reason: why it is uncertain.
        request: the body that was sent.
        idempotency_key: the key that was sent with it.
        status: the HTTP status of the response, None without one.
        code: the API's error code in the response, if any.
        body: the decoded body of the response, or the text of its first 16 KiB if it can't be
            decoded; None without a response.
        request_id: the `x-request-id` of the response, None without one.
        task_id: the task id in the response, if any; `client.task(task_id)` resumes the task,
            and the ledger has the id.
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
        request_id: str | None = None,
    ) -> None:
        super().__init__(message, task_id=task_id)
        self.reason = reason
        self.request_id = request_id
        self.request = request
        self.idempotency_key = idempotency_key
        self.status = status
        self.code = code
        self.body = body


class APIError(WanflowError):
    """The API responded with an error.

    Attributes:
        status: the HTTP status.
        code: the API's error code, an integer or a string, depending on the API's version.
        type: the API's error type, such as `rate_limit_error`.
        param: the invalid parameter, if the response names one.
        fallback_suggestion: what the API suggests.
        request_id: the response's `x-request-id`, for the provider's support.
        retry_after: seconds to wait before a retry, None if the response doesn't say.
        sent_at: when it was sent, in Unix seconds, by the server's clock if the response says so.
        body: the decoded body, or its text if it isn't JSON.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        code: int | str | None = None,
        type: str | None = None,  # noqa: A002 - the API's name for it
        param: str | None = None,
        fallback_suggestion: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        sent_at: float | None = None,
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
        self.sent_at = sent_at
        self.body = body


class BadRequest(APIError):
    """400: the request is invalid."""


class AuthenticationFailed(APIError):
    """401: the key is missing, wrong or revoked."""


class InsufficientCredits(APIError):
    """402: the account has too few credits."""


class PermissionDenied(APIError):
    """403: the account has no permission for this."""


class NotFound(APIError):
    """404: the task doesn't exist or has expired, or the model doesn't exist."""


class WrongBaseURL(APIError, ConfigurationError):
    """The API is not at this base URL: 404 or 405 for a path that it has, or TLS is missing."""


class RequestTooLarge(APIError):
    """413: the body is too large."""


class RateLimited(APIError):
    """429: too many requests; wait `retry_after` seconds."""


class ServerError(APIError):
    """5xx: the gateway or the service behind it failed."""


class UnexpectedResponse(APIError):
    """The response doesn't match the spec: another status, or an unreadable body.

    Attributes:
        problem: why the body of a success can't be used, None for another status.
    """

    problem: str | None = None


class TaskFailed(WanflowError):
    """The task ended without a result. This is final: a retry is a new submission, charged again.

    Attributes:
        code: the API's failure code, such as `content_policy_violation`.
        hint: what to do about that code.
        retryable: True if submitting the same request again may succeed.
        snapshot: the last snapshot of the task.
        request_id: the `x-request-id` of the last response, None without one.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        hint: str = "",
        retryable: bool = False,
        snapshot: Any = None,
        task_id: str | None = None,
    ) -> None:
        super().__init__(message, task_id=task_id)
        self.code = code
        self.hint = hint
        self.request_id: str | None = getattr(snapshot, "request_id", None)
        self.retryable = retryable
        self.snapshot = snapshot


class WaitTimeout(WanflowError, TimeoutError):
    """The task isn't done when the timeout ends. It keeps running: wait again by its id.

    Attributes:
        snapshot: the last snapshot of the task, None if no poll succeeded.
        request_id: the `x-request-id` of that snapshot's response, None without one.
        last_error: the error of the last poll, None if it succeeded.
    """

    def __init__(
        self,
        message: str,
        *,
        snapshot: Any = None,
        last_error: str | None = None,
        task_id: str | None = None,
    ) -> None:
        super().__init__(message, task_id=task_id)
        self.snapshot = snapshot
        self.last_error = last_error
        self.request_id: str | None = getattr(snapshot, "request_id", None)


class DownloadFailed(WanflowError):
    """A file could not be downloaded or saved.

    Attributes:
        url: the link.
        status: the HTTP status of the file server's response, None without one.
        saved: the paths of the task's files that were saved.
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
    """The link is older than 24 hours, so the file is no longer available."""


class StorageFailed(DownloadFailed):
    """Object storage can't be reached, or rejects a file; no part of it was stored.

    Attributes:
        url: the URL of the object, such as `s3://bucket/prefix/name.png`.
    """


class LedgerError(WanflowError):
    """The ledger can't be opened, read or written.

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
