# make demo and make test need Python 3.11, pip and make; all else comes from the lock file.
PYTHON ?= python3
BIN := .venv/bin
SLOW := .venv-slow/bin
PEERS := .venv-conformance/bin
WORKERS ?= 2

.PHONY: setup setup-slow setup-conformance demo demo-reset test test-slow conformance check format lock clean

setup: .venv/.ready

.venv/.ready: requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.9,<1"
	@echo "Installing from requirements.lock (about 1 GB the first time) ..."
	@VIRTUAL_ENV=.venv $(BIN)/uv pip sync --quiet --compile-bytecode requirements.lock
	@$(BIN)/python -m ensurepip --upgrade >/dev/null 2>&1 || true
	@VIRTUAL_ENV=.venv $(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q hub connectors masterdata identity catalog demo
	@touch $@

# Peers of the benches and a browser, in an environment of their own: the hub's stays what the lock says.
setup-slow: setup .venv-slow/.ready

.venv-slow/.ready: requirements-slow.lock pyproject.toml
	@test -x $(SLOW)/python || $(BIN)/python -m venv .venv-slow
	@VIRTUAL_ENV=.venv-slow $(BIN)/uv pip sync --quiet --compile-bytecode requirements-slow.lock
	@VIRTUAL_ENV=.venv-slow $(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# Peers of the sign-on and Node, without the hub: what they need contradicts what it needs.
setup-conformance: setup .venv-conformance/.ready

NODE_PEERS := tests/conformance/node
.venv-conformance/.ready: requirements-conformance.lock $(NODE_PEERS)/package-lock.json
	@test -x $(PEERS)/python || $(BIN)/uv venv --quiet --python $(BIN)/python .venv-conformance
	@VIRTUAL_ENV=.venv-conformance $(BIN)/uv pip sync --quiet --compile-bytecode requirements-conformance.lock
	@PATH="$(CURDIR)/$(PEERS):$$PATH" npm ci --prefix $(NODE_PEERS) --silent --no-audit --no-fund
	@touch $@

demo: setup
	@$(BIN)/hub demo

demo-reset: setup
	@$(BIN)/hub demo-reset

test: setup
	@$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal -m "not slow"

test-slow: setup-slow
	@$(SLOW)/python -m pytest -q -n $(WORKERS) --dist worksteal -m slow

conformance: setup-conformance
	@$(PEERS)/python -m pytest -q -c tests/conformance/pytest.ini tests/conformance

check: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: setup
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

COMPILE := $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet
EXTRAS := $(foreach e,postgresql mysql mssql oracle push hub dev,--extra $(e))

lock: setup
	$(COMPILE) $(EXTRAS) -o requirements.lock
	$(COMPILE) $(EXTRAS) --extra slow --constraint requirements.lock -o requirements-slow.lock
	$(COMPILE:pyproject.toml=) --group conformance -o requirements-conformance.lock

clean:
	rm -rf .venv .venv-slow .venv-conformance $(NODE_PEERS)/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
