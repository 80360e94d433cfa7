# What a person runs. Each target sets up .venv first when it is missing or out of date.

PYTHON ?= python3
LANDING ?= data/landing

BIN := .venv/bin
INSTALLED := .venv/.installed

.PHONY: help setup gate observe test lint test-dbt test-python clean
.NOTPARALLEL:

help:
	@echo "make setup               install everything into .venv (PYTHON=python3.11 chooses the interpreter)"
	@echo "make gate [LANDING=dir]  let the files in data/landing, or in dir, through the gate"
	@echo "make observe             the same, with Elementary's tests and its report site (needs a dbt package hub)"
	@echo "make test                lint, build the project on sample files, run all tests"
	@echo "make lint                ruff, mypy and sqlfluff only"
	@echo "make clean               remove .venv and everything built; data/ stays"

setup: $(INSTALLED)

# The lock names every package there is to install, so nothing is left for pip to resolve (--no-deps).
$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
		{ echo "Python 3.11, 3.12 or 3.13 is needed: name one, for example make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@echo "Installing into .venv (about a minute) ..."
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --no-deps --require-hashes --requirement requirements.lock
	@$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# Without files of one's own there are made-up ones to look at.
define landed_files
	@test "$(LANDING)" != data/landing || test -n "$$(ls $(LANDING) 2>/dev/null)" || $(BIN)/sluicegate sample $(LANDING)
endef

gate: $(INSTALLED)
	$(landed_files)
	@$(BIN)/sluicegate run --landing "$(LANDING)"

# Its dbt packages come from the dbt hub, or from the mirror that SLUICEGATE_HUB_MIRROR names.
observe: $(INSTALLED)
	$(landed_files)
	@$(BIN)/sluicegate observe --landing "$(LANDING)" --report

test: lint test-dbt test-python

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/sqlfluff lint models analyses tests observability

# Parse without a single warning, then all models, unit tests and data tests on three sample days.
test-dbt: export DBT_PROFILES_DIR := profiles
test-dbt: $(INSTALLED)
	$(BIN)/dbt parse --no-partial-parse --warn-error-options '{"error": "all"}'
	@set -e; folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; \
	export SLUICEGATE_DATA="$$folder/clickhouse"; \
	$(BIN)/sluicegate sample "$$folder/landing" --days 3 --rows 500; \
	$(BIN)/dbt build --vars "{landing: {web_events: '$$folder/landing'}}"

test-python: $(INSTALLED)
	$(BIN)/pytest --numprocesses 2 --dist loadfile

clean:
	rm -rf .venv target logs $(addprefix observability/,target logs dbt_packages) .mypy_cache .pytest_cache .ruff_cache .hypothesis
	rm -rf scripts/*.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
