from typing import Literal

UsageUserGroup = Literal["default", "vip"]

USAGE_USER_GROUP_VALUES: set[UsageUserGroup] = {
    "default",
    "vip",
}


def check_usage_user_group(value: str) -> UsageUserGroup:
    if value in USAGE_USER_GROUP_VALUES:
        return value
    raise TypeError(f"Unexpected value {value!r}. Expected one of {USAGE_USER_GROUP_VALUES!r}")
