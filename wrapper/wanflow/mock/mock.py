"""The mock without a server: its ASGI application, clock, faults, journal and accounts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Unpack, cast

from wanflow.mock.admin.representation import task_json
from wanflow.mock.app import MockApp
from wanflow.mock.clock import RealClock
from wanflow.mock.files.inputs import PREFIX
from wanflow.mock.gateway.accounts import DEFAULT_KEY, AccountStore
from wanflow.mock.gateway.endpoints import load, load_packaged_api
from wanflow.mock.gateway.fault import parse_latency
from wanflow.mock.gateway.gateway import Gateway
from wanflow.mock.gateway.lifecycle import AfterPolls, AfterSeconds, Immediate, parse_progression
from wanflow.mock.gateway.limits import parse_limits
from wanflow.mock.gateway.self_check import check_responses
from wanflow.mock.gateway.state_file import StateFile
from wanflow.mock.options import (
    Options,
    account_limits,
    check,
    cors_of,
    idempotency_limits,
    public_url_of,
)

if TYPE_CHECKING:
    from wanflow.catalog.document import JsonObject
    from wanflow.mock.admin.journal import Journal
    from wanflow.mock.clock import Clock
    from wanflow.mock.faults.rules import FaultRules
    from wanflow.mock.gateway.lifecycle import Progression

_PARTS = ("progression", "faults", "limits")


def load_scenario(mock: Mock, path: str | Path) -> None:
    """Set up a mock as a scenario file says.

    The file is a JSON object: `progression` is a string (`seconds=60`), `faults` a list of rules
    as in POST /_mock/faults, `limits` those of each account as in PATCH /_mock/account.

    Raises:
        ValueError: the file can't be read, or has an invalid value.
    """
    try:
        _apply_scenario(mock, _object("the file", json.loads(Path(path).read_bytes())))
    except (OSError, ValueError) as error:
        raise ValueError(f"the scenario file {path} can't be used: {error}") from error


def _apply_scenario(mock: Mock, scenario: dict[str, Any]) -> None:
    unknown = scenario.keys() - set(_PARTS)
    if unknown:
        raise ValueError(f"unknown {', '.join(sorted(unknown))}; allowed are {', '.join(_PARTS)}")
    if "progression" in scenario:
        pace = scenario["progression"]
        if not isinstance(pace, str):
            raise ValueError(f"progression must be a string, not {pace!r}")
        mock.gateway.progression = parse_progression(pace)
    faults = scenario.get("faults", [])
    if not isinstance(faults, list):
        raise ValueError("faults must be a list of objects")  # noqa: TRY004 - of a file
    for rule in cast("list[object]", faults):
        mock.faults.from_json(_object("each fault", rule))
    if "limits" in scenario:
        limits = _object("limits", scenario["limits"])
        mock.accounts.limits = parse_limits(mock.accounts.limits, limits)


def _object(what: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{what} must be a JSON object")  # noqa: TRY004 - of a file
    return cast("dict[str, Any]", value)


class Mock:
    """A mock for any ASGI server; `origin` is the scheme, host and port that it is reached at.

    Where it is mounted is known from its requests. With `public_url`, its URLs begin with that.

    Raises:
        UnsupportedSpec: the spec has something that the mock can't serve.
        TypeError: an option is unknown.
        ValueError: an option has an invalid value.
    """

    _more_options: ClassVar[tuple[str, ...]] = ()

    def __init__(self, origin: str, **options: Unpack[Options]) -> None:
        check(options, type(self).__name__, *self._more_options)
        key = options.get("api_key")
        self.api_key = key or DEFAULT_KEY
        document = options.get("document")
        self.gateway = Gateway(
            load(document) if document else load_packaged_api(),
            origin,
            options.get("seed", 0),
            options.get("clock") or RealClock(),
            _progression(options),
        )
        check_responses(self.gateway)
        self.app = MockApp(
            self.gateway,
            AccountStore(
                key,
                account_limits(options),
                self.gateway.clock,
                idempotency=idempotency_limits(options),
            ),
            idempotency=options.get("idempotency", True),
            loopback_callbacks=options.get("loopback_callbacks", False),
            fetch_files=options.get("fetch_files", False),
            public_url=public_url_of(options),
            allow_hosts=frozenset(host.lower() for host in options.get("allow_hosts", ())),
            cors=cors_of(options),
            journal_entries=options.get("journal_entries", 1000),
        )
        self.faults.latency = parse_latency(options.get("latency"))
        scenario = options.get("scenario")
        if scenario is not None:
            load_scenario(self, scenario)
        state = options.get("state")
        if state is not None:
            self.app.state = StateFile(Path(state), self.gateway, self.accounts)
            self.app.state.load()
        folder = options.get("replay")
        if folder is not None:
            self._replay(Path(folder), or_mock=options.get("replay_or_mock", False))

    def _replay(self, folder: Path, *, or_mock: bool) -> None:
        # Imported here, because few mocks need it, and a mock starts quickly.
        from wanflow.mock.recording.life import read_lives  # noqa: PLC0415
        from wanflow.mock.recording.replay import Replay  # noqa: PLC0415
        from wanflow.mock.recording.vocabulary import vocabulary_of  # noqa: PLC0415

        vocabulary = vocabulary_of(self.gateway.api.validator.catalog.document)
        idempotency = self.app.idempotency
        replay = Replay(self.gateway, self.accounts, vocabulary, idempotency, or_mock)
        replay.load(read_lives(folder))
        self.app.instead = replay

    @property
    def url(self) -> str:
        """Scheme, host and port, without a closing slash."""
        return self.gateway.origin

    @property
    def base_url(self) -> str:
        """The base URL for clients: this host with the path of the spec's server."""
        return self.url + self.gateway.api.base

    @property
    def clock(self) -> Clock:
        """The clock of tasks: `clock.advance(60)` advances it by a minute."""
        return self.gateway.clock

    @property
    def latency(self) -> str | None:
        """The delay of every response, such as `lognormal=0.2,1.5`; None for no delay."""
        return str(self.faults.latency) or None

    @latency.setter
    def latency(self, text: str | None) -> None:
        self.faults.latency = parse_latency(text)

    @property
    def faults(self) -> FaultRules:
        """Rules for injected faults: `faults.add("status=503", operation=…, nth=2, count=1)`."""
        return self.app.faults

    @property
    def journal(self) -> Journal:
        """The latest requests."""
        return self.app.journal

    @property
    def tasks(self) -> list[JsonObject]:
        """The tasks, the oldest first, each as GET /_mock/tasks shows it."""
        return [task_json(self.gateway, task, self.url) for task in tuple(self.gateway.tasks)]

    @property
    def uploader(self) -> MockUploads:
        """An uploader for clients in this process: `Client(…, uploader=mock.uploader)`."""
        return MockUploads(self)

    @property
    def accounts(self) -> AccountStore:
        """The accounts: `accounts.for_key(key)` has its own credits, rate and models."""
        return self.app.accounts


class MockUploads:
    """Stores the files of a client in the mock's memory."""

    def __init__(self, mock: Mock) -> None:
        self._mock = mock

    def upload(self, file: Any, /) -> str:
        """Store a file, a `wanflow.uploads.FileUpload`, and return its URL."""
        kind = file.content_type.encode()
        self._mock.app.input_handler.files.put(file.name, file.content, kind)
        return f"{self._mock.url}{PREFIX}{file.name}"


def _progression(options: Options) -> Progression:
    polls, seconds, progression = (
        options.get(name) for name in ("polls", "seconds", "progression")
    )
    if sum(one is not None for one in (polls, seconds, progression)) > 1:
        raise ValueError("give only one of polls, seconds and progression")
    match polls, seconds, progression:
        case _, _, str(text):
            return parse_progression(text)
        case int(count), _, _:
            return AfterPolls(count) if count else Immediate()
        case _, int(total) | float(total), _:
            return AfterSeconds(total)
        case _:
            return options.get("progression") or AfterPolls()  # type: ignore[return-value] # a str is matched above
