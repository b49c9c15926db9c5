from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.wan_25_text_to_video_request_aspect_ratio import (
    Wan25TextToVideoRequestAspectRatio,
    check_wan_25_text_to_video_request_aspect_ratio,
)
from ..models.wan_25_text_to_video_request_duration import (
    Wan25TextToVideoRequestDuration,
    check_wan_25_text_to_video_request_duration,
)
from ..models.wan_25_text_to_video_request_model import (
    Wan25TextToVideoRequestModel,
    check_wan_25_text_to_video_request_model,
)
from ..models.wan_25_text_to_video_request_quality import (
    Wan25TextToVideoRequestQuality,
    check_wan_25_text_to_video_request_quality,
)
from ..types import UNSET, Unset

T = TypeVar("T", bound="Wan25TextToVideoRequest")


@_attrs_define
class Wan25TextToVideoRequest:
    """Use WAN2.5 model for text-to-video generation, supporting simplified model parameter configuration

    Attributes:
        model (Wan25TextToVideoRequestModel): Model name Default: 'wan2.5-text-to-video'. Example: wan2.5-text-to-video.
        prompt (str): Prompt describing what kind of video to generate, limited to 2000 tokens Example: A cat playing
            the piano.
        aspect_ratio (Wan25TextToVideoRequestAspectRatio | Unset): Video aspect ratio, defaults to 16:9

            **Description:**
            - `480p`: Supports `16:9` (landscape), `9:16` (portrait), `1:1` (square)
            - `720p`: Supports `16:9` (landscape), `9:16` (portrait), `1:1` (square), `4:3`, `3:4`
            - `1080p`: Supports `16:9` (landscape), `9:16` (portrait), `1:1` (square), `4:3`, `3:4` Default: '16:9'.
            Example: 16:9.
        quality (Wan25TextToVideoRequestQuality | Unset): Video quality, defaults to `720p`

            **Description:**
            - `480p`: Lower quality, lower price
            - `720p`: Standard quality, standard price, this is the default
            - `1080p`: High quality, higher price

            **Note:** Different quality levels support different aspect ratios, see `aspect_ratio` parameter for details
            Default: '720p'. Example: 720p.
        duration (Wan25TextToVideoRequestDuration | Unset): Specifies the duration of the generated video (seconds)

            **Note:**
            - Only supports values `5` and `10`, representing `5 seconds` and `10 seconds` respectively
            - A single request will pre-charge based on the value of `duration`, with actual charges based on the generated
            video duration in seconds Example: 5.
        prompt_extend (bool | Unset): Whether to enable intelligent prompt rewriting. When enabled, a large language
            model will optimize the prompt. This is particularly effective for prompts that lack detail or are too simple.
            Default value is `true` Default: True. Example: True.
        callback_url (str | Unset): HTTPS callback address after task completion

            **Callback Timing:**
            - Triggered when task is completed, failed, or cancelled
            - Sent after billing confirmation is completed

            **Security Restrictions:**
            - Only HTTPS protocol is supported
            - Callback to internal IP addresses is prohibited (127.0.0.1, 10.x.x.x, 172.16-31.x.x, 192.168.x.x, etc.)
            - URL length must not exceed `2048` characters

            **Callback Mechanism:**
            - Timeout: `10` seconds
            - Maximum `3` retries on failure (retries after `1` second/`2` seconds/`4` seconds)
            - Callback response body format is consistent with the task query API response format
            - Callback address returning 2xx status code is considered successful, other status codes will trigger retry
            Example: https://your-domain.com/webhooks/video-task-completed.
    """

    prompt: str
    model: Wan25TextToVideoRequestModel = "wan2.5-text-to-video"
    aspect_ratio: Wan25TextToVideoRequestAspectRatio | Unset = "16:9"
    quality: Wan25TextToVideoRequestQuality | Unset = "720p"
    duration: Wan25TextToVideoRequestDuration | Unset = UNSET
    prompt_extend: bool | Unset = True
    callback_url: str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        model: str = self.model

        prompt = self.prompt

        aspect_ratio: str | Unset = UNSET
        if not isinstance(self.aspect_ratio, Unset):
            aspect_ratio = self.aspect_ratio

        quality: str | Unset = UNSET
        if not isinstance(self.quality, Unset):
            quality = self.quality

        duration: int | Unset = UNSET
        if not isinstance(self.duration, Unset):
            duration = self.duration

        prompt_extend = self.prompt_extend

        callback_url = self.callback_url

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "model": model,
                "prompt": prompt,
            }
        )
        if aspect_ratio is not UNSET:
            field_dict["aspect_ratio"] = aspect_ratio
        if quality is not UNSET:
            field_dict["quality"] = quality
        if duration is not UNSET:
            field_dict["duration"] = duration
        if prompt_extend is not UNSET:
            field_dict["prompt_extend"] = prompt_extend
        if callback_url is not UNSET:
            field_dict["callback_url"] = callback_url

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        model = check_wan_25_text_to_video_request_model(d.pop("model"))

        prompt = d.pop("prompt")

        _aspect_ratio = d.pop("aspect_ratio", UNSET)
        aspect_ratio: Wan25TextToVideoRequestAspectRatio | Unset
        if isinstance(_aspect_ratio, Unset):
            aspect_ratio = UNSET
        else:
            aspect_ratio = check_wan_25_text_to_video_request_aspect_ratio(_aspect_ratio)

        _quality = d.pop("quality", UNSET)
        quality: Wan25TextToVideoRequestQuality | Unset
        if isinstance(_quality, Unset):
            quality = UNSET
        else:
            quality = check_wan_25_text_to_video_request_quality(_quality)

        _duration = d.pop("duration", UNSET)
        duration: Wan25TextToVideoRequestDuration | Unset
        if isinstance(_duration, Unset):
            duration = UNSET
        else:
            duration = check_wan_25_text_to_video_request_duration(_duration)

        prompt_extend = d.pop("prompt_extend", UNSET)

        callback_url = d.pop("callback_url", UNSET)

        wan_25_text_to_video_request = cls(
            model=model,
            prompt=prompt,
            aspect_ratio=aspect_ratio,
            quality=quality,
            duration=duration,
            prompt_extend=prompt_extend,
            callback_url=callback_url,
        )

        wan_25_text_to_video_request.additional_properties = d
        return wan_25_text_to_video_request

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
