#!/usr/bin/env python3
"""Write wanflow/client.py, the sync client, from wanflow/async_client.py.

With `--check` nothing is written: the exit code is 1 if client.py is not what would be written.
A line that ends with `# async only` is left out. If it opens a block, the block is dedented.
"""

import re
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "wrapper/wanflow"
SOURCE, TARGET = PACKAGE / "async_client.py", PACKAGE / "client.py"
HEADER = "# Generated from async_client.py by `make generate`. Edit that file, not this one.\n"
MARKER = "# async only"
REPLACEMENTS = (
    ("The async client", "The sync client"),
    ("for asyncio and trio", "for blocking code"),
    ("an `async with`", "a `with`"),
    (r"\basync (?=def |with |for )", ""),
    (r"\bawait ", ""),
    (r"\b__a(?=(enter|exit)__)", "__"),
    (r"\bAsyncDriver\b", "SyncDriver"),
    (r"\bAsync(?=[A-Z])", ""),
)


def without_marked_lines(source: str) -> str:
    """Leave out the lines with the marker, and dedent the blocks that they open."""
    lines: list[str] = []
    block = ""  # the indentation of the open block that loses a level, "" outside of one
    for line in source.splitlines():
        if line.endswith(MARKER):
            block = " " * (len(line) - len(line.lstrip()) + 4)
        elif block and line.startswith(block):
            lines.append(line[4:])
        else:
            block = ""
            lines.append(line)
    return "\n".join(lines) + "\n"


def ruff(code: str, *arguments: str) -> str:
    """Return the code as ruff corrects it."""
    command = [sys.executable, "-m", "ruff", *arguments, "--quiet", "--stdin-filename", TARGET, "-"]
    done = subprocess.run(command, input=code, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


def sync_client() -> str:
    """Return the sync client that the async client makes."""
    code = without_marked_lines(SOURCE.read_text())
    for pattern, replacement in REPLACEMENTS:
        code = re.sub(pattern, replacement, code)
    return ruff(ruff(HEADER + code, "check", "--select=I", "--fix"), "format")


def main() -> None:
    """Write the sync client, or check it."""
    code = sync_client()
    if "--check" not in sys.argv[1:]:
        TARGET.write_text(code)
    elif code != TARGET.read_text():
        sys.exit(f"{TARGET} is not what {SOURCE.name} makes: run `make generate`")


if __name__ == "__main__":
    main()
