# Everything runs in .venv, which is made once and made again only when what it is made from changes.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready

.PHONY: demo test tests lint types bench clean

demo: $(READY)
	$(BIN)/goalkit demo

test: lint types tests

tests: $(READY)
	$(BIN)/python -m pytest

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports

types: $(READY)
	$(BIN)/mypy

bench: $(READY)
	$(BIN)/python -m benchmarks $(if $(DATA),--data $(DATA))

clean:
	rm -rf .venv build

$(READY): setup.cfg constraints.txt pyproject.toml
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'goalkit needs Python 3.11 or newer: make PYTHON=python3.11 ...')"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .[test]
	touch $@
