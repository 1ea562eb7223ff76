"""Rows that are streamed, in folds by their groups: none is in two, and the study is the same."""

import keras
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import taut
from taut.engine import ArraySource, DatasetSource, ParquetRows, Split, group_hash
from taut.engine.data import row_folds
from taut.engine.data.row_folds import RowFolds
from taut.engine.data.sources import as_source
from taut.errors import InputError

pytestmark = pytest.mark.skipif(keras.backend.backend() != "jax", reason="lanes need JAX")

ROWS = 120
DRAW = np.random.default_rng(3)
X = DRAW.normal(size=(ROWS, 3)).astype("float32")
GROUPS = np.array([f"patient {k}" for k in DRAW.integers(0, 17, ROWS)])
Y = (X[:, 0] + pd.factorize(GROUPS)[0] / 9).astype("float32")


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 8

    def __getitem__(self, number):
        at = slice(15 * number, 15 * number + 15)
        return X[at], Y[at], None, GROUPS[at].astype(object)


def _source(kind, tmp_path):
    if kind == "arrays":
        return ArraySource(X, Y, groups=GROUPS)
    if kind == "dataset":
        return DatasetSource(Batches())
    columns = {f"x{j}": X[:, j] for j in range(3)} | {"y": Y}
    groups = pa.array(GROUPS)
    columns["patient"] = groups.dictionary_encode() if kind == "dictionary" else groups
    table = pa.table(columns)
    for k in range(2):
        pq.write_table(table[60 * k : 60 * k + 60], tmp_path / f"{k}.parquet", row_group_size=25)
    return ParquetRows(tmp_path, target="y", groups="patient")


def _fold(source, number, seed=0, rows=11):
    divided = RowFolds.of(source, number, seed)
    pieces = [piece for part in range(source.parts(rows)) for piece in source.pieces(part, rows)]
    return np.concatenate([divided(piece) for piece in pieces])


def _splits(fold, number):
    return [Split(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(number)]


@pytest.mark.parametrize("most", [1 << 16, 5])
@pytest.mark.parametrize("kind", ["arrays", "dataset", "parquet", "dictionary"])
def test_no_group_is_in_two_folds_whatever_the_source(kind, most, tmp_path, monkeypatch):
    monkeypatch.setattr(row_folds, "MOST_GROUPS", most)
    for seed in (0, 1):
        fold = _fold(_source(kind, tmp_path), 4, seed)
        assert (pd.Series(fold).groupby(GROUPS).nunique() == 1).all()
        np.testing.assert_array_equal(fold, _fold(_source("arrays", tmp_path), 4, seed))
        if most > 17:  # dealt: alike to within the largest group
            sizes, largest = (
                np.bincount(fold, minlength=4),
                np.unique(GROUPS, return_counts=True)[1],
            )
            assert sizes.max() - sizes.min() <= largest.max()
    assert not np.array_equal(fold, _fold(_source(kind, tmp_path), 4, 0))


def test_a_path_is_that_in_memory_on_the_same_folds(tmp_path, monkeypatch):
    model = keras.Sequential(
        [keras.Input((3,)), taut.layers.Standardize(), keras.layers.Dense(1, name="out")]
    )
    model.compile(keras.optimizers.Adam(0.1), loss="mse")
    fold = _fold(_source("arrays", tmp_path), 3, 5)
    settings = {"strengths": [0.3, 0.01], "epochs": 4, "batch_size": ROWS, "seed": 5}
    pairs = [(split.train, split.held_out) for split in _splits(fold, 3)]
    source = _source("parquet", tmp_path)
    counted, of = [], RowFolds.of
    monkeypatch.setattr(RowFolds, "of", lambda *given: counted.append(given) or of(*given))
    streamed = taut.regularization_path(model, source, cv=3, memory=1 << 20, **settings)
    assert len(counted) == 1  # each is a pass over all rows
    for train, held_out in pairs:
        assert not set(GROUPS[train]) & set(GROUPS[held_out])
    in_memory = taut.regularization_path(model, X, Y, cv=pairs, groups=GROUPS, **settings)
    for column in ("strength", "fold", "held_out_loss", "train_loss"):
        ours, theirs = (r.table.sort_values(["strength", "fold"]) for r in (streamed, in_memory))
        np.testing.assert_allclose(ours[column], theirs[column], rtol=1e-4, err_msg=column)


def test_equal_labels_have_equal_numbers_wherever_they_are():
    whole = group_hash(np.array([3, -7, 1]))
    for other in ([3.0, -7.0, 1.0], np.array([3, -7, 1], "int8"), np.float32([3, -7, 1])):
        np.testing.assert_array_equal(group_hash(np.asarray(other)), whole)
    assert len(set(group_hash(np.array([0.5, 0.25, 1.0, np.inf, 2.0**60])).tolist())) == 5
    days = pd.to_datetime(["2026-01-01", "2026-01-02"]).to_numpy()
    assert group_hash(days)[0] == group_hash(days.astype("datetime64[s]"))[0]


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([1.0, np.nan], "a value in every row"),
        (["a", None], "a value in every row"),
        (np.array(["2026-01-01", "NaT"], "datetime64[D]"), "a value in every row"),
        (np.array(["a", 1], object), r"one kind for all rows\. Received: objects of type int"),
        ([[1], [2]], "one label a row"),
        ([1j, 2j], "complex"),
    ],
)
def test_labels_that_say_nothing_are_refused(labels, words):
    with pytest.raises(InputError, match=words):
        group_hash(labels)


def test_what_cannot_be_is_refused(tmp_path):
    source = _source("arrays", tmp_path)
    with pytest.raises(InputError, match=r"as many groups as folds, 18\. Received: 17"):
        RowFolds.of(source, 18)
    with pytest.raises(
        InputError, match=r"one label for each of the 120 rows\. Received: shape \(119,\)"
    ):
        ArraySource(X, Y, groups=GROUPS[1:])
    with pytest.raises(InputError, match="`groups` must come from the source itself"):
        as_source(source, groups=GROUPS)
    divided = RowFolds.of(source, 3)
    other = ArraySource(X, Y, groups=np.array(["new"] * ROWS))
    with pytest.raises(InputError, match="the same rows each time"):
        divided(next(other.pieces(0, 10)))
    columns = {"x": [1.0, 2.0], "y": [0.0, 1.0], "site": pa.array(["a", None])}
    pq.write_table(pa.table(columns), tmp_path / "nulls.parquet")
    with pytest.raises(InputError, match=r"no nulls\. Received: 'site'"):
        ParquetRows(tmp_path / "nulls.parquet", target="y", groups="site")
