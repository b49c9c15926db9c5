"""`wanflow run` and `wanflow submit`: one command per model, with options from its schema."""

from __future__ import annotations

from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import click
from attrs import frozen
from click.core import ParameterSource

from wanflow._core.model_lookup import find_model
from wanflow._core.snapshot import decode_user_json
from wanflow.catalog.catalog import packaged_catalog
from wanflow.catalog.document import is_object
from wanflow.cli.connection import Connection
from wanflow.cli.error_report import CommandContext
from wanflow.cli.estimates import estimate_as_dict, existing_ledger, print_estimate
from wanflow.cli.exit_codes import SEE_EXIT_CODES
from wanflow.cli.json_output import emit
from wanflow.cli.ledger_options import LedgerOptions, record_options
from wanflow.cli.model_options import ModelOptions, parameters_of
from wanflow.cli.options import (
    connection_options,
    max_credits_option,
    name_option,
    output_dir_option,
    read_input,
    request_option,
    resubmit_option,
    timeout_option,
    uploader_option,
)
from wanflow.cli.output import make_output
from wanflow.cli.progress import show_warning
from wanflow.cli.text import first_sentence, one_line, printable, strike_through
from wanflow.cli.values import ParsedValue, parse_json
from wanflow.errors import ConfigurationError, InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wanflow.catalog.catalog import Catalog, Model


def preview(
    body: dict[str, Any],
    connection: Connection,
    ledger: LedgerOptions,
    *,
    as_json: bool,
    **arguments: Any,
) -> None:
    """Print the request without sending it; the API key isn't needed or shown.

    Raises:
        InvalidRequest: the request is invalid.
        ConfigurationError: the URL is malformed.
    """
    with existing_ledger(ledger) as recorder, connection.client("not-sent", recorder) as client:
        request = client.preview(body, **arguments)
    for warning in request.warnings:
        show_warning(warning)
    if as_json:
        emit(
            "dry_run",
            method=request.method,
            url=request.url,
            headers=dict(request.headers),
            body=dict(request.body),
            warnings=list(request.warnings),
            **estimate_as_dict(request.estimate),
        )
        return
    headers = [f"{name}: {value}" for name, value in request.headers.items()]
    lines = [f"{request.method} {request.url}", *headers, "", request.content.decode()]
    click.echo(printable("\n".join(lines)))
    print_estimate(request.estimate, err=True)


def unknown_option(error: click.NoSuchOption, catalog: Catalog, model: Model) -> click.NoSuchOption:
    """Return the error with the names of the models that have the option."""
    owners = [
        other.name
        for other in catalog.models.values()
        if any(
            error.option_name in {parameter.flag, parameter.singular}
            for parameter in parameters_of(catalog.document, other)
        )
    ]
    if not owners:
        return error
    message = f"{error.option_name} is not an option of {model.name}, only of {', '.join(owners)}"
    return click.NoSuchOption(error.option_name, one_line(message), ctx=error.ctx)


@frozen
class RunRequest:
    """The user's request, and the options that every model has."""

    body: dict[str, Any]
    options: Mapping[str, Any]

    @property
    def submit_arguments(self) -> dict[str, Any]:
        """The keyword arguments of `Client.submit`."""
        return {
            "extra": dict(self.options["extra"]),
            "validate": not self.options["no_validate"],
            "resubmit_uncertain": self.options["resubmit_uncertain"],
            "max_credits": self.options["max_credits"],
            "name": self.options["name"],
        }


class ModelGroup(click.Group):
    """A group with a command for each model of the spec; each calls `action`."""

    def __init__(
        self,
        action: Callable[[RunRequest], None],
        shared_options: list[click.Parameter],
        **settings: Any,
    ) -> None:
        self.action = action
        self.shared_options = shared_options
        super().__init__(
            invoke_without_command=True,
            callback=self._without_model,
            params=[*shared_options],
            subcommand_metavar="MODEL [OPTIONS]…",
            **settings,
        )

    @cached_property
    def catalog(self) -> Catalog:
        """The models."""
        return packaged_catalog()

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the models' names."""
        return list(self.catalog.models)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Make the command of a model."""
        model = self.catalog.models.get(cmd_name)
        if model is None:
            return None
        return ModelCommand(self, model)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command of a model.

        Raises:
            UnknownModel: there is no such model; the message names the nearest.
        """
        if not ctx.resilient_parsing:
            find_model(self.catalog, args[0])
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of models."""
        models = self.catalog.models.values()
        rows = [(display_name(model), first_sentence(model.summary)) for model in models]
        with formatter.section("Models"):
            formatter.write_dl(rows)

    def _without_model(self, **values: Any) -> None:
        ctx = click.get_current_context()
        if ctx.invoked_subcommand is not None:
            return
        if values["request"] is None:
            ctx.fail(
                f"Name a model ({', '.join(self.catalog.models)}), or a request file with --request"
            )
        self.action(RunRequest(_read_request(values["request"]), values))


class ModelCommand(click.Command):
    """Calls the action of its group for one model."""

    def __init__(self, group: ModelGroup, model: Model) -> None:
        self._group = group
        self._model = model
        shared_options = group.shared_options
        reserved = {"-h", "--help", *(flag for option in shared_options for flag in option.opts)}
        self._model_options = ModelOptions.from_parameters(
            parameters_of(group.catalog.document, model), reserved
        )
        super().__init__(
            model.name,
            callback=self._invoke,
            params=[*self._model_options.options, *shared_options],
            help="\n\n".join([one_line(model.summary), *_deprecation_note(model)]),
            short_help=first_sentence(model.summary),
            epilog=SEE_EXIT_CODES,
        )

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments; for an unknown option, name the models that have it.

        Raises:
            click.NoSuchOption: the model has no such option.
        """
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            raise unknown_option(error, self._group.catalog, self._model) from None

    def _invoke(self, **values: Any) -> None:
        ctx = click.get_current_context()
        options = _merged_options(ctx)
        base = {} if options["request"] is None else _read_request(options["request"])
        if base.get("model", self._model.name) != self._model.name:
            ctx.fail(f"The request names the model {base['model']}, not {self._model.name}")
        body = {**base, "model": self._model.name, **self._model_options.body(values)}
        self._group.action(RunRequest(body, options))


