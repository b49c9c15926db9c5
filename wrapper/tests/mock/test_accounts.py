"""Accounts: credits, rate limits, forbidden models and idempotency keys."""

from __future__ import annotations

import httpx
import pytest

from tests.plain_http import PLAIN
from wanflow.catalog.catalog import packaged_catalog
from wanflow.mock import MockServer, MockTransport, VirtualClock
from wanflow.mock.gateway.idempotency import IdempotencyCache
from wanflow.mock.gateway.limits import AccountLimits, RateLimit

CATALOG = packaged_catalog()
MODEL = next(model for model in CATALOG.models.values() if model.kind == "image")
OTHER = next(model for model in CATALOG.models.values() if model.kind == "video")
KEY = "0123456789abcdef"


@pytest.fixture(scope="module")
def server():
    with MockServer(clock=VirtualClock(), progression="seconds=10") as server:
        yield server


@pytest.fixture
def http(server, api_key):
    headers = {"Authorization": f"Bearer {api_key}"}
    with httpx.Client(base_url=server.base_url, headers=headers, **PLAIN) as http:
        yield http


@pytest.fixture
def account(server, http):
    """Return the account, changed first if limits are given."""

    def change(**limits):
        url = f"{server.url}/_mock/account"
        response = http.patch(url, json=limits) if limits else http.get(url)
        assert response.status_code == 200, response.text
        return response.json()

    return change


def submit(http, prompt="a cat", model=MODEL, **headers) -> httpx.Response:
    return http.post(model.path, json={**model.example, "prompt": prompt}, headers=headers)


def price(response: httpx.Response) -> float:
    cost: float = response.json()["usage"]["credits_reserved"]
    assert cost > 0
    return cost


class TestCredits:
    """Credits are reserved at submission, charged on completion, released on failure."""

    def test_completed_tasks_are_charged(self, server, http, account) -> None:
        """The reserved credits are spent when the task completes, polled or not."""
        account(credits=1000)
        cost = price(submit(http))
        assert (account()["reserved"], account()["spent"]) == (cost, 0)
        server.clock.advance(10)
        task = submit(http).json()["id"]
        http.get(f"/v1/tasks/{task}")
        assert (account()["reserved"], account()["spent"]) == (cost, cost)
        assert account()["remaining"] == pytest.approx(1000 - 2 * cost)

    def test_the_credits_of_failed_tasks_are_released(self, server, http, account) -> None:
        """A task that fails costs nothing."""
        account(credits=1000)
        price(submit(http, "[mock:fail=service_error]"))
        server.clock.advance(10)
        submit(http)
        assert account()["spent"] == 0

    def test_without_credits_there_is_a_402(self, server, http, account, api_key) -> None:
        """A task that can't be paid is rejected, and another account isn't touched."""
        cost = price(submit(http))
        account(credits=cost * 2)
        assert submit(http).status_code == 200
        rejected = submit(http)
        assert rejected.status_code == 402
        assert rejected.json()["error"]["type"] == "insufficient_quota_error"
        other_account = {"Authorization": f"Bearer {api_key}-other"}
        assert submit(http, **other_account).status_code == 200

    def test_a_rejected_request_reserves_nothing(self, http, account) -> None:
        """Only a request that makes a task reserves credits."""
        before = account()["reserved"]
        http.post(MODEL.path, json={**MODEL.example, "prompt": 3})
        submit(http, **{"X-Mock-Fault": "status=500"})
        assert account()["reserved"] == before

    def test_prices_depend_on_number_and_duration(self, http) -> None:
        """Twice the images or seconds cost twice as much."""
        one, two = (
            price(http.post(MODEL.path, json={**MODEL.example, "n": count})) for count in (1, 2)
        )
        assert two == pytest.approx(2 * one, abs=0.02)
        five, ten = (
            price(http.post(OTHER.path, json={**OTHER.example, "duration": seconds}))
            for seconds in (5, 10)
        )
        assert ten == pytest.approx(2 * five, abs=0.02)

    def test_a_server_may_start_with_limits(self) -> None:
        """Every account of a server starts with its limits."""
        limits = AccountLimits(credits=0, rate=RateLimit(2, 60))
        with MockServer(limits=limits) as server:
            headers = {"Authorization": "Bearer k"}
            with httpx.Client(base_url=server.base_url, headers=headers, **PLAIN) as http:
                assert [submit(http).status_code for _ in range(3)] == [402, 402, 429]


