"""The options that several commands have."""

from __future__ import annotations

import os
from pathlib import Path

import click

from wanflow._config import DEFAULT_WAIT_TIMEOUT, KEY_VARIABLE, URL_VARIABLE
from wanflow.cli.values import ParsedValue


def connection_options() -> list[click.Parameter]:
    """Make the options that say which API to talk to, and `--json`."""
    return [
        click.Option(["--base-url"], metavar="URL", help=f"Where the API is; else {URL_VARIABLE}."),
        click.Option(
            ["--api-key-file"],
            type=click.Path(path_type=Path, dir_okay=False),
            help=f"A file that holds the key; else {KEY_VARIABLE}.",
        ),
        json_option(),
    ]


def json_option() -> click.Option:
    """Make `--json`."""
    return click.Option(
        ["--json", "as_json"], is_flag=True, help="Print JSON, one object a line, for programs."
    )


def output_dir_option(*, required: bool = False) -> click.Option:
    """Make `--out`."""
    without = "" if required else "; without it, their links are printed"
    return click.Option(
        ["-o", "--out"],
        type=ParsedValue(_parse_output_dir),
        metavar="FOLDER",
        required=required,
        help=f"The folder for the files{without}.",
    )


def timeout_option() -> click.Option:
    """Make `--timeout`."""
    return click.Option(
        ["--timeout"],
        type=ParsedValue(_parse_seconds),
        default=DEFAULT_WAIT_TIMEOUT,
        metavar="SECONDS",
        help=f"How long to wait at most; {DEFAULT_WAIT_TIMEOUT:g} by default.",
    )


def _parse_output_dir(word: str) -> Path:
    """Read a folder's name, and see that it can be written before anything is paid for."""
    folder = Path(word)
    standing = next((place for place in (folder, *folder.parents) if place.exists()), folder)
    if not standing.is_dir():
        raise ValueError(f"{standing} is no folder")
    if not os.access(standing, os.W_OK | os.X_OK):
        raise ValueError(f"{standing} can't be written")
    return folder


def _parse_seconds(word: str) -> float:
    try:
        seconds = float(word)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise ValueError(f"{word!r} is no number of seconds")
    return seconds
