# `make demo` and `make test` set up all they need in .venv, from a fresh clone.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TENSORFLOW := $(VENV)/tensorflow
PYTEST_JOBS ?= 2
# What runs on every backend. The whole of tests/penalties and tests/optimizers passes there too,
# but the solutions of thousands of steps, which are compared with other packages, take long.
LAWS := averages backends fixed_point gradients mixed_precision proximal several
CORE := tests/penalties/test_laws.py tests/engine/test_laws.py tests/penalties/test_grouped.py \
	$(LAWS:%=tests/optimizers/test_%.py) tests/engine/test_through_fit.py tests/studies/test_backends.py \
	tests/test_overfit_monitor.py tests/test_messages.py tests/engine/test_weights.py \
	tests/compaction/test_elsewhere.py

.PHONY: demo test docs clean

demo: $(VENV)/demo.stamp
	$(BIN)/taut demo --force

test: $(VENV)/test.stamp $(TENSORFLOW)/stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet --site-dir $(VENV)/site
	# In order: by number of tests the README's page would come last, and a core would wait for it.
	$(BIN)/pytest -n $(PYTEST_JOBS) --dist loadfile --no-loadscope-reorder
	KERAS_BACKEND=torch $(BIN)/pytest -n $(PYTEST_JOBS) --dist loadfile $(CORE)
	PYTHONPATH=$(TENSORFLOW) KERAS_BACKEND=tensorflow $(BIN)/pytest -n $(PYTEST_JOBS) --dist loadfile $(CORE)

docs: $(VENV)/test.stamp
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/demo.stamp: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

# torch comes first and alone, so that the pinned build is the one installed.
$(VENV)/test.stamp: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[docs,test]"
	touch $@ $(VENV)/demo.stamp

# Beside the environment: where Keras finds TensorFlow it imports it, whatever the backend, and
# TensorFlow writes to stderr, which the command's tests read.
$(TENSORFLOW)/stamp: | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --target $(TENSORFLOW) "tensorflow-cpu>=2.18"
	touch $@

clean:
	rm -rf $(VENV) taut-demo taut-run
