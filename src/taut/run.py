"""A run directory: what a fit was given, chose and measured, and the files that hold it.

`tables` writes it; the report, `taut predict` and what the terminal shows read it. What the
network itself needs (`model.keras`, `preprocessing.json`) lies beside it.
"""

from __future__ import annotations

import json
from dataclasses import MISSING, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from taut._read_only import ReadOnly
from taut.checks import path_given
from taut.errors import InputError
from taut.formulas import unguard, write_csv
from taut.run_metrics import Metrics
from taut.typed_json import json_text, typed

if TYPE_CHECKING:
    import pandas

MODEL, PREPROCESSING, REPORT = "model.keras", "preprocessing.json", "report.html"
METRICS, PATH, FEATURES = FILES = ("metrics.json", "path.parquet", "features.csv")
FORMER_PREPROCESSING = "preprocessing.skops"
"""Beside these in runs of taut 0.3, in place of `preprocessing.json`."""
MORE_FILES = ("test_rows.parquet", "epochs.parquet", "learning_curve.parquet")
TEST_ROWS, EPOCHS, LEARNING_CURVE = MORE_FILES
"""Beside these since taut 0.4, where there is a test, something to tell of the epochs, and where
a learning curve was asked for."""
DIAGNOSIS = "diagnosis.json"
"""What `taut.diagnose` has to say of the network, where it was asked for."""
SPARSE = "sparse"
"""In a run with selected inputs, the run of the network on these alone."""
OF_A_RUN = (
    MODEL,
    PREPROCESSING,
    FORMER_PREPROCESSING,
    REPORT,
    DIAGNOSIS,
    SPARSE,
    *FILES,
    *MORE_FILES,
)
"""All that a run may hold: none of it may stay beside another run's."""
_PATH = ("penalty", "strength", "fold", "seed", "train_loss", "val_loss", "inputs_kept", "status")
_FEATURES = ("feature", "kept", "importance", "folds_kept", "reason")


def with_command(run: Run, command: str) -> Run:
    """The run, which tells the command (or call) that made it."""
    return replace(run, metrics=replace(run.metrics, command=command))


@dataclass(frozen=True)
class Run(ReadOnly):
    """What a fit says of itself.

    Attributes:
        metrics: What was understood, chosen and measured.
        path: One line a training.
        features: One line an input: kept or not, importance, share of models that read it.
        test_rows: One line a test row: `row`, its place from 0 in the table, or in that of the
            test; `actual` and `predicted`, class numbers or values; of classes `p_actual`,
            `p_predicted` and `p_positive`, the probabilities of these and of the class that curves
            are of; `weight` where rows are weighed, `group` where they are grouped. None in runs of
            taut 0.3 and without a test.
        epochs: One line an epoch of a network of the best setting ("best") and of the one without
            a penalty ("none"): `setting`, `fold`, `seed`, `epoch` from 1, `train_loss`,
            `val_loss`. None in runs of taut 0.3.
        learning_curve: One line a number of rows, those that were trained on and twice and four
            times all (see `taut.tables.more_rows`). None where it was not asked for.
    """

    metrics: Metrics
    path: pandas.DataFrame
    features: pandas.DataFrame
    test_rows: pandas.DataFrame | None = None
    epochs: pandas.DataFrame | None = None
    learning_curve: pandas.DataFrame | None = None

    def save(self, directory: str | Path) -> None:
        """Write `metrics.json`, `path.parquet`, `features.csv` and what else there is."""
        directory = path_given(directory=directory)
        text = json_text(self.metrics, indent=1)
        (directory / METRICS).write_text(text + "\n", encoding="utf-8")
        self.path.to_parquet(directory / PATH, index=False)
        write_csv(self.features, directory / FEATURES)
        more = self.test_rows, self.epochs, self.learning_curve
        for frame, file in zip(more, MORE_FILES, strict=True):
            if frame is not None:
                frame.to_parquet(directory / file, index=False)

    @classmethod
    def load(cls, directory: str | Path) -> Run:
        """Read what `save` wrote, by this release or an earlier one.

        Raises:
            InputError: It is no run directory, or a file in it is missing or cannot be read.
        """
        import pandas

        directory = path_given(directory=directory)
        missing = [file for file in FILES if not (directory / file).is_file()]
        if missing:
            what = "has no" if directory.is_dir() else "does not exist; expected in it:"
            raise InputError(
                f"A run directory, as `taut fit` writes it, holds {', '.join(FILES)}. "
                f"Received: {directory}, which {what} {', '.join(missing)}."
            )
        try:
            values = json.loads((directory / METRICS).read_text(encoding="utf-8"))
            needed = tuple(f.name for f in fields(Metrics) if f.default is MISSING)
            _check(METRICS, needed, values if isinstance(values, dict) else (), directory)
            metrics = typed(Metrics, values)
            path = pandas.read_parquet(directory / PATH)
            _check(PATH, _PATH, path.columns, directory)
            # A column may be called "NA" or "null": names are read as they are.
            names = {"feature": str, "reason": str}
            features = pandas.read_csv(directory / FEATURES, dtype=names, keep_default_na=False)
            _check(FEATURES, _FEATURES, features.columns, directory)
            features["feature"] = features["feature"].map(unguard)
            features["kept"] = features["kept"].astype(str) == "True"
            for column in {"importance", "loss_increase", "folds_kept"} & set(features):
                features[column] = pandas.to_numeric(features[column], errors="coerce")
            more = [
                pandas.read_parquet(directory / file) if (directory / file).is_file() else None
                for file in MORE_FILES
            ]
        except InputError:
            raise
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise InputError(
                f"The files of a run must be as `taut fit` wrote them. Received: {directory}, "
                f"where one cannot be read ({type(error).__name__}: {error}). Fit it again."
            ) from error
        return cls(metrics, path, features, *more)


def _check(file: str, expected: tuple[str, ...], received: Any, directory: Path) -> None:
    missing = [key for key in expected if key not in received]
    if missing:
        raise InputError(
            f"{file} must hold {', '.join(expected)}. Received: {directory / file}, which lacks "
            f"{', '.join(missing)}. Fit it again with this version of taut."
        )
