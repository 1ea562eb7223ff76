"""How long networks on texts are trained, and how fast."""

from typing import Any

import keras

BATCH = 32
STEPS = 1000
EPOCHS = 20, 200
RATE = 0.02


def epochs_for(rows: int) -> int:
    """About 1,000 steps, and between 20 and 200 epochs.

    Example:
        >>> epochs_for(1500), epochs_for(30), epochs_for(10**6)
        (22, 200, 20)
    """
    least, most = EPOCHS
    return min(max(-(-STEPS * BATCH // rows), least), most)


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
