"""Runs for the tests of the report, in every shape that a fit can leave behind."""

import importlib.util
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location(
    "synthetic_run", Path(__file__).with_name("synthetic_run.py")
)
assert _spec is not None
assert _spec.loader is not None
synthetic_run = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(synthetic_run)

VARIANTS = {
    "binary": {},
    "regression": {"task": "regression", "verdict": "unclear"},
    "nasty names": {
        "task": "multiclass",
        "names": synthetic_run.NASTY,
        "target": synthetic_run.EVIL,
        "diverged": True,
    },
    "500 inputs": {"names": [f"probe {i} of the first experiment" for i in range(500)]},
    "one strength": {"strengths": 1, "folds": 1, "penalties": ("L2",)},
    "worse": {"penalties": ("L1",), "verdict": "worse"},
}


@pytest.fixture
def make_run(tmp_path):
    """`make_run(**options)` writes a run directory and returns it."""
    return lambda name="run", **options: synthetic_run.make_run(tmp_path / name, **options)


@pytest.fixture(params=VARIANTS)
def any_run(request, make_run):
    return make_run(**VARIANTS[request.param])


@pytest.fixture
def add_selection():
    return synthetic_run.add_selection


@pytest.fixture
def nasty():
    return synthetic_run.NASTY
