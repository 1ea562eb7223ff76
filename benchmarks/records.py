"""The records of twenty studies, before and after a change that should leave them as they are.

    pip install -e . && python benchmarks/records.py write before.npz
    (change something)
    python benchmarks/records.py compare before.npz

Every study is small, of fixed seeds, and uses the public interface alone: lanes in memory (dense,
convolution, recurrent, batch normalisation, groups, halving, warm starts, weights, several
targets), streamed lanes, paths, and a table. On another backend than JAX (`KERAS_BACKEND=torch`)
those that are trained by `fit`. Losses, epochs, statuses and weights are compared: "equal" is bit
for bit, else the largest difference is printed, relative to the largest value of the array. Files
are of one machine: compilers and processors differ in the last bits.
"""

import argparse
import sys
import warnings

import taut  # isort: skip (before JAX starts)
import keras
import numpy as np

from taut.engine import Halving, Lane, Split, train_lanes

ROWS = 150
TOLERANCE = 1e-6
JAX = keras.backend.backend() == "jax"


def rows_of_sums(*shape, seed=0):
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(ROWS, *shape)).astype("float32")
    flat = x.reshape(ROWS, -1)
    y = np.tanh(flat @ draw.normal(size=flat.shape[1]) / 3) + 0.1 * draw.normal(size=ROWS)
    return x, y.astype("float32")


def folds(count=3):
    order = np.random.default_rng(1).permutation(ROWS)
    parts = np.array_split(order, count)
    return [
        Split(np.concatenate([p for j, p in enumerate(parts) if j != k]), parts[k])
        for k in range(count)
    ]


def model_of(*layers, shape=(12,), loss="mse", optimizer="adam", penalty=None):
    keras.utils.set_random_seed(0)
    keras.utils.clear_session()
    model = keras.Sequential([keras.Input(shape), *layers])
    model.compile(taut.Proximal(optimizer, penalty or taut.L1(0.01)), loss=loss)
    return model


def dense(*extra, **options):
    layer = keras.layers.Dense
    return model_of(layer(16, "relu"), *extra, layer(1), **options)


def grid(strengths=(0.1, 0.01, 0.001), splits=3, seeds=1, **options):
    return [
        Lane((s,), split, seed, **options)
        for split in range(splits)
        for seed in range(seeds)
        for s in strengths
    ]


def lanes_of(model, x, y, lanes, **options):
    options = {"splits": folds(), "epochs": 12, "batch_size": 16, **options}
    return train_lanes(model, x, y, lanes, callbacks=(), **options)


def study_dense():
    return lanes_of(dense(), *rows_of_sums(12), grid())


def study_patience():
    return lanes_of(dense(keras.layers.Dropout(0.2)), *rows_of_sums(12), grid(seeds=2), patience=2)


def study_momentum():
    optimizer = keras.optimizers.SGD(0.02, momentum=0.9)
    return lanes_of(dense(optimizer=optimizer), *rows_of_sums(12), grid(), keep_best=True)


def study_batch_normalisation():
    layers = keras.layers.BatchNormalization(), keras.layers.Dense(4)
    return lanes_of(dense(*layers), *rows_of_sums(12), grid(), patience=3)


def study_groups():
    return lanes_of(dense(), *rows_of_sums(12), grid(), groups=[k % 3 for k in range(9)])


def study_halving():
    lanes = grid(strengths=(3.0, 0.3, 0.01, 0.001))
    halving = Halving([k % 4 for k in range(12)], (2, 4))
    return lanes_of(dense(), *rows_of_sums(12), lanes, keep_best=True, halving=halving)


def study_warm():
    lanes = [Lane((s,), 0, 0) for s in (0.3, 0.1, 0.03, 0.01)]
    lanes = [Lane(a.strengths, 0, 0, start=k - 1 if k else None) for k, a in enumerate(lanes)]
    return lanes_of(dense(), *rows_of_sums(12), lanes, patience=4)


def study_class_weight():
    x, y = rows_of_sums(12)
    head = keras.layers.Dense(2, "softmax")
    model = model_of(head, loss="sparse_categorical_crossentropy")
    return lanes_of(model, x, (y > 0).astype("int32"), grid(), class_weight="balanced")


def study_sample_weight():
    weight = np.linspace(0.1, 2.0, ROWS).astype("float32")
    return lanes_of(dense(), *rows_of_sums(12), grid(), sample_weight=weight)


def study_targets():
    x, y = rows_of_sums(12)
    lanes = [Lane((0.01,), 0, 0, target=t, epochs=e) for t in (0, 1) for e in (5, 9)]
    return lanes_of(dense(), x, None, lanes, targets=[y, -2 * y])


def study_present():
    lanes = [Lane((s,), 1, 3, present=True) for s in (0.1, 0.01)]
    values = {"learning_rate": 0.01}
    lanes += [Lane((0.1,), 1, None), Lane((0.1,), 2, 1, values=values)]
    return lanes_of(dense(keras.layers.Dropout(0.5)), *rows_of_sums(12), lanes)


def study_convolution():
    layers = keras.layers.Conv2D(4, 3, activation="relu"), keras.layers.Flatten()
    model = model_of(*layers, keras.layers.Dense(1), shape=(8, 8, 1))
    return lanes_of(model, *rows_of_sums(8, 8, 1), grid(), epochs=4, patience=2)


