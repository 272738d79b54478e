# `make demo` and `make test` need git, make and some Python 3 with venv; everything else lives in the checkout.
SHELL := /bin/bash
.DELETE_ON_ERROR:
.ONESHELL:
.SHELLFLAGS := -eu -o pipefail -c

VENV := $(CURDIR)/.venv
TOOLS := $(CURDIR)/.tools
PYTHON := $(VENV)/bin/python
UV := $(TOOLS)/bin/uv
READY := $(VENV)/.ready
export UV_CACHE_DIR ?= $(CURDIR)/.cache/uv
export UV_PYTHON_DOWNLOADS := never
export VIRTUAL_ENV := $(VENV)
export PATH := $(VENV)/bin:$(PATH)
export OMP_NUM_THREADS ?= 1
export TF_CPP_MIN_LOG_LEVEL ?= 2

PRESET ?= demo
DATA ?=
# Options of `realbogus demo`; for some folders config/demo/NAME.mk says what the images in them are called.
-include config/demo/$(notdir $(DATA:/=)).mk
OPTIONS ?=

.PHONY: help setup bench demo demo-postgres gallery docs test lint types unit unit-fast unit-resolved lock models clean

help: ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 15

$(UV): requirements-bootstrap.lock
	python=$$(bash tools/find-python)
	"$$python" -m venv --clear "$(TOOLS)"
	"$(TOOLS)/bin/python" -m pip install --quiet --no-cache-dir --disable-pip-version-check --require-hashes -r $<
	touch $@

$(READY): requirements.lock pyproject.toml | $(UV)
	python=$$(bash tools/find-python)
	"$(UV)" venv --quiet --clear --python "$$python" "$(VENV)"
	"$(UV)" pip sync --quiet --require-hashes requirements.lock
	"$(UV)" pip install --quiet --no-deps --no-build-isolation --offline --editable .
	touch $@

setup: $(READY) ## create the virtual environment from the lock file

demo: $(READY) ## run the main job on a simulated survey, or on real frames with DATA=folder
	realbogus demo $(if $(DATA),--data "$(DATA)",--preset $(PRESET)) $(OPTIONS) demo

bench: $(READY) ## every benchmark, into benchmarks/RESULTS.md; OPTIONS=--quick shows that they work
	python tools/run_benchmarks.py $(OPTIONS)

gallery: $(READY) ## the notebooks, executed on what `make demo` has left, as pages for `make docs` (minutes)
	python tools/make_gallery.py

docs: $(READY) ## the manual in build/html; any warning is an error
	python -m sphinx -q -W --keep-going -b html doc build/html

# The survey is made in the server's database, so both are removed if one of them is not whole. To look around in the
# repository later: python tools/with_postgresql.py demo-postgres/server bash
demo-postgres: $(READY) ## run the main job on the smallest survey, with the registry in a PostgreSQL server of its own
	[ -e demo-postgres/repo-small ] || rm -rf demo-postgres
	python tools/with_postgresql.py demo-postgres/server bash -eu -c '
	  cd demo-postgres
	  if [ ! -e repo-small ]; then
	    butler create new --seed-config ../config/butler/postgresql.yaml
	    realbogus survey simulate --quiet new --preset small
	    mv new repo-small
	  fi
	  realbogus demo . --preset small'

test: $(READY) ## linters, types and tests
	$(MAKE) --no-print-directory --jobs 3 lint types unit

lint: $(READY) ## ruff, docstrings, spelling
	ruff check .
	ruff format --check .
	python tools/check_docstrings.py
	codespell

types: $(READY) ## mypy --strict on the package
	mypy

# One process a core; tests of one file stay together, so that what they share is made once, and files keep the order
# that tests/conftest.py gives them.
WORKERS := -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

unit: $(READY) ## every test
	python -m pytest -q $(WORKERS)

unit-fast: $(READY) ## the tests that take a few seconds, in under a minute
	python -m pytest -q $(WORKERS) -m "not slow"

# An environment of its own, made from pyproject.toml alone: the oldest dependencies that it allows, or the newest.
RESOLUTION ?= highest
RESOLVED := $(CURDIR)/.cache/venv-$(RESOLUTION)
unit-resolved: $(UV) ## every test with RESOLUTION=lowest-direct or highest dependencies
	python=$$(bash tools/find-python)
	"$(UV)" venv --quiet --clear --python "$$python" "$(RESOLVED)"
	VIRTUAL_ENV="$(RESOLVED)" "$(UV)" pip install --quiet --resolution $(RESOLUTION) --editable '.[dev]'
	PATH="$(RESOLVED)/bin:$$PATH" VIRTUAL_ENV="$(RESOLVED)" "$(RESOLVED)/bin/python" -m pytest -q $(WORKERS)

# As the Science Pipelines have it: the oldest that rubin-env allows, and nothing that it lacks.
.PHONY: unit-rubin-env
RUBIN_ENV := $(CURDIR)/.cache/venv-rubin-env
unit-rubin-env: $(UV) ## every test that applies with the packages of rubin-env (with PyTorch: gigabytes)
	python=$$(bash tools/find-python)
	"$$python" -c 'import sys; assert sys.version_info[:2] == (3, 13), "rubin-env is of Python 3.13"'
	"$(UV)" venv --quiet --clear --python "$$python" "$(RUBIN_ENV)"
	export VIRTUAL_ENV="$(RUBIN_ENV)" PATH="$(RUBIN_ENV)/bin:$$PATH"
	"$(UV)" pip install --quiet --resolution lowest-direct --requirement requirements-rubin-env.txt
	"$(UV)" pip install --quiet --no-deps --editable .
	python -m pytest -q $(WORKERS)

models: $(READY) ## train the packaged models again, from simulated surveys (more than an hour, on a machine that is quiet)
	python tools/train_packaged_models.py build/training

# Every extra but torch: what only a GPU needs of it is gigabytes.
EXTRAS := $(foreach extra,train lightcurves umap scale docs dev,--extra $(extra))

lock: $(UV) ## resolve the dependencies again
	"$(UV)" pip compile pyproject.toml $(EXTRAS) --universal --generate-hashes --python-version 3.12 \
	  --no-header --no-emit-index-url --no-annotate --quiet -o requirements.lock $(LOCKFLAGS)
	echo uv | "$(UV)" pip compile - --universal --generate-hashes --no-header --no-emit-index-url \
	  --no-annotate --quiet -o requirements-bootstrap.lock

clean: ## remove what the targets above made
	rm -rf demo demo-postgres .venv .tools .cache .mypy_cache .ruff_cache .pytest_cache
