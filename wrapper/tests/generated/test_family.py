"""New models are imported, regenerated and used without changes to the wrapper."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from tests.generated.conftest import copy_checkout
from tests.generated.test_parameters import CHECKERS, lines_with_errors

from wanflow.cli.spec import spec
from wanflow.spec.drift import find_drift
from wanflow.spec.checks.examples import invalid_examples
from wanflow.spec.read.yaml import read_yaml

if TYPE_CHECKING:
    from pathlib import Path

    from wanflow.spec.project import Checkout

pytestmark = pytest.mark.builds

NOVA = """\
openapi: 3.1.0
info: {title: Nova, description: Films from scenes, version: 2.0.0}
servers: [{url: https://ai.odkkk.com/apiv1}]
security: [{bearerAuth: []}]
paths:
  /v1/videos/generations:
    post:
      summary: Nova
      operationId: createNova
      requestBody:
        required: true
        content:
          application/json:
            schema: {$ref: '#/components/schemas/VideoGenerationRequest'}
            examples:
              fast:
                value: {model: nova-fast}
      responses:
        200:
          description: Accepted
          content:
            application/json:
              schema: {$ref: '#/components/schemas/VideoGenerationResponse'}
        400: &failed
          description: Failed
          content:
            application/json:
              schema: {$ref: '#/components/schemas/ErrorResponse'}
        401: *failed
        402:
          description: Nothing left
          content:
            application/json:
              schema: {$ref: '#/components/schemas/ErrorResponse'}
              example: {error: {code: quota_exceeded, message: Insufficient quota}}
components:
  schemas:
    VideoGenerationRequest:
      type: object
      required: [model, scene]
      properties:
        model: {type: string, enum: [nova-fast, nova-pro]}
        scene:
          type: object
          required: [shots]
          example: {shots: [{what: a cat}], light: {kind: warm}}
          properties:
            shots:
              type: array
              minItems: 1
              maxItems: 4
              items: {$ref: '#/components/schemas/Shot'}
            light:
              oneOf:
                - {type: string, enum: [dark]}
                - type: object
                  required: [kind]
                  properties:
                    kind: {type: string}
        ratio: {type: string, pattern: '^[0-9]+:[0-9]+$', default: 16:9}
        duration: {type: integer, minimum: 2, maximum: 6}
        quality: {type: string, enum: [480p, 720p]}
    Shot:
      type: object
      required: [what]
      properties:
        what: {type: string, maxLength: 200}
        seconds: {type: number, exclusiveMinimum: 0}
    VideoGenerationResponse:
      type: object
      required: [created, id, model, status]
      properties:
        created: {type: integer}
        id: {type: string}
        model: {type: string}
        status: {type: string}
    ErrorResponse:
      type: object
      properties:
        error:
          type: object
          required: [code, message]
          properties:
            code: {type: string}
            message: {type: string}
            request_id: {type: string}
  securitySchemes:
    bearerAuth: {type: http, scheme: bearer}
"""


def image_document(model: dict[str, Any], example: Any = None) -> dict[str, Any]:
    """A document that names its model by less than an enum, and answers with other statuses."""
    failure = {"$ref": "#/components/schemas/ErrorResponse"}
    answer = {
        "type": "object",
        "properties": {
            "id": {"type": "string"},
            "status": {"type": "string", "enum": ["pending", "queued"]},
            "usage": {"type": "object", "properties": {"cost": {"type": "number"}}},
            "task_info": {"type": "object", "properties": {"queue": {"type": "integer"}}},
        },
    }
    media: dict[str, Any] = {
        "schema": {
            "type": "object",
            "properties": {
                "model": {"type": "string", **model},
                "prompt": {"type": "string"},
                "size": {"type": "string", "pattern": "^[0-9]+x[0-9]+$"},
            },
        }
    }
    if example is not None:
        media["example"] = example
    body = {"required": True, "content": {"application/json": media}}
    contents = {"application/json": {"schema": failure}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Still", "version": "1"},
        "servers": [{"url": "https://ai.odkkk.com/apiv1"}],
        "security": [{"bearerAuth": []}],
        "paths": {
            "/v1/images/generations": {
                "post": {
                    "requestBody": body,
                    "responses": {
                        "200": {
                            "description": "ok",
                            "content": {"application/json": {"schema": answer}},
                        },
                        "400": {"description": "bad", "content": contents},
                        "413": {"description": "large", "content": contents},
                    },
                }
            }
        },
        "components": {
            "schemas": {"ErrorResponse": {"type": "object", "properties": {"error": {}}}},
            "securitySchemes": {"bearerAuth": {"type": "http", "scheme": "bearer"}},
        },
    }


USE = """\
import json, sys
from wanflow import Client
from wanflow.errors import InvalidRequest
from wanflow.mock import MockServer

orders = [
    {"model": "nova-fast", "scene": {"shots": [{"what": "a cat"}]}, "duration": 2,
     "quality": "480p"},
    {"model": "nova-pro", "scene": {"shots": [{"what": "a dog", "seconds": 1.5}]}, "duration": 2,
     "quality": "480p"},
    {"model": "still-default", "prompt": "a lake", "size": "64x64"},
    {"model": "still-example", "size": "64x64"},
    {"model": "wan2.5-text-to-image", "prompt": "a lake", "size": "768x768"},
]
wrong = [
    {"model": "nova-fast"},
    {"model": "nova-fast", "scene": {"shots": []}},
    {"model": "nova-pro", "scene": {"shots": [{"what": "x"}]}, "ratio": "wide"},
    {"model": "nova-pro", "scene": {"shots": [{"seconds": 1}]}},
    {"model": "still-default", "size": "large"},
]
done = {}
with MockServer(seed=1) as mock, Client(api_key=mock.api_key, base_url=mock.base_url) as client:
    for order in orders:
        task = client.submit(order)
        result = task.wait(timeout=60)
        done[order["model"]] = [path.stat().st_size for path in result.download(sys.argv[1])]
    for order in wrong:
        try:
            client.submit(order)
        except InvalidRequest as error:
            done.setdefault("refused", []).append(str(error))
print(json.dumps(done))
"""


def run(*words: str, root: Path) -> str:
    done = CliRunner().invoke(spec, ["--root", str(root), *words])
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture(scope="module")
def regenerated(tmp_path_factory: pytest.TempPathFactory, project: Checkout) -> tuple[Checkout, str]:
    """A scratch copy that took the new documents in, and what regenerating it said."""
    checkout = copy_checkout(project, tmp_path_factory.mktemp("family") / "checkout")
    folder = tmp_path_factory.mktemp("new")
    page = f"# Nova\n\n````yaml /en/nova.json POST /v1/videos/generations\n{NOVA}````\n"
    (folder / "nova page.md").write_text(page)
    default = image_document({"default": "still-default"})
    example = image_document({}, {"model": "still-example"})
    (folder / "still-default.json").write_text(json.dumps(default))
    (folder / "still-example.json").write_text(json.dumps(example))
    run("import", str(folder), root=checkout.root)
    return checkout, run("regenerate", root=checkout.root)


def script(checkout: Checkout, *words: str) -> str:
    """Run Python with the scratch copy's client, and the wrapper as it is."""
    environment = {**os.environ, "PYTHONPATH": str(checkout.generated), "PYTHONWARNINGS": "error"}
    done = subprocess.run(
        [sys.executable, *words],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_new_models_can_be_used(regenerated: tuple[Checkout, str], tmp_path: Path):
    """They are submitted, waited for and downloaded; invalid requests are rejected."""
    checkout, said = regenerated
    assert "4 models added (nova-fast, nova-pro, still-default, still-example)" in said
    assert find_drift(checkout) == []
    done = json.loads(script(checkout, "-c", USE, str(tmp_path / "out")))
    assert len(done.pop("refused")) == 5
    assert len(done) == 5
    assert all(sizes and min(sizes) > 100 for sizes in done.values())


def test_new_models_are_listed(regenerated: tuple[Checkout, str]):
    """The command lists the new models."""
    checkout, _ = regenerated
    listed = script(checkout, "-m", "wanflow", "models")
    assert all(name in listed for name in ("nova-fast", "nova-pro", "still-default"))


@pytest.mark.slow  # a type checker; it also checks a spec of unusual parameters in `make test`
def test_new_models_are_typed(regenerated: tuple[Checkout, str], tmp_path: Path):
    """Type checkers know the new models."""
    checkout, _ = regenerated
    file = tmp_path / "sample.py"
    file.write_text(
        "from wanflow import Client\n"
        "client = Client('key')\n"
        "client.submit(model='nova-pro', scene={'shots': [{'what': 'x'}], 'light': 'dark'})\n"
        "client.submit(model='nova-pro', scene={'shots': [{'who': 'x'}]})\n"
        "client.run(model='nova-pro', prompt='x')\n"
        "client.run(model='still-default', prompt='x', output_dir='out/').download('more/')\n"
    )
    assert lines_with_errors(CHECKERS["mypy"], file, checkout.generated) == {4, 5}


def test_ambiguous_scalars_and_broken_examples_are_fixed(regenerated: tuple[Checkout, str]):
    """The unquoted ratio is a string; no example of the merged spec violates its schema."""
    checkout, _ = regenerated
    kept = (checkout.sources / "nova.yaml").read_text()
    assert "default: '16:9'" in kept
    assert "'402':" in kept
    document = read_yaml(checkout.spec.read_text(), checkout.spec.name).data
    assert list(invalid_examples(document)) == []
