"""Answers requests as the recorded lives say, on the mock's clock."""

from __future__ import annotations

import json
from collections import OrderedDict, defaultdict
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from attrs import define, field

from wanflow.catalog.document import is_array, is_object
from wanflow.mock.errors import HTTPError
from wanflow.mock.files.cache import File
from wanflow.mock.gateway.endpoints import StatusEndpoint, SubmitEndpoint
from wanflow.mock.gateway.tasks import EXTENSIONS, WEEK, task_id
from wanflow.mock.handlers.files import file_response
from wanflow.mock.http.response import Response, json_response
from wanflow.mock.json_body import parse_json_body
from wanflow.mock.recording import scrub
from wanflow.mock.recording.bounds import is_shallow
from wanflow.mock.recording.filler import MOST_BYTES, filler, type_of
from wanflow.mock.recording.life import BODY

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from wanflow.catalog.document import JsonObject
    from wanflow.mock.gateway.accounts import Account, AccountStore
    from wanflow.mock.gateway.gateway import Gateway
    from wanflow.mock.handlers.exchange import RequestContext
    from wanflow.mock.recording.life import Answer, Life
    from wanflow.mock.recording.vocabulary import Vocabulary

_MOST_TASKS = 50_000
_FILES = "/media/"
_MAX_LISTED = 5


@define(eq=False)
class Played:
    """A life that is played: its task's id, when it began, and what its links begin with."""

    life: Life
    id: str
    created: float
    account: Account | None = field(repr=False)
    link_base: str

    def link(self, index: int) -> str:
        """Return the URL in place of a recorded link."""
        scheme, ending = self.life.links[index]
        if scheme not in {"http", "https"}:
            return f"{scheme}://recorded/{self.id}/{index}"
        return f"{self.link_base}{_FILES}{self.id}/{index}{f'.{ending}' if ending else ''}"

    def filled(self, value: Any) -> Any:
        """Return a recorded value with the ids, times, links and texts of this task."""
        if is_array(value):
            return [self.filled(one) for one in value]
        if not is_object(value):
            return value
        if len(value) == 1 and (name := next(iter(value))).startswith("$"):
            return self._placed(name, value[name])
        return {name: self.filled(one) for name, one in value.items()}

    def _placed(self, placeholder: str, value: Any) -> Any:
        match placeholder:
            case scrub.TASK_ID:
                return self.id
            case scrub.TEXT:
                return scrub.text_of(value)
            case scrub.TIME:
                return type(value)(self.created + value)
            case scrub.MILLISECONDS:
                return type(value)(self.created * 1000 + value)
            case _:
                return self.link(value)


