"""Accounts: credits, rates, models that aren't theirs, and submissions that come again."""

from __future__ import annotations

import httpx
import pytest

from wanflow.catalog.catalog import packaged_catalog
from wanflow.mock import MockServer
from wanflow.mock.clock import VirtualClock
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
    with httpx.Client(base_url=server.base_url, headers=headers, trust_env=False) as http:
        yield http


@pytest.fixture
def account(server, http):
    """Look at the account, or change it."""

    def seen(**terms):
        url = f"{server.url}/_mock/account"
        answer = http.patch(url, json=terms) if terms else http.get(url)
        assert answer.status_code == 200, answer.text
        return answer.json()

    return seen


def submit(http, prompt="a cat", model=MODEL, **headers) -> httpx.Response:
    return http.post(model.path, json={**model.example, "prompt": prompt}, headers=headers)


def price(answer: httpx.Response) -> float:
    cost: float = answer.json()["usage"]["credits_reserved"]
    assert cost > 0
    return cost


class TestCredits:
    """Credits are reserved at submission, billed on completion, given back on failure."""

    def test_completed_tasks_are_billed(self, server, http, account) -> None:
        """What was reserved is spent when the task completes, looked at or not."""
        account(credits=1000)
        cost = price(submit(http))
        assert (account()["reserved"], account()["spent"]) == (cost, 0)
        server.clock.advance(10)
        task = submit(http).json()["id"]
        http.get(f"/v1/tasks/{task}")
        assert (account()["reserved"], account()["spent"]) == (cost, cost)
        assert account()["remaining"] == pytest.approx(1000 - 2 * cost)

    def test_failed_tasks_are_given_back(self, server, http, account) -> None:
        """A task that fails costs nothing."""
        account(credits=1000)
        price(submit(http, "[mock:fail=service_error]"))
        server.clock.advance(10)
        submit(http)
        assert account()["spent"] == 0

    def test_without_credits_there_is_a_402(self, server, http, account, api_key) -> None:
        """A task that can't be paid is refused, and another account isn't touched."""
        cost = price(submit(http))
        account(credits=cost * 2)
        assert submit(http).status_code == 200
        refused = submit(http)
        assert refused.status_code == 402
        assert refused.json()["error"]["type"] == "insufficient_quota_error"
        stranger = {"Authorization": f"Bearer {api_key}-other"}
        assert submit(http, **stranger).status_code == 200

    def test_a_refused_request_reserves_nothing(self, http, account) -> None:
        """Only a task that exists costs anything."""
        before = account()["reserved"]
        http.post(MODEL.path, json={**MODEL.example, "prompt": 3})
        submit(http, **{"X-Mock-Fault": "status=500"})
        assert account()["reserved"] == before

    def test_prices_follow_what_is_made(self, http) -> None:
        """Twice the pictures, or twice the seconds, cost twice as much."""
        one, two = (
            price(http.post(MODEL.path, json={**MODEL.example, "n": count})) for count in (1, 2)
        )
        assert two == pytest.approx(2 * one, abs=0.02)
        five, ten = (
            price(http.post(OTHER.path, json={**OTHER.example, "duration": seconds}))
            for seconds in (5, 10)
        )
        assert ten == pytest.approx(2 * five, abs=0.02)

    def test_a_server_may_start_with_terms(self) -> None:
        """Every account of a server begins with its terms."""
        terms = AccountLimits(credits=0, rate=RateLimit(2, 60))
        with MockServer(limits=terms) as server:
            headers = {"Authorization": "Bearer k"}
            with httpx.Client(base_url=server.base_url, headers=headers, trust_env=False) as http:
                assert [submit(http).status_code for _ in range(3)] == [402, 402, 429]


class TestPermission:
    """Models that an account may not use."""

    def test_a_forbidden_model_is_a_403(self, http, account, judge) -> None:
        """The one model is refused as the document has it, the others aren't."""
        account(forbidden=[MODEL.name])
        answer = submit(http)
        assert answer.status_code == 403
        judge(MODEL.operation_id, answer)
        assert submit(http, model=OTHER).status_code == 200
        account(forbidden=[])
        assert submit(http).status_code == 200


