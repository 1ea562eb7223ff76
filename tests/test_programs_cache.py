"""Compiled programs are kept on disk: another process compiles nothing, unless the user says no."""

import os
import subprocess
import sys

import keras
import pytest

pytestmark = pytest.mark.skipif(keras.backend.backend() != "jax", reason="JAX compiles programs")

STUDY = """
import taut, keras, numpy as np
model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(16), keras.layers.Dense(1)])
model.compile(taut.Proximal("adam", taut.L1()), "mse")
x = np.random.default_rng(0).normal(size=(40, 3)).astype("float32")
record = taut.train_lanes(model, x, x[:, 0], [taut.engine.Lane((0.01,), 0, 0)], epochs=3)
print(record.train_loss.tolist())
"""
FOLDER = "import taut, jax; print(jax.config.jax_compilation_cache_dir)"


def run(code, **environment):
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("TAUT", "JAX", "XDG"))}
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", code],
        env={**kept, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    assert not done.stderr
    return done.stdout.strip()


def test_a_second_process_compiles_nothing_and_computes_the_same(tmp_path):
    def programs():  # what compiles within hundredths of a second is kept or not
        return {path.name for path in tmp_path.rglob("*shard*-cache")}

    first = run(STUDY, TAUT_CACHE=str(tmp_path))
    compiled = programs()
    assert compiled
    assert run(STUDY, TAUT_CACHE=str(tmp_path)) == first
    assert programs() == compiled
    assert run(STUDY, TAUT_CACHE="0") == first


@pytest.mark.slow
def test_the_folder_is_the_users_own_choice(tmp_path):
    assert run(FOLDER, XDG_CACHE_HOME=str(tmp_path)).startswith(str(tmp_path / "taut"))
    assert run(FOLDER, TAUT_CACHE="0", XDG_CACHE_HOME=str(tmp_path)) == "None"
    mine = str(tmp_path / "mine")
    assert run(FOLDER, JAX_COMPILATION_CACHE_DIR=mine, XDG_CACHE_HOME=str(tmp_path)) == mine
    assert run("import jax; " + FOLDER, TAUT_CACHE=mine).startswith(mine)
    told = "import jax; jax.config.update('jax_compilation_cache_dir', '/own'); " + FOLDER
    assert run(told, TAUT_CACHE=mine) == "/own"


def test_where_nothing_can_be_written_nothing_is_kept(tmp_path):
    (tmp_path / "file").write_text("")
    assert run(FOLDER, TAUT_CACHE=str(tmp_path / "file")) == "None"


def test_the_oldest_beyond_the_bound_go_once_a_day(tmp_path):
    from taut._backend import DAY, _remove_oldest

    for age, name in enumerate("abcd"):
        (tmp_path / name).write_bytes(bytes(100))
        os.utime(tmp_path / name, (1e9 - age, 1e9 - age))
    _remove_oldest(tmp_path, most=250)
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b", "looked-through"}
    _remove_oldest(tmp_path, most=0)
    assert (tmp_path / "a").exists()
    before = (tmp_path / "looked-through").stat().st_mtime - DAY
    os.utime(tmp_path / "looked-through", (before, before))
    _remove_oldest(tmp_path, most=0)
    assert {path.name for path in tmp_path.iterdir()} == {"looked-through"}
