"""Files of every kind, packed in every way, called as people call them."""

import bz2
import gzip
import io
import json
import lzma
import pickle
import zipfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from taut.errors import InputError
from taut.frames.arrow_sizes import arrow_bytes
from taut.frames.as_frame import NOTES
from taut.frames.read import read_table
from taut.frames.schema import Schema
from taut.frames.understand import understand
from taut.frames.unpacking import Unpacked
from taut.typed_json import plain, typed

N = 40
FRAME = pd.DataFrame(
    {
        "x": np.where(np.arange(N) % 9, np.arange(N) / 3 + 0.1, np.nan),
        "town": ["Köln", "上海", "Bonn, Rhein", "n/a"] * (N // 4),
        "code": [f"{k % 5:03d}" for k in range(N)],
        "flag": [True, False] * (N // 2),
        "y": np.arange(N) % 2,
    }
)


def saved(write):
    held = io.BytesIO()
    write(held)
    return held.getvalue()


def zipped(**files):
    def write(held):
        with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files.items():
                archive.writestr(name, content)

    return saved(write)


def stream(held):
    import pyarrow

    table = pyarrow.Table.from_pandas(FRAME)
    with pyarrow.ipc.new_stream(held, table.schema) as writer:
        writer.write_table(table)


CSV = FRAME.to_csv(index=False).encode()
LINES = FRAME.to_json(orient="records", lines=True, force_ascii=False).encode()
LISTED = FRAME.to_json(orient="records", indent=1).encode()
PARQUET = saved(FRAME.to_parquet)
EXCEL = saved(lambda held: FRAME.to_excel(held, index=False))
FILES = {
    "t.CSV": CSV,
    "t.data": CSV,
    "t.dat": FRAME.to_csv(index=False, sep="\t").encode(),
    "t.jsonl": LINES,
    "t.NDJSON": LINES,
    "t.json": LISTED,
    "lines.json": LINES,
    "t.json.gz": gzip.compress(LISTED),
    "listed.jsonl": LISTED,
    "listed.csv": LISTED,
    "bom.jsonl": LINES.decode().encode("utf-8-sig"),
    "t.jsonl.gz": gzip.compress(LINES),
    "t.csv.bz2": bz2.compress(CSV),
    "t.csv.XZ": lzma.compress(CSV),
    "t.feather": saved(FRAME.to_feather),
    "t.arrow": saved(stream),
    "t.zip": zipped(**{"a/t.csv": CSV, "__MACOSX/a/._t.csv": b"x", "ReadMe.txt": b"a table"}),
    "nameless.zip": zipped(**{"nameless": CSV}),
    "excel.zip": zipped(**{"t.xlsx": EXCEL}),
    "parquet.zip": zipped(**{"t.parquet": PARQUET}),
    "packed.zip": zipped(**{"t.csv.gz": gzip.compress(CSV)}),
    # not what their names say
    "excel.csv": EXCEL,
    "excel.CSV.gz": gzip.compress(EXCEL),
    "parquet.csv": PARQUET,
    "lines.csv": LINES,
    "gzipped.csv": gzip.compress(CSV),
    "zipped.csv": zipped(**{"t.csv": CSV}),
    "excel-called.zip": EXCEL,
    "csv.parquet.zip": zipped(**{"t.csv": CSV}),
}


def encoded(frame, schema):
    features, labels = schema.prepare(frame)
    return pd.DataFrame({c.name: features[c.name] for c in schema.used}), labels


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    path = tmp_path_factory.mktemp("plain") / "t.csv"
    path.write_bytes(CSV)
    frame = read_table(path)
    schema = understand(frame, target="y")
    return schema, *encoded(frame, schema)


def without_bytes(value):
    """Packed bytes hold the time, and all workers must collect tests of the same names."""
    return "content" if isinstance(value, bytes) else None


@pytest.mark.parametrize("name", FILES)
def test_every_kind_means_what_the_csv_means(tmp_path, name, expected):
    (tmp_path / name).write_bytes(FILES[name])
    frame = read_table(tmp_path / name)
    schema = understand(frame, target="y")
    # Each reads the other's: a model of one kind of file predicts from another.
    later = typed(Schema, plain(expected[0]))
    again = read_table(tmp_path / name, text=later.as_written)
    for table, reader in ((frame, schema), (again, later)):
        features, labels = encoded(table, reader)
        pd.testing.assert_frame_equal(features, expected[1])
        assert labels.tolist() == expected[2].tolist()
    notes = frame.attrs[NOTES]
    assert any("name does not say" in note for note in notes) == (
        name in ("excel.csv", "excel.CSV.gz", "parquet.csv", "lines.csv", "listed.csv")
    )


def test_a_column_may_be_called_as_a_file_of_another_kind_begins(tmp_path):
    path = tmp_path / "t.csv"
    for name in (
        "PAR1",
        "FEA1",
        "ARROW1",
        "BZh1",
        "PK",
        "%PDF",
        "ORC",
        "Obj",
        "RDX3",
        "X",
        "@x",
        "{}",
    ):
        path.write_text(f"{name},b\n1,2\n")
        assert read_table(path)[name].tolist() == [1]


def encrypted(content):
    changed = bytearray(content)
    changed[6] |= 1
    changed[content.rindex(b"PK\x01\x02") + 8] |= 1
    return bytes(changed)


ARCHIVE = zipped(**{"t.csv": CSV})


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("t.zip", zipped(**{"a.csv": CSV, "b.xlsx": EXCEL}), r"holds 2: 'a\.csv', 'b\.xlsx'\. Unp"),
        ("t.zip", zipped(**{"a.doc": b"x"}), r"holds none, but 'a\.doc'\. Unpack"),
        ("t.zip", zipped(), r"holds nothing\. Unpack"),
        ("t.zip", zipped(**{f"{k}.csv": CSV for k in range(12)}), r"12: .*'9\.csv' and 2 more\."),
        ("t.zip", CSV, "cannot be read as what its name says"),
        ("t.zip", ARCHIVE[:-30], "cannot be read as"),
        ("t.zip", ARCHIVE[:90] + b"\xff" * 20 + ARCHIVE[110:], "cannot be read as"),
        ("t.zip", encrypted(ARCHIVE), r"without a password.*'t\.csv' has one\. Unpack"),
        ("t.zip", zipped(**{"t.csv": zipped(**{"t.csv": CSV})}), "archive inside. Unpack"),
        ("t.csv", zipped(**{"[Content_Types].xml": b"x"}), "office documents"),
        ("t.csv", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), r"old kind \(\.xls\)"),
        ("t.csv", b"\n<!DOCTYPE HTML><title>Sign in</title>", "which is a web page. Save"),
        ("t.feather", CSV, "cannot be read as what its name says"),
        ("t.csv.xz", lzma.compress(CSV)[:-9], "cannot be read as"),
        ("t.csv.bz2", CSV, "cannot be read as"),
        ("t.parquet.gz", gzip.compress(PARQUET), r"ends in one of \.csv, .* or \.zip\. Received"),
        (
            "t.jsonl",
            b'{"a": 1}\n\n{"a": 2, "b": {"c": 1}}\n',
            r"an object in the column 'b', line 3",
        ),
        ("t.jsonl", b'{"a": 1, "tags": ["x"]}\n' * 2, r"a list in the column 'tags', line 1 of"),
        ("t.json", b'{"data": [{"a": 1}], "n": 1}', r"one object for all, with a list as 'data'"),
        ("t.json", b'[{"a": 1}, {"a": [2]}]', r"a list in the column 'a', object 2 of"),
        ("t.json", b'[{"a": 1}, 7]', r"list of objects\. Received: part 2 of .*, '7'\. Write"),
        ("t.json", b'[{"a": 1},', r"list of objects\. Received: line 1"),
        ("t.json", b'{\n"a": {"0": 1}}', r"list of objects\. Received: line 1"),
        ("t.json", b'{"a": {"0": 1}}', r"one object for all, with an object as 'a'\. Write one"),
        ("t.csv", b"x,y\n1,2\n3,\0\n", r"no zero bytes\. Received: .*, with one in line 3: it"),
        ("t.json", b'{"a": "\0"}', r"no zero bytes"),
        ("t.csv", np.random.default_rng(0).bytes(3000), "no zero bytes"),
        ("t.csv", b"\x89PNG\r\n\x1a\n", "which is a picture"),
        ("t.csv.gz", gzip.compress(b"RDX3\nX\n\0\0\0\3"), "which is an R data file"),
        ("t.txt", b"% note\n@RELATION t\n", "which is an ARFF file"),
        ("t.csv", b"<?xml version='1.0'?><Error/>", "which is an XML file"),
        ("t.csv", b"<table><tr>", "which is a web page"),
        ("t.csv", b"version https://git-lfs.github.com/spec/v1\n", "the pointer that Git LFS has"),
        ("t.csv", pickle.dumps(FRAME), "which is a Python pickle"),
        ("t.sav", b"x", r"read_spss\(path\)\.to_parquet\(.*after `pip install pyreadstat`"),
        ("t.dta", b"<stata_dta>x", "cannot be read as"),
        ("t.sas7bdat", b"x", "cannot be read as"),
        ("t.xpt", b"HEADER RECORD*******x", "cannot be read as"),
        ("t.sqlite", b"x", r"Save the table in one of these formats, or rename"),
        ("t.json", b'{\n "a": 1\n}', r"list of objects\. Received: line 1"),
        ("t.json", b"[]", "needs rows"),
        ("t.jsonl", b'{"a": 1}\n{"a": 2', r"one whole object a line.*Received: line 2"),
        ("t.jsonl", b"[" * 100_000, r"one whole object a line.*Received: line 1"),
        ("t.jsonl", CSV, r"one whole object a line.*Received: line 1"),
        ("t.jsonl", b'{"a": 1, "b": 2, "a ": 3}', r"more than once in line 1 .*'a'\. Rename"),
        ("t.jsonl", b"\n \n", "needs rows"),
        ("t.jsonl", b"{}\n", "needs rows"),
    ],
    ids=without_bytes,
)
def test_files_that_are_no_table_are_refused_in_one_sentence(tmp_path, name, content, says):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match="(?s)" + says):
        read_table(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("t.CSV", {"sheet": "Data"}),
        ("t.jsonl", {"sep": ";"}),
        ("excel.csv", {"sep": "comma"}),
        ("excel.zip", {"encoding": "utf-8"}),
        ("t.feather", {"encoding": "utf-8"}),
    ],
)
def test_an_option_of_another_kind_of_file_is_refused(tmp_path, name, option):
    (tmp_path / name).write_bytes(FILES[name])
    (given,) = option
    with pytest.raises(InputError, match=rf"\(--{given}\) is for .* Leave it out"):
        read_table(tmp_path / name, **option)


