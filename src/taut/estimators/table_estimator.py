"""What the estimators of tables share: arguments, frames made of arrays, what is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils import check_array, check_consistent_length
from sklearn.utils.validation import check_is_fitted, validate_data

from taut._data import group_labels
from taut.errors import InputError
from taut.estimators import model_bytes
from taut.estimators.merged_table import merge_table
from taut.estimators.penalized_network import drawn_seed
from taut.frames.as_frame import as_frame, is_table, refuse_duplicates
from taut.tables.fitting import fit_table
from taut.tables.table_model import TableModel

LEAST_ROWS = 2


class TableEstimator(BaseEstimator):
    """What the two have in common; see `taut.sklearn`."""

    model_: TableModel

    def __init__(
        self,
        penalty: str = "auto",
        *,
        strengths: Sequence[float] | None = None,
        features: Sequence[str] | None = None,
        drop: Sequence[str] = (),
        kind: Mapping[str, str] | None = None,
        decimal: str | None = None,
        na: Sequence[str] = (),
        test_size: float = 0.0,
        folds: int = 5,
        seeds: int = 1,
        single: bool = False,
        sparse: bool = False,
        inputs: int | None = None,
        quick: bool = False,
        random_state: Any = None,
        verbose: int | bool = 0,
    ):
        self.penalty = penalty
        self.strengths = strengths
        self.features = features
        self.drop = drop
        self.kind = kind
        self.decimal = decimal
        self.na = na
        self.test_size = test_size
        self.folds = folds
        self.seeds = seeds
        self.single = single
        self.sparse = sparse
        self.inputs = inputs
        self.quick = quick
        self.random_state = random_state
        self.verbose = verbose

    @property
    def feature_importances_(self) -> np.ndarray:
        """[columns] how much the loss rises when a column is shuffled, as a share of all rises.

        Of more than 1,000 columns those of the largest weights are measured, and others have 0.
        """
        shares = self._by_column("importance")
        return shares if np.isnan(shares).all() else np.nan_to_num(shares)

    def get_support(self, indices: bool = False) -> np.ndarray:
        """[columns] whether a column is one of `selected_features_`; or the numbers of those."""
        kept = np.isin(self._columns, self.selected_features_)
        return np.flatnonzero(kept) if indices else kept

    @property
    def selected_features_(self) -> list[str]:
        """The columns that the sparse network reads, the first one first.

        Without `sparse` or `inputs` they are those that the sparsest good networks with an L1 read.
        """
        check_is_fitted(self)
        return self.model_.selected_features_

    @property
    def _predicting(self) -> TableModel:
        """What predicts: the sparse network, where it was asked for and reads anything."""
        check_is_fitted(self)
        return self.model_.sparse or self.model_

    def _by_column(self, name: str) -> np.ndarray:
        check_is_fitted(self)
        values = self.model_.features.set_index("feature")[name].astype(float)
        return values.reindex(self._columns, fill_value=0.0).to_numpy()

    def _fit(
        self,
        x: pd.DataFrame,
        y: np.ndarray,
        task: str,
        weight: np.ndarray,
        roles: Mapping[str, Any],
    ) -> None:
        """Fit to rows that are counted; see `merge_table`."""
        facts = {name: values for name, values in roles.items() if values is not None}
        if "time" in facts:
            check_consistent_length(x, facts["time"])
        facts = {
            name: group_labels(values, len(x)) if name == "groups" else np.asarray(values)
            for name, values in facts.items()
        }
        classes = task == "classification"
        rows = merge_table(x, weight, {"y": y, **facts}, classes=classes, placed=bool(facts))
        columns = {"y": y[rows.rows], **{name: values[rows.rows] for name, values in facts.items()}}
        if rows.weight is not None:
            columns["weights"] = rows.weight
        if rows.together is not None:
            columns["groups"] = rows.together
        frame, names = x.iloc[rows.rows].reset_index(drop=True), {}
        for name, values in columns.items():
            free = name
            while free in frame.columns:
                free += "_"
            names[name] = free
            frame = frame.assign(**{free: values})
        self.model_ = fit_table(
            frame,
            target=names.pop("y"),
            task=task,
            features=self.features,
            drop=self.drop,
            kind=self.kind,
            decimal=self.decimal,
            na=self.na,
            penalty=self.penalty,
            strengths=self.strengths,
            **names,
            test_size=self.test_size,
            folds=self.folds,
            seeds=self.seeds,
            single=self.single,
            sparse=self.sparse,
            inputs=self.inputs,
            quick=self.quick,
            seed=drawn_seed(self.random_state),
            allow_small=True,
            callbacks=None if self.verbose else [],
        )
        self._columns = [str(name) for name in x.columns]

    def _frame(self, x: Any, *, reset: bool) -> pd.DataFrame:
        """The inputs as a data frame; an array has columns x0, x1, … or, in order, those of fit."""
        if hasattr(x, "toarray"):
            x = x.toarray()
        if isinstance(x, pd.DataFrame) or is_table(x):
            return self._named(x, reset=reset)
        x = check_array(
            x,
            dtype=None,
            ensure_all_finite="allow-nan",
            ensure_min_samples=LEAST_ROWS if reset else 1,
            estimator=self,
            input_name="X",
        )
        validate_data(self, x, skip_check_array=True, reset=reset)
        names = [f"x{k}" for k in range(x.shape[1])] if reset else self._columns
        return pd.DataFrame(x, columns=names).infer_objects()

    def _named(self, x: Any, *, reset: bool) -> pd.DataFrame:
        frame = as_frame(x)
        refuse_duplicates("X", frame.columns)
        rows, columns = frame.shape
        if reset and (rows < LEAST_ROWS or not columns):
            raise InputError(
                f"`X` must have {LEAST_ROWS} rows at least, and a column. Received: n_samples = "
                f"{rows} of {columns} columns."
            )
        # scikit-learn takes no numbers of pandas for names, and knows no table but a few.
        validate_data(
            self, x if isinstance(x, pd.DataFrame) else frame, skip_check_array=True, reset=reset
        )
        if not reset and set(frame.columns) != set(self._columns):
            return frame.set_axis(self._columns, axis="columns")  # of an array: told above
        return frame

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        tags.target_tags.required = True
        return tags

    def __getstate__(self) -> dict[str, Any]:
        state: Any = super().__getstate__()
        if "model_" in state:
            state = {**state, "model_": model_bytes.to_bytes(state["model_"])}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        if isinstance(state.get("model_"), bytes):
            state = {**state, "model_": model_bytes.from_bytes(state["model_"])}
        super().__setstate__(state)
