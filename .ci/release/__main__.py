#!/usr/bin/env python3
"""Make what a release publishes, and check all of it; nothing is uploaded.

`python .ci/release check [TAG]` builds into dist/, and writes the notes and the SBOM into release/.
`python .ci/release address NAME/REPOSITORY` sets the repository's address wherever it is named.
`python .ci/release try DIST [TESTS…]` tries the wheel of a folder in an empty environment, and runs
tests of its sdist on it; it needs nothing but Python.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

from changelog import ROOT, ReleaseError, notes, version_of
from environments import run_tests, try_wheel

BEGUN = monotonic()


def say(text: str) -> None:
    """Print a line of progress."""
    print(f"release: {monotonic() - BEGUN:3.0f} s: {text}", flush=True)


def check(tag: str = "") -> None:
    """Make and check all that a release with this tag publishes, or without one the next."""
    # They need the project's own environment, which `try` does without.
    from address import PLACEHOLDER, check_address  # noqa: PLC0415
    from distributions import build_twice, check_contents, git  # noqa: PLC0415
    from sbom import check_sbom, installed, read, write_sbom  # noqa: PLC0415

    out, version = ROOT / "release", version_of(ROOT)
    out.mkdir(exist_ok=True)
    text = notes((ROOT / "CHANGELOG.md").read_text("utf-8"), version, tag)
    (out / "notes.md").write_text(text + "\n", "utf-8")
    if tag and (changed := git(ROOT, "status", "--porcelain")):
        raise ReleaseError(f"these files are not those of {tag}:\n{changed}")
    say(f"the project, the changelog and {tag or 'a tag of it'} agree on {version}")
    address = check_address(ROOT, tag)
    waits = address.startswith(PLACEHOLDER)
    say(f"the repository is {address}" + (", which a tag refuses: set it first" if waits else ""))
    sdist, wheel = build_twice(ROOT, ROOT / "dist")
    say("two builds have the same bytes")
    check_contents(ROOT, sdist, wheel)
    say("sdist and wheel have what they should have, and nothing else")
    with TemporaryDirectory() as folder:
        environment = try_wheel(wheel, Path(folder))
        say("the wheel works outside of the clone, alone and with all extras")
        target = out / f"wanflow-{version}.cdx.json"
        epoch = git(ROOT, "log", "-1", "--format=%ct").strip()
        write_sbom(environment.python, target, epoch, Path(folder) / "sbom")
        check_sbom(read(target), version, installed(environment.python))
    say(f"the SBOM is valid, with {len(read(target)['components'])} packages")


def try_distributions(dist: str, *tests: str) -> None:
    """Try the wheel of a folder, and run tests of its sdist on it."""
    (wheel,), (sdist,) = Path(dist).glob("*.whl"), Path(dist).glob("*.tar.gz")
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        try_wheel(wheel, Path(folder))
    say(f"{wheel.name} works")
    if tests:
        with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            run_tests(wheel, sdist, Path(folder), list(tests))
        say("the tests pass on it")


def set_repository(address: str) -> None:
    """Replace the repository's address in each file that names it."""
    from address import set_address  # noqa: PLC0415

    for path in set_address(ROOT, address):
        say(path)


def main() -> None:
    """Run what the arguments name."""
    try:
        match sys.argv[1:]:
            case ["check"]:
                check()
            case ["check", tag]:
                check(tag)
            case ["address", address]:
                set_repository(address)
            case ["try", dist, *tests]:
                try_distributions(dist, *tests)
            case _:
                sys.exit(__doc__)
    except ReleaseError as error:
        sys.exit(f"release: {error}")


if __name__ == "__main__":
    main()
