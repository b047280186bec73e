# Two commands do all the set-up, each from a bare clone: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
PIP = $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test check board edition clean

demo: $(VENV)/.core
	$(VENV)/bin/rsd-bench demo

test: $(VENV)/.dev
	$(VENV)/bin/python -m pytest

check: $(VENV)/.dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

# Regenerate the committed leaderboard from submissions/ and the embedded dataset.
board: $(VENV)/.core
	$(VENV)/bin/rsd-bench board build

# Regenerate the embedded edition from the records, then what depends on it: the committed submission and the board.
RECORDS ?= ../shared/records
edition: $(VENV)/.core
	$(VENV)/bin/rsd-bench data import records $(addprefix $(RECORDS)/,dynamath visonlyqa mllm_bench) --out build/store
	$(VENV)/bin/rsd-bench data build recipes/rsd-open.toml --store build/store --edition lite \
		--out rsd_bench/editions/rsd-open-lite
	$(VENV)/bin/rsd-bench demo --out build/demo
	cp build/demo/submissions/statistics-logistic/* submissions/statistics-logistic/
	$(VENV)/bin/rsd-bench board build

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) -e .
	touch $@

$(VENV)/.dev: $(VENV)/.core
	$(PIP) -e '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) build rsd-bench-demo .pytest_cache .mypy_cache .ruff_cache
