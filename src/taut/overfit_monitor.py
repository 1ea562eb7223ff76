"""A Keras callback that watches the generalisation gap, and stops where held-out loss turns."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops, tree

from taut._data import as_arrays, readable_targets
from taut._keras.compiled_model import loss_of_classes
from taut._keras.model_calls import mode
from taut._losses import data_loss_value, loss_parts
from taut._mean_loss import mean_loss_interval
from taut.catalogue import EN, Catalogue, catalogue
from taut.checks import check_at_least, check_inner_share, check_whole
from taut.errors import InputError, UnsupportedError
from taut.monitored_rows import check_columns, only_class, row_count, row_pair
from taut.objective.row_losses import RowLosses


class Measured(NamedTuple):
    """What an epoch's weights lose: the mean, and by row where the loss is one of rows."""

    mean: float
    rows: np.ndarray | None


class Gap(NamedTuple):
    """Held-out loss minus training loss, and the interval where it can be known."""

    value: float
    low: float | None = None
    high: float | None = None

    def text(self, say: Catalogue) -> str:
        """It and its interval, to three digits."""
        if self.low is None:
            return say("monitor.gap", gap=f"{self.value:.3g}")
        interval = say("interval", low=f"{self.low:.3g}", high=f"{self.high:.3g}")
        return say("monitor.gap_within", gap=f"{self.value:.3g}", interval=interval)


def gap_interval(
    train: np.ndarray, held_out: np.ndarray, *, level: float, of: int | None = None
) -> Gap:
    """The gap of one trained model, with the interval of `taut.diagnosis.generalization_gap`.

    Where the m training rows are a sample of the N that the model was trained on, their mean
    loss has the standard error √((1 − m/N)/m)·s, and each end of the interval is as much further
    from the estimate as the root of the sum of squares says.

    Args:
        train: [m] losses of rows that it was trained on.
        held_out: [n] losses of rows that it has not seen.
        level: Of the interval.
        of: N, if not m.

    References:
        Zou and Donner, Construction of confidence limits about effect measures, 2008.
    """
    from scipy.stats import norm

    value = float(held_out.mean() - train.mean())
    unseen = 1 - len(train) / (of or len(train))
    if len(held_out) < 2 or (unseen and len(train) < 2):
        return Gap(value)
    ends = mean_loss_interval(held_out, train, level)
    sampled = unseen * train.var(ddof=1) / len(train) if unseen else 0.0
    of_train = float(norm.ppf((1 + level) / 2)) * math.sqrt(sampled)
    low, high = (math.hypot(end - held_out.mean(), of_train) for end in ends)
    return Gap(value, value - low, value + high)


