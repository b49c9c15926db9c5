"""Import documents: read and check all of them, and only then write."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from attrs import evolve, field, frozen

from wanflow.catalog.document import DEFAULT_SERVER, resolve_ref
from wanflow.spec.build import BuildResult, build_from
from wanflow.spec.checks.prose import FILE, AcceptedProse, Stale, UnencodedRule, count_text
from wanflow.spec.diff.diff import compare
from wanflow.spec.diff.dropped_rules import DroppedRule, dropped_rules
from wanflow.spec.errors import SpecError, document_errors, one_line, raise_findings
from wanflow.spec.generate.generate import generate_once, settings_of
from wanflow.spec.generate.parameters_module import RESERVED_PARAMETERS
from wanflow.spec.intake.fetch import Fetcher, is_url
from wanflow.spec.intake.identity import (
    models_in,
    name_of,
    reject_duplicates,
    reject_replacement,
    replacement_notes,
)
from wanflow.spec.intake.loader import LoadedDocument, document_files, load_file
from wanflow.spec.intake.published import load_fetched
from wanflow.spec.merge.servers import server_url
from wanflow.spec.overlay.overlay import read_overlays
from wanflow.spec.project import AtomicReplace
from wanflow.spec.read.git_revision import read_working_document
from wanflow.spec.read.lock import LockEntry, lock_findings, read_lock, write_lock
from wanflow.spec.read.settings import FILE as SETTINGS
from wanflow.spec.read.settings import read_settings
from wanflow.spec.read.source import SourceSpec, read_sources
from wanflow.spec.schema.index import requests_of
from wanflow.spec.schema.operations import source_operations

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wanflow.spec.build import BuildResult
    from wanflow.spec.checks.example_fixes import ExampleFixes
    from wanflow.spec.project import Checkout
    from wanflow.spec.proof.tighten import UnappliedAction

    Warned = ExampleFixes | UnappliedAction | UnencodedRule | DroppedRule

_AS_IT_WAS = "as it was"
_DEFAULT_MOVED = "WF107"


@frozen
class Imported:
    """One imported document, and lines that describe the effect."""

    name: str
    lines: tuple[str, ...]


@frozen
class ImportPlan:
    """Everything that an import would write, by path."""

    taken: list[Imported]
    texts: dict[Path, str] = field(repr=False)


def import_locations(project: Checkout, places: Iterable[str | Path]) -> list[Imported]:
    """Import files, directories and URLs into a checkout: all of them, or none.

    Raises:
        SpecFailure: one can't be fetched or read, or doesn't go together with the others.
    """
    received: list[LoadedDocument] = []
    for place in map(str, places):
        try:
            if is_url(place):
                fetched = Fetcher().fetch(place)
                received.append(load_fetched(place, fetched))
            else:
                received += [load_file(file) for file in document_files(Path(place))]
        except SpecError as failure:
            raise one_line(failure, [Path(place).name]) from failure
    return import_loaded(project, received)


def import_loaded(project: Checkout, received: list[LoadedDocument]) -> list[Imported]:
    """Import loaded documents into a checkout: all of them, or none.

    Raises:
        SpecFailure: one doesn't go together with the others.
    """
    try:
        plan = plan_import(project, received)
    except SpecError as failure:
        names = [one.source.received_as or one.source.name for one in received]
        raise one_line(failure, names) from failure
    AtomicReplace(plan.texts).commit_with_journal(project.import_journal)
    return plan.taken


@document_errors("the document")
def plan_import(project: Checkout, received: list[LoadedDocument]) -> ImportPlan:
    """Return what an import would write, without writing it."""
    reject_duplicates(received)
    kept = {source.name: source for source in _present(project)}
    entries = read_lock(project.lock)
    taken: list[Imported] = []
    texts: dict[Path, str] = {}
    notes: list[str] = []
    for one in received:
        names = {earlier.name for earlier in taken}
        name = name_of(one, kept, entries, names)
        named = evolve(one, source=evolve(one.source, name=name))
        source = named.source
        reject_replacement(source, kept, names)
        if (older := kept.get(source.name)) is not None and older.text != source.text:
            notes += replacement_notes(older, source)
        taken.append(_import_summary(named, kept.get(source.name)))
        kept[source.name] = source
        entries[source.name] = LockEntry(
            source.sha256, _origin(named, entries.get(source.name)), one.etag, one.modified
        )
        texts[project.sources / f"{source.name}.yaml"] = source.text
    texts[project.lock] = write_lock(entries)
    overlays = read_overlays(project.overlays)
    sources = [kept[name] for name in sorted(kept)]
    try:
        built = build_from(sources, overlays, read_settings(project.settings))
    except SpecError as failure:
        raise type(failure)("; ".join([str(failure), *notes[:1]])) from failure
    raise_findings(lock_findings(sources, entries))
    _check_generation(project, built)
    left = AcceptedProse.read(project.accepted_prose)
    prose = left.unlisted(built.unencoded)
    default = built.document.get(DEFAULT_SERVER)
    if project.settings.is_file():
        taken = [_placed(one, kept.get(one.name), default) for one in taken]
    lost = _lost_rules(project, built)
    found: list[Warned] = [*built.example_fixes, *built.unapplied, *lost, *prose]
    shown: set[str] = set()
    taken = [_warned(one, found, shown) for one in taken]
    taken = [_with_namesakes(one, built) for one in taken]
    stale = [Imported(FILE, (_warning(one),)) for one in left.stale(built.unencoded)]
    return ImportPlan([*taken, *stale], texts)


def _lost_rules(project: Checkout, built: BuildResult) -> list[DroppedRule]:
    try:
        before = read_working_document(project)
    except (OSError, SpecError):
        return []
    owner = {
        model: call.source.name for call in built.merge_result.operations for model in call.models
    }
    return [DroppedRule(owner[model], one) for model, one in dropped_rules(before, built.document)]


def _check_generation(project: Checkout, built: BuildResult) -> None:
    """Generate the client in a temporary directory; an import must not break the generation.

    Raises:
        ToolFault: the generator can't make it.
    """
    if project.generated.is_dir():
        with TemporaryDirectory(prefix="wanflow-") as folder:
            generate_once(built.document, built.text, settings_of(project), Path(folder))


def _placed(one: Imported, source: SourceSpec | None, default: str | None) -> Imported:
    """Add a note if the document's server is not the default server."""
    calls = source_operations(source) if source else []
    urls = {server_url(server) for call in calls for server in call.node["servers"]}
    if not urls or default in urls or one.lines == (_AS_IT_WAS,):
        return one
    named = ", ".join(sorted(urls))
    line = (
        f"warning: its server is {named}, and the default is {default}; clients refuse its "
        "models until base_url names that server"
        if default
        else f"warning: no default server is chosen: write `default-server: {min(urls)}` into "
        f"{SETTINGS} if your key is for that server"
    )
    return evolve(one, lines=(*one.lines, line))


