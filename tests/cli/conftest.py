"""The command with a fit that trains nothing: it saves a made-up run."""

import dataclasses
import importlib.util
import json
import sys
import types
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from taut.typed_json import plain, typed

_spec = importlib.util.spec_from_file_location(
    "synthetic_run", Path(__file__).parents[1] / "report" / "synthetic_run.py"
)
assert _spec is not None
assert _spec.loader is not None
synthetic_run = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(synthetic_run)


class FakeModel:
    """A TableModel whose results are made up and whose predictions follow the row number."""

    during_save = staticmethod(lambda directory: None)

    def __init__(self, schema):
        self.schema = schema
        self.run = self.diagnosis = None

    def save(self, directory, overwrite=False):
        task = self.schema.task
        target = self.schema.target
        synthetic_run.make_run(Path(directory), task=task, target=target)
        if self.run is not None:  # with what the command has added
            self.run.save(directory)
        names = plain(self.schema)
        (Path(directory) / "schema.json").write_text(json.dumps(names))
        type(self).during_save(Path(directory))

    @classmethod
    def load(cls, directory):
        from taut.run import Run

        model = cls(cls.load_schema(directory))
        model.run = Run.load(directory)
        return model

    @classmethod
    def load_schema(cls, directory):
        from taut.frames.schema import Schema

        return typed(Schema, json.loads((Path(directory) / "schema.json").read_text()))

    def _codes(self, frame):
        self.schema.prepare(frame, require_target=False)
        return np.arange(len(frame)) % max(len(self.schema.classes), 1)

    def predict(self, frame):
        codes = self._codes(frame)
        return self.schema.labels(codes) if self.schema.classes else 0.5 + codes

    def predict_proba(self, frame):
        return np.eye(len(self.schema.classes))[self._codes(frame)]


@pytest.fixture
def fits(monkeypatch, tmp_path):
    """Replaces `taut.tables.fitting`; `fits.calls` has the arguments of each fit.

    `fits.during` is called while the fit trains, `fits.during_save` while the model is saved.
    """
    from taut.engine import Lane, News
    from taut.frames.roles import Roles
    from taut.frames.understand import understand
    from taut.run import Run

    record = types.SimpleNamespace(calls=[], during=lambda: None, model=FakeModel)

    def fit_table(frame, *, target, callbacks=(), **options):
        record.calls.append({"frame": frame, "target": target, **options})
        lanes = [Lane((0.1,), k) for k in range(90)]
        news = News(90, 1, 0, 1, 10, 9000, (lanes[0], 0.5), 1.0, 899.0)
        for callback in callbacks:
            callback.on_start(lanes, 100)
            callback.on_update(news)
        record.during()
        for callback in callbacks:
            callback.on_end()
        asked = {"task", "features", "drop", "kind", "decimal", "na"}.intersection(options)
        roles = Roles(**{k: options.get(k) for k in ("groups", "time", "weights")})
        given = {k: options[k] for k in asked}
        model = FakeModel(understand(frame, target=target, roles=roles, **given))
        with_results = synthetic_run.make_run(
            tmp_path / f"results {len(record.calls)}", task=model.schema.task, target=target
        )
        run = Run.load(with_results)
        warnings = (*run.metrics.warnings, *model.schema.warnings)
        model.run = dataclasses.replace(
            run, metrics=dataclasses.replace(run.metrics, warnings=warnings)
        )
        return model

    fake = types.ModuleType("taut.tables.fitting")
    fake.fit_table, fake.TableModel = fit_table, FakeModel  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "taut.tables.fitting", fake)
    monkeypatch.setattr("taut.tables.table_model.TableModel", FakeModel)
    monkeypatch.setattr(FakeModel, "during_save", staticmethod(lambda directory: None))
    return record


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty directory, and the current one."""
    place = tmp_path / "here"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


@pytest.fixture
def frame():
    random = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "age": random.integers(20, 80, 60),
            "weight": random.normal(70, 9, 60).round(1),
            "code": [f"{k % 3:02d}" if k % 5 else "A" for k in range(60)],
            "ill": ["yes", "no", "no"] * 20,
        }
    )


@pytest.fixture
def table(here, frame):
    frame.to_csv(here / "patients.csv", index=False)
    return here / "patients.csv"


@pytest.fixture
def taut():
    """`taut("fit", ...)` runs the command in this process."""
    from taut_cli.app import app

    return lambda *arguments: CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture
def listing(here):
    """All that lies in the current directory, with its content."""

    def files():
        return {
            str(path.relative_to(here)): path.read_bytes() if path.is_file() else None
            for path in here.rglob("*")
        }

    return files