def bombs():
    """Half a megabyte of blanks, in every kind of packing."""
    blanks = b"a,b\n" + b" " * (1 << 19)
    yield "t.csv.gz", gzip.compress(blanks)
    yield "t.csv", gzip.compress(blanks)
    yield "t.csv.bz2", bz2.compress(blanks)
    yield "t.csv.xz", lzma.compress(blanks)
    yield "t.zip", zipped(**{"t.csv": blanks})
    yield "t.jsonl.gz", gzip.compress(blanks)
    yield "t.zip", zipped(**{"t.feather": blanks})
    yield "t.xlsx", zipped(**{"xl/workbook.xml": blanks})
    yield "t.csv.gz", gzip.compress(zipped(**{"xl/workbook.xml": blanks}))
    text = " " * (1 << 19)
    zeros = pa.array(np.zeros(1 << 17))
    for values in ([text], ["x" * 1000] * 1000, zeros, pa.nulls(1 << 17)):
        for repeated in (False, True):
            held = io.BytesIO()
            table = pa.table({"a": values})
            pq.write_table(table, held, compression="gzip", use_dictionary=repeated)
            yield "t.parquet", held.getvalue()
    runs = pa.RunEndEncodedArray.from_arrays(pa.array([1 << 17], pa.int32()), pa.array([1.5]))
    words = pa.array([text, "b"]).dictionary_encode()
    for values in (pa.array([text]), zeros, pa.nulls(1 << 17), runs, words):
        for packing in ("zstd", "lz4"):
            yield "t.arrow", messages(pa.table({"a": values}), pa.ipc.new_stream, packing)
            yield "t.feather", messages(pa.table({"a": values}), pa.ipc.new_file, packing)
    yield "t.arrow", messages(pa.table({"a": pa.nulls(1 << 17)}), pa.ipc.new_stream, None)


