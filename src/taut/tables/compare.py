"""Several systems on the same test rows: scores, intervals where they can be known, differences."""

from __future__ import annotations

from typing import Any

import numpy as np

from taut.run_metrics import ClassScore, Difference, Score, System, Test
from taut.tables.scores import metric_names, weighted_scores

DRAWS, CONFIDENCE = 2000, 0.95
BLOCK = 1 << 22  # draws times rows at a time: 32 MiB
LEAST_ROWS, LEAST_GROUPS, LEAST_OF_A_CLASS = 20, 10, 10
"""With fewer test rows (groups of rows, rows of a class) a bootstrap does not know how a score
would move: it draws what is there again and again."""
BY_CLASS = ("roc_auc", "average_precision", "balanced_accuracy")


def compare(
    task: str,
    y: np.ndarray,
    predictions: dict[str, tuple[str, np.ndarray]],
    *,
    seed: int = 0,
    weights: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    base: str | None = None,
    rare: int | None = None,
) -> Test:
    """Scores, intervals, paired differences.

    An interval is exact (Clopper and Pearson) for the accuracy of rows that count alike, and
    otherwise a percentile bootstrap of the rows, or of the groups. Where neither can know, `low`
    and `high` are None and `withheld` says why.

    Args:
        task: "binary", "multiclass" or "regression".
        y: Class numbers or values of the test rows.
        predictions: Name to (description, prediction); the first is the one compared.
        seed: Seeds the bootstrap.
        weights: What each row counts, [rows] > 0; all alike unless given.
        groups: [rows] group numbers: the bootstrap draws whole groups.
        base: Name of the system that looks at no input.
        rare: A rare class, which more scores are reported for.
    """
    names = metric_names(task, rare=rare is not None)
    positive = 1 if rare is None else rare
    draw = np.random.default_rng(seed)
    counted = np.ones(len(y)) if weights is None else weights / weights.mean()
    drawn = _bootstrap(names, y, predictions, draw, counted, groups, positive)
    of_class = None if task == "regression" else np.bincount(np.asarray(y, int))
    exact = weights is None and groups is None
    unknown = {name: _cannot_know(name, len(y), groups, of_class) for name in names}
    systems = []
    for system, (description, predicted) in predictions.items():
        scores: dict[str, Score] = {}
        for name in names:
            value = float(weighted_scores(name, y, predicted, counted[None], positive=positive)[0])
            if name == "accuracy" and exact:
                scores[name] = Score(value, *exact_interval(round(value * len(y)), len(y)))
            else:
                scores[name] = Score(value, *_interval(drawn[system, name], unknown[name]))
        systems.append(System(system, description, scores))
    first, *others = predictions
    differences = [
        Difference(
            other,
            name,
            _value(systems[0], name) - _value(systems[k], name),
            *_difference(drawn, predictions, first, other, name, unknown[name]),
        )
        for k, other in enumerate(others, 1)
        for name in names
    ]
    return Test(
        metrics=tuple(names),
        primary=names[0],
        base=base,
        confidence=CONFIDENCE,
        method=_method(task, exact, groups is not None, weights is not None),
        systems=tuple(systems),
        differences=tuple(differences),
    )


def _value(system: System, name: str) -> float:
    value = system.scores[name].value
    assert value is not None
    return value


def _method(task: str, exact: bool, grouped: bool, weighted: bool) -> str:
    drawn = "groups of test rows" if grouped else "test rows"
    words = [f"percentile bootstrap of the {drawn}, {DRAWS} draws", "differences on the same draws"]
    if exact and task != "regression":
        words.insert(0, "accuracy: exact (Clopper and Pearson); other scores")
        words[0:2] = [f"{words[0]}: {words[1]}"]
    if weighted:
        words.append("every score weighs the rows")
    return "; ".join(words)


def exact_interval(successes: int, rows: int) -> tuple[float, float]:
    """The interval of Clopper and Pearson for a share: at least as wide as its level says.

    Args:
        successes: Rows that are right.
        rows: All rows, at least 1.

    Example:
        >>> low, high = exact_interval(4, 4)  # four of four right
        >>> round(low, 3), high
        (0.398, 1.0)
    """
    from scipy.stats import beta

    tail = (1 - CONFIDENCE) / 2
    low = 0.0 if successes == 0 else float(beta.ppf(tail, successes, rows - successes + 1))
    high = 1.0
    if successes < rows:
        high = float(beta.ppf(1 - tail, successes + 1, rows - successes))
    return low, high


