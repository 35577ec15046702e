# Commands, each with an environment of its own, from nothing but a Python (3.11 or newer):
#   make sweep   960 trainings on the scanned digits: a table in the terminal and a page to look at
#   make test    the whole test suite
#   make docs    the documentation, into site/

PYTHON ?= python3
WORKERS ?= auto

.PHONY: sweep test check bench docs clean

sweep: .venv/ready
	.venv/bin/ch5jax sweep $(ARGS)

test: .venv-test/ready
	.venv-test/bin/python -m pytest -n $(WORKERS) $(ARGS)

# What the pre-commit hooks and the CI run: lint, format, types.
check: .venv-test/ready
	.venv-test/bin/ruff check .
	.venv-test/bin/ruff format --check .
	.venv-test/bin/mypy

bench: .venv-bench/ready
	.venv-bench/bin/python -m benchmarks $(ARGS)

# A warning is an error. Material's note on MkDocs 2 is none: pyproject.toml asks for MkDocs 1.
docs: .venv-docs/ready
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/python -m mkdocs build --quiet --strict $(ARGS)

.venv/ready: EXTRA = sweep
.venv-test/ready: EXTRA = test
.venv-bench/ready: EXTRA = bench
.venv-docs/ready: EXTRA = docs
.venv/ready .venv-test/ready .venv-bench/ready .venv-docs/ready: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "ch5jax needs Python 3.11 or newer: make PYTHON=...")'
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --editable '.[$(EXTRA)]'
	touch $@

clean:
	rm -rf .venv .venv-test .venv-bench .venv-docs site
