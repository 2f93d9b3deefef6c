# Everything here needs only make and python3 with venv. PYTHON=python3.12 picks another interpreter.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: help install install-dev demo run test test-systemd storm lint bench bench-peers bench-full clean

help:
	@echo "make demo     the image workflow on a real daemon in a temporary folder"
	@echo "make run      the daemon in the foreground, state under ./var"
	@echo "make test     all tests"
	@echo "make storm    ten minutes of kills, reloads and broken modules under 2,000 workflows"
	@echo "make lint     ruff and mypy --strict"
	@echo "make bench    benchmarks, short form; make bench-full: all peers and sizes, 45 minutes"
	@echo "make install  flowyd and the sample activities' libraries in $(VENV)"

install: $(VENV)/installed
install-dev: $(VENV)/installed-dev

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable '.[samples]'
	@touch $@

$(VENV)/installed-dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable '.[samples,web,dev]'
	@touch $@ $(VENV)/installed

demo: install
	$(BIN)/python -m bench.demo

run: install
	mkdir -p var/run
	$(BIN)/flowyd run --config conf/development.toml

test: install-dev
	$(BIN)/python -m pytest

# FLOWYD_SYSTEMD: a command that runs a program on a machine with systemd; see tests/systemd/run.py.
test-systemd: install-dev
	$(BIN)/python tests/systemd/run.py

# Its short form is one of the tests. `python -m bench.storm --help` has length, seed and pace.
storm: install
	$(BIN)/python -m bench.storm

lint: install-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Under five minutes. Peers are measured where `make bench-peers` has installed them, outside the project.
bench: install
	$(BIN)/python -m bench --out build/bench-short

bench-peers: install
	$(BIN)/python -m bench --full --install --scenarios '' --curves ''

# Also installs the peers that are missing.
bench-full: install
	$(BIN)/python -m bench --full --install --out build/bench

clean:
	rm -rf $(VENV) var build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
