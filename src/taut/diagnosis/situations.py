"""Situations with a known truth: rows, a model to train, and what was done to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from taut.optimizers import Proximal
from taut.penalties import L2, Penalty

FAULTS = ("leak_column", "leak_rows", "leak_groups", "shift", "label_noise")
FAULTY = 0.5
"""The share of situations with a fault of the data; at most one each."""
COPIED = 0.3
"""The share of held-out rows that are copies, where there are."""
FLIPPED = 0.2
"""The share of labels to learn from that are wrong, where there are."""
SIDE = 8
"""Pixels of an image along an edge."""


@dataclass(frozen=True)
class Situation:
    """A model and its rows, of which is known how they were made.

    Attributes:
        x, y: Rows to learn from.
        validation: (x, y) of rows held out.
        groups: Labels of the rows and of those held out; None without groups.
        epochs: Of a training.
        strength: Of the L2 that the model has.
        fault: What was done to the data, a code of `taut.diagnose`; empty for nothing.
        build: Makes the model, untrained; `build(factor)` with so many times the units, and with
            another `penalty=` than its L2, or with `dropout=` behind each hidden layer.
        fresh: `fresh(rows, seed)` draws (x, y) as the held-out rows would be without the fault.
        more: `more(rows, seed)` draws further rows to learn from, with the fault that these have.
        words: The situation in words.
    """

    x: np.ndarray
    y: np.ndarray
    validation: tuple[np.ndarray, np.ndarray]
    groups: tuple[np.ndarray, np.ndarray] | None
    epochs: int
    strength: float
    fault: str
    build: Callable[..., Any]
    fresh: Callable[[int, int], tuple[np.ndarray, np.ndarray]]
    more: Callable[[int, int], tuple[np.ndarray, np.ndarray]]
    words: str


def situation(seed: int, *, kind: str | None = None) -> Situation:
    """Draw a situation: rows, noise, width, strength, epochs, and in half of them a fault.

    Args:
        seed: Draws all of it.
        kind: "classes", "numbers" or "images"; drawn unless given.

    Example:
        >>> made = situation(7)
        >>> model = made.build()
        >>> history = model.fit(made.x, made.y, epochs=made.epochs, verbose=0)  # doctest: +SKIP
    """
    draw = np.random.default_rng([2026, seed])
    drawn = str(draw.choice(["classes", "numbers", "images"], p=[0.45, 0.45, 0.1]))
    kind = drawn if kind is None else kind
    inputs = SIDE**2 if kind == "images" else int(draw.choice([5, 20, 50]))
    rows, held_out = int(draw.choice([80, 200, 500, 1500])), int(draw.choice([50, 200, 1000]))
    noise = float(draw.choice([0.2, 0.7, 2.0]))
    units, epochs = int(draw.choice([4, 32, 128])), int(draw.choice([2, 20, 80]))
    strength = float(draw.choice([0.0, 0.0, 0.01, 0.3]))
    fault = str(draw.choice(FAULTS)) if draw.random() < FAULTY else ""
    if kind != "classes" and fault == "label_noise":
        fault = ""
    world = _World(kind, inputs, noise, np.random.default_rng([7, seed]))
    x, y, group_x = world.rows(rows, draw)
    new_x, new_y, group_new = world.rows(held_out, draw)
    groups: tuple[np.ndarray, np.ndarray] | None = None
    if fault == "leak_column":
        x, new_x = world.with_target(x, y, draw), world.with_target(new_x, new_y, draw)
    elif fault == "leak_rows":
        copied = draw.choice(held_out, int(COPIED * held_out), replace=False)
        source = draw.integers(rows, size=len(copied))
        new_x[copied], new_y[copied] = x[source], y[source]
    elif fault == "leak_groups":
        x, y, group_x = world.grouped(rows, 0, draw)
        new_x, new_y, group_new = world.grouped(held_out, 0, draw)
        groups = group_x, group_new
    elif fault == "shift":
        new_x = new_x.copy()
        new_x.reshape(held_out, -1)[:, : max(2, inputs // 10)] += 1.5
    elif fault == "label_noise":
        y = _flipped(y, draw)

    def build(factor: float = 1.0, *, penalty: Penalty | None = None, dropout: float = 0.0) -> Any:
        own = L2(strength) if strength else None
        return _network(kind, inputs, max(1, round(units * factor)), penalty or own, dropout)

    def fresh(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        draw = np.random.default_rng([11, seed])
        if fault == "leak_groups":  # of groups that were not learned from
            new = world.grouped(count, 1, draw)
            return new[0], new[1]
        new_x, new_y, _ = world.rows(count, draw)
        return new_x, new_y

    def more(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        draw = np.random.default_rng([13, seed])
        if fault == "leak_groups":  # more rows of more groups
            more_x, more_y, _ = world.grouped(count, 2, draw)
        else:
            more_x, more_y, _ = world.rows(count, draw)
        if fault == "leak_column":
            more_x = world.with_target(more_x, more_y, draw)
        return more_x, _flipped(more_y, draw) if fault == "label_noise" else more_y

    words = (
        f"{kind}, {rows} rows × {inputs}, {held_out} held out, noise {noise:g}, {units} units, "
        f"L2 {strength:g}, {epochs} epochs, {fault or 'no fault'}"
    )
    held = new_x, new_y
    return Situation(x, y, held, groups, epochs, strength, fault, build, fresh, more, words)


def _flipped(y: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    wrong = draw.choice(len(y), int(FLIPPED * len(y)), replace=False)
    y = y.copy()
    y[wrong] = 1 - y[wrong]
    return y


class _World:
    """How inputs and targets are drawn."""

    def __init__(self, kind: str, inputs: int, noise: float, draw: np.random.Generator):
        self._kind, self._inputs, self._noise = kind, inputs, noise
        self._weights = draw.normal(size=4)
        self._patterns = draw.normal(size=(2, inputs))
        effects, centres = draw.normal(size=(2, GROUPS)), draw.normal(size=(2, GROUPS, inputs))
        self._effects = np.concatenate([effects, draw.normal(size=(1, GROUPS))])
        self._centres = np.concatenate([centres, draw.normal(size=(1, GROUPS, inputs))])

    def rows(
        self, count: int, draw: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self._made(draw.normal(size=(count, self._inputs)), np.zeros(count, int), 0.0, draw)

    def grouped(
        self, count: int, family: int, draw: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows of groups with a centre and an effect of their own, of one of three families."""
        group = draw.integers(GROUPS, size=count)
        x = self._centres[family, group] + 0.3 * draw.normal(size=(count, self._inputs))
        return self._made(x, group, 2 * self._effects[family, group], draw)

    def with_target(self, x: np.ndarray, y: np.ndarray, draw: np.random.Generator) -> np.ndarray:
        """The rows with an input that is the target, nearly."""
        x = x.copy()
        x.reshape(len(x), -1)[:, -1] = 2 * y + 0.05 * draw.normal(size=len(y))
        return x

    def _made(
        self, x: np.ndarray, group: np.ndarray, effect: Any, draw: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        if self._kind == "images":
            signal = (x @ self._patterns[0] - x @ self._patterns[1]) / np.sqrt(self._inputs)
        else:
            a, b, c, d = x[:, :4].T
            w = self._weights
            signal = w[0] * a + w[1] * b * c + w[2] * np.abs(d) + w[3] * np.sin(2 * b)
        noisy = signal + effect + self._noise * draw.normal(size=len(x))
        x = x.reshape(-1, SIDE, SIDE, 1) if self._kind == "images" else x
        y = noisy if self._kind == "numbers" else noisy > 0
        return x.astype("float32"), y.astype("float32"), group


GROUPS = 25


def _network(
    kind: str, inputs: int, units: int, penalty: Penalty | None, dropout: float = 0.0
) -> Any:
    layers = keras.layers
    dropped = [layers.Dropout(dropout)] if dropout else []
    again = [layers.Dropout(dropout)] if dropout else []
    if kind == "images":
        stack = [
            keras.Input((SIDE, SIDE, 1)),
            layers.Conv2D(max(1, units // 4), 3, activation="relu"),
            *dropped,
            layers.Flatten(),
            layers.Dense(units, activation="relu"),
            *again,
        ]
    else:
        stack = [
            keras.Input((inputs,)),
            layers.Dense(units, "relu"),
            *dropped,
            layers.Dense(units, "relu"),
            *again,
        ]
    last = layers.Dense(1) if kind == "numbers" else layers.Dense(1, activation="sigmoid")
    model = keras.Sequential([*stack, last])
    adam = keras.optimizers.Adam(3e-3)
    optimizer = Proximal(adam, penalty) if penalty is not None else adam
    model.compile(optimizer, "mse" if kind == "numbers" else "binary_crossentropy")
    return model
