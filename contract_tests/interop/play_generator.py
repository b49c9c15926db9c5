"""Submit, poll and an error with the Python client that openapi-generator makes."""

import json
import sys

from other_client import ApiClient, Configuration
from other_client.api.task_management_api import TaskManagementApi
from other_client.api.video_generation_api import VideoGenerationApi
from other_client.exceptions import ApiException
from other_client.models.video_generation_request import VideoGenerationRequest

host, key, body = sys.argv[1:]
client = ApiClient(Configuration(host=host, access_token=key))
videos, tasks = VideoGenerationApi(client), TaskManagementApi(client)


def status_of(call) -> int:
    try:
        call()
    except ApiException as error:
        return error.status
    return 200


made = videos.create_video_generation(VideoGenerationRequest.from_json(body))
task = tasks.get_task_detail(made.id)
for _ in range(50):
    if task.status == "completed":
        break
    task = tasks.get_task_detail(made.id)
lost = status_of(lambda: tasks.get_task_detail("task-unified-1-nowhere"))
stranger = VideoGenerationApi(ApiClient(Configuration(host=host, access_token="another")))
request = VideoGenerationRequest.from_json(body)
refused = status_of(lambda: stranger.create_video_generation(request))
report = {"status": task.status, "results": len(task.results), "lost": lost, "refused": refused}
print(json.dumps(report))
