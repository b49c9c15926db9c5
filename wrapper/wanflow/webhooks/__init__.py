"""Callbacks: signed URLs, and finished tasks that the API has confirmed.

The API doesn't sign callbacks, so anyone who knows a callback URL can send any body to it. A
Receiver signs each URL, and asks the API for the task's status before it reports one as done.
"""

from __future__ import annotations

from wanflow.webhooks.errors import CallbackRejected
from wanflow.webhooks.events import CallbackPayload, TaskDone
from wanflow.webhooks.receiver import Receiver
from wanflow.webhooks.store import InMemoryStore, Store

__all__ = ["CallbackPayload", "CallbackRejected", "InMemoryStore", "Receiver", "Store", "TaskDone"]