class TestRate:
    """So many requests in so many seconds of the clock."""

    def test_a_passed_rate_is_a_429(self, server, http, account, judge) -> None:
        """The answer says when to come again, and then it is true."""
        account(rate="2/60")
        assert [submit(http).status_code for _ in range(2)] == [200, 200]
        server.clock.advance(20.5)
        refused = submit(http)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "40")
        judge(MODEL.operation_id, refused)
        server.clock.advance(39)
        assert submit(http).status_code == 429
        server.clock.advance(1)
        assert submit(http).status_code == 200

    def test_queries_count_too(self, http, account) -> None:
        """The rate is of all requests."""
        task = submit(http).json()["id"]
        account(rate="1/60")
        assert [http.get(f"/v1/tasks/{task}").status_code for _ in range(2)] == [200, 429]


class TestTerms:
    """What can be said of an account."""

    @pytest.mark.parametrize(
        "terms",
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
    def test_terms_that_make_no_sense_are_a_400(self, server, http, account, terms) -> None:
        """They are refused, and nothing changes."""
        before = account()
        assert http.patch(f"{server.url}/_mock/account", json=terms).status_code == 400
        assert account() == before

    def test_limits_are_lifted_with_null(self, http, account) -> None:
        """null is no limit."""
        account(credits=0, rate="1/60")
        changed = account(credits=None, rate=None)
        assert (changed["credits"], changed["rate"]) == (None, None)
        assert [submit(http).status_code for _ in range(3)] == [200] * 3

    def test_no_key_is_shown(self, account, api_key) -> None:
        """An account is known by a digest."""
        assert api_key not in str(account())


class TestIdempotency:
    """`Idempotency-Key`: the same task for the same request."""

    def test_the_same_key_gives_the_same_task(self, http, account) -> None:
        """The second answer equals the first and says that it is a replay; one task is paid."""
        answers = [submit(http, **{"Idempotency-Key": KEY}) for _ in range(3)]
        assert len({answer.text for answer in answers}) == 1
        replayed = [answer.headers.get("idempotency-replayed") for answer in answers]
        assert replayed == [None, "true", "true"]
        assert account()["reserved"] == price(answers[0])

    def test_another_key_gives_another_task(self, http) -> None:
        """Keys tell submissions apart."""
        ids = {submit(http, **{"Idempotency-Key": KEY + end}).json()["id"] for end in "abc"}
        assert len(ids) == 3

    def test_keys_are_of_an_account(self, http, api_key) -> None:
        """Two accounts may use the same key."""
        stranger = {"Authorization": f"Bearer {api_key}-other", "Idempotency-Key": KEY}
        first = submit(http, **{"Idempotency-Key": KEY}).json()["id"]
        assert submit(http, **stranger).json()["id"] != first

    def test_a_key_is_for_one_request(self, http, judge) -> None:
        """The same key with another body is a 400."""
        submit(http, **{"Idempotency-Key": KEY})
        answer = submit(http, "a dog", **{"Idempotency-Key": KEY})
        assert answer.status_code == 400
        assert "Idempotency-Key" in judge(MODEL.operation_id, answer)["error"]["message"]

    def test_a_refused_request_uses_no_key_up(self, http) -> None:
        """What was refused may be sent again with the same key."""
        assert http.post(MODEL.path, json={}, headers={"Idempotency-Key": KEY}).is_client_error
        assert submit(http, **{"Idempotency-Key": KEY}).status_code == 200

    def test_a_lost_answer_is_found_again(self, http) -> None:
        """With a key, a submission whose answer was lost isn't paid twice."""
        with pytest.raises(httpx.TransportError):
            submit(http, **{"Idempotency-Key": KEY, "X-Mock-Fault": "lost-response"})
        answer = submit(http, **{"Idempotency-Key": KEY})
        assert answer.headers["idempotency-replayed"] == "true"

    @pytest.mark.parametrize("key", ["short", "x" * 97, "with space in the key", "ä" * 20])
    def test_a_malformed_key_is_a_400(self, http, key) -> None:
        """A key has 16 to 96 characters of A-Z a-z 0-9 . _ -"""
        assert submit(http, **{"Idempotency-Key": key.encode()}).status_code == 400

    def test_it_can_be_switched_off(self) -> None:
        """A deployment that doesn't know the header makes a task each time."""
        with MockServer(idempotency=False) as server:
            headers = {"Authorization": "Bearer k", "Idempotency-Key": KEY}
            with httpx.Client(base_url=server.base_url, headers=headers, trust_env=False) as http:
                answers = [submit(http) for _ in range(2)]
        assert len({answer.json()["id"] for answer in answers}) == 2
        assert not any("idempotency-replayed" in answer.headers for answer in answers)
