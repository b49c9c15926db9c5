"""What tools return: facts as JSON, errors as one sentence, and pictures of bounded size."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import TYPE_CHECKING, Any

from mcp.types import CallToolResult, ImageContent, TextContent

from wanflow._core.file_formats import BEGINNING, KINDS, detect_format
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
_MAX_PROMPT = 200
_FACTS = ("task_id", "idempotency_key", "code", "status")


def success(facts: dict[str, Any], images: Iterable[ImageContent] = ()) -> CallToolResult:
    """Return facts as text and as structured content."""
    text = TextContent(type="text", text=json.dumps(facts))
    return CallToolResult(content=[text, *images], structured_content=facts)


def failure(error: Exception) -> CallToolResult:
    """Return an error as one sentence."""
    message = one_line(str(error)) or type(error).__name__
    known = {name: getattr(error, name, None) for name in _FACTS}
    facts = {name: value for name, value in known.items() if isinstance(value, str | int)}
    return CallToolResult(
        content=[TextContent(type="text", text=message)],
        structured_content={"error": type(error).__name__, "message": message, **facts},
        is_error=True,
    )


def task_facts(snapshot: Snapshot) -> dict[str, Any]:
    """Return what is known of a task."""
    facts = snapshot.to_dict()
    for name in ("raw", "request_id", "created"):
        facts.pop(name)
    return {"task_id": facts.pop("id"), **facts}


def job_facts(job: Job) -> dict[str, Any]:
    """Return what the ledger knows of a job."""
    prompt = (job.body or {}).get("prompt")
    return {
        "job": job.id,
        "state": str(job.state),
        "task_id": job.task_id,
        "model": job.model,
        "credits": job.credits,
        "submitted": isoformat(job.recorded_at),
        "prompt": prompt[:_MAX_PROMPT] if isinstance(prompt, str) else None,
        "files": [str(file.path) for file in job.files],
        "idempotency_key": job.key,
        "reason": job.reason,
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
