.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTEST := .venv/bin/pytest -n 2

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

check: ## lint, types, import directions, spelling
	@.setup/venv dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/codespell agent drivers camera privacy systemd hardware tests README.md CHANGELOG.md

test: dev check ## set up everything for the tests and pass them
	$(PYTEST) -m "not deep"

test-deep: dev ## what takes long or needs special rights
	$(PYTEST) -n 0 -m deep

.PHONY: help venv run dev check test test-deep
