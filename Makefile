# The words of daily work. A bare machine needs python3 (3.11 or newer, with venv) and make.

SHELL := /bin/sh
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PYTHONS := $(or $(PYTHON),python3.13 python3.12 python3.11 python3)
ARGS ?=
TEST_EFFORT ?= 40

# Run by every candidate: silent success, or one sentence about what is missing.
define SUITS
import sys
if sys.version_info < (3, 11):
    sys.exit("Python %d.%d is too old: install Python 3.11 or newer." % sys.version_info[:2])
try:
    import ensurepip, venv
except ImportError:
    sys.exit("Python %d.%d cannot make virtual environments: install python3-venv." % sys.version_info[:2])
endef
export SUITS

.PHONY: help
help: ## list these words
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

.PHONY: install
install: $(STAMP) ## make .venv from constraints.txt and install revledger into it
	@echo "Installed: $(BIN)/revledger."

# Cleared first, so that what is no longer listed is no longer there.
$(STAMP): constraints.txt pyproject.toml
	@for candidate in $(PYTHONS); do \
	    if "$$candidate" -c "$$SUITS" 2>/dev/null; then chosen=$$candidate; break; fi; \
	done; \
	if [ -z "$$chosen" ]; then \
	    for candidate in $(PYTHONS); do \
	        command -v "$$candidate" >/dev/null 2>&1 && "$$candidate" -c "$$SUITS"; \
	    done; \
	    echo "No usable Python among: $(PYTHONS)." >&2; \
	    echo "Install Python 3.11 or newer with venv (Debian: apt-get install python3 python3-venv)," \
	        "or name one: make PYTHON=/path/to/python3" >&2; \
	    exit 1; \
	fi; \
	echo "Installing into $(VENV) with $$("$$chosen" --version)."; \
	"$$chosen" -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r constraints.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: run
run: $(STAMP) ## start the service with a made-up company (ARGS="--port 9000")
	@$(BIN)/revledger up --demo $(ARGS)

.PHONY: test
test: $(STAMP) ## everything that is to be tested: ruff, mypy, pytest (ARGS="-k bridge")
	$(BIN)/ruff check .
	$(BIN)/mypy
	TEST_EFFORT=$(TEST_EFFORT) $(BIN)/python -m pytest -n 2 --dist loadgroup -m "not crash" $(ARGS)

.PHONY: thorough
thorough: $(STAMP) ## the same with all examples of every property, and new ones each time
	$(MAKE) test TEST_EFFORT=100

.PHONY: check
check: $(STAMP) ## the quick part: ruff, mypy and the tidy rules
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_tidy.py

.PHONY: bench
bench: $(STAMP) ## measure what the README claims: every bench/bench_*.py (ARGS=bench_booking for one)
	@for name in $(or $(ARGS),$(basename $(notdir $(sort $(wildcard bench/bench_*.py))))); do \
	    echo "== $$name"; $(BIN)/python -m "bench.$$name" || exit 1; \
	done

.PHONY: crash
crash: $(STAMP) ## the long failure tests: kill, tear, lose, restart
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m crash $(ARGS)

.PHONY: schemas
schemas: $(STAMP) ## write again the committed files that are generated (events/schemas, deploy/settings.md)
	$(BIN)/python -m services.generate

# Universal: one file for every platform and every Python from 3.11 on. Names, versions and hashes, no addresses.
.PHONY: lock
lock: $(STAMP) ## choose newer versions and write constraints.txt again (needs uv; installs it if missing)
	@command -v uv >/dev/null 2>&1 || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	PATH="$$PATH:$(BIN)" uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --upgrade \
	    --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links --quiet -o constraints.txt

.PHONY: clean
clean: ## remove .venv, caches and builds; a ledger is never touched
	rm -rf $(VENV) build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find bench events projections services tests -name __pycache__ -type d -prune -exec rm -rf {} +
