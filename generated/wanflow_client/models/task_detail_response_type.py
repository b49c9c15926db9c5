from typing import Literal

TaskDetailResponseType = Literal["audio", "image", "text", "video"]

TASK_DETAIL_RESPONSE_TYPE_VALUES: set[TaskDetailResponseType] = {
    "audio",
    "image",
    "text",
    "video",
}


def check_task_detail_response_type(value: str) -> TaskDetailResponseType:
    if value in TASK_DETAIL_RESPONSE_TYPE_VALUES:
        return value
    raise TypeError(
        f"Unexpected value {value!r}. Expected one of {TASK_DETAIL_RESPONSE_TYPE_VALUES!r}"
    )
