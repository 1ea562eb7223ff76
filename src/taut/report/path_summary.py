"""The path's lanes, summed up: one row for each penalty and strength."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas


def summarise(path: pandas.DataFrame) -> pandas.DataFrame:
    """Means over the folds, and the standard error of the held-out loss.

    With v_k the mean held-out loss of fold k over its seeds and K the folds:
    `val = mean(v)`, `se = sd(v, ddof=1) / sqrt(K)`. Diverged lanes are left out and counted. A
    strength that has not all folds, since a race left it out, is compared on those that it has: its
    losses are less what these folds are worse than the mean of all, by the strengths that have all.

    Args:
        path: One row for each lane, as in `path.parquet`.

    Returns:
        Columns penalty ("none" where the strength is 0), strength, val, se (NaN with one fold),
        train, inputs_kept, lanes, diverged; sorted by penalty and strength. A strength all of
        whose lanes diverged has NaN losses.
    """
    import numpy
    import pandas

    finite = numpy.isfinite(path[["val_loss", "train_loss"]].astype(float)).all(axis=1)
    lanes = path.assign(
        penalty=path["penalty"].astype(str).where(path["strength"] > 0, "none"),
        diverged=path["status"].eq("diverged") | ~finite,
    )
    keys = ["penalty", "strength"]
    total = lanes.groupby(keys).agg(lanes=("fold", "size"), diverged=("diverged", "sum"))
    good = lanes[~lanes["diverged"]]
    columns = {"val": "val_loss", "train": "train_loss", "inputs_kept": "inputs_kept"}
    folds = good.groupby([*keys, "fold"]).agg(**{k: (v, "mean") for k, v in columns.items()})  # type: ignore[call-overload]
    errors = folds.groupby(keys)["val"].sem(ddof=1)
    means = folds.assign(**{name: _beside_all(folds[name]) for name in ("val", "train")})
    means = means.groupby(keys).mean().assign(se=errors)
    out = total.join(means).reset_index().sort_values(keys, ignore_index=True)
    return pandas.DataFrame(
        out[["penalty", "strength", "val", "se", "train", "inputs_kept", "lanes", "diverged"]]
    )


def _beside_all(losses: pandas.Series) -> pandas.Series:
    """Losses by fold less the mean of their fold, among strengths with all, to that of all."""
    wide = losses.unstack("fold")
    of_fold = wide.dropna().mean()
    return losses - (of_fold - of_fold.mean()).reindex(losses.index, level="fold").fillna(0.0)


def at_strength(
    summary: pandas.DataFrame, penalty: str, strength: float | None
) -> pandas.Series | None:
    """The row of one penalty whose strength is `strength` to nine digits, if there is one."""
    import numpy

    if strength is None:
        return None
    same = summary["penalty"].eq(penalty) & numpy.isclose(
        summary["strength"].astype(float), strength, rtol=1e-9, atol=0
    )
    rows = summary[same]
    return rows.iloc[0] if len(rows) else None
