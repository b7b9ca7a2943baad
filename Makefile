# Everything runs in an environment that is made when it is needed and brought up to date when pyproject.toml changes:
# .venv, or .venv-python3.13 for `make test PYTHON=python3.13`.
PYTHON ?= python3
VENV := .venv$(addprefix -,$(filter-out python3,$(notdir $(PYTHON))))
BIN := $(VENV)/bin

BENCHES := bench-engine bench-client bench-versus bench-web bench-server bench-outage bench-observe bench-policies \
	bench-scale bench-overload

# How long `make soak` takes; `SECONDS=300 make soak` is shorter.
SECONDS ?= 1800

.PHONY: serve soak rolling test test-lowest lint types wheel docs clean $(BENCHES)

serve: $(VENV)/with-nothing
	@$(BIN)/python -m app.serve

test: $(VENV)/with-test
	$(BIN)/python -m pytest

# With the lowest version that pyproject.toml allows of everything it names.
test-lowest: .venv-lowest/constraints.txt
	$(MAKE) test VENV=.venv-lowest CONSTRAINTS=$<

lint: $(VENV)/with-lint
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(VENV)/with-lint
	$(BIN)/mypy

wheel: $(VENV)/with-test
	$(BIN)/python -m build

docs: $(VENV)/with-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

$(BENCHES): bench-%: $(VENV)/with-bench
	$(BIN)/python -m benchmarks.$* $(ARGS)

soak: $(VENV)/with-nothing
	$(BIN)/python -m benchmarks.soak --seconds $(SECONDS) $(ARGS)

rolling: $(VENV)/with-nothing
	$(BIN)/python -m benchmarks.rolling $(ARGS)

clean:
	rm -rf .venv .venv-* dist build site

# with-nothing: the project alone; with-X: the project with its extra X.
$(VENV)/with-%: pyproject.toml | $(BIN)/pip
	$(BIN)/pip install --quiet --disable-pip-version-check $(addprefix --constraint ,$(CONSTRAINTS)) --editable '.$(if $(filter-out nothing,$*),[$*])'
	@touch $@

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "fastdag needs Python 3.11 or later")'
	$(PYTHON) -m venv $(VENV)

.venv-lowest/constraints.txt: pyproject.toml .ci/lowest
	@mkdir -p $(@D)
	$(PYTHON) .ci/lowest >$@
