"""Who predicts: the settings that are not clearly worse than the best, as one model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import softmax

from taut.engine import Split, afterwards
from taut.errors import InputError
from taut.studies.choice import not_clearly_worse
from taut.tables.candidates import Setting
from taut.tables.network import network
from taut.tables.prepared import Prepared
from taut.tables.trained import LEAST_PROBABILITY, Trained, row_loss, train

RULE = (
    "The setting (a penalty, its strength, a variant of the network) of least mean out-of-fold "
    "loss; the prediction is the mean of the fold models of every setting within one standard "
    "error of it (paired over rows), and of three at least."
)
SINGLE_RULE = (
    "The setting (a penalty, its strength, a variant of the network) of least mean out-of-fold "
    "loss, trained once more on all training rows, for as many epochs."
)


@dataclass(frozen=True)
class Ensemble:
    """The networks that predict.

    Attributes:
        model: One Keras model.
        kept: Settings that are not clearly worse than the best, best first.
        members: Networks in the model.
        rule: How they were chosen, in words.
        single: Whether it is one network, trained once more on all rows.
        out_of_fold: [rows, outputs] mean predictions of held-out rows by what predicts.
    """

    model: Any
    kept: list[int]
    members: int
    rule: str
    single: bool
    out_of_fold: np.ndarray

    @property
    def best(self) -> int:
        return self.kept[0]

    def models_of(self, trained: Trained) -> Iterator[tuple[Setting, int]]:
        """Each setting that predicts, and its number of networks."""
        if self.single:
            yield trained.settings[self.best], 1
        else:
            yield from ((trained.settings[k], len(trained.cross.healthy([k]))) for k in self.kept)


def assemble(
    trained: Trained,
    data: Prepared,
    candidates: Sequence[int],
    *,
    single: bool,
    epochs: int | None,
    quick: bool,
    seed: int,
) -> Ensemble:
    """Choose the settings that predict, and make them one model.

    Args:
        trained: The trained lanes.
        data: What they were trained on.
        candidates: Settings to choose from.
        single: Whether the best is trained once more on all rows, and predicts alone.
        epochs: Of the schedule, at most, for that; as is `quick`.
        quick: A shorter schedule.
        seed: Seeds it.

    Raises:
        InputError: If every candidate diverged.
    """
    held, weight = trained.held, trained.held_weight
    losses = trained.row_loss[candidates][:, held]
    if not np.isfinite(losses.mean(axis=1)).any():
        raise InputError(
            "Training must not diverge in every setting. Received: losses that are not finite "
            "in all of them. Look for extreme values in the table."
        )
    groups = None if data.facts.groups is None else data.facts.groups[held]
    kept = np.array(candidates)[not_clearly_worse(losses, weight, groups)].tolist()
    model: Any = None
    if single:
        model = afterwards(
            "The one network that `single` asks for",
            lambda: _refit(trained, data, kept[0], epochs=epochs, quick=quick, seed=seed),
            None,
            remedy="The mean of the folds' networks predicts.",
        )
    single = model is not None
    if single:
        members, rule, out_of_fold = 1, SINGLE_RULE, trained.out_of_fold[kept[0]]
    else:
        lanes = trained.cross.healthy(kept)
        model = mean_of(trained, lanes)
        members, rule, out_of_fold = len(lanes), RULE, trained.out_of_fold[kept].mean(axis=0)
    if data.outputs > 1:
        warm = afterwards(
            "The temperature", lambda: temperature(out_of_fold[held], data.y[held], weight), 1.0
        )
        model.get_layer("mean").temperature.assign(warm)
    return Ensemble(model, kept, members, rule, single, out_of_fold)


def _refit(
    trained: Trained, data: Prepared, setting: int, *, epochs: int | None, quick: bool, seed: int
) -> Any:
    """One network at a setting, trained on the rows of all folds."""
    alone = train(
        data,
        [Split(np.arange(len(data.y)))],
        [trained.settings[setting]],
        seeds=1,
        seed=seed,
        quick=quick,
        most_epochs=epochs,
        stop_after=int(trained.record.best_epoch[trained.cross.lanes(setting)[0]]) + 1,
        callbacks=(),
    )
    if not alone.cross.healthy([0]):
        raise ArithmeticError("its loss was not finite")
    return mean_of(alone, [0])


def temperature(
    probabilities: np.ndarray, y: np.ndarray, weight: np.ndarray | None = None
) -> float:
    r"""The temperature T of p^(1/T) (renormalised) of least out-of-fold log-loss.

    It is drawn toward 1 by 2·(log T)²/n, as by a few prior observations.

    Args:
        probabilities: Out-of-fold [rows, classes].
        y: Class numbers.
        weight: What each row counts, [rows]; all alike unless given.

    References:
        Guo, Pleiss, Sun and Weinberger, On calibration of modern neural networks, 2017.
    """
    logs = np.log(np.clip(probabilities, LEAST_PROBABILITY, None))

    def loss(t: float) -> float:
        losses = row_loss(softmax(logs / t, axis=-1), y)
        return float(np.average(losses, weights=weight) + 2 * np.log(t) ** 2 / len(y))

    return float(min(np.exp(np.linspace(-0.7, 0.7, 57)), key=loss))


def mean_of(trained: Trained, lanes: Sequence[int]) -> Any:
    """One Keras model that predicts with the mean of lanes."""
    inputs, outputs = trained.model.get_layer("inputs"), trained.model.output_shape[-1]
    model = network(
        trained.model.input_shape[-1],
        outputs,
        numbers=inputs.numbers,
        bins=inputs.bins,
        members=len(lanes),
        classes=outputs > 1,
    )
    chosen = np.asarray(lanes)
    pairs = [
        (model.trainable_variables, trained.record.trainable),
        # Behind the members' own statistics come those of their mean, which start neutral.
        (model.non_trainable_variables, trained.record.non_trainable),
    ]
    for variables, stacked in pairs:
        for variable, values in zip(variables, stacked, strict=False):
            variable.assign(values[chosen, 0])
    return model
