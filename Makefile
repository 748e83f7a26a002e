# make fit    fit the mock lens in data/jwst_mock; the report is runs/jwst_mock/report.html
# make test   every check that guards the project, programs compiled quickly
# make test-all  the slow tests too, programs compiled as they are for users
# make docs   the site, with its notebooks run: build/site/index.html
# make dist   wheel and source of a release, checked: dist/
# make test-oldest  quick tests with the oldest versions of all dependencies that pyproject.toml allows
# make links  links to other sites, which needs a network
# make clean  remove what these made
# Another Python than python3: make fit PYTHON=python3.12

PYTHON ?= python3
BIN := .venv/bin
PYTEST := $(BIN)/pytest -n 2 --cpu-seconds folder
SPHINX := $(BIN)/sphinx-build --fail-on-warning --keep-going --quiet --doctree-dir build/doctrees
OLDEST := build/oldest
QUICK := $(addprefix tests/,datasets profiles native operators test_cosmology.py test_coolest.py test_maps.py test_package.py \
	test_plots.py test_priors.py test_problem.py test_results.py test_examples.py::test_fit_image)
RUN := runs/jwst_mock

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: fit test test-all test-oldest docs links dist clean

fit: .venv/installed
	$(BIN)/lensfit fit data/jwst_mock --out $(RUN) --overwrite

test: .venv/installed-dev
	$(BIN)/ruff check
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(PYTEST)

test-all: .venv/installed-dev
	XLA_FLAGS= $(PYTEST) -m "slow or not slow"

docs: .venv/installed-docs
	$(SPHINX) --builder html docs build/site
	@echo build/site/index.html

links: .venv/installed-docs
	$(SPHINX) --builder linkcheck docs build/links

dist: .venv/installed-dist
	rm -rf dist
	$(BIN)/python -m build --quiet
	$(BIN)/twine check --strict dist/*

test-oldest: .venv/installed-dist
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(OLDEST)
	$(BIN)/uv pip install --quiet --python $(OLDEST) --resolution lowest-direct --editable '.[dev]'
	$(OLDEST)/bin/pytest -W default -n 2 $(QUICK)

.venv/installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

.venv/installed-docs: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	touch $@ .venv/installed

.venv/installed-dist: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet build twine uv
	touch $@

.venv/installed-dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@ .venv/installed

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else \
	"lensfit needs Python 3.11 or newer, this is " + sys.version.split()[0] + "; try: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv

clean:
	rm -rf .venv build dist docs/made lensfit.egg-info $(RUN) .pytest_cache .ruff_cache .hypothesis \
		.import_linter_cache .grimp_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
