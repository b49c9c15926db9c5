"""Containers of the image, started with as few rights as it needs."""

from __future__ import annotations

import http.client
import json
import uuid
from contextlib import contextmanager
from datetime import datetime
from time import time
from typing import TYPE_CHECKING, Any

from attrs import frozen

from tests.container.engine import HARDENED, TAG, Engine, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator


@frozen
class Container:
    """A container: its name, and its port on this machine."""

    engine: Engine
    name: str

    @property
    def port(self) -> int:
        """The port of this machine that leads to the mock."""
        return int(self.engine.run("port", self.name, "8700").splitlines()[0].rpartition(":")[2])

    @property
    def base_url(self) -> str:
        """The base URL for a client on this machine."""
        return f"http://127.0.0.1:{self.port}/apiv1"

    def get(self, port: int, path: str = "/_mock/health") -> Any:
        """Return what the mock answers; None while it doesn't."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        try:
            connection.request("GET", path)
            return json.load(connection.getresponse())
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def answers(self) -> float:
        """Wait for the first answer; return the seconds since the process was started."""
        port = self.port
        wait_for(lambda: self.get(port))
        answered = time()
        started = self.engine.inspect("container", self.name)["State"]["StartedAt"]
        # Nanoseconds are more than datetime reads.
        seconds, _, rest = started.partition(".")
        fraction, zone = (rest[:6], rest.lstrip("0123456789")) if rest else ("0", "Z")
        moment = datetime.fromisoformat(
            f"{seconds}.{fraction:0<6}{zone.replace('Z', '+00:00')[:6]}"
        )
        return answered - moment.timestamp()

    def python(self, code: str, **options: Any) -> str:
        """Run Python in the container."""
        return self.engine.run("exec", self.name, "python3", "-c", code, **options)

    def state(self) -> Any:
        """Return whether it runs, and the exit code."""
        return self.engine.inspect("container", self.name)["State"]


@frozen
class Containers:
    """Starts containers of the image."""

    engine: Engine

    @contextmanager
    def start(
        self, *words: str, options: tuple[str, ...] = HARDENED, arguments: tuple[str, ...] = ()
    ) -> Iterator[Container]:
        """Start a container, and remove it in the end."""
        name = f"wanflow-{uuid.uuid4().hex[:8]}"
        published = ("--publish=127.0.0.1::8700", "--name", name)
        self.engine.run("run", "--detach", *published, *options, *words, TAG, *arguments)
        try:
            yield Container(self.engine, name)
        finally:
            self.engine.run("rm", "--force", name)
