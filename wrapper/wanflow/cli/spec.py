"""`wanflow spec`: import, check, build, compare and regenerate what the client is made from."""

from __future__ import annotations

from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import click

from wanflow.cli.text import counted
from wanflow.spec.errors import EXIT_CODES, UNEXPECTED, OutOfDate, SpecError, ToolError, printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from wanflow.catalog.document import JsonObject
    from wanflow.spec.project import Checkout

P = ParamSpec("P")
R = TypeVar("R")


def _echo(text: str, *, err: bool = False) -> None:
    """Print text without terminal control characters."""
    click.echo("\n".join(printable(line) for line in text.split("\n")), err=err)


def _plainly(command: Callable[P, R]) -> Callable[P, R]:
    """Report a command's failure on stderr, and exit with the code of its kind."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except SpecError as failure:
            _echo(f"wanflow spec: {failure}", err=True)
            raise SystemExit(failure.exit_code) from None
        except OSError as failure:
            _echo(f"wanflow spec: {failure.filename}: {failure.strerror}", err=True)
            raise SystemExit(SpecError.exit_code) from None
        except ModuleNotFoundError as missing:
            _echo(
                f"wanflow spec: {missing.name} is not installed; pip install 'wanflow[spec]'",
                err=True,
            )
            raise SystemExit(ToolError.exit_code) from None
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            # With a code of its own: 1 and 2 say what `watch`, `drift` and `diff` found.
            _echo(f"wanflow spec: unexpected {type(error).__name__}: {error}", err=True)
            raise SystemExit(UNEXPECTED) from error

    return run


class _Pipeline(click.Group):
    """A group whose help lists its own exit codes."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the exit codes, line by line."""
        with formatter.section("Exit codes (those of the other commands differ)"):
            formatter.write_dl([(str(code), meaning) for code, meaning in EXIT_CODES])


@click.group(cls=_Pipeline)
@click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="The checkout; by default the one that contains the current directory.",
)
@click.pass_context
def spec(context: click.Context, root: Path | None) -> None:
    """Import, check and merge documents, and regenerate the client."""
    context.obj = root


_format_option = click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "github", "sarif"]),
    default="text",
    show_default=True,
    help="Output format: text, JSON, GitHub annotations or SARIF.",
)


def _project(context: click.Context) -> Checkout:
    from wanflow.spec.project import find_project, roll_back

    project = find_project(context.obj)
    if roll_back(project.import_journal):
        _echo("wanflow spec: an import was killed half-way; undid what it had done", err=True)
    return project


@spec.command()
@click.argument("folder", default=".", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--server", metavar="URL", help="The server that requests and the API key are sent to."
)
@_plainly
def init(folder: Path, server: str | None) -> None:
    """Create a directory for your own documents: specs/, generated/ and a CI workflow.

    Then import documents in it, regenerate, and export WANFLOW_PROJECT=FOLDER.
    """
    from wanflow.spec.new_project import create_project

    for name in create_project(folder, server):
        click.echo(f"wrote {name}")
    if server is None:
        click.echo("no server is set: see specs/settings.yaml", err=True)


@spec.command("import")
@click.argument("places", metavar="PLACE...", nargs=-1, required=True)
@click.pass_context
@_plainly
def import_(context: click.Context, places: tuple[str, ...]) -> None:
    """Import documents: YAML, JSON, documentation pages, directories of these, or URLs (https).

    A document of the same models replaces the one that is there, and the difference is printed.
    All of them are imported, or none: what can't be regenerated is refused.
    """
    from wanflow.spec.intake.importer import import_locations

    for taken in import_locations(_project(context), places):
        _echo(f"{taken.name}: {taken.lines[0]}")
        for line in taken.lines[1:]:
            _echo(f"  {line}")


@spec.command()
@click.option(
    "--index",
    "indexes",
    multiple=True,
    metavar="URL",
    envvar="WANFLOW_SPEC_INDEX",
    help="A page of links to documents, such as llms.txt, to find new ones.",
)
@click.option("--anywhere", is_flag=True, help="Also follow the index's links to other hosts.")
@click.pass_context
@_plainly
def watch(context: click.Context, indexes: tuple[str, ...], anywhere: bool) -> None:
    """Fetch every source that came from a URL again, import what changed, and regenerate.

    Ends with 0 where nothing is new, 1 where something changed, and 9 where a page couldn't be
    asked, is gone, or can't be taken in, whatever else changed. Nothing is ever removed.
    """
    from wanflow.spec.watch import Watch

    watched = Watch(_project(context), anywhere=anywhere).run(indexes)
    _echo(watched.to_text())
    context.exit(int(watched.outcome))


