from typing import Literal

ImageGenerationResponseObject = Literal["image.generation.task"]

IMAGE_GENERATION_RESPONSE_OBJECT_VALUES: set[ImageGenerationResponseObject] = {
    "image.generation.task",
}


def check_image_generation_response_object(value: str) -> ImageGenerationResponseObject:
    if value in IMAGE_GENERATION_RESPONSE_OBJECT_VALUES:
        return value
    raise TypeError(
        f"Unexpected value {value!r}. Expected one of {IMAGE_GENERATION_RESPONSE_OBJECT_VALUES!r}"
    )
