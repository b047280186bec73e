# Two commands do all the set-up, each from a bare clone: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
RSD = $(VENV)/bin/rsd-bench
PIP = $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
SITE = NO_MKDOCS_2_WARNING=1 $(VENV)/bin/python -m mkdocs build --strict --quiet

.PHONY: demo test check docs board store rsd-av edition cards submissions results chromium screenshots clean

demo: $(VENV)/.core
	$(RSD) demo

test: $(VENV)/.dev chromium
	$(VENV)/bin/python -m pytest --numprocesses 2 --dist loadfile

check: $(VENV)/.dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-cache
	$(VENV)/bin/zizmor --offline --quiet .github/workflows
	$(SITE)

# The site of docs/ in build/site, with no network.
docs: $(VENV)/.docs
	$(SITE)

# The browser that the tests of the board's page drive: Debian's, where apt-get can install it.
chromium:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || { \
	  if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null; \
	  else \
	    echo "The browser tests need Chromium: sudo apt-get install chromium, or put Chrome on PATH." >&2; exit 1; \
	  fi; }

# Regenerate the committed leaderboard from submissions/ and the embedded dataset.
board: $(VENV)/.core
	$(RSD) board build

# Regenerate the embedded edition from the records, with the encoder features it already carries; then `make submissions`.
SHARED ?= ../shared
RECORDS ?= $(SHARED)/records
KIT ?= $(SHARED)/files/vlmevalkit
FEATURES ?= rsd_bench/editions/rsd-open-lite
edition: store
	$(RSD) data build recipes/rsd-open.toml --store build/store --edition lite \
		--features $(FEATURES) --out rsd_bench/editions/rsd-open-lite

# Render dataset_cards/rsd-open.md again: the full edition's card, which borrows the picture of the embedded one.
cards: store
	$(RSD) data build recipes/rsd-open.toml --store build/store --out build/rsd-open
	sed 's,(assets/,(../rsd_bench/editions/rsd-open-lite/assets/,g' build/rsd-open/README.md > dataset_cards/rsd-open.md

# Every source of rsd-open, and four models of LogicVista whose answers VLMEvalKit wrote, into one store.
SOURCES = dynamath visonlyqa mllm_bench logicvista dental_vision vision_checkup business_charts kitchen_json
KIT_MODELS = Qwen2.5-VL-3B-Instruct Qwen2.5-VL-7B-Instruct Llama-3.2-11B-Vision-Instruct LLaVA-CoT
store: $(VENV)/.core
	$(RSD) data import records --replace $(addprefix $(RECORDS)/,$(SOURCES)) --out build/store
	$(RSD) data import vlmevalkit --source logicvista --columns index=id --images $(RECORDS)/logicvista/images \
		$(foreach m,$(KIT_MODELS),--pred $(KIT)/$(m)_LogicVista.xlsx --judge $(KIT)/$(m)_LogicVista_gpt4o-mini.xlsx) \
		--out build/store

# The dataset of other modalities, which is not embedded.
rsd-av: $(VENV)/.core
	$(RSD) data import records --replace $(addprefix $(RECORDS)/,audiobench tempcompass) --out build/store-av
	$(RSD) data build recipes/rsd-av.toml --store build/store-av --out build/rsd-av

# Train routers on every track and write their submissions: router:repeats; in the name of a folder "+" is "-".
SUBMITTED = ngram-gain:5 ngram+statistics:2 ngram-logistic:1 gain-kernel:1 statistics-logistic:1 domain-constant:5
submissions: $(VENV)/.core
	for entry in $(SUBMITTED); do \
	  name=$${entry%:*}; \
	  $(RSD) router submit $$name --repeats $${entry#*:} --out submissions/$$(echo $$name | tr + -) || exit 1; \
	done
	$(RSD) board build

# The tables and pictures of docs/results.md, two studies at a time. Decisions are kept in docs/results/.cache: a run of
# baselines or ablate that was interrupted goes on.
STUDIES = baselines ablate sweep domains models cascade pairs ceiling tracks thresholds
GIVEN_tracks = $(filter-out submissions/_%,$(sort $(wildcard submissions/*)))
# Answers are in a full edition alone: `data build` to build/rsd-open, `features encode` without encoders to build/words.
GIVEN_cascade = $(if $(wildcard build/rsd-open),build/rsd-open --features build/words)
GIVEN_thresholds = $(addprefix submissions/,ngram-gain gain-kernel ngram-logistic)
results: $(VENV)/.core
	$(MAKE) --jobs 2 $(addprefix study-,$(STUDIES))

study-%: $(VENV)/.core
	$(RSD) router $* $(GIVEN_$*) --out docs/results

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# torch first and by exact version: a range may bring a build for GPUs, several gigabytes large.
$(VENV)/.core: pyproject.toml setup.py constraints.txt | $(VENV)/bin/python
	$(PIP) torch==2.13.0
	$(PIP) -e '.[router,serve]'
	touch $@

$(VENV)/.dev: $(VENV)/.core
	$(PIP) -e '.[dev]'
	touch $@

$(VENV)/.docs: pyproject.toml setup.py constraints.txt | $(VENV)/bin/python
	$(PIP) -e '.[docs]'
	touch $@

# The pictures of the board in the README, from the committed page.
screenshots: $(VENV)/.dev chromium
	$(VENV)/bin/python tests/support/screenshots.py leaderboard/index.html docs/images

clean:
	rm -rf $(VENV) build rsd-bench-demo .pytest_cache .mypy_cache .ruff_cache