@define(eq=False)
class Replay:
    """Plays recorded lives.

    A submission plays a life with the same path, model and parameters; texts may differ. Of
    several lives those with texts of the same length come first, then the order of the recording
    decides; after the last of them the first is played again. With `or_mock`, the spec's mock
    answers a submission that no life matches.
    """

    gateway: Gateway
    accounts: AccountStore
    vocabulary: Vocabulary = field(repr=False)
    idempotency: bool = True
    or_mock: bool = False
    _scrubber: scrub.Scrubber = field(init=False, repr=False)
    _lives: dict[str, list[Life]] = field(factory=lambda: defaultdict(list), init=False, repr=False)
    _plays: dict[str, int] = field(factory=lambda: defaultdict(int), init=False, repr=False)
    _tasks: OrderedDict[str, Played] = field(
        factory=OrderedDict[str, Played], init=False, repr=False
    )
    _count: int = 0

    def __attrs_post_init__(self) -> None:
        """Prepare to compare requests."""
        self._scrubber = scrub.Scrubber(self.vocabulary)

    def load(self, lives: Iterable[Life]) -> None:
        """Add lives in the order in which they were recorded."""
        for life in lives:
            self._lives[_key(life.path, life.authorized, _without_lengths(life.request))].append(
                life
            )

    async def __call__(self, context: RequestContext) -> Response | None:
        """Answer a request; return None for one that isn't recorded, and for the mock's own.

        Raises:
            HTTPError: no life matches, or the request has no valid key.
        """
        request, endpoint = context.request, context.endpoint
        if isinstance(endpoint, SubmitEndpoint) and request.method == endpoint.method:
            return self._submit(context, endpoint)
        if isinstance(endpoint, StatusEndpoint) and request.method == endpoint.method:
            return self._poll(context, endpoint)
        if request.path.startswith(_FILES) and request.method in {"GET", "HEAD"}:
            return self._file(context)
        return None

    def _submit(self, context: RequestContext, endpoint: SubmitEndpoint) -> Response | None:
        headers = context.request.headers
        context.body = context.request.body()
        body = _body(context)
        path = endpoint.path.removeprefix(self.gateway.api.base)
        authorized = b"authorization" in headers
        scrubbed = None if body is None else self._scrubber.request(body)
        matching = self._lives.get(_key(path, authorized, _without_lengths(scrubbed)))
        if not matching:
            return self._unmatched(path, authorized, scrubbed)
        account = context.account = self.accounts.authenticate(headers) if authorized else None
        key = headers.get(b"idempotency-key") if self.idempotency and body is not None else None
        now = self.gateway.clock.now()
        cached = account.idempotency_cache.get(key, body or {}, now) if key and account else None
        if cached is not None:
            context.task_id = cached.get("id")
            return json_response(endpoint.success, cached, ((b"idempotency-replayed", b"true"),))
        played = self._play(self._choose(matching, scrubbed), context)
        context.task_id = played.id
        response = _response(played, played.life.submission)
        if key and account and body is not None and response.status == endpoint.success:
            account.idempotency_cache.put(key, body, json.loads(response.body), now)
        return response

    def _unmatched(self, path: str, authorized: bool, scrubbed: Any) -> Response | None:
        """Say which life is closest, unless the spec's mock is to answer.

        Raises:
            HTTPError: 401, there is no key; 404, no life matches.
        """
        if self.or_mock:
            return None
        if not authorized:
            raise HTTPError(401)
        raise HTTPError(404, f"no recorded life matches this request{self._hint(path, scrubbed)}")

    def _hint(self, path: str, scrubbed: Any) -> str:
        if not is_object(scrubbed):
            return ", which isn't a JSON object"
        model = scrubbed.get("model")
        named = model if isinstance(model, str) else "this model"
        same = [
            life.request
            for lives in self._lives.values()
            for life in lives
            if life.path == path and is_object(life.request) and life.request.get("model") == model
        ]
        if not same:
            return f": there is none of {named} at {path}"
        closest = min((_differing(one, scrubbed) for one in same), key=len)
        listed = ", ".join(closest[:_MAX_LISTED])
        return f": the closest one differs in {listed or 'the key'}"

    def _choose(self, matching: list[Life], scrubbed: Any) -> Life:
        same = [life for life in matching if life.request == scrubbed] or matching
        key = _key(str(id(same[0])), len(same), scrubbed)
        self._plays[key] += 1
        return same[(self._plays[key] - 1) % len(same)]

    def _play(self, life: Life, context: RequestContext) -> Played:
        now = self.gateway.clock.now()
        self._count += 1
        name = task_id(now, self.gateway.seed, "replay", self._count)
        played = self._tasks[name] = Played(life, name, now, context.account, context.link_base)
        oldest = next(iter(self._tasks.values()))
        if len(self._tasks) > _MOST_TASKS or oldest.created + WEEK < now:
            self._tasks.popitem(last=False)
        return played

    def _poll(self, context: RequestContext, endpoint: StatusEndpoint) -> Response | None:
        name = unquote(endpoint.name_in(context.request.path))
        played = self._tasks.get(name)
        if played is None:
            return None  # the mock rejects it, as any unknown id
        context.account, context.task_id = self.accounts.authenticate(context.request.headers), name
        if context.account is not played.account:
            raise HTTPError(404)
        answer = played.life.answer_at(self.gateway.clock.now() - played.created)
        if answer is None:
            raise HTTPError(404, "no poll of this task was recorded")
        played.link_base = context.link_base
        return _response(played, answer)

    def _file(self, context: RequestContext) -> Response | None:
        name, _, last = context.request.path.removeprefix(_FILES).partition("/")
        played, index = self._tasks.get(name), last.partition(".")[0]
        if played is None:
            return None
        if not index.isdigit() or int(index) >= len(played.life.links):
            raise HTTPError(404, "there is no such file")
        context.task_id = name
        heads = [one for one in played.life.downloads if one.link == int(index)]
        if heads and heads[0].status >= 300:  # noqa: PLR2004 - not a file
            raise HTTPError(heads[0].status, "the file was answered with this status")
        kind = heads[0].content_type if heads else type_of(self._ending(played, int(index)))
        content = filler(kind, heads[0].bytes if heads else None)
        etag = b'"' + sha256(content).hexdigest()[:32].encode() + b'"'
        file = File(content, kind.encode(), etag)
        return file_response(file, context.request.headers, head=context.request.method == "HEAD")

    def _ending(self, played: Played, index: int) -> str:
        """Return the ending of a link; without one, that of what the model makes."""
        ending = played.life.links[index][1]
        request = played.life.request
        model = request.get("model") if is_object(request) else None
        found = self.gateway.api.validator.catalog.models.get(str(model))
        return ending or EXTENSIONS.get(found.kind if found else "", "")


def _body(context: RequestContext) -> JsonObject | None:
    """Return the body of a submission, None if it isn't a JSON object."""
    try:
        body = parse_json_body(context.request.headers, context.body)
    except HTTPError:
        return None
    return body if is_shallow(body) else None


def _response(played: Played, answer: Answer) -> Response:
    headers = tuple((name.encode(), value.encode()) for name, value in answer.headers.items())
    if is_object(answer.body) and BODY in answer.body:
        length = answer.body[BODY]
        content = b"(a body that is not JSON)"[:length].ljust(min(length, MOST_BYTES))
    else:
        content = json.dumps(played.filled(answer.body)).encode()
    return Response(answer.status, content, headers)


def _key(path: str, more: object, request: Any) -> str:
    return json.dumps([path, more, request], sort_keys=True)


def _without_lengths(value: Any) -> Any:
    """Return a scrubbed request in which all texts are equal."""
    if is_array(value):
        return [_without_lengths(one) for one in value]
    if not is_object(value):
        return value
    if scrub.TEXT in value:
        return {scrub.TEXT: 0}
    return {name: _without_lengths(one) for name, one in value.items()}


def _differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    names = sorted({*one, *other})
    return [
        name
        for name in names
        if _without_lengths(one.get(name)) != _without_lengths(other.get(name))
    ]
