# The two commands: make demo, make test. Both set up .venv from the pinned lock when it is not there.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help setup lock demo run ui test lint bench crema-d clean
help: ## Show these commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(VENV)/.ready ## Create .venv from requirements.lock

# pip installs torch first, because pip can be pointed at a CPU build. The lock is complete, so nothing is resolved again.
$(VENV)/.ready: requirements.lock pyproject.toml | $(BIN)/uv
	@echo "Installing the packages of requirements.lock; about four minutes on two cores"
	$(BIN)/pip install --quiet "$$(grep '^torch==' requirements.lock)"
	$(BIN)/uv pip install --python $(BIN)/python --quiet --no-deps --compile-bytecode -r requirements.lock
	$(BIN)/uv pip install --python $(BIN)/python --quiet --no-deps --no-build-isolation -e .
	touch $@

$(BIN)/uv:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet "$$(grep '^uv==' requirements.lock)"

# Versions change only where pyproject.toml or UPGRADE asks for it: make lock UPGRADE="-P polars", or UPGRADE=--upgrade.
lock: | $(BIN)/uv ## Update requirements.lock from pyproject.toml
	$(BIN)/uv pip compile pyproject.toml --quiet --python-version 3.11 --python-platform x86_64-manylinux_2_28 \
		--extra cpu --extra quantise --extra ray --extra postgres --extra export --extra raters --extra dev \
		--no-annotate --custom-compile-command "make lock" $(UPGRADE) --output-file requirements.lock

demo: setup ## From nothing to a report, on a corpus made here, in about five minutes
	$(BIN)/ambivox run

ui: setup ## The Prefect UI over this project's runs
	$(BIN)/ambivox ui

lint: setup ## Format, lint, types, import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Flows wait for servers most of the time, so they are tested beside all the rest.
test: lint ## The whole test suite
	@echo "Testing flows beside the rest; what it says of them comes last"
	@$(BIN)/python -m pytest tests/flows >.flows.log 2>&1 & flows=$$!; \
	$(BIN)/python -m pytest --ignore tests/flows; rest=$$?; \
	wait $$flows; failed=$$?; cat .flows.log; exit $$((rest + failed))

bench: setup ## Side-by-side measurements
	for file in benchmarks/*.py; do $(BIN)/python -m benchmarks.$$(basename $$file .py) || exit 1; done

CREMA_D ?= ../shared/crema-d
crema-d: setup ## The main job on CREMA-D (CREMA_D=folder), the sparse-vote trial, and what planned labelling saves
	$(BIN)/ambivox run --corpus crema_d --root $(CREMA_D)
	cat data/crema_d/trial/trial.md
	$(BIN)/ambivox plan-labels --utterances data/crema_d/ingest/utterances.parquet --votes data/crema_d/ingest/votes.parquet \
		--heldout data/crema_d/ingest/heldout.parquet --annotations data/crema_d/annotations/annotations.parquet \
		--budget 1000 --out data/crema_d/plan

clean: ## Remove what runs left behind, not .venv
	rm -rf .ambivox .pytest_cache .mypy_cache .ruff_cache
