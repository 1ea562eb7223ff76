"""Scores of a fitted table on later rows of which the target is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd

from taut.errors import InputError
from taut.frames.as_frame import as_frame, blank
from taut.frames.roles import Roles, RowFacts
from taut.frames.schema import Schema, require_columns
from taut.frames.values import missing
from taut.run_metrics import Metrics, Test
from taut.tables.compare import compare
from taut.tables.peers import BASE_NAMES, base_prediction
from taut.tables.scores import is_rare
from taut.tables.table_rows import TableRows


def evaluated(
    frame: pd.DataFrame,
    schema: Schema,
    metrics: Metrics,
    output: Callable[[pd.DataFrame], np.ndarray],
) -> Test:
    """The scores of the rows that have a target and count something, beside those of no input.

    Args:
        frame: The table; with the columns that group and weigh the rows, where the run has these.
        schema: What was understood of the run's table.
        metrics: Of the run.
        output: What the network makes of rows: probabilities, or values.

    Raises:
        InputError: If a column is missing or cannot be read, or no row has a target.
    """
    split = metrics.split
    roles = Roles(
        groups=None if split.groups is None else split.groups.column,
        weights=None if split.weights is None else split.weights.column,
    )
    frame = as_frame(frame)
    require_columns(frame, [schema.target, *roles.named()])
    frame = frame.loc[~missing(blank(frame, schema.na).loc[:, schema.target])]
    _, y = schema.prepare(frame)
    rows = TableRows(frame, y, _facts(frame, schema, roles)).counted()
    y, facts = rows.y, rows.facts
    if not len(y):
        raise InputError("Scores need a row that counts. Received: all weights are 0.")
    predicted, counts = output(rows.features), np.array(schema.counts)
    regression = schema.task == "regression"
    if regression:
        predicted, learned = predicted[:, 0], np.array([metrics.target.mean or 0.0])
    else:
        learned = np.repeat(np.arange(len(counts)), counts)
    base = BASE_NAMES[regression]
    of_base = base_prediction(learned, len(y), outputs=max(len(counts), 1))
    rare = not regression and is_rare(counts / counts.sum())
    return compare(
        schema.task,
        y,
        {"taut": ("the network", predicted), base: ("no input", of_base)},
        weights=facts.weights,
        groups=facts.groups,
        base=base,
        rare=int(counts.argmin()) if rare else None,
    )


def _facts(frame: pd.DataFrame, schema: Schema, roles: Roles) -> RowFacts:
    """What columns say of the rows; these may all be of one group, unlike those of a run."""
    alone = roles.groups is not None and frame[roles.groups].nunique(dropna=False) == 1
    if not alone:
        return schema.row_facts(frame, roles)
    facts = schema.row_facts(frame, replace(roles, groups=None))
    return replace(facts, groups=np.zeros(len(frame), int))


def as_table(test: Test) -> pd.DataFrame:
    """One line a score of a system: `metric`, `system`, `value`, `low`, `high`, `withheld`."""
    lines = [
        (metric, system.name, score.value, score.low, score.high, score.withheld)
        for metric in test.metrics
        for system in test.systems
        for score in [system.scores[metric]]
    ]
    return pd.DataFrame(lines, columns=["metric", "system", "value", "low", "high", "withheld"])
