from typing import Literal

VideoGenerationResponseObject = Literal["video.generation.task"]

VIDEO_GENERATION_RESPONSE_OBJECT_VALUES: set[VideoGenerationResponseObject] = {
    "video.generation.task",
}


def check_video_generation_response_object(value: str) -> VideoGenerationResponseObject:
    if value in VIDEO_GENERATION_RESPONSE_OBJECT_VALUES:
        return value
    raise TypeError(
        f"Unexpected value {value!r}. Expected one of {VIDEO_GENERATION_RESPONSE_OBJECT_VALUES!r}"
    )
