"""Requests and the key are sent to the chosen server, whatever servers the sources name."""

from __future__ import annotations

import copy
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from tests.spec.family import SERVER, VIDEOS, document, merged, post, request, source
from wanflow._config import ClientConfig, load_config
from wanflow._flows.operations import Operations
from wanflow.catalog.catalog import Catalog
from wanflow.catalog.validator import RequestValidator
from wanflow.cli.spec import spec
from wanflow.errors import ConfigurationError
from wanflow.spec.build import build
from wanflow.spec.diff.change import Severity
from wanflow.spec.diff.diff import compare
from wanflow.spec.errors import InvalidDocument, ProofFailed
from wanflow.spec.merge.merge import MergeResult, merge
from wanflow.spec.merge.servers import server_url
from wanflow.spec.project import Checkout
from wanflow.spec.proof.inventory import prove_inventory
from wanflow.spec.proof.requests import prove_requests
from wanflow.spec.read.settings import read_settings

if TYPE_CHECKING:
    from pathlib import Path

OTHER = "https://other.example.org/api"
Json = dict[str, Any]


def document_at(server: str | None, model: str, **more: Any) -> Json:
    data = document(request(model, prompt={"type": "string"}), **more)
    return {**data, "servers": [{"url": server}]} if server else data


def merge_with_default(default: str | None, **documents: Json) -> MergeResult:
    made = merge([source(name, data) for name, data in documents.items()], default)
    prove_requests(made.document, made.operations)
    prove_inventory(made.document, made.operations, made.schema_names)
    return made


def test_the_default_server_does_not_change_by_majority():
    """One source names the chosen server and seven another: the chosen one stays."""
    others = {
        f"b{n}": document_at(OTHER, f"far-{n}", path="/v1/audios/generations") for n in range(7)
    }
    made = merge_with_default(SERVER, a=document_at(None, "near-1"), **others)
    catalog = Catalog(made.document)
    assert catalog.default_server == catalog.server_url == SERVER
    assert "servers" not in post(made)
    assert post(made, "/v1/audios/generations")["servers"] == [{"url": OTHER}]
    assert catalog.models["near-1"].servers == ()
    assert catalog.models["far-3"].servers == (OTHER,)


def test_a_chosen_server_that_no_source_names_is_the_default():
    """Users may choose their own gateway."""
    made = merge_with_default("https://mine.example.net", a=document_at(None, "near-1"))
    assert made.document["servers"] == [{"url": "https://mine.example.net"}]
    assert post(made)["servers"] == [{"url": SERVER}]


def test_one_path_on_two_servers_keeps_each_model_on_its_own():
    """The operation has both servers, each with the models that are available there."""
    made = merge_with_default(
        SERVER, a=document_at(None, "near-1"), b=document_at(f"{OTHER}/", "far-1")
    )
    catalog = Catalog(made.document)
    assert catalog.models["near-1"].servers == (SERVER,)
    assert catalog.models["far-1"].servers == (OTHER,)
    assert [one["x-wanflow-models"] for one in post(made)["servers"]] == [["near-1"], ["far-1"]]


@given(st.lists(st.sampled_from([SERVER, OTHER, "https://third.example.com"]), min_size=1))
def test_each_model_keeps_the_servers_of_its_source(servers: list[str]):
    """The default stays, and a model's servers are those of its source."""
    documents = {f"d{n}": document_at(server, f"m-{n}") for n, server in enumerate(servers)}
    catalog = Catalog(merge_with_default(SERVER, **documents).document)
    assert catalog.default_server == SERVER
    for number, server in enumerate(servers):
        assert (catalog.models[f"m-{number}"].servers or (SERVER,)) == (server,)


def test_without_a_setting_there_is_no_default():
    """Servers that all sources agree on are at the top; different ones are on the operations."""
    agreed = merge_with_default(None, a=document_at(None, "near-1"), b=document_at(None, "near-2"))
    assert list(map(server_url, agreed.document["servers"])) == [SERVER]
    differing = merge_with_default(
        None, a=document_at(None, "near-1"), b=document_at(OTHER, "far-1")
    )
    assert "servers" not in differing.document
    for made in (agreed, differing):
        assert Catalog(made.document).default_server is None


@pytest.mark.parametrize("moved", [["near-1", "far-1"], [], ["near-1"]])
def test_a_model_on_the_wrong_server_is_not_proved(moved: list[str]):
    """The proof compares the servers of each model."""
    made = merge_with_default(SERVER, a=document_at(None, "near-1"), b=document_at(OTHER, "far-1"))
    bad = copy.deepcopy(made.document)
    bad["paths"][VIDEOS]["post"]["servers"][1]["x-wanflow-models"] = moved
    with pytest.raises(ProofFailed, match="the server"):
        prove_inventory(bad, made.operations, made.schema_names)


