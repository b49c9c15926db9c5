"""Contains all the data models used in inputs/outputs"""

from .error_response import ErrorResponse
from .error_response_error import ErrorResponseError
from .image_generation_response import ImageGenerationResponse
from .image_generation_response_object import ImageGenerationResponseObject
from .image_generation_response_status import ImageGenerationResponseStatus
from .image_generation_response_type import ImageGenerationResponseType
from .task_detail_info import TaskDetailInfo
from .task_detail_response import TaskDetailResponse
from .task_detail_response_object import TaskDetailResponseObject
from .task_detail_response_status import TaskDetailResponseStatus
from .task_detail_response_type import TaskDetailResponseType
from .task_error import TaskError
from .task_info import TaskInfo
from .usage import Usage
from .usage_billing_rule import UsageBillingRule
from .usage_user_group import UsageUserGroup
from .video_generation_response import VideoGenerationResponse
from .video_generation_response_object import VideoGenerationResponseObject
from .video_generation_response_status import VideoGenerationResponseStatus
from .video_generation_response_type import VideoGenerationResponseType
from .video_task_info import VideoTaskInfo
from .wan_25_image_to_image_request import Wan25ImageToImageRequest
from .wan_25_image_to_image_request_model import Wan25ImageToImageRequestModel
from .wan_25_image_to_video_request import Wan25ImageToVideoRequest
from .wan_25_image_to_video_request_duration import Wan25ImageToVideoRequestDuration
from .wan_25_image_to_video_request_model import Wan25ImageToVideoRequestModel
from .wan_25_image_to_video_request_quality import Wan25ImageToVideoRequestQuality
from .wan_25_text_to_image_request import Wan25TextToImageRequest
from .wan_25_text_to_image_request_model import Wan25TextToImageRequestModel
from .wan_25_text_to_video_request import Wan25TextToVideoRequest
from .wan_25_text_to_video_request_aspect_ratio import Wan25TextToVideoRequestAspectRatio
from .wan_25_text_to_video_request_duration import Wan25TextToVideoRequestDuration
from .wan_25_text_to_video_request_model import Wan25TextToVideoRequestModel
from .wan_25_text_to_video_request_quality import Wan25TextToVideoRequestQuality
from .wan_26_image_to_video_request import Wan26ImageToVideoRequest
from .wan_26_image_to_video_request_duration import Wan26ImageToVideoRequestDuration
from .wan_26_image_to_video_request_model import Wan26ImageToVideoRequestModel
from .wan_26_image_to_video_request_model_params import Wan26ImageToVideoRequestModelParams
from .wan_26_image_to_video_request_model_params_shot_type import (
    Wan26ImageToVideoRequestModelParamsShotType,
)
from .wan_26_image_to_video_request_quality import Wan26ImageToVideoRequestQuality

__all__ = (
    "ErrorResponse",
    "ErrorResponseError",
    "ImageGenerationResponse",
    "ImageGenerationResponseObject",
    "ImageGenerationResponseStatus",
    "ImageGenerationResponseType",
    "TaskDetailInfo",
    "TaskDetailResponse",
    "TaskDetailResponseObject",
    "TaskDetailResponseStatus",
    "TaskDetailResponseType",
    "TaskError",
    "TaskInfo",
    "Usage",
    "UsageBillingRule",
    "UsageUserGroup",
    "VideoGenerationResponse",
    "VideoGenerationResponseObject",
    "VideoGenerationResponseStatus",
    "VideoGenerationResponseType",
    "VideoTaskInfo",
    "Wan25ImageToImageRequest",
    "Wan25ImageToImageRequestModel",
    "Wan25ImageToVideoRequest",
    "Wan25ImageToVideoRequestDuration",
    "Wan25ImageToVideoRequestModel",
    "Wan25ImageToVideoRequestQuality",
    "Wan25TextToImageRequest",
    "Wan25TextToImageRequestModel",
    "Wan25TextToVideoRequest",
    "Wan25TextToVideoRequestAspectRatio",
    "Wan25TextToVideoRequestDuration",
    "Wan25TextToVideoRequestModel",
    "Wan25TextToVideoRequestQuality",
    "Wan26ImageToVideoRequest",
    "Wan26ImageToVideoRequestDuration",
    "Wan26ImageToVideoRequestModel",
    "Wan26ImageToVideoRequestModelParams",
    "Wan26ImageToVideoRequestModelParamsShotType",
    "Wan26ImageToVideoRequestQuality",
)