def _warned(one: Imported, found: list[Warned], shown: set[str]) -> Imported:
    """Add what was fixed in a document, and which sentences read like rules but aren't encoded.

    `shown` are the actions to paste that stand below an earlier document already.
    """
    own = [each for each in found if each.document == one.name]
    expressible = [each for each in own if not isinstance(each, UnencodedRule) or each.proposal]
    new = [
        each
        for each in expressible
        if not isinstance(each, UnencodedRule) or each.proposal not in shown
    ]
    warnings = [line for each in new for line in (_warning(each), *_pasted(each))]
    shown.update(each.proposal for each in new if isinstance(each, UnencodedRule))
    if len(new) < len(expressible):
        warnings.append(
            count_text(len(expressible) - len(new), "which the actions shown above express")
        )
    if len(expressible) < len(own):
        warnings.append(
            count_text(len(own) - len(expressible), "and no keyword can express {them}")
        )
    return evolve(one, lines=(*one.lines, *warnings))


def _with_namesakes(one: Imported, built: BuildResult) -> Imported:
    """Add the document's parameters whose names the library uses itself."""
    requests = requests_of(built.document)
    models = [
        c
        for call in built.merge_result.operations
        if call.source.name == one.name
        for c in call.models
    ]
    schemas = [resolve_ref(built.document, requests[model]) for model in models]
    names = sorted({name for each in schemas for name in each["properties"]} & RESERVED_PARAMETERS)
    lines = [
        f"warning: the library has its own argument `{name}`: give this parameter in the request's "
        f'mapping, as run({{"model": …, "{name}": …}}), or by the option --parameter-…'
        for name in names
        if one.lines != (_AS_IT_WAS,)
    ]
    return evolve(one, lines=(*one.lines, *lines))


def _warning(found: Warned | Stale) -> str:
    """Return the line of a warning, with its id as `check` shows it."""
    number = "" if isinstance(found, DroppedRule) else f"{found.id}  "
    return f"warning: {number}{found}"


def _pasted(found: Warned) -> list[str]:
    """Return the proposed overlay action of a warning, indented as a list item."""
    if not isinstance(found, UnencodedRule):
        return []
    return ["to paste into an overlay's `actions:`:", *found.proposal.rstrip("\n").split("\n")]


def _present(project: Checkout) -> list[SourceSpec]:
    return read_sources(project.sources) if any(project.sources.glob("*.yaml")) else []


def _import_summary(one: LoadedDocument, older: SourceSpec | None) -> Imported:
    source = one.source
    if older is None:
        models = ", ".join(sorted(models_in(source))) or "no model"
        first = f"new, from {one.origin}: {models}"
    elif older.text == source.text:
        first = _AS_IT_WAS
    else:
        difference = compare(older.document, source.document)
        # The default server was chosen by a person; no document changes it.
        kept = tuple(one for one in difference.changes if one.id != _DEFAULT_MOVED)
        first = f"replaced; {evolve(difference, changes=kept).to_text()}"
    return Imported(source.name, (first, *one.done))


def _origin(one: LoadedDocument, older: LockEntry | None) -> str:
    """Keep the first origin of a document whose content is unchanged."""
    same: Any = older is not None and one.origin == f"{one.source.name}.yaml"
    return older.origin if same and older is not None else one.origin
