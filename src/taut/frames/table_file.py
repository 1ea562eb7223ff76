"""What a file with a table is, by its name and its first bytes, and how it is opened."""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

from taut.errors import InputError
from taut.frames.unpacking import Unpacked
from taut.frames.zip_file import only_table, open_member

TEXT, JSON, PARQUET, ARROW, EXCEL, STATA, SAS = (
    "a text file",
    "a JSON file",
    "a Parquet file",
    "an Arrow file",
    "an Excel file",
    "a Stata file",
    "a SAS file",
)
_KINDS = {
    ".csv": TEXT,
    ".tsv": TEXT,
    ".txt": TEXT,
    ".tab": TEXT,
    ".psv": TEXT,
    ".dat": TEXT,
    ".data": TEXT,
    ".json": JSON,
    ".jsonl": JSON,
    ".ndjson": JSON,
    ".parquet": PARQUET,
    ".pq": PARQUET,
    ".feather": ARROW,
    ".arrow": ARROW,
    ".xlsx": EXCEL,
    ".xlsm": EXCEL,
    ".dta": STATA,
    ".sas7bdat": SAS,
    ".xpt": SAS,
}
_ZIP = ".zip"
_PACKINGS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
NAMES = (
    ".csv, .tsv, .txt, .tab, .psv, .dat, .data, .json, .jsonl or .ndjson (also with .gz, .bz2 or "
    ".xz), .parquet, .pq, "
    ".feather, .arrow, .xlsx, .xlsm, .dta, .sas7bdat, .xpt, or .zip"
)
_HEAD = 512
_MOST = 10_000  # files of a folder that are looked at
_ZIP_HEADS = (b"PK\x03\x04", b"PK\x05\x06")
# No text begins so: a column may be called PAR1 or FEA1, but no control character is in its name.
_PACKED = {b"\x1f\x8b": ".gz", rb"BZh[1-9]1AY&SY": ".bz2", b"\xfd7zXZ\0": ".xz"}
_HEADS = {
    rb"PAR1[\0-\x08\x0e-\x1f]": PARQUET,
    b"ARROW1\0": ARROW,
    b"\xff{4}": ARROW,
    b"<stata_dta>": STATA,
    rb"[\x6c-\x73][\x01\x02]\x01\0": STATA,
    rb"\0{12}\xc2\xea\x81`": SAS,
    rb"HEADER RECORD\*": SAS,
}
# What often bears the name of a table and is none that can be read.
_OTHERS = {
    b"\xd0\xcf\x11\xe0": "an Excel file of the old kind (.xls), or one with a password",
    b"FEA1\0": "a Feather file of the old kind",
    b"%PDF-": "a PDF",
    b"SQLite format 3\0": "an SQLite database",
    b"\x89HDF": "an HDF5 file",
    rb"(\xef\xbb\xbf)?\s*(?i:<!doctype html|<html|<table|<head)": "a web page",
    rb"(\xef\xbb\xbf)?\s*<\?xml": "an XML file",
    rb"\$FL[23]@": "an SPSS file",
    rb"ORC[\0-\x08\x0e-\x1f]": "an ORC file",
    b"Obj\x01": "an Avro file",
    b"\x93NUMPY": "a NumPy array",
    rb"\x80[\x02-\x05][\x95c}\]]": "a Python pickle",
    rb"(RD[AX][23]\n)?[XAB]\n\0\0\0": "an R data file",
    rb"(?s)(%[^\n]*\n|\s)*@(?i:relation)\s": "an ARFF file",
    b"\\{\\\\rtf": "a text document",
    rb"\x89PNG|\xff\xd8\xff|GIF8": "a picture",
    rb"\x28\xb5\x2f\xfd": "packed by Zstandard",
    rb"7z\xbc\xaf": "a 7z archive",
    rb"Rar!\x1a": "a RAR archive",
    rb"(?s).{257}ustar": "a tar archive",
    rb"version https://git-lfs\.": "the pointer that Git LFS has in place of the file",
}
# What reads a file of another kind, by the end of its name.
_READERS = {
    ".xls": "read_excel",
    ".xlsb": "read_excel",
    ".ods": "read_excel",
    ".sav": "read_spss",
    ".zsav": "read_spss",
    ".por": "read_spss",
    ".orc": "read_orc",
    ".xml": "read_xml",
    ".h5": "read_hdf",
    ".hdf5": "read_hdf",
    ".pkl": "read_pickle",
    ".pickle": "read_pickle",
}
_OBJECT = rb'(\xef\xbb\xbf)?\s*(\[\s*)?\{\s*"'


@dataclass(frozen=True)
class TableFile:
    """A file with a table, perhaps packed.

    Args:
        path: the file.
        kind: what is in it: TEXT, JSON, PARQUET, ARROW, EXCEL, STATA or SAS.
        name: what the table itself is called, without what it is packed in.
        member: the table's full name in a zip archive; "" where the file is none.
        packing: `.gz`, `.bz2` or `.xz` where it is packed so, else "".
        notes: what was decided that could be otherwise, in sentences.
    """

    path: Path
    kind: str
    name: str
    member: str = ""
    packing: str = ""
    notes: tuple[str, ...] = ()

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """The table's own bytes, unpacked as they are read."""
        with _opened(self.path, self.member, self.packing) as file:
            yield file

    def __str__(self) -> str:
        """The file as messages call it, in quotes."""
        inner = f" ({self.member!r} in it)" if self.member else ""
        return f"{str(self.path)!r}{inner}"


