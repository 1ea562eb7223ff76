"""Sources: every row once, in an order drawn from a seed, within a bound."""

import threading
import time

import keras
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from taut.engine.data.parquet import ParquetRows
from taut.engine.data.prefetch import AHEAD, Prefetch
from taut.engine.data.reading import Budget, Layout, blocks, in_order
from taut.engine.data.sources import ArraySource, DatasetSource, as_source, first_rows, is_source
from taut.errors import InputError

ROWS = 1000


class Batches(keras.utils.PyDataset):
    def __init__(self, x, y, size, weight=None):
        super().__init__()
        self.data, self.size = (x, y) if weight is None else (x, y, weight), size
        self.read = []

    def __len__(self):
        return -(-len(self.data[0]) // self.size)

    def __getitem__(self, i):
        self.read.append(i)
        return tuple(a[i * self.size : (i + 1) * self.size] for a in self.data)


@pytest.fixture(scope="module")
def data():
    draw = np.random.default_rng(0)
    return draw.normal(size=(ROWS, 3)).astype("float32"), np.arange(ROWS)


def write_parquet(folder, x, y, files=2, group=100):
    columns = {f"x{j}": x[:, j] for j in range(x.shape[1])} | {"y": y}
    size = -(-len(y) // files)
    for k in range(files):
        part = pa.table({n: a[k * size : (k + 1) * size] for n, a in columns.items()})
        pq.write_table(part, folder / f"part-{k}.parquet", row_group_size=group)


def sources(data, folder):
    x, y = data
    np.save(folder / "x.npy", x)
    (folder / "rows").mkdir()
    write_parquet(folder / "rows", x, y)
    return {
        "arrays": ArraySource(x, y),
        "memory map": ArraySource(np.load(folder / "x.npy", mmap_mode="r"), y),
        "dataset": DatasetSource(Batches(x, y, 100)),
        "parquet": ParquetRows(folder / "rows", target="y"),
    }


def read(source, seed=None, rows=128, slab=100, buffer=300):
    layout = Layout.of(first_rows(source, 1))
    budget = Budget(buffer, slab, 1, 0)
    found = blocks(in_order(source, layout, budget, seed, threading.Event()), layout, rows)
    made = [(b.x[:n].copy(), b.y[:n].copy(), n) for b, n in found]
    assert [n for *_, n in made[:-1]] == [rows] * (len(made) - 1)
    return np.concatenate([x for x, *_ in made]), np.concatenate([y for _, y, _ in made])


def test_sources_of_the_same_rows_agree_in_any_order(data, tmp_path):
    for name, source in sources(data, tmp_path).items():
        assert is_source(source), name
        for seed in (None, [0, 0], [0, 1]):
            x, y = read(source, seed)
            np.testing.assert_array_equal(x, data[0][y], err_msg=name)
            expected = np.arange(ROWS) if seed is None else read(ArraySource(*data), seed)[1]
            np.testing.assert_array_equal(y, expected, err_msg=name)
            np.testing.assert_array_equal(np.sort(y), np.arange(ROWS))


def test_the_order_is_drawn_from_the_seed_and_mixes_distant_rows(data):
    source = ArraySource(*data)
    first, second = (read(source, [0, e], slab=10)[1] for e in range(2))
    assert (first != second).any()
    np.testing.assert_array_equal(first, read(source, [0, 0], slab=10)[1])
    # A buffer of 300 rows holds 30 pieces from all over the array.
    assert all(np.ptp(first[k : k + 50]) > 700 for k in range(0, 900, 50))
    assert np.abs(np.corrcoef(first[:300], np.arange(300))[0, 1]) < 0.25
    np.testing.assert_array_equal(read(source, [0, 0], rows=77, slab=10)[1], first)


def test_first_rows_are_arrays_in_memory(data, tmp_path):
    for source in sources(data, tmp_path).values():
        few = first_rows(source, 150)
        np.testing.assert_array_equal(few.x, data[0][:150])
        assert type(few.x) is np.ndarray
        assert len(first_rows(source, 5000)) == ROWS
    dataset = Batches(*data, 100)
    first_rows(DatasetSource(dataset), 100)
    assert dataset.read == [0]  # and nothing more than it must


def test_trees_and_weights(data):
    x, y = data
    tree = {"a": x[:, :2].astype("float64"), "b": y[:, None]}
    weight = np.linspace(0, 1, ROWS)
    for source in (
        ArraySource(tree, [y, x], weight),
        DatasetSource(Batches(x, y, 64, weight.astype("float32"))),
    ):
        few = first_rows(source, 3)
        assert len(few) == 3
        np.testing.assert_allclose(few.weight, weight[:3])
    layout = Layout.of(first_rows(ArraySource(tree, [y, x], weight), 1))
    kinds = [str(kind) for _, kind in layout.leaves]
    assert kinds == ["float32", "int32", "int32", "float32", "float32"]
    assert layout.row_bytes == 4 * (2 + 1 + 1 + 3 + 1)


def test_as_source(data):
    assert isinstance(as_source(*data), ArraySource)
    dataset = Batches(*data, 64)
    assert is_source(dataset)
    assert not is_source(data[0])
    assert isinstance(as_source(dataset), DatasetSource)
    own = as_source(as_source(dataset))
    assert isinstance(own, DatasetSource)
    with pytest.raises(InputError, match="must come from the source itself"):
        as_source(dataset, data[1])
    with pytest.raises(InputError, match="`y` must be given"):
        as_source(data[0])


def test_rows_that_do_not_fit_together_are_refused(data):
    x, y = data
    for bad in ((x, y[:-1]), (x[:0], y[:0]), (x, 1.0)):
        with pytest.raises(InputError, match="same number of rows"):
            ArraySource(*bad)
    with pytest.raises(InputError, match="`sample_weight` must be one weight"):
        ArraySource(x, y, 2.0)
    with pytest.raises(InputError, match="must hold numbers"):
        Layout.of(first_rows(ArraySource(np.array([["a"]] * 3), y[:3]), 1))

    class Ragged(Batches):
        def __getitem__(self, i):
            a, b = super().__getitem__(i)
            return (a, b) if i < 3 else (a[:, :2], b) if i < 5 else (a, b[:1])

    ragged = DatasetSource(Ragged(x, y, 100))
    with pytest.raises(InputError, match=r"must have the structure and shapes of the first"):
        read(ragged)
    with pytest.raises(InputError, match="same number of rows"):
        list(ragged.pieces(6, 10))
    with pytest.raises(InputError, match=r"Whole numbers must fit int32.*4294967796"):
        read(ArraySource(x, y + (y == 500) * 2**32))


def test_a_dataset_needs_batches_of_inputs_and_targets(data):
    class Endless(Batches):
        num_batches = None

    with pytest.raises(InputError, match="known number of batches"):
        DatasetSource(Endless(*data, 10))

    class Alone(Batches):
        def __getitem__(self, i):
            return super().__getitem__(i)[0]

    with pytest.raises(InputError, match="must be"):
        first_rows(DatasetSource(Alone(*data, 10)), 1)

    class Listed(Batches):
        def __getitem__(self, i):
            return tuple(part.tolist() for part in super().__getitem__(i))

    with pytest.raises(InputError, match="must be of arrays"):
        first_rows(DatasetSource(Listed(*data, 10)), 1)


def table(**columns):
    numbers = {"price": np.arange(4.0), "day": np.arange(4), "sold": [True, False, True, True]}
    return pa.table(numbers | columns)


def test_columns_of_parquet_files(tmp_path):
    pq.write_table(table(w=np.arange(4.0)), tmp_path / "a.parquet")
    rows = first_rows(ParquetRows(tmp_path, target="sold", weight="w"), 9)
    np.testing.assert_array_equal(rows.x, np.stack([np.arange(4)] * 2, 1))
    assert (rows.x.dtype, rows.y.dtype, rows.y.shape) == ("float32", "int64", (4,))
    np.testing.assert_array_equal(rows.weight, np.arange(4))
    several = ParquetRows(tmp_path / "a.parquet", target=["price", "day"], inputs=["w"])
    rows = first_rows(several, 9)
    assert (rows.x.shape, rows.y.shape, rows.y.dtype) == ((4, 1), (4, 2), "float32")
    assert len(several) == 4


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        ({}, {"target": "solid"}, r"Received: 'solid', near 'sold'\. a\.parquet has 'price'"),
        ({}, {"inputs": ["prize", "dya", "q"]}, r"'prize', near 'price'; 'dya', near 'day'; 'q'"),
        ({"city": list("abcd")}, {}, r"must be numeric\. Received: 'city' \(string\)\. Encode"),
        ({"city": [*"abc", None], "at": pa.array([0] * 4, pa.date32())}, {}, r"'city'.*'at'"),
        ({"size": [1.0, None, 3.0, 4.0]}, {}, r"no nulls\. Received: 'size', first in a\.parquet"),
        ({}, {"inputs": ["price", "sold"]}, r"used once.*Received: 'sold' twice"),
        ({}, {"inputs": []}, "at least one column"),
    ],
)
def test_columns_that_cannot_be_used_are_named(tmp_path, columns, options, message):
    pq.write_table(table(**columns), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=message):
        ParquetRows(tmp_path, **{"target": "sold"} | options)


