from http import HTTPStatus
from typing import Any

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.error_response import ErrorResponse
from ...models.video_generation_response import VideoGenerationResponse
from ...models.wan_25_image_to_video_request import Wan25ImageToVideoRequest
from ...models.wan_25_text_to_video_request import Wan25TextToVideoRequest
from ...models.wan_26_image_to_video_request import Wan26ImageToVideoRequest
from ...types import Response


def _get_kwargs(
    *,
    body: Wan25ImageToVideoRequest | Wan25TextToVideoRequest | Wan26ImageToVideoRequest,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/v1/videos/generations",
    }

    if isinstance(body, Wan25ImageToVideoRequest):
        _kwargs["json"] = body.to_dict()
    elif isinstance(body, Wan25TextToVideoRequest):
        _kwargs["json"] = body.to_dict()
    else:
        _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> ErrorResponse | VideoGenerationResponse | None:
    if response.status_code == 200:
        response_200 = VideoGenerationResponse.from_dict(response.json())

        return response_200

    if response.status_code == 400:
        response_400 = ErrorResponse.from_dict(response.json())

        return response_400

    if response.status_code == 401:
        response_401 = ErrorResponse.from_dict(response.json())

        return response_401

    if response.status_code == 403:
        response_403 = ErrorResponse.from_dict(response.json())

        return response_403

    if response.status_code == 404:
        response_404 = ErrorResponse.from_dict(response.json())

        return response_404

    if response.status_code == 429:
        response_429 = ErrorResponse.from_dict(response.json())

        return response_429

    if response.status_code == 500:
        response_500 = ErrorResponse.from_dict(response.json())

        return response_500

    if response.status_code == 502:
        response_502 = ErrorResponse.from_dict(response.json())

        return response_502

    if response.status_code == 503:
        response_503 = ErrorResponse.from_dict(response.json())

        return response_503

    if client.raise_on_unexpected_status:
        raise errors.UnexpectedStatus(response.status_code, response.content)
    else:
        return None


