"""Pictures of words: how they enter along a path, and what they say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from taut.charts import altair, offline

if TYPE_CHECKING:
    import pandas as pd

    from taut.text.words_by_strength import WordPath

COLUMNS = 3


def path_chart(path: WordPath, words: int) -> Any:
    """The effect of each class's words against strength, a panel a class."""
    import pandas as pd

    alt = altair()
    last = np.where(path.kept[-1], path.effects[-1].max(axis=1), -1)
    best = path.effects[-1].argmax(axis=1)
    counts = path.kept.sum(axis=1)
    chosen = {}
    for k in range(len(path.classes)):
        of_class = np.flatnonzero((best == k) & (last > 0))
        chosen[k] = of_class[np.argsort(-last[of_class], kind="stable")][:words]
    highest = 1.05 * max(
        (float(path.effects[:, i, k].max()) for k, shown in chosen.items() for i in shown),
        default=1.0,
    )
    panels = []
    for k, shown in chosen.items():
        if not len(shown):
            continue
        frame = pd.DataFrame(
            [
                {
                    "word": path.vocabulary.words[i],
                    "strength": float(path.strengths[s]),
                    "words": int(counts[s]),
                    "effect": float(path.effects[s, i, k]),
                }
                for i in shown
                for s in range(len(path.strengths))
            ]
        )
        ends = frame[frame["strength"] == path.strengths[-1]].sort_values("effect")
        ends = ends.assign(at=_apart(ends["effect"].to_numpy(), highest / 16))
        x = alt.X(
            "strength:Q",
            scale=alt.Scale(type="log", reverse=True, nice=False),
            title="strength of the group lasso",
            axis=alt.Axis(format=".1~e", tickCount=4),
        )
        scale = alt.Scale(domain=[0, highest])
        colour = alt.Color("word:N", legend=None, scale=alt.Scale(scheme="tableau10"))
        lines = (
            alt.Chart(frame)
            .mark_line(strokeWidth=2)
            .encode(
                x,
                alt.Y("effect:Q", scale=scale, title="effect on the class"),
                colour,
                tooltip=["word", "strength", "words", "effect"],
            )
        )
        names = (
            alt.Chart(ends)
            .mark_text(align="left", dx=5, fontSize=12)
            .encode(x, alt.Y("at:Q", scale=scale), colour, text="word:N")
        )
        panels.append((lines + names).properties(title=str(path.classes[k]), width=250, height=220))
    title = f"{counts[0]} to {counts[-1]} words, as the strength falls"
    chart = alt.concat(*panels, columns=COLUMNS).resolve_scale(color="independent")
    return offline(chart.properties(title=title))


def effects_chart(frame: pd.DataFrame, words: int) -> Any:
    """The words of most effect of each class as bars."""
    alt = altair()
    panels = []
    # One scale, or a bar of one class could not be held against one of another.
    scale = alt.Scale(domain=[0, 1.05 * float(frame["effect"].max())])
    for label, of_class in frame.groupby("class", sort=True):
        shown = of_class.head(words)
        panels.append(
            alt.Chart(shown)
            .mark_bar()
            .encode(
                alt.X("effect:Q", scale=scale, title="effect on the class"),
                alt.Y("word:N", sort=None, title=None),
                tooltip=["word", "effect", "texts"],
            )
            .properties(title=str(label), width=180)
        )
    title = f"{len(frame)} words, by the class for which they speak most"
    return offline(alt.concat(*panels, columns=COLUMNS).properties(title=title))


def _apart(values: np.ndarray, gap: float) -> np.ndarray:
    """Rising values moved up where they are nearer to each other than `gap`."""
    places = values.astype(float).copy()
    for i in range(1, len(places)):
        places[i] = max(places[i], places[i - 1] + gap)
    over = max(places[-1] - values[-1], 0) / 2 if len(places) else 0
    return places - over
