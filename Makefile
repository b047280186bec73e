# Two commands do all the set-up, each from a bare clone: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
PIP = $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test check board chromium screenshots clean

demo: $(VENV)/.core
	$(VENV)/bin/rsd-bench demo

test: $(VENV)/.dev chromium
	$(VENV)/bin/python -m pytest

check: $(VENV)/.dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/zizmor --offline --quiet .github/workflows

# The browser that the tests of the board's page drive: Debian's, where apt-get can install it.
chromium:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || { \
	  if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core; \
	  else \
	    echo "The browser tests need Chromium: sudo apt-get install chromium, or put Chrome on PATH." >&2; exit 1; \
	  fi; }

# Regenerate the committed leaderboard from submissions/ and the embedded dataset.
board: $(VENV)/.core
	$(VENV)/bin/rsd-bench board build

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) -e .
	touch $@

$(VENV)/.dev: $(VENV)/.core
	$(PIP) -e '.[dev]'
	touch $@

# The pictures of the board in the README, from the committed page.
screenshots: $(VENV)/.dev chromium
	$(VENV)/bin/python tests/browser/screenshots.py leaderboard/index.html docs/images

clean:
	rm -rf $(VENV) build rsd-bench-demo .pytest_cache .mypy_cache .ruff_cache
