"""How compaction cuts the layers of the default network: see `taut.compaction`."""

from __future__ import annotations

import numpy as np

from taut.compaction.layer_rule import Cut, Keeps
from taut.compaction.linear_cuts import Linear
from taut.compaction.on_values import activated
from taut.compaction.reasons import OTHER_MEMBERS


class MemberCut(Linear):
    """A dense layer for each member, kernel [members, inputs, units].

    A unit goes where it is dead in every member, and the same constant in all; of constants only
    zero is read away.
    """

    pads_reason = unlike = OTHER_MEMBERS

    def _kernel(self) -> np.ndarray:
        return self.stored["kernel"]

    def _pads(self) -> bool:
        return True  # only zeros fold

    @property
    def bias(self) -> np.ndarray:
        return self.stored.get("bias", np.zeros((len(self.kernel), self.number)))

    def _constants(self, value: np.ndarray) -> np.ndarray | None:
        made = activated(self.layer.activation, self.bias.reshape(-1))
        if made is None:
            return None
        made = made.reshape(self.bias.shape)
        return np.where((made == made[:1]).all(axis=0), made[0], np.nan)

    def cut(self, keeps: Keeps) -> Cut:
        reads, makes = keeps(self.inputs.atoms), keeps(self.made_atoms)
        cut = Cut({"units": int(makes.sum())})
        cut.weights[id(self.layer), "kernel"] = self.stored["kernel"][:, reads][..., makes]
        if "bias" in self.stored:
            cut.weights[id(self.layer), "bias"] = self.stored["bias"][:, makes]
        return cut
