from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.video_generation_response_object import (
    VideoGenerationResponseObject,
    check_video_generation_response_object,
)
from ..models.video_generation_response_status import (
    VideoGenerationResponseStatus,
    check_video_generation_response_status,
)
from ..models.video_generation_response_type import (
    VideoGenerationResponseType,
    check_video_generation_response_type,
)
from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.usage import Usage
    from ..models.video_task_info import VideoTaskInfo


T = TypeVar("T", bound="VideoGenerationResponse")


@_attrs_define
class VideoGenerationResponse:
    """
    Attributes:
        created (int | Unset): Task creation timestamp Example: 1757169743.
        id (str | Unset): Task ID Example: task-unified-1757169743-7cvnl5zw.
        model (str | Unset): Actual model name used
        object_ (VideoGenerationResponseObject | Unset): Specific task type
        progress (int | Unset): Task progress percentage (0-100) Example: 0.
        status (VideoGenerationResponseStatus | Unset): Task status Example: pending.
        task_info (VideoTaskInfo | Unset):
        type_ (VideoGenerationResponseType | Unset): Task output type Example: video.
        usage (Usage | Unset): Usage and billing information
    """

    created: int | Unset = UNSET
    id: str | Unset = UNSET
    model: str | Unset = UNSET
    object_: VideoGenerationResponseObject | Unset = UNSET
    progress: int | Unset = UNSET
    status: VideoGenerationResponseStatus | Unset = UNSET
    task_info: VideoTaskInfo | Unset = UNSET
    type_: VideoGenerationResponseType | Unset = UNSET
    usage: Usage | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        created = self.created

        id = self.id

        model = self.model

        object_: str | Unset = UNSET
        if not isinstance(self.object_, Unset):
            object_ = self.object_

        progress = self.progress

        status: str | Unset = UNSET
        if not isinstance(self.status, Unset):
            status = self.status

        task_info: dict[str, Any] | Unset = UNSET
        if not isinstance(self.task_info, Unset):
            task_info = self.task_info.to_dict()

        type_: str | Unset = UNSET
        if not isinstance(self.type_, Unset):
            type_ = self.type_

        usage: dict[str, Any] | Unset = UNSET
        if not isinstance(self.usage, Unset):
            usage = self.usage.to_dict()

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({})
        if created is not UNSET:
            field_dict["created"] = created
        if id is not UNSET:
            field_dict["id"] = id
        if model is not UNSET:
            field_dict["model"] = model
        if object_ is not UNSET:
            field_dict["object"] = object_
        if progress is not UNSET:
            field_dict["progress"] = progress
        if status is not UNSET:
            field_dict["status"] = status
        if task_info is not UNSET:
            field_dict["task_info"] = task_info
        if type_ is not UNSET:
            field_dict["type"] = type_
        if usage is not UNSET:
            field_dict["usage"] = usage

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.usage import Usage  # noqa: PLC0415
        from ..models.video_task_info import VideoTaskInfo  # noqa: PLC0415

        d = dict(src_dict)
        created = d.pop("created", UNSET)

        id = d.pop("id", UNSET)

        model = d.pop("model", UNSET)

        _object_ = d.pop("object", UNSET)
        object_: VideoGenerationResponseObject | Unset
        if isinstance(_object_, Unset):
            object_ = UNSET
        else:
            object_ = check_video_generation_response_object(_object_)

        progress = d.pop("progress", UNSET)

        _status = d.pop("status", UNSET)
        status: VideoGenerationResponseStatus | Unset
        if isinstance(_status, Unset):
            status = UNSET
        else:
            status = check_video_generation_response_status(_status)

        _task_info = d.pop("task_info", UNSET)
        task_info: VideoTaskInfo | Unset
        if isinstance(_task_info, Unset):
            task_info = UNSET
        else:
            task_info = VideoTaskInfo.from_dict(_task_info)

        _type_ = d.pop("type", UNSET)
        type_: VideoGenerationResponseType | Unset
        if isinstance(_type_, Unset):
            type_ = UNSET
        else:
            type_ = check_video_generation_response_type(_type_)

        _usage = d.pop("usage", UNSET)
        usage: Usage | Unset
        if isinstance(_usage, Unset):
            usage = UNSET
        else:
            usage = Usage.from_dict(_usage)

        video_generation_response = cls(
            created=created,
            id=id,
            model=model,
            object_=object_,
            progress=progress,
            status=status,
            task_info=task_info,
            type_=type_,
            usage=usage,
        )

        video_generation_response.additional_properties = d
        return video_generation_response

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
