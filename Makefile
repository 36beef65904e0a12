# SPDX-License-Identifier: Apache-2.0
# Needs python3 >= 3.11 with pip and venv, and make. Everything else goes into .venv.

PYTHON ?= python3
# The oldest Airflow runs on Python 3.12 at most; name one here if PYTHON is newer.
OLDEST_PYTHON ?= $(PYTHON)
# Airflow 3.0 does not bound these: with what is newest today it fails every task, or refuses s3:// paths.
OLDEST_AIRFLOW := apache-airflow==3.0.6 fastapi==0.117.1 starlette==0.48.0 cadwyn==5.4.6 'universal-pathlib<0.3'

GATEWAY ?= aimlapi
AIRFLOW_PORT ?= 8080
ARGS ?=
# Of `make chaos`; without a SEED one is drawn, and printed.
SEED ?=
GENERATIONS ?= 40
KILLS ?= 30

BIN := .venv/bin
READY := .venv/ready
OLDEST_READY := .venv-oldest/ready
CLUSTER_READY := .venv/ready-cluster

.PHONY: help demo airflow test test-oldest test-stack test-browser screenshots chaos bench-airflow bench-cluster lint fix docs \
	check-wheel bench clean

help:
	@echo 'make demo [GATEWAY=aimlapi|segmind|pixverse]  one example, against the sandbox: no key, no spending'
	@echo 'make airflow [AIRFLOW_PORT=8080]              a real Airflow with the examples and the sandbox'
	@echo 'make test [ARGS=...]                          the tests (make test-oldest: on the oldest Airflow)'
	@echo 'make test-stack [SEED=...]                    the tests that need a real Airflow, some ten minutes'
	@echo 'make test-browser                             the tests of what Airflow shows, in Chromium'
	@echo 'make screenshots                              pictures of the pages, in build/screenshots'
	@echo 'make chaos [SEED=...] [GATEWAY=...]           many videos while workers and triggerers are killed'
	@echo 'make bench                                    the figures of docs/performance.md, some ten minutes'
	@echo 'make bench-airflow                            slot-seconds a video, deferred and not, in a real Airflow'
	@echo 'make bench-cluster                            300 videos on a cluster that loses a worker, a triggerer'
	@echo 'make lint | fix                               what CI checks | repair what can be repaired'
	@echo 'make clean                                    remove everything the above have made'

$(BIN)/uv:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet uv

$(READY): pyproject.toml | $(BIN)/uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python -e '.[dev]'
	@touch $@

$(OLDEST_READY): pyproject.toml Makefile | $(BIN)/uv
	$(OLDEST_PYTHON) -m venv --clear .venv-oldest
	$(BIN)/uv pip install --quiet --python .venv-oldest/bin/python $(OLDEST_AIRFLOW) -e '.[dev]'
	@touch $@

$(CLUSTER_READY): $(READY)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --group cluster
	@touch $@

demo: $(READY)
	$(BIN)/python scripts/demo.py --gateway $(GATEWAY)

airflow: $(READY)
	@exec $(BIN)/python scripts/run_airflow.py --port $(AIRFLOW_PORT)

test: $(READY)
	$(BIN)/python -m pytest -n auto $(ARGS)

test-oldest: $(OLDEST_READY)
	.venv-oldest/bin/python -m pytest -n auto $(ARGS)

test-stack: $(READY)
	SEED=$(SEED) $(BIN)/python -m pytest tests/stack -m stack $(ARGS)

test-browser: $(READY)
	bash scripts/ensure_chromium.sh
	$(BIN)/python -m pytest tests/browser -m browser $(ARGS)

screenshots: $(READY)
	bash scripts/ensure_chromium.sh
	$(BIN)/python tests/browser/screenshots.py build/screenshots

chaos: $(READY)
	SEED=$(SEED) GATEWAY=$(GATEWAY) GENERATIONS=$(GENERATIONS) KILLS=$(KILLS) \
		$(BIN)/python -m pytest tests/stack/test_chaos.py::test_chaos -m stack $(ARGS)

# On the parts that the tests on a real Airflow are made of.
bench-airflow: $(READY)
	PYTHONPATH=scripts:tests/stack $(BIN)/python benchmarks/airflow_slots.py $(ARGS)

bench-cluster: $(CLUSTER_READY)
	PYTHONPATH=scripts:tests/stack $(BIN)/python benchmarks/airflow_cluster.py $(ARGS)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python scripts/catalog_table.py --check

docs: $(READY)
	$(BIN)/python scripts/catalog_table.py

fix: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Beside three official providers, in an environment of their own.
.venv-bench/ready: pyproject.toml | $(BIN)/uv
	$(PYTHON) -m venv --clear .venv-bench
	$(BIN)/uv pip install --quiet --python .venv-bench/bin/python -e '.[bench]'
	@touch $@

bench: .venv-bench/ready
	@AIRFLOW_HOME=$(CURDIR)/.venv-bench/airflow PYTHON=.venv-bench/bin/python bash benchmarks/run.sh

check-wheel: $(READY)
	PYTHON=$(BIN)/python UV=$(BIN)/uv bash scripts/check_wheel.sh

clean:
	rm -rf .venv .venv-* .airflow .demo build dist .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
