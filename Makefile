# Every command that the README, CI and the workflows use. `make` alone lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
# The tools use all cores by themselves; two recipes at once would share one virtual environment.
.NOTPARALLEL:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

PYTHON ?= python3
VENV := .venv
CLI := .venv-cli
DEMO := .venv-demo
RUNTIME := .venv-lambda
CHECKOV := .venv-checkov
WORKFLOWS := .venv-workflows
INSTALLER := .venv-installer
BIN := $(VENV)/bin
PACKAGE := build/lambda_function.zip
COMMAND := PYTHONPATH=source $(CLI)/bin/python -m cli
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore

# What is on the command line, by name; a command refuses a name that it does not have.
MAKE_VARIABLES := $(strip $(foreach name,$(.VARIABLES),$(if $(filter command,$(origin $(name))),$(name))))

# A secret on the command line is in the list of processes and in the shell's history.
$(foreach name,$(filter FALCON_CLIENT_ID FALCON_CLIENT_SECRET,$(MAKE_VARIABLES)),$(error $(name) is on the command line, where others can read it. Export it instead, and consider the secret as leaked))

# What is given on the command line is taken as it is: a dollar sign in a value is a dollar sign, and nothing is run.
$(foreach name,$(MAKE_VARIABLES),$(eval override $(name) := $$(value $(name)))$(eval export $(name)))

# What is exported as FALCON_* reaches these commands and no other program, pip for instance.
COMMANDS := deploy delete publish plan status reconcile deploy-org delete-org coverage-report
FALCON := $(filter FALCON_%,$(.VARIABLES))
WITHOUT_FALCON := unset $${!FALCON_*};
unexport $(FALCON)
$(foreach name,$(FALCON),$(eval $(COMMANDS) probe-live: export $(name) := $$(value $(name))))
$(COMMANDS): export MAKE_VARIABLES := $(MAKE_VARIABLES)

# Who asks what a target does does not want it done.
$(if $(HELP),$(foreach target,$(filter-out help probe-live $(COMMANDS),$(MAKECMDGOALS)),$(error make $(target) has no HELP=1. What each target does: make help)))

.PHONY: help
help: ## List the commands
	@awk -F ':.*## ' '/^#####/ {sub(/^#+ /, ""); title = $$0} /^[a-z-]+:.*## / {if (title) print "\n" title; title = ""; printf "  %-20s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##### Virtual environments

CHECK_PYTHON = $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
ENVIRONMENT = PYTHONPATH=source $(PYTHON) -m tools.environment
# A stamp is the last file that a recipe writes, so that an interrupted set-up starts again.
INSTALL = @$(WITHOUT_FALCON) $(ENVIRONMENT) install $(@D) $< $(1) && touch $@

# pip and uv. A newer uv is no reason to make the others again.
$(INSTALLER)/.installed: source/tools/uv.txt
	@$(WITHOUT_FALCON) $(CHECK_PYTHON)
	@$(WITHOUT_FALCON) $(ENVIRONMENT) installer && touch $@

# The last argument says how many seconds it typically takes on two cores with a good network.
$(VENV)/.installed: requirements-dev.txt | $(INSTALLER)/.installed
	$(call INSTALL,20)

# What deploying and operating take, and nothing else: this is for machines that administer an organization.
$(CLI)/.installed: source/cli/requirements.txt | $(INSTALLER)/.installed
	$(call INSTALL,5)

$(DEMO)/.installed: tests/demo/requirements.txt | $(INSTALLER)/.installed
	$(call INSTALL,5)

# What AWS provides at run time and nothing else: the function must bring the rest in its package.
$(RUNTIME)/.installed: tests/sandbox/lambda-runtime.txt | $(INSTALLER)/.installed
	$(call INSTALL,5)

$(CHECKOV)/.installed: tests/checkov.txt | $(INSTALLER)/.installed
	$(call INSTALL,20)

