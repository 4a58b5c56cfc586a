# Everything happens in .venv; nothing is installed outside this folder.
PYTHON ?= python3
BIN := .venv/bin
# Tests start servers and fences and wait for them: three at a time keep two cores busy.
JOBS ?= 3
# Run once more with every lab on a PostgreSQL server (Debian's `postgresql`): what reads or
# writes the record in a way of its own. Tracking and the engines do so in the first pass.
ON_SERVER := tests/ledger tests/recovery tests/workflows tests/cli/test_add.py tests/cli/test_run.py \
  tests/cli/test_erase.py tests/cli/test_corrections.py tests/cli/test_resume.py \
  tests/cli/test_main_job.py tests/cli/test_log_in.py tests/cli/test_tracked.py

.PHONY: help demo test test-postgresql check format examples airflow bench clients mutants test-slow \
  console walk wheel wheelhouse docs clean

help: ## what there is to make
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

.venv/bin/python:
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --disable-pip-version-check --upgrade 'pip>=24'

.venv/demo.stamp: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[dicom,serve,up,examples]'
	@touch $@

# Compiled on every core: pip would do 26,000 files one by one. Some are no Python of today.
.venv/dev.stamp: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-compile -e '.[dev]'
	@$(BIN)/python -m compileall -qq -j 0 -x '/tests/' .venv/lib || true
	@touch $@ .venv/demo.stamp

demo: .venv/demo.stamp ## the main job on real data, end to end
	$(BIN)/python tools/demo.py

test: .venv/dev.stamp console ## all tests but the slow ones
	$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup -m "not slow" -p no:cacheprovider
	CLOISTER_TEST_DATABASE=postgresql \
	  $(BIN)/python -m pytest -n $(JOBS) --dist loadgroup -m "not slow" -p no:cacheprovider $(ON_SERVER)

test-postgresql: .venv/dev.stamp ## all of them with every lab on a PostgreSQL server
	CLOISTER_TEST_DATABASE=postgresql \
	  $(BIN)/python -m pytest -n $(JOBS) --dist loadgroup -m "not slow" -p no:cacheprovider

examples: .venv/dev.stamp ## every example in the fence, as large as its page says
	$(BIN)/python tools/examples.py

.venv-airflow/done: tools/airflow-constraints.txt
	$(PYTHON) -m venv .venv-airflow
	.venv-airflow/bin/python -m pip install -q --disable-pip-version-check \
	  -c tools/airflow-constraints.txt apache-airflow
	@touch $@

airflow: .venv/dev.stamp .venv-airflow/done ## a pipeline exported for Airflow, driven by a real one
	$(BIN)/python tools/airflow_dag.py .venv-airflow/bin/python

test-slow: .venv/dev.stamp ## fifty kills each, full disks, whole tours
	$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup -m slow -p no:cacheprovider

check: .venv/dev.stamp ## format, lint, types, import contracts, then the tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(MAKE) test

format: .venv/dev.stamp ## write the code as ruff would
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clients: .venv/dev.stamp ## several releases of MLflow's client, each in its own environment
	$(BIN)/python tools/clients.py

mutants: .venv/dev.stamp ## break each defence; its test must notice
	$(BIN)/python tools/mutants.py

bench: .venv/dev.stamp ## measure; appends to benchmarks/results
	$(BIN)/python -m benchmarks

docs: .venv/dev.stamp ## run the commands of the pages and fill in what they print
	$(BIN)/python tools/render_docs.py

console: .venv/bin/python ## the console's pages, into the package
	$(BIN)/python tools/hatch_build.py

walk: .venv/dev.stamp console ## the main job by clicks; pictures of the pages into docs/console
	CLOISTER_TEST_PICTURES=docs/console $(BIN)/python -m pytest tests/console/test_walk.py \
	  tests/console/test_pipelines.py tests/console/test_sweeps.py -p no:cacheprovider

wheel: .venv/dev.stamp ## dist/cloister-*.whl
	$(BIN)/python -m pip wheel -q --no-deps -w dist .

wheelhouse: .venv/bin/python ## wheels/: all that a machine without an index needs
	$(BIN)/python -m pip wheel -q -w wheels '.[checks,dicom,pipelines,serve,sweep,up]'

clean: ## remove the environment and what was built
	rm -rf .venv dist wheels build demo
