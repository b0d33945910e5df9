.DEFAULT_GOAL := help
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help demo test check fmt lint types arch content golden gallery bench build install requirements clean

help: ## show what can be made
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

install: $(READY) ## make the environment in .venv

$(READY): pyproject.toml requirements/ci.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || python3 -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/ci.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $(READY)

demo: $(READY) ## run the weekly report on portfolios/ai-servers and print where the workbook is
	@$(BIN)/exposure demo

test: $(READY) ## run the tests
	$(BIN)/python -m pytest -q -n auto --dist worksteal --cov=exposure --cov-report=term:skip-covered --cov-fail-under=90

check: lint types arch content test ## all gates

lint: $(READY) ## style and dependencies
	$(BIN)/ruff format --check exposure tests
	$(BIN)/ruff check exposure tests
	$(BIN)/deptry .

types: $(READY) ## mypy --strict is the gate, pyright the cross-check
	$(BIN)/mypy
	$(BIN)/pyright

arch: $(READY) ## the rooms of the engine
	$(BIN)/lint-imports

content: $(READY) ## the shipped content holds together
	$(BIN)/exposure data check --as-of 2025-01-24

fmt: $(READY) ## format code
	$(BIN)/ruff format exposure tests
	$(BIN)/ruff check --fix exposure tests

golden: $(READY) ## make the golden dumps again; review them as a diff
	UPDATE_GOLDEN=1 $(BIN)/python -m pytest -q tests/golden

gallery: $(READY) ## render the sheets of the demo workbook to reports/gallery (needs LibreOffice and poppler)
	$(BIN)/python tests/tools/render_gallery.py

bench: $(READY) ## benchmarks: medians and ratios, never a pass or fail
	$(BIN)/python -m pytest tests/benchmarks --benchmark-only -q

build: $(READY) ## build the wheel and test it in a clean environment
	rm -rf dist build/wheel-test
	$(BIN)/python -m build --wheel --no-isolation
	$(PYTHON) -m venv build/wheel-test || python3 -m venv build/wheel-test
	build/wheel-test/bin/python -m pip install --quiet --disable-pip-version-check dist/*.whl
	cd build && ./wheel-test/bin/exposure demo --out demo-output

requirements: ## pin the environment again (needs uv)
	uv pip compile --quiet --generate-hashes --no-header --no-emit-index-url --no-strip-extras --python-version 3.11 --extra dev pyproject.toml -o requirements/ci.txt

clean: ## remove what can be made again
	rm -rf $(VENV) dist build reports/output .pytest_cache .mypy_cache .ruff_cache
