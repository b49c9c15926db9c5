"""The files of finished tasks, at the links that their results are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from attrs import define

from wanflow.mock.delivery import deliver
from wanflow.mock.fault_rules import FILES, FaultRules
from wanflow.mock.refusal import Refusal
from wanflow.mock.striking import strike
from wanflow.mock.task import COMPLETED
from wanflow.mock.triggers import wanted_faults

if TYPE_CHECKING:
    from wanflow.mock.answer import Answer
    from wanflow.mock.exchange import Exchange
    from wanflow.mock.fault import Faults
    from wanflow.mock.gallery import Gallery
    from wanflow.mock.gateway import Gateway
    from wanflow.mock.request import Request
    from wanflow.mock.task import Task

_PATH = re.compile(r"(/_mock)?/media/([a-z0-9-]+)/(0|[1-9][0-9]?)\.(png|mp4|wav|txt)", re.ASCII)


@define(eq=False)
class Shelf:
    """Serves a gallery: a link is enough, as with any signed one, until it has expired.

    Under `/_mock` are the same files for the mock's own page: no fault strikes there.
    """

    gateway: Gateway
    gallery: Gallery
    rules: FaultRules

    async def answer(self, exchange: Exchange) -> Answer | None:
        """Answer a request for a file; None where the path is no file's.

        Raises:
            Refusal: 404, there is no such file, or not yet; 410, its link has expired.
        """
        request = exchange.request
        found = _PATH.fullmatch(request.decoded)
        if found is None:
            return None
        preview, name, index, extension = found.groups()
        exchange.operation, exchange.task_id = FILES, name
        request.allow("GET", "HEAD")
        task = self._task(name, int(index), extension)
        if not preview:
            exchange.faults = self._faults(request, task)
            await strike(exchange.faults, self.rules)
        file = await self.gallery.file(task, int(index))
        return deliver(file, request.headers, head=request.method == "HEAD")

    def _faults(self, request: Request, task: Task) -> Faults:
        wanted = wanted_faults(request.headers)
        found = wanted if wanted.all else task.file
        return found if found.all else self.rules.choose(FILES, task.account)

    def _task(self, name: str, index: int, extension: str) -> Task:
        now = self.gateway.clock.now()
        task = self.gateway.tasks.get(name, now)
        if task is None or index >= task.order.count or extension != task.extension:
            raise Refusal(404, "there is no such file")
        if task.phase(now).name != COMPLETED:
            raise Refusal(404, "the file's task is not completed")
        self.gateway.settle(task)
        if task.expired(now):
            raise Refusal(410, "the link has expired: it lived for 24 hours")
        return task
