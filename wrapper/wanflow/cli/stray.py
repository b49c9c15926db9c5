"""An option that a model doesn't have, and who does have it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wanflow.cli.parameters import parameters_of
from wanflow.cli.prose import one_line

if TYPE_CHECKING:
    from wanflow.spec.catalog import Catalog, Model


def stray_option(error: click.NoSuchOption, catalog: Catalog, model: Model) -> click.NoSuchOption:
    """Return the error again, naming the models that take the option."""
    takers = [
        other.name
        for other in catalog.models.values()
        if any(
            error.option_name in {parameter.flag, parameter.singular}
            for parameter in parameters_of(catalog.document, other)
        )
    ]
    if not takers:
        return error
    message = f"{error.option_name} is no option of {model.name}, but of {', '.join(takers)}"
    return click.NoSuchOption(error.option_name, one_line(message), ctx=error.ctx)
