from typing import Literal

Wan25TextToImageRequestModel = Literal["wan2.5-text-to-image"]

WAN_25_TEXT_TO_IMAGE_REQUEST_MODEL_VALUES: set[Wan25TextToImageRequestModel] = {
    "wan2.5-text-to-image",
}


def check_wan_25_text_to_image_request_model(value: str) -> Wan25TextToImageRequestModel:
    if value in WAN_25_TEXT_TO_IMAGE_REQUEST_MODEL_VALUES:
        return value
    raise TypeError(
        f"Unexpected value {value!r}. Expected one of {WAN_25_TEXT_TO_IMAGE_REQUEST_MODEL_VALUES!r}"
    )