class TestPermission:
    """Models that an account may not use."""

    def test_a_forbidden_model_is_a_403(self, http, account, validate) -> None:
        """The forbidden model is rejected as documented; others aren't."""
        account(forbidden=[MODEL.name])
        response = submit(http)
        assert response.status_code == 403
        validate(MODEL.operation_id, response)
        assert submit(http, model=OTHER).status_code == 200
        account(forbidden=[])
        assert submit(http).status_code == 200


class TestRate:
    """A limit of requests in a number of seconds of the clock."""

    def test_an_exceeded_rate_is_a_429(self, server, http, account, validate) -> None:
        """Retry-After is the time until the next request is accepted."""
        account(rate="2/60")
        assert [submit(http).status_code for _ in range(2)] == [200, 200]
        server.clock.advance(20.5)
        rejected = submit(http)
        assert (rejected.status_code, rejected.headers["retry-after"]) == (429, "40")
        validate(MODEL.operation_id, rejected)
        server.clock.advance(39)
        assert submit(http).status_code == 429
        server.clock.advance(1)
        assert submit(http).status_code == 200

    def test_polls_count_too(self, http, account) -> None:
        """All requests count."""
        task = submit(http).json()["id"]
        account(rate="1/60")
        assert [http.get(f"/v1/tasks/{task}").status_code for _ in range(2)] == [200, 429]


class TestLimits:
    """The limits of an account."""

    @pytest.mark.parametrize(
        "limits",
        [
            {"credits": -1},
            {"credits": "5"},
            {"credits": True},
            {"rate": "5"},
            {"rate": "0/5"},
            {"rate": 5},
            {"forbidden": "x"},
            {"forbidden": [1]},
            {"more": 1},
        ],
        ids=range(9),
    )
    def test_invalid_limits_are_a_400(self, server, http, account, limits) -> None:
        """They are rejected, and nothing changes."""
        before = account()
        assert http.patch(f"{server.url}/_mock/account", json=limits).status_code == 400
        assert account() == before

    def test_null_removes_a_limit(self, http, account) -> None:
        """null means no limit."""
        account(credits=0, rate="1/60")
        changed = account(credits=None, rate=None)
        assert (changed["credits"], changed["rate"]) == (None, None)
        assert [submit(http).status_code for _ in range(3)] == [200] * 3

    def test_no_key_is_shown(self, account, api_key) -> None:
        """An account is shown by a digest of its key."""
        assert api_key not in str(account())


def client_of(transport: MockTransport) -> httpx.Client:
    headers = {"Authorization": "Bearer k"}
    return httpx.Client(base_url=transport.base_url, transport=transport, headers=headers)


