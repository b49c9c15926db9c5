from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.wan_26_image_to_video_request_model_params_shot_type import (
    Wan26ImageToVideoRequestModelParamsShotType,
    check_wan_26_image_to_video_request_model_params_shot_type,
)
from ..types import UNSET, Unset

T = TypeVar("T", bound="Wan26ImageToVideoRequestModelParams")


@_attrs_define
class Wan26ImageToVideoRequestModelParams:
    """Model parameter configuration

    Attributes:
        shot_type (Wan26ImageToVideoRequestModelParamsShotType | Unset): Specifies the shot type for the generated
            video, i.e., whether the video consists of a single continuous shot or multiple switching shots

            **Effective Condition:**
            - Only effective when `prompt_extend` is `true`

            **Parameter Priority:**
            - `shot_type` > `prompt`
            - For example, if `shot_type` is set to `single`, even if the `prompt` contains `generate multi-shot video`, the
            model will still output a single-shot video

            **Options:**
            - `single`: Default, outputs single-shot video
            - `multi`: Outputs multi-shot video

            **Note:**
            - Use this parameter when you want to strictly control the narrative structure of the video (e.g., single shot
            for product showcases, multi-shot for short stories) Example: single.
    """

    shot_type: Wan26ImageToVideoRequestModelParamsShotType | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        shot_type: str | Unset = UNSET
        if not isinstance(self.shot_type, Unset):
            shot_type = self.shot_type

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({})
        if shot_type is not UNSET:
            field_dict["shot_type"] = shot_type

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        _shot_type = d.pop("shot_type", UNSET)
        shot_type: Wan26ImageToVideoRequestModelParamsShotType | Unset
        if isinstance(_shot_type, Unset):
            shot_type = UNSET
        else:
            shot_type = check_wan_26_image_to_video_request_model_params_shot_type(_shot_type)

        wan_26_image_to_video_request_model_params = cls(
            shot_type=shot_type,
        )

        wan_26_image_to_video_request_model_params.additional_properties = d
        return wan_26_image_to_video_request_model_params

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
