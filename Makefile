# Needs make, Python 3.11 to 3.14, and nothing else by hand. ARGS is handed on: make test ARGS=tests/unit
VENV := .venv
TEST_VENV := .venv-test
SOURCES := domain schemas projections services tests benchmarks

.DEFAULT_GOAL := help
.PHONY: help serve venv test test-node bench lock

help: ## Print this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

serve: venv ## Run the whole ledger on 127.0.0.1:8080 with its data in ./data; PREFLEDGER_* variables change that.
	@exec ./prefledger serve $(ARGS)

venv: ## Install the locked packages that the ledger needs into .venv.
	@scripts/make-venv $(VENV) requirements.txt

test: ## Check style and types, and run the tests, with the locked packages in .venv-test.
	@scripts/make-venv $(TEST_VENV) requirements-test.txt
	$(TEST_VENV)/bin/python -m ruff check $(SOURCES)
	$(TEST_VENV)/bin/python -m ruff format --check $(SOURCES)
	$(TEST_VENV)/bin/python -m mypy
	$(TEST_VENV)/bin/python -m pytest $(ARGS)

test-node: venv ## Run the JavaScript clients' tests; needs Node 20 or newer, and fetches the clients with npm.
	npm --prefix tests/node ci
	npm --prefix tests/node test

bench: ## Measure the ledger against bare baselines; prints medians and ratios.
	@scripts/make-venv $(TEST_VENV) requirements-test.txt
	$(TEST_VENV)/bin/python -m benchmarks $(ARGS)

lock: ## Write requirements.txt and requirements-test.txt from their .in files; ARGS=--upgrade takes newer versions.
	@scripts/lock $(ARGS)
