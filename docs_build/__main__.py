"""Build the site into `build/site`, and check it; the exit code is 1 if something is wrong."""

from __future__ import annotations

import sys
from pathlib import Path

from docs_build.build import BuildFailed, build
from docs_build.copy_checks import check_copies
from docs_build.site_checks import check_site

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    """Build, check, and print what is wrong."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "site"
    try:
        site = build(ROOT, target.resolve())
    except (BuildFailed, LookupError) as error:
        print(f"docs: {error}", file=sys.stderr)
        return 1
    findings = [*check_site(site, ROOT), *check_copies(site)]
    print("\n".join(findings) or f"docs: {site / 'index.html'}")
    return int(bool(findings))


if __name__ == "__main__":
    sys.exit(main())
