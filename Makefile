.DEFAULT_GOAL := help
.NOTPARALLEL:
SHELL := /bin/sh
PYTEST := .venv/bin/pytest

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' Makefile

venv: ## make the virtual environment: .venv/bin/portvakt
	@.setup/venv runtime

run: ## set up everything and start the house with simulated devices
	@.setup/install-system run
	@.setup/venv runtime
	@exec .venv/bin/portvakt demo

dev: ## set up everything that the tests and checks need
	@.setup/install-system test
	@.setup/venv dev
	@.setup/peers

check: ## lint, types, import directions, spelling, the set-up's scripts and locks
	@.setup/install-system check
	@.setup/venv dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/codespell agent drivers camera privacy systemd hardware tests .setup .ci Makefile README.md CHANGELOG.md
	shellcheck .setup/install-system .setup/lock .setup/peers .setup/venv .setup/with-namespaces .ci/run
	.venv/bin/uv pip check --quiet
	$(PYTEST) -q tests/setup/test_locks.py

test: dev check ## set up everything for the tests and pass them
	@# Those that need network namespaces first, and then all others whatever became of these.
	.setup/with-namespaces $(PYTEST) -n 2 -m "root and not deep"; namespaces=$$?; \
	$(PYTEST) -n 2 -m "not root and not deep" && exit $$namespaces

test-deep: dev ## what takes long or needs special rights
	.setup/with-namespaces $(PYTEST) -n 2 -m deep

.PHONY: help venv run dev check test test-deep
