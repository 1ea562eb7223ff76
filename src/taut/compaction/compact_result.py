"""What `compact` returns."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import keras
import numpy as np

from taut._keras.model_graphs import input_structure
from taut._read_only import ReadOnly
from taut.catalogue import Catalogue, catalogue
from taut.charts import altair, offline
from taut.checks import path_given
from taut.compaction.costs import Costs
from taut.compaction.equality import Equality
from taut.compaction.kept_units import Kept, kept_lines
from taut.compaction.plan import Fed, Removed
from taut.compaction.probe_rows import flat_inputs
from taut.compaction.to_target import Tried
from taut.errors import InputError
from taut.files import DAMAGED, whole_folder
from taut.text_table import text_table
from taut.typed_json import json_text, plain, typed

if TYPE_CHECKING:
    import pandas as pd

VISIBLE = 1e-4
"""A difference that is rounding only where outputs are large; then it is said how large."""
KIND, FORMAT = "taut compaction", 1
MODEL, FACTS = "model.keras", "compaction.json"


@dataclass(frozen=True)
class Moved:
    """How far outputs moved because nearly dead units were taken for dead.

    Attributes:
        tolerance: The largest norm that was taken for zero.
        zeroed: How many slices of weights that was.
        largest, mean: Of the absolute differences of the outputs.
    """

    tolerance: float
    zeroed: int
    largest: float
    mean: float


@dataclass(frozen=True)
class Report:
    """What it cost before and costs now.

    Attributes:
        before, after: Of the model and the smaller one.
        equality: How far their outputs lie apart.
        moved: What a tolerance did; None without one.
        search: The strengths that were tried for a budget.
        uncounted: Layers of the model whose multiply-adds are not known, and not in the numbers.
        training: What the smaller model was trained on for a budget, in words; empty where it was
            not trained.
    """

    before: Costs
    after: Costs
    equality: Equality
    moved: Moved | None = None
    search: tuple[Tried, ...] = ()
    uncounted: tuple[str, ...] = ()
    training: str = ""

    def to_frame(self) -> pd.DataFrame:
        """One line a cost: before, after, and how many times less."""
        import pandas as pd

        lines = [
            (f.name, getattr(self.before, f.name), getattr(self.after, f.name))
            for f in fields(Costs)
        ]
        return pd.DataFrame(
            [(name, b, a, b / a if a else None) for name, b, a in lines if b is not None],
            columns=["cost", "before", "after", "times_less"],
        )


@dataclass(frozen=True)
class _Facts:
    inputs: tuple[Fed, ...]
    removed: tuple[Removed, ...]
    kept: tuple[Kept, ...]
    vocabulary: dict[str, tuple[int, ...]]
    report: Report
    names: tuple[str, ...]


@dataclass(frozen=True, repr=False, eq=False)
class CompactResult(ReadOnly):
    """A smaller model, and what is to be known of it.

    Attributes:
        model: The smaller model, an ordinary Keras model, compiled as the first one was.
        inputs: What must still be fed, one entry an input of the smaller model.
        removed: What was removed, one entry a layer or input.
        kept: What stays though it is dead, and why; and what is not understood.
        vocabulary: The new id of each old id, [words] of int, by the embedding's name.
        report: Sizes, multiply-adds, latency, and how equal the outputs are.
        names: The inputs of the model before, in order.
    """

    model: Any
    inputs: tuple[Fed, ...]
    removed: tuple[Removed, ...]
    kept: tuple[Kept, ...]
    vocabulary: Mapping[str, np.ndarray]
    report: Report
    names: tuple[str, ...]

    def prepare(self, x: Any) -> Any:
        """What the smaller model is fed, of what the model before was.

        Args:
            x: Rows as the model before takes them: an array, a list in the order of its inputs, or
                a dict by their names.

        Returns:
            The columns that are still read, and the new ids of words, as the smaller model takes
            them: `result.model.predict(result.prepare(x))` is `model.predict(x)`.

        Raises:
            InputError: If `x` has not one array an input, with as many columns as the model before
                took, or has ids that are no words.
        """
        flat = flat_inputs(x, self.names)
        columns = {r.layer: r.before for r in self.removed if r.kind == "input"}
        fed = {one.name for one in self.inputs if one.columns is not None}
        for name, array in zip(self.names, flat, strict=True):
            if name in fed and (array.ndim < 2 or array.shape[-1] != columns[name]):
                raise InputError(
                    f"`x` must be rows as the model before took them: {columns[name]} columns for "
                    f"the input {name!r}. Received: an array of shape {array.shape}."
                )
        return keras.tree.pack_sequence_as(
            input_structure(self.model), prepared(flat, self.names, self.inputs)
        )

    def to_frame(self) -> pd.DataFrame:
        """One line a layer and kind: how many there were, how many stay."""
        import pandas as pd

        rows = [(r.layer, r.kind, r.before, r.before - len(r.indices)) for r in self.removed]
        return pd.DataFrame(rows, columns=["layer", "kind", "before", "after"])

    def plot(self) -> Any:
        """A bar for each layer: what stays of what there was.

        Raises:
            InputError: If Altair is not installed.
        """
        alt, frame = altair(), self.to_frame()
        frame["name"] = frame["layer"] + " (" + frame["kind"] + "s)"
        base = alt.Chart(frame).encode(y=alt.Y("name:N", sort=None, title=None))
        there = base.mark_bar(color="#d8d8d8").encode(x=alt.X("before:Q", title="before and after"))
        stays = base.mark_bar(color="#3b6ea8").encode(
            x="after:Q", tooltip=["layer", "kind", "before", "after"]
        )
        return offline((there + stays).properties(title=self._lines()[0]))

    def save(self, folder: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write the smaller model and all else into a folder: whole, or not at all.

        Args:
            folder: Where.
            overwrite: Whether to replace what `save` wrote. Other files in the folder stay.

        Raises:
            InputError: If it exists and `overwrite` is False, or it is something else.
        """
        folder = path_given(folder=folder)
        if folder.exists() and not (overwrite and (folder / FACTS).is_file()):
            raise InputError(
                "`folder` must not exist, or with overwrite=True be one that `save` wrote. "
                f"Received: {str(folder)!r}, which exists. Choose another."
            )
        with whole_folder(folder, ours=(MODEL, FACTS)) as new:
            self.model.save(new / MODEL)
            (new / FACTS).write_text(json_text(self.facts(), indent=1), encoding="utf-8")
        return folder

    def facts(self) -> dict[str, Any]:
        """All but the model, as JSON has it."""
        facts = _Facts(
            self.inputs,
            self.removed,
            self.kept,
            {name: tuple(ids.tolist()) for name, ids in self.vocabulary.items()},
            self.report,
            self.names,
        )
        return {"kind": KIND, "format": FORMAT, **plain(facts)}

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote. Nothing is unpickled.

        Raises:
            InputError: If a file is missing or damaged.
        """
        folder = path_given(folder=folder)
        try:
            stored = json.loads((folder / FACTS).read_text(encoding="utf-8"))
            if (stored["kind"], stored["format"]) != (KIND, FORMAT):
                raise ValueError(f"it holds a {stored['kind']} of format {stored['format']}")
            facts = typed(_Facts, stored)
            model = keras.saving.load_model(folder / MODEL)
        except DAMAGED as error:
            raise InputError(
                f"`folder` must be one that `save` wrote. Received: {str(folder)!r} ({error})."
            ) from error
        vocabulary = {name: np.asarray(ids) for name, ids in facts.vocabulary.items()}
        return cls(
            model, facts.inputs, facts.removed, facts.kept, vocabulary, facts.report, facts.names
        )

    def __repr__(self) -> str:
        first, *lines = self._lines()
        return "\n".join([f"CompactResult({first})", *(f"  {line}" for line in lines)])

    def _repr_html_(self) -> str:
        first, *lines = map(escape, self._lines())
        table = self.to_frame().to_html(index=False, border=0)
        return f"<p><b>{first}</b><br>{'<br>'.join(lines)}</p>{table}"

    def summary(self, *, lang: str = "en") -> str:
        """Weights, multiply-adds and latency before and after, in one line; or why none is less.

        Args:
            lang: "en" or "zh".

        Raises:
            InputError: If there are no texts in the language.
        """
        say, report = catalogue(lang), self.report
        if not self.removed:
            return self._nothing(say)
        before, after = report.before, report.after
        names = say.listed(map(repr, report.uncounted))
        parts = [
            say("compact.weights", before=before.weights, after=after.weights),
            say(
                "compact.multiply_adds",
                before=before.multiply_adds,
                after=after.multiply_adds,
                without=say("compact.without", names=names) if names else "",
            ),
        ]
        latencies = (
            (1, before.seconds_1, after.seconds_1, 2),
            (256, before.seconds_256, after.seconds_256, 1),
        )
        parts += [
            say("compact.latency", n=n, before=f"{old * 1e3:.{p}f}", after=f"{new * 1e3:.{p}f}")
            for n, old, new, p in latencies
            if old is not None and new is not None
        ]
        return say.listed(parts)

    def _nothing(self, say: Catalogue) -> str:
        dead = sum(kept.count for kept in self.kept)
        if dead:
            return say("compact.dead_stay", n=dead)
        larger = "" if self.report.moved is None else "larger_"
        return say(
            "compact.nothing",
            where=say("compact.followed") if self.kept else "",
            tolerance=say(f"compact.{larger}tolerance"),
        )

    def _lines(self) -> list[str]:
        report = self.report
        lines = [self.summary()]
        if self.removed:
            rows = [
                [r.layer, f"{r.before} → {r.before - len(r.indices)} {r.kind}s"]
                for r in self.removed
            ]
            lines += text_table(rows).splitlines()
        lines += kept_lines(self.kept)
        equal = report.equality
        exact = "" if equal.double is None else f", {equal.double:.1e} in double precision"
        size = f" of up to {equal.size:.1e}" if equal.largest > VISIBLE else ""
        apart = f"at most {equal.largest:.1e} apart{size}"
        lines.append(f"same outputs on {equal.rows} rows: {apart}{exact}")
        for tried in report.search:
            number = "all units dead" if tried.multiply_adds is None else tried.multiply_adds
            lines.append(f"strength {tried.strength:.3g}: multiply-adds {number}")
        if report.training:
            lines.append(f"trained on {report.training}")
        if report.moved is not None:
            moved = report.moved
            lines.append(
                f"tolerance {moved.tolerance:g}: {moved.zeroed} slices of weights taken for zero, "
                f"outputs moved by at most {moved.largest:.3g}, {moved.mean:.3g} on average"
            )
        return lines


def prepared(
    flat: list[np.ndarray], names: tuple[str, ...], inputs: tuple[Fed, ...]
) -> list[np.ndarray]:
    """What is still fed, in order."""
    by_name, made = dict(zip(names, flat, strict=True)), []
    for fed in inputs:
        array = by_name[fed.name]
        if fed.columns is not None:
            array = array[..., list(fed.columns)]
        if fed.ids is not None:
            array = _new_ids(array, fed)
        made.append(array)
    return made


def _new_ids(ids: np.ndarray, fed: Fed) -> np.ndarray:
    table = np.asarray(fed.ids)
    whole = ids.astype("int64")
    if ids.size and (whole.min() < 0 or whole.max() >= len(table)):
        raise InputError(
            f"The input {fed.name!r} must hold ids from 0 to {len(table) - 1}. Received: ids from "
            f"{whole.min()} to {whole.max()}."
        )
    return table[whole].astype(ids.dtype)