@spec.command()
@click.pass_context
@_plainly
def build(context: click.Context) -> None:
    """Build specs/openapi.yaml from the sources and overlays, and prove that nothing is lost."""
    from wanflow.spec.build import build as make
    from wanflow.spec.project import write_file

    project = _project(context)
    built = make(project)
    changed = [
        project.relative(path)
        for path, text in ((project.spec, built.text), (project.report, built.report))
        if write_file(path, text)
    ]
    _echo(f"wrote {', '.join(changed)}" if changed else "nothing changed")


@spec.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@_format_option
@click.pass_context
@_plainly
def check(context: click.Context, file: Path | None, form: str) -> None:
    """Check the sources and the merged spec, beyond the rules of OpenAPI; write nothing.

    With FILE, check that document alone, wherever it is.
    """
    from wanflow.spec.diff.output_formats import WRITERS
    from wanflow.spec.examine import check_file, check_project

    found = check_project(_project(context)) if file is None else check_file(file)
    if form == "text":
        _echo(found.to_text())
        return
    _echo(WRITERS[form](found.entries))
    context.exit(found.failure.exit_code if found.failure else 0)


@spec.command()
@click.pass_context
@_plainly
def generate(context: click.Context) -> None:
    """Generate generated/wanflow_client from specs/openapi.yaml."""
    from wanflow.spec.drift import regenerate_client

    changed = regenerate_client(_project(context))
    _echo(f"{counted(len(changed), 'file')} changed" if changed else "nothing changed")


@spec.command()
@click.pass_context
@_plainly
def drift(context: click.Context) -> None:
    """Fail if the committed spec or client is not what would be generated."""
    from wanflow.spec.drift import find_drift

    if names := find_drift(_project(context)):
        listed = "\n".join(f"  {name}" for name in names)
        raise OutOfDate(f"these are out of date; run `wanflow spec regenerate`:\n{listed}")
    _echo("specs/openapi.yaml and generated/wanflow_client are what the sources make")


def _working(project: Checkout) -> JsonObject:
    """Read the checkout's spec, or build it in memory if the sources are newer."""
    from wanflow.spec.build import build as make
    from wanflow.spec.read.git_revision import read_working_document
    from wanflow.spec.read.yaml import json_equal

    document = read_working_document(project)
    try:
        built = make(project)
    except SpecError:
        return document
    if json_equal(built.document, document):
        return document
    note = (
        "the sources are newer than specs/openapi.yaml; this shows what `regenerate` would change"
    )
    _echo(f"wanflow spec: {note}", err=True)
    return built.document


@spec.command()
@click.argument("old", default="HEAD")
@click.argument("new", required=False)
@_format_option
@click.option(
    "--silenced",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="The file of accepted changes; by default specs/silenced.yaml of the checkout.",
)
@click.pass_context
@_plainly
def diff(
    context: click.Context, old: str, new: str | None, form: str, silenced: Path | None
) -> None:
    """Show what changed from OLD to NEW, and what it breaks.

    Each is a file or a git revision; by default, the committed spec and the one in the checkout.
    Two files are compared anywhere. Ends with 0 where nothing that a program notices changed, 1
    for what is new or deprecated, 2 for what breaks somebody.
    """
    from wanflow.spec.diff.diff import compare
    from wanflow.spec.diff.output_formats import WRITERS, entry_of
    from wanflow.spec.diff.silenced import Silenced
    from wanflow.spec.read.git_revision import read_at, read_document

    if new is not None and Path(old).is_file() and Path(new).is_file():
        before, after = read_document(Path(old)), read_document(Path(new))
        reviewed = silenced
    else:
        project = _project(context)
        after = _working(project) if new is None else read_at(project, new)
        before, reviewed = read_at(project, old), silenced or project.silenced
    difference = (Silenced.read(reviewed) if reviewed else Silenced()).apply(compare(before, after))
    if form in {"text", "json"}:
        plain = form == "text"
        _echo(difference.to_text() if plain else difference.to_json())
    else:
        file = new or "specs/openapi.yaml"
        _echo(WRITERS[form]([entry_of(change, file) for change in difference.changes]))
    context.exit(difference.severity.exit_code)


@spec.command()
@click.pass_context
@_plainly
def regenerate(context: click.Context) -> None:
    """Run the whole pipeline: check, merge, prove, overlay, generate, diff, changelog entry."""
    from wanflow.spec.regenerate import regenerate as make

    _echo(make(_project(context)).to_text())


for _command in spec.commands.values():
    _command.epilog = "wanflow spec --help lists the exit codes and what they mean."


if __name__ == "__main__":
    spec(prog_name="wanflow spec")
