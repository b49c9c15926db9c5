"""Prices before paying: estimates from the ledger, and a limit that nothing exceeds."""

from __future__ import annotations

import json
import pickle
import sqlite3
from contextlib import closing, nullcontext
from itertools import product
from math import isfinite
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wanflow import Client, errors
from wanflow._core.prices import (
    Estimate,
    EstimateBasis,
    PriceRecord,
    estimate_price,
    price_class,
)
from wanflow._core.recorder import SubmissionIntent
from wanflow._core.snapshot import Snapshot
from wanflow._flows.prepare import PreparedRequest, limit_cost
from wanflow.catalog.catalog import packaged_catalog
from wanflow.ledger import Ledger
from wanflow.ledger.database import MIGRATIONS, migrate
from wanflow.mock import MockServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.ledger.conftest import SyncRunner

CATALOG = packaged_catalog()
MODELS = sorted(CATALOG.models)
MOST_VALUES = 4


def settings_of(model: str) -> list[dict[str, Any]]:
    """Return requests of a model with many combinations of its settings."""
    rules = CATALOG.models[model].parameters
    values = {name: found for name, rule in rules.items() if (found := list(_values(rule)))}
    example = {**CATALOG.models[model].example, "model": model}
    combinations = [dict(zip(values, chosen, strict=True)) for chosen in product(*values.values())]
    Random(model).shuffle(combinations)
    return [example | chosen for chosen in combinations]


def _values(rule: dict[str, Any]) -> Iterator[Any]:
    if rule.get("type") == "boolean":
        yield from (True, False)
    elif "enum" in rule:
        yield from rule["enum"][:MOST_VALUES]
    elif rule.get("type") == "integer" and "maximum" in rule:
        yield from range(rule["minimum"], min(rule["maximum"], rule["minimum"] + 3) + 1)


@pytest.fixture
def client(mock: MockServer, api_key: str, ledger: Ledger) -> Iterator[Client]:
    with Client(api_key, mock.base_url, ledger=ledger) as made:
        yield made


def refusal(
    client: Client, request: dict[str, Any], limit: float
) -> errors.CreditLimitExceeded | None:
    """Submit with a limit, and return the error that refuses it."""
    try:
        client.submit(request, max_credits=limit)
    except errors.CreditLimitExceeded as error:
        return error
    return None


def posts(mock: MockServer, api_key: str) -> int:
    """Return the number of submissions of an account that reached the mock."""
    account = mock.accounts.for_key(api_key).name
    return sum(one.method == "POST" and one.account == account for one in mock.journal)


@pytest.mark.parametrize("model", MODELS)
def test_the_estimate_is_what_the_next_job_with_the_same_settings_costs(
    client: Client, ledger: Ledger, model: str
) -> None:
    """Exactly, for each model, whatever its texts and links are."""
    requests = settings_of(model)[:6]
    assert requests
    for request in requests:
        known = {price_class(CATALOG, job.body) for job in ledger.jobs()}
        before = client.estimate(request)
        if price_class(CATALOG, request) not in known:
            assert before.basis in {EstimateBasis.UNKNOWN, EstimateBasis.OTHER_SETTINGS}
            client.submit(request)
        again = {**request, "prompt": "another text"}
        estimate = client.estimate(again)
        client.submit(again, max_credits=estimate.credits)
        paid = ledger.jobs(newest_first=True, limit=1)[0].credits
        assert (estimate.credits, estimate.lowest, estimate.highest) == (paid, paid, paid)
        assert estimate.basis is EstimateBasis.SAME_SETTINGS
        assert estimate.jobs >= 1
        assert estimate.last is not None
        assert f"{paid:g} credits" in estimate.describe()


@pytest.mark.parametrize("model", MODELS)
def test_nothing_is_sent_that_could_cost_more_than_the_limit(
    client: Client, mock: MockServer, ledger: Ledger, api_key: str, model: str
) -> None:
    """Known prices up to the limit are sent; higher, unknown and guessed ones are not."""
    account = mock.accounts.for_key(api_key)
    for request in Random(model).sample(settings_of(model), 3):
        for limit in (0, 0.01, 1, 3, 20, 1000):
            wanted = price_class(CATALOG, request)
            prices = [j.credits for j in ledger.jobs() if price_class(CATALOG, j.body) == wanted]
            affordable = bool(prices) and max(prices) <= limit
            before = account.reserved + account.spent
            error = refusal(client, request, limit)
            assert affordable == (error is None)
            assert account.reserved + account.spent - before <= (limit if affordable else 0) + 1e-9
            if error is not None:
                assert error.max_credits == limit
                assert pickle.loads(pickle.dumps(error)).estimate == error.estimate
        client.submit(request)


