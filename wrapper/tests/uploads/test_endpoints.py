"""The endpoints of a storage in the environment: a malformed one never reaches the library."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import obstore
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from obstore.store import from_url

from tests.examples import examples
from tests.uploads.conftest import use_s3
from wanflow._storage.object_client import ENDPOINT, ENDPOINTS, open_store
from wanflow.errors import ConfigurationError

VARIABLES = [(scheme, name) for scheme, names in ENDPOINTS.items() for name in names]
MALFORMED = [
    "localhost:9000",
    "",
    "http://",
    "http://[::1",
    "http://host:99999",
    "http://host:0",
    "http://a b",
    "http://b\u00fccher",
    "ftp://host",
    "https://user:secret@host",
    "https://host/?secret",
]


@pytest.mark.parametrize(("scheme", "variable"), VARIABLES)
def test_a_malformed_endpoint_is_an_error_that_names_its_variable(
    scheme: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library panics on some of them, and prints that."""
    for text in MALFORMED:
        monkeypatch.setenv(variable, text)
        with pytest.raises(ConfigurationError, match=f"^{variable} should be a URL") as refused:
            open_store(f"{scheme}://bucket/x")
        assert "secret" not in str(refused.value)


@given(st.from_regex(ENDPOINT, fullmatch=True))
@example("http://[::1]:9000")
@example("https://account.blob.core.windows.net/")
@settings(
    max_examples=examples(300),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_an_endpoint_that_is_taken_ends_in_no_panic(
    monkeypatch: pytest.MonkeyPatch, endpoint: str
) -> None:
    """Nothing leaves this machine: its proxy is a closed port of it."""
    use_s3(monkeypatch, endpoint)
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    try:
        open_store("s3://bucket/x")
    except ConfigurationError:
        return
    retries: Any = {"max_retries": 0, "retry_timeout": timedelta(seconds=1)}
    store: Any = from_url(
        "s3://bucket/x", client_options={"allow_http": True}, retry_config=retries
    )
    # A panic is no Exception.
    with pytest.raises(Exception, match=r"HEAD|builder error"):
        obstore.head(store, "y")
