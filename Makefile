# `make` lists the targets. Everything lives in .venv and in folders that git ignores.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
RUNTIME := .venv/.installed
DEV := .venv/.installed-dev

# $(call install,environment,constraints,what): all cores compile what one process of pip would. The tests of
# libraries are never imported, and a file that can't be compiled is a template.
define install
	@$(1)/bin/python -m pip install -qq --no-compile --disable-pip-version-check --no-input -c $(2) -e '$(3)'
	@$(1)/bin/python -m compileall -qq -j 0 -x /tests/ $(1)/lib || true
endef

export DAGSTER_DISABLE_TELEMETRY := yes

OLDEST := .venv-oldest/.installed

.PHONY: help run dev test test-slow test-oldest test-newest check lint types docs docs-check layers wheel clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(RUNTIME) ## the whole thing on the embedded sandbox: the last nights as Parquet, and a query
	@$(BIN)/ignite-assets demo

PORT := 3000

dev: $(RUNTIME) ## the Dagster UI on what `make run` captured, and on the embedded sandbox (PORT=3001: another port)
	@$(BIN)/python -c 'import socket; socket.create_server(("127.0.0.1", $(PORT)))' 2>/dev/null \
	    || { echo 'port $(PORT) is in use, or is none; choose another: make dev PORT=3001' >&2; exit 1; }
	@env -u DAGSTER_HOME $(BIN)/ignite-assets sandbox --folder .demo -- \
	    $(BIN)/dagster dev -w workspace.yaml -p $(PORT)

# Each worker begins with a part of the modules, so that one of them makes what the tests of a module share.
ON_EVERY_CORE := -n auto --dist worksteal -m "not slow"

test: $(DEV) ## the tests, but for the long ones
	@$(BIN)/pytest -q $(ON_EVERY_CORE)

# By module: one worker has its tests, and makes what they share (a soak, nights, a wheel, a browser) once. One worker
# more than there are cores: a third of the time goes by in waits for daemons and processes.
test-slow: $(DEV) ## the long tests (kills, leaks, a real daemon, a real browser, the soak, deploy/), and all examples of properties
	@$(BIN)/pytest -q -n "$$($(BIN)/python -c 'import os; print(1 + (os.cpu_count() or 1))')" \
	    --dist loadscope --no-loadscope-reorder -m "slow or hypothesis" --hypothesis-profile thorough

# Old versions warn of Pythons and libraries that came after them, so warnings are no errors here. Left out is what no
# version changes: the text of pages, whose commands the other tests run as well, the layout and the wheel.
OLDEST_WITHOUT := docs test_layers.py test_packaging.py

test-oldest: $(OLDEST) ## the tests against the oldest versions that pyproject.toml allows
	@.venv-oldest/bin/python -m pytest -q $(ON_EVERY_CORE) -W default \
	    $(OLDEST_WITHOUT:%=--ignore ignite_assets_tests/%)

test-newest: $(DEV) ## the tests in ignite_assets_tests/dagster with the newest Dagster that pyproject.toml allows
	@$(BIN)/python -m ignite_assets_tests.newest .venv-newest

check: lint types test ## lint, types, layering and the tests

lint: $(DEV) ## ruff: rules and format
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check

types: $(DEV) ## mypy, strict
	@$(BIN)/mypy

docs: $(DEV) ## write the generated parts of README.md and docs/
	@$(BIN)/python -m ignite_assets_tests.docs.readme

docs-check: $(DEV) ## what README.md and docs/ say is true: tables, examples, commands, links
	@$(BIN)/pytest -q ignite_assets_tests/docs

layers: $(DEV) ## the rooms of the package: their lines, what each imports, circles
	@$(BIN)/python -m ignite_assets_tests.layers

wheel: $(DEV) ## the wheel and the source distribution, in dist/
	@$(BIN)/python -m hatchling build

clean: ## remove .venv, caches and what `make run` and `make dev` left
	@rm -rf .venv .venv-oldest .venv-newest .demo .sandbox .soak .bench .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps are older than pyproject.toml or constraints.txt when an installation is due.

.venv/bin/python:
	@for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	    if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	        echo "setting up .venv with $$($$python --version)"; \
	        exec $$python -m venv .venv; \
	    fi; \
	done; \
	echo 'ignite_assets needs Python 3.11 or newer; none of python3, python3.14 … python3.11 is one' >&2; \
	exit 1

$(RUNTIME): pyproject.toml constraints.txt | .venv/bin/python
	@echo 'installing ignite_assets (a minute or two, once)'
	$(call install,.venv,constraints.txt,.)
	@touch $@

$(DEV): pyproject.toml constraints.txt | .venv/bin/python
	@echo 'installing ignite_assets with what its development needs (a few minutes, once)'
	$(call install,.venv,constraints.txt,.[dev])
	@touch $(RUNTIME) $@

$(OLDEST): pyproject.toml | $(DEV)
	@echo 'installing the oldest versions that pyproject.toml allows (a few minutes, once)'
	@$(BIN)/python -m venv .venv-oldest
	@$(BIN)/python -m ignite_assets_tests.oldest > .venv-oldest/constraints.txt
	$(call install,.venv-oldest,.venv-oldest/constraints.txt,.[dev])
	@touch $@

# The benchmark (benchmarks/README.md); results go to .bench/results.

BENCH := .venv/.installed-bench

.PHONY: bench bench-quick

bench: $(BENCH) ## the benchmark: every work, every peer that can be installed (an hour)
	@$(BIN)/python -m benchmarks

bench-quick: $(DEV) ## the benchmark in fewer rounds, without peers (10 minutes)
	@$(BIN)/python -m benchmarks --quick

.PHONY: bench-scale

SCALE :=

bench-scale: $(DEV) ## what hundreds of websites × 400 days cost Dagster, on SQLite and Postgres (an hour or two; SCALE=--quick: minutes)
	@$(BIN)/python -m benchmarks.scale $(SCALE)

$(BENCH): pyproject.toml constraints.txt | .venv/bin/python
	@echo 'installing ignite_assets with what its benchmark needs (a few minutes, once)'
	$(call install,.venv,constraints.txt,.[bench])
	@touch $(RUNTIME) $(DEV) $@

# The soak (soak/__init__.py); everything of it is in .soak.

.PHONY: soak

DAYS := 60

soak: $(RUNTIME) ## 60 simulated days of faults, regressions, kills and midnights, then a proof of the lake (DAYS=10: fewer)
	@$(BIN)/python -m soak --days $(DAYS)