def messages(table, writer, packing):
    held = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression=packing)
    with writer(held, table.schema, options=options) as opened:
        opened.write_table(table)
    return held.getvalue()


TABLES = {
    "numbers": pa.table({"x": [0.5, None, 2.5] * 9, "n": list(range(27)), "f": [True] * 27}),
    "texts": pa.table(
        {"t": ["a", "bb" * 99, None] * 9, "u": pa.array(["é"] * 27, pa.large_string())}
    ),
    "levels": pa.table({"c": pa.array(["a", "b" * 99, None] * 9).dictionary_encode()}),
    "lists": pa.table({"l": [[1, 2], [], None] * 9}),
    "none": pa.table({"e": pa.nulls(27)}),
}


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("packing", ["zstd", "lz4", None])
def test_the_size_that_messages_tell_is_not_less_than_what_they_take(name, packing):
    table = pa.concat_tables([TABLES[name]] * 3)
    content = pa.py_buffer(messages(table, pa.ipc.new_stream, packing))
    told = arrow_bytes(content, table.num_columns)
    read = pa.ipc.open_stream(content).read_all()
    assert read.nbytes <= told <= 4 * read.nbytes + 8 * 81 * table.num_columns


@pytest.mark.parametrize("packing", ["zstd", "lz4", None])
def test_the_table_of_contents_of_a_file_names_what_takes_memory(packing):
    table = pa.concat_tables([TABLES["levels"]] * 3)
    sizes = {
        arrow_bytes(pa.py_buffer(messages(table, writer, packing)), table.num_columns)
        for writer in (pa.ipc.new_file, pa.ipc.new_stream)
    }
    assert len(sizes) == 1


