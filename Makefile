# `make drill` shows a broken system go back to good; `make test` proves it. Both set up what they need first.
SHELL := bash
.DEFAULT_GOAL := help

# Every tool keeps its state inside the checkout, so an empty or unwritable HOME does not matter.
export PATH := $(CURDIR)/.venv/bin:$(PATH):/usr/sbin
export XDG_CACHE_HOME := $(CURDIR)/.cache
export ANSIBLE_HOME := $(CURDIR)/.cache/ansible
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
export ANSIBLE_COLLECTIONS_PATH := $(CURDIR)/collections
export PYTHONUNBUFFERED := 1

.PHONY: help venv drill bench test lint sanity unit integration robustness molecule docs clean

help:  ## Show these targets
	@sed -nE 's/^([a-z]+):.*## (.*)/\1\t\2/p' Makefile | expand -t 14

venv:  ## Install the Debian packages and the Python environment that the drill needs
	@scripts/setup drill

drill: venv  ## Break a production-like system, roll it back, undo, redo; prints the downtime
	@.venv/bin/python tests/drill

bench: venv  ## Measure everything that is claimed about speed; tables and pictures into benchmarks/results
	@.venv/bin/python benchmarks

test:  ## Run every check below
	@python3 scripts/check.py

lint sanity unit integration molecule:
	@python3 scripts/check.py $@

robustness:
	@python3 scripts/check.py robustness slow

lint:  ## Style, types, import contracts, YAML, roles and documentation
sanity:  ## ansible-test sanity, without ignores
unit:  ## Unit and property tests
integration:  ## The modules against real services
robustness:  ## Every strategy, every kill and every fault on the sandbox, also what is too slow for make test
molecule:  ## Whole rollbacks on containers with systemd

docs: venv  ## Write the generated parts of the documentation
	@.venv/bin/python scripts/docs.py

clean:  ## Remove everything that was built here, except reports
	rm -rf .venv .cache .sandbox .hypothesis .mypy_cache .ruff_cache .pytest_cache .import_linter_cache tests/output
