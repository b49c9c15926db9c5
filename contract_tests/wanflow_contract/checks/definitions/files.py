"""Checks of the files behind result URLs."""

from __future__ import annotations

from wanflow_contract.checks.check import Check

_LINKS = "Links to what the task made, given once it is completed and valid for 24 hours"

LINK = Check(
    "link",
    "Each result URL of a completed task serves a file of the requested kind.",
    _LINKS,
    why="A client has paid for a file that it can't get.",
    correct="Each http or https link serves an image or a video, perhaps after redirects.",
)
LINK_TYPE = Check(
    "link-type",
    "A result file is labelled with its media type.",
    note=True,
    why="A client that names files by their type gives it the wrong extension.",
    correct="Content-Type is that of the file, or application/octet-stream.",
)
SIZE = Check(
    "size",
    "An image has the requested size.",
    "Size of the generated image",
    why="A client gets another image than the one that it paid for.",
    correct="Width and height are those of `size`.",
)
VIDEO = Check(
    "video",
    "A video has the requested duration and aspect ratio.",
    "Specifies the duration of the generated video (seconds); "
    "#/components/schemas/Wan25TextToVideoRequest/properties/aspect_ratio: Video aspect ratio",
    why="A client gets a shorter or another video than the one that it paid for.",
    correct="The video is about as long, and has the sides, as requested.",
)
WHOLE = Check(
    "whole-file",
    "A result URL serves a complete file.",
    _LINKS,
    why="A client stores half a file, and the link expires.",
    correct="It serves the file to its last byte.",
)
SAME_FILE = Check(
    "same-file",
    "A result URL serves the same bytes each time.",
    note=True,
    why="A download that is resumed consists of two different files.",
    correct="The file behind a link doesn't change.",
)
FRAME = Check(
    "frame",
    "A video of higher quality has a larger frame.",
    "Video quality, defaults to `720p`; `480p`: Lower quality, lower price",
    why="A client pays the higher price for the lower quality.",
    correct="The shorter side is about the number of lines that the quality is named by.",
)
PART = Check(
    "part",
    "A range request returns that part of the file.",
    "RFC 9110, section 15.3.7.1: If a single part is being transferred, the server generating the"
    " 206 response MUST generate a Content-Range header field, describing what range of the"
    " selected representation is enclosed, and a content consisting of the range.",
    why="A download that is resumed is broken.",
    correct="It answers 206 with exactly that range, or 200 with the whole file.",
)
GENERATED = Check(
    "generated",
    "A valid request succeeds, at the latest after some retries.",
    "model supports text-to-image generation mode",
    why="Nobody can use the model.",
    correct="Most tasks of valid requests are completed.",
)
AS_DEFAULT = Check(
    "as-default",
    "An omitted parameter has the effect of its default.",
    "Video quality, defaults to `720p`",
    why="A client that relies on the default gets something else.",
    correct="A request without the parameter gives what the default gives.",
)
DAY = Check(
    "link-lifetime",
    "A result URL works for 24 hours.",
    "The links in `results` work for 24 hours.",
    why="A client that downloads later the same day has lost what it paid for.",
    correct="It serves the file for a day after the end.",
)
