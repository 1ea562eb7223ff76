"""What is there is only gone when the new is in its place."""

import os

import pytest

from taut.errors import InputError
from taut.files import put_in_place, replace_file, whole_folder


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

    monkeypatch.setattr("taut.files.os.rename", fail)
    with pytest.raises(OSError, match="Input/output"):
        put_in_place(new, place, old)
    monkeypatch.undo()
    assert (place / "file").read_text() == "place"
    assert put_in_place(new, place, old)
    assert [(path / "file").read_text() for path in (place, old)] == ["new", "place"]
    place.rename(new)
    assert not put_in_place(new, place, tmp_path / "none")


def test_a_file_is_replaced_by_all_of_the_new_or_not_at_all(tmp_path):
    path = tmp_path / "study[1].npz"
    stale, other = tmp_path / f".{path.name}.0.tmp", tmp_path / ".study1.npz.0.tmp"
    for file in (stale, other):
        file.write_bytes(b"half")
    replace_file(path, lambda file: file.write(b"old"))
    assert path.read_bytes() == b"old"
    assert path.stat().st_mode == other.stat().st_mode  # as any other file is made

    def fail(file):
        file.write(b"new")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replace_file(path, fail)
    assert path.read_bytes() == b"old"
    assert {file.name for file in tmp_path.iterdir()} == {path.name, other.name}


def test_what_others_put_into_a_folder_stays_where_ours_is_named(tmp_path):
    place = tmp_path / "model"
    (place / "plots").mkdir(parents=True)
    (place / "plots" / "a.html").write_text("mine")
    for name in ("model.keras", "former.json", "notes.txt"):
        (place / name).write_text("old")
    with whole_folder(place, ours=("model.keras", "former.json")) as new:
        (new / "model.keras").write_text("new")
    found = {path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()}
    assert found == {"model.keras", "notes.txt", "plots/a.html"}
    assert (place / "model.keras").read_text() == "new"
    with whole_folder(place, ours=("model.keras", "notes.txt", "plots")) as new:
        (new / "model.keras").write_text("newer")
    assert [path.name for path in tmp_path.rglob("*")] == ["model", "model.keras"]


def test_what_a_link_leads_to_is_replaced(tmp_path):
    real, link = tmp_path / "real", tmp_path / "latest"
    real.mkdir()
    (real / "notes").write_text("mine")
    link.symlink_to(real)
    with whole_folder(link, ours=("file",)) as new:
        (new / "file").write_text("new")
    assert link.is_symlink()
    assert {path.name: path.read_text() for path in real.iterdir()} == {
        "notes": "mine",
        "file": "new",
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == ["latest", "real"]


@pytest.mark.parametrize("below", ["new", "new/newer"])
def test_no_folder_is_made_below_a_file(tmp_path, below):
    (tmp_path / "file").write_text("mine")
    with (
        pytest.raises(InputError, match="above which there is a file"),
        whole_folder(tmp_path / "file" / below, ours=()),
    ):
        pass
    assert (tmp_path / "file").read_text() == "mine"
