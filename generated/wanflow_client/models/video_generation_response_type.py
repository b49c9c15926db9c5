from typing import Literal

VideoGenerationResponseType = Literal["audio", "image", "text", "video"]

VIDEO_GENERATION_RESPONSE_TYPE_VALUES: set[VideoGenerationResponseType] = {
    "audio",
    "image",
    "text",
    "video",
}


def check_video_generation_response_type(value: str) -> VideoGenerationResponseType:
    if value in VIDEO_GENERATION_RESPONSE_TYPE_VALUES:
        return value
    raise TypeError(
        f"Unexpected value {value!r}. Expected one of {VIDEO_GENERATION_RESPONSE_TYPE_VALUES!r}"
    )
