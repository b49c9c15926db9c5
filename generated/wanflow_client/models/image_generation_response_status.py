from typing import Literal

ImageGenerationResponseStatus = Literal["completed", "failed", "pending", "processing"]

IMAGE_GENERATION_RESPONSE_STATUS_VALUES: set[ImageGenerationResponseStatus] = {
    "completed",
    "failed",
    "pending",
    "processing",
}


def check_image_generation_response_status(value: str) -> ImageGenerationResponseStatus:
    if value in IMAGE_GENERATION_RESPONSE_STATUS_VALUES:
        return value
    raise TypeError(
        f"Unexpected value {value!r}. Expected one of {IMAGE_GENERATION_RESPONSE_STATUS_VALUES!r}"
    )
