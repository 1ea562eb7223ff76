"""How much faster networks of a sixth of the multiply-adds are.

    apt-get install dataset-fashion-mnist
    pip install -e . torch onnx onnxscript onnxruntime
    python benchmarks/compaction_latency.py
    KERAS_BACKEND=torch python benchmarks/compaction_latency.py
    python benchmarks/compaction_latency.py --onnx

Images of 28×28. Whole networks, and smaller ones with a sixth of the multiply-adds or less, in
Keras (of the backend `KERAS_BACKEND`) or in ONNX Runtime (one thread): the four convolutions of
compaction.py with 32, 64, 128 and 128 filters, where channels are dead in equal shares, and where
`target_macs` chose them; and three dense layers of 512 units, in equal shares. The latency depends
on the shapes alone. Medians of calls in turn, in milliseconds: on the clock, and of processor,
which other programs on the machine change less.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

from compaction import data, network

WIDE, WIDTH = (32, 64, 128, 128), 512


def dense_network():
    from keras import Input, Sequential, layers

    hidden = [layers.Dense(WIDTH, "relu", name=f"dense{k}") for k in range(3)]
    return Sequential([Input((28, 28, 1)), layers.Flatten(), *hidden, layers.Dense(10)])


def in_equal_shares(model, names):
    """What compaction leaves of a model of whose units equal shares are dead: a sixth, or less."""
    import keras
    import numpy as np

    import taut

    whole = taut.compaction.multiply_adds(model)
    for share in np.arange(0.5, 0.2, -0.01):
        for name in names:
            kernel = model.get_layer(name).kernel
            value = np.array(keras.ops.convert_to_numpy(kernel))
            value[..., int(share * value.shape[-1]) :] = 0
            kernel.assign(value)
        result = taut.compact(model, measure=False)
        if 6 * result.report.after.multiply_adds <= whole:
            return result.model


def networks_of_a_sixth():
    """The networks whose latency is measured: whole ones, and what is left of them."""
    import keras

    import taut

    keras.utils.set_random_seed(0)
    convolutions, dense = network(WIDE), dense_network()
    sixth = taut.compaction.multiply_adds(convolutions) // 6
    chosen = taut.compact(convolutions, data()[0], target_macs=sixth, epochs=0, measure=False)
    found = {"convolutions": convolutions, "budget": chosen.model, "dense": dense}
    found["equal"] = in_equal_shares(network(WIDE), [f"conv{k}" for k in range(len(WIDE))])
    found["dense equal"] = in_equal_shares(dense_network(), [f"dense{k}" for k in range(3)])
    return found


def timed(calls):
    """Medians of calls in turn, in milliseconds: on the clock, and of processor."""
    import numpy as np

    for call in calls:
        call()
    clocks, taken = (time.perf_counter, time.process_time), []
    for _ in range(40):
        for call in calls:
            start = [clock() for clock in clocks]
            call()
            taken.append([clock() - s for clock, s in zip(clocks, start, strict=True)])
    return np.median(np.reshape(taken, (40, len(calls), 2)), axis=0) * 1e3


def latencies(models, calls_of):
    """Lines of one network each, with the milliseconds of one row and of 256."""
    import taut

    made = {
        name: {
            "macs": taut.compaction.multiply_adds(model),
            "units": [w.shape[-1] for w in model.trainable_weights if w.name == "kernel"],
        }
        for name, model in models.items()
    }
    for batch in (1, 256):
        for line, (wall, processor) in zip(made.values(), timed(calls_of(batch)), strict=True):
            line[str(batch)] = {"wall": wall, "processor": processor}
    return made


def in_keras():
    """In Keras, of the backend that is set."""
    from taut.compaction.equality import forward

    models, rows = networks_of_a_sixth(), data()[2][:256]
    runs = [forward(model) for model in models.values()]

    def calls_of(batch):
        return [lambda run=run: run([rows[:batch]]) for run in runs]

    return latencies(models, calls_of)


def in_onnx_runtime():
    """In ONNX Runtime."""
    import keras
    import numpy as np
    import onnxruntime

    models, rows, sessions = networks_of_a_sixth(), data()[2][:256], []
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    for model in models.values():
        with tempfile.TemporaryDirectory() as folder:
            file = str(Path(folder) / "model.onnx")
            model.save(Path(folder) / "model.keras")
            model = keras.models.load_model(Path(folder) / "model.keras")
            expected = model.predict(rows, verbose=0)  # Keras exports what was called
            model.export(file, format="onnx", verbose=False)
            session = onnxruntime.InferenceSession(file, options)
        difference = session.run(None, {session.get_inputs()[0].name: rows})[0] - expected
        assert np.abs(difference).max() < 1e-3, difference
        sessions.append(session)

    def calls_of(batch):
        return [lambda s=s: s.run(None, {s.get_inputs()[0].name: rows[:batch]}) for s in sessions]

    return latencies(models, calls_of)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--onnx", action="store_true")
    asked = parser.parse_args()
    if asked.onnx:
        os.environ["KERAS_BACKEND"] = "torch"
    os.environ.setdefault("KERAS_BACKEND", "jax")
    for name, line in (in_onnx_runtime() if asked.onnx else in_keras()).items():
        print(name, json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
