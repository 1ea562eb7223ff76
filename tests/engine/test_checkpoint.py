"""A study is never lost: killed at any moment it goes on, and ends with the same record."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest

import taut
from taut.engine import Callback
from taut.engine.checkpoint.archive import Checkpoint
from taut.errors import InputError
from tests.conftest import some_slow
from tests.engine.crash import StopAfter
from tests.engine.study import digest, record_of

pytestmark = pytest.mark.skipif(keras.backend.backend() != "jax", reason="lanes need JAX")

STUDY = Path(__file__).with_name("study.py")


@pytest.fixture(scope="module")
def whole():
    return record_of()


@pytest.mark.parametrize("looks", some_slow([1, 2, 3], (2,)))
def test_a_study_that_crashed_goes_on_to_the_same_record_bit_for_bit(tmp_path, whole, looks):
    file = tmp_path / "study.npz"
    with pytest.raises(RuntimeError, match="crash"):
        record_of(file, callbacks=[StopAfter(looks)])
    before = os.listdir(tmp_path)
    assert before == ["study.npz"]
    again = record_of(file)
    assert digest(again) == digest(whole)
    # Once it has ended, the call returns the record and trains nothing.
    assert digest(record_of(file, callbacks=[StopAfter(2)])) == digest(whole)


@pytest.mark.slow
def test_patience_groups_and_parked_lanes_survive(tmp_path):
    expected = record_of(epochs=24, patience=3)
    file = tmp_path / "study.npz"
    for looks in (2, 3, 2):
        with pytest.raises(RuntimeError, match="crash"):
            record_of(file, epochs=24, patience=3, callbacks=[StopAfter(looks)])
    assert digest(record_of(file, epochs=24, patience=3)) == digest(expected)


@pytest.mark.slow
def test_kill_9_loses_nothing(tmp_path, whole):
    file = tmp_path / "study.npz"
    command = [sys.executable, str(STUDY), str(file), "30", "1"]
    for _ in range(2):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 120
        first = file.stat().st_mtime_ns if file.exists() else 0
        while process.poll() is None and time.monotonic() < deadline:
            if file.exists() and file.stat().st_mtime_ns != first:
                break
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    out = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    assert out.split()[0] == digest(whole)


def test_ctrl_c_finishes_the_epoch_and_saves(tmp_path, whole):
    class Press(Callback):
        def on_update(self, news):
            if news.lane_epochs > 30:
                os.kill(os.getpid(), signal.SIGINT)

    file = tmp_path / "study.npz"
    with pytest.raises(KeyboardInterrupt):
        record_of(file, seconds=1e9, callbacks=[Press()])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert file.exists()
    assert digest(record_of(file, seconds=1e9)) == digest(whole)


def test_a_request_to_terminate_that_is_handled_saves_too(tmp_path, whole):
    class Terminate(Callback):
        def on_update(self, news):
            if news.lane_epochs > 30:
                os.kill(os.getpid(), signal.SIGTERM)

    def handler(number, frame):
        raise SystemExit(128 + number)

    file = tmp_path / "study.npz"
    before = signal.signal(signal.SIGTERM, handler)
    try:
        with pytest.raises(SystemExit, match="143"):
            record_of(file, seconds=1e9, callbacks=[Terminate()])
        assert signal.getsignal(signal.SIGTERM) is handler
    finally:
        signal.signal(signal.SIGTERM, before)
    assert digest(record_of(file, seconds=1e9)) == digest(whole)


def test_ctrl_c_at_the_very_end_is_not_swallowed(tmp_path, monkeypatch):
    save = Checkpoint.save

    def pressed(self, *parts):
        os.kill(os.getpid(), signal.SIGINT)
        save(self, *parts)

    monkeypatch.setattr(Checkpoint, "save", pressed)
    with pytest.raises(KeyboardInterrupt):
        record_of(tmp_path / "study.npz", epochs=4, seconds=1e9)


def test_studies_that_only_look_alike_are_told_apart():
    from taut.engine.checkpoint.identity import identity_of

    def identity(loss="mse", second=0):
        a, b = keras.Input((3,)), keras.Input((3,))
        c = keras.layers.Dense(3)(a)
        model = keras.Model([a, b], keras.layers.Add()([c, (a, b)[second]]))
        model.compile(taut.Proximal("adam", taut.L1()), loss)
        return identity_of(model, [], [], [], {}, devices=1)

    def loss_of(power):
        return lambda y, prediction: keras.ops.mean(keras.ops.abs(y - prediction) ** power, -1)

    assert identity() == identity()
    assert identity(loss_of(2)) == identity(loss_of(2))
    assert identity(loss_of(2))["loss"] != identity(loss_of(3))["loss"]
    assert identity(lambda y, p: y - p)["loss"] != identity(lambda y, p: p - y)["loss"]
    assert identity()["model"] != identity(second=1)["model"]


def test_what_an_optimizer_leaves_out_of_its_decay_belongs_to_it():
    from taut.engine.checkpoint.identity import identity_of, program_key, study_key

    def keys(decay, **excluded):
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), keras.layers.Dense(1)])
        optimizer = keras.optimizers.AdamW(weight_decay=decay)
        if excluded:
            optimizer.exclude_from_weight_decay(**excluded)
        model.compile(optimizer, "mse")
        identity = identity_of(model, [], [], [], {}, devices=1)["optimizer or penalty"]
        return identity, program_key(model), study_key(model, None)

    whole, named, again = keys(0.1), keys(0.1, var_names=["bias"]), keys(0.1, var_names=["bia"])
    assert all(a != b for a, b in zip(whole, named, strict=True))
    assert named == again  # the same weights by another pattern, and under other names
    assert keys(0.0, var_names=["bias"]) == keys(0.0)


def test_lanes_without_a_seed_get_the_streams_of_the_process_that_began(tmp_path, diabetes):
    def study(stream, **settings):
        model = keras.Sequential(
            [keras.Input((10,)), keras.layers.Dropout(0.5), keras.layers.Dense(1)]
        )
        model.compile(taut.Proximal("adam", taut.L1()), "mse")
        model.set_weights([np.full((10, 1), 0.1), np.zeros(1)])
        model.non_trainable_variables[0].assign([0, stream])
        lanes = [taut.engine.Lane((0.01 * k,), 0, None) for k in range(4)]
        return taut.train_lanes(
            model, *diabetes, lanes, epochs=4, width=1, checkpoint_seconds=0, **settings
        )

    file = tmp_path / "study.npz"
    with pytest.raises(RuntimeError, match="crash"):
        study(1, checkpoint=file, callbacks=[StopAfter(2)])
    assert digest(study(2, checkpoint=file)) == digest(study(1))


@pytest.mark.parametrize("seconds", ["60", -1, True, float("nan")])
def test_seconds_are_checked_before_any_work(tmp_path, seconds):
    with pytest.raises(InputError, match="`checkpoint_seconds` must be a finite number"):
        record_of(tmp_path / "study.npz", seconds=seconds)


@pytest.mark.parametrize("damage", ["short", "bit", "empty", "other"])
def test_a_damaged_checkpoint_is_told_and_kept(tmp_path, damage):
    file = tmp_path / "study.npz"
    record_of(file, epochs=4)
    good = bytearray(file.read_bytes())
    assert len(good) > 9000
    if damage == "short":
        good = good[: len(good) // 2]
    elif damage == "bit":
        good[len(good) // 3] ^= 1
    else:
        good = bytearray(b"" if damage == "empty" else b"not an archive")
    file.write_bytes(good)
    with pytest.raises(InputError, match="A checkpoint must be whole"):
        record_of(file, epochs=4)
    assert file.read_bytes() == bytes(good)


def test_a_checkpoint_of_another_study_names_what_differs(tmp_path, diabetes):
    file = tmp_path / "study.npz"
    record_of(file, epochs=4)
    says = r"of a study with other lanes, settings\. .* is a folder, all that the study wrote there"
    with pytest.raises(InputError, match=says):
        record_of(file, epochs=6)
    with pytest.raises(InputError, match="of a study with other settings\\."):
        record_of(file, epochs=4, patience=2)
    x, y = diabetes
    model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(1)])
    model.compile(taut.Proximal("sgd", taut.L1()), loss="mae")
    with pytest.raises(InputError, match="other model, optimizer or penalty, loss, lanes, splits"):
        taut.train_lanes(model, x, y, [taut.engine.Lane((0.1,))], checkpoint=file)


def test_a_place_that_cannot_be_written_is_told_before_any_work(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="does not exist"):
        record_of(tmp_path / "no" / "study.npz")
    with pytest.raises(InputError, match="is a folder"):
        record_of(tmp_path)

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.NamedTemporaryFile", refuse)
    with pytest.raises(InputError, match="cannot be written \\(Permission denied\\)"):
        record_of(tmp_path / "study.npz")


def test_a_full_disk_is_told_and_the_study_goes_on(tmp_path, whole, monkeypatch):
    file = tmp_path / "study.npz"
    replace, calls = os.replace, []

    def full(new, place):
        calls.append(1)
        if 2 <= len(calls) <= 4:
            raise OSError(28, "No space left on device")
        replace(new, place)

    monkeypatch.setattr(os, "replace", full)
    with pytest.warns(RuntimeWarning, match="No space left on device.*The study goes on"):
        record = record_of(file)
    assert digest(record) == digest(whole)
    assert len(calls) > 4
    monkeypatch.undo()
    assert digest(record_of(file, callbacks=[StopAfter(2)])) == digest(whole)


def test_a_write_that_fails_leaves_the_last_checkpoint_whole(tmp_path, monkeypatch):
    file = tmp_path / "study.npz"
    record_of(file, epochs=4)
    before = file.read_bytes()

    def half(handle, **arrays):
        handle.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", half)
    with pytest.warns(RuntimeWarning, match="No space left"):
        record_of(file, epochs=4)
    assert file.read_bytes() == before
    assert os.listdir(tmp_path) == ["study.npz"]


def test_types_that_numpy_does_not_know_are_kept(tmp_path):
    import jax.numpy as jnp

    from taut.engine.checkpoint.archive import Checkpoint
    from taut.engine.lanes import Lane
    from taut.engine.ledger import Ledger
    from taut.engine.state import LaneState

    ledger = Ledger([Lane(), Lane()], 2)
    weights = np.asarray(jnp.arange(6, dtype=jnp.bfloat16).reshape(2, 3))
    ledger.kept = {1: ([weights], [np.float32(3)])}
    variables = [weights], [np.float32(3)], (np.int32(4),)
    state = LaneState.fresh(variables, split=0, target=0)
    saved = Checkpoint(tmp_path / "a.npz", 0, {"model": "x"})
    saved.save(ledger, {0: state}, {"n": 1})
    other = Ledger([Lane(), Lane()], 2)
    assert Checkpoint(tmp_path / "a.npz", 0, {"model": "x"}).load(other, state) == {"n": 1}
    (kept,), (number,) = other.kept[1]
    assert kept.dtype == weights.dtype
    np.testing.assert_array_equal(kept, weights)
    assert number == 3
    assert isinstance(other.states[0].variables[2], tuple)
    np.testing.assert_array_equal(other.states[0].variables[0][0], weights)


def test_a_path_goes_on_where_it_was(tmp_path, diabetes):
    def path(**settings):
        keras.utils.set_random_seed(int(np.random.default_rng().integers(1000)))  # another process
        model = keras.Sequential(
            [keras.Input((10,)), keras.layers.Dense(6, activation="tanh"), keras.layers.Dense(1)]
        )
        model.compile("adam", loss="mse")
        return taut.regularization_path(
            model, *diabetes, strengths=4, cv=2, epochs=12, checkpoint_seconds=0, **settings
        )

    expected = path()
    for looks in (2, 4):  # the first among the pilot lanes
        with pytest.raises(RuntimeError, match="crash"):
            path(checkpoint=tmp_path / "run", callbacks=[StopAfter(looks)])
    found = path(checkpoint=tmp_path / "run")
    assert found.table.equals(expected.table)
    assert sorted(os.listdir(tmp_path / "run")) == ["lanes.npz", "range.npz"]


def test_an_ignored_ctrl_c_stays_ignored(tmp_path, whole):
    """As in a script's background job: Ctrl-C is meant for the script."""

    class Press(Callback):
        def on_update(self, news):
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        record = record_of(tmp_path / "study.npz", seconds=1e9, callbacks=[Press()])
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    assert digest(record) == digest(whole)
