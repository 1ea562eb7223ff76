"""The main job: a table in, a well-regularised network out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from taut import __version__
from taut.engine import Callback, Split, afterwards
from taut.errors import InputError
from taut.optimizers import stationarity
from taut.progress import displayed
from taut.studies import choose
from taut.studies import folds as make_folds
from taut.tables.committee import Trained, ensemble, keep, row_loss, temperature, train
from taut.tables.encode import Encoder
from taut.tables.evaluate import compare, linear_prediction
from taut.tables.model import TableModel, predict
from taut.tables.schema import Schema, check_enough_rows, folds_for, understand
from taut.tables.selected import feature_table, input_weights, nonzero_weights
from taut.tables.settings import UNPENALISED, bins_for, settings

RULE = (
    "The setting (a penalty, its strength, a variant of the network) of least mean out-of-fold "
    "loss; the prediction is the mean of the fold models of every setting within one standard "
    "error of it (paired over rows), and of three at least."
)
SINGLE_RULE = (
    "The setting (a penalty, its strength, a variant of the network) of least mean out-of-fold "
    "loss, trained once more on all training rows, for as many epochs."
)
UNPENALISED_NAME, LINEAR_NAME = "same network, no penalty", "penalised linear"


@dataclass(frozen=True)
class _Data:
    """The table in the forms that the steps below read."""

    schema: Schema
    encoder: Encoder
    numbers: int
    outputs: int
    x: np.ndarray
    y: np.ndarray
    mean: float
    deviation: float
    test_x: np.ndarray
    test_y: np.ndarray


@displayed
def fit_table(
    frame: pd.DataFrame,
    *,
    target: str,
    task: str | None = None,
    features: Sequence[str] | None = None,
    penalty: str = "auto",
    strengths: Sequence[float] | None = None,
    test_size: float = 0.2,
    folds: int = 5,
    seeds: int = 1,
    single: bool = False,
    quick: bool = False,
    seed: int = 0,
    callbacks: Sequence[Callback] | None = None,
) -> TableModel:
    """Fit the default network on a table, choose its penalty, and measure what that was worth.

    A test set is set aside first, and nothing is chosen on it. On the other rows, networks
    with an L1 or an L2 penalty at several strengths are trained on every fold and seed as one
    program; imputing, scaling and binning are learned inside each fold. Settings are compared
    by out-of-fold loss.

    Args:
        frame: The table.
        target: Name of the column to predict.
        task: "binary", "multiclass", "classification" or "regression"; detected unless given.
        features: Input columns, also such as would be left out (identifiers, text); all that
            are useful unless given.
        penalty: "auto" (L1 and L2), "l1" or "l2".
        strengths: Strengths to try; a default grid unless given.
        test_size: Share of rows set aside; 0 sets none aside and reports no test scores.
        folds: Folds of the cross-validation.
        seeds: Networks of each setting and fold.
        single: Refit one network at the best setting instead of predicting with many.
        quick: A first look: fewer settings, shorter training, three folds at most.
        seed: Seeds everything that is random.
        callbacks: Told of the progress; a display on the terminal unless given.

    Returns:
        A `TableModel`.

    Raises:
        InputError: For a table, target or option that cannot be used; before any training.

    Example:
        >>> model = taut.fit_table(frame, target="species")  # doctest: +SKIP
        >>> model.predict(new_frame)  # doctest: +SKIP
    """
    started = time.perf_counter()
    _check_options(test_size, folds=(folds, 2), seeds=(seeds, 1), seed=(seed, 0))
    settings(penalty, strengths, bins=True)  # wrong ones are told before the table is read
    folds = folds_for(folds, quick=quick)
    schema = understand(frame, target=target, task=task, features=features)
    check_enough_rows(schema, folds=folds, test_size=test_size)
    data = _read(frame, schema, test_size, seed)
    chosen = settings(penalty, strengths, bins=bins_for(data.numbers) > 0, quick=quick)
    if len(data.test_y):
        chosen = (*chosen, UNPENALISED)
    trained = train(
        data.x,
        data.y,
        make_folds(data.y, folds, seed=seed, classes=data.outputs > 1),
        chosen,
        outputs=data.outputs,
        numbers=data.numbers,
        seeds=seeds,
        seed=seed,
        quick=quick,
        callbacks=callbacks or (),
    )
    return _conclude(trained, data, single=single, quick=quick, seed=seed, started=started)


def _read(frame: pd.DataFrame, schema: Schema, test_size: float, seed: int) -> _Data:
    from sklearn.model_selection import train_test_split

    features, y = schema.prepare(frame)
    assert y is not None
    rows = np.arange(len(y))
    test = rows[:0]
    if test_size:
        classes = y if schema.task != "regression" else None
        rows, test = train_test_split(
            rows, test_size=test_size, random_state=seed, stratify=classes
        )
        rows, test = np.sort(rows), np.sort(test)
    encoder = Encoder(schema).fit(features.iloc[rows])
    mean, deviation = 0.0, 1.0
    if schema.task == "regression":
        mean, deviation = float(y[rows].mean()), float(y[rows].std()) or 1.0
    return _Data(
        schema=schema,
        encoder=encoder,
        numbers=sum(column.kind != "category" for column in schema.used),
        outputs=1 if schema.task == "regression" else len(schema.classes),
        x=encoder.transform(features.iloc[rows]),
        y=(y[rows] - mean) / deviation if schema.task == "regression" else y[rows],
        mean=mean,
        deviation=deviation,
        test_x=encoder.transform(features.iloc[test]) if len(test) else np.empty((0, 0)),
        test_y=y[test],
    )


def _check_options(test_size: Any, **integers: tuple[Any, int]) -> None:
    """Raise for a share that is none, and for integers below their least value."""
    if not isinstance(test_size, (int, float)) or not 0 <= test_size < 1:
        raise InputError(
            f"`test_size` must be at least 0 and below 1. Received: test_size={test_size!r}."
        )
    for name, (value, least) in integers.items():
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
            raise InputError(f"`{name}` must be an integer >= {least}. Received: {name}={value!r}.")


def _conclude(
    trained: Trained, data: _Data, *, single: bool, quick: bool, seed: int, started: float
) -> TableModel:
    """Choose, assemble, certify, score."""
    candidates = [i for i, s in enumerate(trained.settings) if s is not UNPENALISED]
    if not np.isfinite(trained.row_loss[candidates].mean(axis=1)).any():
        raise InputError(
            "Training must not diverge in every setting. Received: losses that are not finite "
            "in all of them. Look for extreme values in the table."
        )
    kept = keep(trained.row_loss[candidates])
    best = int(kept[0])
    if single:
        alone = train(
            data.x,
            data.y,
            [Split(np.arange(len(data.y)))],
            [trained.settings[best]],
            outputs=data.outputs,
            numbers=data.numbers,
            seeds=1,
            seed=seed,
            quick=quick,
            stop_after=int(trained.record.best_epoch[trained.lanes(best)[0]]) + 1,
            callbacks=(),
        )
        model = ensemble(alone, [0])
        members, rule, heat = 1, SINGLE_RULE, trained.out_of_fold[best]
    else:
        lanes = trained.healthy(kept.tolist())
        model = ensemble(trained, lanes)
        members, rule, heat = len(lanes), RULE, trained.out_of_fold[kept].mean(axis=0)
    if data.outputs > 1:
        own = model.get_layer("mean").temperature
        warm = afterwards("The temperature", lambda: temperature(heat, data.y), 1.0)
        own.assign(warm)
    inputs = [c.name for c in data.schema.used]
    features = feature_table(trained, kept.tolist(), inputs, data.encoder.sources, data.numbers)
    metrics = {
        "taut_version": __version__,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "table": {
            "rows": data.schema.rows,
            "columns": len(data.schema.columns) + 1,
            "rows_dropped": data.schema.rows_dropped,
        },
        "target": _target(data),
        "columns": _columns(data),
        "notes": list(data.schema.notes),
        "split": {
            "train": len(data.y),
            "test": len(data.test_y),
            "folds": len(trained.splits),
            "seeds": trained.seeds,
            "lanes": len(trained.record.lanes),
        },
        "choice": _choice(trained, best, members, rule),
        "test": None,
        "overfitting": None,
        "features": {"kept": int(features["kept"].sum()), "of": len(features)},
    }
    if len(data.test_y):
        metrics["test"], metrics["overfitting"] = afterwards(
            "The scores on the test rows",
            lambda: _test(trained, model, data, seed),
            (None, None),
            remedy="Score `model.predict` of rows of your own.",
        )
    metrics["seconds"] = round(time.perf_counter() - started, 2)
    return TableModel(model, data.encoder, metrics, _path(trained, data), features)


def _one_standard_error(trained: Trained, best: int) -> int:
    """The largest strength within one standard error, on the best setting's own path."""
    own = trained.settings[best]
    path = [
        i
        for i, s in enumerate(trained.settings)
        if (s.penalty, s.network) == (own.penalty, own.network)
    ]
    strengths = np.array([trained.settings[i].strength for i in path])
    by_fold = np.array([trained.fold_losses(i) for i in path])
    return path[choose(by_fold, strengths).one_standard_error]


