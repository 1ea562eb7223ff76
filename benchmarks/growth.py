"""Time and memory against lanes, rows and inputs: near linear, no cliff?

    pip install -e . && python benchmarks/growth.py [--plot docs/figures/growth.svg]

A network inputs→32→1, Adam, batch 128, one axis at a time: lanes 1 to 4,096 (500 rows × 20 inputs,
5 epochs), rows 10³ to 10⁶ (8 lanes, 20 inputs, 2 epochs), inputs 10 to 10⁴ (8 lanes, 2,000 rows,
2 epochs). Each point in a process of its own; seconds of a first call with compilation, of a second
without, and the growth of peak resident memory over the process with data and model made.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

AXES = {
    "lanes": [1, 4, 16, 64, 256, 1024, 4096],
    "rows": [1_000, 10_000, 100_000, 1_000_000],
    "inputs": [10, 100, 1_000, 10_000],
}
BASE = {
    "lanes": {"rows": 500, "inputs": 20, "epochs": 5},
    "rows": {"lanes": 8, "inputs": 20, "epochs": 2},
    "inputs": {"lanes": 8, "rows": 2_000, "epochs": 2},
}


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(lanes, rows, inputs, epochs):
    import jax
    import keras
    import numpy as np

    import taut
    from taut.engine import Lane, Split, train_lanes

    draw = np.random.default_rng(0)
    x = draw.standard_normal((rows, inputs), np.float32)
    y = x[:, 0] + draw.standard_normal(rows, np.float32)
    layers = keras.layers
    model = keras.Sequential([keras.Input((inputs,)), layers.Dense(32, "relu"), layers.Dense(1)])
    model.compile(taut.Proximal("adam", taut.L1()), loss="mse")
    model.optimizer.build(model.trainable_variables)
    cut = rows * 4 // 5
    splits = [Split(np.arange(cut), np.arange(cut, rows))]
    plan = [Lane((1e-3 * k / lanes,), 0, k % 4) for k in range(lanes)]
    jax.block_until_ready([v.value for v in model.variables])
    before, seconds = peak(), []
    for _ in range(2):
        started = time.perf_counter()
        record = train_lanes(model, x, y, plan, splits=splits, epochs=epochs, batch_size=128)
        seconds.append(time.perf_counter() - started)
    return {
        "first": seconds[0],
        "again": seconds[1],
        "megabytes": peak() - before,
        "data": x.nbytes / 2**20,
        "weights": lanes * sum(a[0].nbytes for a in record.trainable) / 2**20,
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(**json.loads(arguments.one))))
        return
    found = []
    print(f"{'axis':8}{'value':>10}{'first s':>10}{'again s':>10}{'a unit µs':>12}", end="")
    print(f"{'peak MiB':>10}{'data':>8}{'weights':>9}")
    for axis, values in AXES.items():
        for value in values:
            settings = json.dumps({**BASE[axis], axis: value})
            out = subprocess.run(
                [sys.executable, __file__, "--one", settings],
                check=True,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, "KERAS_BACKEND": "jax"},
            ).stdout
            point = json.loads(out.strip().splitlines()[-1])
            unit = point["again"] / value * 1e6
            print(
                f"{axis:8}{value:10}{point['first']:10.2f}{point['again']:10.3f}{unit:12.1f}"
                f"{point['megabytes']:10.0f}{point['data']:8.0f}{point['weights']:9.1f}",
                flush=True,
            )
            found.append({"axis": axis, "value": value, **point})
    if arguments.plot:
        plot(found, arguments.plot)


def plot(found, file):
    import altair as alt
    import pandas as pd

    data = pd.DataFrame(found)
    scale = alt.Scale(type="log")
    charts = []
    for measured, title in (("again", "seconds, second call"), ("megabytes", "peak MiB")):
        for axis in AXES:
            chart = alt.Chart(data[data["axis"] == axis], title=f"{title} against {axis}")
            charts.append(
                chart.mark_line(point=True)
                .encode(
                    alt.X("value:Q", scale=scale, title=axis),
                    alt.Y(f"{measured}:Q", scale=scale, title=title),
                )
                .properties(width=200, height=160)
            )
    file.parent.mkdir(parents=True, exist_ok=True)
    alt.concat(*charts, columns=len(AXES)).save(file)


if __name__ == "__main__":
    main()
