"""From trained lanes to a model and what is said of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pandas as pd

from taut._version import __version__
from taut.engine import Callback, afterwards
from taut.engine.resumable import job_clock
from taut.run import Run
from taut.run_metrics import InputColumn, Kept, Learned, Metrics, Table, Target
from taut.tables.best_setting import describe
from taut.tables.candidates import UNPENALISED, Setting
from taut.tables.caveats import notes_of, split_of, warnings_of
from taut.tables.diagnosed import diagnosis_of
from taut.tables.ensemble import Ensemble, assemble
from taut.tables.examine import examine
from taut.tables.importance import feature_table
from taut.tables.lane_weights import epoch_table, lane_table
from taut.tables.leaks import carriers
from taut.tables.learned import learned
from taut.tables.more_rows import more_rows
from taut.tables.prepared import Prepared
from taut.tables.selection import BestSettings
from taut.tables.table_model import TableModel
from taut.tables.trained import Trained, row_loss

PREDICTING = 3
"""So many of the best settings stand for the network, where it is trained on some inputs."""


@dataclass(frozen=True)
class Fitted:
    """A model, the rows that it was made from, and its best settings, the best one first."""

    model: TableModel
    data: Prepared
    best: BestSettings


def conclude(
    trained: Trained,
    data: Prepared,
    *,
    settings: Sequence[Setting],
    epochs: int | None,
    notes: Sequence[str],
    single: bool,
    quick: bool,
    seed: int,
    started: float,
    diagnosis: bool,
    learning_curve: bool,
    callbacks: Sequence[Callback],
) -> Fitted:
    """Choose, assemble, certify, score.

    Args:
        trained: The trained lanes.
        data: What they were trained on.
        settings: What was to be chosen from.
        epochs: Of the schedule, at most.
        notes: What was told before the training.
        single: Whether one refitted network predicts.
        quick: A shorter schedule.
        seed: Seeds everything.
        started: When the fit began, by `job_clock`.
        diagnosis: Whether to diagnose the network.
        learning_curve: Whether to train on fewer rows, for what more would give.
        callbacks: Told of the progress of that.
    """
    # Strength 0 is only compared with, unless there are rows enough for it to be a candidate.
    candidates = [i for i, s in enumerate(trained.settings) if s != UNPENALISED or s in settings]
    ensemble = assemble(
        trained, data, candidates, single=single, epochs=epochs, quick=quick, seed=seed
    )
    predicted, sources = ensemble.out_of_fold, data.encoder.sources
    beyond_base = afterwards(
        "What was learned beyond the base rate",
        lambda: learned(trained, predicted, data.facts.groups),
        Learned(),
    )
    inputs = [column.name for column in data.schema.used]
    features = feature_table(trained, ensemble.kept, inputs, sources, data.numbers)
    known = features.dropna(subset=["importance"])
    shares = dict(zip(known["feature"], known["importance"], strict=True))
    suspects = afterwards(
        "The search for inputs that carry everything",
        lambda: carriers(trained, predicted, sources, data.facts.groups, shares),
        (),
    )
    test = overfitting = test_rows = None
    choice = describe(trained, ensemble, candidates)
    if len(data.test_y):
        test, overfitting, test_rows = afterwards(
            "The scores on the test rows",
            lambda: examine(ensemble.model, trained, data, seed),
            (None, None, None),
            remedy="Score `model.predict` of rows of your own.",
        )
    schema = data.schema
    metrics = Metrics(
        taut_version=__version__,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        table=Table(schema.rows, len(schema.columns) + 1, schema.rows_dropped),
        target=_target(data),
        columns=_columns(data),
        notes=(
            *schema.notes,
            *notes,
            *notes_of(data),
        ),
        warnings=tuple(warnings_of(data, learned=beyond_base, carriers=suspects)),
        split=split_of(data, trained),
        choice=choice,
        learned=replace(beyond_base, carriers=suspects),
        test=test,
        overfitting=overfitting,
        features=Kept(int(features["kept"].sum()), len(features)),
        seconds=round(job_clock() - started, 2),
    )
    bare = trained.settings.index(UNPENALISED) if UNPENALISED in trained.settings else -1
    more = None
    if learning_curve:
        more = afterwards(
            "The learning curve",
            lambda: more_rows(
                trained,
                ensemble.best,
                data,
                quick=quick,
                epochs=epochs,
                seed=seed,
                callbacks=callbacks,
            ),
            None,
        )
    run = Run(
        metrics,
        lane_table(trained, inputs, sources, data.numbers),
        features,
        test_rows,
        afterwards("The losses by epoch", lambda: epoch_table(trained, ensemble.best, bare), None),
        None if more is None else more.table,
    )
    found = None
    if diagnosis:
        found = afterwards(
            "The diagnosis",
            lambda: diagnosis_of(ensemble, trained, data, carriers=suspects, more=more, seed=seed),
            None,
        )
    return Fitted(
        TableModel(ensemble.model, data.encoder, run, diagnosis=found),
        data,
        _best(trained, ensemble, epochs=epochs, quick=quick),
    )


def _best(trained: Trained, ensemble: Ensemble, *, epochs: int | None, quick: bool) -> BestSettings:
    kept, losses = ensemble.kept[:PREDICTING], None
    if trained.seeds == 1:
        losses = row_loss(trained.out_of_fold[kept].mean(axis=0), trained.rows.y)
    return BestSettings([trained.settings[k] for k in kept], losses, quick, epochs)


def _target(data: Prepared) -> Target:
    schema = data.schema
    if data.outputs == 1:
        return Target(schema.target, schema.task, schema.reason, mean=data.mean, std=data.deviation)
    return Target(schema.target, schema.task, schema.reason, schema.classes, schema.counts)


def _columns(data: Prepared) -> tuple[InputColumn, ...]:
    encoded = pd.Series(data.encoder.sources).value_counts()
    return tuple(
        InputColumn(
            c.name, c.kind, c.used, c.reason, c.missing, c.levels, int(encoded.get(c.name, 0))
        )
        for c in data.schema.columns
    )