def test_nulls_that_the_files_do_not_tell_of_are_found_when_read(tmp_path):
    size = [1.0, None, 3.0, 4.0]
    pq.write_table(table(size=size), tmp_path / "a.parquet", write_statistics=False)
    with pytest.raises(InputError, match="no nulls"):
        read(ParquetRows(tmp_path, target="sold"))
    assert len(first_rows(ParquetRows(tmp_path, target="sold", inputs=["day"]), 9)) == 4


def test_files_that_cannot_be_used(tmp_path):
    with pytest.raises(InputError, match="`directory` must exist"):
        ParquetRows(tmp_path / "nowhere", target="sold")
    with pytest.raises(InputError, match=r"files named \*\.parquet"):
        ParquetRows(tmp_path, target="sold")
    (tmp_path / "deep").mkdir()
    pq.write_table(table().slice(0, 0), tmp_path / "a.parquet")
    with pytest.raises(InputError, match="at least one row"):
        ParquetRows(tmp_path, target="sold")
    pq.write_table(table(), tmp_path / "deep" / "b.parquet")
    assert len(ParquetRows(tmp_path, target="sold")) == 4
    pq.write_table(table(day=np.arange(4.0)), tmp_path / "deep" / "c.parquet")
    with pytest.raises(InputError, match=r"one type.*'day', int64 in a.parquet and double in c"):
        ParquetRows(tmp_path, target="sold")
    pq.write_table(table().drop_columns("day"), tmp_path / "deep" / "c.parquet")
    with pytest.raises(InputError, match=r"'day', int64 in a\.parquet and missing in c\.parquet"):
        ParquetRows(tmp_path, target="sold")


