"""Why what is dead stays, in words, and what can be done about it."""

from __future__ import annotations

from typing import NamedTuple


class Reason(NamedTuple):
    """Why something stays.

    Attributes:
        words: Why.
        remedy: What to do, as a sentence without its full stop; empty where nothing is known.
    """

    words: str
    remedy: str = ""


class NotUnderstood(Exception):
    """A call of a layer, or a layer, that its rule does not cover.

    Args:
        words: Why.
        remedy: As in `Reason`.
    """

    def __init__(self, words: str, remedy: str = ""):
        super().__init__(words)
        self.reason = Reason(words, remedy)


_PENALISE_BIASES = 'Penalise biases with the units (`GroupLasso(groups="units")` does)'
_KERAS_FUNCTIONS = "Give the layer a function of `keras.activations`"

PADDING = Reason(
    "pads its borders with zeros, where a constant is none",
    f'{_PENALISE_BIASES}, or give the layer `padding="valid"`',
)
OTHER_CONSTANTS = Reason("is called several times, with other constants each time")
OTHER_MEMBERS = Reason(
    "takes only zeros away: other constants differ from member to member", _PENALISE_BIASES
)
ACTIVATION = Reason(
    "its activation is a function that may mix units",
    f'{_KERAS_FUNCTIONS}, such as "relu"',
)
WITH_WEIGHTS = Reason(
    "its activation is a layer with weights", "Make that a layer of its own, behind this one"
)
DRIFTS = Reason(
    "its state changes from step to step, though nothing is read: the biases are not zero",
    _PENALISE_BIASES,
)
NEVER_ZERO = Reason(
    "its activation does not make 0 of 0, or is a function that may mix units",
    f"{_KERAS_FUNCTIONS}, such as tanh",
)
SHARED = Reason("what it reads is read by others too")
MIXES = Reason("mixes all the features that it reads")
NO_RULE = Reason(
    "no rule", "Say it with layers of Keras and `keras.ops` in the model itself: these are followed"
)
NOT_FOLLOWED = Reason(
    "no rule", "Take what is followed in its place: the table of layers in the documentation has it"
)
ARRAY = Reason("an array among its arguments may have a number for each feature")
QUANTISED = Reason("it is quantised", "Compact the model first, and quantise the result")
LORA = Reason("it has a LoRA", "Compact the model before `enable_lora`")
GROUPS = Reason("its channels are in groups")
IGNORED = Reason("`ignore` holds it, or a layer that it is tied to")
TIED = Reason(
    "tied to units that live: added to them, or in one place with them",
    "Those have to die too: penalise all that makes them",
)
EVENED = Reason("both directions of a layer have as many units")
LAST = Reason("the last one: the layer needs one")
