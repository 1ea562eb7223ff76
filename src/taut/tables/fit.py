"""The main job: a table in, a well-regularised network out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd

from taut import __version__
from taut.engine import Callback, Split, afterwards
from taut.errors import InputError
from taut.frames.as_frame import as_frame
from taut.frames.encode import Encoder
from taut.frames.enough_rows import check_enough_rows, folds_for
from taut.frames.roles import Roles, RowFacts
from taut.frames.scales import apart
from taut.frames.schema import Schema
from taut.frames.understand import understand
from taut.progress import displayed
from taut.tables import budget, leaks, told
from taut.tables import chosen as choices
from taut.tables.committee import Trained, ensemble, keep, row_loss, temperature, train
from taut.tables.compare import by_class, compare
from taut.tables.evaluate import is_rare
from taut.tables.model import TableModel, predict
from taut.tables.network import size
from taut.tables.peers import base_prediction, linear_prediction
from taut.tables.selected import feature_table, input_weights
from taut.tables.settings import UNPENALISED, Setting, bins_for, settings
from taut.tables.split import fold_rows, set_test_aside

RULE = (
    "The setting (a penalty, its strength, a variant of the network) of least mean out-of-fold "
    "loss; the prediction is the mean of the fold models of every setting within one standard "
    "error of it (paired over rows), and of three at least."
)
SINGLE_RULE = (
    "The setting (a penalty, its strength, a variant of the network) of least mean out-of-fold "
    "loss, trained once more on all training rows, for as many epochs."
)
SMALLEST = 1e-100
UNPENALISED_NAME, LINEAR_NAME = "same network, no penalty", "penalised linear"
BASE_NAMES = {True: "always the mean", False: "base rate"}


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
    roles: Roles
    facts: RowFacts
    test_facts: RowFacts
    splits: list[Split]
    copies: int

    @property
    def weight(self) -> np.ndarray | None:
        """What each row to learn from counts, 1 on average."""
        own = self.facts.weights
        return None if own is None else own / own.mean()

    notes: tuple[str, ...]


@displayed
def fit_table(
    frame: pd.DataFrame,
    *,
    target: str,
    task: str | None = None,
    features: Sequence[str] | None = None,
    drop: Sequence[str] = (),
    kind: Mapping[str, str] | None = None,
    decimal: str | None = None,
    na: Sequence[str] = (),
    penalty: str = "auto",
    strengths: Sequence[float] | None = None,
    groups: str | None = None,
    time: str | None = None,
    weights: str | None = None,
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
        frame: The table: a data frame of pandas, polars or Arrow.
        target: Name of the column to predict.
        task: "binary", "multiclass", "classification" or "regression"; detected unless given.
        features: Input columns, also such as would be left out (identifiers, text); all that
            are useful unless given.
        drop: Columns to leave out.
        kind: What columns are, by name: "numeric", "category", "date" (or "date-dmy",
            "date-mdy", "date-ymd"), "text" or "ignore"; found unless given.
        decimal: The decimal sign, "." or ",", of text that leaves it open, such as "1,234".
        na: Marks of missing values beyond the usual ones, such as "-999".
        penalty: "auto" (L1 and L2), "l1" or "l2".
        strengths: Strengths to try; a default grid unless given.
        groups: A column whose equal values (a patient, a household) stay on one side of the test
            split and of every fold. It is no input. Not with `time`.
        time: A column of dates or numbers: the test set is the latest rows, and folds go from
            past to future. It is an input only if `features` names it.
        weights: A column of numbers >= 0: how much each row counts in training, in the choice and
            in the scores. It is no input.
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
    started = perf_counter()
    _check_options(test_size, folds=(folds, 2), seeds=(seeds, 1), seed=(seed, 0))
    settings(penalty, strengths, bins=True)  # wrong ones are told before the table is read
    folds = folds_for(folds, quick=quick)
    roles = Roles(groups, time, weights)
    frame = as_frame(frame)
    schema = understand(
        frame,
        target=target,
        task=task,
        features=features,
        drop=drop,
        kind=kind,
        decimal=decimal,
        na=na,
        roles=roles,
    )
    check_enough_rows(schema, folds=folds, test_size=test_size)
    data = _read(frame, schema, roles, test_size, folds, seed)
    bins, rows = bins_for(data.numbers), len(data.y)
    candidates = settings(penalty, strengths, bins=bins > 0, quick=quick, rows=rows)
    plan = budget.plan(
        rows,
        size(data.x.shape[1], data.outputs, numbers=data.numbers, bins=bins),
        candidates,
        folds=folds,
        seeds=seeds,
        quick=quick,
    )
    notes = [*data.notes, *budget.notes(plan, rows, len(candidates))]
    for callback in callbacks or ():
        for note in notes:
            callback.on_note(note)
    trained = budget.train_within(
        plan,
        data.x,
        data.y,
        data.splits,
        candidates,
        given=strengths is not None,
        compared=len(data.test_y) > 0,
        outputs=data.outputs,
        numbers=data.numbers,
        seeds=seeds,
        seed=seed,
        quick=quick,
        callbacks=callbacks or (),
        weight=data.weight,
    )
    return _conclude(
        trained,
        data,
        candidates=candidates,
        epochs=plan.epochs,
        notes=notes,
        single=single,
        quick=quick,
        seed=seed,
        started=started,
    )


def _read(
    frame: pd.DataFrame, schema: Schema, roles: Roles, test_size: float, folds: int, seed: int
) -> _Data:
    facts = schema.row_facts(frame, roles)
    features, y = schema.prepare(frame)
    assert y is not None
    classes = schema.task != "regression"
    if facts.weights is not None:  # what counts nothing is in neither set
        counted = np.flatnonzero(facts.weights > 0)
        features, y, facts = features.iloc[counted], y[counted], facts.at(counted)
    rows, test = set_test_aside(
        y, facts, test_size=test_size, folds=folds, seed=seed, classes=classes
    )
    own = facts.at(rows)
    encoder = Encoder(schema).fit(features.iloc[rows])
    target, mean, deviation, sentences = y[rows], 0.0, 1.0, ()
    if not classes:
        target, mean, deviation, sentences = _standardised(
            target, y[test], schema.target, own.weights
        )
    return _Data(
        schema=schema,
        encoder=encoder,
        numbers=encoder.numbers,
        outputs=len(schema.classes) if classes else 1,
        x=encoder.transform(features.iloc[rows]),
        y=target,
        mean=mean,
        deviation=deviation,
        test_x=encoder.transform(features.iloc[test]) if len(test) else np.empty((0, 0)),
        test_y=y[test],
        roles=roles,
        facts=own,
        test_facts=facts.at(test),
        splits=fold_rows(y[rows], own, folds, seed=seed, classes=classes),
        copies=leaks.copies(features, y, rows, test),
        notes=(*encoder.notes, *sentences),
    )


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
    found = np.unique(values)
    return ", ".join(f"{v:.15g}" for v in found[:3]) + ", …" * (len(found) > 3)


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
    trained: Trained,
    data: _Data,
    *,
    candidates: Sequence[Setting],
    epochs: int | None,
    notes: Sequence[str],
    single: bool,
    quick: bool,
    seed: int,
    started: float,
) -> TableModel:
    """Choose, assemble, certify, score."""
    # Strength 0 is only compared with, unless there are rows enough for it to be a candidate.
    own = [i for i, s in enumerate(trained.settings) if s != UNPENALISED or s in candidates]
    if not np.isfinite(trained.row_loss[own][:, trained.held].mean(axis=1)).any():
        raise InputError(
            "Training must not diverge in every setting. Received: losses that are not finite "
            "in all of them. Look for extreme values in the table."
        )
    held = trained.held
    weight = None if trained.weight is None else trained.weight[held]
    groups = None if data.facts.groups is None else data.facts.groups[held]
    kept = np.array(own)[keep(trained.row_loss[own][:, held], weight, groups)]
    best = int(kept[0])
    model: Any = None
    if single:
        model = afterwards(
            "The one network that `single` asks for",
            lambda: _refit(trained, data, best, epochs=epochs, quick=quick, seed=seed),
            None,
            remedy="The mean of the folds' networks predicts.",
        )
        single = model is not None
    if single:
        members, rule, heat = 1, SINGLE_RULE, trained.out_of_fold[best]
    else:
        lanes = trained.healthy(kept.tolist())
        model = ensemble(trained, lanes)
        members, rule, heat = len(lanes), RULE, trained.out_of_fold[kept].mean(axis=0)
    if data.outputs > 1:
        warm = afterwards(
            "The temperature", lambda: temperature(heat[held], data.y[held], weight), 1.0
        )
        model.get_layer("mean").temperature.assign(warm)
    learned = afterwards(
        "What was learned beyond the base rate",
        lambda: choices.learned(trained, heat, data.facts.groups),
        choices.UNKNOWN,
    )
    inputs = [c.name for c in data.schema.used]
    features = feature_table(trained, kept.tolist(), inputs, data.encoder.sources, data.numbers)
    shares = dict(zip(features["feature"], features["importance"], strict=True))
    carriers = afterwards(
        "The search for inputs that carry everything",
        lambda: leaks.carriers(trained, heat, data.encoder.sources, data.facts.groups, shares),
        [],
    )
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
        "notes": [
            *data.schema.notes,
            *notes,
            *told.notes_of(data.schema, data.roles, data.copies, len(data.test_y)),
        ],
        "warnings": told.warnings_of(
            data.schema,
            learned=learned,
            carriers=carriers,
            copies=data.copies,
            y=data.y,
            test_y=data.test_y,
        ),
        "split": {
            "train": len(data.y),
            "test": len(data.test_y),
            "folds": len(trained.splits),
            "seeds": trained.seeds,
            "lanes": len(trained.record.lanes),
            "copies": data.copies,
            **told.roles_of(data.roles, data.facts, data.test_facts),
        },
        "choice": choices.describe(
            trained,
            kept.tolist(),
            models=members,
            rule=rule,
            single=single,
            candidates=own,
        ),
        "learned": {**learned, "carriers": carriers},
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
    metrics["seconds"] = round(perf_counter() - started, 2)
    return TableModel(model, data.encoder, metrics, _path(trained, data), features)


def _refit(
    trained: Trained, data: _Data, setting: int, *, epochs: int | None, quick: bool, seed: int
) -> Any:
    """One network at a setting, trained on the rows of all folds."""
    alone = train(
        data.x,
        data.y,
        [Split(np.arange(len(data.y)))],
        [trained.settings[setting]],
        outputs=data.outputs,
        numbers=data.numbers,
        seeds=1,
        seed=seed,
        quick=quick,
        most_epochs=epochs,
        stop_after=int(trained.record.best_epoch[trained.lanes(setting)[0]]) + 1,
        callbacks=(),
        weight=data.weight,
    )
    if not alone.healthy([0]):
        raise ArithmeticError("its loss was not finite")
    return ensemble(alone, [0])


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
        lambda: linear_prediction(
            data.schema.task,
            data.x,
            train_y,
            data.test_x,
            trained.splits,
            classes=data.outputs,
            weights=data.weight,
        ),
        None,
    )
    predictions = {"taut": ("the penalised network, as chosen", output(model, data.test_x))}
    if plain is not None:
        what = "strength 0, all else the same: folds, schedule, best epoch, mean of fold models"
        predictions[UNPENALISED_NAME] = what, output(plain, data.test_x)
    if linear is not None:
        what = "scikit-learn, L2, its strength chosen on the same folds"
        predictions[LINEAR_NAME] = what, linear
    what = "the mean" if regression else "the class shares"
    base = base_prediction(train_y, len(data.test_y), outputs=data.outputs, weights=data.weight)
    predictions[BASE_NAMES[regression]] = f"{what} of the rows to learn from, for every row", base

    def loss(network: Any, encoded: np.ndarray, y: np.ndarray, facts: RowFacts) -> float | None:
        if network is None:
            return None
        predicted = output(network, encoded)
        losses = ((predicted - y) / data.deviation) ** 2 if regression else row_loss(predicted, y)
        return float(np.average(losses, weights=facts.weights))

    overfitting = {
        f"{prefix}{part}_loss": loss(network, *rows)
        for prefix, network in (("", model), ("unpenalised_", plain))
        for part, rows in (
            ("train", (data.x, train_y, data.facts)),
            ("test", (data.test_x, data.test_y, data.test_facts)),
        )
    }
    rare = None
    if not regression:
        shares = np.bincount(data.y, data.weight, minlength=data.outputs)
        rare = int(shares.argmin()) if is_rare(shares / shares.sum()) else None
    test = data.test_facts
    scores = compare(
        data.schema.task,
        data.test_y,
        predictions,
        seed=seed,
        weights=test.weights,
        groups=test.groups,
        base=BASE_NAMES[regression],
        rare=rare,
    )
    if not regression:
        independent = test.weights is None and test.groups is None
        own = predictions["taut"][1]
        classes = data.schema.classes
        scores["rare"] = None if rare is None else classes[rare]
        scores["classes"] = by_class(classes, data.test_y, own, exact=independent)
    return scores, overfitting


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
            "nonzero": [choices.count_weights(trained, k)[0] for k in range(len(record.lanes))],
            "inputs_kept": inputs,
            "status": list(record.status),
        }
    )