$(WORKFLOWS)/.installed: tests/workflows.txt | $(INSTALLER)/.installed
	$(call INSTALL,5)

.PHONY: dev
dev: $(VENV)/.installed $(RUNTIME)/.installed ## Set up the virtual environments

##### Package

# Directories too: theirs is the only time that changes when a file is removed.
PACKAGED := $(shell find source/registry_connections -name __pycache__ -prune -o \( -type d -o -name '*.py' \) -print)

# It takes nothing but Python and pip.
BUILD := PYTHONPATH=source $(INSTALLER)/bin/python -m tools.package

$(PACKAGE): $(PACKAGED) source/requirements.txt source/tools/package.py | $(INSTALLER)/.installed
	@$(WITHOUT_FALCON) $(BUILD) $@ > /dev/null

.PHONY: package
package: $(PACKAGE) ## Build build/lambda_function.zip and print its SHA-256
	@$(BUILD) --describe $(PACKAGE)

##### Release

RELEASE_PROGRAM := PYTHONPATH=source $(BIN)/python -m tools.release

.PHONY: release
release: $(VENV)/.installed $(INSTALLER)/.installed ## Write build/release/: package, templates, digests, SBOM
	@$(BUILD) $(PACKAGE) > /dev/null
	@$(RELEASE_PROGRAM) build/release $(PACKAGE)

.PHONY: check-reproducible
check-reproducible: $(VENV)/.installed $(PACKAGE) ## Build package and release twice, and compare
	@$(RELEASE_PROGRAM) --trial build/once $(PACKAGE)
	@(umask 077; export LC_ALL=C TZ=Asia/Tokyo PYTHONHASHSEED=1 SOURCE_DATE_EPOCH=1; \
	  $(BUILD) build/again.zip > /dev/null; $(RELEASE_PROGRAM) --trial build/again build/again.zip > /dev/null)
	@diff -r build/once build/again && rm -r build/once build/again build/again.zip && echo "The same, byte for byte"

##### Checks

.PHONY: format
format: $(VENV)/.installed ## Format the code
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format --quiet .

