"""How long networks on texts are trained, and how fast."""

from typing import Any

import keras

BATCH = 32
STEPS = 1000
EPOCHS = 20, 200
RATE = 0.02


def epochs_for(rows: int, total: float = 0) -> int:
    """About 1,000 steps, and between 20 and 200 epochs.

    Args:
        rows: Different ones, that are trained on.
        total: How many they stand for, if more: then as many epochs more are allowed.

    Example:
        >>> epochs_for(1500), epochs_for(30), epochs_for(10**6), epochs_for(30, total=60)
        (22, 200, 20, 400)
    """
    least, most = EPOCHS
    more = max(total / rows, 1)
    return int(min(max(-(-STEPS * BATCH // max(rows, BATCH)), least), most * more))


def rising_rate(rows: int, epochs: int) -> Any:
    """A learning rate that rises from 0 to `RATE` over the epochs, in steps of `BATCH` rows.

    So the first epochs differ little. Texts whose labels say little, such as reviews, are learned
    by heart within an epoch at a constant rate, and no number of epochs is small enough.

    Args:
        rows: That are trained on.
        epochs: Over which it rises.
    """
    steps = epochs * -(-rows // BATCH)
    return keras.optimizers.schedules.PolynomialDecay(0.0, steps, end_learning_rate=RATE)
