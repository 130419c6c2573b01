# One page of commands; `make` alone prints them. Everything happens in .venv/, nothing is installed elsewhere but
# python3-venv, and that only where it is missing and we may.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help

DIR ?= var
ADDRESS ?= officer@office.example
CUTS ?= 200
SEED ?= 1

BIN := .venv/bin
STAMP := .venv/.complete
# Exit status of relayd invite while the relay is not there yet.
AWAY := 69
# The packages that are on disk, so that a room is checked from the day it appears.
OTHERS := $(notdir $(patsubst %/__init__.py,%,$(wildcard relayd/__init__.py client/relayclient/__init__.py)))

.PHONY: help env run demo test check static gate vectors powercut bench clean

help: ## print this page
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

env: $(STAMP) ## make .venv with everything that running, testing and checking need

$(STAMP): setup.cfg pyproject.toml
	@python=
	for candidate in python3 /usr/bin/python3; do
	    if command -v $$candidate >/dev/null && $$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
	        python=$$candidate
	        break
	    fi
	done
	if [ -z "$$python" ]; then
	    echo "relayd needs Python 3.11 or newer, as python3 on the PATH or /usr/bin/python3; neither is." >&2
	    exit 1
	fi
	if ! $$python -c 'import ensurepip' 2>/dev/null; then
	    if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
	        echo "$$python cannot make environments. As root: apt-get install python3-venv" >&2
	        exit 1
	    fi
	    apt-get update -qq
	    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv
	fi
	[ -x $(BIN)/python ] || $$python -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

run: env ## start a relay in DIR (var) and print an invitation for ADDRESS (officer@office.example)
	@[ -e $(DIR)/relayd.toml ] || $(BIN)/relayd init --state $(DIR)
	$(BIN)/relayd serve --state $(DIR) &
	relay=$$!
	trap 'kill -TERM $$relay 2>/dev/null || true' INT TERM
	status=$(AWAY)
	for _ in {1..100}; do
	    [ $$status = $(AWAY) ] && kill -0 $$relay 2>/dev/null || break
	    status=0
	    said=$$($(BIN)/relayd invite $(ADDRESS) --state $(DIR) 2>&1) || status=$$?
	    [ $$status != $(AWAY) ] || sleep 0.1
	done
	if [ $$status = 0 ]; then
	    printf '\nInvitation for %s, good once:\n\n  %s\n' '$(ADDRESS)' "$$said"
	    printf '\nIn another terminal, the first asks for that link:\n\n  %s\n  %s\n\nCtrl-C stops the relay.\n' \
	        '$(BIN)/relay join' '$(BIN)/relay listen' 
	elif kill -0 $$relay 2>/dev/null; then
	    printf '\nThe relay runs; no invitation for %s: %s\n' '$(ADDRESS)' "$$said" >&2
	fi
	status=0
	wait $$relay || status=$$?
	while kill -0 $$relay 2>/dev/null; do
	    status=0
	    wait $$relay || status=$$?
	done
	exit $$status

demo: env ## two people, a relay that is killed between them, and a message that arrives all the same
	@$(BIN)/python tests/demo/demo.py

static: env
	@$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy -p relayproto $(addprefix -p ,$(OTHERS))

gate: env
	@COVERAGE_FILE=.coverage.relayproto $(BIN)/python -m pytest -q tests/unit/relayproto tests/vectors \
	    --cov=relayproto --cov-branch --cov-fail-under=100

check: static gate ## style, types, the contract's full coverage, the shape of the tree and the wheel
	@$(BIN)/python -m pytest -q tests/arch

test: static gate ## everything that CI runs: style, types, coverage, every test
	@$(BIN)/python -m pytest -q -n 2 --dist loadfile $(addprefix --cov=,$(OTHERS))

vectors: env ## write our golden vectors again; a difference that git shows is a change of the protocol
	@for generator in tests/support/generate_*.py; do PYTHONPATH=tests $(BIN)/python $$generator --write; done

powercut: env ## cut the power under the store CUTS (200) times, from SEED (1) on, and compare what is left
	@PYTHONPATH=.:proto:client:tests $(BIN)/python -m support.outages --cuts $(CUTS) --seed $(SEED)

bench: env ## measure this machine; results are JSON lines
	@$(BIN)/python bench/run.py

clean: ## remove what can be made again; a relay's state in var/ stays
	@rm -rf .venv build dist .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
