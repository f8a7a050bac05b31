# make demo and make test need Python 3.11, pip and make; all else comes from the lock file.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup setup-slow demo demo-reset test check lock clean

setup: .venv/.ready

.venv/.ready: requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.9,<1"
	@VIRTUAL_ENV=.venv $(BIN)/uv pip sync --quiet requirements.lock
	@$(BIN)/python -m ensurepip --upgrade >/dev/null 2>&1 || true
	@VIRTUAL_ENV=.venv $(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

COMPILE := $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet
EXTRAS := $(foreach e,postgresql mysql mssql oracle push hub dev,--extra $(e))

lock:
	$(COMPILE) $(EXTRAS) -o requirements.lock
	$(COMPILE) $(EXTRAS) --extra slow --constraint requirements.lock -o requirements-slow.lock