TEMPLATES := template.yaml $(wildcard source/*.yaml)

.PHONY: tables
tables: $(VENV)/.installed ## Write the tables of the pages that follow from code
	@PYTHONPATH=source $(BIN)/python -m tests.docs.tables
	@PYTHONPATH=source $(BIN)/python -m tests.faults

.PHONY: lint
lint: $(VENV)/.installed ## Check style, types and templates
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/cfn-lint $(TEMPLATES)

# Without network: no account, no upload, no download of policies. It calls what it cannot parse a success; we do not.
.PHONY: checkov
checkov: $(CHECKOV)/.installed $(TEMPLATES) ## Check the templates against security policies
	@set -o pipefail; $(CHECKOV)/bin/checkov --framework cloudformation --compact --quiet --skip-download --file $(TEMPLATES) \
	  | awk '{print} /Parsing errors/ {bad = 1} END {exit bad}'

# Without network, too.
.PHONY: workflows
workflows: $(WORKFLOWS)/.installed ## Check the workflows of GitHub for mistakes and holes
	@$(WORKFLOWS)/bin/actionlint
	@$(WORKFLOWS)/bin/zizmor --offline --no-progress --quiet --persona pedantic .github

PYTEST = $(BIN)/python -m pytest --quiet --numprocesses auto --maxprocesses 8 --dist loadgroup

# TESTS=tests/registry_connections/core/test_plan.py runs these only, and stops at the first failure.
TESTS :=
.PHONY: test
test: dev $(if $(TESTS),,lint) $(PACKAGE) ## Check and test everything (TESTS=... narrows)
	@$(PYTEST) $(if $(TESTS),--exitfirst $(TESTS))

.PHONY: unit
unit: lint ## Check style, and run the unit tests, in under a minute
	@$(PYTEST) tests/registry_connections tests/template

# `make test` generates the same cases each time; this generates others. SEED=... repeats those of a failure.
STEPS := 100000
.PHONY: histories
histories: $(VENV)/.installed ## Test with random seeds (STEPS=200000, SEED=... to repeat)
	@seed=$${SEED:-$$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}; echo "SEED=$$seed"; \
	  HISTORY_STEPS=$(STEPS) HISTORY_SEED=$$seed \
	  $(PYTEST) -m hypothesis --timeout 0 --hypothesis-profile explore --hypothesis-seed $$seed

# It explains its variables with HELP=1, and says what it does before it does it.
.PHONY: probe-live
probe-live: $(VENV)/.installed ## Ask a real Falcon tenant what is not documented (HELP=1)
	@PYTHONPATH=source $(BIN)/python -m probe $(if $(HELP),--help)

.PHONY: bench
bench: dev $(PACKAGE) ## Measure the function (BENCH="launch calls", or WRITE=1)
	@PYTHONPATH=source $(BIN)/python -m tests.bench $(if $(WRITE),--write) $(BENCH)

.PHONY: sandbox
sandbox: dev $(CLI)/.installed $(PACKAGE) ## Run a local AWS and Falcon for the commands, until Ctrl-C
	@exec $(BIN)/python -m tests.sandbox

.PHONY: demo
demo: $(DEMO)/.installed $(RUNTIME)/.installed $(PACKAGE) ## See a launch from beginning to end, on this machine alone
	@PYTHONPATH=source $(DEMO)/bin/python -m tests.demo

##### A real AWS account

# What goes to AWS is built first, but not to explain it, and not where a release is given.
$(if $(HELP)$(value RELEASE),,deploy publish deploy-org coverage-report): $(PACKAGE)
$(COMMANDS): | $(CLI)/.installed
	@$(COMMAND) $@ $(if $(HELP),--help)

.PHONY: $(COMMANDS)
deploy: ## Launch or update the stack (HELP=1 tells the variables)
status: ## Show each Region's connection, and what is wrong with it
plan: ## Show what a repair would do now
reconcile: ## Repair what drifted, now
publish: ## Upload package and template, print a launch link
delete: ## Delete the stack, and its connections if asked

##### An organization

deploy-org: ## Cover an organization with one stack set and one secret
coverage-report: ## Show which registries of the organization are connected
delete-org: ## Take the stack set out of the organization again

##### Upkeep

# UPGRADE=1 takes the newest versions that pyproject.toml admits. What is in several files has one version: the package's,
# then the developer's.
LOCK = $(ENVIRONMENT) uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header \
  --no-emit-index-url --no-emit-find-links $(if $(UPGRADE),--upgrade)
LOCK_AS_DEV = $(LOCK) --constraint requirements-dev.txt

.PHONY: lock
lock: $(INSTALLER)/.installed ## Pin what pyproject.toml declares (UPGRADE=1: the newest)
	@$(LOCK) pyproject.toml -o source/requirements.txt
	@$(LOCK) --constraint source/requirements.txt --group dev -o requirements-dev.txt
	@$(LOCK_AS_DEV) --group cli -o source/cli/requirements.txt
	@$(LOCK_AS_DEV) --group demo -o tests/demo/requirements.txt
	@$(LOCK) --group lambda-runtime -o tests/sandbox/lambda-runtime.txt
	@$(LOCK) --group installer -o source/tools/uv.txt
	@$(LOCK) --group checkov -o tests/checkov.txt
	@$(LOCK) --group workflows -o tests/workflows.txt

.PHONY: clean
clean: ## Remove what was built, and the caches
	@rm -rf build .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find source tests -name __pycache__ -prune -exec rm -rf {} +

.PHONY: distclean
distclean: clean ## Remove the virtual environments too
	@rm -rf $(VENV) $(CLI) $(DEMO) $(RUNTIME) $(CHECKOV) $(WORKFLOWS) $(INSTALLER)