class TestIdempotency:
    """`Idempotency-Key`: a repeated request makes one task."""

    def test_the_same_key_gives_the_same_task(self, http, account) -> None:
        """Later responses equal the first and are marked as replays; one task is charged."""
        responses = [submit(http, **{"Idempotency-Key": KEY}) for _ in range(3)]
        assert len({response.text for response in responses}) == 1
        replayed = [response.headers.get("idempotency-replayed") for response in responses]
        assert replayed == [None, "true", "true"]
        assert account()["reserved"] == price(responses[0])

    def test_another_key_gives_another_task(self, http) -> None:
        """Different keys make different tasks."""
        ids = {submit(http, **{"Idempotency-Key": KEY + end}).json()["id"] for end in "abc"}
        assert len(ids) == 3

    def test_a_key_belongs_to_an_account(self, http, api_key) -> None:
        """Two accounts may use the same key."""
        other_account = {"Authorization": f"Bearer {api_key}-other", "Idempotency-Key": KEY}
        first = submit(http, **{"Idempotency-Key": KEY}).json()["id"]
        assert submit(http, **other_account).json()["id"] != first

    def test_a_key_is_for_one_request(self, http, validate) -> None:
        """The same key with another body is a 400."""
        submit(http, **{"Idempotency-Key": KEY})
        response = submit(http, "a dog", **{"Idempotency-Key": KEY})
        assert response.status_code == 400
        assert "Idempotency-Key" in validate(MODEL.operation_id, response)["error"]["message"]

    def test_a_rejected_request_does_not_use_up_its_key(self, http) -> None:
        """A rejected request may be corrected and sent with the same key."""
        assert http.post(MODEL.path, json={}, headers={"Idempotency-Key": KEY}).is_client_error
        assert submit(http, **{"Idempotency-Key": KEY}).status_code == 200

    def test_a_lost_response_is_replayed(self, http) -> None:
        """With a key, a submission whose response was lost isn't charged twice."""
        with pytest.raises(httpx.TransportError):
            submit(http, **{"Idempotency-Key": KEY, "X-Mock-Fault": "lost-response"})
        response = submit(http, **{"Idempotency-Key": KEY})
        assert response.headers["idempotency-replayed"] == "true"

    @pytest.mark.parametrize("key", ["short", "x" * 97, "with space in the key", "ä" * 20])
    def test_a_malformed_key_is_a_400(self, http, key) -> None:
        """A key has 16 to 96 characters of A-Z a-z 0-9 . _ -"""
        assert submit(http, **{"Idempotency-Key": key.encode()}).status_code == 400

    @pytest.mark.parametrize("limit", [0, 1, 3])
    def test_a_key_is_forgotten_after_a_number_of_others(self, limit) -> None:
        """The last `idempotency_keys` are replayed; a resend with an older one pays twice."""
        with MockTransport(idempotency_keys=limit) as transport:
            http = client_of(transport)
            keys = [f"{KEY}-{number}" for number in range(5)]
            first = [submit(http, **{"Idempotency-Key": key}).json()["id"] for key in keys]
            spent = [task.credits for task in transport.gateway.tasks]
            # The newest first: a resend of a forgotten key is remembered, too.
            again = [submit(http, **{"Idempotency-Key": key}).json()["id"] for key in keys[::-1]]
        kept = [one == two for one, two in zip(first[::-1], again, strict=True)]
        assert kept == [True] * limit + [False] * (5 - limit)
        account = transport.accounts.for_key("k")
        assert account.reserved == pytest.approx(sum(spent) + spent[0] * (5 - limit))

    def test_by_default_a_key_outlives_thousands_of_others(self) -> None:
        """A batch of some thousand jobs can be sent again as a whole, and pays nothing."""
        cache = IdempotencyCache()
        keys = [b"%020d" % number for number in range(10_001)]
        for key in keys:
            cache.put(key, {}, {"id": key.decode()}, 0.0)
        assert cache.get(keys[0], {}, 0.0) is None
        assert cache.get(keys[1], {}, 1e12) == {"id": keys[1].decode()}

    def test_a_key_is_forgotten_after_a_time(self) -> None:
        """After `idempotency_seconds` of the clock, a resend pays twice; a replay adds no time."""
        with MockTransport(idempotency_seconds=60, clock=VirtualClock()) as transport:
            http = client_of(transport)
            ids = []
            for _ in range(4):
                ids.append(submit(http, **{"Idempotency-Key": KEY}).json()["id"])
                transport.clock.advance(29.9)
            ids.append(submit(http, **{"Idempotency-Key": KEY}).json()["id"])
        assert ids[0] == ids[1] == ids[2] != ids[3]
        assert ids[3] == ids[4]

    def test_idempotency_can_be_switched_off(self) -> None:
        """Without support for the header, each request makes a task."""
        with MockServer(idempotency=False) as server:
            headers = {"Authorization": "Bearer k", "Idempotency-Key": KEY}
            with httpx.Client(base_url=server.base_url, headers=headers, **PLAIN) as http:
                responses = [submit(http) for _ in range(2)]
        assert len({response.json()["id"] for response in responses}) == 2
        assert not any("idempotency-replayed" in response.headers for response in responses)
