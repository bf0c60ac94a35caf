# Python 3.11 or later and make are all that this needs: every target installs what it uses into .venv first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# Where there is no GPU, TORCH_INDEX=https://download.pytorch.org/whl/cpu saves the download of the CUDA libraries.
TORCH_INDEX ?=
PIP := $(BIN)/python -m pip --disable-pip-version-check

SPEC ?= examples/digits.yaml
SEARCH := $(shell sed -n 's/^name: *\([A-Za-z0-9._-]*\).*/\1/p' $(SPEC) 2>/dev/null)
PYTEST_FLAGS ?=
ONE_THREAD := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

.DEFAULT_GOAL := help
.PHONY: help install search test test-fast test-data test-wheel chaos check format bench wheel clean

help: ## Say what there is to make
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1#\2/p' $(MAKEFILE_LIST) | while IFS='#' read -r target does; do \
		printf '%-18s %s\n' "$$target" "$$does"; done

install: $(INSTALLED) ## Create .venv with the pinned versions

# torch goes first and alone, so that no resolver weighs its build against the rest. Without build isolation the build
# backend is the pinned one too.
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "gasearch needs Python 3.11 or later; $(PYTHON) is $$($(PYTHON) --version 2>/dev/null || echo not there)." \
		"Name another one: make PYTHON=python3.12" >&2; exit 1; }
	@echo "Installing into $(VENV): once, a minute or more."
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --quiet -c constraints.txt $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) torch hatchling
	@$(PIP) install --quiet -c constraints.txt --no-build-isolation -e '.[postgres,serve,dev]'
	@touch $@

# A second `make search` goes on where the first one stopped, and shows the front of a finished one.
search: $(INSTALLED) ## Install, then search small networks for the digits (or SPEC=...)
	@case "$$($(BIN)/gasearch status "$(SEARCH)" --format json 2>/dev/null)" in \
	"") $(BIN)/gasearch run $(SPEC) ;; \
	*'"state": "finished"'*) $(BIN)/gasearch front $(SEARCH) ;; \
	*) $(BIN)/gasearch resume $(SEARCH) ;; esac

# Two files of tests at a time: many wait for processes that they start and end.
test: $(INSTALLED) ## Install, then run the tests
	$(ONE_THREAD) $(BIN)/python -m pytest -n 2 --dist loadfile $(PYTEST_FLAGS)

test-fast: $(INSTALLED) ## Run the tests that need neither Ray, PostgreSQL nor any other process
	$(ONE_THREAD) $(BIN)/python -m pytest --fast -n 2 --dist worksteal $(PYTEST_FLAGS)

test-data: $(INSTALLED) ## Run the tests on real data, of the folder in GASEARCH_TEST_DATA
	@test -d "$(GASEARCH_TEST_DATA)" || { \
		echo "Name the folder of the data: make test-data GASEARCH_TEST_DATA=FOLDER; got '$(GASEARCH_TEST_DATA)'." >&2; exit 1; }
	$(ONE_THREAD) GASEARCH_TEST_DATA="$(abspath $(GASEARCH_TEST_DATA))" $(BIN)/python -m pytest -m 'data and not slow' \
		$(PYTEST_FLAGS)

test-wheel: $(INSTALLED) ## Install the built wheel into an empty environment and search with it
	$(BIN)/python -m pytest -m slow tests/packaging $(PYTEST_FLAGS)

# Every test that takes minutes, two files at a time; each name says what is done, and the figures come last.
chaos: $(INSTALLED) ## Kill, pause, cut and flood searches for an hour, and print the figures
	@echo "Each test has a time budget of its own. To repeat one: GASEARCH_CHAOS_SEED=the seed that it printed."
	$(ONE_THREAD) $(BIN)/python -m pytest -m slow -vv -n 2 --dist loadfile --durations=0 --durations-min=1 \
		tests/chaos tests/faults tests/gasearch $(PYTEST_FLAGS)

check: $(INSTALLED) ## Format, lint, strict types, import rules; changes no file
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/architecture

format: $(INSTALLED) ## Format the code and fix what lint can fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(INSTALLED) ## Run the benchmarks, one after the other
	@for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python "$$script" || exit 1; done

wheel: $(INSTALLED) ## Build the wheel into dist/
	$(BIN)/python -m build --wheel --no-isolation

clean: ## Remove caches and built files; keeps .venv and every database
	rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find gasearch workers tests benchmarks alembic -name __pycache__ -type d -prune -exec rm -rf {} +
