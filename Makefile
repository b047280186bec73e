# Two commands do all the set-up, each from a bare clone: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
PIP = $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test check board submissions results clean

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

# Train every router on every track and write its submission; RESULTS: the tables and pictures of docs/results.md.
ROUTERS = reference gain-kernel logistic-cross-fitted logistic text-logistic image-logistic statistics-logistic \
	knn boosted-trees mlp domain-constant
RSD = $(VENV)/bin/rsd-bench
RESULTS = --out docs/results

submissions: $(VENV)/.core
	for name in $(ROUTERS); do $(RSD) router submit $$name --out submissions/$$name || exit 1; done

results: $(VENV)/.core
	$(RSD) router rivals $(RESULTS)
	$(RSD) router ablate $(RESULTS)
	$(RSD) router sweep --seeds 3 $(RESULTS)
	$(RSD) router pairs $(RESULTS)
	$(RSD) router ceiling $(RESULTS)
	$(RSD) router tracks $(addprefix submissions/,$(ROUTERS)) $(RESULTS)
	$(RSD) router thresholds submissions/reference submissions/gain-kernel submissions/logistic-cross-fitted $(RESULTS)

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# torch first and by exact version: a range may bring a build for GPUs, several gigabytes large.
$(VENV)/.core: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) torch==2.13.0
	$(PIP) -e '.[router]'
	touch $@

$(VENV)/.dev: $(VENV)/.core
	$(PIP) -e '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) build rsd-bench-demo .pytest_cache .mypy_cache .ruff_cache
