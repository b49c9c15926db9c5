"""What click is told of the words that an option takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from wanflow.cli.prose import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    _ParamType = click.ParamType[Any]
else:
    _ParamType = click.ParamType  # generic to type checkers only, in the older releases


class Words(_ParamType):
    """Words that `read` makes values of, and of which the shell is offered `choices`.

    Both are functions; `read` raises ValueError with a sentence where a word can't be read.
    """

    name = "value"

    def __init__(
        self,
        read: Callable[[str], Any] = str,
        choices: Callable[[], Iterable[str]] = tuple[str],
    ) -> None:
        self._read = read
        self._choices = choices

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read a word."""
        try:
            return self._read(value)
        except ValueError as error:
            self.fail(one_line(str(error)), param, ctx)

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        param: click.Parameter,  # noqa: ARG002
        incomplete: str,
    ) -> list[CompletionItem]:
        """Offer the choices."""
        offered = (one_line(choice) for choice in self._choices())
        return [CompletionItem(choice) for choice in offered if choice.startswith(incomplete)]
