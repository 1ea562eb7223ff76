"""How long networks on texts are trained."""

BATCH = 32
STEPS = 1000
EPOCHS = 20, 200


def epochs_for(rows: int) -> int:
    """About 1,000 steps, and between 20 and 200 epochs.

    Example:
        >>> epochs_for(1500), epochs_for(30), epochs_for(10**6)
        (22, 200, 20)
    """
    least, most = EPOCHS
    return min(max(-(-STEPS * BATCH // rows), least), most)