def test_arrow_files_of_other_writers_are_read(tmp_path):
    """Polars begins its files in a way of its own: their table of contents counts."""
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"x": [0.5, 1.5], "t": ["a", "b"]})
    for packing in ("zstd", "lz4", "uncompressed"):
        frame.write_ipc(tmp_path / "t.arrow", compression=packing)
        assert read_table(tmp_path / "t.arrow").to_dict("list") == frame.to_dict(as_series=False)


@pytest.mark.parametrize("name", TABLES)
def test_a_text_that_a_parquet_file_has_once_for_many_rows_is_read_alike(
    tmp_path, name, monkeypatch
):
    pq.write_table(TABLES[name], tmp_path / "t.parquet")
    plain = read_table(tmp_path / "t.parquet")
    # So that the texts are looked at before they are spread over the rows.
    monkeypatch.setattr("taut.frames.arrow_file.most_unpacked", lambda path: 0)
    pd.testing.assert_frame_equal(read_table(tmp_path / "t.parquet"), plain)


def test_an_arrow_file_that_is_cut_off_is_refused(tmp_path):
    content = messages(TABLES["numbers"], pa.ipc.new_file, None)
    for size in (len(content) - 1, content.rindex(b"\xff\xff\xff\xff"), 9):
        (tmp_path / "t.arrow").write_bytes(content[:size])
        with pytest.raises(InputError, match="cannot be read as what its name says"):
            read_table(tmp_path / "t.arrow")


@pytest.mark.parametrize(
    ("name", "content"),
    list(bombs()),
    ids=without_bytes,
)
def test_what_unpacks_to_far_more_than_its_size_is_refused(tmp_path, name, content, monkeypatch):
    monkeypatch.setattr("taut.frames.unpacking._SMALL", 1 << 16)
    monkeypatch.setattr("taut.frames.unpacking._RATIO", 50)
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"50 times its size.*unpacks to more than \d+"):
        read_table(path)


