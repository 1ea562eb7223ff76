"""Inputs that carry everything, copies of rows, and what is said of them."""

import types
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from taut.catalogue import catalogue
from taut.engine import Split
from taut.run_metrics import Carrier, Learned
from taut.tables.best_setting import edge
from taut.tables.candidates import UNPENALISED, Setting
from taut.tables.caveats import warnings_of
from taut.tables.leaks import carrier_sentence, carriers
from taut.tables.learned import learned
from taut.tables.split import copies
from taut.tables.trained import Rows, Trained

ROWS = 240
DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(ROWS, 4))
SOURCES = ["a", "b", "c", "d"]


def trained(x, y, weight=None, settings=()):
    """Lanes that were never trained: what is looked at here are rows, folds and targets."""
    every = np.arange(ROWS)
    splits = [Split(every[every % 4 != k], every[every % 4 == k]) for k in range(4)]
    empty = np.zeros((0, ROWS, 1))
    return Trained(
        model=None,
        rows=Rows(encoded=x, y=y, outputs=1, numbers=0, weight=weight),
        settings=tuple(settings),
        splits=splits,
        cross=types.SimpleNamespace(),  # type: ignore[arg-type]
        out_of_fold=empty,
        row_loss=empty[..., 0],
    )


def soft(y, p=0.95):
    """Probabilities of a model that is right and sure to `p`."""
    classes = int(y.max()) + 1
    return np.eye(classes)[y] * (p - (1 - p) / (classes - 1)) + (1 - p) / (classes - 1)


def found(x, y, predicted, importance=(), sources=SOURCES, **options):
    shares = dict(zip(SOURCES, importance, strict=False))
    suspects = carriers(trained(x, y, **options), predicted, sources, None, shares)
    return [carrier.input for carrier in suspects]


Y = {"classes": (X[:, 0] + X[:, 1] > 0).astype(int) + (X[:, 1] > 1), "values": X[:, 0] + X[:, 1]}
LEAKS = {
    "the target": lambda y: y,
    "scaled": lambda y: -3 * y + 7,
    "rounded": lambda y: np.round(y, 1),
    "another code": lambda y: np.array([5, -1, 2])[y] if y.dtype.kind == "i" else y**3,
    "with noise": lambda y: y + 0.02 * DRAW.normal(size=ROWS),
}


@pytest.mark.parametrize("leak", list(LEAKS))
@pytest.mark.parametrize("task", list(Y))
@pytest.mark.parametrize("where", [0, 3])
def test_an_input_that_is_the_target_is_found(task, leak, where):
    x, y = X.copy(), Y[task]
    x[:, where] = LEAKS[leak](y)
    predicted = soft(y) if task == "classes" else (0.98 * y)[:, None]
    assert found(x, y, predicted) == [SOURCES[where]]
    weight = np.random.default_rng(1).random(ROWS) + 0.5
    assert found(x, y, predicted, weight=weight / weight.mean()) == [SOURCES[where]]


def test_two_copies_are_both_found():
    x, y = X.copy(), Y["classes"]
    x[:, 2], x[:, 3] = y, y
    both = carriers(trained(x, y), soft(y), SOURCES, None, {})
    assert {carrier.input for carrier in both} == {"c", "d"}
    sentence = carrier_sentence(both, "ill")
    assert "'c', 'd'" in sentence or "'d', 'c'" in sentence
    assert f"{both[0].input!r} alone leaves" in sentence
    assert "Are they known" in sentence
    assert catalogue("zh").knows(sentence)
    assert catalogue("zh").knows(carrier_sentence(both[:1], "ill"))


def test_missing_values_can_be_the_target():
    x, y = X.copy(), Y["classes"] % 2
    x[:, 1] = np.where(y == 1, np.nan, 0.0)
    assert found(x, y, soft(y)) == ["b"]


def test_all_columns_of_an_input_are_its_own():
    y = Y["classes"]
    x = np.column_stack([X[:, :2], np.eye(3)[y]])
    sources = ["a", "b", "level", "level", "level"]
    assert found(x, y, soft(y), sources=sources) == ["level"]


@pytest.mark.parametrize("task", list(Y))
def test_inputs_that_need_each_other_are_not_suspected(task):
    y = Y[task]
    predicted = soft(y) if task == "classes" else (0.98 * y)[:, None]
    assert found(X, y, predicted, importance=(0.5, 0.5, 0, 0)) == []


def test_nothing_is_suspected_where_nothing_is_explained():
    y = DRAW.normal(size=ROWS)
    assert found(X, y, np.zeros((ROWS, 1)), importance=(1.0, 0, 0, 0)) == []


def test_most_of_the_importance_is_enough_where_something_is_explained():
    y = X[:, 0] + 0.5 * DRAW.normal(size=ROWS)
    predicted = 0.8 * X[:, :1]
    assert found(X, y, predicted, importance=(0.97, 0.01, 0.01, 0.01)) == ["a"]


