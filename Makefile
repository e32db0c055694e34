# Each target sets up what it needs first. `make` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-builtin-rules --no-print-directory

# Of `make … NAME=value`: the Python to make the environment with, the MIT-BIH Arrhythmia Database (a directory,
# PhysioNet's .zip, or a .tar.xz; HEARTWAVE_MITDB says the same), and further arguments for pytest.
PYTHON ?=
MITDB ?= $(HEARTWAVE_MITDB)
ARGS ?=
# Of `make fuzz`: how many broken recordings, and the seed that draws them.
CASES ?= 20000
SEED ?= 1
# Of `make fuzz-guided`: how long.
FUZZ_SECONDS ?= 60
# Of `make sql-scale`: how many label rows.
ROWS ?= 2000000
# Of `make report`: architectures and seeds, space between them; empty for all of them and for three.
ARCHITECTURES ?=
SEEDS ?=
# Of `make bench`: numbers of recordings that growth is measured with, and their length.
GROWTH ?= 48,480
MINUTES ?= 5
export PYTHON

BIN := .venv/bin

.PHONY: help demo test screenshots fuzz fuzz-guided robustness bench sql-scale report lint format lock install up down clean
.NOTPARALLEL:

help:  ## Show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: install  ## From recordings to labels, with everything real: MITDB=path of the MIT-BIH database, else it is fetched
	@$(BIN)/heartwave demo $(if $(MITDB),--mitdb '$(MITDB)')

test: dev  ## Every test, against real servers: MITDB=path for those on MIT-BIH, ARGS='-k name' for some
	@$(if $(MITDB),HEARTWAVE_MITDB="$$(realpath '$(MITDB)')") $(BIN)/pytest $(ARGS)

# How often each fault strikes.
ROUNDS ?= 5
.PHONY: faults
faults: dev  ## Tasks, servers and connections killed at random instants, no label lost or doubled: ROUNDS=5 SEED=1
	@$(BIN)/python -m tests.faults.campaign --rounds $(ROUNDS) --seed $(SEED) $(ARGS)
	@$(if $(ARGS),,$(BIN)/python -m tests.faults.scheduler --rounds $(ROUNDS) --seed $(SEED))

screenshots: dev  ## The pictures of the page in docs/images, by its tests: MITDB=path
	@HEARTWAVE_MITDB="$$(realpath '$(MITDB)')" HEARTWAVE_SCREENSHOTS="$$PWD/docs/images" $(BIN)/pytest -q tests/system/test_page.py

fuzz-guided: dev  ## The reading room, guided by coverage: FUZZ_SECONDS=60 (Linux on x86-64)
	@cd $$(mktemp -d) && PYTHONPATH=$(CURDIR) $(abspath $(BIN))/python -m tests.fuzzing.guided -max_total_time=$(FUZZ_SECONDS)

fuzz: dev  ## Broken recordings by the thousand through the reading room: CASES=20000 SEED=1
	@$(BIN)/python -m tests.fuzzing.campaign --cases $(CASES) --seed $(SEED)

robustness: dev  ## Detection and labels at other rates, in other formats, with one lead, upside down and in noise: MITDB=path
	@OMP_NUM_THREADS=1 $(BIN)/python -m tests.robustness.campaign --mitdb '$(MITDB)' $(ARGS)

# Of `make long`.
HOURS ?= 24
LEADS ?= 3
.PHONY: long
long: dev  ## What a drawn recording of HOURS=24 and LEADS=3 takes to be cut; ARGS=--whole compares with one piece (5 GB)
	@$(BIN)/python -m tests.robustness.length --hours $(HOURS) --leads $(LEADS) $(ARGS)

sql-scale: dev  ## Every recipe of sql/cookbook on so many labels, timed, with plans: ROWS=100000000 (20 GB), ARGS=--without-labels for the ledger alone
	@$(BIN)/python -m tests.scale.campaign --rows $(ROWS) $(ARGS)

report: install  ## The figures of docs/method.md, into build/: MITDB=path ARCHITECTURES=relative SEEDS='0 1 2'
	@$(if $(MITDB),HEARTWAVE_MITDB="$$(realpath '$(MITDB)')") $(BIN)/python -m heartwave_tasks.cli.method_report \
		$(if $(ARCHITECTURES),--architectures $(ARCHITECTURES)) $(if $(SEEDS),--seeds $(SEEDS))

bench: dev  ## How fast it is, into build/bench.json: MITDB=path GROWTH=48,480,4800 ARGS='--only stages' or --docs
	@OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tests.bench $(if $(MITDB),--mitdb '$(MITDB)') \
		--growth '$(GROWTH)' --minutes '$(MINUTES)' $(ARGS)

lint: dev  ## ruff, mypy, import contracts
	@failed=0; \
	$(BIN)/ruff check || failed=1; \
	$(BIN)/ruff format --check || failed=1; \
	$(BIN)/mypy || failed=1; \
	$(BIN)/lint-imports || failed=1; \
	exit $$failed

format: dev  ## Let ruff mend and format the code
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

lock: install  ## Write requirements/*.txt anew from pyproject.toml: ARGS=--upgrade for the newest versions
	@PATH="$$PWD/$(BIN):$$PATH" requirements/lock.sh $(ARGS)

up: install  ## Start PostgreSQL, S3, MLflow and Airflow
	@$(BIN)/heartwave up

down: install  ## Stop them
	@$(BIN)/heartwave down

clean:  ## Stop the servers and delete their data, the environment and every cache
	@if [[ -x $(BIN)/heartwave ]]; then $(BIN)/python -m heartwave_tasks.local.removal; fi
	@rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

install:  ## The virtual environment alone, .venv
	@scripts/bootstrap.sh local

.PHONY: dev
dev:
	@scripts/bootstrap.sh dev
