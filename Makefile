# `make all` runs the default study and writes its report; `make test` runs the tests.
# Slow tests have their own targets: test-cluster (a real SLURM), test-faults, test-scale; test-all
# is all but the first.
# Commands are printed before they run. PYTHON selects the interpreter (3.11 or newer).
PYTHON ?= python3
VENV   ?= .venv
CORES  ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu)
STUDY  ?= config.yaml

BIN     := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --constraint envs/constraints.txt
RUN     := $(BIN)/snakemake --cores $(CORES) all --configfile
# One thread per worker: numpy's own threads on small matrices made some tests thirty times slower.
PYTEST  := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -rs --numprocesses $(CORES) --dist worksteal

.PHONY: all test test-all test-cluster test-faults test-scale lint smoke benchmark setup setup-test schema clean

all: setup
	$(RUN) $(STUDY)

smoke: setup
	$(RUN) config/smoke.yaml

# Prints a table of ratios; for options see `python -m benchmarks --help`.
benchmark: setup
	$(BIN)/python -m benchmarks

test: setup-test
	$(PYTEST)

test-cluster: setup-test
	$(BIN)/python -m pytest -m slurm -rs --durations=5

test-faults: setup-test
	$(PYTEST) -m faults

test-scale: setup-test
	$(PYTEST) -m scale

# All but the cluster's, in one pool.
test-all: setup-test
	$(PYTEST) -m 'not slurm'

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

# What is made from the code and kept in the repository.
schema: setup
	$(BIN)/python -m mfbench.study.schema config/schema.json
	$(BIN)/python -m mfbench.models.catalogue docs/architectures.md

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
