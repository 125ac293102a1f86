# SamGeo Studio: `make run` starts the app, `make test` checks everything, `make help` lists the rest.
# Written for GNU make 3.81 and later, so that the one macOS ships is enough.

VENV := .venv
PY := $(VENV)/bin/python
HOST ?= localhost
PORT ?= 8501
MODEL ?= $(or $(SAMGEO_MODEL),vit_t)
# Each process of the tests holds a model of its own and waits for browsers and servers of its own.
TEST_PROCESSES ?= 2
PYTEST_ARGS ?=
SCENES ?=
BENCH_ARGS ?=
PEER ?=
export PYTHON TORCH_INDEX_URL VENV

# What is done leaves a stamp: a second run has nothing to install and asks no network.
VENV_MADE := $(VENV)/.made
RUN_READY := $(VENV)/.requirements-installed
DEV_READY := $(VENV)/.requirements-dev-installed
ASSETS_READY := node_modules/.installed

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run test bench bench-speed bench-quality bench-outlines venv venv-dev assets model samples chromium pictures lint format words clean

help: ## list what make can do
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo "  variables: PORT=$(PORT) HOST=$(HOST) MODEL=$(MODEL) PYTHON=<python 3.11+>"
	@echo "             TORCH_INDEX_URL=<package index for torch> PYTEST_ARGS=<for make test>"
	@echo "             SCENES=\"<names, folders or images for make bench>\" BENCH_ARGS=<its options>"

run: venv assets model samples ## install what is missing and start the app on PORT
	$(PY) -m samgeo_core serve --address "$(HOST)" --port "$(PORT)"

test: venv-dev assets model samples chromium lint ## install what tests need, check and test everything
	$(PY) -m pytest -q -n $(TEST_PROCESSES) --dist loadfile $(PYTEST_ARGS)

bench: bench-speed bench-quality bench-outlines ## all of the next three, on SCENES where they are named

bench-speed: venv model ## seconds and memory beside segment-anything-py's generator
	$(PY) -m benchmarks.speed $(if $(SCENES),--scenes $(SCENES)) $(BENCH_ARGS)

bench-quality: venv model ## recall of labelled objects and coverage, scene by scene
	$(PY) -m benchmarks.quality $(if $(SCENES),--scenes $(SCENES)) $(BENCH_ARGS)

bench-outlines: venv model ## finished vectors beside samgeo's, which lie in the folder PEER
	$(PY) -m benchmarks.outlines $(if $(PEER),--peer "$(PEER)")

venv: $(RUN_READY) ## the virtual environment with requirements.txt

venv-dev: $(DEV_READY) ## the same with requirements-dev.txt

assets: $(ASSETS_READY) ## map assets (npm packages), as package-lock.json pins them

model: $(RUN_READY) $(ASSETS_READY) ## the weights of MODEL, checked by their hash, and what is compiled to run them
	$(PY) -m samgeo_core models fetch "$(MODEL)"
	$(PY) -m samgeo_core.engine.kernels

samples: $(RUN_READY) ## sample rasters for the first visit
	$(PY) -m samgeo_core samples fetch || echo "Going on with the samples that are here."

chromium: ## the browser for the browser tests
	@scripts/install_chromium.sh

pictures: venv-dev assets model samples chromium ## docs/images/guide, taken from the running app
	$(PY) -m scripts.take_pictures

lint: $(DEV_READY) ## ruff, formatting, types, scripts, Dockerfile
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy
	$(VENV)/bin/shellcheck scripts/*.sh .ci/run
	$(VENV)/bin/hadolint Dockerfile

format: $(DEV_READY) ## let ruff mend style and formatting
	$(PY) -m ruff check --fix
	$(PY) -m ruff format

words: $(DEV_READY) ## bring the catalogues of words up to date and list what is untranslated
	$(PY) -m samgeo_core.words extract

clean: ## remove what make made in this folder; scenes, runs and downloaded weights stay
	rm -rf $(VENV) node_modules test-results .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV_MADE):
	@scripts/make_venv.sh $(VENV)
	@touch $@

$(RUN_READY): requirements.txt $(VENV_MADE)
	@echo "Installing requirements.txt (PyTorch is large: some minutes the first time)"
	@scripts/install_requirements.sh $(PY) requirements.txt
	@touch $@

$(DEV_READY): requirements-dev.txt $(RUN_READY)
	@scripts/install_requirements.sh $(PY) requirements-dev.txt
	@touch $@

$(ASSETS_READY): package.json package-lock.json .npmrc | $(VENV_MADE)
	@scripts/npm.sh ci
	@touch $@