def _choice(trained: Trained, best: int, members: int, rule: str) -> dict[str, Any]:
    setting = trained.settings[best]
    other = trained.settings[_one_standard_error(trained, best)]
    by_fold = trained.fold_losses(best)
    lane = int(trained.lanes(best)[0])
    kernels = sum(a[0].size for a in _kernels(trained))
    return {
        "penalty": setting.penalty,
        "strength": setting.strength,
        "network": setting.network,
        "rule": rule,
        "cv_loss": float(np.mean(by_fold)),
        "cv_se": float(np.std(by_fold, ddof=1) / np.sqrt(len(by_fold))),
        "one_se_penalty": other.penalty,
        "one_se_strength": other.strength,
        "models": members,
        "zero_share": 1 - nonzero_weights(trained, lane) / kernels,
        "stationarity": afterwards("The certificate", lambda: _certificate(trained, lane), None),
    }


def _kernels(trained: Trained) -> list[np.ndarray]:
    pairs = zip(trained.model.trainable_variables, trained.record.trainable, strict=True)
    return [array for variable, array in pairs if variable.name == "kernel"]


def _certificate(trained: Trained, lane: int) -> dict[str, Any]:
    """Of one of the models that were chosen, on the rows that it was trained on."""
    model = trained.record.apply(lane, trained.model)
    rows = trained.splits[trained.record.lanes[lane].split].train
    found = stationarity(model, trained.encoded[rows], trained.y[rows])
    return {"largest": found.largest, "note": found.note}


