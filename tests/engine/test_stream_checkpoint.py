"""A streamed study is never lost, also within a pass; and it tells how far it is."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from taut.engine import (
    ArraySource,
    Callback,
    DatasetSource,
    ParquetRows,
    block_slots,
    loop,
)
from taut.engine.data.fold_batches import training_rows
from taut.errors import InputError
from tests.conftest import some_slow
from tests.engine.crash import StopAfter
from tests.engine.stream_study import BLOCKS, data, record_of
from tests.engine.study import digest

pytestmark = pytest.mark.skipif(keras.backend.backend() != "jax", reason="lanes need JAX")

STUDY = Path(__file__).with_name("stream_study.py")
EPOCH = 2 * BLOCKS  # one pass trains, one measures


@pytest.fixture(scope="module")
def whole():
    return digest(record_of())


@pytest.fixture
def told_at_each_block(monkeypatch):
    monkeypatch.setattr(loop, "SECONDS_OF_SILENCE", 0.0)


class Torn(ArraySource):
    """Cannot be read any more after so many pieces."""

    left = 10**9

    def pieces(self, part, rows):
        self.left -= 1
        if self.left < 0:
            raise OSError("the disk is gone")
        yield from super().pieces(part, rows)


# In the first block, at the end of a pass, while measuring, and after lanes have left the devices.
@pytest.mark.parametrize(
    "looks", some_slow([0, 1, BLOCKS, BLOCKS + 3, EPOCH + 2, 6 * EPOCH + 4], (1,))
)
def test_a_study_that_crashed_goes_on_to_the_same_record_bit_for_bit(
    tmp_path, whole, told_at_each_block, looks
):
    file = tmp_path / "study.npz"
    with pytest.raises(RuntimeError, match="crash"):
        record_of(file, callbacks=[StopAfter(looks)])
    assert os.listdir(tmp_path) == (["study.npz"] if looks else [])
    assert digest(record_of(file)) == whole
    # Once it has ended, the call returns the record and trains nothing.
    assert digest(record_of(file, callbacks=[StopAfter(0)])) == whole


def test_many_crashes_on_the_way(tmp_path, whole, told_at_each_block):
    file, crashes = tmp_path / "study.npz", 0
    while True:
        try:
            record = record_of(file, callbacks=[StopAfter(9)])
            break
        except RuntimeError:
            crashes += 1
    assert crashes > 8
    assert digest(record) == whole


@pytest.mark.parametrize("pieces", [5, 40, 70])
def test_a_reader_that_fails_loses_nothing(tmp_path, whole, pieces):
    file, source = tmp_path / "study.npz", Torn(*data())
    source.left = pieces + 1
    with pytest.raises(OSError, match="the disk is gone"):
        record_of(file, source=source)
    source.left = 10**9
    assert digest(record_of(file, source=source)) == whole


def test_what_is_done_of_a_pass_is_not_trained_on_again(tmp_path, monkeypatch, told_at_each_block):
    file, calls = tmp_path / "study.npz", []

    def counted(*args):
        calls.append(1)
        return training_rows(*args)

    monkeypatch.setattr(block_slots, "training_rows", counted)
    record_of(epochs=1)
    assert len(calls) == BLOCKS
    with pytest.raises(RuntimeError, match="crash"):
        record_of(file, epochs=1, callbacks=[StopAfter(4)])  # four blocks are saved
    calls.clear()
    record_of(file, epochs=1)
    assert len(calls) == BLOCKS - 4


@pytest.mark.slow
def test_kill_9_loses_nothing(tmp_path, whole):
    file = tmp_path / "study.npz"
    root = Path(__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": str(root)}
    command = [sys.executable, str(STUDY), str(file)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)
    deadline, first, seen = time.monotonic() + 120, None, 0
    while process.poll() is None and time.monotonic() < deadline and seen < 5:
        now = file.stat().st_mtime_ns if file.exists() else None
        seen, first = seen + (now != first), now
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert digest(record_of(file)) == whole


def test_ctrl_c_finishes_the_block_and_saves(tmp_path, whole, told_at_each_block):
    class Press(Callback):
        looks = 0

        def on_update(self, news):
            self.looks += 1
            if self.looks == EPOCH + 3:
                os.kill(os.getpid(), signal.SIGINT)

    file, press = tmp_path / "study.npz", Press()
    with pytest.raises(KeyboardInterrupt):
        record_of(file, seconds=1e9, callbacks=[press])
    assert press.looks == EPOCH + 3
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with np.load(file) as archive:  # in the second epoch, after a block
        assert json.loads(str(archive["about"]))["numbers"]["position"]["blocks"] == 2
    assert digest(record_of(file, seconds=1e9)) == whole


def test_another_study_a_damaged_file_and_a_bad_place_are_told(tmp_path):
    file = tmp_path / "study.npz"
    record_of(file, epochs=2)
    x, y = data()
    with pytest.raises(InputError, match="of a study with other settings\\."):
        record_of(file, epochs=2, fold_seed=1)
    for source in (
        ArraySource(x[:-1], y[:-1]),
        ArraySource(x + (np.arange(442) == 441)[:, None], y),
    ):
        with pytest.raises(InputError, match="of a study with other data\\."):
            record_of(file, epochs=2, source=source)
    good = file.read_bytes()
    file.write_bytes(good[: len(good) // 2])
    with pytest.raises(InputError, match="A checkpoint must be whole"):
        record_of(file, epochs=2)
    with pytest.raises(InputError, match="does not exist"):
        record_of(tmp_path / "no" / "study.npz")


def test_parquet_files_are_told_apart_by_names_sizes_and_rows(tmp_path):
    x, y = data()
    (tmp_path / "rows").mkdir()

    def write(group):
        for k in range(2):
            part = slice(221 * k, 221 * (k + 1))
            columns = {f"x{j}": x[part, j] for j in range(10)} | {"y": y[part]}
            place = tmp_path / "rows" / f"{k}.parquet"
            pq.write_table(pa.table(columns), place, row_group_size=group)
        return ParquetRows(tmp_path / "rows", target="y")

    file = tmp_path / "study.npz"
    expected = digest(record_of(file, epochs=1, source=write(100)))
    (tmp_path / "rows").rename(tmp_path / "moved")  # the same files elsewhere
    moved = ParquetRows(tmp_path / "moved", target="y")
    assert digest(record_of(file, epochs=1, source=moved, callbacks=[StopAfter(0)])) == expected
    (tmp_path / "rows").mkdir()
    with pytest.raises(InputError, match="of a study with other data\\."):
        record_of(file, epochs=1, source=write(110))


class Batches(keras.utils.PyDataset):
    def __init__(self):
        super().__init__()
        self.data = data()

    def __len__(self):
        return 14

    def __getitem__(self, i):
        return tuple(a[i * 32 : (i + 1) * 32] for a in self.data)


@pytest.mark.parametrize("known", [True, False])
def test_callbacks_are_told_within_an_epoch(told_at_each_block, known):
    class Log(Callback):
        def __init__(self):
            self.news = []

        def on_update(self, news):
            self.news.append(news)

    log = Log()
    source = ArraySource(*data()) if known else DatasetSource(Batches())
    record_of(epochs=2, source=source, patience=None, callbacks=[log])
    done = [news.lane_epochs for news in log.news]
    assert done == sorted(done)
    assert log.news[-1].seconds_left == 0
    first = [int(9 * k / EPOCH) for k in range(1, EPOCH + 1)]
    if not known:  # how many rows there are is known once they were read
        first[: BLOCKS - 1] = [0] * (BLOCKS - 1)
        assert log.news[0].seconds_left is None
        first[BLOCKS - 1] = 0
    else:
        assert log.news[0].seconds_left > 0
    assert done[:EPOCH] == first
