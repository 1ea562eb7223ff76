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
from taut.tables.split import copies, fold_rows
from taut.tables.table_rows import TEST_TABLE, learned_and_tested
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
        test_rows: Their places in the table, or in a table of their own.
        drawn: Both in columns that do not depend on which rows were set aside.
        roles: The columns that group, order or weigh the rows.
        facts: What these say of the rows to learn from.
        test_facts: The same of the test.
        splits: The folds.
        own_test: Whether the rows of the test are a table of their own.
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
    own_test: bool
    copies: int
    notes: tuple[str, ...]

    @property
    def values(self) -> np.ndarray:
        """The target of the rows to learn from, not standardised."""
        return self.y * self.deviation + self.mean if self.outputs == 1 else self.y


def prepare(
    frame: pd.DataFrame,
    schema: Schema,
    roles: Roles,
    *,
    test: pd.DataFrame | None,
    test_size: float,
    folds: int,
    seed: int,
) -> Prepared:
    """Set a test aside unless there is one, encode, and make the folds."""
    learned, tested, of_test = learned_and_tested(
        frame, test, schema, roles, test_size=test_size, folds=folds, seed=seed
    )
    classes = schema.task != "regression"
    encoder = Encoder(schema).fit(learned.features)
    target, mean, deviation, sentences = learned.y, 0.0, 1.0, ()
    if not classes:
        target, mean, deviation, sentences = _standardised(
            target, tested.y, schema.target, learned.facts.weights
        )
    test_features = tested.features
    if test is not None:
        test_features, levels = encoder.match_levels(test_features)
        of_test += tuple(f"{TEST_TABLE}: {sentence}" for sentence in levels)
    weights = learned.facts.weights
    encoded = encoder.transform(learned.features)
    test_x = encoder.transform(test_features) if len(tested.y) else np.empty((0, 0))
    return Prepared(
        schema=schema,
        encoder=encoder,
        encoded=encoded,
        y=target,
        outputs=len(schema.classes) if classes else 1,
        numbers=encoder.numbers,
        weight=None if weights is None else weights / weights.mean(),
        mean=mean,
        deviation=deviation,
        test_x=test_x,
        test_y=tested.y,
        test_rows=tested.places,
        drawn=_drawn(encoder, (learned.features, test_features), (encoded, test_x)),
        roles=roles,
        facts=learned.facts,
        test_facts=tested.facts,
        splits=fold_rows(learned.y, learned.facts, folds, seed=seed, classes=classes),
        own_test=test is not None,
        copies=copies(learned.features, learned.y, tested.features, tested.y),
        notes=(*encoder.notes, *of_test, *sentences),
    )


def _drawn(
    encoder: Encoder,
    features: tuple[pd.DataFrame, pd.DataFrame],
    encoded: tuple[np.ndarray, np.ndarray],
) -> Drawn:
    """Rows to learn from and of the test, as they are and encoded, with levels of both."""
    many = [name for name, levels in encoder.levels.items() if levels.rare]
    if not many or not len(features[1]):
        return Drawn(encoder.names, *encoded)
    kept = [k for k, source in enumerate(encoder.sources) if source not in many]
    names, sides = [encoder.names[k] for k in kept], tuple([side[:, kept]] for side in encoded)
    for name in many:
        levels = Levels.of(pd.concat([side[name] for side in features]))
        names += [f"{name}{said}" for said in levels.columns]
        for side, rows in zip(sides, features, strict=True):
            side.append(levels.encode(rows[name]))
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
