"""What is told of a table in any of these tests is known in Chinese."""

import pytest

from taut.catalogue import catalogue
from taut.frames import read
from taut.frames.as_frame import NOTES
from taut.frames.schema import Schema


@pytest.fixture(autouse=True)
def _known_in_chinese(monkeypatch):
    told = set()
    made, found, table = Schema.__init__, read.find_table, read._read

    def init(schema, *args, **kwargs):
        made(schema, *args, **kwargs)
        told.update(schema.notes, schema.warnings, [schema.reason])
        told.update(word for c in schema.columns for word in (c.kind, c.reason))

    def find(*args):
        file = found(*args)
        told.update(file.notes)
        return file

    def read_table(*args):
        frame = table(*args)
        told.update(frame.attrs.get(NOTES, ()))
        return frame

    monkeypatch.setattr(Schema, "__init__", init)
    monkeypatch.setattr(read, "find_table", find)
    monkeypatch.setattr(read, "_read", read_table)
    yield
    say = catalogue("zh")
    assert not [sentence for sentence in told if not say.knows(sentence)]
