from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.wan_25_image_to_video_request_duration import (
    Wan25ImageToVideoRequestDuration,
    check_wan_25_image_to_video_request_duration,
)
from ..models.wan_25_image_to_video_request_model import (
    Wan25ImageToVideoRequestModel,
    check_wan_25_image_to_video_request_model,
)
from ..models.wan_25_image_to_video_request_quality import (
    Wan25ImageToVideoRequestQuality,
    check_wan_25_image_to_video_request_quality,
)
from ..types import UNSET, Unset

T = TypeVar("T", bound="Wan25ImageToVideoRequest")


@_attrs_define
class Wan25ImageToVideoRequest:
    """Use WAN2.5 model for image-to-video generation, supporting simplified model parameter configuration

    Attributes:
        model (Wan25ImageToVideoRequestModel): Model name Default: 'wan2.5-image-to-video'. Example: wan2.5-image-to-
            video.
        prompt (str): Prompt describing what kind of video to generate, limited to 2000 tokens Example: A cat playing
            the piano.
        image_urls (list[str]): Reference image URL list for first-frame image-to-video feature

            **Note:**
            - Single request supports input image quantity: `1` image
            - Image size: no more than `10MB`
            - Supported image formats: `.jpeg`, `.jpg`, `.png` (transparent channels not supported), `.bmp`, `.webp`
            - Image resolution: image width and height range is `[360, 2000]` pixels
            - Image URLs must be directly viewable by the server, or the image URL should trigger direct download when
            accessed (typically these URLs end with image file extensions, such as `.png`, `.jpg`) Example:
            ['https://example.com/image1.png'].
        duration (Wan25ImageToVideoRequestDuration | Unset): Specifies the duration of the generated video (seconds)

            **Note:**
            - Only supports values `5` and `10`, representing `5 seconds` and `10 seconds` respectively
            - A single request will pre-charge based on the value of `duration`, with actual charges based on the generated
            video duration in seconds Example: 5.
        quality (Wan25ImageToVideoRequestQuality | Unset): Video quality, defaults to `720p`

            **Description:**
            - `480p`: Lower quality, lower price
            - `720p`: Standard quality, standard price, this is the default
            - `1080p`: High quality, higher price Default: '720p'. Example: 720p.
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
    image_urls: list[str]
    model: Wan25ImageToVideoRequestModel = "wan2.5-image-to-video"
    duration: Wan25ImageToVideoRequestDuration | Unset = UNSET
    quality: Wan25ImageToVideoRequestQuality | Unset = "720p"
    prompt_extend: bool | Unset = True
    callback_url: str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        model: str = self.model

        prompt = self.prompt

        image_urls = self.image_urls

        duration: int | Unset = UNSET
        if not isinstance(self.duration, Unset):
            duration = self.duration

        quality: str | Unset = UNSET
        if not isinstance(self.quality, Unset):
            quality = self.quality

        prompt_extend = self.prompt_extend

        callback_url = self.callback_url

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "model": model,
                "prompt": prompt,
                "image_urls": image_urls,
            }
        )
        if duration is not UNSET:
            field_dict["duration"] = duration
        if quality is not UNSET:
            field_dict["quality"] = quality
        if prompt_extend is not UNSET:
            field_dict["prompt_extend"] = prompt_extend
        if callback_url is not UNSET:
            field_dict["callback_url"] = callback_url

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        model = check_wan_25_image_to_video_request_model(d.pop("model"))

        prompt = d.pop("prompt")

        image_urls = cast(list[str], d.pop("image_urls"))

        _duration = d.pop("duration", UNSET)
        duration: Wan25ImageToVideoRequestDuration | Unset
        if isinstance(_duration, Unset):
            duration = UNSET
        else:
            duration = check_wan_25_image_to_video_request_duration(_duration)

        _quality = d.pop("quality", UNSET)
        quality: Wan25ImageToVideoRequestQuality | Unset
        if isinstance(_quality, Unset):
            quality = UNSET
        else:
            quality = check_wan_25_image_to_video_request_quality(_quality)

        prompt_extend = d.pop("prompt_extend", UNSET)

        callback_url = d.pop("callback_url", UNSET)

        wan_25_image_to_video_request = cls(
            model=model,
            prompt=prompt,
            image_urls=image_urls,
            duration=duration,
            quality=quality,
            prompt_extend=prompt_extend,
            callback_url=callback_url,
        )

        wan_25_image_to_video_request.additional_properties = d
        return wan_25_image_to_video_request

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
