"""The parameters of each model, for type checkers and editors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from os import PathLike
from typing import Any, Literal, Protocol, Required, TypeAlias, TypedDict, TypeVar, Unpack, overload

from . import models

ItemT_co = TypeVar("ItemT_co", covariant=True)

ResultT_co = TypeVar("ResultT_co", covariant=True)
OnUpdateT = TypeVar("OnUpdateT", contravariant=True)


class Several(Protocol[ItemT_co]):
    """A sequence such as a list or a tuple, but not a string, whose items are strings too."""

    def __contains__(self, value: object, /) -> bool: ...

    def __getitem__(self, index: int, /) -> ItemT_co: ...

    def __iter__(self) -> Iterator[ItemT_co]: ...

    def __len__(self) -> int: ...


ModelName: TypeAlias = Literal[
    "wan2.5-image-to-image",
    "wan2.5-image-to-video",
    "wan2.5-text-to-image",
    "wan2.5-text-to-video",
    "wan2.6-image-to-video",
]


Request: TypeAlias = (
    models.Wan25ImageToImageRequest
    | models.Wan25ImageToVideoRequest
    | models.Wan25TextToImageRequest
    | models.Wan25TextToVideoRequest
    | models.Wan26ImageToVideoRequest
)


class Wan25ImageToImageParameters(TypedDict, total=False):
    prompt: Required[str]
    "Prompt describing the image to generate or how to edit the input image, limited to 2000 tokens"
    n: int | None
    "Number of images to generate, supports any integer value between [1,4]"
    image_urls: Required[Several[str | PathLike[str] | bytes]]
    "Reference image URL list for image-to-image and image editing functions"
    callback_url: str | None
    "HTTPS callback address after task completion"


class Wan25ImageToVideoParameters(TypedDict, total=False):
    prompt: Required[str]
    "Prompt describing what kind of video to generate, limited to 2000 tokens"
    duration: Literal[5, 10] | None
    "Specifies the duration of the generated video (seconds)"
    quality: Literal["480p", "720p", "1080p"] | None
    "Video quality, defaults to `720p`"
    image_urls: Required[Several[str | PathLike[str] | bytes]]
    "Reference image URL list for first-frame image-to-video feature"
    prompt_extend: bool | None
    "Whether to enable intelligent prompt rewriting."
    callback_url: str | None
    "HTTPS callback address after task completion"


class Wan25TextToImageParameters(TypedDict, total=False):
    prompt: Required[str]
    "Prompt describing the image to generate, limited to 2000 tokens"
    size: str | None
    "Size of the generated image, currently only supports pixel format:"
    n: int | None
    "Number of images to generate, supports any integer value between `[1,4]`"
    prompt_extend: bool | None
    "Whether to enable intelligent prompt rewriting."
    callback_url: str | None
    "HTTPS callback address after task completion"


class Wan25TextToVideoParameters(TypedDict, total=False):
    prompt: Required[str]
    "Prompt describing what kind of video to generate, limited to 2000 tokens"
    aspect_ratio: Literal["16:9", "9:16", "1:1", "4:3", "3:4"] | None
    "Video aspect ratio, defaults to 16:9"
    quality: Literal["480p", "720p", "1080p"] | None
    "Video quality, defaults to `720p`"
    duration: Literal[5, 10] | None
    "Specifies the duration of the generated video (seconds)"
    prompt_extend: bool | None
    "Whether to enable intelligent prompt rewriting."
    callback_url: str | None
    "HTTPS callback address after task completion"


class Wan26ImageToVideoParameters(TypedDict, total=False):
    prompt: Required[str]
    "Prompt describing the video you want to generate, limited to 1500 characters"
    duration: Literal[5, 10, 15] | None
    "Specifies the duration of the generated video (in seconds)"
    quality: Literal["720p", "1080p"] | None
    "Video quality, defaults to `720p`"
    image_urls: Required[Several[str | PathLike[str] | bytes]]
    "Reference image URL list for first-frame image-to-video generation"
    prompt_extend: bool | None
    "Whether to enable intelligent prompt rewriting."
    model_params: Wan26ImageToVideoParametersModelParams | None
    "Model parameter configuration"
    audio_url: str | PathLike[str] | bytes | None
    "Audio file URL."
    callback_url: str | None
    "HTTPS callback URL for task completion"


class Wan26ImageToVideoParametersModelParams(TypedDict, total=False):
    shot_type: Literal["single", "multi"] | None
    "Specifies the shot type for the generated video, i.e., whether the video consists of a single continuous shot or multiple switching shots"


class Submit(Protocol[ResultT_co]):
    """Submit a request, and return its task."""

    @overload
    def __call__(
        self,
        request: Request | Mapping[str, Any],
        /,
        *,
        extra: Mapping[str, Any] | None = ...,
        validate: bool = ...,
        idempotency_key: str | None = ...,
        resubmit_uncertain: bool = ...,
        max_credits: float | None = ...,
    ) -> ResultT_co: ...

    @overload
    def __call__(
        self,
        *,
        model: Literal["wan2.5-image-to-image"],
        extra: Mapping[str, Any] | None = ...,
        validate: bool = ...,
        idempotency_key: str | None = ...,
        resubmit_uncertain: bool = ...,
        max_credits: float | None = ...,
        **parameters: Unpack[Wan25ImageToImageParameters],
    ) -> ResultT_co: ...

    @overload
    def __call__(
        self,
        *,
        model: Literal["wan2.5-image-to-video"],
        extra: Mapping[str, Any] | None = ...,
        validate: bool = ...,
        idempotency_key: str | None = ...,
        resubmit_uncertain: bool = ...,
        max_credits: float | None = ...,
        **parameters: Unpack[Wan25ImageToVideoParameters],
    ) -> ResultT_co: ...

    @overload
    def __call__(
        self,
        *,
        model: Literal["wan2.5-text-to-image"],
        extra: Mapping[str, Any] | None = ...,
        validate: bool = ...,
        idempotency_key: str | None = ...,
        resubmit_uncertain: bool = ...,
        max_credits: float | None = ...,
        **parameters: Unpack[Wan25TextToImageParameters],
    ) -> ResultT_co: ...

    @overload
    def __call__(
        self,
        *,
        model: Literal["wan2.5-text-to-video"],
        extra: Mapping[str, Any] | None = ...,
        validate: bool = ...,
        idempotency_key: str | None = ...,
        resubmit_uncertain: bool = ...,
        max_credits: float | None = ...,
        **parameters: Unpack[Wan25TextToVideoParameters],
    ) -> ResultT_co: ...

    @overload
    def __call__(
        self,
        *,
        model: Literal["wan2.6-image-to-video"],
        extra: Mapping[str, Any] | None = ...,
        validate: bool = ...,
        idempotency_key: str | None = ...,
        resubmit_uncertain: bool = ...,
        max_credits: float | None = ...,
        **parameters: Unpack[Wan26ImageToVideoParameters],
    ) -> ResultT_co: ...


class Run(Protocol[ResultT_co, OnUpdateT]):
    """Run a request, and return its result."""

    @overload
    def __call__(
        self,
        request: Request | Mapping[str, Any],
        /,
        *,
        output_dir: str | PathLike[str] | None = ...,
        timeout: float = ...,
        on_update: OnUpdateT = ...,
        extra: Mapping[str, Any] | None = ...,
        validate: bool = ...,
        idempotency_key: str | None = ...,
        resubmit_uncertain: bool = ...,
        max_credits: float | None = ...,
    ) -> ResultT_co: ...

    @overload
    def __call__(
        self,
        *,
        model: Literal["wan2.5-image-to-image"],
        output_dir: str | PathLike[str] | None = ...,
        timeout: float = ...,
        on_update: OnUpdateT = ...,
        extra: Mapping[str, Any] | None = ...,
        validate: bool = ...,
        idempotency_key: str | None = ...,
        resubmit_uncertain: bool = ...,
        max_credits: float | None = ...,
        **parameters: Unpack[Wan25ImageToImageParameters],
    ) -> ResultT_co: ...

    @overload
    def __call__(
        self,
        *,
        model: Literal["wan2.5-image-to-video"],
        output_dir: str | PathLike[str] | None = ...,
        timeout: float = ...,
        on_update: OnUpdateT = ...,
        extra: Mapping[str, Any] | None = ...,
        validate: bool = ...,
        idempotency_key: str | None = ...,
        resubmit_uncertain: bool = ...,
        max_credits: float | None = ...,
        **parameters: Unpack[Wan25ImageToVideoParameters],
    ) -> ResultT_co: ...

    @overload
    def __call__(
        self,
        *,
        model: Literal["wan2.5-text-to-image"],
        output_dir: str | PathLike[str] | None = ...,
        timeout: float = ...,
        on_update: OnUpdateT = ...,
        extra: Mapping[str, Any] | None = ...,
        validate: bool = ...,
        idempotency_key: str | None = ...,
        resubmit_uncertain: bool = ...,
        max_credits: float | None = ...,
        **parameters: Unpack[Wan25TextToImageParameters],
    ) -> ResultT_co: ...

    @overload
    def __call__(
        self,
        *,
        model: Literal["wan2.5-text-to-video"],
        output_dir: str | PathLike[str] | None = ...,
        timeout: float = ...,
        on_update: OnUpdateT = ...,
        extra: Mapping[str, Any] | None = ...,
        validate: bool = ...,
        idempotency_key: str | None = ...,
        resubmit_uncertain: bool = ...,
        max_credits: float | None = ...,
        **parameters: Unpack[Wan25TextToVideoParameters],
    ) -> ResultT_co: ...

    @overload
    def __call__(
        self,
        *,
        model: Literal["wan2.6-image-to-video"],
        output_dir: str | PathLike[str] | None = ...,
        timeout: float = ...,
        on_update: OnUpdateT = ...,
        extra: Mapping[str, Any] | None = ...,
        validate: bool = ...,
        idempotency_key: str | None = ...,
        resubmit_uncertain: bool = ...,
        max_credits: float | None = ...,
        **parameters: Unpack[Wan26ImageToVideoParameters],
    ) -> ResultT_co: ...