@pytest.mark.parametrize("pack", [gzip, bz2, lzma])
def test_no_more_is_unpacked_than_may_be(tmp_path, pack, monkeypatch):
    monkeypatch.setattr("taut.frames.unpacking._SMALL", 1000)
    monkeypatch.setattr("taut.frames.unpacking._RATIO", 1)
    path = tmp_path / "t"
    path.write_bytes(pack.compress(b"x" * 1001))
    with pack.open(path) as file:
        unpacked = Unpacked(file, path)
        assert unpacked.read(999) == b"x" * 999
        assert unpacked.read(1) == b"x"
        with pytest.raises(InputError, match="more than 1000"):
            unpacked.read()
        assert unpacked.tell() == 1001
        assert unpacked.seek(0) == 0
        with pytest.raises(InputError, match="more than 1000"):
            unpacked.seek(1001)
    path.write_bytes(pack.compress(b"x" * 1000))
    with pack.open(path) as file:
        assert Unpacked(file, path).read() == b"x" * 1000


def test_a_zip_that_declares_less_than_it_holds_is_damaged(tmp_path):
    path = tmp_path / "t.zip"
    content = bytearray(zipped(**{"t.csv": b"a,b\n" + b"1,2\n" * 100_000}))
    directory = content.rindex(b"PK\x01\x02")
    content[directory + 24 : directory + 28] = (400).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(InputError, match="cannot be read"):
        read_table(path)


def test_json_values_keep_their_types(tmp_path):
    path = tmp_path / "t.jsonl"
    big = 12_345_678_901_234_567
    rows = [
        {"id": big, "code": "007", "n": 1, "": 5, "word": "NA\u2028"},
        {"id": None, "code": "08", "later": 2.5, "n": "2", "word": "null"},
        {"id": big + 1, "code": "1", "n": "?", "": None},
    ]
    path.write_text("\r\n".join(json.dumps(row, ensure_ascii=False) for row in rows), "utf-8")
    frame = read_table(path, na=["1"])
    assert list(frame.columns) == ["id", "code", "n", "Unnamed: 3", "word", "later"]
    assert [int(frame["id"][0]), int(frame["id"][2])] == [big, big + 1]
    assert frame["code"].tolist()[:2] == ["007", "08"]
    assert frame["code"].isna().tolist() == [False, False, True], "a mark is one in text too"
    assert frame["n"].isna().tolist() == [True, False, False]
    assert frame["later"].isna().tolist() == [True, False, True]
    path.write_bytes('{"stadt": "Köln"}\n'.encode("cp1252"))
    frame = read_table(path)
    assert frame["stadt"].tolist() == ["Köln"]
    assert "read as cp1252" in frame.attrs[NOTES][0]


def test_half_a_character_is_a_sign_for_one(tmp_path):
    path = tmp_path / "t.json"
    path.write_text(json.dumps([{"t": "cut \ud83d", "\udfff": "\ud83d\ude00"}] * 2))
    frame = read_table(path)
    assert frame.to_dict("list") == {"t": ["cut \ufffd"] * 2, "\ufffd": ["😀"] * 2}
    held = pd.DataFrame({"x": [0.5, 1, 3, 2] * 10, "y": ["a\ud83d", "b"] * 20}, dtype=object)
    assert understand(held, target="y").classes == ("a\ufffd", "b")


def test_a_damaged_arrow_file_is_not_read_beyond_its_end(tmp_path):
    """Without a check it ends the process."""
    table = pa.table({"t": ["a", "b", "c"], "y": [1, 2, 3]})
    held = io.BytesIO()
    with pa.ipc.new_file(held, table.schema) as writer:
        writer.write_table(table)
    content = bytearray(held.getvalue())
    ends = np.arange(4, dtype="<i4").tobytes()
    where = content.index(ends)
    content[where + 12 : where + 16] = (1 << 30).to_bytes(4, "little")
    path = tmp_path / "t.arrow"
    path.write_bytes(content)
    with pytest.raises(InputError, match="cannot be read as what its name says"):
        read_table(path)
