"""A client of Pyright's language server, as an editor is one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from pathlib import Path


class LanguageServer:
    """The server, for files in a directory."""

    def __init__(self, directory: Path, search: list[Path]) -> None:
        paths = [str(path) for path in search]
        settings = {"extraPaths": paths, "typeCheckingMode": "strict"}
        (directory / "pyrightconfig.json").write_text(json.dumps(settings))
        self._directory = directory
        self._count = 0
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pyright.langserver", "--stdio"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        folder = {"uri": directory.as_uri(), "name": "sample"}
        self._ask(
            "initialize",
            {"processId": os.getpid(), "capabilities": {}, "workspaceFolders": [folder]},
        )
        self._write({"method": "initialized", "params": {}})

    def complete(self, text: str) -> list[str]:
        """What is offered at the end of a text."""
        uri = (self._directory / f"sample{self._count}.py").as_uri()
        document = {"uri": uri, "languageId": "python", "version": 1, "text": text}
        self._write({"method": "textDocument/didOpen", "params": {"textDocument": document}})
        lines = text.split("\n")
        position = {"line": len(lines) - 1, "character": len(lines[-1])}
        where = {"textDocument": {"uri": uri}, "position": position}
        found = self._ask("textDocument/completion", where)
        return [one["label"] for one in found["items"]] if found else []

    def _ask(self, method: str, params: dict[str, Any]) -> Any:
        self._count += 1
        self._write({"id": self._count, "method": method, "params": params})
        while True:
            message = self._read()
            if "method" not in message and message.get("id") == self._count:
                return message["result"]
            if "method" in message and "id" in message:
                asked = message.get("params", {}).get("items")
                result = None if asked is None else [None] * len(asked)
                self._write({"id": message["id"], "result": result})

    def _write(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        self._process.stdin.flush()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        size = 0
        while line := self._process.stdout.readline().strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                size = int(value)
        assert size, "the server has ended"
        message: dict[str, Any] = json.loads(self._process.stdout.read(size))
        return message

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.communicate()