def test_a_run_and_its_files_are_limited_too(
    do: SyncRunner, ledger: Ledger, model: str, tmp_path: Path
) -> None:
    """Nothing is sent, recorded or written when the price is unknown."""
    out = tmp_path / "out"
    with pytest.raises(errors.CreditLimitExceeded, match="may cost more than the 5 credits"):
        do(lambda client: client.run(model=model, prompt="x", max_credits=5, output_dir=out))
    assert ledger.jobs() == []
    assert not out.exists()
    do(lambda client: client.submit(model=model, prompt="x"))
    do(lambda client: client.run(model=model, prompt="y", max_credits=5, output_dir=out))
    assert len(list(out.iterdir())) == 1


def test_no_file_is_uploaded_for_a_request_that_is_not_sent(do: SyncRunner, tmp_path: Path) -> None:
    """The limit is checked before local files are uploaded."""
    uploads: list[object] = []
    model = next(one for one in MODELS if "image_urls" in CATALOG.models[one].parameters)
    request = {**CATALOG.models[model].example, "model": model, "image_urls": [str(tmp_path)]}
    with pytest.raises(errors.CreditLimitExceeded):
        do(lambda client: client.submit(request, max_credits=9), uploader=uploads.append)
    assert uploads == []


@pytest.mark.parametrize(("limit", "sent"), [(1.0, 1), (1.9, 1), (2.0, 2), (2.5, 2), (50, 3)])
def test_resends_of_an_uncertain_submission_stay_within_the_limit(
    do: SyncRunner, mock: MockServer, ledger: Ledger, api_key: str, limit: float, sent: int
) -> None:
    """Each attempt that may have been accepted counts with the whole price."""
    model = next(one for one in MODELS if CATALOG.models[one].kind == "image")
    request = {**CATALOG.models[model].example, "model": model}
    do(lambda client: client.submit(request))
    price = ledger.jobs()[0].credits
    account = mock.accounts.for_key(api_key)
    rule = mock.faults.add("lost-response", count=2, account=account)
    before = posts(mock, api_key)
    try:
        with nullcontext() if sent == 3 else pytest.raises(errors.SubmitUncertain):
            do(
                lambda client: client.submit(
                    request, max_credits=price * limit, resubmit_uncertain=True
                )
            )
    finally:
        mock.faults.remove(rule.id)
    assert posts(mock, api_key) - before == sent


@pytest.mark.parametrize("limit", [-1, -0.01, float("nan"), True, "5", [5]])
def test_a_limit_that_is_no_number_of_credits_is_refused(
    do: SyncRunner, ledger: Ledger, model: str, limit: object
) -> None:
    """Nothing is sent for it."""
    with pytest.raises(errors.ConfigurationError, match="max_credits must be 0 or more"):
        do(lambda client: client.submit(model=model, prompt="x", max_credits=limit))
    assert ledger.jobs() == []


def test_a_client_without_a_ledger_says_what_it_needs(
    do: SyncRunner, mock: MockServer, model: str
) -> None:
    """For an estimate and for a limit; a preview has no estimate."""
    for ask in (
        lambda client: client.estimate(model=model, prompt="x"),
        lambda client: client.submit(model=model, prompt="x", max_credits=5),
    ):
        with pytest.raises(errors.ConfigurationError, match="needs a ledger"):
            do(ask, ledger=None)
    with Client("key", mock.base_url) as client:
        assert client.preview(model=model, prompt="x", max_credits=5).estimate is None


def test_a_preview_has_the_estimate(do: SyncRunner, ledger: Ledger, model: str) -> None:
    """With a ledger, whether the price is known or not."""

    async def shown(client: Any) -> Any:
        return client.preview(model=model, prompt="x").estimate

    def preview(client: Any) -> Any:
        return (
            shown(client)
            if type(client).__name__ == "AsyncClient"
            else client.preview(model=model, prompt="x").estimate
        )

    assert do(preview).basis is EstimateBasis.UNKNOWN
    do(lambda client: client.submit(model=model, prompt="y"))
    assert do(preview).credits == ledger.jobs()[0].credits


def test_prices_of_another_server_or_model_are_not_used(
    do: SyncRunner, mock: MockServer, model: str
) -> None:
    """Two servers may charge differently."""
    do(lambda client: client.submit(model=model, prompt="x"))
    other = mock.base_url.replace("127.0.0.1", "localhost")
    estimate = do(lambda client: client.estimate(model=model, prompt="x"), base_url=other)
    assert estimate.basis is EstimateBasis.UNKNOWN
    for name in MODELS:
        if name != model:
            request = {**CATALOG.models[name].example, "model": name}
            found = do(lambda client, request=request: client.estimate(request))
            assert found.basis is EstimateBasis.UNKNOWN


