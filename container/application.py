"""Generate a picture: an application that is given a base URL and a key, and no mock."""

import json
import os
import time
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

BASE_URL = os.environ["WANFLOW_BASE_URL"]
HEADERS = {
    "Authorization": f"Bearer {os.environ['WANFLOW_API_KEY']}",
    "Content-Type": "application/json",
}
FOLDER = Path(os.environ.get("FOLDER", "/tmp"))


def call(path: str, body: object = None) -> Any:
    """Send a request; return the JSON of the response."""
    data = None if body is None else json.dumps(body).encode()
    with urlopen(Request(BASE_URL + path, data, HEADERS), timeout=30) as response:
        return json.load(response)


task = call("/v1/images/generations", {"model": "wan2.5-text-to-image", "prompt": "A serene lake"})
print("submitted", task["id"], flush=True)
while task["status"] not in ("completed", "failed"):
    time.sleep(1)
    task = call(f"/v1/tasks/{task['id']}")
if task["status"] == "failed":
    raise SystemExit(task["error"]["message"])
with urlopen(task["results"][0], timeout=30) as response:
    picture = FOLDER / "lake.png"
    picture.write_bytes(response.read())
print("saved", picture, picture.stat().st_size, "bytes")
