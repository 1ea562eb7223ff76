"""What skore's checks say of a drawn situation; a peer of `diagnosis.py`.

skore (https://skore.probabl.ai) checks a report of a scikit-learn estimator. The network is given
to it as one: the very model that is diagnosed, from the same seed, and one of a single input where
the check of a golden feature asks for that. Images are tables of pixels to it. It decides by its
own metrics (R², RMSE and MAE; accuracy, precision and recall, log loss, Brier, area under the
curve), and by the sizes of differences alone; the truth is that of `diagnosis_truth.py`.
"""

from __future__ import annotations

import time
import warnings
from typing import Any

import keras
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from taut.diagnosis.situations import situation
from taut.optimizers import Proximal
from taut.penalties import L2

MEANS = {
    "SKD001": ("overfitting",),
    "SKD002": ("underfitting", "nothing_learned"),
    "SKD011": ("leak_column",),
}
"""Its codes in ours. Its underfitting is "no better than a dummy", which is our "nothing learned":
it counts as both."""
KNOWN = tuple(code for codes in MEANS.values() for code in codes)
GOLDEN = 5
"""Inputs up to which a golden feature is looked for: each is a training of a new network."""


def skore_line(seed: int) -> dict:
    """The codes that it finds, those that it did not check, and its CPU seconds."""
    from skore import EstimatorReport

    made = situation(seed)
    numbers = made.words.startswith("numbers")
    estimator = (_Numbers if numbers else _Classes)(seed)
    (x, y), (new_x, new_y) = (made.x, made.y), made.validation
    table = lambda x: x.reshape(len(x), -1).astype(float)  # noqa: E731
    target = (lambda y: y) if numbers else (lambda y: y.astype(int))
    wide = table(x).shape[1] > GOLDEN
    begun = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        report = EstimatorReport(
            estimator,
            X_train=table(x),
            y_train=target(y),
            X_test=table(new_x),
            y_test=target(new_y),
            **({} if numbers else {"pos_label": 1}),
        )
        others = [text.split()[0] for text in report.checks.available()]
        unasked = [code for code in others if code not in MEANS or (wide and code == "SKD011")]
        summary = report.checks.summarize(ignore=unasked)
    sections = {name: summary.frame(section=name) for name in ("issue", "tip", "not_applicable")}
    codes = {name: [str(code) for code in frame["code"]] for name, frame in sections.items()}
    found = [*codes["issue"], *codes["tip"]]
    return {
        "seed": seed,
        "codes": [ours for code in found if code in MEANS for ours in MEANS[code]],
        "unchecked": [
            ours
            for code in [*codes["not_applicable"], *(["SKD011"] if wide else [])]
            for ours in MEANS.get(code, ())
        ],
        "seconds": time.process_time() - begun,
    }


class _Network(BaseEstimator):
    """A situation's network; of tables of other many columns too."""

    def __init__(self, seed: int):
        self.seed = seed

    def fit(self, X: Any, y: Any) -> _Network:
        """Train as `diagnosis.py` does: all columns make the very model that it diagnoses."""
        keras.utils.set_random_seed(self.seed)
        made, x = situation(self.seed), np.asarray(X, "float32")
        self.shape_, model = made.x.shape[1:], made.build()
        if x.shape[1] != np.prod(self.shape_):
            self.shape_, model = x.shape[1:], _of_width(model, x.shape[1], made.strength)
        x = x.reshape(len(x), *self.shape_)
        model.fit(x, np.asarray(y, "float32"), epochs=made.epochs, verbose=0)
        self.model_, self.classes_ = model, np.array([0, 1])
        self.n_features_in_ = int(np.prod(self.shape_))
        return self

    def _output(self, x: Any) -> np.ndarray:
        x = np.asarray(x, "float32").reshape(len(x), *self.shape_)
        return self.model_.predict(x, batch_size=4096, verbose=0)[:, 0]


class _Numbers(RegressorMixin, _Network):
    def predict(self, X: Any) -> np.ndarray:
        return self._output(X)


class _Classes(ClassifierMixin, _Network):
    def predict(self, X: Any) -> np.ndarray:
        return (self._output(X) > 0.5).astype(int)

    def predict_proba(self, X: Any) -> np.ndarray:
        second = self._output(X).astype(float)
        return np.stack([1 - second, second], axis=1)


def _of_width(model: Any, inputs: int, strength: float) -> Any:
    """The same network, untrained, of other many inputs; compiled alike."""
    layers = [type(layer).from_config(layer.get_config()) for layer in model.layers]
    again = keras.Sequential([keras.Input((inputs,)), *layers])
    plain = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    adam = type(plain).from_config(plain.get_config())
    again.compile(Proximal(adam, L2(strength)) if strength else adam, model.loss)
    return again
