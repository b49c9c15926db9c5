from typing import Literal

TaskDetailResponseObject = Literal[
    "audio.generation.task", "image.generation.task", "video.generation.task"
]

TASK_DETAIL_RESPONSE_OBJECT_VALUES: set[TaskDetailResponseObject] = {
    "audio.generation.task",
    "image.generation.task",
    "video.generation.task",
}


def check_task_detail_response_object(value: str) -> TaskDetailResponseObject:
    if value in TASK_DETAIL_RESPONSE_OBJECT_VALUES:
        return value
    raise TypeError(
        f"Unexpected value {value!r}. Expected one of {TASK_DETAIL_RESPONSE_OBJECT_VALUES!r}"
    )
