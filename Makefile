# Two commands do everything: `make all` ends with a report, `make test` tests the project.
# What takes minutes or a machine of its own is tested apart: a real SLURM, faults, large studies.
# Each prints what it runs; PYTHON chooses the interpreter (3.11 or newer).
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

# A table of ratios; `python -m benchmarks --help` says what else there is.
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

# torch comes first and pinned: pip would otherwise pick another build for a package that wants it.
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
