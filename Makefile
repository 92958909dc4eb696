# Everything runs in .venv, which the first target that needs it makes; `make help` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
THREADS := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
export MPLBACKEND := Agg

.PHONY: help demo test lowest bench lint format docs notebooks readme clean

help:  ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "formwright needs Python 3.11 or later; $(PYTHON) is $$($(PYTHON) -V 2>&1). Try: make PYTHON=python3.12"; exit 1; }
	@echo "making $(VENV) with $$($(PYTHON) -V)"
	@$(PYTHON) -m venv $(VENV) \
	  || { rm -rf $(VENV); echo "Python's venv module is incomplete; on Debian: apt-get install python3-venv"; exit 1; }
	@$(PIP) install --upgrade pip

$(VENV)/.package: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing formwright and what it needs (a few minutes the first time)"
	@$(PIP) install -c constraints.txt torch
	@$(PIP) install -c constraints.txt --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.package
	@echo "installing the tools of the tests"
	@$(PIP) install -c constraints.txt --group dev
	@touch $@

$(VENV)/.peers: $(VENV)/.dev
	@echo "installing the peers of the benchmarks"
	@$(PIP) install -c constraints.txt --editable '.[peers]'
	@touch $@

$(VENV)/.docs: $(VENV)/.package
	@echo "installing what builds the documentation"
	@$(PIP) install -c constraints.txt --editable '.[docs]'
	@touch $@

demo: $(VENV)/.package  ## design an airfoil, verify it, write a report (3 minutes after installation)
	@bash .ci/xfoil
	@$(BIN)/formwright demo

test: $(VENV)/.dev  ## run the whole test suite
	@$(THREADS) $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile $(ARGS)

lowest:  ## run a part of the suite with the lowest versions that pyproject.toml allows
	@bash .ci/lowest $(ARGS)

bench: $(VENV)/.peers  ## measure every claim of the README (hours) and fill its table
	@$(BIN)/python benchmarks/run_all.py $(ARGS)

lint: $(VENV)/.dev  ## check format, style and types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/pyright

format: $(VENV)/.dev  ## format the code
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

docs: $(VENV)/.docs  ## build the documentation into build/docs; a warning is an error
	@$(BIN)/python -m sphinx -W --keep-going -q -E -b html docs build/docs
	@echo build/docs/index.html

notebooks: $(VENV)/.dev  ## make examples/*.ipynb from the percent scripts
	@$(BIN)/jupytext --to ipynb examples/*.py

readme: $(VENV)/.package  ## fill the tables of README and docs/benchmarks.md
	@$(BIN)/python benchmarks/readme_table.py

clean:  ## remove what the other targets made
	@rm -rf $(VENV) build dist docs/generated .pytest_cache .ruff_cache .hypothesis examples/*.ipynb
