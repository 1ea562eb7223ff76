"""What is said of encoded columns is said in the units of the table."""

from functools import partial

import numpy as np
import pandas as pd
import pytest

from taut.diagnosis import failing_segments
from taut.frames.encode import Encoder
from taut.frames.scales import Scale
from taut.frames.understand import understand
from taut.tables.encoded_words import in_units


@pytest.mark.parametrize("value", [-1e12, -999.0, 0.0, 17.25, 34.0, 5e5, 1e300])
def test_what_was_scaled_is_scaled_back(value):
    scale = Scale(centre=30.0, spread=7.0)
    back = scale.undo(float(scale.apply(np.array([value]))[0]))
    assert back == pytest.approx(value, rel=1e-9, abs=1e-9)


def test_a_segment_is_told_in_the_units_of_the_table():
    draw = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "age": draw.integers(18, 90, 400) * 1.0,
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(draw.integers(0, 300, 400), "D"),
            "sex": draw.choice(["female", "male"], 400),
            "pay": draw.normal(size=400),
        }
    )
    frame.loc[::7, "pay"] = np.nan
    schema = understand(frame, target="pay")
    features, _ = schema.prepare(frame, require_target=False)
    encoder = Encoder(schema).fit(features)
    told = partial(in_units, encoder)
    encoded = encoder.transform(features)

    def worst(losses):
        found = failing_segments(encoded, losses, names=encoder.names, worded=told)
        return found.failing[0].where

    noise = draw.exponential(size=400)
    edges = np.quantile(frame["age"], [0.2, 0.4])
    inside = (frame["age"] > edges[0]) & (frame["age"] <= edges[1])
    assert worst(noise + 9 * inside) == f"{edges[0]:g} < age ≤ {edges[1]:g}"
    assert worst(noise + 9 * (frame["sex"] == "female")) == "sex ≠ male"
    assert worst(noise + 9 * (frame["sex"] == "male")) == "sex = male"
    both = (frame["sex"] == "female") & (frame["age"] > frame["age"].quantile(2 / 3))
    assert set(worst(noise + 9 * both).split(" & ")) == {
        "sex ≠ male",
        f"age > {frame['age'].quantile(2 / 3):.6g}",
    }
    late = frame["day"] > frame["day"].sort_values().iloc[320]
    assert worst(noise + 9 * late).startswith("day > 2024-")
