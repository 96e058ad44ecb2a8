# Every target works on a fresh checkout with Python 3.11 or later and make; all of them use .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
TESTS := $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --benchmark-disable
SOURCES := lumnisai_core lumnisai_integrations llama_index tests
CHROMIUM = if [ "$$(id -u)" = 0 ]; then as=; else as=sudo; fi; $$as apt-get update --quiet && \
	$$as env DEBIAN_FRONTEND=noninteractive apt-get install --quiet --yes --no-install-recommends chromium chromium-driver

# The official packages of other platforms, each with an environment and a file of requirements of its own.
OFFICIAL := liminal lucidic-2 lucidic-3

.DEFAULT_GOAL := help
.PHONY: help demo test coverage notebooks lint format types sync reference docs faults bench load attack audit browser thirdparty bulk official leaks privacy package clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/installed-all ## show the main job on the embedded service, or on the platform with LUMNISAI_API_KEY
	@$(BIN)/lumnis demo

test: $(VENV)/installed-dev ## run the tests
	$(TESTS)

coverage: $(VENV)/installed-dev ## run the tests and measure branch coverage, which takes almost twice as long
	$(TESTS) --cov --cov-report=term:skip-covered

notebooks: $(VENV)/installed-dev ## run the notebooks from top to bottom
	$(BIN)/python -m tests.notebooks

lint: $(VENV)/installed-dev ## check style and formatting, and that the generated half is current
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES) notebooks
	$(BIN)/python -m tests.mirror --check

format: $(VENV)/installed-dev ## format the code and mend what can be mended
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

types: $(VENV)/installed-dev ## check types strictly
	$(BIN)/mypy

sync: $(VENV)/installed-dev ## generate the blocking half of the client and its tests
	$(BIN)/python -m tests.mirror

reference: $(VENV)/installed-dev ## write the reference pages from the docstrings
	$(BIN)/python -m tests.reference

docs: $(VENV)/installed-docs ## build the site of the documents into site/
	$(BIN)/zensical build --strict --clean

faults: $(VENV)/installed-dev ## run requests through every kind of failure and show the outcomes
	$(BIN)/python -m tests.faults

bench: $(VENV)/installed-bench ## measure what calls cost; ARGS="--help" lists the parts and profiles
	$(BIN)/python -m tests.benchmarks $(ARGS)

load: $(VENV)/installed-dev ## put load on the embedded service; ARGS="--beside PATH" measures another checkout in turn
	$(BIN)/python -m tests.load $(ARGS)

attack: $(VENV)/installed-dev ## attack the embedded service over real sockets and show what held
	$(BIN)/python -m pytest --benchmark-disable --verbose --no-header -p no:cacheprovider tests/attack

audit: $(VENV)/bin/python ## compare the pinned packages with known vulnerabilities, which needs the network
	$(INSTALL) pip-audit
	$(BIN)/python -m pip_audit --requirement constraints.txt --no-deps --disable-pip

browser: $(VENV)/installed-browser ## drive the service's window in headless Chromium, which apt-get installs if need be
	@command -v chromedriver >/dev/null || { $(CHROMIUM); } || \
		{ echo "chromedriver is needed: install the packages chromium and chromium-driver, then try again" >&2; exit 1; }
	$(BIN)/python -m pytest tests/browser

thirdparty: $(VENV)/installed-thirdparty ## run our classes inside packages of others, such as ragas, deepagents and LangServe
	$(VENV)/thirdparty/bin/python -m pytest tests/thirdparty

bulk: $(VENV)/installed-bulk ## run jobs on Ray, Dask and Spark (which needs a Java), with workers and programs that are killed
	$(VENV)/bulk/bin/python -m pytest -rs tests/cluster

official: $(VENV)/installed-official $(VENV)/installed-leaks ## run the official packages of other platforms against the embedded service
	$(BIN)/python -m pytest -rs tests/official

leaks: $(VENV)/installed-leaks ## run a benchmark of privacy gateways against the guard
	$(BIN)/python -m pytest tests/official/test_leaks.py

privacy: $(VENV)/installed-privacy ## score the detection of personal data beside other detectors; ARGS="--help" lists options
	$(VENV)/privacy/bin/python -m pytest --quiet tests/privacy
	$(VENV)/privacy/bin/python -m tests.privacy $(ARGS)

