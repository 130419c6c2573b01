# One page of commands; `make` alone prints them. Everything happens in .venv/, nothing is installed elsewhere but
# python3-venv, and that only where it is missing and we may.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help
# Tests start hundreds of processes; each would compile every module again.
unexport PYTHONDONTWRITEBYTECODE

DIR ?= var
ADDRESS ?= officer@office.example
CUTS ?= 200
EXAMPLES ?= 2000
MINUTES ?= 10
NUMBERS ?= 2
TROUBLES ?= 3
MACHINE ?= both
SHRINK ?=
SEED ?= 1
STEPS ?= 24
SUITE ?= killers

BIN := .venv/bin
STAMP := .venv/.complete
PROMETHEUS := .venv/prometheus/usr/bin/promtool
HEADERS := /usr/bin/cc /usr/include/stdlib.h /usr/include/openssl/evp.h
# Exit status of relayd invite while the relay is not there yet.
AWAY := 69
# The packages that are on disk, so that a room is checked from the day it appears.
OTHERS := $(notdir $(patsubst %/__init__.py,%,$(wildcard relayd/__init__.py client/relayclient/__init__.py)))
# The tests that have to cover the contract by themselves.
CONTRACT := tests/unit/relayproto tests/vectors

.PHONY: help env run demo demo-office package lock test check static gate vectors powercut model mutants fuzz spin
.PHONY: alerts audit bench bench-hostile bench-peers clean coverage sim soak

help: ## print this page
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

env: $(STAMP) ## make .venv with everything that running, testing and checking need

# The system's own first: it is what the package runs on, so it is what is tested and measured.
$(STAMP): setup.cfg pyproject.toml package/development.lock
	@python=
	for candidate in /usr/bin/python3 python3; do
	    if command -v $$candidate >/dev/null && $$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
	        python=$$candidate
	        break
	    fi
	done
	if [ -z "$$python" ]; then
	    echo "relayd needs Python 3.11 or newer, as /usr/bin/python3 or python3 on the PATH; neither is." >&2
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
	install="$(BIN)/python -m pip install --quiet --disable-pip-version-check"
	$$install --require-hashes --requirement package/development.lock
	PYTHONWARNINGS=ignore $$install --no-deps --no-build-isolation --editable .
	touch $@

