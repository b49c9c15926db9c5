"""The tutorial and the how-tos do what they say, command by command."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
import yaml

from tests.any_model import model_name
from tests.docs.pages import ROOT, blocks, commands, files, page, parse, run, words
from wanflow import Client, Ledger, SubmitUncertain
from wanflow.cli.main import COMMANDS
from wanflow.mock import MockServer
from wanflow.spec.overlay.overlay import parse_overlay
from wanflow.spec.read.yaml import read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

MODEL = model_name("image")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[MockServer]:
    """A mock that the commands find in the environment; they run in an empty directory."""
    monkeypatch.chdir(tmp_path)
    with MockServer(polls=0) as mock:
        monkeypatch.setenv("WANFLOW_API_KEY", mock.api_key)
        monkeypatch.setenv("WANFLOW_BASE_URL", mock.base_url)
        monkeypatch.setenv("WANFLOW_LEDGER", str(tmp_path / "commands.db"))
        yield mock


def functions(code: str) -> dict[str, Any]:
    """Run a block as an imported module, and return its names."""
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(code, "a page", "exec"), names)
    return names


def submitted(server: MockServer) -> int:
    """How many submissions the mock has accepted."""
    return server.accounts.for_key(server.api_key).submitted


class TestTutorial:
    """From nothing to a picture, a mistake and a failure."""

    TEXT = page("tutorial.md")

    def test_its_commands_do_what_they_say(self, server: MockServer) -> None:
        """In the order of the page; those of the mock and of the gateway are left to the reader."""
        lines = [one for one in commands(self.TEXT) if one.split()[1] != "mock"]
        assert len(lines) == 5
        for line in lines:
            run(line)
        assert len(list(Path("out").glob("*.png"))) == 2

    def test_its_program_saves_a_file(self, server: MockServer) -> None:
        """And prints its path."""
        (code,) = blocks(self.TEXT, "python")
        exec(compile(code, "tutorial.md", "exec"), {})
        assert len(list(Path("out").iterdir())) == 1


class TestManyJobs:
    """Each job is paid once, and the limit holds."""

    TEXT = page("many-jobs.md")

    def test_its_commands_pay_each_job_once(self, server: MockServer) -> None:
        """The second run of the same command sends nothing."""
        for name, text in files(self.TEXT).items():
            Path(name).write_text(text)
        first, again, table = commands(self.TEXT)
        run(first)
        saved = {path.name for path in Path("out").iterdir()}
        assert saved >= {"fox.png", "owl.png", "hare.png", "report.json", "index.html"}
        assert submitted(server) == 3
        run(again)
        assert submitted(server) == 3
        run(table)
        assert {path.stem for path in Path("animals").glob("*.png")} == {"fox-forest", "owl-barn"}

    def test_a_limit_that_is_reached_ends_with_the_code_of_the_table(
        self, server: MockServer
    ) -> None:
        """15; a higher limit goes on, and counts what was spent before."""
        Path("jobs.jsonl").write_text(files(self.TEXT)["jobs.jsonl"])
        line = commands(self.TEXT)[0]
        run(f"{line.replace('200', '4')}  # exit code 15")
        assert submitted(server) == 1
        run(line)
        assert submitted(server) == 3

    def test_its_program_can_be_run_again(self, server: MockServer) -> None:
        """The second run pays nothing."""
        pictures = functions(blocks(self.TEXT, "python")[0])["pictures"]
        for _ in range(2):
            with Ledger("jobs.db") as ledger, Client(ledger=ledger) as client:
                pictures(client)
        assert submitted(server) == 3
        assert Path("pictures/fox.png").exists()


class TestResume:
    """What a process left is finished by the next one."""

    TEXT = page("resume.md")

    def test_its_commands_finish_what_was_left(self, server: MockServer) -> None:
        """The list shows the task; resuming saves its file and submits nothing."""
        listed, resumed, waited = commands(self.TEXT)
        task = run(f"wanflow submit {MODEL} --prompt Lake").split()[-1]
        assert task in run(listed)
        run(resumed)
        assert [path.stem for path in Path("out").iterdir()] == [task]
        run(re.sub(r"task-unified-\S+", task, waited))
        assert submitted(server) == 1

    def test_its_function_finishes_what_was_left(self, server: MockServer) -> None:
        """In another process, as it were: with another client and ledger."""
        with Ledger("jobs.db") as ledger, Client(ledger=ledger) as client:
            client.submit({"model": MODEL, "prompt": "A lake"})
        resume = functions(blocks(self.TEXT, "python")[0])["resume"]
        with Ledger("jobs.db") as ledger, Client(ledger=ledger) as client:
            assert resume(client) is True
        assert len(list(Path("out").iterdir())) == 1

    def test_every_state_of_the_ledger_is_explained(self) -> None:
        """The tables of this page and of the glossary have each, and no other."""
        from wanflow.ledger.job import JobState

        for text in (self.TEXT, page("glossary.md")):
            rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", text, re.MULTILINE)
            named = set(re.findall(r"`(\w+)`", " ".join(rows)))
            assert named == {state.value for state in JobState}


class TestUncertain:
    """The steps for an uncertain job work."""

    TEXT = page("errors/SubmitUncertain.md")

    @pytest.fixture
    def uncertain(self, server: MockServer) -> SubmitUncertain:
        """A submission that the mock accepted, and whose response was lost."""
        prompt = "A lake [mock:fault=lost-response]"
        with (
            Ledger("commands.db") as ledger,
            Client(ledger=ledger) as client,
            pytest.raises(SubmitUncertain) as caught,
        ):
            client.submit({"model": MODEL, "prompt": prompt})
        return caught.value

    def test_the_job_is_found(self, uncertain: SubmitUncertain) -> None:
        """With its idempotency key."""
        listed, shown = commands(self.TEXT)
        number = run(listed).splitlines()[1].split()[0]
        assert uncertain.idempotency_key is not None
        assert uncertain.idempotency_key in run(shown.replace("NUMBER", number))

    def test_every_command_of_the_decisions_works(self, uncertain: SubmitUncertain) -> None:
        """Those in the table: discard it, after which none is uncertain."""
        named = re.findall(r"`(wanflow [^`]+)`", self.TEXT)
        assert any(one.startswith("wanflow ledger resume --resubmit-uncertain") for one in named)
        discard = next(one for one in named if "discard" in one)
        run(discard.replace("NUMBER", "1"))
        assert "lake" not in run("wanflow ledger list --state uncertain")

    def test_the_trial_on_the_mock_pays_once(self, server: MockServer) -> None:
        """The rule loses one response; the list has the task, and resuming saves its file."""
        text = page("uncertain.md")
        rule = re.findall(r"-d '([^']+)' \S+/_mock/faults$", text, re.MULTILINE)
        lost, resumed = commands(text)
        headers = {"Authorization": f"Bearer {server.api_key}"}
        with httpx2.Client(base_url=server.url, headers=headers) as admin:
            admin.post("/_mock/faults", json=json.loads(rule[0])).raise_for_status()
            run(lost)
            (task,) = admin.get("/_mock/tasks").json()["tasks"]
        run(resumed)
        assert [path.stem for path in Path("out").iterdir()] == [task["id"]]
        assert submitted(server) == 1


class TestUncertainSteps:
    """Each way of the page ends in a settled state, for a single job and for one of a batch."""

    SINGLE, BATCH, _ = (
        [block.splitlines() for block in blocks(part, "sh")]
        for part in page("uncertain-steps.md").split("\n## A job of a ", 2)
    )
    WAYS = ((1, "saved", 1), (2, "saved", 2), (3, "discarded", 1))

    @pytest.fixture
    def server(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[MockServer]:
        """A mock that charges twice for what is sent twice, and loses the first response."""
        monkeypatch.chdir(tmp_path)
        with MockServer(polls=0, idempotency=False) as mock:
            mock.faults.add("lost-response", count=1)
            monkeypatch.setenv("WANFLOW_API_KEY", mock.api_key)
            monkeypatch.setenv("WANFLOW_BASE_URL", mock.base_url)
            monkeypatch.setenv("WANFLOW_LEDGER", str(tmp_path / "commands.db"))
            yield mock

    def run_steps(self, server: MockServer, lines: list[str]) -> None:
        """Run commands, with the task of the mock in place of the page's."""
        (task,) = [one.id for one in server.gateway.tasks][:1]
        for line in lines:
            run(re.sub(r"task-unified-\S+", task, line.partition("#")[0]))

    @pytest.mark.parametrize(("way", "state", "sent"), WAYS)
    def test_a_single_job(self, server: MockServer, way: int, state: str, sent: int) -> None:
        """It is sent again only where the page says so."""
        run(f"wanflow run {MODEL} --prompt Lake -o out/  # exit code 10")
        self.run_steps(server, [*self.SINGLE[0], *self.SINGLE[way]])
        self.check(server, state, sent)

    @pytest.mark.parametrize(("way", "state", "sent"), WAYS)
    def test_a_job_of_a_batch(self, server: MockServer, way: int, state: str, sent: int) -> None:
        """The batch ends with 0, and once more the next time, which sends nothing."""
        Path("jobs.jsonl").write_text(json.dumps({"model": MODEL, "prompt": "Lake"}))
        again = "wanflow batch jobs.jsonl -o out/"
        run(f"{again}  # exit code 15")
        self.run_steps(server, [*self.BATCH[0], *self.BATCH[way], again])
        self.check(server, state, sent)

    def test_a_discarded_job_whose_price_nobody_knows(
        self, server: MockServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A batch with a limit stops, says how to go on, and goes on as it and the page say."""
        lines = [json.dumps({"model": MODEL, "prompt": prompt}) for prompt in ("Lake", "Fox")]
        Path("jobs.jsonl").write_text("\n".join(lines))
        Path("rest.jsonl").write_text(lines[1])
        limited = "wanflow batch jobs.jsonl -o out/ --max-credits 50"
        monkeypatch.setattr(sys, "argv", limited.split())
        said = run(f"{limited}  # exit code 15").splitlines()
        assert said[-2:] == [
            "to settle what is uncertain, see:",
            "  wanflow ledger list --state uncertain",
        ]
        run("wanflow ledger discard 1")
        said = run(f"{limited}  # exit code 15").splitlines()
        assert "was discarded" in said[-4]
        assert said[-2:] == ["to resume without a limit:", "  wanflow batch jobs.jsonl -o out/"]
        run(limited.replace("jobs.jsonl -o out/", "rest.jsonl -o rest/"))
        run(said[-1].strip())
        assert submitted(server) == 3

    def check(self, server: MockServer, state: str, sent: int) -> None:
        """Compare the state of the job, and what was sent."""
        with Ledger("commands.db") as ledger:
            assert [str(job.state) for job in ledger.jobs()] == [state]
        assert submitted(server) == sent


class TestCallbacks:
    """The trial on one machine changes the example as the page says."""

    @pytest.mark.processes
    def test_the_changes_for_the_trial_apply(self, tmp_path: Path) -> None:
        """To the first program of the page, which still compiles then."""
        text = page("callbacks.md")
        (tmp_path / "app.py").write_text(blocks(text, "python")[0])
        (tmp_path / "local.diff").write_text(blocks(text, "diff")[0])
        for line in re.findall(r"`(git apply [^`]+)`", text):
            subprocess.run(line.split(), cwd=tmp_path, check=True)
            changed = (tmp_path / "app.py").read_text()
            compile(changed, "app.py", "exec")
            local = "-R" not in line
            parts = ('"http://127.0.0.1:8000/callbacks"', "allow_local=True", "validate=False")
            assert [part in changed for part in parts] == [local] * 3


class TestMockInTests:
    """The examples of tests pass as tests."""

    TEXT = page("mock-in-tests.md")

    @pytest.mark.slow  # it starts a pytest of its own; another test does so for the README
    def test_the_examples_for_pytest_pass(self, tmp_path: Path) -> None:
        """As they are shown."""
        (tmp_path / "test_example.py").write_text(blocks(self.TEXT, "python")[0])
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", tmp_path],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "4 passed" in done.stdout, done.stdout + done.stderr

    def test_the_example_without_pytest_runs(self, capsys: pytest.CaptureFixture[str]) -> None:
        """The task ends when the clock is advanced."""
        exec(compile(blocks(self.TEXT, "python")[1], "mock-in-tests.md", "exec"), {})
        before, after, requests = capsys.readouterr().out.splitlines()
        assert (before, after) != ("completed", "completed")
        assert after == "completed"
        assert requests == "[200, 200, 200]"

    def test_the_table_of_failures_is_true(self) -> None:
        """Each directive and each option is one of the mock's."""
        from wanflow.mock.gateway.directives import parse_directives

        rows = re.findall(r"^\| [^|]+ \| (.*`.*) \|$", self.TEXT, re.MULTILINE)
        assert len(rows) == 9
        for directive in re.findall(r"`(\[mock:[^`]+)`", "\n".join(rows)):
            parse_directives({"prompt": directive})
        for options in re.findall(r"`MockServer\(([^`]+)\)`", "\n".join(rows)):
            exec(f"from wanflow.mock import MockServer\nMockServer({options})", {})
        with MockServer() as mock:
            for call in re.findall(r"`(mock\.faults\.add[^`]+)`", "\n".join(rows)):
                exec(call, {"mock": mock})

    def test_the_compose_file_is_part_of_the_one_that_is_tested(self) -> None:
        """What it says of the mock is in container/compose.yaml, too."""
        shown = yaml.safe_load(blocks(self.TEXT, "yaml")[0])["services"]
        real = yaml.safe_load((ROOT / "container/compose.yaml").read_text())["services"]
        assert shown["mock"].items() <= real["mock"].items()
        assert shown["application"]["environment"] == real["application"]["environment"]
        assert shown["application"]["depends_on"] == real["application"]["depends_on"]


class TestContractInCi:
    """Each CI gets a valid file, whose commands exist."""

    TEXT = page("contract-ci.md")
    GITLAB, _, STEPS = map(yaml.safe_load, blocks(TEXT, "yaml"))

    def test_every_command_of_every_file_exists(self) -> None:
        """With its options; each keeps a report, also when the run fails."""
        shell = [*self.GITLAB["contract"]["script"]]
        shell += [step["run"] for step in self.STEPS["jobs"]["contract"]["steps"] if "run" in step]
        shell += re.findall(r"sh '(?:venv/bin/)?(wanflow [^']+)'", self.TEXT)
        lines = [line for line in shell if line.startswith("wanflow ")]
        assert len(lines) == 3
        for line in lines:
            command, *arguments = words(line.replace("$SPEND_LIMIT", "5"))
            parse(COMMANDS[command].load(), command, arguments)
            assert arguments[-2:] == ["--report", "contract-report"]
        artifacts = self.GITLAB["contract"]["artifacts"]
        assert artifacts["when"] == "always"
        assert artifacts["reports"]["junit"] == "contract-report/junit.xml"

    def test_no_file_has_a_key_or_puts_one_on_a_command_line(self) -> None:
        """It comes from the secrets of the CI, by the environment."""
        assert "--api-key" not in self.TEXT
        assert 'export WANFLOW_API_KEY="$GATEWAY_KEY"' in self.GITLAB["contract"]["script"]

    def test_its_actions_are_those_that_our_workflows_use(self) -> None:
        """Pinned by the same commits."""
        flow = (ROOT / ".github/workflows/contract.yml").read_text()
        used = [one["uses"] for one in self.STEPS["jobs"]["contract"]["steps"] if "uses" in one]
        assert used
        assert [one for one in used if one not in flow] == []

    def steps(self, system: str) -> list[tuple[str, dict[str, str]]]:
        """The commands of a system's file in their order, each with its environment."""
        if system == "GitLab":
            job = self.GITLAB["contract"]
            script = "\n".join([*job["before_script"], *job["script"]])  # one shell
            return [(script, job["variables"])]
        if system == "GitHub":
            found = self.STEPS["jobs"]["contract"]["steps"]
            return [(one["run"], one.get("env", {})) for one in found if "run" in one]
        (code,) = blocks(self.TEXT, "groovy")
        assert "WANFLOW_API_KEY = credentials('gateway-key')" in code
        given = {"WANFLOW_API_KEY": "${{ secrets.GATEWAY_KEY }}"}
        return [(one, given) for one in re.findall(r"^ *sh '(.*?)'(?: *//.*)?$", code, re.M)]

    @pytest.mark.slow  # it runs the suite's process, for one check
    @pytest.mark.parametrize("system", ["GitLab", "GitHub", "Jenkins"])
    def test_the_steps_of_each_system_leave_their_reports(
        self, server: MockServer, system: str
    ) -> None:
        """Run by a shell as the system does, with one check; only the installation is left out."""
        Path("contract-report").mkdir()
        (Path("contract-report") / "of-an-earlier-build").touch()
        install = re.compile(
            r"^(python -m venv venv && venv/bin/)?pip install .wanflow\[contract\].$"
        )
        installed = 0
        for script, given in self.steps(system):
            installed += sum(bool(install.match(line)) for line in script.splitlines())
            shell = "\n".join(line for line in script.splitlines() if not install.match(line))
            shell = shell.replace("venv/bin/wanflow", "wanflow")
            shell = shell.replace("https://staging.example.com/apiv1", server.base_url)
            tested = f"{shell} --only broken-http" if "wanflow contract" in shell else shell
            assert self.run_step(tested, server, given) == 0
        assert installed == 1
        left = {one.name for one in Path("contract-report").iterdir()}
        assert {"junit.xml", "report.html"} <= left
        assert ("of-an-earlier-build" in left) == (system != "Jenkins")

    def run_step(self, shell: str, server: MockServer, given: dict[str, str]) -> int:
        """Run a step with the environment that the file gives it, and the key as a secret."""
        secret = "${{ secrets.GATEWAY_KEY }}"
        own = {name: value.replace(secret, server.api_key) for name, value in given.items()}
        own |= {"BASE_URL": server.base_url, "GATEWAY_KEY": server.api_key}
        kept = {name: value for name, value in os.environ.items() if name[:8] != "WANFLOW_"}
        kept["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        command = ["bash", "-e", "-c", shell]
        return subprocess.run(command, env=kept | own, check=False).returncode


class TestNewDocument:
    """A changed document is imported, reported and generated from."""

    TEXT = page("new-document.md")

    @pytest.mark.slow  # it generates the client
    def test_its_commands_take_a_changed_document(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """In a directory of one's own."""
        monkeypatch.chdir(tmp_path)
        run("wanflow spec init models --server https://gateway.example.com/apiv1")
        monkeypatch.chdir(tmp_path / "models")
        check, take, regenerate, _ = commands(self.TEXT)
        source = next(
            text
            for path in sorted((ROOT / "specs/sources").glob("*.yaml"))
            if "maxLength: 2000" in (text := path.read_text())
        )
        Path("video.yaml").write_text(source)
        for line in (check, take, regenerate):
            run(line)
        Path("newer.yaml").write_text(source.replace("maxLength: 2000", "maxLength: 1000", 1))
        shown = run(take.replace("video.yaml", "newer.yaml"))
        assert "WF114" in shown
        assert "WF114" in run("wanflow spec regenerate")
        assert len(list(Path("specs/sources").glob("*.yaml"))) == 2

    def test_its_exit_codes_are_those_of_the_pipeline(self) -> None:
        """Each code of the table is one of the code's own."""
        from wanflow.spec.errors import EXIT_CODES

        codes = re.findall(r"^\| (\d) \|", self.TEXT, re.MULTILINE)
        assert len(codes) == 7
        assert {int(code) for code in codes} <= {code for code, _ in EXIT_CODES}

    def test_the_head_of_an_overlay_takes_an_action(self) -> None:
        """And the whole file of the other page is valid, too."""
        head = blocks(self.TEXT, "yaml")[0]
        whole = next(
            one
            for one in blocks((ROOT / "specs/README.md").read_text(), "yaml")
            if one.startswith("overlay:")
        )
        action = whole[whole.index("  - target:") :]
        for text in (head + action, whole):
            overlay = parse_overlay(read_yaml(text, "10-a.yaml").data, "10-a.yaml")
            assert len(overlay.actions) == 1


class TestDocumentsOfYourOwn:
    """The sample can be imported, and its model is there."""

    TEXT = page("documents.md")

    @pytest.fixture
    def sample(self, tmp_path: Path) -> Path:
        """The file of the page."""
        path = tmp_path / "nova.yaml"
        path.write_text(blocks(self.TEXT, "yaml")[0])
        return path

    def test_the_sample_is_valid(self, sample: Path) -> None:
        """And each part that the page says it must have is needed."""
        assert "no warnings" in run(f"wanflow spec check {sample}")
        assert '"the operation has no security of its own"' in self.TEXT
        sample.write_text(sample.read_text().replace("security: [{bearerAuth: []}]\n", ""))
        shown = run(f"wanflow spec check {sample}  # exit code 7")
        assert re.search("WF504 .*the operation has no security of its own; add `security:`", shown)

    def test_a_refused_import_names_the_document_and_no_line_of_another(
        self, sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The merged spec isn't written then."""
        monkeypatch.chdir(tmp_path)
        run("wanflow spec init models --server https://gateway.example.com/apiv1")
        monkeypatch.chdir(tmp_path / "models")
        sample.write_text(sample.read_text().replace("security: [{bearerAuth: []}]\n", ""))
        shown = run(f"wanflow spec import {sample}  # exit code 7")
        assert "nova.yaml" in shown
        assert "openapi.yaml" not in shown

    @pytest.mark.slow  # it generates the client
    def test_its_model_can_be_used(
        self, sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """After the commands of the page, in a process that has its directory."""
        monkeypatch.chdir(tmp_path)
        init, take, regenerate, listed, _, paid = commands(self.TEXT)[:6]
        run(init)
        monkeypatch.chdir(tmp_path / "models")
        run(take.replace("~/received/*.yaml", str(sample)))
        run(regenerate)
        document = read_yaml(Path("specs/openapi.yaml").read_text(), "openapi.yaml").data
        with MockServer(polls=0, document=document) as mock:
            environment = {
                **os.environ,
                "WANFLOW_PROJECT": str(Path.cwd()),
                "WANFLOW_BASE_URL": mock.base_url,
                "WANFLOW_API_KEY": mock.api_key,
                "WANFLOW_LEDGER": str(tmp_path / "jobs.db"),
            }
            for line in (listed, paid):
                subprocess.run(
                    [sys.executable, "-m", "wanflow", *words(line)], env=environment, check=True
                )
        assert list(Path("out").iterdir())


def test_the_table_of_variables_has_each_that_is_read() -> None:
    """And no other. What ends with an underscore is the beginning of several names."""
    code = [*(ROOT / "wrapper/wanflow").rglob("*.py")]
    code += (ROOT / "contract_tests/wanflow_contract").rglob("*.py")
    read = {
        name
        for path in code
        for name in re.findall(r"\b_?WANFLOW_[A-Z0-9_]*[A-Z0-9]\b(?!_)", path.read_text("utf-8"))
    }
    named = re.findall(r"^\| `(\w+)` \|", page("variables.md"), re.MULTILINE)
    assert len(named) == len(set(named))
    assert set(named) == read


def test_the_functions_of_the_migration_notes_run(server: MockServer) -> None:
    """Those after "After"."""
    text = page("migrate.md")
    after = [functions(code) for code in blocks(text, "python") if "import Client" in code]
    with Client() as client:
        assert after[0]["picture"](client, "A lake").startswith(b"\x89PNG")
        after[-1]["lakes"](client)
    assert {path.stem for path in Path("lakes").iterdir()} == {"lake-1", "lake-2"}


def test_the_whole_script_of_the_migration_notes_runs_twice(server: MockServer) -> None:
    """The second run saves what the first one left, and then generates another."""
    (script,) = [code for code in blocks(page("migrate.md"), "python") if "Ledger" in code]
    assert "resume_all" in script
    for _ in range(2):
        exec(script, {})
    assert len(list(Path("out").glob("*.png"))) == 2
    with Ledger("jobs.db") as ledger:
        jobs = [ledger.find(number) for number in (1, 2)]
        assert [job and job.state for job in jobs] == ["saved", "saved"]