def test_one_of_several_inputs_that_say_the_same_is_not_suspected():
    y = (X[:, 0] > 0).astype(int)
    predicted = soft(y, 0.9)
    y = np.where(np.arange(ROWS) % 9 == 0, 1 - y, y)
    assert found(X, y, predicted, importance=(0.4, 0.3, 0.2, 0.1)) == []
    assert found(X, y, predicted, importance=(0.6, 0.2, 0.1, 0.1)) == ["a"]


def test_a_single_input_is_suspect_only_if_it_is_the_target():
    y = X[:, 0] + 0.5 * DRAW.normal(size=ROWS)
    assert found(X[:, :1], y, 0.8 * X[:, :1], importance=(1.0,), sources=["a"]) == []
    assert found(y[:, None], y, y[:, None], importance=(1.0,), sources=["a"]) == ["a"]


def test_copies_of_rows_are_counted_with_their_target():
    table = pd.DataFrame({"a": [1.0, 2, 3, 1, np.nan, np.nan], "b": list("xyzxqq")})
    y = np.array([0, 1, 0, 0, 1, 1])

    def of(y, rows, test):
        return copies(table.iloc[rows], y[rows], table.iloc[test], y[test])

    assert of(y, [0, 1, 4], [2, 3, 5]) == 2
    assert of(1 - np.eye(6)[3], [0, 1, 4], [2, 3, 5]) == 1
    assert of(y, list(range(6)), []) == 0


@pytest.mark.parametrize("groups", [None, np.arange(ROWS) // 6])
def test_nothing_learned_is_told_from_something(groups):
    y = Y["classes"]
    # A network that reads nothing: the smoothed shares of each fold's training rows.
    base = np.zeros((ROWS, 3))
    for split in trained(X, y).splits:
        base[split.held_out] = np.bincount(y[split.train]) + 0.5
    base /= base.sum(axis=1, keepdims=True)
    none = learned(trained(X, y), base, groups)
    assert not none.anything
    # Nor is a slightly better estimate of the shares, the same in every row.
    nudged = learned(trained(X, y), 0.8 * base + 0.2 * np.bincount(y) / ROWS, groups)
    assert nudged.gain > 1.96 * nudged.se
    assert not nudged.anything
    assert none.loss == pytest.approx(none.base_loss, abs=0.01)
    worse = learned(trained(X, y), soft(DRAW.permutation(y), 0.6), groups)
    assert not worse.anything
    assert learned(trained(X, y), soft(y), groups).anything
    values = learned(trained(X, Y["values"]), 0.9 * Y["values"][:, None], groups)
    assert values.anything
    assert values.base_loss == pytest.approx(Y["values"].var(), rel=0.02)


def split_data(warnings=(), classes=("a", "b", "c"), *, copies, test_y):
    schema = types.SimpleNamespace(warnings=warnings, target="y", classes=classes, columns=())
    return types.SimpleNamespace(
        schema=schema, copies=copies, y=Y["classes"], test_y=test_y, own_test=False
    )


def test_the_worst_is_said_first():
    classes, test_y = ("a", "b", "c", "late"), Y["classes"][:30]
    sentences = warnings_of(
        split_data(("Column 'p' looks like a group.",), classes, copies=9, test_y=test_y),
        learned=Learned(loss=1.0, base_loss=0.9, gain=-0.1, se=0.2, anything=False),
        carriers=[Carrier("x", share=1.0, explained=0.99)],
    )
    starts = ["Nothing was learned", "Column 'p'", "Input 'x'", "9 of 30", "No row to learn from"]
    assert len(sentences) == len(starts)
    for sentence, start in zip(sentences, starts, strict=True):
        assert sentence.startswith(start)
    assert "late" in sentences[-1]
    good = Learned(loss=0.1, base_loss=0.9, gain=0.8, se=0.1, anything=True)
    few = split_data(copies=1, test_y=np.arange(30))
    assert warnings_of(few, learned=good, carriers=[]) == []


GRID = (*(Setting("L1", a) for a in (0.001, 0.01, 0.1)), Setting("L2", 0.1, skip=False))
GRID = (*GRID, Setting("L2", 0.01), UNPENALISED)


@pytest.mark.parametrize(
    ("best", "side"), [(0, "weakest"), (1, None), (2, "strongest"), (3, "strongest"), (5, None)]
)
def test_the_edge_of_the_grid(best, side):
    one = trained(X, Y["classes"], settings=GRID)
    assert edge(one, best, range(len(GRID))) == side
    assert all(a.strength < b.strength for a, b in pairwise(GRID[:3]))
    assert edge(trained(X, Y["classes"], settings=GRID[:1]), 0, [0]) is None