def test_prices_have_no_texts_and_no_links(do: SyncRunner, location: Path | str) -> None:
    """A ledger without prompts has none of them in its price classes either."""
    secret = "planted-4711"
    with Ledger(location, keep_prompts=False) as ledger:
        for model in MODELS:
            rules = CATALOG.models[model].parameters
            request = {**CATALOG.models[model].example, "model": model}
            request |= {
                name: f"{secret} {name}" for name in rules if "prompt" in name and name in request
            }
            request["negative_prompt"] = {"prompt": secret, "deep": {"my_prompt": secret}}
            key = price_class(CATALOG, {**request, "link": f"https://host/?sig={secret}"})
            assert secret not in key
            ledger.prices("server", model)


def test_a_ledger_of_an_earlier_version_gets_prices_from_now_on(
    do: SyncRunner, mock: MockServer, tmp_path: Path, model: str
) -> None:
    """Its jobs have no price class; new ones do."""
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        migrate(old, path, MIGRATIONS[:2])
        old.execute("INSERT INTO place (text) VALUES (?)", [mock.base_url])
        old.execute(
            "INSERT INTO job (server, model, state, intended, credits, price) "
            "VALUES (1, ?, 'saved', 1, 9, 9)",
            [model],
        )
    with Ledger(path) as ledger:
        assert ledger.prices(mock.base_url, model) == []
        do(lambda client: client.submit(model=model, prompt="x"), ledger=ledger)
        (record,) = ledger.prices(mock.base_url, model)
        assert (record.price, record.jobs) == (ledger.jobs()[1].credits, 1)


NUMBERS = st.integers(1, 20) | st.floats(0.5, 20)
FACTS = st.fixed_dictionaries(
    {"duration": st.sampled_from([5, 10, 15]), "n": st.integers(1, 3)},
    optional={"size": st.sampled_from("ab"), "sound": st.booleans()},
)
RECORDS = st.lists(
    st.builds(
        lambda facts, price, last: PriceRecord(
            price_class(CATALOG, {"model": "x", **facts}), price, 1, last
        ),
        FACTS,
        NUMBERS,
        NUMBERS,
    ),
    max_size=8,
)


@given(RECORDS, FACTS)
def test_an_estimate_is_bounded_only_by_the_same_settings(
    records: list[PriceRecord], facts: dict[str, Any]
) -> None:
    """Only jobs with the same settings give an upper bound, their highest price."""
    wanted = price_class(CATALOG, {"model": "x", **facts})
    estimate = estimate_price("x", wanted, records)
    same = [record for record in records if record.price_class == wanted]
    assert estimate.upper_bound == max((record.price for record in same), default=None)
    if same:
        assert estimate.credits == max(same, key=lambda record: record.last).price
        assert estimate.jobs == len(same)
    assert (estimate.credits is None) == (estimate.basis is EstimateBasis.UNKNOWN)
    assert estimate.describe()


def test_a_guess_is_in_proportion_to_the_one_number_that_differs() -> None:
    """The nearest one counts; a difference in more than a number gives no guess."""

    def record(price: float, **facts: Any) -> PriceRecord:
        return PriceRecord(price_class(CATALOG, facts), price, 1, 1.0)

    wanted = price_class(CATALOG, {"duration": 10, "size": "a"})
    near, far = record(6.0, duration=12, size="a"), record(1.0, duration=5, size="a")
    estimate = estimate_price("x", wanted, [far, near, record(9.0, duration=10, size="b")])
    assert (estimate.credits, estimate.basis) == (5.0, EstimateBasis.OTHER_SETTINGS)
    assert (estimate.lowest, estimate.highest, estimate.jobs) == (1.0, 6.0, 2)
    other = record(9.0, duration=5, size="b"), record(9.0, size="a")
    assert estimate_price("x", wanted, other).basis is EstimateBasis.UNKNOWN


def test_a_setting_that_is_left_out_counts_with_its_default() -> None:
    """A request with the default and one without it have the same price."""
    seen = 0
    for model in CATALOG.models.values():
        for name, rule in model.parameters.items():
            if "default" in rule:
                seen += 1
                body = {"model": model.name, "prompt": "x"}
                explicit = {**body, name: rule["default"]}
                assert price_class(CATALOG, body) == price_class(CATALOG, explicit)
    assert seen


