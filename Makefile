# Every command that the README, CI and the workflows use. `make` alone lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

PYTHON ?= python3
VENV := .venv
RUNTIME := .venv-lambda
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore

.PHONY: help
help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# A stamp is the last file that a recipe writes, so that an interrupted set-up starts again.
$(VENV)/.installed: requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	@echo "Setting up $(VENV) (once)"
	@rm -rf $(VENV) && $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install -qq --require-hashes -r requirements-dev.txt
	@touch $@

# What AWS provides at run time and nothing else: the function must bring the rest in its package.
$(RUNTIME)/.installed: tests/sandbox/lambda-runtime.txt $(VENV)/.installed
	@echo "Setting up $(RUNTIME) (once)"
	@rm -rf $(RUNTIME) && $(PYTHON) -m venv --without-pip $(RUNTIME)
	@$(BIN)/pip --python $(RUNTIME)/bin/python install -qq --require-hashes -r tests/sandbox/lambda-runtime.txt
	@touch $@

.PHONY: dev
dev: $(VENV)/.installed $(RUNTIME)/.installed ## Set up the virtual environments
