"""The parameters of each model, for type checkers and editors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from typing import (
    Any,
    Literal,
    Never,
    Protocol,
    Required,
    TypeAlias,
    TypedDict,
    TypeVar,
    Unpack,
    overload,
)

from . import models

# mypy takes this as true, the others as false. Each explains an error by other overloads: those
# after the first ones, which alone accept a call.
MYPY = False

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


if MYPY:

    class Other(Protocol[ItemT_co]):
        """With Never: a type that no value has, but that mypy takes for similar to each."""

        def __repr__(self) -> ItemT_co: ...

    class NotAParameter(Protocol[ItemT_co]):
        """No model has a parameter of this name."""

        def __repr__(self) -> ItemT_co: ...

    class ModelWithTheseParametersAndValues(Protocol[ItemT_co]):
        """The model has no such parameter or value, or requires one more."""

        def __repr__(self) -> ItemT_co: ...

    class WithoutAModel(Protocol[ItemT_co]):
        """The argument `model` is missing."""

        def __repr__(self) -> ItemT_co: ...

    class Submit(Protocol[ResultT_co]):
        """Submit a request, or show it."""

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
            name: str | None = ...,
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
            name: str | None = ...,
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
            name: str | None = ...,
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
            name: str | None = ...,
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
            name: str | None = ...,
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
            name: str | None = ...,
            **parameters: Unpack[Wan26ImageToVideoParameters],
        ) -> ResultT_co: ...

        @overload
        def __call__(
            self,
            *,
            model: ModelWithTheseParametersAndValues[Never],
            prompt: str | Other[Never] | None = ...,
            n: int | None | Other[Never] | None = ...,
            image_urls: Sequence[str | PathLike[str] | bytes] | Other[Never] | None = ...,
            callback_url: str | None | Other[Never] | None = ...,
            duration: Literal[5, 10] | None | Literal[5, 10, 15] | None | Other[Never] | None = ...,
            quality: Literal["480p", "720p", "1080p"]
            | None
            | Literal["720p", "1080p"]
            | None
            | Other[Never]
            | None = ...,
            prompt_extend: bool | None | Other[Never] | None = ...,
            size: str | None | Other[Never] | None = ...,
            aspect_ratio: Literal["16:9", "9:16", "1:1", "4:3", "3:4"]
            | None
            | Other[Never]
            | None = ...,
            model_params: Wan26ImageToVideoParametersModelParams | None | Other[Never] | None = ...,
            audio_url: str | PathLike[str] | bytes | None | Other[Never] | None = ...,
            extra: Mapping[str, Any] | None | Other[Never] | None = ...,
            validate: bool | Other[Never] | None = ...,
            idempotency_key: str | None | Other[Never] | None = ...,
            resubmit_uncertain: bool | Other[Never] | None = ...,
            max_credits: float | None | Other[Never] | None = ...,
            name: str | None | Other[Never] | None = ...,
            **__others: NotAParameter[Never],
        ) -> ResultT_co: ...

        @overload
        def __call__(
            self, *, model: ModelWithTheseParametersAndValues[Never], **__others: object
        ) -> ResultT_co: ...

        @overload
        def __call__(self, request: WithoutAModel[Never], /, **__others: object) -> ResultT_co: ...

        @overload
        def __call__(self, *, prompt: WithoutAModel[Never], **__others: object) -> ResultT_co: ...

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
            on_update: OnUpdateT | None = ...,
            extra: Mapping[str, Any] | None = ...,
            validate: bool = ...,
            idempotency_key: str | None = ...,
            resubmit_uncertain: bool = ...,
            max_credits: float | None = ...,
            name: str | None = ...,
        ) -> ResultT_co: ...

        @overload
        def __call__(
            self,
            *,
            model: Literal["wan2.5-image-to-image"],
            output_dir: str | PathLike[str] | None = ...,
            timeout: float = ...,
            on_update: OnUpdateT | None = ...,
            extra: Mapping[str, Any] | None = ...,
            validate: bool = ...,
            idempotency_key: str | None = ...,
            resubmit_uncertain: bool = ...,
            max_credits: float | None = ...,
            name: str | None = ...,
            **parameters: Unpack[Wan25ImageToImageParameters],
        ) -> ResultT_co: ...

        @overload
        def __call__(
            self,
            *,
            model: Literal["wan2.5-image-to-video"],
            output_dir: str | PathLike[str] | None = ...,
            timeout: float = ...,
            on_update: OnUpdateT | None = ...,
            extra: Mapping[str, Any] | None = ...,
            validate: bool = ...,
            idempotency_key: str | None = ...,
            resubmit_uncertain: bool = ...,
            max_credits: float | None = ...,
            name: str | None = ...,
            **parameters: Unpack[Wan25ImageToVideoParameters],
        ) -> ResultT_co: ...

        @overload
        def __call__(
            self,
            *,
            model: Literal["wan2.5-text-to-image"],
            output_dir: str | PathLike[str] | None = ...,
            timeout: float = ...,
            on_update: OnUpdateT | None = ...,
            extra: Mapping[str, Any] | None = ...,
            validate: bool = ...,
            idempotency_key: str | None = ...,
            resubmit_uncertain: bool = ...,
            max_credits: float | None = ...,
            name: str | None = ...,
            **parameters: Unpack[Wan25TextToImageParameters],
        ) -> ResultT_co: ...

        @overload
        def __call__(
            self,
            *,
            model: Literal["wan2.5-text-to-video"],
            output_dir: str | PathLike[str] | None = ...,
            timeout: float = ...,
            on_update: OnUpdateT | None = ...,
            extra: Mapping[str, Any] | None = ...,
            validate: bool = ...,
            idempotency_key: str | None = ...,
            resubmit_uncertain: bool = ...,
            max_credits: float | None = ...,
            name: str | None = ...,
            **parameters: Unpack[Wan25TextToVideoParameters],
        ) -> ResultT_co: ...

        @overload
        def __call__(
            self,
            *,
            model: Literal["wan2.6-image-to-video"],
            output_dir: str | PathLike[str] | None = ...,
            timeout: float = ...,
            on_update: OnUpdateT | None = ...,
            extra: Mapping[str, Any] | None = ...,
            validate: bool = ...,
            idempotency_key: str | None = ...,
            resubmit_uncertain: bool = ...,
            max_credits: float | None = ...,
            name: str | None = ...,
            **parameters: Unpack[Wan26ImageToVideoParameters],
        ) -> ResultT_co: ...

        @overload
        def __call__(
            self,
            *,
            model: ModelWithTheseParametersAndValues[Never],
            prompt: str | Other[Never] | None = ...,
            n: int | None | Other[Never] | None = ...,
            image_urls: Sequence[str | PathLike[str] | bytes] | Other[Never] | None = ...,
            callback_url: str | None | Other[Never] | None = ...,
            duration: Literal[5, 10] | None | Literal[5, 10, 15] | None | Other[Never] | None = ...,
            quality: Literal["480p", "720p", "1080p"]
            | None
            | Literal["720p", "1080p"]
            | None
            | Other[Never]
            | None = ...,
            prompt_extend: bool | None | Other[Never] | None = ...,
            size: str | None | Other[Never] | None = ...,
            aspect_ratio: Literal["16:9", "9:16", "1:1", "4:3", "3:4"]
            | None
            | Other[Never]
            | None = ...,
            model_params: Wan26ImageToVideoParametersModelParams | None | Other[Never] | None = ...,
            audio_url: str | PathLike[str] | bytes | None | Other[Never] | None = ...,
            output_dir: str | PathLike[str] | None | Other[Never] | None = ...,
            timeout: float | Other[Never] | None = ...,
            on_update: OnUpdateT | None | Other[Never] | None = ...,
            extra: Mapping[str, Any] | None | Other[Never] | None = ...,
            validate: bool | Other[Never] | None = ...,
            idempotency_key: str | None | Other[Never] | None = ...,
            resubmit_uncertain: bool | Other[Never] | None = ...,
            max_credits: float | None | Other[Never] | None = ...,
            name: str | None | Other[Never] | None = ...,
            **__others: NotAParameter[Never],
        ) -> ResultT_co: ...

        @overload
        def __call__(
            self, *, model: ModelWithTheseParametersAndValues[Never], **__others: object
        ) -> ResultT_co: ...

        @overload
        def __call__(self, request: WithoutAModel[Never], /, **__others: object) -> ResultT_co: ...

        @overload
        def __call__(self, *, prompt: WithoutAModel[Never], **__others: object) -> ResultT_co: ...

    class EstimateCost(Protocol[ResultT_co]):
        """Estimate the cost of a request."""

        @overload
        def __call__(
            self,
            request: Request | Mapping[str, Any],
            /,
            *,
            extra: Mapping[str, Any] | None = ...,
            validate: bool = ...,
        ) -> ResultT_co: ...

        @overload
        def __call__(
            self,
            *,
            model: Literal["wan2.5-image-to-image"],
            extra: Mapping[str, Any] | None = ...,
            validate: bool = ...,
            **parameters: Unpack[Wan25ImageToImageParameters],
        ) -> ResultT_co: ...

        @overload
        def __call__(
            self,
            *,
            model: Literal["wan2.5-image-to-video"],
            extra: Mapping[str, Any] | None = ...,
            validate: bool = ...,
            **parameters: Unpack[Wan25ImageToVideoParameters],
        ) -> ResultT_co: ...

        @overload
        def __call__(
            self,
            *,
            model: Literal["wan2.5-text-to-image"],
            extra: Mapping[str, Any] | None = ...,
            validate: bool = ...,
            **parameters: Unpack[Wan25TextToImageParameters],
        ) -> ResultT_co: ...

        @overload
        def __call__(
            self,
            *,
            model: Literal["wan2.5-text-to-video"],
            extra: Mapping[str, Any] | None = ...,
            validate: bool = ...,
            **parameters: Unpack[Wan25TextToVideoParameters],
        ) -> ResultT_co: ...

        @overload
        def __call__(
            self,
            *,
            model: Literal["wan2.6-image-to-video"],
            extra: Mapping[str, Any] | None = ...,
            validate: bool = ...,
            **parameters: Unpack[Wan26ImageToVideoParameters],
        ) -> ResultT_co: ...

        @overload
        def __call__(
            self,
            *,
            model: ModelWithTheseParametersAndValues[Never],
            prompt: str | Other[Never] | None = ...,
            n: int | None | Other[Never] | None = ...,
            image_urls: Sequence[str | PathLike[str] | bytes] | Other[Never] | None = ...,
            callback_url: str | None | Other[Never] | None = ...,
            duration: Literal[5, 10] | None | Literal[5, 10, 15] | None | Other[Never] | None = ...,
            quality: Literal["480p", "720p", "1080p"]
            | None
            | Literal["720p", "1080p"]
            | None
            | Other[Never]
            | None = ...,
            prompt_extend: bool | None | Other[Never] | None = ...,
            size: str | None | Other[Never] | None = ...,
            aspect_ratio: Literal["16:9", "9:16", "1:1", "4:3", "3:4"]
            | None
            | Other[Never]
            | None = ...,
            model_params: Wan26ImageToVideoParametersModelParams | None | Other[Never] | None = ...,
            audio_url: str | PathLike[str] | bytes | None | Other[Never] | None = ...,
            extra: Mapping[str, Any] | None | Other[Never] | None = ...,
            validate: bool | Other[Never] | None = ...,
            **__others: NotAParameter[Never],
        ) -> ResultT_co: ...

        @overload
        def __call__(
            self, *, model: ModelWithTheseParametersAndValues[Never], **__others: object
        ) -> ResultT_co: ...

        @overload
        def __call__(self, request: WithoutAModel[Never], /, **__others: object) -> ResultT_co: ...

        @overload
        def __call__(self, *, prompt: WithoutAModel[Never], **__others: object) -> ResultT_co: ...


else:

    class NotAParameter:
        """The model has no parameter of this name."""

    class Missing:
        """The model requires this parameter."""

    MISSING = Missing()

    T1 = TypeVar("ModelName", "Literal['wan2.5-image-to-image']", Never)  # pyright: ignore
    T2 = TypeVar("str", "str", Never)  # pyright: ignore
    T3 = TypeVar("int | None", "int | None", Never)  # pyright: ignore
    T4 = TypeVar(
        "Several[str | PathLike[str] | bytes]", "Several[str | PathLike[str] | bytes]", Never
    )  # pyright: ignore
    T5 = TypeVar("str | None", "str | None", Never)  # pyright: ignore
    T6 = TypeVar("Mapping[str, Any] | None", "Mapping[str, Any] | None", Never)  # pyright: ignore
    T7 = TypeVar("bool", "bool", Never)  # pyright: ignore
    T8 = TypeVar("str | None ", "str | None", Never)  # pyright: ignore
    T9 = TypeVar("bool ", "bool", Never)  # pyright: ignore
    T10 = TypeVar("float | None", "float | None", Never)  # pyright: ignore
    T11 = TypeVar("str | None  ", "str | None", Never)  # pyright: ignore
    T12 = TypeVar("ModelName", "Literal['wan2.5-image-to-video']", Never)  # pyright: ignore
    T13 = TypeVar("Literal[5, 10] | None", "Literal[5, 10] | None", Never)  # pyright: ignore
    T14 = TypeVar(
        "Literal['480p', '720p', '1080p'] | None", "Literal['480p', '720p', '1080p'] | None", Never
    )  # pyright: ignore
    T15 = TypeVar("bool | None", "bool | None", Never)  # pyright: ignore
    T16 = TypeVar("ModelName", "Literal['wan2.5-text-to-image']", Never)  # pyright: ignore
    T17 = TypeVar("str | None   ", "str | None", Never)  # pyright: ignore
    T18 = TypeVar("ModelName", "Literal['wan2.5-text-to-video']", Never)  # pyright: ignore
    T19 = TypeVar(
        "Literal['16:9', '9:16', '1:1', '4:3', '3:4'] | None",
        "Literal['16:9', '9:16', '1:1', '4:3', '3:4'] | None",
        Never,
    )  # pyright: ignore
    T20 = TypeVar("ModelName", "Literal['wan2.6-image-to-video']", Never)  # pyright: ignore
    T21 = TypeVar("Literal[5, 10, 15] | None", "Literal[5, 10, 15] | None", Never)  # pyright: ignore
    T22 = TypeVar("Literal['720p', '1080p'] | None", "Literal['720p', '1080p'] | None", Never)  # pyright: ignore
    T23 = TypeVar("str | PathLike[str] | bytes | None", "str | PathLike[str] | bytes | None", Never)  # pyright: ignore
    T24 = TypeVar(
        "Wan26ImageToVideoParametersModelParams | None",
        "Wan26ImageToVideoParametersModelParams | None",
        Never,
    )  # pyright: ignore
    T25 = TypeVar("str | PathLike[str] | None", "str | PathLike[str] | None", Never)  # pyright: ignore
    T26 = TypeVar("float", "float", Never)  # pyright: ignore

    class Submit(Protocol[ResultT_co]):
        """Submit a request, or show it."""

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
            name: str | None = ...,
        ) -> ResultT_co: ...

        @overload
        def __call__(
            self,
            *,
            model: Literal["wan2.5-image-to-image"],
            prompt: str,
            n: int | None = ...,
            image_urls: Several[str | PathLike[str] | bytes],
            callback_url: str | None = ...,
            extra: Mapping[str, Any] | None = ...,
            validate: bool = ...,
            idempotency_key: str | None = ...,
            resubmit_uncertain: bool = ...,
            max_credits: float | None = ...,
            name: str | None = ...,
        ) -> ResultT_co: ...

        @overload
        def __call__(
            self,
            *,
            model: Literal["wan2.5-image-to-video"],
            prompt: str,
            duration: Literal[5, 10] | None = ...,
            quality: Literal["480p", "720p", "1080p"] | None = ...,
            image_urls: Several[str | PathLike[str] | bytes],
            prompt_extend: bool | None = ...,
            callback_url: str | None = ...,
            extra: Mapping[str, Any] | None = ...,
            validate: bool = ...,
            idempotency_key: str | None = ...,
            resubmit_uncertain: bool = ...,
            max_credits: float | None = ...,
            name: str | None = ...,
        ) -> ResultT_co: ...

        @overload
        def __call__(
            self,
            *,
            model: Literal["wan2.5-text-to-image"],
            prompt: str,
            size: str | None = ...,
            n: int | None = ...,
            prompt_extend: bool | None = ...,
            callback_url: str | None = ...,
            extra: Mapping[str, Any] | None = ...,
            validate: bool = ...,
            idempotency_key: str | None = ...,
            resubmit_uncertain: bool = ...,
            max_credits: float | None = ...,
            name: str | None = ...,
        ) -> ResultT_co: ...

        @overload
        def __call__(
            self,
            *,
            model: Literal["wan2.5-text-to-video"],
            prompt: str,
            aspect_ratio: Literal["16:9", "9:16", "1:1", "4:3", "3:4"] | None = ...,
            quality: Literal["480p", "720p", "1080p"] | None = ...,
            duration: Literal[5, 10] | None = ...,
            prompt_extend: bool | None = ...,
            callback_url: str | None = ...,
            extra: Mapping[str, Any] | None = ...,
            validate: bool = ...,
            idempotency_key: str | None = ...,
            resubmit_uncertain: bool = ...,
            max_credits: float | None = ...,
            name: str | None = ...,
        ) -> ResultT_co: ...

        @overload
        def __call__(
            self,
            *,
            model: Literal["wan2.6-image-to-video"],
            prompt: str,
            duration: Literal[5, 10, 15] | None = ...,
            quality: Literal["720p", "1080p"] | None = ...,
            image_urls: Several[str | PathLike[str] | bytes],
            prompt_extend: bool | None = ...,
            model_params: Wan26ImageToVideoParametersModelParams | None = ...,
            audio_url: str | PathLike[str] | bytes | None = ...,
            callback_url: str | None = ...,
            extra: Mapping[str, Any] | None = ...,
            validate: bool = ...,
            idempotency_key: str | None = ...,
            resubmit_uncertain: bool = ...,
            max_credits: float | None = ...,
            name: str | None = ...,
        ) -> ResultT_co: ...

        @overload
        def __call__(
            self,
            *,
            model: T1,
            prompt: T2 = MISSING,
            n: T3 = ...,
            image_urls: T4 = MISSING,
            callback_url: T5 = ...,
            extra: T6 = ...,
            validate: T7 = ...,
            idempotency_key: T8 = ...,
            resubmit_uncertain: T9 = ...,
            max_credits: T10 = ...,
            name: T11 = ...,
            **__others: NotAParameter,
        ) -> ResultT_co: ...

        @overload
        def __call__(
            self,
            *,
            model: T12,
            prompt: T2 = MISSING,
            duration: T13 = ...,
            quality: T14 = ...,
            image_urls: T4 = MISSING,
            prompt_extend: T15 = ...,
            callback_url: T5 = ...,
            extra: T6 = ...,
            validate: T7 = ...,
            idempotency_key: T8 = ...,
            resubmit_uncertain: T9 = ...,
            max_credits: T10 = ...,
            name: T11 = ...,
            **__others: NotAParameter,
        ) -> ResultT_co: ...

        @overload
        def __call__(
            self,
            *,
            model: T16,
            prompt: T2 = MISSING,
            size: T5 = ...,
            n: T3 = ...,
            prompt_extend: T15 = ...,
            callback_url: T8 = ...,
            extra: T6 = ...,
            validate: T7 = ...,
            idempotency_key: T11 = ...,
            resubmit_uncertain: T9 = ...,
            max_credits: T10 = ...,
            name: T17 = ...,
            **__others: NotAParameter,
        ) -> ResultT_co: ...

        @overload
        def __call__(
            self,
            *,
            model: T18,
            prompt: T2 = MISSING,
            aspect_ratio: T19 = ...,
            quality: T14 = ...,
            duration: T13 = ...,
            prompt_extend: T15 = ...,
            callback_url: T5 = ...,
            extra: T6 = ...,
            validate: T7 = ...,
            idempotency_key: T8 = ...,
            resubmit_uncertain: T9 = ...,
            max_credits: T10 = ...,
            name: T11 = ...,
            **__others: NotAParameter,
        ) -> ResultT_co: ...

        @overload
        def __call__(
            self,
            *,
            model: T20,
            prompt: T2 = MISSING,
            duration: T21 = ...,
            quality: T22 = ...,
            image_urls: T4 = MISSING,
            prompt_extend: T15 = ...,
            model_params: Wan26ImageToVideoParametersModelParams | None = ...,
            audio_url: T23 = ...,
            callback_url: T5 = ...,
            extra: T6 = ...,
            validate: T7 = ...,
            idempotency_key: T8 = ...,
            resubmit_uncertain: T9 = ...,
            max_credits: T10 = ...,
            name: T11 = ...,
            **__others: NotAParameter,
        ) -> ResultT_co: ...

        @overload
        def __call__(
            self,
            *,
            model: T20,
            prompt: T2 = MISSING,
            duration: T21 = ...,
            quality: T22 = ...,
            image_urls: T4 = MISSING,
            prompt_extend: T15 = ...,
            model_params: T24,
            audio_url: T23 = ...,
            callback_url: T5 = ...,
            extra: T6 = ...,
            validate: T7 = ...,
            idempotency_key: T8 = ...,
            resubmit_uncertain: T9 = ...,
            max_credits: T10 = ...,
            name: T11 = ...,
            **__others: NotAParameter,
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
            on_update: OnUpdateT | None = ...,
            extra: Mapping[str, Any] | None = ...,
            validate: bool = ...,
            idempotency_key: str | None = ...,
            resubmit_uncertain: bool = ...,
            max_credits: float | None = ...,
            name: str | None = ...,
        ) -> ResultT_co: ...

        @overload
        def __call__(
            self,
            *,
            model: Literal["wan2.5-image-to-image"],
            prompt: str,
            n: int | None = ...,
            image_urls: Several[str | PathLike[str] | bytes],
            callback_url: str | None = ...,
            output_dir: str | PathLike[str] | None = ...,
            timeout: float = ...,
            on_update: OnUpdateT | None = ...,
            extra: Mapping[str, Any] | None = ...,
            validate: bool = ...,
            idempotency_key: str | None = ...,
            resubmit_uncertain: bool = ...,
            max_credits: float | None = ...,
            name: str | None = ...,
        ) -> ResultT_co: ...

        @overload
        def __call__(
            self,
            *,
            model: Literal["wan2.5-image-to-video"],
            prompt: str,
            duration: Literal[5, 10] | None = ...,
            quality: Literal["480p", "720p", "1080p"] | None = ...,
            image_urls: Several[str | PathLike[str] | bytes],
            prompt_extend: bool | None = ...,
            callback_url: str | None = ...,
            output_dir: str | PathLike[str] | None = ...,
            timeout: float = ...,
            on_update: OnUpdateT | None = ...,
            extra: Mapping[str, Any] | None = ...,
            validate: bool = ...,
            idempotency_key: str | None = ...,
            resubmit_uncertain: bool = ...,
            max_credits: float | None = ...,
            name: str | None = ...,
        ) -> ResultT_co: ...

        @overload
        def __call__(
            self,
            *,
            model: Literal["wan2.5-text-to-image"],
            prompt: str,
            size: str | None = ...,
            n: int | None = ...,
            prompt_extend: bool | None = ...,
            callback_url: str | None = ...,
            output_dir: str | PathLike[str] | None = ...,
            timeout: float = ...,
            on_update: OnUpdateT | None = ...,
            extra: Mapping[str, Any] | None = ...,
            validate: bool = ...,
            idempotency_key: str | None = ...,
            resubmit_uncertain: bool = ...,
            max_credits: float | None = ...,
            name: str | None = ...,
        ) -> ResultT_co: ...

        @overload
        def __call__(
            self,
            *,
            model: Literal["wan2.5-text-to-video"],
            prompt: str,
            aspect_ratio: Literal["16:9", "9:16", "1:1", "4:3", "3:4"] | None = ...,
            quality: Literal["480p", "720p", "1080p"] | None = ...,
            duration: Literal[5, 10] | None = ...,
            prompt_extend: bool | None = ...,
            callback_url: str | None = ...,
            output_dir: str | PathLike[str] | None = ...,
            timeout: float = ...,
            on_update: OnUpdateT | None = ...,
            extra: Mapping[str, Any] | None = ...,
            validate: bool = ...,
            idempotency_key: str | None = ...,
            resubmit_uncertain: bool = ...,
            max_credits: float | None = ...,
            name: str | None = ...,
        ) -> ResultT_co: ...

        @overload
        def __call__(
            self,
            *,
            model: Literal["wan2.6-image-to-video"],
            prompt: str,
            duration: Literal[5, 10, 15] | None = ...,
            quality: Literal["720p", "1080p"] | None = ...,
            image_urls: Several[str | PathLike[str] | bytes],
            prompt_extend: bool | None = ...,
            model_params: Wan26ImageToVideoParametersModelParams | None = ...,
            audio_url: str | PathLike[str] | bytes | None = ...,
            callback_url: str | None = ...,
            output_dir: str | PathLike[str] | None = ...,
            timeout: float = ...,
            on_update: OnUpdateT | None = ...,
            extra: Mapping[str, Any] | None = ...,
            validate: bool = ...,
            idempotency_key: str | None = ...,
            resubmit_uncertain: bool = ...,
            max_credits: float | None = ...,
            name: str | None = ...,
        ) -> ResultT_co: ...

        @overload
        def __call__(
            self,
            *,
            model: T1,
            prompt: T2 = MISSING,
            n: T3 = ...,
            image_urls: T4 = MISSING,
            callback_url: T5 = ...,
            output_dir: T25 = ...,
            timeout: T26 = ...,
            on_update: OnUpdateT = ...,
            extra: T6 = ...,
            validate: T7 = ...,
            idempotency_key: T8 = ...,
            resubmit_uncertain: T9 = ...,
            max_credits: T10 = ...,
            name: T11 = ...,
            **__others: NotAParameter,
        ) -> ResultT_co: ...

        @overload
        def __call__(
            self,
            *,
            model: T12,
            prompt: T2 = MISSING,
            duration: T13 = ...,
            quality: T14 = ...,
            image_urls: T4 = MISSING,
            prompt_extend: T15 = ...,
            callback_url: T5 = ...,
            output_dir: T25 = ...,
            timeout: T26 = ...,
            on_update: OnUpdateT = ...,
            extra: T6 = ...,
            validate: T7 = ...,
            idempotency_key: T8 = ...,
            resubmit_uncertain: T9 = ...,
            max_credits: T10 = ...,
            name: T11 = ...,
            **__others: NotAParameter,
        ) -> ResultT_co: ...

        @overload
        def __call__(
            self,
            *,
            model: T16,
            prompt: T2 = MISSING,
            size: T5 = ...,
            n: T3 = ...,
            prompt_extend: T15 = ...,
            callback_url: T8 = ...,
            output_dir: T25 = ...,
            timeout: T26 = ...,
            on_update: OnUpdateT = ...,
            extra: T6 = ...,
            validate: T7 = ...,
            idempotency_key: T11 = ...,
            resubmit_uncertain: T9 = ...,
            max_credits: T10 = ...,
            name: T17 = ...,
            **__others: NotAParameter,
        ) -> ResultT_co: ...

        @overload
        def __call__(
            self,
            *,
            model: T18,
            prompt: T2 = MISSING,
            aspect_ratio: T19 = ...,
            quality: T14 = ...,
            duration: T13 = ...,
            prompt_extend: T15 = ...,
            callback_url: T5 = ...,
            output_dir: T25 = ...,
            timeout: T26 = ...,
            on_update: OnUpdateT = ...,
            extra: T6 = ...,
            validate: T7 = ...,
            idempotency_key: T8 = ...,
            resubmit_uncertain: T9 = ...,
            max_credits: T10 = ...,
            name: T11 = ...,
            **__others: NotAParameter,
        ) -> ResultT_co: ...

        @overload
        def __call__(
            self,
            *,
            model: T20,
            prompt: T2 = MISSING,
            duration: T21 = ...,
            quality: T22 = ...,
            image_urls: T4 = MISSING,
            prompt_extend: T15 = ...,
            model_params: Wan26ImageToVideoParametersModelParams | None = ...,
            audio_url: T23 = ...,
            callback_url: T5 = ...,
            output_dir: T25 = ...,
            timeout: T26 = ...,
            on_update: OnUpdateT = ...,
            extra: T6 = ...,
            validate: T7 = ...,
            idempotency_key: T8 = ...,
            resubmit_uncertain: T9 = ...,
            max_credits: T10 = ...,
            name: T11 = ...,
            **__others: NotAParameter,
        ) -> ResultT_co: ...

        @overload
        def __call__(
            self,
            *,
            model: T20,
            prompt: T2 = MISSING,
            duration: T21 = ...,
            quality: T22 = ...,
            image_urls: T4 = MISSING,
            prompt_extend: T15 = ...,
            model_params: T24,
            audio_url: T23 = ...,
            callback_url: T5 = ...,
            output_dir: T25 = ...,
            timeout: T26 = ...,
            on_update: OnUpdateT = ...,
            extra: T6 = ...,
            validate: T7 = ...,
            idempotency_key: T8 = ...,
            resubmit_uncertain: T9 = ...,
            max_credits: T10 = ...,
            name: T11 = ...,
            **__others: NotAParameter,
        ) -> ResultT_co: ...

    class EstimateCost(Protocol[ResultT_co]):
        """Estimate the cost of a request."""

        @overload
        def __call__(
            self,
            request: Request | Mapping[str, Any],
            /,
            *,
            extra: Mapping[str, Any] | None = ...,
            validate: bool = ...,
        ) -> ResultT_co: ...

        @overload
        def __call__(
            self,
            *,
            model: Literal["wan2.5-image-to-image"],
            prompt: str,
            n: int | None = ...,
            image_urls: Several[str | PathLike[str] | bytes],
            callback_url: str | None = ...,
            extra: Mapping[str, Any] | None = ...,
            validate: bool = ...,
        ) -> ResultT_co: ...

        @overload
        def __call__(
            self,
            *,
            model: Literal["wan2.5-image-to-video"],
            prompt: str,
            duration: Literal[5, 10] | None = ...,
            quality: Literal["480p", "720p", "1080p"] | None = ...,
            image_urls: Several[str | PathLike[str] | bytes],
            prompt_extend: bool | None = ...,
            callback_url: str | None = ...,
            extra: Mapping[str, Any] | None = ...,
            validate: bool = ...,
        ) -> ResultT_co: ...

        @overload
        def __call__(
            self,
            *,
            model: Literal["wan2.5-text-to-image"],
            prompt: str,
            size: str | None = ...,
            n: int | None = ...,
            prompt_extend: bool | None = ...,
            callback_url: str | None = ...,
            extra: Mapping[str, Any] | None = ...,
            validate: bool = ...,
        ) -> ResultT_co: ...

        @overload
        def __call__(
            self,
            *,
            model: Literal["wan2.5-text-to-video"],
            prompt: str,
            aspect_ratio: Literal["16:9", "9:16", "1:1", "4:3", "3:4"] | None = ...,
            quality: Literal["480p", "720p", "1080p"] | None = ...,
            duration: Literal[5, 10] | None = ...,
            prompt_extend: bool | None = ...,
            callback_url: str | None = ...,
            extra: Mapping[str, Any] | None = ...,
            validate: bool = ...,
        ) -> ResultT_co: ...

        @overload
        def __call__(
            self,
            *,
            model: Literal["wan2.6-image-to-video"],
            prompt: str,
            duration: Literal[5, 10, 15] | None = ...,
            quality: Literal["720p", "1080p"] | None = ...,
            image_urls: Several[str | PathLike[str] | bytes],
            prompt_extend: bool | None = ...,
            model_params: Wan26ImageToVideoParametersModelParams | None = ...,
            audio_url: str | PathLike[str] | bytes | None = ...,
            callback_url: str | None = ...,
            extra: Mapping[str, Any] | None = ...,
            validate: bool = ...,
        ) -> ResultT_co: ...

        @overload
        def __call__(
            self,
            *,
            model: T1,
            prompt: T2 = MISSING,
            n: T3 = ...,
            image_urls: T4 = MISSING,
            callback_url: T5 = ...,
            extra: T6 = ...,
            validate: T7 = ...,
            **__others: NotAParameter,
        ) -> ResultT_co: ...

        @overload
        def __call__(
            self,
            *,
            model: T12,
            prompt: T2 = MISSING,
            duration: T13 = ...,
            quality: T14 = ...,
            image_urls: T4 = MISSING,
            prompt_extend: T15 = ...,
            callback_url: T5 = ...,
            extra: T6 = ...,
            validate: T7 = ...,
            **__others: NotAParameter,
        ) -> ResultT_co: ...

        @overload
        def __call__(
            self,
            *,
            model: T16,
            prompt: T2 = MISSING,
            size: T5 = ...,
            n: T3 = ...,
            prompt_extend: T15 = ...,
            callback_url: T8 = ...,
            extra: T6 = ...,
            validate: T7 = ...,
            **__others: NotAParameter,
        ) -> ResultT_co: ...

        @overload
        def __call__(
            self,
            *,
            model: T18,
            prompt: T2 = MISSING,
            aspect_ratio: T19 = ...,
            quality: T14 = ...,
            duration: T13 = ...,
            prompt_extend: T15 = ...,
            callback_url: T5 = ...,
            extra: T6 = ...,
            validate: T7 = ...,
            **__others: NotAParameter,
        ) -> ResultT_co: ...

        @overload
        def __call__(
            self,
            *,
            model: T20,
            prompt: T2 = MISSING,
            duration: T21 = ...,
            quality: T22 = ...,
            image_urls: T4 = MISSING,
            prompt_extend: T15 = ...,
            model_params: Wan26ImageToVideoParametersModelParams | None = ...,
            audio_url: T23 = ...,
            callback_url: T5 = ...,
            extra: T6 = ...,
            validate: T7 = ...,
            **__others: NotAParameter,
        ) -> ResultT_co: ...

        @overload
        def __call__(
            self,
            *,
            model: T20,
            prompt: T2 = MISSING,
            duration: T21 = ...,
            quality: T22 = ...,
            image_urls: T4 = MISSING,
            prompt_extend: T15 = ...,
            model_params: T24,
            audio_url: T23 = ...,
            callback_url: T5 = ...,
            extra: T6 = ...,
            validate: T7 = ...,
            **__others: NotAParameter,
        ) -> ResultT_co: ...
