"""`wanflow check`: a request and its local files against the rules; nothing is sent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from wanflow._core.local_files import local_files, with_links
from wanflow._core.media_rules import violations_of_file
from wanflow._core.model_lookup import find_model
from wanflow._core.request_warnings import deprecated, warnings_for
from wanflow._core.validation import raise_violations, validate_request
from wanflow.catalog.validator import packaged_validator
from wanflow.catalog.violation import Violation
from wanflow.cli.options import json_option
from wanflow.cli.run import ModelGroup, RunRequest
from wanflow.cli.text import one_line
from wanflow.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wanflow._core.local_files import LocalFile

_ANY_LINK = "https://files.example/uploaded"


def validate(request: RunRequest) -> None:
    """Say that a request may be sent, and what of it will have no effect.

    Raises:
        InvalidRequest: it lists everything that is wrong with the request and its local files.
        UnknownModel: the documents have no such model.
    """
    model, said = _judged(request.body)
    if request.options["as_json"]:
        click.echo(json.dumps({"event": "checked", "model": model, "warnings": said}))
        return
    for line in said:
        click.echo(one_line(line), err=True)
    click.echo(f"{one_line(model)}: valid")


def _judged(body: dict[str, Any]) -> tuple[str, list[str]]:
    rules = packaged_validator()
    model = find_model(rules.catalog, body.get("model"))
    files = local_files(model, body, paths_only=False)
    linked = with_links(body, files, lambda _: _ANY_LINK)
    found: list[Violation] = []
    try:
        validate_request(rules, model, linked)
    except InvalidRequest as error:
        found += error.violations
    for file in files:
        found += _of_file(file)
    raise_violations(model.name, found)
    return model.name, [*warnings_for(model, linked), *deprecated(model, linked)]


def _of_file(file: LocalFile) -> Iterator[Violation]:
    try:
        content = file.path.read_bytes()
    except OSError as error:
        reason = f"{file.path} is no URL, and no file that can be read: {error.strerror}"
        message = f"{file.parameter}: {reason}"
        yield Violation(f"/{file.parameter}", "file", message, str(file.path))
        return
    yield from violations_of_file(file.rule, file.parameter, content)


check = ModelGroup(
    validate,
    [
        click.Option(
            ["--request"], metavar="FILE", help="A JSON file with the whole request; - is stdin."
        ),
        json_option(),
    ],
    name="check",
    help="Check a request, and the local files in it, without sending anything.\n\n"
    "wanflow check MODEL --help lists what the model takes; where it takes a URL, the path of a "
    "local file is checked as that file.",
)
