"""Batches whose output directory is in object storage."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.any_model import model_name
from tests.client.clients import RUNNERS
from tests.uploads.conftest import BUCKET, object_names
from wanflow import Ledger
from wanflow._paths import output_path
from wanflow.batch.contact_sheet import _media
from wanflow.batch.identity import exclusive
from wanflow.errors import ConfigurationError, StorageFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from wanflow.mock import MockServer

OUT = f"s3://{BUCKET}/run-1"
JOBS = [{"model": model_name("image"), "prompt": f"lake {at}"} for at in range(3)]


@pytest.fixture(params=["sync", "asyncio"])
def runner(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A sync client, and an async one."""
    with RUNNERS[request.param]() as runner:
        yield runner


@pytest.fixture
def run_batch(
    runner: Any, server: MockServer, api_key: str, tmp_path: Path
) -> Iterator[Callable[..., Any]]:
    """Run a batch, with the same ledger each time."""
    with Ledger(tmp_path / "ledger.db") as ledger:
        client = runner.client(api_key=api_key, base_url=server.base_url, ledger=ledger)
        yield lambda out=OUT, **options: runner.do(client.batch, JOBS, out, **options)


def test_files_report_and_contact_sheet_are_beside_each_other(
    run_batch: Callable[..., Any], s3: Any, submissions: Callable[[], int]
) -> None:
    """The report has URLs; the sheet has relative links, which work wherever the prefix is read."""
    report = run_batch()
    assert report.complete
    assert report.write_error == ""
    urls = [str(file.path) for result in report.results for file in result.files]
    assert len(urls) == 3
    names = {f"run-1/{url.removeprefix(f'{OUT}/')}" for url in urls}
    assert set(object_names(s3)) == names | {"run-1/report.json", "run-1/index.html"}
    text = s3.get_object(Bucket=BUCKET, Key="run-1/report.json")
    written = json.loads(text["Body"].read())
    assert (text["ContentType"], written["output_dir"]) == ("application/json", OUT)
    assert [file["path"] for job in written["jobs"] for file in job["files"]] == urls
    page = s3.get_object(Bucket=BUCKET, Key="run-1/index.html")
    assert page["ContentType"] == "text/html"
    linked = set(re.findall(r'href="([^"]+)"', page["Body"].read().decode()))
    assert {f"run-1/{one}" for one in linked} == names


def test_a_second_run_pays_nothing_and_stores_what_is_missing(
    run_batch: Callable[..., Any], s3: Any, submissions: Callable[[], int]
) -> None:
    """An object that was deleted or cut is downloaded again, as a file would be."""
    first = run_batch()
    paths = [file.path for result in first.results for file in result.files]
    s3.delete_object(Bucket=BUCKET, Key=paths[0].key)
    s3.put_object(Bucket=BUCKET, Key=paths[1].key, Body=b"cut")
    before = s3.head_object(Bucket=BUCKET, Key=paths[2].key)["ETag"]
    again = run_batch(max_credits=1000)
    assert again.complete
    assert [result.from_earlier_run for result in again.results] == [False, False, True]
    assert submissions() == 3
    sizes = [s3.head_object(Bucket=BUCKET, Key=one.key)["ContentLength"] for one in paths]
    assert sizes == [file.size for result in first.results for file in result.files]
    assert s3.head_object(Bucket=BUCKET, Key=paths[2].key)["ETag"] == before


def test_another_url_is_another_batch(
    run_batch: Callable[..., Any], s3: Any, submissions: Callable[[], int]
) -> None:
    """As another directory is: jobs without keys are sent again."""
    assert run_batch().complete
    assert run_batch(f"s3://{BUCKET}/run-2").complete
    assert submissions() == 6


@pytest.mark.parametrize(
    ("page", "file", "link"),
    [
        ("s3://bkt/run", "s3://bkt/run/a b.png", "a%20b.png"),
        ("s3://bkt/run", "s3://bkt/other/a b.png", "s3://bkt/other/a%20b.png"),
        ("s3://bkt/run", "/data/a b.png", "file:///data/a%20b.png"),
        ("/data", "s3://bkt/run/a b.png", "s3://bkt/run/a%20b.png"),
        ("/data", "/data/x/a b.png", "x/a%20b.png"),
    ],
)
def test_a_sheet_links_to_a_file_wherever_it_is(page: str, file: str, link: str) -> None:
    """Relative where both are in one place."""
    folder, _, name = file.rpartition("/")
    media = _media(output_path(page), output_path(folder) / name)
    assert media.startswith(f'<a href="{link}">')


def test_an_unwritable_storage_stops_a_batch_before_anything_is_sent(
    run_batch: Callable[..., Any], s3: Any, submissions: Callable[[], int]
) -> None:
    """Nothing was charged."""
    with pytest.raises(StorageFailed, match=r"no such bucket.*nothing was sent"):
        run_batch("s3://no-such-bucket/run")
    assert submissions() == 0


def test_one_process_at_a_time_has_a_credit_limit_in_a_url() -> None:
    """As in a directory; other URLs are other batches."""
    first, second = output_path(OUT), output_path(OUT + "-2")
    with exclusive(first, required=True), exclusive(second, required=True):
        with (
            pytest.raises(ConfigurationError, match=rf"runs the batch in {OUT} with"),
            exclusive(first, required=True),
        ):
            pass
        with exclusive(first, required=False):
            pass
    with exclusive(first, required=True):
        pass