package: $(VENV)/installed-package ## build the package and try it as shipped, with every extra and other versions
	$(BIN)/python -m tests.package

clean: ## remove everything that the other targets made
	rm -rf $(VENV) build dist site .cache .coverage htmlcov .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
	find $(SOURCES) -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or later is needed: make PYTHON=python3.11 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed-all: $(VENV)/bin/python pyproject.toml constraints.txt
	$(INSTALL) --editable ".[all]"
	@touch $@

$(VENV)/installed-dev: $(VENV)/bin/python pyproject.toml constraints.txt
	$(INSTALL) --editable ".[dev]"
	@touch $@ $(VENV)/installed-all

$(VENV)/installed-docs: $(VENV)/bin/python pyproject.toml constraints.txt
	$(INSTALL) --editable ".[docs]"
	@touch $@

$(VENV)/installed-bench: $(VENV)/installed-dev
	$(INSTALL) --editable ".[bench]"
	@touch $@

$(VENV)/installed-browser: $(VENV)/installed-dev
	$(INSTALL) --editable ".[browser]"
	@touch $@

# An environment of its own: some of its packages need other versions than those that the project is developed with.
# By uv, which installs the 190 packages in a tenth of the time.
$(VENV)/installed-thirdparty: $(VENV)/bin/python pyproject.toml constraints.txt tests/thirdparty/constraints.txt
	$(INSTALL) uv
	$(BIN)/python -m uv venv --quiet --clear --python $(BIN)/python $(VENV)/thirdparty
	$(BIN)/python -m uv pip install --quiet --python $(VENV)/thirdparty/bin/python \
		--constraint tests/thirdparty/constraints.txt --editable ".[thirdparty]"
	@touch $@

$(VENV)/installed-bulk: $(VENV)/bin/python pyproject.toml constraints.txt tests/cluster/constraints.txt
	$(INSTALL) uv
	$(BIN)/python -m uv venv --quiet --clear --python $(BIN)/python $(VENV)/bulk
	$(BIN)/python -m uv pip install --quiet --python $(VENV)/bulk/bin/python \
		--constraint tests/cluster/constraints.txt --editable ".[bulk]"
	@touch $@

# Without the requirements of presidio-evaluator: its templates and people need none of them.
$(VENV)/installed-privacy: $(VENV)/bin/python pyproject.toml constraints.txt tests/privacy/constraints.txt
	$(INSTALL) uv
	$(BIN)/python -m uv venv --quiet --clear --python $(BIN)/python $(VENV)/privacy
	$(BIN)/python -m uv pip install --quiet --python $(VENV)/privacy/bin/python \
		--constraint tests/privacy/constraints.txt --editable ".[privacy]"
	$(BIN)/python -m uv pip install --quiet --python $(VENV)/privacy/bin/python --no-deps presidio-evaluator==0.3.2
	@touch $@

# Environments of their own: these packages pin the versions of everything that they use.
$(VENV)/installed-official: $(VENV)/installed-dev $(OFFICIAL:%=tests/official/%.txt) tests/official/lumi.json
	$(INSTALL) uv
	for name in $(OFFICIAL); do \
		$(BIN)/python -m uv venv --quiet --clear --python $(BIN)/python $(VENV)/official-$$name && \
		$(BIN)/python -m uv pip install --quiet --python $(VENV)/official-$$name/bin/python \
			--requirement tests/official/$$name.txt || exit 1; \
	done
	@rm -rf $(VENV)/official-lumi && mkdir $(VENV)/official-lumi
	@cp tests/official/lumi.json $(VENV)/official-lumi/package.json
	@if command -v npm >/dev/null; then npm install --prefix $(VENV)/official-lumi --omit=optional --no-package-lock --silent; \
		else echo "npm is not installed: the package of Lumi.new is left out"; fi
	@touch $@

$(VENV)/installed-leaks: $(VENV)/installed-dev tests/official/leaks.txt
	$(INSTALL) uv
	$(BIN)/python -m uv venv --quiet --clear --python $(BIN)/python $(VENV)/official-leaks
	$(BIN)/python -m uv pip install --quiet --python $(VENV)/official-leaks/bin/python \
		--requirement tests/official/leaks.txt
	@touch $@

$(VENV)/installed-package: $(VENV)/installed-dev
	$(INSTALL) --editable ".[package]"
	@touch $@
