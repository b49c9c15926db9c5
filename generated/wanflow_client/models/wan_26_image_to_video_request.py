from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.wan_26_image_to_video_request_duration import (
    Wan26ImageToVideoRequestDuration,
    check_wan_26_image_to_video_request_duration,
)
from ..models.wan_26_image_to_video_request_model import (
    Wan26ImageToVideoRequestModel,
    check_wan_26_image_to_video_request_model,
)
from ..models.wan_26_image_to_video_request_quality import (
    Wan26ImageToVideoRequestQuality,
    check_wan_26_image_to_video_request_quality,
)
from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.wan_26_image_to_video_request_model_params import (
        Wan26ImageToVideoRequestModelParams,
    )


T = TypeVar("T", bound="Wan26ImageToVideoRequest")


@_attrs_define
class Wan26ImageToVideoRequest:
    """Generate videos from images using the WAN2.6 model with simplified model parameter configuration

    Attributes:
        model (Wan26ImageToVideoRequestModel): Model name Default: 'wan2.6-image-to-video'. Example: wan2.6-image-to-
            video.
        prompt (str): Prompt describing the video you want to generate, limited to 1500 characters Example: A cat
            playing piano.
        image_urls (list[str]): Reference image URL list for first-frame image-to-video generation

            **Note:**
            - Single request supports `1` image
            - Image size: no more than `10MB`
            - Supported formats: `.jpeg`, `.jpg`, `.png` (transparent channel not supported), `.bmp`, `.webp`
            - Image resolution: width and height range is `[360, 2000]` pixels
            - Image URL must be directly accessible by the server, or the URL should directly download the image (typically
            URLs ending with image extensions like `.png`, `.jpg`) Example: ['https://example.com/image1.png'].
        duration (Wan26ImageToVideoRequestDuration | Unset): Specifies the duration of the generated video (in seconds)

            **Note:**
            - Only supports `5`, `10`, `15` values, representing `5 seconds`, `10 seconds`, `15 seconds`
            - Each request will be pre-charged based on the `duration` value, actual charge is based on the generated video
            duration Example: 5.
        quality (Wan26ImageToVideoRequestQuality | Unset): Video quality, defaults to `720p`

            **Options:**
            - `720p`: Standard definition, standard price, this is the default
            - `1080p`: High definition, higher price Default: '720p'. Example: 720p.
        prompt_extend (bool | Unset): Whether to enable intelligent prompt rewriting. When enabled, a large model will
            optimize the prompt, which significantly improves results for simple or insufficiently descriptive prompts.
            Default is `true` Default: True. Example: True.
        model_params (Wan26ImageToVideoRequestModelParams | Unset): Model parameter configuration
        audio_url (str | Unset): Audio file URL. The model will use this audio to generate the video.

            **Format Requirements:**
            - Supported format: `mp3`
            - Duration: `3~30` seconds
            - File size: Up to `15MB`

            **Overflow Handling:**
            - If the audio length exceeds the `duration` value (5 or 10 seconds), the first 5 or 10 seconds will be
            automatically extracted, and the rest will be discarded
            - If the audio length is shorter than the video duration, the portion exceeding the audio length will be silent.
            For example, if the audio is 3 seconds and the video duration is 5 seconds, the output video will have sound for
            the first 3 seconds and be silent for the last 2 seconds Example: https://help-static-aliyun-
            doc.aliyuncs.com/file-manage-files/xxx.mp3.
        callback_url (str | Unset): HTTPS callback URL for task completion

            **Callback Timing:**
            - Triggered when task is completed, failed, or cancelled
            - Sent after billing confirmation

            **Security Restrictions:**
            - Only HTTPS protocol is supported
            - Callbacks to internal IP addresses are prohibited (127.0.0.1, 10.x.x.x, 172.16-31.x.x, 192.168.x.x, etc.)
            - URL length must not exceed `2048` characters

            **Callback Mechanism:**
            - Timeout: `10` seconds
            - Up to `3` retries after failure (retries at `1`/`2`/`4` seconds after failure)
            - Callback response format is consistent with the task query API response
            - 2xx status codes are considered successful, other status codes trigger retries Example: https://your-
            domain.com/webhooks/video-task-completed.
    """

    prompt: str
    image_urls: list[str]
    model: Wan26ImageToVideoRequestModel = "wan2.6-image-to-video"
    duration: Wan26ImageToVideoRequestDuration | Unset = UNSET
    quality: Wan26ImageToVideoRequestQuality | Unset = "720p"
    prompt_extend: bool | Unset = True
    model_params: Wan26ImageToVideoRequestModelParams | Unset = UNSET
    audio_url: str | Unset = UNSET
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

        model_params: dict[str, Any] | Unset = UNSET
        if not isinstance(self.model_params, Unset):
            model_params = self.model_params.to_dict()

        audio_url = self.audio_url

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
        if model_params is not UNSET:
            field_dict["model_params"] = model_params
        if audio_url is not UNSET:
            field_dict["audio_url"] = audio_url
        if callback_url is not UNSET:
            field_dict["callback_url"] = callback_url

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.wan_26_image_to_video_request_model_params import (
            Wan26ImageToVideoRequestModelParams,  # noqa: PLC0415
        )

        d = dict(src_dict)
        model = check_wan_26_image_to_video_request_model(d.pop("model"))

        prompt = d.pop("prompt")

        image_urls = cast(list[str], d.pop("image_urls"))

        _duration = d.pop("duration", UNSET)
        duration: Wan26ImageToVideoRequestDuration | Unset
        if isinstance(_duration, Unset):
            duration = UNSET
        else:
            duration = check_wan_26_image_to_video_request_duration(_duration)

        _quality = d.pop("quality", UNSET)
        quality: Wan26ImageToVideoRequestQuality | Unset
        if isinstance(_quality, Unset):
            quality = UNSET
        else:
            quality = check_wan_26_image_to_video_request_quality(_quality)

        prompt_extend = d.pop("prompt_extend", UNSET)

        _model_params = d.pop("model_params", UNSET)
        model_params: Wan26ImageToVideoRequestModelParams | Unset
        if isinstance(_model_params, Unset):
            model_params = UNSET
        else:
            model_params = Wan26ImageToVideoRequestModelParams.from_dict(_model_params)

        audio_url = d.pop("audio_url", UNSET)

        callback_url = d.pop("callback_url", UNSET)

        wan_26_image_to_video_request = cls(
            model=model,
            prompt=prompt,
            image_urls=image_urls,
            duration=duration,
            quality=quality,
            prompt_extend=prompt_extend,
            model_params=model_params,
            audio_url=audio_url,
            callback_url=callback_url,
        )

        wan_26_image_to_video_request.additional_properties = d
        return wan_26_image_to_video_request

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
