# Every target sets up what it needs; `make demo` and `make test` work in a fresh clone.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DOCS_READY := $(VENV)/.docs-ready

.PHONY: help setup demo test test-all lint format bench docs lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'

setup: $(READY) ## make the virtual environment from the lock
	@$(BIN)/hwsim doctor

# The stamp is as old as the lock it was made from: a changed lock makes a new environment.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("hwsim needs Python 3.11 or newer: make PYTHON=python3.11 ...") if sys.version_info < (3, 11) else None'
	@echo "setting up $(VENV) from requirements.lock"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(DOCS_READY): $(READY)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock -e '.[docs]' --no-build-isolation
	@touch $@

demo: $(READY) ## compile a trained network, simulate all of it in RTL, compare bytes and cycles
	@$(BIN)/hwsim demo

test: $(READY) ## the tests that take seconds
	@$(BIN)/python -m pytest -q -n 2 -m "not slow"

test-all: $(READY) ## every test
	@$(BIN)/python -m pytest -q -n 2

lint: $(READY) ## style, types, import direction
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports
	@$(BIN)/pyright --pythonpath $(BIN)/python

format: $(READY) ## rewrite what the formatter and the safe fixes can
	@$(BIN)/ruff check --fix-only -q .
	@$(BIN)/ruff format .

SECTIONS ?=
bench: $(READY) ## measure, beside published figures; writes docs/validation.md (SECTIONS="eyeriss speed" for some of it)
	@$(BIN)/python -m hwsim.bench $(SECTIONS)

docs: $(DOCS_READY) ## build the handbook into site/
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict -f .mkdocs.yml

lock: ## resolve pyproject.toml anew into requirements.lock
	@$(PYTHON) .ci/lock.py

clean: ## remove the environment and everything built
	@rm -rf $(VENV) site dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache
