"""From the sources to the merged document: check, merge, prove, overlay, prove again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve, field, frozen

from wanflow.spec.checks.check import check_merged, check_sources
from wanflow.spec.checks.example_fixes import ExampleFixes, mended_document, mended_sources
from wanflow.spec.checks.prose import AcceptedProse, Stale, UnencodedRule, unencoded_rules
from wanflow.spec.errors import raise_findings
from wanflow.spec.finish import finished
from wanflow.spec.merge.decisions import report
from wanflow.spec.merge.merge import MergeResult, merge
from wanflow.spec.overlay.citations import Sources
from wanflow.spec.overlay.overlay import read_overlays
from wanflow.spec.proof.inventory import prove_inventory
from wanflow.spec.proof.requests import prove_requests
from wanflow.spec.proof.tighten import Unapplied, apply_overlays
from wanflow.spec.read.lock import lock_findings, read_lock
from wanflow.spec.read.settings import Settings, read_settings
from wanflow.spec.read.source import Source, read_sources
from wanflow.spec.read.yaml import read_yaml, same, write_yaml

if TYPE_CHECKING:
    from wanflow.catalog.document import JsonObject
    from wanflow.spec.checks.examples import Broken
    from wanflow.spec.overlay.overlay import Overlay
    from wanflow.spec.project import Checkout

_NOTHING_CHOSEN = Settings()
_HEADER = (
    "# Made by `wanflow spec build` from specs/sources and specs/overlays; edit those, not this.\n"
)


@frozen
class BuildResult:
    """A finished document: as data, as the text to commit, and the merge's report.

    `unsaid` are the sentences that read like a rule and became none, `mended` the examples and
    defaults that broke their own schema, `unapplied` the overlays' rules that nearly fit.
    """

    document: JsonObject = field(repr=False)
    text: str = field(repr=False)
    report: str = field(repr=False)
    merged: MergeResult = field(repr=False)
    unsaid: list[UnencodedRule] = field(repr=False)
    mended: list[ExampleFixes] = field(repr=False)
    unapplied: list[Unapplied] = field(repr=False)
    stale: list[Stale] = field(repr=False, factory=list[Stale])

    @property
    def warnings(self) -> list[ExampleFixes | Unapplied | UnencodedRule | Stale]:
        """What a person should look at: the values that were left out, and the sentences."""
        left_out = (one for one in self.mended if one.left_out)
        return [*left_out, *self.unapplied, *self.unsaid, *self.stale]


def build(project: Checkout) -> BuildResult:
    """Make the merged document of a checkout, without writing anything.

    Raises:
        SpecFailure: of the kind of what went wrong.
    """
    sources = read_sources(project.sources)
    raise_findings(lock_findings(sources, read_lock(project.lock)))
    built = build_from(sources, read_overlays(project.overlays), read_settings(project.settings))
    left = AcceptedProse.read(project.prose)
    return evolve(built, unsaid=left.unlisted(built.unsaid), stale=left.stale(built.unsaid))


def build_from(
    sources: list[Source], overlays: list[Overlay], settings: Settings = _NOTHING_CHOSEN
) -> BuildResult:
    """Make the merged document of sources and overlays.

    Raises:
        SpecFailure: of the kind of what went wrong.
    """
    raise_findings(check_sources(sources))
    sources, mended = mended_sources(sources)
    merged = merge(sources, settings.default_server)
    prove_requests(merged.document, merged.calls)
    prove_inventory(merged.document, merged.calls, merged.names)
    done = apply_overlays(merged.document, overlays, Sources.of(merged))
    document, broken = mended_document(done.document)
    mended += [_by_overlay(one) for one in broken]
    prose = unencoded_rules(document, merged.calls)
    document = finished(document)
    text = _HEADER + write_yaml(document)
    if not same(read_yaml(text, "openapi.yaml").data, document):
        raise AssertionError("the written document reads back as another")
    raise_findings(check_merged(text, document, "specs/openapi.yaml"))
    names = [source.name for source in sources]
    told = report(merged.decisions, names)
    return BuildResult(document, text, told, merged, prose, mended, done.unapplied)


def _by_overlay(broken: tuple[Broken, bool]) -> ExampleFixes:
    """Report an example that only a rule of an overlay refuses."""
    one, left_out = broken
    return ExampleFixes("", f"#{one.shown.pointer}", f"an overlay's rule: {one}", left_out)
