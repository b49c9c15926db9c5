"""Find drift: committed spec or client files that differ from what would be generated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wanflow.spec.build import build
from wanflow.spec.errors import InvalidDocument
from wanflow.spec.generate.generate import generate, settings_of
from wanflow.spec.project import changed_files, swap_directories, temp_sibling
from wanflow.spec.read.yaml import read_yaml

if TYPE_CHECKING:
    from wanflow.spec.project import Checkout


def regenerate_client(project: Checkout) -> list[str]:
    """Regenerate the client from the committed spec; return the names of changed files."""
    text = _committed(project)
    document = read_yaml(text, project.relative(project.spec)).data
    with temp_sibling(project.client) as folder:
        made = generate(document, text, settings_of(project), folder)
        changed = changed_files(made, project.client)
        if changed:
            swap_directories(made, project.client)
    return changed


def find_drift(project: Checkout) -> list[str]:
    """Return the committed files that differ from what the sources and settings generate."""
    built = build(project)
    pairs = ((project.spec, built.text), (project.report, built.report))
    names = [
        project.relative(path)
        for path, text in pairs
        if not path.is_file() or path.read_bytes() != text.encode()
    ]
    with temp_sibling(project.client) as folder:
        made = generate(built.document, built.text, settings_of(project), folder)
        client = project.relative(project.client)
        return names + [f"{client}/{name}" for name in changed_files(made, project.client)]


def _committed(project: Checkout) -> str:
    if not project.spec.is_file():
        raise InvalidDocument(
            f"{project.relative(project.spec)} is missing; run `wanflow spec build`"
        )
    return project.spec.read_bytes().decode()
