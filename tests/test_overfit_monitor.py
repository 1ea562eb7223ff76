"""The monitor of overfitting: what it logs, when it stops, and what it leaves the model with."""

import re

import keras
import numpy as np
import pytest
from keras import layers, ops

import taut
from taut.callbacks import OverfitMonitor
from taut.diagnosis import generalization_gap
from taut.errors import InputError
from taut.objective.row_losses import RowLosses
from taut.overfit_monitor import gap_interval
from tests.conftest import some_slow

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 6)).astype("float32")
SIGNAL = X[:, 0] - X[:, 1] + RNG.normal(size=120)
TRAIN, HELD = slice(0, 60), slice(60, 120)


def network(loss="mse", optimizer=None, last=None, extra=(), models=keras):
    """Wide enough to overfit sixty rows, with all that sets Keras's loss apart from the data's."""
    model = models.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(64, "relu", kernel_regularizer=keras.regularizers.L2(0.01)),
            layers.BatchNormalization(momentum=0.5),
            layers.Dropout(0.2),
            *extra,
            last or layers.Dense(1),
        ]
    )
    model.compile(optimizer or keras.optimizers.Adam(0.05), loss)
    return model


def targets(loss):
    y = (SIGNAL > 0) if "crossentropy" in str(loss) else SIGNAL
    return y.astype("float32")


LOSSES = {
    "mse": lambda: network("mse"),
    "binary_crossentropy": lambda: network("binary_crossentropy", last=layers.Dense(1, "sigmoid")),
    "sparse_categorical_crossentropy": lambda: network(
        "sparse_categorical_crossentropy", last=layers.Dense(2, "softmax")
    ),
}
BY_HAND = {
    "mse": lambda y, p: (y - p[:, 0]) ** 2,
    "binary_crossentropy": lambda y, p: -np.log(np.where(y > 0, p[:, 0], 1 - p[:, 0])),
    "sparse_categorical_crossentropy": lambda y, p: -np.log(p[np.arange(len(y)), y.astype(int)]),
}


EPOCHS = 15


def fitted(model, y, *, epochs=EPOCHS, logs=None, **options):
    options = {"patience": 99, "verbose": False, **options}
    monitor = OverfitMonitor((X[HELD], y[HELD]), (X[TRAIN], y[TRAIN]), **options)
    callbacks = [monitor] if logs is None else [monitor, logs]
    history = model.fit(X[TRAIN], y[TRAIN], epochs=epochs, verbose=0, callbacks=callbacks)
    return monitor, history.history


def measured(model, y, **options):
    """What an epoch logs of the weights that the model has; nothing is trained."""
    monitor = OverfitMonitor((X[HELD], y[HELD]), (X[TRAIN], y[TRAIN]), verbose=False, **options)
    return watched(monitor, model)[1]


def watched(monitor, model, epochs=1):
    """The monitor and the last logs, after as many epochs, or until it stops the training."""
    model.stop_training = False
    monitor.set_model(model)
    monitor.on_train_begin()
    logs: dict = {}
    for epoch in range(epochs):
        logs = {}
        monitor.on_epoch_end(epoch, logs)
        if model.stop_training:
            break
    monitor.on_train_end()
    return monitor, logs


@pytest.mark.parametrize("loss", some_slow(LOSSES, ["mse"]))
def test_the_gap_is_what_one_computes_by_hand_and_the_best_weights_are_restored(loss):
    """Without penalty, dropout and running means; to the last bit, with moving statistics."""
    model, y = LOSSES[loss](), targets(loss)
    monitor, history = fitted(model, y)
    train, held = (
        BY_HAND[loss](y[rows], model.predict(X[rows], verbose=0).astype(float))
        for rows in (TRAIN, HELD)
    )
    gap = held.mean() - train.mean()
    same = generalization_gap(train, held)
    logs = measured(model, y)
    assert logs["val_data_loss"] == pytest.approx(held.mean(), rel=1e-5)
    assert logs["data_loss"] == pytest.approx(train.mean(), rel=1e-5)
    assert logs["gap"] == pytest.approx(gap, rel=1e-4)
    assert logs["gap_low"] == pytest.approx(same.low, rel=1e-4)
    assert logs["gap_high"] == pytest.approx(same.high, rel=1e-4)
    best = monitor.best_epoch
    assert best == 1 + int(np.argmin(history["val_data_loss"]))
    assert best < EPOCHS  # or nothing was restored
    assert min(history["val_data_loss"]) == monitor.best_loss
    assert {name: history[name][best - 1] for name in logs} == logs
    assert monitor.gap.value == logs["gap"]


