# Everything runs in .venv, which is made once and made again only when what it is made from changes.

PYTHON ?= python3
BIN := .venv/bin
SWIFT ?= swift
READY := .venv/ready

.PHONY: demo test test-all tests lint types ios-test ios-bundles older-numpy bench pretrained clean

demo: $(READY)
	$(BIN)/goalkit demo

test: $(READY)
	$(MAKE) --jobs=2 --output-sync lint types
	$(MAKE) tests

test-all: lint types ios-test $(READY)  # also what takes minutes or the network, such as fresh installs
	$(BIN)/python -m pytest --numprocesses auto --dist worksteal -m ""

tests: $(READY)
	$(BIN)/python -m pytest --numprocesses auto --dist worksteal

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports

types: $(READY)
	$(BIN)/mypy

ios-test: $(READY)  # SWIFT="/path/to/wrapper swift" for a toolchain that is not on the path
ifeq ($(shell command -v $(firstword $(SWIFT))),)
	@echo "ios-test: skipped, there is no $(firstword $(SWIFT)) here: https://www.swift.org/install"
else
	$(MAKE) build/goalkit-fixtures/ready
	$(SWIFT) format lint --strict --recursive ios-sample/GoalKit ios-sample/App
	ios-sample/tools/typecheck.sh $(SWIFT)c
	cd ios-sample/GoalKit && $(SWIFT) test --configuration release -Xswiftc -enable-testing -Xswiftc -warnings-as-errors \
		-Xlinker --allow-shlib-undefined \
		--scratch-path ../../build/goalkit-swift
endif

build/goalkit-fixtures/ready: $(READY) $(wildcard ios-sample/tools/*.py) $(shell find goalkit -name '*.py')
	PYTHONPATH=. $(BIN)/python ios-sample/tools/fixtures.py $(@D)
	touch $@

ios-bundles: $(READY)  # the two models that the app ships, into place
	PYTHONPATH=. $(BIN)/python ios-sample/tools/bundles.py ios-sample/Bundles

older-numpy: $(READY)  # 2.4 casts differently, and coremltools 9.0 trips over it on graphs that are not ours
	$(BIN)/python -m pip install --quiet --no-deps --target .venv/numpy-2.3 numpy==2.3.5
	PYTHONPATH=.venv/numpy-2.3 $(BIN)/python -m pytest tests/export/test_transformers.py tests/export/test_half_precision.py tests/export/test_export.py tests/export/runtime/test_operations.py

bench: $(READY)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .[bench,test]
	$(BIN)/python -m benchmarks $(if $(DATA),--data $(DATA))

pretrained: $(READY)  # hours; can be interrupted, and continues where it stopped
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .[bench,test]
	$(BIN)/python -m pretraining --data $(or $(DATA),$(error make pretrained DATA=folder))

clean:
	rm -rf .venv build

$(READY): setup.cfg constraints.txt pyproject.toml
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'goalkit needs Python 3.11 or newer: make PYTHON=python3.11 ...')"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .[test]
	touch $@
