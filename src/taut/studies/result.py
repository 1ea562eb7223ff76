"""What a regularization path returns: frozen numbers, and the models behind them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from taut._read_only import ReadOnly
from taut.checks import check_new_file, is_number, path_given
from taut.engine import Record
from taut.errors import InputError
from taut.objective import Stationarity
from taut.studies import stored
from taut.studies.in_words import sentences
from taut.studies.kept import group_norms, input_norms
from taut.studies.study_model import compiled_copy
from taut.studies.summary import by_strength
from taut.text_table import html_of

if TYPE_CHECKING:
    import pandas as pd


Strength = float | dict[str, float]
"""A strength, or, where several vary, each by its name."""
PRINTED = 1e-3
"""A printed strength has been rounded: the nearest within this relative distance is meant."""


@dataclass(frozen=True, repr=False, eq=False)
class PathResult(ReadOnly):
    """What `regularization_path` returns.

    Attributes:
        penalty: Name of the penalty.
        axes: What varies: ("strength",), or the names of several strengths, which have a column
            each wherever this page says strength.
        strengths: [strengths], from strong to weak; [combinations, axes] where several vary. Of a
            sum of penalties, or a mapping, it is what all their strengths are multiplied by.
        table: One line a training: strength, fold, seed, start ("cold"; "down" or "up" with warm
            starts), train_loss, held_out_loss, best_epoch, epochs, nonzero (penalised weights
            that are not exactly zero), status; and held_out_<name> for each metric that the
            model was compiled with (one a number where it returns several: held_out_f1_score_0, …).
        summary: One line a strength: mean losses, the standard error of the held-out loss over
            folds, mean nonzero. Seeds and directions are averaged first. `to_frame` has more.
        best_strength: The strength of least mean held-out data loss; a dict by axis where several
            vary.
        one_se_strength: The largest strength within one standard error of it. Of several, none is
            less than at the best (see `taut.studies.choose`).
        edge: "weakest" or "strongest" where `best_strength` is at that end of the strengths and
            there could be a better one beyond; otherwise None, as at strength 0, and at one that
            leaves no penalised weight. A dict by axis where several vary.
        kept_penalties: What else is penalised, at strengths that stay: of the mapping, of what
            the model was compiled with, and of its layers.
        scoring: What was chosen by: "loss", or a score that has a column `held_out_<scoring>` in
            all tables. The two choices are then by it: the best, and within one standard error.
        classes: [classes] the labels of `y` in the order of their numbers, where it had labels;
            otherwise None.
        certificate: Residual of stationarity of one model of the best strength (the first fold
            and seed) on the rows it was trained on, all of them; streamed rows are read once more
            for it. None if it failed, which a warning tells.
        standard_error_note: How the standard error is computed.
        record: The engine's record of every lane.
        warm_disagreement: With warm starts: the trainings of the two chosen strengths beside
            the same trainings from fresh weights (see `taut.studies.disagreement`), for the
            problem is not convex; otherwise None.
    """

    penalty: str
    axes: tuple[str, ...]
    strengths: np.ndarray
    table: pd.DataFrame
    summary: pd.DataFrame
    best_strength: Strength
    one_se_strength: Strength
    edge: str | dict[str, str] | None
    kept_penalties: tuple[str, ...]
    scoring: str
    classes: np.ndarray | None
    certificate: Stationarity | None
    standard_error_note: str
    record: Record
    warm_disagreement: pd.DataFrame | None
    _model: Any
    _candidate_of: np.ndarray
    _penalised: tuple[int, ...]

    def models(self, strength: Strength | None = None) -> list[Any]:
        """The trained models of one strength, one a fold and seed, compiled.

        Args:
            strength: One of `strengths`, as it is printed, or a dict by axis where several
                vary; the best unless given.

        Raises:
            InputError: If the path has no such strength; the nearest is named.
        """
        return [trained(self._model, self.record, int(lane)) for lane in self._lanes(strength)]

    def weights(self, strength: Strength | None = None) -> dict[str, np.ndarray]:
        """The trained weights of one strength.

        Args:
            strength: One of `strengths`, as it is printed, or a dict by axis where several
                vary; the best unless given.

        Returns:
            By the path of the variable, [trainings, *shape]: one training a fold and seed, in the
            order of the lines of `table`.

        Raises:
            InputError: If the path has no such strength; the nearest is named.

        Example:
            >>> result.weights(0.01)["sequential/dense/kernel"].mean(axis=0)  # doctest: +SKIP
        """
        lanes = self._lanes(strength)
        named = zip(self._model.trainable_variables, self.record.trainable, strict=True)
        return {variable.path: array[lanes] for variable, array in named}

    def to_frame(self) -> pd.DataFrame:
        """One line a strength, with all that is known of its networks.

        Returns:
            The strength; trainings, and failed, how many of them diverged or were dropped;
            train_loss, held_out_loss and the means of the held-out metrics, each with the standard
            error over folds behind it (`…_standard_error`, seeds averaged first: optimistic, see
            `standard_error_note`); means over the trainings of nonzero and zeros, the penalised
            weights that are not and that are exactly zero; of groups_kept, where the penalty has
            groups; and of inputs_kept, the inputs that a network reads, where that is known of all
            that reads them (`taut.structure.input_readers`).
        """
        return by_strength(self._lines(), self.summary[list(self.axes)], self._candidate_of)

    def group_norms(self) -> pd.DataFrame:
        """How large each group is along the path: where it is zero, the networks do without it.

        Returns:
            One line a training and group: strength, fold, seed, layer (of the first weight in the
            group), group, norm. The groups are those of the penalty; of a penalty without groups,
            all weights that read one input, with "input" for the layer.

        Raises:
            InputError: If there are neither groups nor inputs of which it is known what reads them.
        """
        import pandas as pd

        norms = group_norms(self._model, self.record)
        inputs = None if norms else input_norms(self._model, self.record)
        norms = norms if inputs is None else {"input": inputs}
        if not norms:
            raise InputError(
                "Norms need a penalty on groups, or a model of which it is known what reads each "
                f"input. Received: {self.penalty} on {self._model.name!r}. Use "
                "`taut.GroupLasso`, or `result.weights()`."
            )
        keys, parts = self.table[[*self.axes, "fold", "seed"]], []
        for layer, array in norms.items():
            lines = keys.loc[keys.index.repeat(array.shape[1])]
            group = np.tile(np.arange(array.shape[1]), len(keys))
            parts.append(lines.assign(layer=layer, group=group, norm=array.ravel()))
        return pd.concat(parts, ignore_index=True)

    def plot(self, *, by: str = "strength", names: Sequence[str] | None = None) -> Any:
        """The path as an Altair chart, with the two choices marked.

        Args:
            by: "strength": losses against strength; with several seeds, each seed has a faint line
                of its own. "inputs": losses against the number of inputs that the networks read.
                "groups": the norm of each group (or input) against strength, see `group_norms`.
            names: Of the groups, for "groups": those of the first layer that has as many. The
                others go by their layer and number.

        Raises:
            InputError: If `by` is none of these, if Altair is not installed, or if the inputs or
                groups are not known.
        """
        from taut.studies.plots import path_chart

        return path_chart(self, by, names)

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write the result to one file, with its model and the weights of every training.

        Args:
            path: The file; its folder must exist.
            overwrite: Whether to replace a file that exists.

        Returns:
            The file.

        Raises:
            InputError: If the file exists, cannot be written, or the model cannot be saved. Nothing
                is lost: what was there is whole.
        """
        place = check_new_file(path, overwrite=overwrite)
        stored.write(place, self)
        return place

    @classmethod
    def load(
        cls, path: str | os.PathLike[str], *, custom_objects: Mapping[str, Any] | None = None
    ) -> Self:
        """Read what `save` wrote: the same numbers, and `models` of the same weights.

        Nothing is unpickled, and no code in the file is run.

        Args:
            path: The file.
            custom_objects: Your own layers, losses and functions by name, where they are not
                registered with Keras.

        Raises:
            InputError: If there is no such file, it is damaged, or Keras cannot load its model.
        """
        return cls(**stored.read(path_given(path=path), custom_objects))

    @property
    def best_name(self) -> str:
        """What `best_strength` is the best by, in words."""
        return "least held-out loss" if self.scoring == "loss" else f"best {self.scoring}"

    def __repr__(self) -> str:
        title, *lines = sentences(self)
        return "\n".join([title, *(f"  {line}" for line in lines)])

    def _repr_html_(self) -> str:
        return html_of(sentences(self), self.summary)

    def _lines(self) -> pd.DataFrame:
        """The table, with what is counted of each training's weights."""
        size = sum(self.record.trainable[k][0].size for k in self._penalised)
        counts = {"zeros": size - self.table["nonzero"]}
        if groups := group_norms(self._model, self.record):
            counts["groups_kept"] = sum((norms > 0).sum(axis=1) for norms in groups.values())
        if (inputs := input_norms(self._model, self.record)) is not None:
            counts["inputs_kept"] = (inputs > 0).sum(axis=1)
        return self.table.assign(**counts)

    def _lanes(self, strength: Strength | None) -> np.ndarray:
        return np.flatnonzero(self._candidate_of == self.point_of(strength))

    def point_of(self, strength: Strength | None = None) -> int:
        """The number of a strength, or of a combination of several, among `strengths`.

        Raises:
            InputError: If the path has no such strength; the nearest is named.
        """
        strength = self.best_strength if strength is None else strength
        points = self.strengths.reshape(-1, len(self.axes))
        values = strength if isinstance(strength, Mapping) else {self.axes[0]: strength}
        numbers = all(map(is_number, values.values()))
        if set(values) != set(self.axes) or not numbers:
            named = f"a dict with {', '.join(map(repr, self.axes))}, each a number"
            raise InputError(
                f"`strength` must be {named if len(self.axes) > 1 else 'a number'}. "
                f"Received: strength={strength!r}. The path's are in `result.summary`."
            )
        wanted = np.array([float(values[name]) for name in self.axes])
        # Nearness is measured on each axis alone, for they may be of different sizes.
        near = [self._nearest(points[:, k], value) for k, value in enumerate(wanted)]
        if not np.allclose(near, wanted, rtol=PRINTED, atol=0):
            given = strength if isinstance(strength, Mapping) else float(strength)
            named = dict(zip(self.axes, near, strict=True))
            raise InputError(
                "`strength` must be one of the path's. "
                f"Received: strength={given!r}; the nearest is "
                f"{named if len(near) > 1 else near[0]!r}."
            )
        return int(np.flatnonzero((points == near).all(axis=1))[0])

    @staticmethod
    def _nearest(values: np.ndarray, wanted: float) -> float:
        return float(values[np.argmin(np.abs(values - wanted))])


def trained(model: Any, record: Record, lane: int) -> Any:
    """A copy of a study's model with the kept weights and the strengths of a lane, compiled."""
    request = {entry.selector: entry.penalty for entry in model.optimizer.entries}
    return record.apply(lane, compiled_copy(model, request))
