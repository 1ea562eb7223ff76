"""16 lanes over 2 GB of rows: streamed once for all lanes, and as 16 Keras fits.

    pip install -e . && python benchmarks/stream.py [--gigabytes 2]

5 million rows of 100 float32 inputs, 100→64→64→1, batch 256, one epoch; 4 strengths × 4 folds,
with the held-out loss; 256 MB for rows and lanes.

* memory map, Parquet: `train_streamed`, compilation apart; seconds, rows a second (each is read
  once to train and once to measure) and the peak growth of resident memory, sampled each 10 ms;
* Keras: `fit` and `evaluate` over a `PyDataset` of the same memory map, on a twentieth of the
  batches, scaled to all of them and to 16 fits. Its batches leave nothing out, so it is given the
  work of 3/4 of the rows to train and 1/4 to measure.

Files are in a temporary folder that is deleted.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import argparse
import json
import tempfile
import threading
import time
from pathlib import Path

import taut  # isort: skip (before JAX starts)
import keras
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from taut.engine import Lane
from taut.engine.data.parquet import ParquetRows
from taut.engine.data.sources import ArraySource, first_rows
from taut.engine.stream import train_streamed

COLUMNS, BATCH, FOLDS, MEMORY, SHARE = 100, 256, 4, 256 << 20, 20
STRENGTHS = (0.0, 1e-4, 1e-3, 1e-2)
PIECE = 50_000


def write(folder, rows):
    x = np.lib.format.open_memmap(folder / "x.npy", "w+", "float32", (rows, COLUMNS))
    y = np.lib.format.open_memmap(folder / "y.npy", "w+", "float32", (rows,))
    (folder / "rows").mkdir()
    draw, truth = np.random.default_rng(0), np.random.default_rng(1).normal(size=COLUMNS) / 10
    names = [f"x{j:03}" for j in range(COLUMNS)]
    for at in range(0, rows, PIECE):
        part = draw.standard_normal((min(PIECE, rows - at), COLUMNS), dtype="float32")
        x[at : at + PIECE] = part
        y[at : at + PIECE] = np.tanh(part @ truth) + 0.1 * draw.normal(size=len(part))
        table = pa.table([*part.T, y[at : at + PIECE]], [*names, "y"])
        pq.write_table(
            table,
            folder / "rows" / f"{at:09}.parquet",
            compression="NONE",
            use_dictionary=False,
        )
    x.flush()
    y.flush()


def network(optimizer):
    dense = keras.layers.Dense
    model = keras.Sequential(
        [keras.Input((COLUMNS,)), dense(64, "relu"), dense(64, "relu"), dense(1)]
    )
    model.compile(optimizer=optimizer, loss="mse")
    return model


def resident():
    lines = Path("/proc/self/status").read_text().splitlines()
    kinds = "RssAnon", "RssFile"
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith(kinds))


class Watch:
    """The peak growth of resident memory."""

    def __enter__(self):
        self.before, self.peak, self._done = resident(), 0, threading.Event()
        self._thread = threading.Thread(target=self._sample)
        self._thread.start()
        return self

    def _sample(self):
        while not self._done.wait(0.01):
            self.peak = max(self.peak, resident() - self.before)

    def __exit__(self, *_):
        self._done.set()
        self._thread.join()


def streamed(source, rows):
    model = network(taut.Proximal("adam", taut.L1()))
    lanes = [Lane((s,), fold) for s in STRENGTHS for fold in range(FOLDS)]
    options = {"folds": FOLDS, "epochs": 1, "batch_size": BATCH, "memory": MEMORY}
    few = first_rows(source, 2000)
    started = time.perf_counter()
    train_streamed(model, ArraySource(few.x, few.y), lanes, **options)
    compiling = time.perf_counter() - started
    started = time.perf_counter()
    with Watch() as watch:
        record = train_streamed(model, source, lanes, **options)
    seconds = time.perf_counter() - started
    assert record.compiles == 0
    return {
        "seconds": round(seconds, 1),
        "compiling_and_2000_rows": round(compiling, 1),
        "rows_a_second": round(2 * rows / seconds),
        "peak_mb": round(watch.peak / 2**20),
        "bound_mb": MEMORY >> 20,
        "best_held_out_loss": round(float(record.held_out_loss.min()), 4),
    }


class Batches(keras.utils.PyDataset):
    def __init__(self, x, y, first, last):
        super().__init__()
        self.x, self.y, self.first, self.last = x, y, first, last

    def __len__(self):
        return self.last - self.first

    def __getitem__(self, i):
        at = slice((self.first + i) * BATCH, (self.first + i + 1) * BATCH)
        return np.array(self.x[at]), np.array(self.y[at])


def fits(x, y):
    batches = len(x) // BATCH // SHARE
    trained = batches * (FOLDS - 1) // FOLDS
    model, seconds = network("adam"), []
    for _ in range(2):  # the first compiles
        started = time.perf_counter()
        model.fit(Batches(x, y, 0, trained), epochs=1, verbose=0)
        model.evaluate(Batches(x, y, trained, batches), verbose=0)
        seconds.append(time.perf_counter() - started)
    scaled = seconds[1] * SHARE * len(STRENGTHS) * FOLDS
    return {"seconds_of_a_twentieth": round(seconds[1], 2), "seconds_of_16_fits": round(scaled)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--gigabytes", type=float, default=2.0)
    rows = int(parser.parse_args().gigabytes * 1e9 / 4 / COLUMNS)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, rows)
        x, y = (np.load(folder / f"{n}.npy", mmap_mode="r") for n in "xy")
        for name, run in (
            ("memory map", lambda: streamed(ArraySource(x, y), rows)),
            ("Parquet", lambda: streamed(ParquetRows(folder / "rows", target="y"), rows)),
            ("Keras", lambda: fits(x, y)),
        ):
            print(json.dumps({"what": name, **run()}), flush=True)


if __name__ == "__main__":
    main()
