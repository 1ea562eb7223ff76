"""Where prediction asks for more than is sure, shuffled inputs are not taken for more."""

import keras
import pandas as pd
import pytest

import taut
from taut_cli.demo import write_table

pytestmark = pytest.mark.skipif(keras.backend.backend() != "jax", reason="lanes need JAX")


@pytest.mark.slow
def test_the_shuffled_inputs_of_the_demo_are_left_out(tmp_path):
    write_table(tmp_path / "table.csv")
    frame = pd.read_csv(tmp_path / "table.csv")
    model = taut.fit_table(frame, target="diagnosis", sparse=True, quick=True)
    reasons = {item.input: item.reason for item in model.selection.inputs if item.kept}
    assert "needed" in reasons.values()
    assert not [name for name in reasons if "shuffled" in name]