@pytest.mark.parametrize("limit", [0, 1e-12, 3, 1e12, float("inf")])
@pytest.mark.parametrize("price", [0.0, 5e-324, 1e-300, 1e-9, 3.0, 1e11, float("nan")])
def test_any_recorded_price_is_within_the_limit_or_refused(limit: float, price: float) -> None:
    """Whatever numbers they are, a request is charged at most as often as the limit allows."""
    prepared = PreparedRequest("m", Any, {}, "k" * 16, max_credits=limit)  # type: ignore[arg-type]
    estimate = Estimate("m", EstimateBasis.SAME_SETTINGS, price, price, price, 1, 0.0)
    try:
        charges = limit_cost(prepared, estimate).max_charges
    except errors.CreditLimitExceeded:
        assert not price <= limit
    else:
        assert charges is not None
        assert charges >= 1
        assert charges * price <= limit + 1e-9


@pytest.mark.parametrize(("limit", "sent"), [(1.0, 1), (1.9, 1), (2.0, 2), (3.5, 3)])
def test_repeated_calls_with_one_key_stay_within_the_limit_together(
    do: SyncRunner, ledger: Ledger, limit: float, sent: int
) -> None:
    """Each submission of an uncertain job may have been charged, whichever call it was made by."""
    model = next(one for one in MODELS if CATALOG.models[one].kind == "image")
    request = {**CATALOG.models[model].example, "model": model}
    with MockServer(polls=1, idempotency=False) as server:
        options = {"base_url": server.base_url, "retry_timeout": 0}
        do(lambda client: client.submit(request), **options)
        price = ledger.jobs()[0].credits
        assert price is not None
        server.faults.add("lost-response")
        for _ in range(5):
            with pytest.raises((errors.SubmitUncertain, errors.CreditLimitExceeded)):
                do(
                    lambda client: client.submit(
                        request,
                        idempotency_key="k" * 16,
                        max_credits=price * limit,
                        resubmit_uncertain=True,
                    ),
                    **options,
                )
        assert sum(one.method == "POST" for one in server.journal) == 1 + sent


@pytest.mark.parametrize(
    "changed",
    [
        {"features": ["4k"]},
        {"features": [{"name": "upscale"}]},
        {"prompt_mode": "best"},
        {"options": {"prompt_mode": "best"}},
        {"long": "b" * 101},
    ],
    ids=repr,
)
def test_settings_that_differ_have_different_prices(changed: dict[str, Any]) -> None:
    """Settings in lists and objects, and choices whose name or length is that of a text, too."""
    choice = {"enum": ["fast", "best", "a" * 101, "b" * 101]}
    schemas = {
        "prompt_mode": choice,
        "long": choice,
        "options": {"properties": {"prompt_mode": choice}},
    }
    catalog: Any = type("C", (), {"models": {"m": type("M", (), {"parameters": schemas})}})
    base = {
        "model": "m",
        "features": ["hd"],
        "prompt_mode": "fast",
        "options": {"prompt_mode": "fast"},
        "long": "a" * 101,
    }
    assert price_class(catalog, base) != price_class(catalog, {**base, **changed})


def test_a_price_is_found_though_the_server_calls_the_model_by_another_name(ledger: Ledger) -> None:
    """A job keeps the model that was asked for."""
    intent = SubmissionIntent("https://h", "k" * 16, "m", {"model": "m"}, b"{}", price_class="{}")
    ledger.record_intent(intent)
    accepted = Snapshot("task-unified-1", "pending", "m-2026", usage={"credits_reserved": 3})
    ledger.record_accepted("k" * 16, accepted, hold=False)
    assert [one.price for one in ledger.prices("https://h", "m")] == [3]
    assert ledger.jobs()[0].model == "m"


NUMBERS = [1, 3, -1, 0, True, 10**400, -(10**400), 1e308, 5e-324, float("inf"), float("nan")]
CLASSES = ["", "not json", "[]", "null", "7", "[" * 100_000, *(f'{{"n": {n}}}' for n in (1, 2))]


@given(
    wanted=st.sampled_from(NUMBERS),
    classes=st.lists(
        st.sampled_from(CLASSES)
        | st.sampled_from(NUMBERS).map(lambda number: json.dumps({"model": "x", "n": number}))
    ),
    price=st.sampled_from([3.0, 1e308, 5e-324]),
)
def test_whatever_a_ledger_has_an_estimate_is_a_number_or_unknown(
    wanted: float, classes: list[str], price: float
) -> None:
    """A ledger may be damaged, and a request may have any number."""
    records = [PriceRecord(one, price, 1, 0.0) for one in classes]
    estimate = estimate_price("x", json.dumps({"model": "x", "n": wanted}), records)
    assert (estimate.credits is None) == (estimate.basis is EstimateBasis.UNKNOWN)
    assert estimate.credits is None or isfinite(estimate.credits)
