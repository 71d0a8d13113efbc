# Two commands do everything: `make book` and `make test`. Needed: Python >= 3.11, git, make.
# Every target is safe to repeat, and continues where an interrupted one stopped.
PYTHON ?= python3
VENV ?= .venv
PRESET ?= mini
CORES ?= $(shell $(PYTHON) -c 'import os; print(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)' 2>/dev/null || echo 1)

BIN := $(VENV)/bin
INSTALLED := $(VENV)/.tsniqa-installed

# The workflow starts up to CORES processes at once; one thread in each keeps them from
# competing for the same cores. An explicit OMP_NUM_THREADS is respected.
OMP_NUM_THREADS ?= 1
export OMP_NUM_THREADS

.DEFAULT_GOAL := help
.PHONY: book pdf test test-slow bench lint audit clean help

book: $(INSTALLED) ## Install, run the study (PRESET=mini), build the book, say where it is
	@# --nolock: a lock left by a killed run would stop the next one; records are written atomically.
	@# The rules call tsniqa and papermill by name, so the environment comes first on the path.
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/snakemake --snakefile workflow/Snakefile --cores $(CORES) --rerun-incomplete --nolock --keep-going --quiet host reason \
		--config preset=$(PRESET)
	$(BIN)/jupyter-book build . --toc book/_toc.yml -W -n --keep-going
	$(BIN)/python -m tsniqa.book.slides
	$(BIN)/tsniqa compare-records
	@echo "The book is ready: open $(CURDIR)/_build/html/index.html"

pdf: $(INSTALLED) ## Print the lessons of the built book into one PDF; needs Chromium
	$(BIN)/python -m tsniqa.book.pdf

test: $(INSTALLED) ## Install and run the tests, but for the slow ones
	$(BIN)/python -m pytest -n 2 -m "not slow"

test-slow: $(INSTALLED) ## Run the slow tests: lessons as students work on them, every page in Chromium
	$(BIN)/python -m pytest -n 2 -m slow

bench: $(INSTALLED) ## Measure scoring against the plain published way, and training against the loop before (MODEL=FOLDER: see benchmarks/speed.py)
	$(BIN)/python benchmarks/speed.py $(MODEL)
	$(BIN)/python benchmarks/training.py

lint: $(INSTALLED) ## Check style, that imports point down, that notebooks have no outputs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo --no-cache
	$(BIN)/nbstripout --verify --extra-keys "metadata.papermill cell.metadata.papermill metadata.language_info.version" notebooks/*.ipynb notebooks/lessons/*.ipynb notebooks/lessons/starters/*.ipynb

audit: $(INSTALLED) ## Ask for known vulnerabilities of what is installed, and check licences; needs the network
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[audit]'
	$(BIN)/python workflow/audit.py
	$(BIN)/python -m pytest -q tests/test_audit.py

clean: ## Remove the built book; keep .venv and the local run records in .runs
	rm -rf _build book/runs book/api .snakemake build dist .pytest_cache .ruff_cache .hypothesis
	@echo "Kept: $(VENV) (the environment) and .runs (local records); delete them by hand if you mean to."

help: ## List the targets
	@echo "Targets (variables: PRESET=$(PRESET) CORES=$(CORES) PYTHON=$(PYTHON) VENV=$(VENV)):"
	@grep -E '^[a-z-]+:.*## ' $(firstword $(MAKEFILE_LIST)) \
		| awk -F ':.*## ' '{ printf "  make %-9s %s\n", $$1, $$2 }'

# The stamp is written last, so an interrupted installation is taken up again.
$(INSTALLED): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "make: no '$(PYTHON)' found; install Python 3.11 or newer, or name one: make book PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, 11) or sys.exit("make: Python 3.11 or newer is needed, but $(PYTHON) is %d.%d; name another one: make book PYTHON=python3.12" % v[:2])'
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e '.[book,test]'
	@touch $@
