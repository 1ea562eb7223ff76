"""A job of several studies goes on where the same job was interrupted, and no other does."""

import json
import os
import signal
import time

import keras
import numpy as np
import pytest

from taut.engine import Callback, resumable
from taut.engine.resumable import current_job
from tests.engine.study import digest, record_of

pytestmark = pytest.mark.skipif(keras.backend.backend() != "jax", reason="lanes need JAX")


class Press(Callback):
    """Ctrl-C once so many epochs of lanes are done; keeps what it is told before."""

    def __init__(self, epochs=np.inf):
        self.epochs, self.notes, self.updates, self.seconds = epochs, [], 0, []

    def on_note(self, note):
        self.notes.append(note)

    def on_update(self, news):
        self.updates += 1
        self.seconds.append(news.seconds)
        if news.lane_epochs > self.epochs:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture(scope="module")
def whole():
    return record_of()


@pytest.fixture
def at_once(monkeypatch):
    """Studies are saved however short they are."""
    monkeypatch.setattr(resumable, "LEAST_SECONDS", 0.0)


def job_of(folder, callback, **options):
    with resumable.resumable(folder) as job:
        return record_of(callbacks=[callback], **options), job


def interrupted(folder, **options):
    with resumable.resumable(folder) as job, pytest.raises(KeyboardInterrupt):
        record_of(callbacks=[Press(30)], **options)
    assert current_job() is None
    return job


def test_the_same_job_goes_on_to_the_same_record_bit_for_bit(tmp_path, whole, at_once):
    job = interrupted(tmp_path / "jobs")
    assert job.left()
    told = Press()
    record, again = job_of(tmp_path / "jobs", told)
    assert digest(record) == digest(whole)
    (note,) = told.notes
    assert note.startswith("Going on where the same training was interrupted: ")
    assert again.left(), "the job may be more than this study"
    record, done = job_of(tmp_path / "jobs", Press())
    assert digest(record) == digest(whole)
    done.forget()
    assert not done.left()
    assert not os.listdir(tmp_path / "jobs")


def test_seconds_are_of_all_calls(tmp_path, at_once, monkeypatch):
    interrupted(tmp_path / "jobs")
    (file,) = (tmp_path / "jobs").iterdir()
    with np.load(file) as archive:
        saved = json.loads(str(archive["about"]))["seconds"]
    assert saved > 0
    told = Press()
    with resumable.resumable(tmp_path / "jobs") as job:
        begun, here = resumable.job_clock(), time.perf_counter()
        record_of(callbacks=[told])
        took = time.perf_counter() - here
        assert resumable.job_clock() - begun == pytest.approx(saved + took, abs=0.05)
    assert job.seconds_before == saved
    assert saved < told.seconds[0] < told.seconds[-1] < saved + took


def test_another_job_begins_anew(tmp_path, at_once, monkeypatch):
    interrupted(tmp_path)
    with resumable.resumable(tmp_path) as job:
        studies = [{"data": "a"}, {"data": "b"}, {"data": "a", "lanes": "c"}]
        saved = [job.checkpoint(lambda study=study: study) for study in studies]
    assert len({checkpoint.path for checkpoint in saved if checkpoint}) == 3
    monkeypatch.setattr(resumable, "__version__", "of another release")
    told = Press(0)
    with pytest.raises(KeyboardInterrupt):
        job_of(tmp_path, told)
    assert not told.notes


def test_a_damaged_file_is_trained_again(tmp_path, whole, at_once):
    interrupted(tmp_path)
    (file,) = tmp_path.iterdir()
    content = bytearray(file.read_bytes())
    content[len(content) // 2 :] = bytes(len(content) - len(content) // 2)
    file.write_bytes(content)
    told = Press()
    assert digest(job_of(tmp_path, told)[0]) == digest(whole)
    assert not told.notes


@pytest.mark.parametrize("limit", ["LEAST_SECONDS", "MOST_BYTES", "folder"])
def test_what_is_not_worth_it_or_cannot_be_is_not_saved(tmp_path, monkeypatch, limit):
    folder = tmp_path / "jobs"
    if limit == "folder":
        folder.write_text("a file")
    else:
        monkeypatch.setattr(resumable, "LEAST_SECONDS", 1e9 if limit == "LEAST_SECONDS" else 0.0)
        monkeypatch.setattr(resumable, "MOST_BYTES", 1)
    assert not interrupted(folder).left()
    assert limit == "folder" or not os.listdir(folder)


def test_where_it_is_kept_and_for_how_long(tmp_path, monkeypatch):
    monkeypatch.setenv("TAUT_CACHE", str(tmp_path))
    monkeypatch.setattr(resumable, "JOBS_BYTES", 100)
    folder = tmp_path / "interrupted"
    folder.mkdir()
    for name, days, size in (("old", 8, 1), ("much", 6, 70), ("new", 5, 60), ("newest", 4, 40)):
        (folder / name).write_bytes(bytes(size))
        os.utime(folder / name, (time.time() - days * 86400,) * 2)
    with resumable.resumable():
        assert set(os.listdir(folder)) == {"new", "newest"}
    monkeypatch.setenv("TAUT_CACHE", "0")
    with resumable.resumable() as job:
        assert job.checkpoint(dict) is None


def test_a_job_takes_no_more_than_it_may(tmp_path, at_once, monkeypatch):
    first = interrupted(tmp_path)
    (file,) = tmp_path.iterdir()
    monkeypatch.setattr(resumable, "MOST_BYTES", file.stat().st_size)
    monkeypatch.setattr(resumable, "__version__", "of another release")
    with resumable.resumable(tmp_path) as job:
        job._files += first._files
        with pytest.raises(KeyboardInterrupt):
            record_of(callbacks=[Press(30)])
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.slow
def test_a_table_with_all_its_studies_goes_on_to_the_same_model(tmp_path, at_once):
    import pandas as pd
    from sklearn.datasets import load_iris

    import taut

    frame = load_iris(as_frame=True).frame
    settings = {"target": "target", "quick": True, "sparse": True, "learning_curve": True}
    expected = taut.fit_table(frame, callbacks=[Callback()], **settings)

    class PressInStudy(Press):
        studies = 0

        def on_start(self, lanes, epochs):
            self.studies += 1

        def on_update(self, news):
            if self.studies == self.epochs:
                os.kill(os.getpid(), signal.SIGINT)

    files = []
    for study in (1, 3, 8):
        with resumable.resumable(tmp_path), pytest.raises(KeyboardInterrupt):
            taut.fit_table(frame, callbacks=[PressInStudy(study)], **settings)
        files.append(len(os.listdir(tmp_path)))
    assert files == [1, 3, 8]
    told = Press()
    with resumable.resumable(tmp_path) as job:
        model = taut.fit_table(frame, callbacks=[told], **settings)
    assert sum("Going on" in note for note in told.notes) == 1
    np.testing.assert_array_equal(model.predict_proba(frame), expected.predict_proba(frame))
    pd.testing.assert_frame_equal(model.run.path, expected.run.path)
    assert model.sparse is not None
    assert expected.sparse is not None
    np.testing.assert_array_equal(
        model.sparse.predict_proba(frame), expected.sparse.predict_proba(frame)
    )
    job.forget()
    assert not os.listdir(tmp_path)
