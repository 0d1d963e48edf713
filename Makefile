# `make demo` and `make test` do all the set-up they need; PYTHON=python3.12 chooses another interpreter.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
CONSTRAINTS ?= constraints.txt
.DEFAULT_GOAL := help
.PHONY: help setup demo test check clean

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

setup: $(VENV)/.installed ## the environment in .venv (about 7 GB: torch brings its GPU libraries)

$(VENV)/.installed: pyproject.toml $(CONSTRAINTS)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "pip>=25.1"
	$(BIN)/python -m pip install --quiet --progress-bar off -c $(CONSTRAINTS) -e '.[weights]' --group dev
	touch $@

demo: setup ## draw the synthetic data set, train, test, and show the result (about 2 minutes on two cores)
	$(BIN)/python -m reid_lit.train +experiment=synthetic_finetuned

test: setup ## all tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 3 --dist worksteal

check: setup ## ruff, format and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean: ## remove runs and drawn data, not the environment
	rm -rf runs multirun data/synthetic
