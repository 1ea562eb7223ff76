"""Rows of a table to learn from, and rows to test on: a share of them, or a table of their own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from taut.errors import InputError
from taut.frames.as_frame import NOTES, as_frame
from taut.frames.roles import Roles, RowFacts
from taut.frames.schema import Schema, require_columns
from taut.tables.split import set_test_aside

TEST_TABLE = "The table of test rows"


@dataclass(frozen=True)
class TableRows:
    """Rows that have a target and count something.

    Attributes:
        features: [rows, columns], the inputs among them; its index are the places in the table.
        y: Class numbers, or values.
        facts: What the columns that group, order or weigh the rows say of them.
    """

    features: pd.DataFrame
    y: np.ndarray
    facts: RowFacts

    def at(self, rows: np.ndarray) -> TableRows:
        """Some of them."""
        return TableRows(self.features.iloc[rows], self.y[rows], self.facts.at(rows))

    def counted(self) -> TableRows:
        """Those whose weight is not 0: what counts nothing is in no set."""
        weights = self.facts.weights
        return self if weights is None else self.at(np.flatnonzero(weights > 0))

    @property
    def places(self) -> np.ndarray:
        """[rows] which rows of the table they are, from 0."""
        return self.features.index.to_numpy()


def learned_and_tested(
    frame: pd.DataFrame,
    test: pd.DataFrame | None,
    schema: Schema,
    roles: Roles,
    *,
    test_size: float,
    folds: int,
    seed: int,
) -> tuple[TableRows, TableRows, tuple[str, ...]]:
    """Rows to learn from, rows to test on, and what is to be told of the latter.

    Args:
        frame: The table.
        test: Rows to test on; None to set a share of the table aside.
        schema: What was understood of the table.
        roles: Columns that group, order or weigh the rows.
        test_size: The share that is set aside.
        folds: Folds that the rows to learn from must be enough for.
        seed: Seeds the draw.

    Raises:
        InputError: There are too few groups or times, or `test` cannot be read as the table was.
    """
    facts = schema.row_facts(frame, roles)
    tested, sentences = None, ()
    if test is not None:
        facts, tested, sentences = _of_test(frame, test, schema, roles)
    rows = TableRows(*schema.prepare(frame.reset_index(drop=True)), facts).counted()
    learned, aside = set_test_aside(
        rows.y,
        rows.facts,
        test_size=test_size if test is None else 0.0,
        folds=folds,
        seed=seed,
        classes=schema.task != "regression",
    )
    return rows.at(learned), rows.at(aside) if tested is None else tested, sentences


def _of_test(
    frame: pd.DataFrame, test: pd.DataFrame, schema: Schema, roles: Roles
) -> tuple[RowFacts, TableRows, tuple[str, ...]]:
    """The facts of the table, the rows of the test's own table, and what is odd in that."""
    notes: tuple[str, ...] = ()
    try:
        test = as_frame(test).reset_index(drop=True)
        notes = tuple(test.attrs.pop(NOTES, ()))
        require_columns(test, [schema.target, *roles.named()])
        features, y = schema.prepare(test)
        if roles.named():
            # Of both tables at once, so that one group has one number.
            named = [*roles.named(), schema.target]
            both = pd.concat([as_frame(frame)[named], test[named]], ignore_index=True)
            facts = schema.row_facts(both, roles)
        else:
            facts = RowFacts()
    except InputError as error:
        told = f" Of the file: {' '.join(notes)}" if notes else ""
        raise InputError(f"{TEST_TABLE}: {error}{told}") from error
    count = schema.rows
    places = np.arange(count + len(y))
    tested = TableRows(features, y, facts.at(places[count:])).counted()
    if not len(tested.y):
        raise InputError(f"{TEST_TABLE} must have a row that counts. Received: all weights are 0.")
    sentences = [*notes]
    if len(y) < len(test):
        sentences.append(
            f"Dropped {len(test) - len(y)} of {len(test)} rows: their target {schema.target!r} is "
            "missing."
        )
    return facts.at(places[:count]), tested, tuple(f"{TEST_TABLE}: {told}" for told in sentences)
