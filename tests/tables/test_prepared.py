"""Rows in the forms that training reads."""

import numpy as np
import pandas as pd

from taut.diagnosis import distribution_shift
from taut.frames.roles import Roles
from taut.frames.understand import understand
from taut.tables.prepared import prepare


def test_levels_of_the_rows_to_learn_from_are_no_shift_of_the_test():
    draw = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "town": [f"t{k // 4}" for k in draw.permutation(600)],
            "x": draw.normal(size=600),
            "y": draw.normal(size=600),
        }
    )
    schema = understand(frame, target="y", features=["town", "x"])
    data = prepare(frame, schema, Roles(), test=None, test_size=0.2, folds=3, seed=0)
    names, learned, test = data.drawn.names, data.drawn.learned, data.drawn.test
    assert (len(learned), len(test)) == (len(data.y), len(data.test_y))
    found = distribution_shift(learned, test, names=names)
    assert not found.shifted
    by_rows = distribution_shift(data.encoded, data.test_x, names=data.encoder.names)
    assert by_rows.inputs == ("town = (other)",), "and as the network reads them they are"
    assert (learned[:, names.index("x")] == data.encoded[:, data.encoder.names.index("x")]).all()