@contextmanager
def libraries() -> Iterator[None]:
    """Makes one kind of error, ValueError, of whatever a library raises for a damaged file."""
    try:
        yield
    except (InputError, MemoryError):
        raise
    except Exception as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error


def find_table(path: Path) -> TableFile:
    """Says what a file is. Its first bytes decide where they are beyond doubt, else its name.

    Args:
        path: the file, whose name must be one of a table; upper case does not matter.

    Raises:
        InputError: it is not called like a table, is not there, or is known to be none.
        OSError, zipfile.BadZipFile: it cannot be read, or is not packed as its name says.
    """
    if path.is_dir():
        raise InputError(_folder(path))
    if not _is_address(path) and _suffix(path.name)[0] is None and path.suffix.lower() != _ZIP:
        reader = _READERS.get(path.suffix.lower())
        with_it = " after `pip install pyreadstat`" if reader == "read_spss" else ""
        how = f' (`pandas.{reader}(path).to_parquet("table.parquet")`{with_it})' if reader else ""
        raise InputError(
            f"The name of a table ends in one of {NAMES}. Received: {str(path)!r}. "
            f"Save the table in one of these formats{how}, or rename the file."
        )
    if not path.exists():
        raise InputError(f"There is no file {str(path)!r}. {_MISSING[_is_address(path)]}")
    name, member, packing = path.name, "", ""
    head = _head(path, "", "")
    zipped = head.startswith(_ZIP_HEADS)
    if (zipped and not _workbook(path, "", "")) or (not zipped and path.suffix.lower() == _ZIP):
        member = only_table(path, lambda inner: _suffix(inner)[0] is not None)
        name = member.rpartition("/")[2]
        head = _head(path, member, "")
    named, packed = _suffix(name)
    packing = _first(_PACKED, head) or packed
    if packing:
        head = _head(path, member, packing)
    kind = _kind(path, head, member, packing) or named or TEXT
    notes = ()
    if named is not None and kind != named:
        notes = (f"The file is {kind}, which its name does not say.",)
    if packed and packed == packing:
        name = name[: -len(packed)]
    return TableFile(path, kind, name, member, packing, notes)


_MISSING = ("Check the path.", "It is an address: download the file, and give that.")


def _is_address(path: Path) -> bool:
    """Whether a path is the address of something on another machine; C:/ is none."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", path.as_posix()) is not None


def _folder(path: Path) -> str:
    """What to do with a folder, such as Spark writes: its parts need not fit together."""
    parts = sorted(str(p.relative_to(path)) for p in islice(path.rglob("*"), _MOST) if _is_part(p))
    named = ", ".join(map(repr, parts[:3])) + (", …" if parts[3:] else "")
    held = (
        f"a folder with {len(parts)} table{'s' * (len(parts) > 1)}: {named}"
        if parts
        else "a folder without a table"
    )
    remedy = "Give the file that is the table"
    if len(parts) > 1:
        reads = "read_parquet" if parts[0].lower().endswith((".parquet", ".pq")) else "read_csv"
        remedy += (
            f", or make one file of all, such as by `pandas.concat(map(pandas.{reads}, files))"
            '.to_parquet("all.parquet")`'
        )
    return f"A table is one file. Received: {str(path)!r}, {held}. {remedy}."


def _is_part(path: Path) -> bool:
    """Whether a file is a table, and none that is hidden or marks success."""
    return path.name[0] not in "._" and path.is_file() and _suffix(path.name)[0] is not None


def _suffix(name: str) -> tuple[str | None, str]:
    """What a name says that a file is, and that it is packed in; None and "" for nothing."""
    lower = name.lower()
    packing = next((k for k in _PACKINGS if lower.endswith(k)), "")
    kind = _KINDS.get(Path(lower.removesuffix(packing)).suffix)
    return (None, "") if packing and kind not in (TEXT, JSON) else (kind, packing)


def _kind(path: Path, head: bytes, member: str, packing: str) -> str | None:
    """What the first bytes show, None where they show nothing."""
    if head.startswith(_ZIP_HEADS):
        if _workbook(path, member, packing):
            return EXCEL
        raise InputError(
            f"A file with a table holds the table itself. Received: {str(path)!r}, with a zip "
            "archive inside. Unpack it, and give the table."
        )
    if other := _first(_OTHERS, head):
        raise InputError(
            f"The file must be a table, of a kind that can be read. Received: {str(path)!r}, "
            f"which is {other}. Save the table as CSV, Parquet or .xlsx."
        )
    return JSON if re.match(_OBJECT, head) else _first(_HEADS, head)


def _first(marks: dict[bytes, str], head: bytes) -> str | None:
    return next((what for mark, what in marks.items() if re.match(mark, head)), None)


def _head(path: Path, member: str, packing: str) -> bytes:
    with _opened(path, member, packing) as file:
        return file.read(_HEAD)


def _workbook(path: Path, member: str, packing: str) -> bool:
    """Whether a zip archive is an Excel file."""
    with _opened(path, member, packing) as file, zipfile.ZipFile(file) as archive:
        return "xl/workbook.xml" in archive.namelist()


@contextmanager
def _opened(path: Path, member: str, packing: str) -> Iterator[IO[bytes]]:
    with ExitStack() as stack:
        file: Any = stack.enter_context(open_member(path, member) if member else path.open("rb"))
        if packing:
            file = stack.enter_context(_PACKINGS[packing](file, "rb"))
        if packing or member:
            file = Unpacked(file, path)
        yield file
