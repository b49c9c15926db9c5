"""Checks of the files behind result URLs."""

from __future__ import annotations

from wanflow_contract.checks.check import Check

LINK = Check(
    "link",
    "Each result URL of a completed task serves a file of the requested kind.",
    "Links to what the task made, given once it is completed and valid for 24 hours",
)
SIZE = Check("size", "An image has the requested size.")
VIDEO = Check(
    "video",
    "A video has the requested duration and aspect ratio.",
    "duration of the generated video (seconds); video aspect ratio",
)
WHOLE = Check("whole-file", "A result URL serves the same complete file each time.")
FRAME = Check("frame", "A video of higher quality has a larger frame.", "quality: 480p, 720p")
PART = Check("part", "A range request returns that part of the file.")
GENERATED = Check("generated", "A valid request succeeds, at the latest after some retries.")
AS_DEFAULT = Check("as-default", "An omitted parameter has the effect of its default.")
DAY = Check("link-lifetime", "A result URL works for 24 hours.", "valid for 24 hours")
