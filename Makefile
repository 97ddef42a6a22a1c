# Everything a fresh clone needs: `make test` is enough on a Debian with python3 (3.11 or later), git and make.

.DEFAULT_GOAL := help
SHELL := /bin/bash

PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3.14 python3,$(shell command -v $(name))))
BIN := .venv/bin
LOCK := uv pip compile pyproject.toml --universal --generate-hashes --python-version 3.11 \
	--no-header --no-emit-index-url --no-emit-find-links --quiet

.PHONY: help
help: ## List the targets
	@sed -n 's/^\([a-z][a-z-]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 12

.PHONY: setup
setup: .venv/.stamp ## Make .venv with exactly the locked packages

# The stamp is the last thing made, so that an installation that was cut off is begun again.
.venv/.stamp: requirements-dev.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "no python3 found: install Python 3.11 or later" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "$(PYTHON) is too old: Python 3.11 or later is needed" >&2; exit 1; }
	@# Debian keeps a part of venv in a package of its own.
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-venv; \
		else \
			echo "Python's venv is missing: run 'sudo apt-get install python3-venv', then make again" >&2; exit 1; \
		fi; }
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: test
test: setup ## Run all tests
	@# Most of the time is spent waiting for processes and the database.
	$(BIN)/pytest -n 4

.PHONY: demo
demo: setup ## Show a whole run from tool output to merged work
	$(BIN)/python benchmarks/demo.py

.PHONY: bench
bench: setup ## Measure runs with 1, 2 and 8 workers beside ruff alone, three times each
	$(BIN)/python benchmarks/demo.py --repeat 3

.PHONY: bench-ledger
bench-ledger: setup ## Measure the ledger beside plain INSERT, COPY and eventsourcing (a quarter of an hour, 6 GB)
	$(BIN)/python benchmarks/ledger

.PHONY: bench-decompose
bench-decompose: setup ## Measure the readers beside decoding; PW_BENCH_DATA names a folder with reports (a minute)
	$(BIN)/python benchmarks/decompose

.PHONY: bench-plans
bench-plans: setup ## Measure the plans by simulation, and carried out on three published trees
	$(BIN)/python benchmarks/decompose/plans.py

.PHONY: bench-api
bench-api: setup ## Measure the HTTP API: messages, waiting agents, whole cycles beside job queues, streams (5 minutes)
	$(BIN)/python benchmarks/api

.PHONY: bench-projections
bench-projections: setup ## Measure rebuilds and live read models beside decoding and eventsourcing (ten minutes)
	$(BIN)/python benchmarks/projections

.PHONY: bench-estimates
bench-estimates: setup ## Measure estimates and ends; PW_BENCH_DATA names a folder with histories (10 minutes)
	$(BIN)/python benchmarks/estimates

.PHONY: mutants
mutants: setup ## Break the ledger and the service on purpose, one fault at a time, and see which test notices
	$(BIN)/python benchmarks/mutants.py

.PHONY: docs
docs: setup ## Write the data dictionary anew from the comments on views and columns
	$(BIN)/python -m projections.data_dictionary > docs/data-dictionary.md.new && mv docs/data-dictionary.md.new docs/data-dictionary.md

.PHONY: check
check: setup ## Look for faults without running: ruff, mypy, import rules
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: format
format: setup ## Lay out the code and mend what can be mended
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

.PHONY: lock
lock: ## Choose the newest versions that pyproject.toml allows (needs uv)
	@command -v uv >/dev/null || { echo "uv is missing: run 'pip install uv' in an environment of its own" >&2; exit 1; }
	$(LOCK) --upgrade --output-file requirements.lock
	$(LOCK) --upgrade --extra dev --constraint requirements.lock --output-file requirements-dev.lock

.PHONY: clean
clean: ## Remove what was made here, .venv included
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache build dist .demo
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
