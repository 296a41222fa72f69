# `make all` runs the default study and writes its report; `make test` runs the tests.
# Slow tests have their own targets: test-cluster (a real SLURM), test-faults, test-scale.
# Commands are printed before they run. PYTHON selects the interpreter (3.11 or newer).
PYTHON ?= python3
VENV   ?= .venv
CORES  ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu)
STUDY  ?= config.yaml

BIN     := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --constraint envs/constraints.txt
RUN     := $(BIN)/snakemake --cores $(CORES) all --configfile

.PHONY: all test test-cluster test-faults test-scale lint smoke benchmark setup setup-test schema clean

all: setup
	$(RUN) $(STUDY)

smoke: setup
	$(RUN) config/smoke.yaml

# Prints a table of ratios; for options see `python -m benchmarks --help`.
benchmark: setup
	$(BIN)/python -m benchmarks

test: setup-test
	$(BIN)/python -m pytest --numprocesses $(CORES)

test-cluster: setup-test
	$(BIN)/python -m pytest -m slurm -rs --durations=5

test-faults: setup-test
	$(BIN)/python -m pytest -m faults -rs --numprocesses $(CORES)

test-scale: setup-test
	$(BIN)/python -m pytest -m scale -rs --numprocesses $(CORES)

lint: setup-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint
	$(BIN)/mypy

setup: $(VENV)/installed

setup-test: $(VENV)/installed-test

# Install the pinned torch first; otherwise pip may pick another build.
$(VENV)/installed: envs/constraints.txt pyproject.toml
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "mfbench needs Python 3.11 or newer"'
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) torch
	$(INSTALL) --editable .
	touch $@

$(VENV)/installed-test: $(VENV)/installed
	$(INSTALL) --editable '.[test]'
	touch $@

schema: setup
	$(BIN)/python -m mfbench.study.schema config/schema.json

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
