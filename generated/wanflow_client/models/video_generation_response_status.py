from typing import Literal

VideoGenerationResponseStatus = Literal["completed", "failed", "pending", "processing"]

VIDEO_GENERATION_RESPONSE_STATUS_VALUES: set[VideoGenerationResponseStatus] = {
    "completed",
    "failed",
    "pending",
    "processing",
}


def check_video_generation_response_status(value: str) -> VideoGenerationResponseStatus:
    if value in VIDEO_GENERATION_RESPONSE_STATUS_VALUES:
        return value
    raise TypeError(
        f"Unexpected value {value!r}. Expected one of {VIDEO_GENERATION_RESPONSE_STATUS_VALUES!r}"
    )