def _test(
    trained: Trained, model: Any, data: _Data, seed: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Score the test rows by the model, by the same network unpenalised, by a linear model."""
    plain = None
    healthy = trained.healthy([trained.settings.index(UNPENALISED)])
    if healthy:  # without a penalty every lane may have diverged
        plain = ensemble(trained, healthy)
    regression = data.outputs == 1

    def output(network: Any, encoded: np.ndarray) -> np.ndarray:
        found = predict(network, encoded)
        return found[:, 0] * data.deviation + data.mean if regression else found

    train_y = data.y * data.deviation + data.mean if regression else data.y
    linear = afterwards(
        "The linear model to compare with",
        lambda: linear_prediction(data.schema.task, data.x, train_y, data.test_x, trained.splits),
        None,
    )
    predictions = {"taut": ("the penalised network, as chosen", output(model, data.test_x))}
    if plain is not None:
        what = "strength 0, all else the same: folds, schedule, best epoch, mean of fold models"
        predictions[UNPENALISED_NAME] = what, output(plain, data.test_x)
    if linear is not None:
        what = "scikit-learn, L2, its strength chosen on the same folds"
        predictions[LINEAR_NAME] = what, linear

    def loss(network: Any, encoded: np.ndarray, y: np.ndarray) -> float | None:
        if network is None:
            return None
        predicted = output(network, encoded)
        if regression:
            return float((((predicted - y) / data.deviation) ** 2).mean())
        return float(row_loss(predicted, y).mean())

    overfitting = {
        "train_loss": loss(model, data.x, train_y),
        "test_loss": loss(model, data.test_x, data.test_y),
        "unpenalised_train_loss": loss(plain, data.x, train_y),
        "unpenalised_test_loss": loss(plain, data.test_x, data.test_y),
    }
    return compare(data.schema.task, data.test_y, predictions, seed=seed), overfitting


def _target(data: _Data) -> dict[str, Any]:
    schema = data.schema
    own: dict[str, Any] = {"name": schema.target, "task": schema.task, "reason": schema.reason}
    if data.outputs == 1:
        return {**own, "classes": None, "counts": None, "mean": data.mean, "std": data.deviation}
    return {**own, "classes": list(schema.classes), "counts": list(schema.counts)}


def _columns(data: _Data) -> list[dict[str, Any]]:
    encoded = pd.Series(data.encoder.sources).value_counts()
    return [
        {
            "name": c.name,
            "kind": c.kind,
            "used": c.used,
            "reason": c.reason,
            "missing": c.missing,
            "levels": c.levels,
            "encoded": int(encoded.get(c.name, 0)),
        }
        for c in data.schema.columns
    ]


def _path(trained: Trained, data: _Data) -> pd.DataFrame:
    """One line a lane."""
    record = trained.record
    training, held_out = record.kept_losses()
    per_setting = len(trained.splits) * trained.seeds
    own = [trained.settings[k // per_setting] for k in range(len(record.lanes))]
    inputs = [
        int((input_weights(trained, k, data.encoder.sources, data.numbers) > 0).sum())
        for k in range(len(record.lanes))
    ]
    return pd.DataFrame(
        {
            "penalty": [s.penalty for s in own],
            "strength": [s.strength for s in own],
            "network": [s.network for s in own],
            "fold": [lane.split for lane in record.lanes],
            "seed": [lane.seed for lane in record.lanes],
            "train_loss": training.astype(float),
            "val_loss": held_out.astype(float),
            "best_epoch": record.best_epoch.astype(int),
            "epochs": record.epochs.astype(int),
            "nonzero": [nonzero_weights(trained, k) for k in range(len(record.lanes))],
            "inputs_kept": inputs,
            "status": list(record.status),
        }
    )
