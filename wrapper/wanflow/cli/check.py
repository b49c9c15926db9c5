"""`wanflow check`: validate a request and its local files without sending anything."""

from __future__ import annotations

import time
from contextlib import suppress
from os import environ
from typing import TYPE_CHECKING, Any

import click

from wanflow._config import UPLOADER_VARIABLE, URL_VARIABLE
from wanflow._core.link_expiry import expired_links, expiring_links
from wanflow._core.local_files import local_files, with_links
from wanflow._core.model_lookup import find_model
from wanflow._core.request_check import placeholder_url
from wanflow._core.request_warnings import deprecated, request_warnings
from wanflow._core.validation import raise_violations, validate_request
from wanflow._flows.file_checks import check_files
from wanflow._storage import part_file
from wanflow.catalog.validator import packaged_validator
from wanflow.cli.estimates import (
    estimate_as_dict,
    estimate_request,
    existing_ledger,
    print_estimate,
)
from wanflow.cli.json_output import emit
from wanflow.cli.ledger_options import LedgerOptions, record_options
from wanflow.cli.options import base_url_option, json_option, request_option, uploader_option
from wanflow.cli.progress import show_warning
from wanflow.cli.run import ModelGroup, RunRequest
from wanflow.cli.text import one_line
from wanflow.errors import ConfigurationError, InvalidRequest
from wanflow.uploads import open_uploader

if TYPE_CHECKING:
    from wanflow._core.prices import Estimate


def validate(request: RunRequest) -> None:
    """Check a request and its local files, and print warnings.

    Raises:
        InvalidRequest: the request or a local file is invalid; the error lists all problems.
        UnknownModel: the spec has no such model.
        ConfigurationError: the uploader can't be used.
    """
    with_uploader = request.options["uploader"] or environ.get(UPLOADER_VARIABLE)
    if with_uploader:
        open_uploader(with_uploader, environ.get(URL_VARIABLE, ""))
    model, warnings = _check(request.body)
    for warning in warnings:
        show_warning(warning)
    price, database = _estimate(request)
    if request.options["as_json"]:
        facts = estimate_as_dict(price) | ({} if database is None else {"ledger": database})
        emit("checked", model=model, warnings=warnings, **facts)
        return
    click.echo(f"{one_line(model)}: valid")
    print_estimate(price)
    if database is not None:
        click.echo(f"ledger: {one_line(database)}")


def _estimate(request: RunRequest) -> tuple[Estimate | None, str | None]:
    """Estimate the price, if there is a ledger; name the ledger, if it is in a database."""
    options = request.options
    with existing_ledger(LedgerOptions.of(options)) as ledger:
        if ledger is None:
            return None, None
        database = ledger.path if isinstance(ledger.path, str) else None
        # A request may be checked for a server that isn't configured here.
        with suppress(ConfigurationError):
            base_url = options["base_url"]
            return estimate_request(request.body, base_url, ledger, validate=False), database
    return None, database


def _check(body: dict[str, Any]) -> tuple[str, list[str]]:
    validator = packaged_validator()
    model = find_model(validator.catalog, body.get("model"))
    document = validator.catalog.document
    files = local_files(document, model, body, paths_only=False)
    body = with_links(body, files, placeholder_url)
    checked = check_files(files, body.get("duration"), part_file)
    expired = expired_links(expiring_links(document, model, body), time.time())
    violations = [*expired, *checked.violations]
    try:
        validate_request(validator, model, body)
    except InvalidRequest as error:
        violations = [*error.violations, *violations]
    raise_violations(model.name, violations)
    found = request_warnings(document, model, body)
    return model.name, [*found, *checked.warnings, *deprecated(model, body)]


check = ModelGroup(
    validate,
    [request_option(), uploader_option(), *record_options(), base_url_option(), json_option()],
    name="check",
    help="Validate a request and its local files without sending anything.\n\n"
    "wanflow check MODEL --help lists the parameters of the model. Where a parameter takes a URL, "
    "you may give the path of a local file, which is checked.",
)
