"""Take documents in: read them all, see that all goes together, and only then write."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from attrs import evolve, field, frozen

from wanflow.catalog.document import DEFAULT_SERVER, resolve_ref
from wanflow.spec.build import BuildResult, build_from
from wanflow.spec.checks.prose import FILE, AcceptedProse, UnencodedRule, counted
from wanflow.spec.diff.diff import compare
from wanflow.spec.diff.dropped_rules import Lost, dropped_rules
from wanflow.spec.errors import SpecError, one_line, raise_findings
from wanflow.spec.generate.generate import generate, settings_of
from wanflow.spec.generate.typed_parameters import RESERVED_PARAMETERS
from wanflow.spec.intake.fetch import Fetcher, is_url
from wanflow.spec.intake.identity import models_in, name_of, refuse_second, refuse_twice
from wanflow.spec.intake.loader import LoadedDocument, files_of, read_received
from wanflow.spec.intake.published import read_fetched
from wanflow.spec.intake.stale_citations import RevisedDocument, explain
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

    Warned = ExampleFixes | UnappliedAction | UnencodedRule | Lost

_AS_IT_WAS = "as it was"
_DEFAULT_MOVED = "WF107"


@frozen
class Imported:
    """One document that was taken in, and a line or two of what that did."""

    name: str
    lines: tuple[str, ...]


@frozen
class ImportPlan:
    """Everything that an import would write, by path."""

    taken: list[Imported]
    texts: dict[Path, str] = field(repr=False)


def import_documents(project: Checkout, paths: Iterable[Path]) -> list[Imported]:
    """Take documents into a checkout: all of them, or none.

    Raises:
        SpecFailure: one can't be read, or doesn't go together with the others.
    """
    files = [file for path in paths for file in files_of(path)]
    try:
        received = [read_received(file) for file in files]
    except SpecError as failure:
        raise one_line(failure, [file.name for file in files]) from failure
    return take_in(project, received)


def import_places(project: Checkout, places: Iterable[str]) -> list[Imported]:
    """Take documents from files, folders and URLs into a checkout: all of them, or none.

    Raises:
        SpecFailure: one can't be fetched or read, or doesn't go together with the others.
    """
    received: list[LoadedDocument] = []
    for place in places:
        try:
            if is_url(place):
                fetched = Fetcher().fetch(place)
                received.append(read_fetched(place, fetched))
            else:
                received += [read_received(file) for file in files_of(Path(place))]
        except SpecError as failure:
            raise one_line(failure, [Path(place).name]) from failure
    return take_in(project, received)


def take_in(project: Checkout, received: list[LoadedDocument]) -> list[Imported]:
    """Take documents that were read into a checkout: all of them, or none.

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


def plan_import(project: Checkout, received: list[LoadedDocument]) -> ImportPlan:
    """Say what taking documents in would write, and write nothing."""
    refuse_twice(received)
    kept = {source.name: source for source in _present(project)}
    entries = read_lock(project.lock)
    taken: list[Imported] = []
    texts: dict[Path, str] = {}
    replaced: list[RevisedDocument] = []
    for one in received:
        names = {earlier.name for earlier in taken}
        name = name_of(one, kept, entries, names)
        named = evolve(one, source=evolve(one.source, name=name))
        source = named.source
        refuse_second(source, kept, names)
        if (older := kept.get(source.name)) is not None and older.text != source.text:
            replaced.append(RevisedDocument(older, source))
        taken.append(_told(named, kept.get(source.name)))
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
        raise explain(failure, replaced) from failure
    raise_findings(lock_findings(sources, entries))
    _rehearse(project, built)
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
    stale = [Imported(FILE, (f"warning: {one}",)) for one in left.stale(built.unencoded)]
    return ImportPlan([*taken, *stale], texts)


def _lost_rules(project: Checkout, built: BuildResult) -> list[Lost]:
    try:
        before = read_working_document(project)
    except (OSError, SpecError):
        return []
    owner = {
        model: call.source.name for call in built.merge_result.operations for model in call.models
    }
    return [Lost(owner[model], one) for model, one in dropped_rules(before, built.document)]


def _rehearse(project: Checkout, built: BuildResult) -> None:
    """Make the client that follows, aside: what can't be regenerated is never taken in.

    Raises:
        ToolFault: the generator can't make it.
    """
    if project.generated.is_dir():
        with TemporaryDirectory(prefix="wanflow-") as folder:
            generate(built.document, built.text, settings_of(project), Path(folder))


def _placed(one: Imported, source: SourceSpec | None, default: str | None) -> Imported:
    """Add to a document that its server isn't the one that requests go to by default."""
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
    """Add to a document what was mended in it, and what reads like a rule and became none.

    `shown` are the actions to paste that stand below an earlier document already.
    """
    own = [each for each in found if each.document == one.name]
    told = [each for each in own if not isinstance(each, UnencodedRule) or each.proposal]
    new = [
        each for each in told if not isinstance(each, UnencodedRule) or each.proposal not in shown
    ]
    warnings = [line for each in new for line in (f"warning: {each}", *_pasted(each))]
    shown.update(each.proposal for each in new if isinstance(each, UnencodedRule))
    if len(new) < len(told):
        warnings.append(counted(len(told) - len(new), "that the actions shown above express"))
    if len(told) < len(own):
        warnings.append(counted(len(own) - len(told), "that no keyword can say"))
    return evolve(one, lines=(*one.lines, *warnings))


def _with_namesakes(one: Imported, built: BuildResult) -> Imported:
    """Add to a document its parameters that no keyword sets, for the library has that name."""
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


def _pasted(found: Warned) -> list[str]:
    """Return the action that may be pasted to answer a warning, indented as in a list of them."""
    if not isinstance(found, UnencodedRule):
        return []
    return ["to paste into an overlay's `actions:`:", *found.proposal.rstrip("\n").split("\n")]


def _present(project: Checkout) -> list[SourceSpec]:
    return read_sources(project.sources) if any(project.sources.glob("*.yaml")) else []


def _told(one: LoadedDocument, older: SourceSpec | None) -> Imported:
    source = one.source
    if older is None:
        models = ", ".join(sorted(models_in(source))) or "no model"
        first = f"new, from {one.origin}: {models}"
    elif older.text == source.text:
        first = _AS_IT_WAS
    else:
        difference = compare(older.document, source.document)
        # Which server is the default, a person chose; no document moves it.
        kept = tuple(one for one in difference.changes if one.id != _DEFAULT_MOVED)
        first = f"replaced; {evolve(difference, changes=kept).for_people()}"
    return Imported(source.name, (first, *one.done))


def _origin(one: LoadedDocument, older: LockEntry | None) -> str:
    """Keep the first origin of a document that is only noted again."""
    same: Any = older is not None and one.origin == f"{one.source.name}.yaml"
    return older.origin if same and older is not None else one.origin