def test_a_memory_map_gives_its_pages_back(tmp_path):
    from pathlib import Path

    if not Path("/proc/self/smaps").exists():
        pytest.skip("resident pages are counted on Linux")
    np.save(tmp_path / "x.npy", np.ones((20_000, 100), "float32"))
    x = np.load(tmp_path / "x.npy", mmap_mode="r")

    def resident():
        text = Path("/proc/self/smaps").read_text()
        (part,) = [p for p in text.split("VmFlags") if "x.npy" in p]
        return int(part.split("Rss:")[1].split()[0])

    for _ in ArraySource(x, np.zeros(20_000)).pieces(0, 20_000):
        assert x[:].sum() == 2_000_000
        assert resident() > 7000
    assert resident() < 100


def test_reading_ahead_is_bounded_and_leaves_no_thread():
    made = []

    def make(stop):
        for k in range(100):
            if stop.is_set():
                raise RuntimeError
            made.append(k)
            yield k

    before = threading.active_count()
    with Prefetch(make) as ahead:
        for k in ahead:
            time.sleep(0.01)
            assert made[-1] <= k + 1 + AHEAD
            if k == 5:
                break
    assert threading.active_count() == before
    with Prefetch(make) as ahead:
        assert list(ahead) == list(range(100))
    assert threading.active_count() == before


def test_a_budget_names_what_is_needed():
    layout = Layout.of(first_rows(ArraySource(np.zeros((10, 100), "float32"), np.zeros(10)), 1))
    options = {"indices": 5, "batch_size": 1000, "devices": 2}
    with pytest.raises(InputError, match=r"at least (\d+) bytes") as raised:
        Budget.of(1000, layout, **options)
    least = int(str(raised.value).split("at least ")[1].split()[0])
    assert Budget.of(least, layout, **options).steps == 1
    one, two = (Budget.of(1 << 30, layout, **options | {"devices": d}) for d in (1, 2))
    assert (one.buffer_rows, one.slab) == (two.buffer_rows, two.slab)
    assert one.buffer_rows * layout.row_bytes <= 1 << 28
