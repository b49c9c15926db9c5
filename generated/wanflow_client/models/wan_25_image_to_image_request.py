from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.wan_25_image_to_image_request_model import (
    Wan25ImageToImageRequestModel,
    check_wan_25_image_to_image_request_model,
)
from ..types import UNSET, Unset

T = TypeVar("T", bound="Wan25ImageToImageRequest")


@_attrs_define
class Wan25ImageToImageRequest:
    """Use WAN2.5 model for image-to-image generation with simplified model parameter configuration

    Attributes:
        model (Wan25ImageToImageRequestModel): Model name Default: 'wan2.5-image-to-image'. Example: wan2.5-image-to-
            image.
        prompt (str): Prompt describing the image to generate or how to edit the input image, limited to 2000 tokens
            Example: Replace the background with a starry sky.
        image_urls (list[str]): Reference image URL list for image-to-image and image editing functions

            **Note:**
            - Maximum number of input images per request: `2` images
            - Image size: no more than `10MB`
            - Supported image formats: `.jpeg`, `.jpg`, `.png` (transparent channels not supported), `.bmp`, `.webp`
            - Image resolution: image width and height range is `[384, 5000]` pixels
            - Image URLs must be directly accessible by the server, or the image URL should directly download when accessed
            (typically these URLs end with image file extensions, such as `.png`, `.jpg`) Example:
            ['https://example.com/image1.png', 'https://example.com/image2.png'].
        n (int | Unset): Number of images to generate, supports any integer value between [1,4]

            **Note:**
            - A single request will be pre-charged based on the value of `n`, and the actual charge will be based on the
            number of generated images Example: 1.
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
    image_urls: list[str]
    model: Wan25ImageToImageRequestModel = "wan2.5-image-to-image"
    n: int | Unset = UNSET
    callback_url: str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        model: str = self.model

        prompt = self.prompt

        image_urls = self.image_urls

        n = self.n

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
        if n is not UNSET:
            field_dict["n"] = n
        if callback_url is not UNSET:
            field_dict["callback_url"] = callback_url

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        model = check_wan_25_image_to_image_request_model(d.pop("model"))

        prompt = d.pop("prompt")

        image_urls = cast(list[str], d.pop("image_urls"))

        n = d.pop("n", UNSET)

        callback_url = d.pop("callback_url", UNSET)

        wan_25_image_to_image_request = cls(
            model=model,
            prompt=prompt,
            image_urls=image_urls,
            n=n,
            callback_url=callback_url,
        )

        wan_25_image_to_image_request.additional_properties = d
        return wan_25_image_to_image_request

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