def _build_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Response[ErrorResponse | VideoGenerationResponse]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient,
    body: Wan25ImageToVideoRequest | Wan25TextToVideoRequest | Wan26ImageToVideoRequest,
) -> Response[ErrorResponse | VideoGenerationResponse]:
    """Submit a task to one of 3 models

     **wan2.5-image-to-video**

    wan2.5-image-to-video Interface

    - WAN2.5 (wan2.5-image-to-video) model supports first-frame image-to-video mode
    - Asynchronous processing mode, use the returned task ID to [query](/en/api-manual/task-
    management/get-task-detail)
    - Generated video links are valid for 24 hours, please save them promptly

    **wan2.5-text-to-video**

    wan2.5-text-to-video Interface

    - WAN2.5 (wan2.5-text-to-video) model supports text-to-video mode
    - Asynchronous processing mode, use the returned task ID to [query](/en/api-manual/task-
    management/get-task-detail)
    - Generated video links are valid for 24 hours, please save them promptly

    **wan2.6-image-to-video**

    wan2.6-image-to-video API

    - WAN2.6 (wan2.6-image-to-video) model supports first-frame image-to-video generation
    - Asynchronous processing mode, use the returned task ID to [query status](/en/api-manual/task-
    management/get-task-detail)
    - Generated video links are valid for 24 hours, please save them promptly

    Args:
        body (Wan25ImageToVideoRequest | Wan25TextToVideoRequest | Wan26ImageToVideoRequest):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[ErrorResponse | VideoGenerationResponse]
    """

    kwargs = _get_kwargs(
        body=body,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    *,
    client: AuthenticatedClient,
    body: Wan25ImageToVideoRequest | Wan25TextToVideoRequest | Wan26ImageToVideoRequest,
) -> ErrorResponse | VideoGenerationResponse | None:
    """Submit a task to one of 3 models

     **wan2.5-image-to-video**

    wan2.5-image-to-video Interface

    - WAN2.5 (wan2.5-image-to-video) model supports first-frame image-to-video mode
    - Asynchronous processing mode, use the returned task ID to [query](/en/api-manual/task-
    management/get-task-detail)
    - Generated video links are valid for 24 hours, please save them promptly

    **wan2.5-text-to-video**

    wan2.5-text-to-video Interface

    - WAN2.5 (wan2.5-text-to-video) model supports text-to-video mode
    - Asynchronous processing mode, use the returned task ID to [query](/en/api-manual/task-
    management/get-task-detail)
    - Generated video links are valid for 24 hours, please save them promptly

    **wan2.6-image-to-video**

    wan2.6-image-to-video API

    - WAN2.6 (wan2.6-image-to-video) model supports first-frame image-to-video generation
    - Asynchronous processing mode, use the returned task ID to [query status](/en/api-manual/task-
    management/get-task-detail)
    - Generated video links are valid for 24 hours, please save them promptly

    Args:
        body (Wan25ImageToVideoRequest | Wan25TextToVideoRequest | Wan26ImageToVideoRequest):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        ErrorResponse | VideoGenerationResponse
    """

    return sync_detailed(
        client=client,
        body=body,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient,
    body: Wan25ImageToVideoRequest | Wan25TextToVideoRequest | Wan26ImageToVideoRequest,
) -> Response[ErrorResponse | VideoGenerationResponse]:
    """Submit a task to one of 3 models

     **wan2.5-image-to-video**

    wan2.5-image-to-video Interface

    - WAN2.5 (wan2.5-image-to-video) model supports first-frame image-to-video mode
    - Asynchronous processing mode, use the returned task ID to [query](/en/api-manual/task-
    management/get-task-detail)
    - Generated video links are valid for 24 hours, please save them promptly

    **wan2.5-text-to-video**

    wan2.5-text-to-video Interface

    - WAN2.5 (wan2.5-text-to-video) model supports text-to-video mode
    - Asynchronous processing mode, use the returned task ID to [query](/en/api-manual/task-
    management/get-task-detail)
    - Generated video links are valid for 24 hours, please save them promptly

    **wan2.6-image-to-video**

    wan2.6-image-to-video API

    - WAN2.6 (wan2.6-image-to-video) model supports first-frame image-to-video generation
    - Asynchronous processing mode, use the returned task ID to [query status](/en/api-manual/task-
    management/get-task-detail)
    - Generated video links are valid for 24 hours, please save them promptly

    Args:
        body (Wan25ImageToVideoRequest | Wan25TextToVideoRequest | Wan26ImageToVideoRequest):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[ErrorResponse | VideoGenerationResponse]
    """

    kwargs = _get_kwargs(
        body=body,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient,
    body: Wan25ImageToVideoRequest | Wan25TextToVideoRequest | Wan26ImageToVideoRequest,
) -> ErrorResponse | VideoGenerationResponse | None:
    """Submit a task to one of 3 models

     **wan2.5-image-to-video**

    wan2.5-image-to-video Interface

    - WAN2.5 (wan2.5-image-to-video) model supports first-frame image-to-video mode
    - Asynchronous processing mode, use the returned task ID to [query](/en/api-manual/task-
    management/get-task-detail)
    - Generated video links are valid for 24 hours, please save them promptly

    **wan2.5-text-to-video**

    wan2.5-text-to-video Interface

    - WAN2.5 (wan2.5-text-to-video) model supports text-to-video mode
    - Asynchronous processing mode, use the returned task ID to [query](/en/api-manual/task-
    management/get-task-detail)
    - Generated video links are valid for 24 hours, please save them promptly

    **wan2.6-image-to-video**

    wan2.6-image-to-video API

    - WAN2.6 (wan2.6-image-to-video) model supports first-frame image-to-video generation
    - Asynchronous processing mode, use the returned task ID to [query status](/en/api-manual/task-
    management/get-task-detail)
    - Generated video links are valid for 24 hours, please save them promptly

    Args:
        body (Wan25ImageToVideoRequest | Wan25TextToVideoRequest | Wan26ImageToVideoRequest):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        ErrorResponse | VideoGenerationResponse
    """

    return (
        await asyncio_detailed(
            client=client,
            body=body,
        )
    ).parsed
