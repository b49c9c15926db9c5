"""What tools return: facts as JSON, errors as one sentence, and pictures of bounded size."""

from __future__ import annotations

import json
import os
from base64 import b64encode
from typing import TYPE_CHECKING, Any

from mcp.types import CallToolResult, ImageContent, TextContent

from wanflow._core.file_formats import BEGINNING, KINDS, detect_format
from wanflow._core.snapshot import credits_of
from wanflow._text import one_line
from wanflow.ledger.export import isoformat

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from wanflow._core.snapshot import Snapshot
    from wanflow.ledger import Job

MAX_IMAGE_BYTES = 3 * 1024 * 1024
"""The most bytes of all pictures of one result."""
_SHOWN_TYPES = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif"})
_MAX_TEXT, _MAX_PROMPT, _MAX_LINK = 1000, 200, 8192
_MAX_LINKS = 100
_FACTS = ("task_id", "idempotency_key", "code", "status")


def fit(text: str, limit: int = _MAX_TEXT) -> str:
    """Return a text of other people on one line, without control characters, and not too long."""
    shown = one_line(text[:limit])
    return shown if len(text) <= limit else f"{shown}…"


def shown_path(path: Path) -> str:
    """Return an absolute path as text, whatever encoding this process was started with."""
    return fit(os.fsencode(path.absolute()).decode(errors="replace"), _MAX_LINK)


def success(facts: dict[str, Any], images: Iterable[ImageContent] = ()) -> CallToolResult:
    """Return facts as text and as structured content."""
    text = TextContent(type="text", text=json.dumps(facts))
    return CallToolResult(content=[text, *images], structured_content=facts)


def failure(error: Exception) -> CallToolResult:
    """Return an error as one sentence."""
    message = fit(str(error)) or type(error).__name__
    known = {name: getattr(error, name, None) for name in _FACTS}
    facts = {name: fit(str(value)) for name, value in known.items() if value is not None}
    return CallToolResult(
        content=[TextContent(type="text", text=message)],
        structured_content={"error": type(error).__name__, "message": message, **facts},
        is_error=True,
    )


def task_facts(snapshot: Snapshot) -> dict[str, Any]:
    """Return what is known of a task."""
    failure = snapshot.failure
    return {
        "task_id": fit(snapshot.id),
        "status": fit(snapshot.status),
        "done": snapshot.done,
        "succeeded": snapshot.succeeded,
        "model": snapshot.model and fit(snapshot.model),
        "progress": snapshot.progress,
        "estimated_time": snapshot.estimated_time,
        "urls": [fit(url, _MAX_LINK) for url in snapshot.urls[:_MAX_LINKS]],
        "links_expire_at": snapshot.links_expire_at,
        "failure": failure and {"code": fit(failure.code), "message": fit(failure.message)},
        "credits": credits_of(snapshot.usage),
    }


def job_facts(job: Job) -> dict[str, Any]:
    """Return what the ledger knows of a job."""
    prompt = (job.body or {}).get("prompt")
    return {
        "job": job.id,
        "state": str(job.state),
        "task_id": job.task_id and fit(job.task_id),
        "model": job.model and fit(job.model),
        "credits": job.credits,
        "submitted": isoformat(job.recorded_at),
        "prompt": fit(prompt, _MAX_PROMPT) if isinstance(prompt, str) else None,
        "files": [shown_path(file.path) for file in job.files],
        "idempotency_key": job.key,
        "reason": job.reason and fit(job.reason),
    }


def read_images(paths: Iterable[Path]) -> list[ImageContent]:
    """Return the pictures among files, as long as they are small enough together; it blocks."""
    images: list[ImageContent] = []
    left = MAX_IMAGE_BYTES
    for path in paths:
        if path.stat().st_size > left:
            continue
        content = path.read_bytes()
        known = detect_format(content[:BEGINNING], KINDS)
        kind = known.types[0] if known and known.types else ""
        if kind in _SHOWN_TYPES:
            left -= len(content)
            data = b64encode(content).decode()
            images.append(ImageContent(type="image", data=data, mime_type=kind))
    return images
