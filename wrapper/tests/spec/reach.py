"""Use every parameter of every model of a generated client in every way (a script).

`python reach.py FOLDER`, where FOLDER/generated holds the client.
"""

from __future__ import annotations

import inspect
import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(sys.argv[1]) / "generated"))

import click

import wanflow_client
from wanflow import Client
from wanflow.catalog.catalog import Catalog, Model, packaged_catalog
from wanflow.cli.model_options import ModelOptions, parameters_of

Json = dict[str, Any]
OWN = {
    name
    for method in (Client.submit, Client.run, Client.preview)
    for name in inspect.signature(method).parameters
}


def value_for(rule: Json) -> Any:
    """A valid value of a schema: from its enum, or of its type."""
    if "enum" in rule:
        return rule["enum"][0]
    kinds = {"integer": 1, "boolean": True, "array": [], "object": {}, "number": 1.5}
    return kinds.get(rule.get("type", ""), "x")


def whole(model: Model) -> Json:
    """A request with every parameter."""
    rules = {**model.parameters}
    return {"model": model.name, **{name: value_for(rule) for name, rule in rules.items()}}


def by_the_generated_class(model: Model, body: Json) -> None:
    """The generated class keeps the body unchanged."""
    folded = model.schema_name.lower()
    models = import_module("wanflow_client.models")
    (made,) = (getattr(models, name) for name in models.__all__ if name.lower() == folded)
    assert made.from_dict(body).to_dict() == body, (made.from_dict(body).to_dict(), body)


def by_the_client(client: Client, model: Model, body: Json) -> None:
    """As one mapping, and as keywords if the method has no argument of that name."""
    assert json.loads(client.preview(body).content or b"") == body
    given = {name: value for name, value in body.items() if name not in OWN or name == "model"}
    sent = json.loads(client.preview(**given, validate=False).content or b"")
    assert sent == given, (sent, given)
    rest = {name: value for name, value in body.items() if name in OWN and name != "model"}
    sent = json.loads(client.preview({**rest, "model": model.name}, validate=False).content or b"")
    assert sent == {**rest, "model": model.name}


def by_the_command_line(catalog: Catalog, model: Model, body: Json) -> None:
    """Each parameter has its own option, which sets only it."""
    parameters = parameters_of(catalog.document, model)
    form = ModelOptions.from_parameters(
        parameters, {"--help", "--json", "--output-dir", "--model", "--timeout"}
    )
    flags = [flag for option in form.options for flag in option.opts]
    assert len(flags) == len(set(flags))
    for key, (parameter, option) in form.entries.items():
        if len(parameter.path) == 1:
            word = json.dumps(body[parameter.name]) if parameter.name in body else "null"
            word = word if parameter.is_array else word.strip('"')
            command = click.Command("x", params=[option], callback=lambda **values: values)
            values = command.main([option.opts[-1], word], "x", standalone_mode=False)
            assert set(form.body({key: values[key]})) == {parameter.path[0]}


def by_the_types(model: Model) -> None:
    """The typed parameters have every name that a keyword can have."""
    module = import_module("wanflow_client.parameters")
    typed = [one for one in vars(module).values() if hasattr(one, "__total__")]
    wanted = set(model.parameters) - set(module_taken())
    assert any(set(one.__annotations__) == wanted for one in typed), wanted


def module_taken() -> set[str]:
    from wanflow.spec.generate.call_signatures import RUN_OPTIONS

    return {*RUN_OPTIONS, "model", "request", "self"}


def main() -> None:
    """Use all of them."""
    catalog = packaged_catalog()
    assert Path(wanflow_client.__file__).is_relative_to(sys.argv[1]), wanflow_client.__file__
    with Client("key", "http://127.0.0.1:9") as client:
        for model in catalog.models.values():
            body = whole(model)
            by_the_generated_class(model, body)
            by_the_client(client, model, body)
            by_the_command_line(catalog, model, body)
            by_the_types(model)


if __name__ == "__main__":
    main()
