# The two commands: make demo, make test. Both set up .venv from the pinned lock when it is not there.
# PYTHON names the Python for it; without it, the first suitable one of PATH.
PYTHON ?=
VENV := .venv
BIN := $(VENV)/bin
SHELL := bash

ifeq ($(OS),Windows_NT)
$(error On Windows, Ambivox runs in WSL (https://learn.microsoft.com/windows/wsl/install); run the same command in a WSL terminal)
endif

.PHONY: help setup lock demo demo-pythons ui stages test lint docs notebooks bench bench-long two-hosts containers crash-matrix fuzz mistakes licences audit crema-d clean
help: ## Show these commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(VENV)/.ready ## Create .venv from requirements.lock, or install into an environment: VENV=FOLDER

$(VENV)/.ready: requirements.lock pyproject.toml
	@python=$$(PYTHON="$(PYTHON)" sh infra/preflight.sh "$(VENV)") && "$$python" infra/install.py "$(VENV)"
	@touch $@

$(BIN)/uv:
	@$(MAKE) --no-print-directory setup

# All extras but gpu, which has another vLLM in place of cpu's.
EXTRAS := cpu quantise ray postgres media export raters gemini dev

# Versions change only where pyproject.toml or UPGRADE asks for it: make lock UPGRADE="-P polars", or UPGRADE=--upgrade.
lock: | $(BIN)/uv ## Update requirements.lock from pyproject.toml
	$(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 \
		$(EXTRAS:%=--extra %) \
		--no-annotate --custom-compile-command "make lock" $(UPGRADE) --output-file requirements.lock

demo: setup ## From nothing to a report, on a corpus made here, in about five minutes
	$(BIN)/ambivox run

# Each Python of PYTHONS sets up and runs in a clone of its own below RUNS, one after the other; the figures stay there.
PYTHONS ?= python3.11 python3.12 python3.13 python3.14
RUNS ?= /tmp/ambivox-pythons
demo-pythons: ## make demo in a fresh clone with each Python of PYTHONS; their figures end in RUNS
	@bash infra/demo_pythons.sh "$(RUNS)" $(PYTHONS)

ui: setup ## The Prefect UI over this project's runs
	$(BIN)/ambivox ui

lint: setup ## Format, lint, types, import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

stages: setup ## Write the dependencies of each stage on code into dvc.yaml
	$(BIN)/python -m tests.support.stage_code

test: lint ## The whole test suite, the examples in docstrings, and the coverage of both
	@tests/run.sh $(BIN)

docs: setup ## The documentation as a site: build/site/index.html
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build # without --quiet, which hides warnings from strict mode, too

notebooks: setup ## Run the notebooks of examples/ and store their results
	$(BIN)/python infra/notebooks.py

# ROWS names some rows, SCALE multiplies their work: make bench ROWS="votes metrics" SCALE=10
ROWS ?=
SCALE ?= 1
bench: setup ## Side-by-side measurements: writes benchmarks/RESULTS.md
	$(BIN)/python -m benchmarks.run $(ROWS) --scale $(SCALE)

bench-long: setup ## Measurements that take long or need an engine: annotation, ingest, training, growth, capacity
	for file in annotation capacity capacity_simulation coverage features growth ingest listener shard_overhead training; do \
		$(BIN)/python -m benchmarks.$$file || exit 1; done

two-hosts: setup ## Annotation on two network namespaces whose link is cut and whose worker is killed; needs root
	$(BIN)/python -m benchmarks.two_hosts

containers: setup ## The services of infra/compose.yaml in containers built by buildah, and the demo in them; needs root
	$(BIN)/python -m benchmarks.containers

crash-matrix: setup ## Kill every step and command at random moments, 230 times; takes an hour or more
	$(BIN)/python -m tests.crashes

CASES ?= 100000
fuzz: setup ## CASES damaged and hostile inputs for every parser; takes hours
	$(BIN)/python -m tests.fuzzing --cases $(CASES)

mistakes: setup ## Wrong words, paths and contents for every command; takes an hour
	$(BIN)/python -m tests.mistakes

licences: setup ## The licence of every package of the lock
	$(BIN)/python -m tests.support.licences

audit: setup ## Known vulnerabilities of the packages of the lock, as PyPI's database of advisories names them
	$(BIN)/python -m tests.support.audit

CREMA_D ?= ../shared/crema-d
crema-d: setup ## The main job on CREMA-D (CREMA_D=folder), the sparse-vote trial, and what planned labelling saves
	$(BIN)/ambivox run --corpus crema_d --root $(CREMA_D)
	cat data/crema_d/trial/trial.md
	$(BIN)/ambivox plan-labels --utterances data/crema_d/ingest/utterances.parquet --votes data/crema_d/ingest/votes.parquet \
		--heldout data/crema_d/ingest/heldout.parquet --annotations data/crema_d/annotations/annotations.parquet \
		--budget 1000 --out data/crema_d/plan

clean: ## Remove caches and what runs left behind, but not .venv and data/
	rm -rf .ambivox .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage .coverage.* .tests.log build
