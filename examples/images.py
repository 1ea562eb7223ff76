"""Few images: L2, dropout and flips chosen by taut, and what they buy on images nobody has seen.

    python examples/images.py [--rows 1000] [--seeds 1] [--out images]

Fashion-MNIST from Debian's package `dataset-fashion-mnist`, or else from Keras, which downloads it.
Prints a table and writes a page, images.html, that needs no network: held-out loss along the
strengths, how honest the probabilities are, what is left of the chosen network at a sixth of its
multiply-adds, and the surest mistakes without and with what was chosen.
"""

import argparse
import base64
import gzip
import os
import struct
import zlib
from html import escape
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

import taut  # isort: skip (before Keras)
import keras
import numpy as np
import pandas as pd
from keras import layers

from taut.charts import altair
from taut.compaction import multiply_adds

HOME = Path("/usr/share/datasets/fashion-mnist")
NAMES = [
    "T-shirt",
    "trousers",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "boot",
]
STRENGTHS = np.geomspace(0.1, 1e-4, 10)
EPOCHS, BATCH = 50, 32
FEWER = 6
"""How many times fewer multiply-adds the chosen network is compacted to."""


def fashion():
    """Training and test images, of bytes, [rows, 28, 28, 1], and their classes."""
    if not HOME.exists():
        (x, y), (x_test, y_test) = keras.datasets.fashion_mnist.load_data()
        return x[..., None], y.astype("int32"), x_test[..., None], y_test.astype("int32")
    read = lambda name: gzip.decompress((HOME / f"{name}-ubyte.gz").read_bytes())  # noqa: E731
    parts = []
    for part in ("train", "t10k"):
        x = np.frombuffer(read(f"{part}-images-idx3"), np.uint8, offset=16)
        y = np.frombuffer(read(f"{part}-labels-idx1"), np.uint8, offset=8)
        parts += [x.reshape(-1, 28, 28, 1), y.astype("int32")]
    return tuple(parts)