def display_name(model: Model) -> str:
    """Return a model's name for display, struck through if it is deprecated."""
    return (
        one_line(model.name) if model.deprecation is None else strike_through(one_line(model.name))
    )


def _deprecation_note(model: Model) -> list[str]:
    return [] if model.deprecation is None else [one_line(model.deprecation.describe("This model"))]


def execute(request: RunRequest, *, waits: bool) -> None:
    """Submit a request; with `waits`, also wait for the task and save its files."""
    options = request.options
    connection, record = Connection.from_options(options), LedgerOptions.of(options)
    if options["name"] is not None and options.get("output_dir") is None and not record.enabled:
        raise click.UsageError(
            "--name is kept in the ledger until the files are saved: leave out --no-ledger, "
            "or use --name where they are saved"
        )
    if options["max_credits"] is not None and not (record.enabled or options["dry_run"]):
        raise ConfigurationError(
            "--max-credits needs a ledger, which has what earlier jobs cost: leave out --no-ledger"
        )
    if options["dry_run"]:
        preview(
            request.body,
            connection,
            record,
            as_json=options["as_json"],
            **request.submit_arguments,
        )
        return
    output_dir = options.get("output_dir")
    CommandContext.current().set_resume_options(output_dir, connection, record, options["name"])
    events = make_output(as_json=options["as_json"], submits=True)
    on_event = events.on_event if waits else None
    with (
        record.open() as ledger,
        connection.client(ledger=ledger, on_event=on_event) as client,
    ):
        if not waits:
            with events.showing_progress():
                task = client.submit(request.body, **request.submit_arguments)
            events.submitted(task)
            return
        with events.showing_progress():
            result = client.run(
                request.body,
                output_dir=output_dir,
                timeout=options["timeout"],
                on_update=events.on_update,
                **request.submit_arguments,
            )
        events.done(result, list(result.paths))


def _merged_options(ctx: click.Context) -> dict[str, Any]:
    """Return the options; those given after the model's name override those before it."""
    before = ctx.parent.params if ctx.parent is not None else {}
    default = ParameterSource.DEFAULT
    given = {k: v for k, v in ctx.params.items() if ctx.get_parameter_source(k) is not default}
    return {**before, **given}


def _read_request(name: str) -> dict[str, Any]:
    try:
        body = decode_user_json(read_input(name))
    except OSError as error:
        raise InvalidRequest(f"the request {name} can't be read: {error.strerror}") from None
    except ValueError as error:
        raise InvalidRequest(f"the request {name} is not JSON: {error}") from None
    if not is_object(body):
        raise InvalidRequest(f"the request {name} is not a JSON object")
    return body


def _parse_extra(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise ValueError(f"{text!r} must have the form NAME=JSON")
    return name, parse_json(value)


def _options(*, waits: bool) -> list[click.Parameter]:
    """Make the options that every model has."""
    return [
        *([output_dir_option(), timeout_option()] if waits else []),
        request_option(),
        click.Option(
            ["--extra"],
            type=ParsedValue(_parse_extra),
            multiple=True,
            metavar="NAME=JSON",
            help="Extra request field not in the spec, as JSON; repeatable.",
        ),
        click.Option(["--no-validate"], is_flag=True, help="Send without validating the request."),
        uploader_option(),
        name_option(more="" if waits else "; kept in the ledger until the files are saved"),
        resubmit_option(),
        max_credits_option(
            "Send only if no earlier job with these settings cost more; refused if none is known"
        ),
        click.Option(["--dry-run"], is_flag=True, help="Print the request without sending it."),
        *record_options(submits=True),
        *connection_options(),
    ]


run = ModelGroup(
    partial(execute, waits=True),
    _options(waits=True),
    name="run",
    help="Submit a request, wait, and save the files.\n\n"
    "wanflow run MODEL --help lists the parameters of the model.",
)
submit = ModelGroup(
    partial(execute, waits=False),
    _options(waits=False),
    name="submit",
    help="Submit a request and print the task's id.\n\n"
    "wanflow submit MODEL --help lists the parameters of the model.",
)
