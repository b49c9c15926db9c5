"""Callbacks: URLs that only we can have made, and ends that the API itself has confirmed.

The API signs nothing, so whoever knows a callback URL can call it with anything. A Receiver seals
each URL, takes what arrives for a claim, and asks the API before it believes one.
"""

from __future__ import annotations

from wanflow.webhooks.errors import CallbackRejected
from wanflow.webhooks.events import CallbackPayload, TaskDone
from wanflow.webhooks.receiver import Receiver
from wanflow.webhooks.store import InMemoryStore, Store

__all__ = ["CallbackPayload", "CallbackRejected", "InMemoryStore", "Receiver", "Store", "TaskDone"]