def test_zeros_of_a_proximal_optimizer_stay_zero():
    """The best epoch's own zeros, not some threshold's."""
    kernels = []

    class Keep(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            kernels.append(np.array(ops.convert_to_numpy(self.model.layers[0].kernel)))

    optimizer = taut.Proximal(keras.optimizers.Adam(0.05), taut.L1(0.02))
    model = network(optimizer=optimizer)
    monitor, _ = fitted(model, targets("mse"), logs=Keep())
    kernel = ops.convert_to_numpy(model.layers[0].kernel)
    np.testing.assert_array_equal(kernel, kernels[monitor.best_epoch - 1])
    assert 0 < (kernel == 0).sum() < kernel.size
    assert monitor.best_epoch < EPOCHS


def test_it_stops_after_patience_epochs_without_an_improvement():
    y = targets("mse")
    monitor, history = fitted(network(), y, epochs=200, patience=4, standard_errors=0)
    losses = history["val_data_loss"]
    assert len(losses) < 200
    assert monitor.best_epoch == len(losses) - 4
    assert min(losses) == losses[-5]
    assert monitor.summary.startswith(
        f"Held-out loss was least ({monitor.best_loss:.3g}) after epoch {len(losses) - 4} of "
        f"{len(losses)}; gap "
    )
    assert monitor.summary.endswith(f"weights of epoch {len(losses) - 4} restored.")
    assert not re.search("[A-Za-z]", monitor.text("zh"))
    assert f"{monitor.best_loss:.3g}" in monitor.text("zh")


def frozen_losses(monkeypatch, epochs):
    """Lets epoch k of a `fit` have the losses `epochs[k]` on the held-out rows."""
    given = iter(epochs)
    monkeypatch.setattr(RowLosses, "__call__", lambda *_: next(given))


def given_losses(monkeypatch, epochs, **options):
    """The monitor, and after how many epochs with these losses it ended."""
    frozen_losses(monkeypatch, epochs)
    y = targets("mse")
    monitor = OverfitMonitor((X[HELD], y[HELD]), verbose=False, **options)
    watched(monitor, network(), len(epochs))
    return monitor, monitor.last_epoch


def test_a_fall_that_noise_explains_does_not_count(monkeypatch):
    """Nor does it reset the patience; its weights are the best ones all the same."""
    start = np.ones(60)
    noise = RNG.normal(size=60)
    lucky = start + noise - noise.mean() - 0.01  # 0.01 less, with a standard error of 0.13
    monitor, epochs = given_losses(monkeypatch, [start, lucky, start, start], patience=2)
    assert (epochs, monitor.best_epoch) == (3, 2)
    monitor, epochs = given_losses(
        monkeypatch, [start, lucky, start, start], patience=2, standard_errors=0
    )
    assert (epochs, monitor.best_epoch) == (4, 2)


def test_a_slow_fall_adds_up(monkeypatch):
    noise = RNG.normal(size=60)
    noise -= noise.mean()
    epochs = [1 + (k % 2) * noise - 0.07 * k for k in range(10)]  # a standard error of 0.13
    _, trained = given_losses(monkeypatch, epochs, patience=3)
    assert trained == 10


def test_what_is_less_than_the_least_improvement_does_not_count(monkeypatch):
    epochs = [np.full(60, 1 - 0.01 * k) for k in range(6)]
    assert given_losses(monkeypatch, epochs, patience=2, min_improvement=0.05)[1] == 3
    assert given_losses(monkeypatch, epochs, patience=2)[1] == 6


def test_a_loss_that_is_no_number_ends_the_training(monkeypatch):
    start = np.ones(60)
    monitor, epochs = given_losses(monkeypatch, [start, start * np.nan, start])
    assert (epochs, monitor.best_epoch) == (2, 1)
    assert "since the loss is not a number" in monitor.summary
    monitor, epochs = given_losses(monkeypatch, [start * np.nan, start])
    assert (epochs, monitor.best_epoch) == (1, None)
    assert "never a finite number" in monitor.summary


class OneNumber(keras.losses.Loss):
    """A loss with no value for a row."""

    def call(self, y_true, y_pred):
        return ops.sqrt(ops.mean((y_true - y_pred) ** 2))


def test_a_loss_without_rows_has_a_gap_without_an_interval(capsys):
    model, y = network(OneNumber()), targets("mse")[:, None]
    given = (X[HELD], y[HELD]), (X[TRAIN], y[TRAIN])
    _, logs = watched(OverfitMonitor(*given, batch_size=60), model, epochs=2)
    assert "gap_low" not in logs
    predictions = [model.predict(X[rows], verbose=0) for rows in (TRAIN, HELD)]
    train, held = (
        np.sqrt(np.mean((y[rows] - p) ** 2))
        for rows, p in zip((TRAIN, HELD), predictions, strict=True)
    )
    assert logs["gap"] == pytest.approx(held - train, rel=1e-4)
    assert capsys.readouterr().out.count("not one of rows") == 1


@pytest.mark.slow
def test_models_of_taut_hand_on_the_rows_of_fit():
    """Also those that Keras splits off at the end."""
    y = targets("mse")

    seen: dict = {}

    class Seen(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.update(logs)

    def logged(model, options, **given):
        monitor = OverfitMonitor(**given, verbose=False, restore_best=False)
        model.fit(X, y, epochs=1, verbose=0, callbacks=[monitor, Seen()], **options)
        return {name: seen[name] for name in ("gap", "gap_low", "data_loss", "val_data_loss")}

    model = network(models=taut.models)
    rows = {"validation": (X[90:], y[90:]), "train": (X[:90], y[:90])}
    for options in ({"validation_split": 0.25}, {"validation_data": (X[90:], y[90:])}):
        train = rows["train"] if "validation_split" in options else (X, y)
        logs = logged(model, options)
        given = OverfitMonitor(rows["validation"], train, verbose=False, restore_best=False)
        again = watched(given, model)[1]
        assert logs == {name: again[name] for name in logs}
    with pytest.raises(InputError, match=r"held-out rows\. Received: none.*validation=\(x, y\)"):
        logged(network(), {"validation_split": 0.25})


def test_held_out_rows_are_handed_on_beside_a_loader():
    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 2

        def __getitem__(self, index):
            return X[index::2], y[index::2]

    y = targets("mse")
    monitor = OverfitMonitor(verbose=False)
    model = network(models=taut.models)
    logs = model.fit(Batches(), validation_data=(X, y), verbose=0, callbacks=[monitor]).history
    assert logs["val_data_loss"] == [pytest.approx(model.evaluate(X, y, verbose=0), rel=1e-5)]
    assert "gap" not in logs


def test_the_interval_is_that_of_a_diagnosis():
    rows, held = RNG.exponential(0.2, size=50), RNG.exponential(size=20)
    gap, same = gap_interval(rows, held, level=0.9), generalization_gap(rows, held, level=0.9)
    np.testing.assert_allclose(gap, (same.estimate, same.low, same.high), rtol=1e-12)
    assert gap.high - gap.value > gap.value - gap.low > 0  # a lucky draw lacks the large losses


def test_rows_of_training_are_sampled_and_the_interval_knows():
    rows = RNG.normal(size=50)
    held = RNG.normal(size=40)
    all_of_them = gap_interval(rows, held, level=0.9)
    some_of_them = gap_interval(rows, held, level=0.9, of=1000)
    assert some_of_them.low < all_of_them.low < all_of_them.high < some_of_them.high
    least = all_of_them.high - all_of_them.low
    # The loss of both is known by chance alone: between the wider of the two and their sum.
    of_sample = 2 * 1.645 * rows.std(ddof=1) * np.sqrt(0.95 / 50)
    assert least < some_of_them.high - some_of_them.low < least + of_sample
    model, y = network(), targets("mse")
    assert measured(model, y, sample=20)["data_loss"] != measured(model, y)["data_loss"]


ONE_CLASS = np.zeros(60, "float32")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"validation": (X[:0], SIGNAL[:0])}, r"one row or more.*Received: 0 rows"),
        ({"validation": (X[:5], SIGNAL[:4])}, r"as many in `x` as in `y`.*4 and 5"),
        ({"validation": X}, r"pair `\(x, y\)`.*Received: ndarray"),
        ({"validation": (X, SIGNAL, SIGNAL)}, r"without weights.*tuple of 3"),
        ({"validation": (X[:, :4], SIGNAL)}, r"columns that the model reads, \(6,\).*\(4,\)"),
        ({"validation": (X, SIGNAL), "train": (X[:, :5], SIGNAL)}, r"`train` must have.*\(5,\)"),
        ({"validation": (X[HELD], ONE_CLASS)}, r"two classes or more.*60 rows, all of class 0"),
        ({"validation": (X, np.where(SIGNAL > 2, np.nan, 1.0))}, r"`y` must be finite"),
        ({"validation": (X, SIGNAL), "patience": 0}, r"`patience` must be an integer >= 1"),
        ({"validation": (X, SIGNAL), "level": 1}, r"`level` must be between 0 and 1"),
    ],
)
def test_bad_input_is_refused_before_the_first_step(given, words):
    model = network("binary_crossentropy", last=layers.Dense(1, "sigmoid"))
    before = model.get_weights()
    y = targets("binary_crossentropy")
    if words.startswith((r"`train`", r"columns")):
        given = {**given, "validation": (given["validation"][0], y)}
    with pytest.raises(InputError, match=words):
        model.fit(X, y, epochs=1, verbose=0, callbacks=[OverfitMonitor(**given)])
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
