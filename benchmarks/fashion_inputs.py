"""LassoNet's own experiment: 50 of the 784 pixels of Fashion-MNIST, by which trees tell clothes.

    apt-get install dataset-fashion-mnist; pip install -e . && python benchmarks/fashion_inputs.py

As in its paper: 10,000 images, 70% to train on, 10% to choose by and 20% to test on; extremely
randomised trees (50 of them) on the pixels that are chosen, accuracy on the test rows. taut
chooses by a path of group lassos on whole pixels in a network 784→64→10, from weak to strong, each
strength from the weights of the one before. At each, the 50 pixels whose weights have the largest
norms are a choice; by the rows to choose by, the best of these is taken. For comparison, as many
pixels by chance, by the variance, by the F-test, and all. Seconds are of CPU, compilation included.
"""

import argparse
import gzip
import time
from pathlib import Path

import taut  # isort: skip (before JAX starts)
import keras
import numpy as np
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.feature_selection import f_classif
from sklearn.model_selection import train_test_split

HOME = Path("/usr/share/datasets/fashion-mnist")
ROWS, WANTED = 10_000, 50


def images(rows):
    x = gzip.decompress((HOME / "train-images-idx3-ubyte.gz").read_bytes())
    y = gzip.decompress((HOME / "train-labels-idx1-ubyte.gz").read_bytes())
    x = np.frombuffer(x, np.uint8, offset=16).reshape(-1, 784) / 255
    y = np.frombuffer(y, np.uint8, offset=8).astype("int32")
    some = np.random.default_rng(0).permutation(len(y))[:rows]
    return x[some].astype("float32"), y[some]


def chosen(x, y, train, seed, epochs):
    """The pixels of the largest norms at the strength that is best, and how many it leaves."""
    keras.utils.set_random_seed(seed)
    layers = keras.layers.Dense(64, "relu", name="first"), keras.layers.Dense(10)
    model = keras.Sequential([keras.Input((784,)), *layers])
    model.compile(
        keras.optimizers.Adam(0.002),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    result = taut.regularization_path(
        model,
        x,
        y,
        penalty={"first/kernel": taut.GroupLasso(groups="inputs")},
        strengths=list(np.geomspace(0.01, 0.2, 16)),
        cv=[(np.arange(train), np.arange(train, len(y)))],
        epochs=epochs,
        warm_start="up",
        warm_epochs=3,
        batch_size=128,
        seed=seed,
        callbacks=(),
    )
    norms = result.group_norms().groupby(["strength", "group"])["norm"].mean().unstack()
    left = (norms > 0).sum(axis=1)
    ways = [np.argsort(-norms.loc[a].to_numpy())[:WANTED] for a in left.index[left >= WANTED]]
    held_out = slice(train, None)
    scores = [
        trees(x[:train], y[:train], seed, at).score(x[held_out][:, at], y[held_out]) for at in ways
    ]
    best = int(np.argmax(scores))
    return ways[best], int(left[left >= WANTED].iloc[best])


def trees(x, y, seed, at):
    return ExtraTreesClassifier(50, random_state=seed).fit(x[:, at], y)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    x, y = images(arguments.rows)
    results = {}
    for seed in range(arguments.seeds):
        train, rest = train_test_split(np.arange(len(y)), train_size=0.7, random_state=seed)
        test = rest[len(y) // 10 :]
        began = time.process_time()
        known = np.concatenate([train, rest[: len(y) // 10]])
        pixels, left = chosen(x[known], y[known], len(train), seed, arguments.epochs)
        seconds = time.process_time() - began
        draw = np.random.default_rng(seed)
        with np.errstate(all="ignore"):
            by_f = np.nan_to_num(f_classif(x[train], y[train])[0])
        ways = {
            "taut": pixels,
            "chance": draw.permutation(784)[:WANTED],
            "variance": np.argsort(-x[train].var(axis=0))[:WANTED],
            "F-test": np.argsort(-by_f)[:WANTED],
            "all pixels": np.arange(784),
        }
        for name, at in ways.items():
            accuracy = trees(x[train], y[train], seed, at).score(x[test][:, at], y[test])
            results.setdefault(name, []).append(accuracy)
        print(f"seed {seed}: {left} pixels left, {seconds:.1f} s of CPU", flush=True)
    for name, accuracy in results.items():
        print(f"{name:12}{np.mean(accuracy):.3f}  ({min(accuracy):.3f} to {max(accuracy):.3f})")


if __name__ == "__main__":
    main()
