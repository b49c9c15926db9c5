"""Try an installed wanflow as its users would: `python -I smoke.py [--extras]`, in an empty folder.

It needs nothing but what is installed, and runs on every system.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from importlib.metadata import version
from pathlib import Path

HELP = ("", "run", "batch", "ledger", "mock", "contract", "spec", "drift", "listen", "mcp")


def command() -> str:
    """Return the path of the installed command."""
    found = shutil.which("wanflow", path=sysconfig.get_path("scripts"))
    assert found, "the command `wanflow` is not installed"
    return found


def wanflow(*words: str) -> str:
    """Run the command; it must end with 0 and say nothing on stderr but progress."""
    done = subprocess.run(
        [command(), *words],
        check=False,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
        timeout=300,
    )
    assert done.returncode == 0, (words, done.returncode, done.stdout[-2000:], done.stderr[-2000:])
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout


def try_import() -> None:
    """Import each public name, from the environment and from nowhere else."""
    import wanflow  # noqa: PLC0415
    import wanflow_client  # noqa: PLC0415

    for module in (wanflow, wanflow_client):
        assert Path(module.__file__).is_relative_to(sys.prefix), module.__file__
    assert [getattr(wanflow, name) for name in wanflow.__all__]
    assert wanflow.__version__ == version("wanflow")


def try_command() -> None:
    """Show the version, and the help of the commands."""
    assert version("wanflow") in wanflow("--version")
    for word in HELP:
        assert "Usage:" in wanflow(*word.split(), "--help"), word


def try_client() -> None:
    """Pay for one task on the mock, and keep its file and its job."""
    from wanflow import Client  # noqa: PLC0415
    from wanflow.catalog.catalog import packaged_catalog  # noqa: PLC0415
    from wanflow.ledger import Ledger  # noqa: PLC0415
    from wanflow.mock import MockServer  # noqa: PLC0415

    with (
        MockServer() as mock,
        Ledger("ledger.db") as ledger,
        Client(mock.api_key, mock.base_url, ledger=ledger) as client,
    ):
        models = packaged_catalog().models.values()
        model = next(m.name for m in models if m.kind == "image" and m.required == ("prompt",))
        result = client.run(model=model, prompt="Ein Gemälde 画 é", timeout=120)
        (saved,) = result.download("saved")
        assert Path(saved).read_bytes()[:4] == b"\x89PNG"
        assert len(list(ledger.jobs())) == 1


def try_demo() -> None:
    """Generate with every model against the bundled mock."""
    from wanflow.catalog.catalog import packaged_catalog  # noqa: PLC0415

    wanflow("demo", "--out", "files")
    assert len(list(Path("files").iterdir())) >= len(packaged_catalog().models)


def main() -> None:
    """Try what needs no extra, or with `--extras` what needs them."""
    steps = (try_client, try_demo) if "--extras" in sys.argv else (try_import, try_command)
    for step in steps:
        step()
        print(f"smoke: {step.__name__[4:]} works", flush=True)


if __name__ == "__main__":
    main()