def test_a_change_of_the_default_server_is_breaking():
    """Even if every operation keeps its servers."""
    documents = {"a": document_at(None, "near-1"), "b": document_at(OTHER, "far-1")}
    before, after = (merge_with_default(server, **documents).document for server in (SERVER, OTHER))
    found = [one for one in compare(before, after).changes if "default server" in one.what]
    assert [one.severity for one in found] == [Severity.BREAKING]
    assert SERVER in found[0].what
    assert OTHER in found[0].what
    assert compare(before, before).changes == ()


class OtherOperations(Operations):
    """The operations of a client with another spec than the installed one."""

    made: MergeResult

    def __init__(self, config: ClientConfig) -> None:
        super().__init__(config, load_storage=pytest.fail)

    @property
    def validator(self) -> RequestValidator:
        return RequestValidator(Catalog(self.made.document))


def test_the_key_is_not_sent_to_a_host_that_only_a_source_names(monkeypatch: pytest.MonkeyPatch):
    """A model on another server is rejected before it is sent, until the URL is configured."""
    monkeypatch.delenv("WANFLOW_BASE_URL", raising=False)
    default = load_config("key", None)
    OtherOperations.made = merged(a=document(request("near-1")), b=document_at(OTHER, "far-1"))
    OtherOperations.made = merge_with_default(
        default.base_url, a=document_at(default.base_url, "near-1"), b=document_at(OTHER, "far-1")
    )
    asked = {"prompt": "A cat"}
    assert OtherOperations(default).prepare(None, asked, "near-1").model == "near-1"
    with pytest.raises(ConfigurationError, match=rf"far-1 is not at .*{OTHER}.*base_url"):
        OtherOperations(default).prepare(None, asked, "far-1")
    given = load_config("key", OTHER)
    assert OtherOperations(given).prepare(None, asked, "far-1").model == "far-1"
    monkeypatch.setenv("WANFLOW_BASE_URL", "http://127.0.0.1:8700/apiv1")
    assert OtherOperations(load_config("key", None)).prepare(None, asked, "far-1").model == "far-1"


@pytest.fixture
def checkout(tmp_path: Path, project: Checkout) -> Checkout:
    shutil.copytree(project.root / "specs", tmp_path / "checkout" / "specs")
    return Checkout(tmp_path / "checkout")


def test_an_import_with_another_host_keeps_the_default_and_warns(
    checkout: Checkout, tmp_path: Path
):
    """Seven sources with another host beside ours: nothing of ours changes."""
    before = str(read_settings(checkout.settings).default_server)
    text = (checkout.sources / "wan2.5-text-to-video.yaml").read_text()
    (tmp_path / "new").mkdir()
    for number in range(7):
        name = f"far{number}-text-to-video"
        moved = text.replace("wan2.5-text-to-video", name).replace(before, OTHER)
        (tmp_path / "new" / f"{name}.yaml").write_text(moved)
    words = ["--root", str(checkout.root), "import", str(tmp_path / "new")]
    done = CliRunner().invoke(spec, words)
    assert done.exit_code == 0, done.output
    assert done.output.count(f"its server is {OTHER}, and the default is {before}") == 7
    catalog = Catalog(build(checkout).document)
    assert catalog.default_server == catalog.server_url == before
    assert catalog.models["wan2.5-text-to-video"].servers == (before,)
    assert catalog.models["far3-text-to-video"].servers == (OTHER,)


def test_a_revision_with_another_host_does_not_report_a_changed_default(
    checkout: Checkout, tmp_path: Path
):
    """The operation's server changes, but the key is still sent to the same host."""
    before = str(read_settings(checkout.settings).default_server)
    text = (checkout.sources / "wan2.5-text-to-video.yaml").read_text().replace(before, OTHER)
    (tmp_path / "wan2.5-text-to-video.yaml").write_text(text)
    words = ["--root", str(checkout.root), "import", str(tmp_path / "wan2.5-text-to-video.yaml")]
    done = CliRunner().invoke(spec, words)
    assert done.exit_code == 0, done.output
    assert f"the server {before} is gone" in done.output
    assert f"its server is {OTHER}, and the default is {before}" in done.output
    assert "WF107" not in done.output


def test_settings_have_one_url_or_nothing(checkout: Checkout):
    """Any other key, and an invalid URL, is rejected with the file's name."""
    assert build(checkout).document["servers"][0]["url"]
    for text in ("server: https://x.example\n", "default-server: x.example\n", "- a\n"):
        checkout.settings.write_text(text)
        with pytest.raises(InvalidDocument, match=r"^specs/settings\.yaml"):
            build(checkout)
    checkout.settings.unlink()
    assert Catalog(build(checkout).document).default_server is None
