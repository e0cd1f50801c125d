# Two commands: `make demo` and `make test`. Both make .venv from constraints.txt first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# One process a core, each with one thread; a module's tests share its runs. The slow ones begin with the longest,
# see tests/conftest.py, and not with the modules of the most tests.
SHARED := -n auto --dist loadfile
test slow long unproven coverage: export OMP_NUM_THREADS = 1

# Other frameworks' exporters have an environment of their own; where it is, the slow tier exports with them anew.
EXPORTERS := .exporters
slow: export WORKBENCH_EXPORTERS ?= $(abspath $(wildcard $(EXPORTERS)/bin/python))

.PHONY: demo test slow long unproven coverage lint types bench audit release exporters clean

demo: $(VENV)/.demo
	$(BIN)/workbench demo

test: $(VENV)/.test
	$(BIN)/python -m pytest $(SHARED)

slow: $(VENV)/.test
	$(BIN)/python -m pytest $(SHARED) --no-loadscope-reorder -m "slow and not unproven and not long"

long: $(VENV)/.test
	$(BIN)/python -m pytest $(SHARED) -m long

coverage: $(VENV)/.test
	$(BIN)/python -m pytest $(SHARED) --cov=workbench --cov-report=term:skip-covered --cov-fail-under=90

unproven: $(VENV)/.test
	$(BIN)/python -m pytest $(SHARED) -m unproven

lint: $(VENV)/.test
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

# Those of a finished run take RUN (`make bench RUN=reports/digits`); those of real sets and of a GPU say where there are none.
RUN ?=
bench: export PYTHONPATH = .:tests
bench: $(VENV)/.test
	for name in metrics shapley leverage onnx real truth gpu; do \
	  $(BIN)/python tests/benchmarks/bench_$$name.py || exit 1; done
	for name in explain stage; do [ -z "$(RUN)" ] || $(BIN)/python tests/benchmarks/bench_$$name.py $(RUN) || exit 1; done

audit: $(VENV)/.test
	$(BIN)/pip install --quiet -c constraints.txt -e '.[audit]'
	$(BIN)/python .ci/dependencies.py --sbom dist/sbom.cdx.json

# What a release is: the wheel, the source, the bill of materials of what they stand on, and the hashes of all three.
DIST ?= dist
release: $(VENV)/.test
	rm -f $(DIST)/workbench-* $(DIST)/workbench.cdx.json $(DIST)/SHA256SUMS
	$(BIN)/python -m build --no-isolation --outdir $(DIST) .
	$(BIN)/python .ci/dependencies.py --offline --sbom $(DIST)/workbench.cdx.json
	cd $(DIST) && sha256sum workbench-* workbench.cdx.json > SHA256SUMS

exporters: $(EXPORTERS)/.made

$(EXPORTERS)/.made: fixtures/exporters.txt
	$(PYTHON) -m venv $(EXPORTERS)
	$(EXPORTERS)/bin/pip install --quiet -r $<
	touch $@

$(VENV)/.demo: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet -c constraints.txt -e '.[demo]'
	touch $@

$(VENV)/.test: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet -c constraints.txt -e '.[test]'
	touch $(VENV)/.demo $@

clean:
	rm -rf $(VENV) $(EXPORTERS) build dist *.egg-info
