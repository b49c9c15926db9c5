from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.wan_25_text_to_image_request_model import (
    Wan25TextToImageRequestModel,
    check_wan_25_text_to_image_request_model,
)
from ..types import UNSET, Unset

T = TypeVar("T", bound="Wan25TextToImageRequest")


@_attrs_define
class Wan25TextToImageRequest:
    """Use WAN2.5 model for text-to-image generation with simplified model parameter configuration

    Attributes:
        model (Wan25TextToImageRequestModel): Model name Default: 'wan2.5-text-to-image'. Example: wan2.5-text-to-image.
        prompt (str): Prompt describing the image to generate, limited to 2000 tokens Example: A peaceful lake
            reflecting the beautiful sunset.
        size (str | Unset): Size of the generated image, currently only supports pixel format:
            - Width x Height, such as: `768x768`, `1280x1280`, `1440x1440` and other values within the range
            - Total pixel range: `[768x768, 1440x1440]`
            - Aspect ratio range: `[1/4, 4]` Example: 1280x1280.
        n (int | Unset): Number of images to generate, supports any integer value between `[1,4]`

            **Note:**
            - A single request will be pre-charged based on the value of `n`, and the actual charge will be based on the
            number of generated images Example: 1.
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
            Example: https://your-domain.com/webhooks/image-task-completed.
    """

    prompt: str
    model: Wan25TextToImageRequestModel = "wan2.5-text-to-image"
    size: str | Unset = UNSET
    n: int | Unset = UNSET
    prompt_extend: bool | Unset = True
    callback_url: str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        model: str = self.model

        prompt = self.prompt

        size = self.size

        n = self.n

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
        if size is not UNSET:
            field_dict["size"] = size
        if n is not UNSET:
            field_dict["n"] = n
        if prompt_extend is not UNSET:
            field_dict["prompt_extend"] = prompt_extend
        if callback_url is not UNSET:
            field_dict["callback_url"] = callback_url

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        model = check_wan_25_text_to_image_request_model(d.pop("model"))

        prompt = d.pop("prompt")

        size = d.pop("size", UNSET)

        n = d.pop("n", UNSET)

        prompt_extend = d.pop("prompt_extend", UNSET)

        callback_url = d.pop("callback_url", UNSET)

        wan_25_text_to_image_request = cls(
            model=model,
            prompt=prompt,
            size=size,
            n=n,
            prompt_extend=prompt_extend,
            callback_url=callback_url,
        )

        wan_25_text_to_image_request.additional_properties = d
        return wan_25_text_to_image_request

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
