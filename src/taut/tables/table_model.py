"""A fitted table: predicts, and is saved to and loaded from a run directory."""

from __future__ import annotations

import math
import warnings
from html import escape
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from taut.checks import path_given
from taut.diagnosis import Diagnosis
from taut.engine.outputs import outputs_of
from taut.errors import InputError
from taut.files import DAMAGED, whole_folder
from taut.frames.encode import Encoder
from taut.frames.schema import Schema
from taut.run import (
    DIAGNOSIS,
    FILES,
    FORMER_PREPROCESSING,
    METRICS,
    MODEL,
    OF_A_RUN,
    PREPROCESSING,
    SPARSE,
    Run,
)
from taut.run_metrics import Selection
from taut.tables.evaluation import as_table, evaluated
from taut.typed_json import plain

PREDICT_ROWS, PREDICT_CELLS = (256, 4096), 1 << 24
"""Rows are padded to one of the first, so that a second table compiles nothing; to fewer where a
layer would put out more numbers than the second: every member of the network has all columns."""
LARGEST = 1e30
SHOWN = 10
"""Inputs in a notebook's table, the most important first."""


class TableModel:
    """What `fit_table` returns.

    Attributes:
        model: One Keras model, from encoded columns to probabilities or, for a regression, to the
            target standardised by the mean and std in `metrics["target"]`.
        metrics: What was found, as in `metrics.json`.
        path: One line a training.
        features: One line an input: kept or not, importance, share of models that read it.
        schema: What was understood of the table.
        run: Metrics, path and features, as one typed object.
        sparse: The network on the selected inputs alone, refitted, a model of its own; None
            unless it was asked for, or where no input is worth reading.
        diagnosis: Whether the network overfits, and what is wrong with the data (`taut.diagnose`);
            None where it was not asked for.
    """

    def __init__(
        self,
        model: Any,
        encoder: Encoder,
        run: Run,
        sparse: TableModel | None = None,
        diagnosis: Diagnosis | None = None,
    ):
        self.model: Any = model
        self.run: Run = run
        self.sparse: TableModel | None = sparse
        self.diagnosis: Diagnosis | None = diagnosis
        self._encoder = encoder

    @property
    def metrics(self) -> dict[str, Any]:
        return plain(self.run.metrics)

    @property
    def path(self) -> pd.DataFrame:
        return self.run.path

    @property
    def features(self) -> pd.DataFrame:
        return self.run.features

    @property
    def schema(self) -> Schema:
        return self._encoder.schema

    @property
    def selection(self) -> Selection | None:
        """How the inputs of the sparse network were selected; None unless it was asked for."""
        return self.run.metrics.selection

    @property
    def warnings(self) -> list[str]:
        """Why the scores may say less than they seem to, the worst first; read these first."""
        return list(self.run.metrics.warnings)

    def __repr__(self) -> str:
        title, *lines = self._lines()
        return "\n".join([f"TableModel({title})", *(f"  {line}" for line in lines)])

    def _repr_html_(self) -> str:
        title, *lines = map(escape, self._lines())
        table = self.features.head(SHOWN).to_html(index=False, border=0, float_format="%.3g")
        return f"<p><b>{title}</b><br>{'<br>'.join(lines)}</p>{table}"

    def _lines(self) -> list[str]:
        """What it predicts, what was chosen, how well it did, and what is to be known first."""
        metrics, schema = self.run.metrics, self.schema
        choice = metrics.choice
        what = "without a penalty" if choice.penalty == "none" else choice.penalty
        strength = "" if choice.penalty == "none" else f" of strength {choice.strength:.4g}"
        several = f"mean of {choice.models} networks, the best"
        networks = several if choice.models > 1 else "one network,"
        lines = [
            f"target={schema.target!r}, task={schema.task!r}",
            f"{networks} {what}{strength}",
        ]
        tested = metrics.tested
        if tested.systems and tested.primary is not None:
            score = tested.systems[0].scores[tested.primary]
            if score.value is not None:
                known = score.low is not None and score.high is not None
                interval = f" ({score.low:.4g} to {score.high:.4g})" if known else ""
                name = tested.primary.replace("_", " ")
                lines.append(f"{name} {score.value:.4g}{interval} on the test rows")
        if self.selection is not None:
            count = len(self.selection.kept)
            lines.append(f"sparse network: {count} of {len(self.selection.inputs)} inputs")
        return [*lines, *(f"warning: {text}" for text in self.warnings)]

    @property
    def selected_features_(self) -> list[str]:
        """The input columns that the sparse network reads, the first one first; see `selection`.

        Without a sparse network (`fit_table(sparse=True)`) they are those that the sparsest good
        models with an L1 read (see `features`): an L1 on single weights leaves most inputs in.
        """
        if self.selection is not None:
            return list(self.selection.kept)
        return self.features.loc[self.features["kept"], "feature"].tolist()

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        """Predict the target: labels as the target had them, or floats.

        Args:
            frame: The input columns, in any order; others are ignored. Levels that training did
                not have, and columns without a value, are told by a warning.

        Raises:
            InputError: If input columns are missing or cannot be read.
        """
        output = self._output(frame)
        if self.schema.task == "regression":
            return output[:, 0]
        return self.schema.labels(output.argmax(axis=1))

    def predict_proba(self, frame: pd.DataFrame) -> np.ndarray:
        """Probabilities [rows, classes], in the order of `schema.classes`.

        Args:
            frame: The input columns, in any order; others are ignored.

        Raises:
            InputError: For a regression, or if input columns are missing or cannot be read.
        """
        if self.schema.task == "regression":
            raise InputError(
                "`predict_proba` is for classes. Received: a regression. Use `predict`."
            )
        return self._output(frame)

    def evaluate(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Score rows of which the target is known, such as those of last month.

        Rows that were learned from score too well, and so do rows of their groups. Rows without a
        target are left out. A run with weights or groups needs their columns here too.

        Args:
            frame: The input columns and the target, in any order; others are ignored.

        Returns:
            One line a score of the network, and of what looks at no input: `metric`, `system`,
            `value`, and its 95% interval `low` to `high` (of accuracy exact, of others a bootstrap
            of the rows or of their groups); where that cannot be known, `withheld` says why.

        Raises:
            InputError: If a column is missing or cannot be read, a label is no class of the run, or
                no row has a target.

        Example:
            >>> model.evaluate(new_frame)  # doctest: +SKIP
        """
        return as_table(evaluated(frame, self.schema, self.run.metrics, self._output))

    def _output(self, frame: pd.DataFrame) -> np.ndarray:
        features, _ = self.schema.prepare(frame, require_target=False)
        features, sentences = self._encoder.match_levels(features)
        for sentence in sentences:
            warnings.warn(sentence, UserWarning, stacklevel=3)
        output = predict(self.model, self._encoder.transform(features))
        if self.schema.task != "regression":
            return output
        # In double precision: a large mean would leave the network's single no decimals.
        target = self.run.metrics.target
        return output * (target.std or 1.0) + (target.mean or 0.0)

    def save(self, directory: str | Path, *, overwrite: bool = False) -> Path:
        """Write a run directory: whole, or not at all.

        Args:
            directory: Where.
            overwrite: Whether to replace a run that is there; other files in its directory stay.

        Raises:
            InputError: If it exists and `overwrite` is False, or it is something else than a run.
        """
        directory = path_given(directory=directory)
        if directory.exists() and not (directory.is_dir() and not any(directory.iterdir())):
            if not overwrite:
                raise InputError(
                    f"The run directory must not exist. Received: {str(directory)!r}, which does. "
                    "Choose another, or pass overwrite=True."
                )
            if not (directory / METRICS).is_file():
                raise InputError(
                    "Only a run directory may be replaced. Received: "
                    f"{str(directory)!r}, which holds no {METRICS}. Choose another."
                )
        with whole_folder(directory, ours=OF_A_RUN) as new:
            self._write(new)
            if self.sparse is not None:
                (new / SPARSE).mkdir()
                self.sparse._write(new / SPARSE)
        return directory

    def _write(self, directory: Path) -> None:
        self.model.save(directory / MODEL)
        self._encoder.save(directory / PREPROCESSING)
        self.run.save(directory)
        if self.diagnosis is not None:
            self.diagnosis.save(directory / DIAGNOSIS)

    @classmethod
    def load_schema(cls, directory: str | Path) -> Schema:
        """Read what a run understood of its table, without its network: in no time.

        Raises:
            InputError: If the file is missing or damaged.
        """
        return Encoder.load(_preprocessing(Path(directory))).schema

    @classmethod
    def load(cls, directory: str | Path) -> Self:
        """Read what `save` wrote. Nothing is unpickled.

        Raises:
            InputError: If a file is missing or damaged.
        """
        directory = path_given(directory=directory)
        names = (MODEL, _preprocessing(directory).name, *FILES)
        missing = [name for name in names if not (directory / name).is_file()]
        if missing:
            raise InputError(
                f"A run directory must hold {', '.join(names)}. Received: {str(directory)!r} "
                f"without {', '.join(missing)}. Fit again with `taut fit`."
            )
        try:
            import keras  # takes seconds, and a table can be refused before

            from taut.tables import network  # noqa: F401 (registers the layers)

            model = keras.saving.load_model(directory / MODEL, compile=False)
        except DAMAGED as error:
            raise InputError(
                f"A run directory must be whole. Received: {str(directory)!r}, where a file is "
                f"damaged ({error}). Fit again with `taut fit`."
            ) from error
        run, sparse = Run.load(directory), None
        if run.metrics.selection is not None and run.metrics.selection.kept:
            sparse = cls.load(directory / SPARSE)
        file = directory / DIAGNOSIS
        diagnosis = Diagnosis.load(file) if file.is_file() else None
        return cls(model, Encoder.load(_preprocessing(directory)), run, sparse, diagnosis)


def _preprocessing(directory: Path) -> Path:
    """The file of the encoder: JSON, or what taut 0.3 wrote."""
    present = (n for n in (PREPROCESSING, FORMER_PREPROCESSING) if (directory / n).is_file())
    return directory / next(present, PREPROCESSING)


def predict(model: Any, encoded: np.ndarray) -> np.ndarray:
    """The model's output, float64 [rows, outputs], compiled for few row counts."""
    rows = len(encoded)
    widest = max(math.prod(layer.output.shape[1:]) for layer in model.layers)
    size = next((n for n in PREDICT_ROWS if n >= rows), PREDICT_ROWS[-1])
    size = max(min(size, PREDICT_CELLS // widest), 1)
    # Encoded numbers are standardised: larger ones mean the same, and overflow in float32.
    encoded = np.clip(encoded, -LARGEST, LARGEST)
    output = outputs_of(model, encoded, size=size)
    # In float32 probabilities sum to one within 1e-7 only, which scikit-learn warns about.
    return output / output.sum(axis=1, keepdims=True) if output.shape[1] > 1 else output