class OverfitMonitor(keras.callbacks.Callback):
    r"""Adds the generalisation gap to the logs, stops when held-out loss has stopped falling.

    After each epoch, with the weights as they are then and in inference mode, it measures the
    *data* loss: no penalty, no losses of layers, no dropout, no running mean, and each row counts
    once, whatever weights `fit` has. It adds to the logs

    - `val_data_loss`, the mean over the validation rows,
    - `data_loss`, the mean over the training rows, or over a sample of them,
    - `gap` = `val_data_loss` − `data_loss`, and `gap_low`, `gap_high`, its interval.

    Rule: an epoch is an improvement on the last one that was, if its held-out loss is lower by
    more than `min_improvement` and by more than `standard_errors` standard errors of the mean
    difference, row by row: d̄ > max(δ, k·s(d)/√n) with d the rows' differences. So what a
    lucky draw of rows explains does not prolong training, and a slow fall still counts, since it
    adds up. After `patience` epochs without one training stops. In the end the weights of the
    epoch of least held-out loss are restored: all variables, so also the moving statistics of
    batch normalisation, and exact zeros stay zero. The optimizer's own state is not restored.

    Where the loss is not one of rows (one number a batch, masked steps), it says so once; then
    there is no interval, and k is 0.

    Args:
        validation: Held-out rows `(x, y)`. None takes those of `fit` (`validation_data` or
            `validation_split`), which models of `taut.models` hand on; a Keras model does not.
        train: The training rows `(x, y)`. None takes those of `fit`, likewise; where they are
            not known there is no gap.
        patience: Epochs in a row without an improvement after which it stops.
        min_improvement: δ, in units of the loss.
        standard_errors: k; 0 counts every fall of the loss, as Keras's `EarlyStopping` does.
        level: Of the interval of the gap.
        sample: Training rows to measure, at most, drawn once; None for all of them.
        batch_size: Rows that are predicted at a time.
        restore_best: Whether the best weights are restored; otherwise the last ones stay.
        verbose: Whether it says in one line at the end what happened.
        seed: Of the sample.

    Attributes:
        best_epoch: The number of the epoch of least held-out loss, from 1; None without one.
        best_loss: That loss.
        last_epoch: The number of the last epoch; 0 before one has ended.
        gap: Of the weights that the model is left with, a named tuple of value, low and high.
        summary: What happened, in one line; `text(lang="zh")` says it in Chinese.

    Raises:
        InputError: If there are no validation rows, rows of one class alone, columns other than
            the model's, or targets that are not finite.

    Example:
        >>> import keras, numpy as np, taut
        >>> x = np.random.default_rng(0).normal(size=(60, 3)).astype("float32")
        >>> y = x[:, 0] + 1
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        >>> model.compile(taut.Proximal("sgd", taut.L1(0.01)), loss="mse")
        >>> held_out = x[40:], y[40:]
        >>> monitor = taut.callbacks.OverfitMonitor(held_out, (x[:40], y[:40]), verbose=False)
        >>> history = model.fit(x[:40], y[:40], epochs=3, verbose=0, callbacks=[monitor])
        >>> sorted(history.history)
        ['data_loss', 'gap', 'gap_high', 'gap_low', 'loss', 'val_data_loss']
        >>> monitor.best_epoch
        3
    """

    def __init__(
        self,
        validation: Any = None,
        train: Any = None,
        *,
        patience: int = 10,
        min_improvement: float = 0.0,
        standard_errors: float = 1.0,
        level: float = 0.95,
        sample: int | None = 2000,
        batch_size: int = 256,
        restore_best: bool = True,
        verbose: bool = True,
        seed: int = 0,
    ):
        super().__init__()
        check_whole(1, patience=patience, batch_size=batch_size)
        check_whole(0, seed=seed)
        check_at_least(0, min_improvement=min_improvement, standard_errors=standard_errors)
        check_inner_share(level=level)
        if sample is not None:
            check_whole(2, sample=sample)
        self._validation = None if validation is None else row_pair(validation, "validation")
        self._train = None if train is None else row_pair(train, "train")
        self._offered: dict[str, Any] = {}
        self.patience, self.min_improvement = patience, min_improvement
        self.standard_errors, self.level = standard_errors, level
        self.sample, self.batch_size, self.seed = sample, batch_size, seed
        self.restore_best, self.verbose = restore_best, verbose

    def offer(self, x: Any, y: Any, validation_data: Any, validation_split: Any) -> None:
        """What `fit` was given, for what this was not given itself."""
        self._offered = {}
        if validation_data is None and (y is None or not validation_split):
            return
        if validation_data is None:
            x, y = as_arrays(x, "x"), as_arrays(y, "y")
            # Keras holds out the last rows.
            cut = math.floor(row_count(y) * (1 - validation_split))
            validation_data = tree.map_structure(lambda a: a[cut:], (x, y))
            x, y = tree.map_structure(lambda a: a[:cut], (x, y))
        # A loader of batches brings its own targets: its rows are not known here.
        self._offered = {"train": None if y is None else (x, y), "validation": validation_data}

    def on_train_begin(self, logs: Any = None) -> None:
        del logs
        self.best_epoch: int | None = None
        self.best_loss = math.inf
        self.gap: Gap | None = None
        self.summary = ""
        self._best: list[np.ndarray] = []
        self._reference: Measured | None = None
        self._waited, self.last_epoch = 0, 0
        self._not_a_number = self._checked = False
        self._losses_of: RowLosses | None = None
        self._held_out, self._learned_from, self._of = self._data()
        if self.model.built:
            self._check()

    def _data(self) -> tuple[Any, Any, int]:
        offered = self._offered
        held_out = self._validation or (
            row_pair(offered["validation"], "validation_data") if offered else None
        )
        if held_out is None:
            raise InputError(
                "`OverfitMonitor` needs held-out rows. Received: none. Give them, "
                "`OverfitMonitor(validation=(x, y), train=(x, y))`; models of `taut.models` also "
                "hand on the arrays of `fit(x, y, validation_data=(x, y))`."
            )
        learned_from = self._train or (
            row_pair(offered["train"], "x, y of fit")
            if offered.get("train") is not None and not self._validation
            else None
        )
        if learned_from is None:
            return held_out, None, 0
        rows = row_count(learned_from[1])
        if self.sample is not None and rows > self.sample:
            drawn = np.random.default_rng(self.seed).choice(rows, self.sample, replace=False)
            drawn.sort()
            learned_from = tree.map_structure(lambda a: a[drawn], learned_from)
        return held_out, learned_from, rows

    def _check(self) -> None:
        """The rows against the model; what does not go is refused before the first step."""
        names = [(self._held_out, "validation")]
        if self._learned_from is not None:
            names.append((self._learned_from, "train"))
        for (x, y), name in names:
            check_columns(self.model, x, name)
            readable_targets(loss_parts(self.model, x, y), y, None)
        x, y = self._held_out
        if loss_of_classes(self.model) and (only := only_class(y)) is not None:
            raise InputError(
                "`validation` must hold rows of two classes or more. Received: "
                f"{row_count(y)} rows, all of class {only}. Draw them from all classes."
            )
        try:
            self._losses_of = RowLosses(self.model, x, y)
        except UnsupportedError:
            self._losses_of = None
        self._checked = True
        if self._losses_of is None and self.verbose:
            print(EN("monitor.no_interval"))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if not self._checked:
            self._check()
        now = self._measured(*self._held_out)
        added = {"val_data_loss": now.mean}
        gap = None
        if self._learned_from is not None:
            train = self._measured(*self._learned_from)
            gap = self._gap(train, now)
            added |= {"data_loss": train.mean, "gap": gap.value}
            if gap.low is not None and gap.high is not None:
                added |= {"gap_low": gap.low, "gap_high": gap.high}
        if logs is not None:
            logs.update(added)
        self.last_epoch = epoch + 1
        if now.mean < self.best_loss:
            self.best_loss, self.best_epoch = now.mean, self.last_epoch
            if self.restore_best:
                self.gap = gap
                self._best = [_copy(variable) for variable in self.model.variables]
        if not self.restore_best:
            self.gap = gap
        if self._is_better(now):
            self._reference, self._waited = now, 0
        else:
            self._waited += 1
        self._not_a_number = math.isnan(now.mean)
        if self._not_a_number or self._waited >= self.patience:
            self.model.stop_training = True

    def _measured(self, x: Any, y: Any) -> Measured:
        if self._losses_of is None:
            return Measured(_mean_loss(self.model, x, y, batch_size=self.batch_size), None)
        prediction = self.model.predict(x, batch_size=self.batch_size, verbose=0)
        rows = self._losses_of(y, prediction)
        return Measured(float(rows.mean()), rows)

    def _gap(self, train: Measured, held_out: Measured) -> Gap:
        finite = math.isfinite(train.mean) and math.isfinite(held_out.mean)
        if train.rows is None or held_out.rows is None or not finite:
            return Gap(held_out.mean - train.mean)
        return gap_interval(train.rows, held_out.rows, level=self.level, of=self._of)

    def _is_better(self, now: Measured) -> bool:
        if not math.isfinite(now.mean):
            return False
        if self._reference is None:
            return True
        fall = self._reference.mean - now.mean
        needed = self.min_improvement
        if now.rows is not None and self._reference.rows is not None and len(now.rows) > 1:
            spread = float(np.std(self._reference.rows - now.rows, ddof=1))
            needed = max(needed, self.standard_errors * spread / math.sqrt(len(now.rows)))
        return fall > needed

    def on_train_end(self, logs: Any = None) -> None:
        del logs
        if self.restore_best and self.best_epoch is not None:
            for variable, value in zip(self.model.variables, self._best, strict=True):
                variable.assign(value)
        self._best = []
        self.summary = self.text()
        if self.verbose and self.summary:
            print(self.summary)

    def text(self, lang: str = "en") -> str:
        """What happened, in one line; empty before an epoch has ended.

        Args:
            lang: "en" or "zh".

        Raises:
            InputError: If it is none that taut speaks.
        """
        say = catalogue(lang)
        if not self.last_epoch:
            return ""
        if self.best_epoch is None:
            return say("monitor.never", last=self.last_epoch)
        epochs = {"best": self.best_epoch, "last": self.last_epoch}
        parts = [say("monitor.least", loss=f"{self.best_loss:.3g}", **epochs)]
        parts.append(say("monitor.no_gap") if self.gap is None else self.gap.text(say))
        if self.best_epoch == self.last_epoch:
            parts.append(say("monitor.may_fall"))
        else:
            at = self.best_epoch if self.restore_best else self.last_epoch
            parts.append(say("monitor.restored" if self.restore_best else "monitor.kept", at=at))
        if self._not_a_number:
            parts.append(say("monitor.not_a_number"))
        return say("monitor.line", parts=say("clause.separator").join(parts))


def _copy(variable: Any) -> np.ndarray:
    return np.array(ops.convert_to_numpy(variable.value), copy=True)


def _mean_loss(model: Any, x: Any, y: Any, *, batch_size: int) -> float:
    """The data loss of any compiled model: its mean over batches, weighted by their rows."""
    rows = len(tree.flatten(y)[0])
    total = 0.0
    for start in range(0, rows, batch_size):
        piece = slice(start, start + batch_size)

        def tensor(a: Any, piece: slice = piece) -> Any:
            return ops.convert_to_tensor(a[piece])

        inputs, targets = tree.map_structure(tensor, (x, y))
        prediction = model(inputs, **mode(model, training=False))
        loss = float(ops.convert_to_numpy(data_loss_value(model, targets, prediction)))
        total += loss * min(batch_size, rows - start)
    return total / rows
