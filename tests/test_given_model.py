"""What is no model is said in one short sentence, with the model if one is in it."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest

import taut
from taut.compaction import multiply_adds

NETWORK = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")])


class Talkative:
    def __repr__(self):
        return "much" * 99


@pytest.mark.parametrize(
    "function", [taut.compact, lambda model: taut.diagnose(model, [1], [1]), multiply_adds]
)
@pytest.mark.parametrize(
    ("given", "words"),
    [
        (None, "Received: None. Pass the model itself."),
        ("m.keras", "Received: the path 'm.keras'. Pass what `taut.models.load_model` makes of"),
        (NETWORK.get_weights(), "Received: a list of 2. Pass one model."),
        (NETWORK.layers[0], "Received: 'dense', a layer of class Dense. Pass the model that"),
        (SimpleNamespace(network=NETWORK), "a SimpleNamespace. Pass its `network`, which is one."),
        (SimpleNamespace(model=NETWORK), "a SimpleNamespace. Pass its `model`, which is one."),
        (keras.Sequential, "Received: the class Sequential. Pass a model of this class."),
        (np.zeros((99, 99)), "Received: an object of class ndarray. Pass the model itself."),
        (Talkative(), "Received: an object of class Talkative. Pass the model itself."),
    ],
)
def test_what_is_no_model(function, given, words):
    with pytest.raises(taut.InputError) as caught:
        function(given)
    message = str(caught.value)
    assert words in message
    assert message.startswith("`model` must be a ")
    assert len(message) < 150