def study_convolution_normalised():
    # Without a bias, which a normalisation behind it takes out: its gradient is rounding alone.
    convolution = keras.layers.Conv1D(4, 3, use_bias=False)
    layers = convolution, keras.layers.BatchNormalization(), keras.layers.Flatten()
    model = model_of(*layers, keras.layers.Dense(1), shape=(8, 2))
    return lanes_of(model, *rows_of_sums(8, 2), grid(splits=2), epochs=3)


def study_recurrent():
    model = model_of(keras.layers.LSTM(6), keras.layers.Dense(1), shape=(7, 3))
    return lanes_of(model, *rows_of_sums(7, 3), grid(), epochs=5)


def study_diverging():
    lanes = [Lane((0.01,), 0, 0), Lane((0.01,), 0, 0, values={"learning_rate": 1e30})]
    return lanes_of(dense(), *rows_of_sums(12), lanes)


def streamed(model, lanes, **options):
    options = {"epochs": 6, "batch_size": 16, "memory": 1 << 20, **options}
    return train_lanes(model, *rows_of_sums(12), lanes, callbacks=(), **options)


def study_streamed():
    return streamed(dense(), [Lane((s,)) for s in (0.1, 0.01)])


def study_streamed_folds():
    return streamed(dense(keras.layers.Dropout(0.2)), grid(), folds=3, patience=2)


def study_streamed_normalised():
    return streamed(dense(keras.layers.BatchNormalization()), grid(), folds=3, keep_best=True)


def path(model, x, y, **options):
    options = {"strengths": 5, "cv": 3, "epochs": 10, "batch_size": 16, **options}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return taut.regularization_path(model, x, y, callbacks=(), **options)


def study_path():
    layers = taut.layers.Standardize(), keras.layers.Dense(8, "relu"), keras.layers.Dense(1)
    return path(model_of(*layers), *rows_of_sums(12), patience=3, halving=True)


def study_path_warm():
    return path(dense(), *rows_of_sums(12), warm_start="both")


def study_path_streamed():
    return path(dense(), *rows_of_sums(12), memory=1 << 20)


def study_table():
    import pandas as pd
    from sklearn.datasets import load_breast_cancer

    frame = load_breast_cancer(as_frame=True).frame.iloc[::3, ::4]
    frame = pd.concat([frame, load_breast_cancer(as_frame=True).target[::3]], axis=1)
    fitted = taut.fit_table(frame, target="target", quick=True, callbacks=())
    return {"prediction": np.asarray(fitted.predict_proba(frame), float)}


def numbers_of(result):
    """The arrays of a record, a path's result, or a dictionary of arrays, by name."""
    if isinstance(result, dict):
        return result
    if hasattr(result, "summary"):
        own = result.summary.select_dtypes("number").to_numpy()
        chosen = [result.best_strength, result.one_se_strength, result.certificate.largest]
        return {"summary": own, "chosen": np.array(chosen), **numbers_of(result.record)}
    arrays = {
        name: getattr(result, name)
        for name in ("train_loss", "held_out_loss", "epochs", "best_epoch")
    }
    arrays["status"] = np.array(result.status)
    for name in ("trainable", "non_trainable"):
        arrays |= {f"{name} {k}": np.asarray(a) for k, a in enumerate(getattr(result, name))}
    return arrays


def difference(one, other):
    """0.0 for equal bits, else the largest difference relative to the largest value."""
    if one.shape != other.shape or one.dtype.kind != other.dtype.kind:
        return np.inf
    if one.tobytes() == other.tobytes():
        return 0.0
    if one.dtype.kind not in "fiub" or not np.array_equal(np.isnan(one), np.isnan(other)):
        return np.inf
    gaps = np.abs(np.nan_to_num(one - other.astype(float)))
    return float(gaps.max() / max(np.abs(np.nan_to_num(other.astype(float))).max(), 1e-30))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("action", choices=["write", "compare"])
    parser.add_argument("file")
    parser.add_argument("--only", help="studies whose name has this in it")
    arguments = parser.parse_args()
    studies = {n.removeprefix("study_"): f for n, f in globals().items() if n.startswith("study_")}
    if not JAX:
        studies = {n: f for n, f in studies.items() if not n.startswith(("streamed", "path_st"))}
        studies = {n: f for n, f in studies.items() if n not in ("table", "path_warm")}
    chosen = {n: f for n, f in studies.items() if (arguments.only or "") in n}
    arrays = {}
    for name, study in chosen.items():
        arrays |= {f"{name}/{part}": a for part, a in numbers_of(study()).items()}
        print(name, "done", file=sys.stderr, flush=True)
    if arguments.action == "write":
        np.savez(arguments.file, allow_pickle=False, **arrays)
        return
    before = np.load(arguments.file, allow_pickle=False)
    worst = {}
    for key, array in arrays.items():
        name, part = key.split("/", 1)
        gap = difference(array, before[key]) if key in before else np.inf
        if gap >= worst.get(name, (-1.0, ""))[0]:
            worst[name] = gap, part
    for name, (gap, part) in worst.items():
        told = "equal" if gap == 0 else f"differs by {gap:.1e}, most in {part}"
        print(f"{name:28}{told}")
    if any(gap > TOLERANCE for gap, _ in worst.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
