"""A row's hash and fold depend on what is in the row, and on nothing else."""

import subprocess
import sys

import numpy as np
import pytest

from taut.engine.data.hashing import fold_of, row_hash
from taut.errors import InputError


@pytest.fixture(scope="module")
def rows():
    draw = np.random.default_rng(0)
    x = {
        "ids": draw.integers(0, 50, (4000, 3)),
        "image": draw.integers(0, 256, (4000, 4, 5, 3), dtype=np.uint8),
        "numbers": draw.normal(size=(4000, 7)).astype("float32"),
    }
    return x, draw.integers(0, 2, 4000)


def at(tree, rows):
    return {k: a[rows] for k, a in tree.items()}


def test_order_and_chunks_change_nothing(rows):
    x, y = rows
    whole = row_hash(x, y)
    order = np.random.default_rng(1).permutation(len(y))
    np.testing.assert_array_equal(row_hash(at(x, order), y[order]), whole[order])
    parts = [row_hash(at(x, slice(k, k + 700)), y[k : k + 700]) for k in range(0, 4000, 700)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert whole.dtype == np.uint64


@pytest.mark.slow
def test_another_process_hashes_alike():
    code = (
        "import os; os.environ['KERAS_BACKEND'] = 'jax'\n"
        "import numpy as np; from taut.engine.data.hashing import row_hash\n"
        "print(*row_hash(np.arange(6.).reshape(3, 2), np.arange(3)))"
    )
    run = [sys.executable, "-c", code]
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    here = row_hash(np.arange(6.0).reshape(3, 2), np.arange(3))
    assert list(map(int, done.stdout.split())) == here.tolist()
    # Once and for all: another day, another machine and another version find the same folds.
    assert here.tolist() == [17092247697268894003, 17089208814991935076, 7065032345970334071]


def test_every_value_and_its_place_matter(rows):
    x, y = rows
    one, before = at(x, slice(0, 1)), row_hash(at(x, slice(0, 1)), y[:1])
    for name in x:
        for k in range(one[name].size):
            changed = {n: a.copy() for n, a in one.items()}
            changed[name].reshape(-1)[k] += 1
            assert row_hash(changed, y[:1]) != before
    assert row_hash(one, y[:1] + 1) != before
    a, b = np.array([[1.0, 2.0]]), np.array([[2.0, 1.0]])
    assert row_hash(a) != row_hash(b)
    assert row_hash((a, b)) != row_hash((b, a))


def test_numbers_that_a_model_cannot_tell_apart_are_equal():
    quiet = np.array([0x7FC00000, 0x7FC00001, 0xFFC00000], np.uint32).view(np.float32)
    assert len(set(row_hash(quiet[:, None]).tolist())) == 1
    assert row_hash(np.array([[-0.0]])) == row_hash(np.array([[0.0]]))
    x = np.array([[0.1, -3.0, 1e300]])
    assert row_hash(x) == row_hash(np.array([[0.1, -3.0, np.inf]], np.float32))
    whole = [np.array([[-5, 7]], kind) for kind in ("int8", "int32", "int64")]
    assert len({int(row_hash(a)[0]) for a in whole}) == 1
    assert row_hash(np.array([[250]], np.uint8)) == row_hash(np.array([[250]]))
    assert row_hash(np.array([[True]])) == row_hash(np.array([[1]]))


def test_different_rows_have_different_hashes():
    grid = np.stack(np.meshgrid(np.arange(1000), np.arange(1000)), -1).reshape(-1, 2)
    for kind in ("int64", "float32"):
        assert len(np.unique(row_hash(grid.astype(kind)))) == len(grid)


@pytest.mark.parametrize("folds", [4, 5])
@pytest.mark.parametrize("kind", ["ids", "floats", "constant but for one"])
def test_folds_are_equally_large_and_independent_of_order_and_seed(kind, folds):
    n = 100_000
    x = np.zeros((n, 8), "float32")
    x[:, 3] = np.arange(n)
    x = {"ids": np.arange(n)[:, None], "floats": np.sin(x + np.arange(8))}.get(kind, x)
    hashes = row_hash(x)
    first, second = fold_of(hashes, folds, 0), fold_of(hashes, folds, 1)
    for fold in (first, second):
        counts = np.bincount(fold, minlength=folds)
        assert ((counts - n / folds) ** 2 / (n / folds)).sum() < 20  # χ² of at most 4: p = 0.0005
    pairs = np.bincount(first * folds + second, minlength=folds**2)
    assert ((pairs - n / folds**2) ** 2 / (n / folds**2)).sum() < 60  # of at most 24: p = 0.0001
    neighbours = np.bincount(first[1:] * folds + first[:-1], minlength=folds**2)
    assert ((neighbours - n / folds**2) ** 2 / (n / folds**2)).sum() < 60
    assert fold_of(hashes, 1).max() == 0


def test_what_is_not_a_number_is_refused():
    with pytest.raises(InputError, match="must hold numbers"):
        row_hash(np.array([["a"]]))
