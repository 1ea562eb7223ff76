"""Files of Stata and SAS mean what they mean there."""

import struct

import numpy as np
import pandas as pd
import pytest

from taut.catalogue import catalogue
from taut.errors import InputError
from taut.frames.as_frame import NOTES
from taut.frames.read import read_table
from taut.frames.understand import understand

FRAME = pd.DataFrame(
    {
        "age": np.r_[np.arange(20.0, 59), np.nan],
        "ill": [0, 1] * 20,
        "town": ["Köln", "Łódź"] * 20,
        "day": pd.Timestamp("2024-01-31") + pd.to_timedelta(np.arange(40), "D"),
        "refused": [-9, *range(39)],
        "twice": [1, 2] * 20,
    }
)


def written(path, version):
    labels = {
        "ill": {0: "healthy", 1: "ill"},
        "refused": {-9: "refused"},
        "twice": {1: "same", 2: "same"},
    }
    FRAME.to_stata(path, write_index=False, version=version, value_labels=labels)
    return read_table(path)


@pytest.mark.parametrize("name", ["t.dta", "T.DTA", "t.csv"])
def test_labels_of_stata_are_categories_where_every_value_has_one(tmp_path, name):
    frame = written(tmp_path / name, 118)
    assert frame["age"].tolist()[:39] == FRAME["age"].tolist()[:39]
    assert frame["age"].isna().sum() == 1
    assert frame["ill"].tolist() == ["healthy", "ill"] * 20
    assert frame["town"].tolist() == FRAME["town"].tolist()
    assert (frame["day"] == FRAME["day"]).all()
    assert frame["refused"].tolist() == FRAME["refused"].tolist()
    assert frame["twice"].tolist() == FRAME["twice"].tolist(), "two codes of one label are two"
    (note,) = [text for text in frame.attrs[NOTES] if "label" in text]
    assert "'refused'" in note
    assert catalogue("zh").knows(note)
    schema = understand(frame, target="ill")
    assert schema.classes == ("healthy", "ill")
    kinds = {column.name: column.kind for column in schema.columns}
    assert (kinds["day"], kinds["refused"]) == ("date", "numeric")


def of_sas(value):
    """A whole number as the floating point of a mainframe, in base 16; "." for none."""
    if value is None:
        return b"." + bytes(7)
    if value == 0:
        return bytes(8)
    power = len(f"{value:x}")
    return bytes([64 + power]) + (value << 4 * (14 - power)).to_bytes(7, "big")


def transport(rows, town):
    """A transport file with a number, a date, a moment and a text."""
    fields = [(1, 8, b"N", b""), (1, 8, b"DAY", b"DATE"), (1, 8, b"AT", b"DATETIME")]
    fields.append((2, 8, b"TOWN", b""))
    names = b"".join(
        struct.pack(
            ">hhhh8s40s8shhh2s8shhl52s",
            *(kind, 0, size, k + 1, name.ljust(8), b" " * 40, form.ljust(8), 9, 0, 0, b"  "),
            *(b" " * 8, 0, 0, 8 * k, bytes(52)),
        )
        for k, (kind, size, name, form) in enumerate(fields)
    )

    def record(text):
        return text.ljust(80)

    def header(what, numbers):
        return record(b"HEADER RECORD*******" + what.ljust(8) + b"HEADER RECORD!!!!!!!" + numbers)

    saved = b"01JAN24:00:00:00"
    data = b"".join(of_sas(n) + of_sas(day) + of_sas(at) + town.ljust(8)[:8] for n, day, at in rows)
    return b"".join(
        [
            header(b"LIBRARY", b"0" * 30),
            record(b"SAS     SAS     SASLIB  9.4     X64".ljust(64) + saved),
            record(saved),
            header(b"MEMBER", b"000000000000000001600000000140"),
            header(b"DSCRPTR", b"0" * 30),
            record(b"SAS     TEST    SASDATA 9.4     X64".ljust(64) + saved),
            record(saved),
            header(b"NAMESTR", b"000000" + b"%04d" % len(fields) + b"0" * 20),
            names + b" " * (-len(names) % 80),
            header(b"OBS", b"0" * 30),
            data + b" " * (-len(data) % 80),
        ]
    )


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_a_transport_file_of_sas_has_its_dates_and_texts(tmp_path, encoding):
    rows = [(k, 23406 + k, 86400 * 23406 + 60 * k) for k in range(30)]
    content = transport([*rows, (None, None, None)], "Köln".encode(encoding))
    for name in ("t.xpt", "t.txt"):
        (tmp_path / name).write_bytes(content)
        frame = read_table(tmp_path / name)
        assert frame["N"].tolist()[:30] == list(range(30))
        assert frame["N"].isna().sum() == frame["DAY"].isna().sum() == 1
        assert frame["DAY"][1] == pd.Timestamp("2024-02-01")
        assert frame["AT"][1] == pd.Timestamp("2024-01-31 00:01")
        assert set(frame["TOWN"]) == {"Köln"}


@pytest.mark.parametrize("name", ["t.dta", "t.sas7bdat", "t.xpt"])
def test_options_of_texts_are_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(InputError, match="`encoding`"):
        read_table(tmp_path / name, encoding="utf-8")
