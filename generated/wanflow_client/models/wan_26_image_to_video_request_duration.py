from typing import Literal

Wan26ImageToVideoRequestDuration = Literal[5, 10, 15]

WAN_26_IMAGE_TO_VIDEO_REQUEST_DURATION_VALUES: set[Wan26ImageToVideoRequestDuration] = {
    5,
    10,
    15,
}


def check_wan_26_image_to_video_request_duration(value: int) -> Wan26ImageToVideoRequestDuration:
    if value in WAN_26_IMAGE_TO_VIDEO_REQUEST_DURATION_VALUES:
        return value
    raise TypeError(
        f"Unexpected value {value!r}. Expected one of {WAN_26_IMAGE_TO_VIDEO_REQUEST_DURATION_VALUES!r}"
    )
