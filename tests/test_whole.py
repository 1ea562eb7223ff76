"""What is there is only gone when the new is in its place."""

import os

import pytest

from taut._whole import put_in_place


def test_a_rename_that_fails_brings_back_what_was_there(tmp_path, monkeypatch):
    new, place, old = (tmp_path / name for name in ("new", "place", "old"))
    for path in (new, place):
        path.mkdir()
        (path / "file").write_text(path.name)
    rename = os.rename

    def fail(source, target):
        if source == new:
            raise OSError(5, "Input/output error")
        rename(source, target)

    monkeypatch.setattr("taut._whole.os.rename", fail)
    with pytest.raises(OSError, match="Input/output"):
        put_in_place(new, place, old)
    monkeypatch.undo()
    assert (place / "file").read_text() == "place"
    assert put_in_place(new, place, old)
    assert [(path / "file").read_text() for path in (place, old)] == ["new", "place"]
    place.rename(new)
    assert not put_in_place(new, place, tmp_path / "none")
