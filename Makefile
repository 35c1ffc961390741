# demo, test, proof, bench: each makes its own .venv when there is none. Needs Python 3.11 and make, nothing else.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   ?= .venv
PY     := $(VENV)/bin/python
READY  := $(VENV)/.ready

# Tests start hundreds of processes: each would compile all it imports.
unexport PYTHONDONTWRITEBYTECODE

# A test that not even its time limit (pyproject.toml) can end takes its process with it: named as a failure, and the others go on.
STUCK := -o faulthandler_timeout=240 -o faulthandler_exit_on_timeout=true

.PHONY: demo test proof bench format clean help

help:
	@echo "make demo    narrated files, encoded films, a sweep of each with its picture, and the line that opens the UI"
	@echo "make test    lint, types and the whole quick test suite"
	@echo "make proof   slow proofs (kills, wheels, big lists)"
	@echo "make bench   speed and memory, measured"

# PESQ is built from C source; without a compiler everything else still works, and sweeps compare by STOI.
$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "no python3.11 found: install Python 3.11, or name one with PYTHON=..."; exit 1; }
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) (once) ..."
	@$(PY) -m pip install -qq --disable-pip-version-check -c constraints.txt --config-settings editable_mode=compat -e ".[dev]"
	@$(PY) -m pip install -qq --disable-pip-version-check -c constraints.txt --config-settings editable_mode=compat -e ".[quality]" 2>/dev/null \
	  || echo "note: PESQ could not be built (it needs a C compiler); STOI is measured alone"
	@touch $(READY)

demo: $(READY)
	@$(PY) tools/demo.py

test: $(READY)
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check --quiet . || { echo "run: make format"; exit 1; }
	@$(PY) -m mypy
	@rm -f .coverage .coverage.*
	@$(PY) -m pytest -n 2 --dist worksteal $(STUCK) --cov --cov-report=term:skip-covered --durations=12

proof: $(READY)
	@$(PY) -m pytest -m proof --timeout 1800

bench: $(READY)
	@$(PY) -m benchmarks

format: $(READY)
	@$(PY) -m ruff check --fix --quiet . ; $(PY) -m ruff format .

clean:
	@rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .coverage .coverage.*
