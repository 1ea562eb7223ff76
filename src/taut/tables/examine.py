"""The test rows: scored by the model, by the same network unpenalised, by simpler models."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from taut.engine import afterwards
from taut.frames.roles import RowFacts
from taut.run_metrics import Overfitting, Test
from taut.tables.candidates import UNPENALISED
from taut.tables.compare import by_class, compare
from taut.tables.ensemble import mean_of
from taut.tables.peers import BASE_NAMES, base_prediction, linear_prediction
from taut.tables.prepared import Prepared
from taut.tables.scores import is_rare
from taut.tables.table_model import predict
from taut.tables.trained import Trained, row_loss

UNPENALISED_NAME, LINEAR_NAME = "same network, no penalty", "penalised linear"


def examine(
    model: Any, trained: Trained, data: Prepared, seed: int
) -> tuple[Test, Overfitting, pd.DataFrame]:
    """Score the test rows, compare the losses with those on the rows learned from, list the rows.

    Args:
        model: The network that predicts.
        trained: The lanes, of which the unpenalised ones are compared with.
        data: The rows.
        seed: Seeds the bootstrap.
    """
    healthy = trained.cross.healthy([trained.settings.index(UNPENALISED)])
    # Without a penalty every lane may have diverged.
    bare = mean_of(trained, healthy) if healthy else None
    test = data.test_facts
    predictions = _predictions(model, bare, trained, data)
    scores = compare(
        data.schema.task,
        data.test_y,
        predictions,
        seed=seed,
        weights=test.weights,
        groups=test.groups,
        base=BASE_NAMES[data.outputs == 1],
        rare=_rare(data),
    )
    if data.outputs > 1:
        independent = test.weights is None and test.groups is None
        classes, rare = data.schema.classes, _rare(data)
        scores = replace(
            scores,
            rare=None if rare is None else classes[rare],
            classes=by_class(classes, data.test_y, predictions["taut"][1], exact=independent),
        )
    learned_from = data.encoded, data.values, data.facts
    tested = data.test_x, data.test_y, test
    losses = Overfitting(
        train_loss=_loss(model, data, *learned_from),
        test_loss=_loss(model, data, *tested),
        unpenalised_train_loss=_loss(bare, data, *learned_from),
        unpenalised_test_loss=_loss(bare, data, *tested),
    )
    return scores, losses, _rows(data, predictions["taut"][1])


def _rows(data: Prepared, predicted: np.ndarray) -> pd.DataFrame:
    """One line a test row, as in `test_rows.parquet`."""
    columns: dict[str, Any] = {"row": data.test_rows, "actual": data.test_y}
    if data.outputs == 1:
        columns["predicted"] = predicted
    else:
        chosen, rows = predicted.argmax(axis=1), np.arange(len(predicted))
        rare = _rare(data)
        columns |= {
            "predicted": chosen,
            "p_actual": predicted[rows, data.test_y],
            "p_predicted": predicted[rows, chosen],
            "p_positive": predicted[:, 1 if rare is None else rare],
        }
    if data.test_facts.groups is not None:
        columns["group"] = data.test_facts.groups
    if data.test_facts.weights is not None:
        columns["weight"] = data.test_facts.weights
    return pd.DataFrame(columns)


def _predictions(
    model: Any, bare: Any, trained: Trained, data: Prepared
) -> dict[str, tuple[str, np.ndarray]]:
    """Each system's description and prediction, the model's first."""
    regression = data.outputs == 1
    linear = afterwards(
        "The linear model to compare with",
        lambda: linear_prediction(
            data.schema.task,
            data.encoded,
            data.values,
            data.test_x,
            trained.splits,
            classes=data.outputs,
            weights=data.weight,
        ),
        None,
    )
    predictions = {
        "taut": ("the penalised network, as chosen", output_of(model, data, data.test_x))
    }
    if bare is not None:
        what = "strength 0, all else the same: folds, schedule, best epoch, mean of fold models"
        predictions[UNPENALISED_NAME] = what, output_of(bare, data, data.test_x)
    if linear is not None:
        what = "scikit-learn, L2, its strength chosen on the same folds"
        predictions[LINEAR_NAME] = what, linear
    what = "the mean" if regression else "the class shares"
    base = base_prediction(data.values, len(data.test_y), outputs=data.outputs, weights=data.weight)
    predictions[BASE_NAMES[regression]] = f"{what} of the rows to learn from, for every row", base
    return predictions


def output_of(network: Any, data: Prepared, encoded: np.ndarray) -> np.ndarray:
    """Probabilities [rows, classes], or values [rows] in the target's unit."""
    output = predict(network, encoded)
    return output[:, 0] * data.deviation + data.mean if data.outputs == 1 else output


def _loss(
    network: Any, data: Prepared, encoded: np.ndarray, y: np.ndarray, facts: RowFacts
) -> float | None:
    if network is None:
        return None
    output = output_of(network, data, encoded)
    losses = row_loss(output, y) if data.outputs > 1 else ((output - y) / data.deviation) ** 2
    return float(np.average(losses, weights=facts.weights))


def _rare(data: Prepared) -> int | None:
    """The rarest class, where it is so rare that accuracy says little."""
    if data.outputs == 1:
        return None
    counts = np.bincount(data.y, data.weight, minlength=data.outputs)
    return int(counts.argmin()) if is_rare(counts / counts.sum()) else None
