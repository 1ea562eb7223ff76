"""A table in the forms that training reads: encoded, split, its target standardised."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from taut.engine import Split
from taut.errors import InputError
from taut.frames.encode import Encoder
from taut.frames.levels import Levels
from taut.frames.roles import Roles, RowFacts
from taut.frames.scales import apart
from taut.frames.schema import Schema
from taut.tables.split import copies, fold_rows, set_test_aside
from taut.tables.trained import Rows

SMALLEST = 1e-100


@dataclass(frozen=True)
class Drawn:
    """Rows to learn from and rows of the test, encoded so that both can be compared.

    The levels of a category that have a column of their own are the most frequent among the rows
    to learn from, and so less frequent in the test than chance would have it. Here all rows decide.

    Attributes:
        names: Of the columns.
        learned: [rows, columns] to learn from.
        test: [rows, columns] of the test.
    """

    names: tuple[str, ...]
    learned: np.ndarray
    test: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Prepared(Rows):
    """Rows to learn from, rows of the test, and the folds.

    Attributes:
        schema: What was understood of the table.
        encoder: Fitted on the rows to learn from.
        mean: Of the values, 0 for classes.
        deviation: Of the values, 1 for classes.
        test_x: Encoded rows of the test.
        test_y: Their class numbers, or values.
        test_rows: Their places in the table.
        drawn: Both in columns that do not depend on which rows were set aside.
        roles: The columns that group, order or weigh the rows.
        facts: What these say of the rows to learn from.
        test_facts: The same of the test.
        splits: The folds.
        copies: Rows of the test that a row to learn from equals.
        notes: What is to be known of the numbers, in sentences.
    """

    schema: Schema
    encoder: Encoder
    mean: float
    deviation: float
    test_x: np.ndarray
    test_y: np.ndarray
    test_rows: np.ndarray
    drawn: Drawn
    roles: Roles
    facts: RowFacts
    test_facts: RowFacts
    splits: list[Split]
    copies: int
    notes: tuple[str, ...]

    @property
    def values(self) -> np.ndarray:
        """The target of the rows to learn from, not standardised."""
        return self.y * self.deviation + self.mean if self.outputs == 1 else self.y


def prepare(
    frame: pd.DataFrame, schema: Schema, roles: Roles, *, test_size: float, folds: int, seed: int
) -> Prepared:
    """Set a test aside, encode, and make the folds."""
    facts = schema.row_facts(frame, roles)
    features, y = schema.prepare(frame.reset_index(drop=True))
    classes = schema.task != "regression"
    if facts.weights is not None:  # what counts nothing is in neither set
        counted = np.flatnonzero(facts.weights > 0)
        features, y, facts = features.iloc[counted], y[counted], facts.at(counted)
    rows, test = set_test_aside(
        y, facts, test_size=test_size, folds=folds, seed=seed, classes=classes
    )
    learned = facts.at(rows)
    encoder = Encoder(schema).fit(features.iloc[rows])
    target, mean, deviation, sentences = y[rows], 0.0, 1.0, ()
    if not classes:
        target, mean, deviation, sentences = _standardised(
            target, y[test], schema.target, learned.weights
        )
    encoded = encoder.transform(features.iloc[rows])
    test_x = encoder.transform(features.iloc[test]) if len(test) else np.empty((0, 0))
    return Prepared(
        schema=schema,
        encoder=encoder,
        encoded=encoded,
        y=target,
        outputs=len(schema.classes) if classes else 1,
        numbers=encoder.numbers,
        weight=None if learned.weights is None else learned.weights / learned.weights.mean(),
        mean=mean,
        deviation=deviation,
        test_x=test_x,
        test_y=y[test],
        test_rows=features.index.to_numpy()[test],
        drawn=_drawn(encoder, features, encoded, test_x, rows, test),
        roles=roles,
        facts=learned,
        test_facts=facts.at(test),
        splits=fold_rows(y[rows], learned, folds, seed=seed, classes=classes),
        copies=copies(features, y, rows, test),
        notes=(*encoder.notes, *sentences),
    )


def _drawn(
    encoder: Encoder,
    features: pd.DataFrame,
    encoded: np.ndarray,
    test_x: np.ndarray,
    rows: np.ndarray,
    test: np.ndarray,
) -> Drawn:
    many = [name for name, levels in encoder.levels.items() if levels.rare]
    if not many or not len(test):
        return Drawn(encoder.names, encoded, test_x)
    kept = [k for k, source in enumerate(encoder.sources) if source not in many]
    names, sides = [encoder.names[k] for k in kept], ([encoded[:, kept]], [test_x[:, kept]])
    for name in many:
        levels = Levels.of(features[name])
        names += [f"{name}{said}" for said in levels.columns]
        for side, places in zip(sides, (rows, test), strict=True):
            side.append(levels.encode(features[name].iloc[places]))
    return Drawn(tuple(names), *map(np.column_stack, sides))


def _standardised(
    y: np.ndarray, test_y: np.ndarray, name: str, weights: np.ndarray | None
) -> tuple[np.ndarray, float, float, tuple[str, ...]]:
    """A target's training rows standardised, their mean and deviation, and what to tell.

    Rows out of all proportion to the others (`apart`) count as the bounds, or they alone would
    be fitted.
    """
    sentences: tuple[str, ...] = ()
    bounds = apart(y)
    if bounds is not None:
        far = y[(y < bounds[0]) | (y > bounds[1])]
        sentences = (
            f"The target {name!r} is out of all proportion in {len(far)} of {len(y)} training "
            f"rows ({_some(far)}): they count as {bounds[0]:.6g} or {bounds[1]:.6g}. Correct "
            "them, or, if the value stands for a missing one, say so with "
            f"`--na {far[0]:.15g}`.",
        )
        y = np.clip(y, *bounds)
    beyond = apart(np.concatenate([y, test_y]))
    if beyond is not None:
        far = test_y[(test_y < beyond[0]) | (test_y > beyond[1])]
        sentences += (
            f"The target {name!r} is out of all proportion in {len(far)} of {len(test_y)} test "
            f"rows ({_some(far)}): the scores tell of these rows alone.",
        )
    mean = float(np.average(y, weights=weights))
    # In its own unit, or the squares of small numbers would be 0.
    unit = float(np.abs(y - mean).max()) or 1.0
    deviation = unit * float(((y - mean) / unit).std()) or 1.0
    if deviation < SMALLEST:
        raise InputError(
            f"A target's standard deviation must be at least {SMALLEST:g}, or its squares are 0. "
            f"Received: {deviation:.3g} in {name!r}. Measure it in another unit."
        )
    return (y - mean) / deviation, mean, deviation, sentences


def _some(values: np.ndarray) -> str:
    distinct = np.unique(values)
    return ", ".join(f"{v:.15g}" for v in distinct[:3]) + ", …" * (len(distinct) > 3)
