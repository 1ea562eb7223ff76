"""Studies written down lane by lane, for TensorBoard and for MLflow."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Iterator, Sequence
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from taut.engine.lanes import DIVERGED, DROPPED, Lane
from taut.engine.news import Callback, LaneEnd, News
from taut.errors import InputError

TRAIN, HELD_OUT = "train_loss", "held_out_loss"
MOST_METRICS = 1000
"""What one request to MLflow may hold."""


def _harmless(method: Any) -> Any:
    """A method of a logger after whose first failure that logger is silent: the study goes on."""

    @wraps(method)
    def run(self: Any, *args: Any) -> None:
        if getattr(self, "_broken", False):
            return
        try:
            method(self, *args)
        except Exception as error:
            self._broken = True
            warnings.warn(
                f"A log must not end a study, so {type(self).__name__} writes no more. Received: "
                f"{type(error).__name__}: {error}. The study goes on.",
                RuntimeWarning,
                stacklevel=2,
            )

    return run


class TensorBoardLogger(Callback):
    """Writes the losses of every lane by epoch for TensorBoard, with its strengths, fold and seed.

    Each lane is a run of TensorBoard's, `study-1/lane-0003`, and a session of its HPARAMS page. A
    call that trains pilot lanes first writes two studies. Needs `pip install tensorboardX`.

    Args:
        directory: Where to write; what lies there already stays.

    Raises:
        InputError: If tensorboardX is not installed.

    Example:
        >>> logger = taut.loggers.TensorBoardLogger("runs")  # doctest: +SKIP
        >>> taut.regularization_path(model, x, y, callbacks=[logger])  # doctest: +SKIP
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self._tensorboard = _needs("tensorboardX", packages="tensorboardX")
        self._directory, self._study = Path(directory), Path()

    def on_start(self, lanes: Sequence[Lane], epochs: int) -> None:
        """Find a name that is free."""
        del lanes, epochs
        number = 1
        while (self._directory / f"study-{number}").exists():
            number += 1
        self._study = self._directory / f"study-{number}"
        self._study.mkdir(parents=True)

    @_harmless
    def on_lane_end(self, end: LaneEnd) -> None:
        """Write a lane down."""
        from tensorboardX.summary import hparams

        place = self._study / f"lane-{end.number:04d}"
        with self._tensorboard.SummaryWriter(str(place)) as writer:
            names = {name for name, _, _ in losses(end)}
            about = {**parameters(end.lane), "status": end.status}
            for page in hparams(about, dict.fromkeys(sorted(names), 0.0)):
                writer.file_writer.add_summary(page)
            for name, epoch, loss in losses(end):
                writer.add_scalar(name, loss, epoch)


class MLflowLogger(Callback):
    """Logs a study as an MLflow run and each of its lanes as a nested run.

    A lane's run has the parameters strength, fold and seed, the metrics train_loss and
    held_out_loss by epoch, and the tag `taut.status`; a diverged lane's has failed, a dropped
    one's was killed. Needs `pip install mlflow-skinny alembic sqlalchemy`.

    Args:
        experiment: Name of the experiment; it is made if it does not exist.
        run_name: Name of the study's run.
        tracking_uri: Server or database; where MLflow is set to log unless given.
        run_id: An existing run (such as `mlflow.active_run().info.run_id`) to nest the lanes in,
            rather than a new one; it is not ended. Its experiment takes the place of `experiment`.
        client: An `MlflowClient` to use, instead of `tracking_uri`.

    Raises:
        InputError: If MLflow is not installed.

    Example:
        >>> logger = taut.loggers.MLflowLogger("diabetes")  # doctest: +SKIP
        >>> taut.regularization_path(model, x, y, callbacks=[logger])  # doctest: +SKIP
    """

    def __init__(
        self,
        experiment: str = "taut",
        *,
        run_name: str = "study",
        tracking_uri: str | None = None,
        run_id: str | None = None,
        client: Any = None,
    ) -> None:
        self._entities = _needs("mlflow.entities", packages="mlflow-skinny alembic sqlalchemy")
        if client is None:
            client = import_module("mlflow.tracking").MlflowClient(tracking_uri)
        self._client, self._name, self._given = client, run_name, run_id
        if run_id is not None:
            self._experiment = client.get_run(run_id).info.experiment_id
        elif (known_experiment := client.get_experiment_by_name(experiment)) is not None:
            self._experiment = known_experiment.experiment_id
        else:
            self._experiment = client.create_experiment(experiment)
        self._parent, self._left = run_id, 0

    def on_start(self, lanes: Sequence[Lane], epochs: int) -> None:
        """Begin the study's run."""
        self._left = len(lanes)
        if self._given is None:
            made = self._client.create_run(self._experiment, run_name=self._name)
            self._parent = made.info.run_id
            self._log(self._parent, {"lanes": len(lanes), "epochs": epochs})

    def on_update(self, news: News) -> None:
        """Remember how many lanes are left: an interrupted study was killed."""
        self._left = news.lanes - news.ended

    @_harmless
    def on_lane_end(self, end: LaneEnd) -> None:
        """Log a lane."""
        tags = {"mlflow.parentRunId": self._parent, "taut.status": end.status}
        name = f"lane {end.number}: {end.lane}"
        made = self._client.create_run(self._experiment, tags=tags, run_name=name)
        self._log(made.info.run_id, parameters(end.lane), list(losses(end)))
        status = {DIVERGED: "FAILED", DROPPED: "KILLED"}.get(end.status, "FINISHED")
        self._client.set_terminated(made.info.run_id, status)

    @_harmless
    def on_end(self) -> None:
        """End the study's run."""
        if self._given is None:
            self._client.set_terminated(self._parent, "KILLED" if self._left else "FINISHED")

    def _log(
        self, run: Any, about: dict[str, Any], losses: Sequence[tuple[str, int, float]] = ()
    ) -> None:
        params = [self._entities.Param(name, str(value)) for name, value in about.items()]
        now = int(1000 * time.time())
        metrics = [self._entities.Metric(name, loss, now, epoch) for name, epoch, loss in losses]
        self._client.log_batch(run, metrics=metrics[:MOST_METRICS], params=params)
        for start in range(MOST_METRICS, len(metrics), MOST_METRICS):
            self._client.log_batch(run, metrics=metrics[start : start + MOST_METRICS])


def parameters(lane: Lane) -> dict[str, Any]:
    """What tells a lane from others: its strengths, fold, seed and target."""
    if len(lane.strengths) == 1:
        about: dict[str, Any] = {"strength": float(lane.strengths[0])}
    else:
        about = {f"strength_{k}": float(s) for k, s in enumerate(lane.strengths)}
    seed = "the model's weights" if lane.seed is None else int(lane.seed)
    return {**about, "fold": int(lane.split), "seed": seed, "target": int(lane.target)}


def losses(end: LaneEnd) -> Iterator[tuple[str, int, float]]:
    """The finite losses of a lane: name, epoch, loss."""
    for name, by_epoch in ((TRAIN, end.train_loss), (HELD_OUT, end.held_out_loss)):
        for epoch, loss in enumerate(by_epoch):
            if np.isfinite(loss):
                yield name, epoch, float(loss)


def _needs(module: str, *, packages: str) -> Any:
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        package = module.split(".")[0]
        if (error.name or "").split(".")[0] != package:
            raise
        raise InputError(
            f"This logger needs the package {package}. Received: an environment without it. "
            f"Run `pip install {packages}`."
        ) from error
