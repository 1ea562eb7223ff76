"""Tables in memory, of other libraries."""

import datetime as dt

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from taut.errors import InputError
from taut.frames.as_frame import as_frame
from taut.frames.encode import Encoder
from taut.frames.read import read_table
from taut.frames.understand import understand

N = 60
COLUMNS = {
    "n": [k / 7 for k in range(N)],
    "c": ["a", "b", None] * (N // 3),
    "d": [dt.datetime(2021, 1, 1) + dt.timedelta(hours=5 * k) for k in range(N)],
    "f": [True, False] * (N // 2),
    "m": ["1.234,5", "2,5", "7"] * (N // 3),
    "y": [0, 1] * (N // 2),
}


class Interchange:
    """A table that knows the interchange protocol alone."""

    def __init__(self, table):
        self.table = table

    def __dataframe__(self, *arguments, **options):
        return self.table.__dataframe__(*arguments, **options)


def tables():
    arrow = pa.table(COLUMNS)
    yield "pyarrow", arrow
    yield "batch", arrow.to_batches()[0]
    yield "interchange", Interchange(arrow)
    yield "arrow types", pd.DataFrame(
        {name: pd.Series(column, dtype=pd.ArrowDtype(column.type)) for name, column in
         zip(arrow.column_names, arrow.combine_chunks().columns, strict=True)}
    )  # fmt: skip
    try:
        import polars as pl
    except ImportError:
        return
    yield "polars", pl.DataFrame(COLUMNS)
    yield "polars, lazy", pl.LazyFrame(COLUMNS)
    yield "polars categories", pl.DataFrame(COLUMNS).with_columns(pl.col("c").cast(pl.Categorical))


@pytest.mark.parametrize(("name", "table"), list(tables()))
def test_every_library_gives_the_same_features(name, table):
    frame = pd.DataFrame(COLUMNS)
    schema, expected = understand(table, target="y"), understand(frame, target="y")
    kinds = [(c.name, c.kind, c.used, c.form, c.parts) for c in schema.columns]
    assert kinds == [(c.name, c.kind, c.used, c.form, c.parts) for c in expected.columns]
    got, y = schema.prepare(table)
    features, codes = expected.prepare(frame)
    pd.testing.assert_frame_equal(got, features)
    np.testing.assert_array_equal(y, codes)


@pytest.mark.parametrize("table", [COLUMNS, "t.csv", np.zeros((3, 2)), pd.Series([1]), None, [1]])
def test_what_is_no_table_is_refused(table):
    with pytest.raises(InputError, match=f"Received: {type(table).__name__}"):
        as_frame(table)


def test_names_become_text_and_the_frame_stays():
    frame = pd.DataFrame([[1, 2]], columns=[3, "a"])
    assert list(as_frame(frame)) == ["3", "a"]
    assert list(frame) == [3, "a"]


@pytest.mark.parametrize("name", ["self", "columns", "index", "name", "values", "dtype", "axis"])
def test_a_column_may_have_the_name_of_anything_in_pandas(tmp_path, name):
    lines = [f"{name};code;n;y", *(f"{'ab'[k % 2]};0{k};12.34{k % 10};{k},5" for k in range(40))]
    (tmp_path / "t.csv").write_text("\n".join([*lines, "-1;7;3.456;1,5"]))
    frame = read_table(tmp_path / "t.csv")
    schema = understand(frame, target="y", na=["-1"])
    features, _ = schema.prepare(frame)
    encoder = Encoder(schema).fit(features)
    assert encoder.scales["n"].centre > 1000
    later = pd.DataFrame({name: ["A", "-1"], "n": [12340, 12341], "code": ["01", "02"]})
    rows, told = encoder.match_levels(schema.prepare(later, require_target=False)[0])
    assert told[0] == f"Column {name!r}: 'A' was read as 'a' (1 row)."
    assert encoder.transform(rows).shape == (2, len(encoder.names))
