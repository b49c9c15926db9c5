# `make` alone lists the targets. Each target sets up .venv first. Running one twice changes nothing.
PY := .venv/bin/python
# Twice as many processes as cores, of two: tests also wait, for disks, processes and the clock; three
# processes left the cores idle for 30% of the time. A test that hangs is ended after 600 s, and fails by its name.
WORKERS := -n 4 --dist worksteal --timeout 600
IN_SECONDS := "not slow and not postgres and not builds and not processes and not clients"
# Values given by the user are never expanded by make; recipes get them by the environment only.
GIVEN := BASE_URL API_KEY API_KEY2 SPEND_LIMIT SECONDS SEED SEEDS JOBS ROUNDS ARGS UPGRADE PYTHON TAG INPUTS
$(foreach name,$(GIVEN),$(eval override $(name) := $$(value $(name))))
export $(GIVEN)
# How many targets are made beside each other; a make that is called by another shares its number.
jobs = $(if $(findstring jobserver,$(MAKEFLAGS)),,--jobs=$(1))
LOCKED = --quiet --universal --generate-hashes --custom-compile-command "make lock" $${UPGRADE:+--upgrade}
# The last is the one that `wanflow spec init` writes for others.
FLOWS := $(wildcard .github/workflows/*.yml .github/workflows/*.yaml) wrapper/wanflow/spec/templates/specs.yml
# Compiled modules are kept (git ignores them): each test process would compile everything again.
unexport PYTHONDONTWRITEBYTECODE
.DEFAULT_GOAL := help
.PHONY: help set-up demo test tests checked build-test spec-test mock-test suite-test process-test client-test queue-test queue-crash test-times slow httpx check lint mypy pyright imports surface workflows docs interop image-test specs generate regenerate watch drift contract mutants clean-seeds crash soak fuzz mock bench build release-check lock platforms clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

set-up: ## make .venv from requirements.lock (every other target does so by itself)
	@.ci/setup

demo: set-up ## generate with every model against the bundled mock; files land in out/
	@$(PY) -m wanflow demo

# Beside each other, so that one computes while the other waits; the output of check comes in one piece.
test: set-up ## check and tests, beside each other: what CI runs
	@$(MAKE) --no-print-directory $(call jobs,3) checked tests

tests: set-up ## the tests alone
	@MAKEFLAGS= $(PY) -m pytest $(WORKERS) -m $(IN_SECONDS) --ignore wrapper/tests/spec --ignore wrapper/tests/mock \
	    --ignore contract_tests/self_tests

checked: set-up ## check, whose output comes once it ends
	@said=$$($(MAKE) --no-print-directory check 2>&1); code=$$?; printf '%s\n' "$$said"; exit $$code

build-test: set-up ## the tests that build packages and environments, or generate clients
	@$(PY) -m pytest $(WORKERS) -m "builds and not slow" $(addprefix wrapper/tests/,packaging generated spec)

spec-test: set-up ## the tests of the spec pipeline: import, merge, proofs, differences, watch
	@$(PY) -m pytest $(WORKERS) -m $(IN_SECONDS) wrapper/tests/spec

mock-test: set-up ## the tests of the mock server: HTTP, tasks, faults, its files and its page
	@$(PY) -m pytest $(WORKERS) -m $(IN_SECONDS) wrapper/tests/mock

suite-test: set-up ## the tests of the contract suite itself: its checks, plan, reports and mutants
	@$(PY) -m pytest $(WORKERS) -m $(IN_SECONDS) contract_tests/self_tests

process-test: set-up ## the tests that start programs: commands, servers, interrupts, crashes
	@$(PY) -m pytest $(WORKERS) -m "processes and not builds and not slow and not postgres"

client-test: set-up ## the tests of sync and async clients, with the half that `make test` leaves out
	@$(PY) -m pytest $(WORKERS) -m "clients and not builds and not processes and not slow and not postgres" wrapper/tests

queue-test: set-up ## the tests of ledgers and queues in PostgreSQL, which .ci/postgres installs
	@$(PY) -m pytest $(WORKERS) -m "postgres and not slow" wrapper/tests -rs

queue-crash: set-up ## kill, stall and restart workers and PostgreSQL: JOBS= SEED=
	@WANFLOW_QUEUE_JOBS="$${JOBS:-2000}" WANFLOW_QUEUE_SEED="$${SEED:-0}" $(PY) -m pytest -s wrapper/tests/queue_crash

test-times: set-up ## the tests, and which of them take the most CPU time
	@$(PY) .ci/with-args $(PY) -m pytest $(WORKERS) -m "not slow and not postgres" -q -p benchmarks.cpu_by_test

slow: set-up ## the tests and examples that `make test` leaves out (the suite: make contract)
	@$(PY) -m pytest $(WORKERS) -m "slow and not postgres" wrapper/tests contract_tests/self_tests
	@WANFLOW_ALL_EXAMPLES=1 $(PY) -m pytest $(WORKERS) -m "hypothesis and not slow and not postgres" wrapper/tests
	@WANFLOW_ALL_EXAMPLES=1 $(PY) -m pytest $(WORKERS) -m "not slow and not postgres" \
		wrapper/tests/ledger/test_interrupts.py wrapper/tests/crash/test_interrupts.py

httpx: export WANFLOW_HTTP_LIBRARY := httpx
httpx: set-up ## the tests of HTTP over httpx; `make test` runs them over its successor, httpx2
	@$(PY) -m pytest $(WORKERS) -m "not slow and not postgres" $(addprefix wrapper/tests/,client core transport)

check: set-up ## formatting, lint, types, imports, drift, public names, workflows, docs
	@$(MAKE) --no-print-directory $(call jobs,2) pyright mypy docs drift imports lint surface workflows

lint: set-up ## formatting and lint, by ruff; words that the project doesn't use, by .ci/words
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) .ci/words

mypy: set-up ## types, by mypy
	@$(PY) -m mypy

pyright: set-up ## types, by pyright
	@$(PY) -m pyright

platforms: set-up ## types as on Windows and macOS, by both, in caches of their own
	@for system in win32 darwin; do $(PY) -m mypy --platform $$system --cache-dir build/mypy-$$system || exit; done
	@for system in Windows Darwin; do $(PY) -m pyright --pythonplatform $$system || exit; done

imports: set-up ## import directions
	@.venv/bin/lint-imports --no-logo --no-cache

surface: set-up ## what users import against the last tag, and the version that a change asks for
	@$(PY) -m tests.packaging.surface

# Without programs that only some machines have, so that all find the same.
workflows: set-up ## the workflows of CI: syntax by actionlint, what an attacker could use by zizmor
	@.venv/bin/actionlint -shellcheck= -pyflakes= $(FLOWS)
	@.venv/bin/zizmor --offline --quiet --persona pedantic . $(lastword $(FLOWS))

docs: set-up ## the documentation as a site, checked, in build/site
	@$(PY) -m docs_build

interop: set-up ## other people's generators on the merged spec, against the mock (Node, Java)
	@$(PY) -m pytest wrapper/tests/interop -rs $(ARGS)

image-test: set-up ## build the image of the mock, and test it (Docker, or Podman as root)
	@.ci/podman
	@$(PY) -m pytest wrapper/tests/container -m slow --timeout 1800

specs: set-up ## merge specs/sources into specs/openapi.yaml, with its proofs
	@$(PY) -m wanflow spec build

generate: set-up ## write generated/wanflow_client, and the sync client from the async one
	@$(PY) -m wanflow spec generate
	@$(PY) .ci/make_sync_client.py

regenerate: set-up ## after a source spec was added or changed: specs, generate, and a report
	@$(PY) -m wanflow spec regenerate

watch: set-up ## fetch every source that came from a URL again; import what changed
	@$(PY) -m wanflow spec watch $(ARGS)

drift: set-up ## fail if a committed output differs from what would be generated
	@$(PY) -m wanflow spec drift
	@$(PY) .ci/make_sync_client.py --check

# The suite has its own variable names, so that another program's BASE_URL has no effect on it.
contract: export WANFLOW_CONTRACT_BASE_URL := $(BASE_URL)
contract: export WANFLOW_CONTRACT_API_KEY := $(API_KEY)
contract: export WANFLOW_CONTRACT_API_KEY2 := $(API_KEY2)
contract: export WANFLOW_CONTRACT_SPEND_LIMIT := $(SPEND_LIMIT)
contract: export WANFLOW_CONTRACT_SEED := $(SEED)
contract: set-up ## contract checks: the mock, or BASE_URL= API_KEY= [API_KEY2= SPEND_LIMIT= SEED=]
	@$(PY) .ci/with-args $(PY) -m wanflow contract --report contract-report --

mutants: set-up ## the checks against each mutant; writes mutation/mutants.md
	@$(PY) .ci/with-args env PYTHONPATH=contract_tests $(PY) -m self_tests.mutation --baseline 4 \
	    --seeds "$${SEEDS:-10}" --jobs "$${JOBS:-2}"

clean-seeds: set-up ## the checks against the correct mock; writes mutation/false_positives.md
	@$(PY) .ci/with-args env PYTHONPATH=contract_tests $(PY) -m self_tests.mutation.false_positives --seeds "$${SEEDS:-20}"

crash: set-up ## kill, interrupt or cancel at every point and at random, then check the ledger
	@WANFLOW_CRASH_ROUNDS="$${ROUNDS:-200}" $(PY) -m pytest wrapper/tests/crash

fuzz: set-up ## a million inputs for each reader of foreign bytes: INPUTS= SECONDS= ARGS=
	@$(PY) .ci/with-args $(PY) -m tests.fuzz

soak: export WANFLOW_SOAK_SECONDS := $(or $(SECONDS),300)
soak: export WANFLOW_SOAK_SEED := $(SEED)
soak: set-up ## five minutes of threads, forks, faults and cancels: SECONDS= SEED=
	@$(PY) -m pytest wrapper/tests/soak -s

mock: set-up ## serve the mock; ARGS="--port 8080" and the like are passed on
	@$(PY) .ci/with-args .venv/bin/wanflow mock

bench: set-up ## measure what benchmarks/ measures
	@$(PY) -m benchmarks

build: set-up ## sdist and wheel, into dist/
	@$(PY) -m build --no-isolation

release-check: set-up ## a release without its upload: dist/, release/; TAG=v1.2.3 must then agree
	@$(PY) .ci/release check $${TAG:+"$$TAG"}

lock: set-up ## both locks, from pyproject.toml; UPGRADE=--upgrade takes newer versions
	@.venv/bin/uv pip compile $(LOCKED) pyproject.toml --extra dev --group docs --output-file requirements.lock
	@.venv/bin/uv pip compile $(LOCKED) --group release --output-file .ci/release/requirements.lock

clean: ## remove .venv, caches and build output; out/ has paid files, and stays
	@rm -rf .venv dist release build .mypy_cache .ruff_cache .pytest_cache .hypothesis .schemathesis
