# make demo    installs, then trains on built-in data and shows the result (about two minutes beyond the installing)
# make test    installs, then checks style and types and runs the tests
# make lint    style and types alone
# make bench   the benchmarks of speed; run them with nothing else on the machine
# make chaos   kills 200 training processes at random moments, and compares the resumed runs; minutes
# make matrix  every layer in every mode of PyTorch, which takes hours; MODES='eager meta' runs some of them
# make clean   removes what the others made, runs excepted

# The first Python that is 3.11 or newer and can make a virtual environment; PYTHON=... names another.
ifndef PYTHON
PYTHON := $(shell for p in python3.11 python3.12 python3.13 python3 python; do \
  $$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
endif

VENV ?= .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt

# Real data for tests and benchmarks, where it lies beside the project. Without it they skip, and say so.
ifneq ($(wildcard ../shared/data/.),)
RECURRA_DATA ?= $(abspath ../shared/data)
export RECURRA_DATA
endif

.PHONY: help demo test lint bench chaos matrix clean

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "recurra needs Python 3.11 or newer with venv (on Debian: apt-get install python3-venv)." \
	  "If it is not on the PATH: make PYTHON=/path/to/python3" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

# A stamp is newer than what it was installed from, so installing happens once.
$(VENV)/.demo: pyproject.toml constraints.txt $(wildcard native/*) | $(BIN)/python
	@echo "installing into $(VENV): PyTorch is large, and the kernels take minutes to compile"
	$(INSTALL) -e '.[sets]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt $(wildcard native/*) | $(BIN)/python
	@echo "installing into $(VENV): PyTorch is large, and the kernels take minutes to compile"
	$(INSTALL) -e '.[dev]'
	@touch $@

demo: $(VENV)/.demo
	$(BIN)/recurra demo

# A process for each core, of one thread: two that share cores would slow each other down many times over.
test: lint
	OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m pytest -n auto

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/mypy

# Those of speed; the ones of quality take hours, and are named by their data set.
bench: $(VENV)/.dev
	$(BIN)/python benchmarks/loop_overhead.py
	$(BIN)/python benchmarks/ragged.py
	$(BIN)/python benchmarks/kernels.py
	$(BIN)/python benchmarks/quality.py --list

# KILLS=N changes the number. CI resumes from every state of one run, and kills a few processes.
chaos: $(VENV)/.dev
	cd tests && OMP_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false $(abspath $(BIN))/python -m chaos --kills $(or $(KILLS),200) \
	  --states classify --states language --states forecast

# Results that build/matrix has are kept; the table in docs/layers.md is written from them.
matrix: $(VENV)/.dev
	cd tests && OMP_NUM_THREADS=1 $(abspath $(BIN))/python -m matrix ../build/matrix $(MODES); status=$$?; \
	  $(abspath $(BIN))/python -m matrix.results ../build/matrix ../docs/layers.md && exit $$status

clean:
	rm -rf $(VENV) build dist native/build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
