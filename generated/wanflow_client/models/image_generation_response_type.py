from typing import Literal

ImageGenerationResponseType = Literal["audio", "image", "text", "video"]

IMAGE_GENERATION_RESPONSE_TYPE_VALUES: set[ImageGenerationResponseType] = {
    "audio",
    "image",
    "text",
    "video",
}


def check_image_generation_response_type(value: str) -> ImageGenerationResponseType:
    if value in IMAGE_GENERATION_RESPONSE_TYPE_VALUES:
        return value
    raise TypeError(
        f"Unexpected value {value!r}. Expected one of {IMAGE_GENERATION_RESPONSE_TYPE_VALUES!r}"
    )
