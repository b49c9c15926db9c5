from typing import Literal

TaskDetailResponseStatus = Literal["completed", "failed", "pending", "processing"]

TASK_DETAIL_RESPONSE_STATUS_VALUES: set[TaskDetailResponseStatus] = {
    "completed",
    "failed",
    "pending",
    "processing",
}


def check_task_detail_response_status(value: str) -> TaskDetailResponseStatus:
    if value in TASK_DETAIL_RESPONSE_STATUS_VALUES:
        return value
    raise TypeError(
        f"Unexpected value {value!r}. Expected one of {TASK_DETAIL_RESPONSE_STATUS_VALUES!r}"
    )