def network(rows, *, dropout=0.0, flips=False):
    """Three convolutions, pooled, and a dense layer, compiled; the learning rate falls to 0."""
    drop = [layers.Dropout(dropout), layers.Dropout(dropout)] if dropout else []
    model = keras.Sequential([keras.Input((28, 28, 1)), layers.Rescaling(1 / 255)])
    if flips:
        model.add(layers.RandomFlip("horizontal"))
    for filters in (16, 32, 64):
        model.add(layers.Conv2D(filters, 3, padding="same", activation="relu"))
        model.add(layers.MaxPooling2D())
    for layer in (layers.Flatten(), *drop[:1], layers.Dense(64, activation="relu"), *drop[1:]):
        model.add(layer)
    model.add(layers.Dense(10))
    rate = keras.optimizers.schedules.CosineDecay(2e-3, EPOCHS * -(-rows // BATCH))
    model.compile(
        keras.optimizers.Adam(rate), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    return model


def shares(model, x):
    return np.asarray(keras.ops.softmax(model.predict(x, batch_size=1000, verbose=0)), float)


def losses(p, y):
    return -np.log(np.maximum(p[np.arange(len(y)), y], 1e-12))


def fitted(x, y, *, dropout=0.0, flips=False, **options):
    model = network(len(y), dropout=dropout, flips=flips)
    model.fit(x, y, epochs=EPOCHS, batch_size=BATCH, verbose=0, **options)
    return model


def smaller(model, x, y, seed):
    """The network without most of its channels: they are switched off, the rest is trained on."""
    budget = multiply_adds(model) // FEWER
    options = {"epochs": EPOCHS, "batch_size": BATCH, "seed": seed}
    return taut.compact(model, x, y, target_macs=budget, **options)


def systems(x, y, seed):
    """Models by name, the two choices, and what the second was compacted to."""
    keras.utils.set_random_seed(seed)
    found = {"no penalty": fitted(x, y)}
    stop = keras.callbacks.EarlyStopping(patience=5, restore_best_weights=True)
    found["early stopping"] = fitted(x, y, validation_split=0.2, callbacks=[stop])
    found["dropout"] = fitted(x, y, dropout=0.3)
    found["flips"] = fitted(x, y, flips=True)
    settings = {"strengths": STRENGTHS, "epochs": EPOCHS, "batch_size": BATCH, "seed": seed}
    one = taut.choose_model({"L2": network(len(y))}, x, y, **settings)
    others = {
        "L2, dropout": network(len(y), dropout=0.3),
        "L2, dropout, flips": network(len(y), dropout=0.3, flips=True),
    }
    more = taut.choose_model(others, x, y, **settings)
    found["L2, chosen"] = one.model
    found[f"{more.best_model}, chosen"] = more.model
    small = smaller(more.model, x, y, seed)
    found[f"the same, {FEWER} times fewer multiply-adds"] = small.model
    return found, (one, more), small


def support_vectors(x, y):
    from sklearn.model_selection import GridSearchCV
    from sklearn.svm import SVC

    flat = lambda images: images.reshape(len(images), -1) / 255  # noqa: E731
    found = GridSearchCV(SVC(), {"C": [1, 3, 10, 30]}, cv=5).fit(flat(x), y)
    return lambda images: found.predict(flat(images))


def scored(found, svc, x, y, x_test, y_test):
    """A line a system: log-loss and accuracy on the test images, and the gap of the log-loss."""
    lines = []
    for name, model in found.items():
        p = shares(model, x_test)
        loss = losses(p, y_test).mean()
        gap = loss - losses(shares(model, x), y).mean()
        right = (p.argmax(axis=1) == y_test).mean()
        lines.append({"system": name, "log-loss": loss, "accuracy": right, "gap": gap})
    lines.append({"system": "SVC, C chosen", "accuracy": (svc(x_test) == y_test).mean()})
    return pd.DataFrame(lines)


def charts(choices, found, x_test, y_test):
    """Held-out loss along the strengths above how often the networks are right when sure."""
    alt = altair()
    ticks = alt.Axis(values=[1e-4, 1e-3, 1e-2, 1e-1], format="~g")
    strength = alt.X("strength:Q", scale=alt.Scale(type="log"), axis=ticks, title="strength of L2")
    loss = alt.Y("held_out_loss:Q", title="held-out log-loss", scale=alt.Scale(zero=False))
    below = alt.Legend(orient="bottom", title=None, columns=1)
    colour = alt.Color("model:N", legend=below)
    tables = pd.concat([choice.table for choice in choices])
    means = pd.concat([choice.summary for choice in choices]).query("finalist")
    half = alt.Chart(tables[tables["fold"] == 0]).mark_line(opacity=0.5, point={"size": 12})
    both = alt.Chart(means).mark_point(filled=True, size=70)
    shown = half.encode(strength, loss, colour) + both.encode(strength, loss, colour)
    lines = []
    for name in ("no penalty", list(found)[-2]):
        p = shares(found[name], x_test)
        bins = np.minimum((p.max(axis=1) * 10).astype(int), 9)
        for k in np.unique(bins):
            at = bins == k
            right = (p.argmax(axis=1) == y_test)[at].mean()
            sure = p.max(axis=1)[at].mean()
            lines.append({"network": name, "sure": sure, "right": right, "images": int(at.sum())})
    share = alt.Scale(domain=[0, 1])
    sure = alt.X("sure:Q", scale=share, title="how sure the network is")
    right = alt.Y("right:Q", scale=share, title="how often it is right")
    honest = alt.Chart(pd.DataFrame({"sure": [0, 1], "right": [0, 1]})).mark_line(
        strokeDash=[4, 3], color="gray"
    )
    calibration = alt.Chart(pd.DataFrame(lines), title="Honest is the dashed line").encode(
        sure, right, alt.Color("network:N", legend=below)
    )
    size = {"width": 270, "height": 220}
    above = shown.properties(title="Lines: one half held out. Dots: both", **size)
    lower = (honest.encode(sure, right) + calibration.mark_line(point=True)).properties(**size)
    return alt.vconcat(above, lower).resolve_scale(color="independent")


def mistakes(model, x_test, y_test, count=12):
    """The images that the network is surest about and wrong, as HTML."""
    p = shares(model, x_test)
    guess, sure = p.argmax(axis=1), p.max(axis=1)
    worst = np.argsort(np.where(guess == y_test, 0, -sure))[:count]
    figures = [
        f"<figure><img alt='{NAMES[y_test[k]]}' src='data:image/png;base64,{png(x_test[k])}'>"
        f"<figcaption>{NAMES[guess[k]]}, {sure[k]:.1%}<br>is: {NAMES[y_test[k]]}</figcaption>"
        "</figure>"
        for k in worst
    ]
    wrong = guess != y_test
    told = f"{(sure[wrong] > 0.99).sum()} of {wrong.sum():,} mistakes were made more than 99% sure."
    return f"<p>{told}</p><div class=grid>{''.join(figures)}</div>"


def png(image):
    height, width = image.shape[:2]
    rows = b"".join(b"\0" + row.tobytes() for row in 255 - image[..., 0])
    part = lambda kind, data: (  # noqa: E731
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    )
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = part(b"IHDR", head) + part(b"IDAT", zlib.compress(rows)) + part(b"IEND", b"")
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + data).decode()


STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 46rem; margin: auto; padding: 1rem; }
table { border-collapse: collapse; font-size: 0.9rem; width: 100%; }
th, td { padding: 0.25rem 0.4rem; border-bottom: 1px solid #8886; text-align: right; }
th:first-child, td:first-child { text-align: left; }
pre { white-space: pre-wrap; font-size: 0.85rem; }
.chart { background: white; padding: 0.5rem; border-radius: 0.5rem; overflow-x: auto; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(5.2rem, 1fr)); gap: 0.6rem; }
figure { margin: 0; } figcaption { font-size: 0.75rem; line-height: 1.3; }
img { width: 100%; image-rendering: pixelated; border-radius: 0.3rem; }
"""


def page(rows, table, choices, small, found, diagnosis, x_test, y_test):
    chosen = list(found)[-2]
    chart = charts(choices, found, x_test, y_test).to_html(
        inline=True, fullhtml=False, output_div="losses"
    )
    shown = table.reset_index().to_html(index=False, border=0, float_format="%.3f", na_rep="")
    pieces = [
        f"<h1>{rows:,} images of clothes</h1>",
        f"<p>All figures are of {len(y_test):,} images that nothing was chosen on.</p>",
        shown,
        *(f"<p>{'<br>'.join(map(escape, choice.sentences()))}</p>" for choice in choices),
        f"<div class=chart>{chart}</div>",
        f"<h2>{escape(chosen)}: diagnosis</h2><pre>{escape(diagnosis)}</pre>",
        f"<h2>The same at {FEWER} times fewer multiply-adds</h2><pre>{escape(str(small))}</pre>",
        "<h2>Surest mistakes without a penalty</h2>",
        mistakes(found["no penalty"], x_test, y_test),
        f"<h2>Surest mistakes with {escape(chosen)}</h2>",
        mistakes(found[chosen], x_test, y_test),
    ]
    head = "<!doctype html><html lang=en><meta charset=utf-8><title>Few images</title>"
    view = "<meta name=viewport content='width=device-width, initial-scale=1'>"
    return f"{head}{view}<style>{STYLE}</style><body>{''.join(pieces)}</body></html>"


def main():
    parser = argparse.ArgumentParser(description="L2, dropout and flips on few images.")
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("images"))
    arguments = parser.parse_args()
    x_all, y_all, x_test, y_test = fashion()
    tables = []
    for seed in range(arguments.seeds):
        some = np.random.default_rng(seed).permutation(len(y_all))[: arguments.rows]
        x, y = x_all[some], y_all[some]
        found, choices, small = systems(x, y, seed)
        for choice in choices:
            print(choice, flush=True)
        print(small, flush=True)
        tables.append(scored(found, support_vectors(x, y), x, y, x_test, y_test))
        diagnosis = taut.diagnose(
            choices[-1].model,
            x,
            y,
            validation=(x_test[:2000], y_test[:2000]),
            epochs=EPOCHS,
            trials=False,
            callbacks=[],
        )
    table = pd.concat(tables).groupby("system", sort=False).mean()
    print(table.round(3).to_string(na_rep=""))
    arguments.out.mkdir(exist_ok=True)
    place = arguments.out / "images.html"
    text = page(len(y), table, choices, small, found, diagnosis.text(), x_test, y_test)
    place.write_text(text, encoding="utf-8")
    print(f"{place} has the pictures of seed {seed}.")


if __name__ == "__main__":
    main()