def _cannot_know(
    name: str, rows: int, groups: np.ndarray | None, counts: np.ndarray | None
) -> str | None:
    """Why a bootstrap cannot know the interval of a score, if it cannot."""
    if groups is not None and (number := len(np.unique(groups))) < LEAST_GROUPS:
        return f"{number} groups in the test set are too few (fewer than {LEAST_GROUPS})"
    if rows < LEAST_ROWS:
        return f"{rows} test rows are too few (fewer than {LEAST_ROWS})"
    if counts is not None and name in BY_CLASS:
        there = counts[counts > 0]
        if len(there) < 2:
            return "the test rows are all of one class"
        if there.min() < LEAST_OF_A_CLASS:
            return (
                f"a class has {there.min()} test row{'s' * bool(there.min() != 1)}, too few "
                f"(fewer than {LEAST_OF_A_CLASS})"
            )
    return None


Interval = tuple[float | None, float | None, str | None]
"""The lower and the upper bound, or why they are withheld."""


def _interval(drawn: np.ndarray, why: str | None) -> Interval:
    tail = (1 - CONFIDENCE) / 2
    finite = drawn[np.isfinite(drawn)]
    if why is None and len(finite) < 0.9 * len(drawn):
        why = "the score is not defined on many draws of the test rows"
    if why is None and np.ptp(finite) <= 1e-9 * np.abs(finite).max():
        why = "every draw of the test rows gives the same score"
    if why is not None:
        return None, None, why
    low, high = np.quantile(finite, [tail, 1 - tail])
    return float(low), float(high), None


def _difference(
    drawn: dict[tuple[str, str], np.ndarray],
    predictions: dict[str, tuple[str, np.ndarray]],
    first: str,
    other: str,
    name: str,
    why: str | None,
) -> Interval:
    if why is None and np.array_equal(predictions[first][1], predictions[other][1]):
        return 0.0, 0.0, None  # the same system: known without drawing
    return _interval(drawn[first, name] - drawn[other, name], why)


def _bootstrap(
    names: list[str],
    y: np.ndarray,
    predictions: dict[str, tuple[str, np.ndarray]],
    draw: np.random.Generator,
    counted: np.ndarray,
    groups: np.ndarray | None,
    positive: int,
) -> dict[tuple[str, str], np.ndarray]:
    """Every system's scores [draws], all on the same draws."""
    parts: dict[tuple[str, str], list[np.ndarray]] = {}
    # Groups are drawn as wholes: rows of one patient are not as good as rows of several.
    units = np.arange(len(y)) if groups is None else np.unique(groups, return_inverse=True)[1]
    number, done = int(units.max()) + 1, 0
    block = max(1, min(DRAWS, BLOCK // len(y)))
    while done < DRAWS:
        size = min(block, DRAWS - done)
        counts = draw.multinomial(number, np.full(number, 1 / number), size).astype(float)
        counts = counts[:, units] * counted
        for system, (_, predicted) in predictions.items():
            for name in names:
                scores = weighted_scores(name, y, predicted, counts, positive=positive)
                parts.setdefault((system, name), []).append(scores)
        done += size
    return {key: np.concatenate(pieces) for key, pieces in parts.items()}


def by_class(
    labels: tuple[Any, ...], y: np.ndarray, predicted: np.ndarray, *, exact: bool
) -> tuple[ClassScore, ...]:
    """For each class, how many of its test rows are recognised, and how often it is named wrongly.

    Args:
        labels: The classes.
        y: Class numbers of the test rows.
        predicted: Probabilities [rows, classes].
        exact: Whether rows are independent and count alike, so that shares have exact intervals.
    """

    def share(right: int, rows: int) -> Score:
        if not rows:
            return Score(None)
        return Score(right / rows, *exact_interval(right, rows)) if exact else Score(right / rows)

    chosen = predicted.argmax(axis=1)
    scores = []
    for k, label in enumerate(labels):
        rows, named = int((y == k).sum()), int((chosen == k).sum())
        right = int(((y == k) & (chosen == k)).sum())
        scores.append(
            ClassScore(label, rows, named, right, share(right, rows), share(right, named))
        )
    return tuple(scores)
