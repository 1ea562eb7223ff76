"""What an input tells that the others do not: its conditional importance on held-out rows."""

from __future__ import annotations

import numpy as np

from taut._mean_loss import mean_and_error
from taut.frames.preprocessing import fold_preprocessing
from taut.tables.selection.ladder import Ladder
from taut.tables.selection.readers import InputRows, held_out
from taut.tables.trained import row_loss

DRAWS = 10


def conditional_importance(
    data: InputRows,
    ladder: Ladder,
    rung: int,
    orders: np.ndarray,
    *,
    groups: np.ndarray | None,
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    r"""How much the out-of-fold loss rises when an input is replaced by what the others say of it.

    In each fold, with x̂ⱼ = E[xⱼ | other inputs that the network reads], linear and learned of the
    training rows, the held-out rows get x̂ⱼ and the residual xⱼ − x̂ⱼ of another held-out row. To
    permute the input itself would ask a network where no rows are, and overrate what is
    correlated. For a linear model with normal noise, the rise over its standard error is about
    the input's t-statistic.

    Args:
        data: The rows.
        ladder: The networks.
        rung: Whose networks are asked.
        orders: [folds, inputs] the order by each fold's training rows.
        groups: [rows] group numbers; the groups, not the rows, are independent.
        seed: Draws the permutations.

    Returns:
        [inputs] mean rises, and their standard errors. An input that a fold's network does not
        read raises no loss there.

    References:
        Chamma, Engemann and Thirion, Statistically valid variable importance assessment through
        conditional permutations, 2023.
    """
    read, number, rows = ladder.read, int(ladder.numbers[rung]), data.rows
    draw = np.random.default_rng(seed)
    rises = np.zeros((data.inputs, len(rows.y)))
    longest = max(len(split.held_out) for split in read.splits)
    columns = data.columns(read.data.input_of)
    for fold, (split, lane) in enumerate(zip(read.splits, ladder.lanes(rung), strict=True)):
        inputs = orders[fold, :number]
        residuals = _residuals(data, split.train, split.held_out, inputs)
        # One shape in every fold, so that one program predicts.
        at = np.resize(np.arange(len(split.held_out)), longest)
        x = _filled(data, split.train, split.held_out)[:, columns]
        tables = [x[at]]
        for number_of_input, residual in zip(inputs, residuals, strict=True):
            places = np.flatnonzero(read.data.input_of == number_of_input)
            for _ in range(DRAWS):
                changed = x.copy()
                changed[:, places] += residual[draw.permutation(len(x))] - residual
                tables.append(changed[at])
        predicted = read.predict(np.concatenate(tables), [lane])[0]
        y = np.tile(rows.y[split.held_out][at], len(tables))
        losses = row_loss(predicted, y).reshape(len(tables), longest)[:, : len(split.held_out)]
        rise = (losses[1:] - losses[0]).reshape(number, DRAWS, -1).mean(axis=1)
        rises[inputs[:, None], split.held_out[None]] = rise
    held = held_out(read.splits)
    of_held = None if groups is None else groups[held]
    return mean_and_error(rises[:, held], rows.counted(held), of_held)


def _filled(data: InputRows, train: np.ndarray, rows: np.ndarray) -> np.ndarray:
    encoded = data.rows.encoded[rows].astype(float)
    return np.where(np.isnan(encoded), fold_preprocessing(data.rows.encoded, train).fill, encoded)


def _residuals(
    data: InputRows, train: np.ndarray, rows: np.ndarray, inputs: np.ndarray
) -> list[np.ndarray]:
    """For each input [rows, its columns] what the linear expectation by the others leaves of it.

    With Ω the inverse of the (shrunk) covariance, zⱼ − E[zⱼ | z₋ⱼ] = Ωⱼⱼ⁻¹·(Ω·z)ⱼ.
    """
    from sklearn.covariance import LedoitWolf

    columns = data.columns(inputs)
    of, scaled = data.input_of[columns], fold_preprocessing(data.rows.encoded, train)
    z = [scaled.apply(data.rows.encoded[r])[:, columns] for r in (train, rows)]
    scale = np.where(scaled.multiplier > 0, scaled.multiplier, np.inf)[columns]
    precision = np.linalg.pinv(LedoitWolf(assume_centered=True).fit(z[0]).covariance_)
    pulled = z[1] @ precision
    places = [np.flatnonzero(of == number) for number in inputs]
    return [pulled[:, p] @ np.linalg.pinv(precision[np.ix_(p, p)]) / scale[p] for p in places]