# The rules and dashboards are tried with Debian's own Prometheus: unpacked, not installed, so that no daemon starts.
$(PROMETHEUS): | $(STAMP)
	@if ! command -v apt-get >/dev/null; then
	    echo "no apt-get here: tests that need prometheus and promtool are skipped where neither is on the PATH" >&2
	    exit 0
	fi
	rm -rf .venv/prometheus.new
	mkdir .venv/prometheus.new
	cd .venv/prometheus.new
	if ! apt-get download -qq prometheus promtool 2>/dev/null; then
	    [ "$$(id -u)" != 0 ] || apt-get update -qq
	    if ! apt-get download -qq prometheus promtool; then
	        echo "Debian's prometheus and promtool could not be had; the tests that need them are skipped" >&2
	        exit 0
	    fi
	fi
	for package in *.deb; do dpkg-deb --extract "$$package" .; done
	rm -r ./*.deb etc var usr/share
	cd ../..
	rm -rf .venv/prometheus
	mv .venv/prometheus.new .venv/prometheus

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

demo-office: env ## a department is let in by two, run by its own people and followed by an auditor
	@$(BIN)/python tests/demo/office.py

static: env
	@$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy -p relayproto $(addprefix -p ,$(OTHERS))
	$(BIN)/mypy package/*.py

gate: env
	@COVERAGE_FILE=.coverage.relayproto $(BIN)/python -m pytest -q -n 2 $(CONTRACT) \
	    --cov=relayproto --cov-branch --cov-fail-under=100

check: static gate ## style, types, the contract's full coverage, the shape of the tree and the wheel
	@$(BIN)/python -m pytest -q tests/arch

# The gate has run the contract's own tests by then. Three workers for two cores: a sixth of their time tests wait for a
# process or a clock.
test: env $(PROMETHEUS) /usr/bin/systemd-nspawn /usr/bin/spin ## everything that CI runs: style, types, coverage, every test
	@$(MAKE) --no-print-directory --jobs 2 --output-sync=target static gate
	@$(BIN)/python -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder $(addprefix --ignore=,$(CONTRACT))

coverage: env ## measure which of our lines the quick tests reach; to have each run traced takes half as long again
	@$(BIN)/python -m pytest -q -n 2 --dist loadfile -m "not slow" $(addprefix --ignore=,$(CONTRACT)) \
	    $(addprefix --cov=,$(OTHERS)) --cov-fail-under=95

# What boots the machine that the package is installed on by tests; it starts nothing here.
/usr/bin/systemd-nspawn:
	@if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
	    echo "no systemd-nspawn here: the tests that install the package and boot are skipped" >&2
	    exit 0
	fi
	install="env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends systemd-container"
	$$install >/dev/null 2>&1 || { apt-get update -qq; $$install >/dev/null; }

# What searches the model of spec 50, and the compiler that it needs.
/usr/bin/spin:
	@if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
	    echo "no spin here: the tests that search the Promela model are skipped" >&2
	    exit 0
	fi
	compiler=
	command -v cc >/dev/null || compiler="gcc libc6-dev"
	install="env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends spin $$compiler"
	$$install >/dev/null 2>&1 || { apt-get update -qq; $$install >/dev/null; }

package: env ## build the wheel, the Debian package and its bill of materials into dist/
	@$(BIN)/python package --out dist

lock: env ## choose the versions that we ship, build with and test with again; write them down with their hashes
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	compile="$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-annotate"
	$$compile --custom-compile-command "make lock" setup.cfg -o package/requirements.lock
	echo 'setuptools>=77' | $$compile --custom-compile-command "make lock" - -o package/build.lock
	$$compile --extra dev --custom-compile-command "make lock" setup.cfg -o package/development.lock

audit: env ## ask a public database for known vulnerabilities of all that is locked; says so where it can't be asked
	@$(BIN)/python package/audit.py

vectors: env ## write our golden vectors again; a difference that git shows is a change of the protocol
	@for generator in tests/support/generate_*.py; do PYTHONPATH=tests $(BIN)/python $$generator --write; done
	$(BIN)/python -m dashboards.write

powercut: env ## cut the power under the store CUTS (200) times, from SEED (1) on, and compare what is left
	@PYTHONPATH=.:proto:client:tests $(BIN)/python -m support.outages --cuts $(CUTS) --seed $(SEED)

mutants: env ## put each deliberate bug in and show the test that finds it; SUITE=whole asks every test, and goes on
	@PYTHONPATH=.:proto:client:tests $(BIN)/python -m mutants.run --suite $(SUITE)

model: env ## try the store's model EXAMPLES (2000) times, from SEED (1) on; goes on where it was stopped
	@mkdir -p var
	PYTHONPATH=.:proto:client:tests $(BIN)/python -m support.model_run --examples $(EXAMPLES) --seed $(SEED) \
	    --machine $(MACHINE) $(SHRINK) --state var/model.jsonl

fuzz: env ## fuzz every decoder for MINUTES (10) in all, from SEED (1) on; goes on from what it reached before
	@PYTHONPATH=.:proto:client:tests $(BIN)/python -m fuzz.run --minutes $(MINUTES) --seed $(SEED) --state var/fuzz

spin: /usr/bin/spin env ## search the model of spec 50 whole: NUMBERS (2) of submissions, TROUBLES (3) of any kind
	@PYTHONPATH=.:proto:client:tests $(BIN)/python -m support.spin --numbers $(NUMBERS) --troubles $(TROUBLES) --cycles

soak: env ## a relay under mixed load with churn for MINUTES (10), from SEED (1) on; fails where anything grows
	@PYTHONPATH=.:proto:client:tests $(BIN)/python -m soak.run --minutes $(MINUTES) --seed $(SEED)

sim: RUNS = 200
sim: env ## simulate RUNS (200) worlds of STEPS (24) steps each, from SEED (1) on; goes on where it was stopped
	@mkdir -p var
	PYTHONPATH=.:proto:client:tests $(BIN)/python -m sim.run --runs $(RUNS) --seed $(SEED) --steps $(STEPS) \
	    --state var/sim.jsonl

alerts: env $(PROMETHEUS) ## make each alert fire by its cause and resolve, and print how long that took
	@$(BIN)/python -m pytest -q -s tests/operations/test_live.py

bench: env $(HEADERS) ## measure this machine; results are JSON lines and a picture, var/bench.svg
	@$(BIN)/python bench/run.py --plot var/bench.svg

RUNS ?= 5
PEERS ?=

bench-peers: env $(HEADERS) ## the same cases on other servers (PEERS: some), RUNS (5) times each; one table of ratios
	@mkdir -p var
	PYTHONPATH=bench:bench/peers $(BIN)/python bench/peers/compare.py --runs $(RUNS) --peers '$(PEERS)' \
	    --plot var/bench-peers.svg

bench-hostile: env $(HEADERS) ## what honest pairs feel beside 1,000 hostile connections; six minutes, JSON lines
	@$(BIN)/python bench/hostile.py

# The load generator is C, compiled when it runs.
$(HEADERS):
	@if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
	    echo "the load generator needs a C compiler and OpenSSL's headers. As root: apt-get install gcc libc6-dev libssl-dev" >&2
	    exit 1
	fi
	install="env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends gcc libc6-dev libssl-dev"
	$$install >/dev/null 2>&1 || { apt-get update -qq; $$install >/dev/null; }

clean: ## remove what can be made again; a relay's state in var/ stays
	@rm -rf .venv build dist .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
