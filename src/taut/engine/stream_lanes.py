"""The lanes of a streamed study, as they are on the devices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from taut.engine.initial import InitialValues
from taut.engine.lanes import Lane
from taut.engine.packing import unpacked
from taut.engine.stream_program import keep

MOST = 16
"""Lanes side by side on a device, unless given."""
_keep = jax.jit(keep, donate_argnums=2)


class Stack:
    """The variables of the lanes that still train, on the devices.

    The best weights of a lane that has ended change no more. Once the living fill no more than
    half of the stack it is cut to the half, the quarter, … that holds them: so the sizes are few,
    and so are programs.

    Attributes:
        numbers: The lane in each slot; None where there is none.
        variables: [slots, …] of (trainable, non-trainable, optimizer).
        width: Lanes side by side on a device.
    """

    def __init__(self, initial: InitialValues, lanes: Sequence[Lane], mesh: Mesh, most: int):
        self._lanes, self._mesh, self._most = lanes, mesh, most
        self._sharding = NamedSharding(mesh, PartitionSpec("lanes"))
        self.numbers: list[int | None] = list(range(len(lanes)))
        local, self.width = self._shape(-(-len(lanes) // mesh.size))
        self._pad(local)
        values = [initial(lanes[i or 0]) for i in self.numbers]
        self.variables: Any = jax.tree.map(lambda *one: self.put(np.stack(one)), *values)
        del values
        self._best: Any = jax.tree.map(jnp.copy, self.variables[:2])
        # Written as lanes leave; memory that is not written yet is none.
        self._kept = jax.tree.map(
            lambda a: np.empty((len(lanes), *a.shape[1:]), a.dtype), self._best
        )
        self._show(range(len(lanes)))

    @staticmethod
    def bytes_a_lane(values: Any) -> int:
        """Of its variables and best weights, each twice while a program runs, and the result."""
        sizes = [sum(a.nbytes for a in jax.tree.leaves(part)) for part in (values, values[:2])]
        return 2 * sizes[0] + 3 * sizes[1]

    def put(self, values: np.ndarray) -> jax.Array:
        """Values with one entry a slot, on the devices."""
        return jax.device_put(values, self._sharding)

    def keep(self, better: np.ndarray) -> None:
        """Take the present weights of lanes, [lanes] of bool, as their best."""
        taken = self.put(np.array([i is not None and bool(better[i]) for i in self.numbers]))
        self._best = _keep(taken, self.variables[:2], self._best)

    def end(self, live: np.ndarray) -> None:
        """Go on with the lanes that live, [lanes] of bool, alone."""
        left: list[int | None] = [i for i in self.numbers if i is not None and live[i]]
        local = len(self.numbers) // self._mesh.size
        least = local
        while least > 1 and -(-least // 2) * self._mesh.size >= len(left):
            least = -(-least // 2)
        least, width = self._shape(least)
        if not left or least >= local:
            self._show(left)
            return
        self._take(self._best)
        slots = [self.numbers.index(i) for i in left]
        self.numbers, self.width = left.copy(), width
        self._pad(least)
        at = np.array(slots + [slots[0]] * (len(self.numbers) - len(slots)))
        self.variables = jax.tree.map(lambda a: self.put(np.asarray(a)[at]), self.variables)
        self._best = jax.tree.map(lambda a: self.put(np.asarray(a)[at]), self._best)
        self._show(left)

    def kept(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """The best weights of every lane, [lanes, …]; the devices' memory is given back."""
        self._take(self._best)
        self._best = self.variables = None
        return self._kept

    def saved(self) -> tuple[dict[str, Any], dict[str, list[Any]]]:
        """What a checkpoint holds of it: as JSON, and lists of trees."""
        gone = self._gone()
        trees = {"variables": [self.variables], "best": [self._best], "kept": []}
        if gone:
            trees["kept"] = [jax.tree.map(lambda a: a[gone], self._kept)]
        on_host = {name: jax.tree.map(np.asarray, some) for name, some in trees.items()}
        return {"numbers": self.numbers}, on_host

    def restore(self, parts: dict[str, Any], arrays: dict[str, np.ndarray], live: Any) -> None:
        """Be as it was when `saved` was called; live: [lanes] of bool."""
        self.numbers = parts["numbers"]
        self.width = self._shape(len(self.numbers) // self._mesh.size)[1]
        for name, attribute in (("variables", "variables"), ("best", "_best")):
            (tree,) = unpacked(name, 1, parts, arrays)
            like = jax.tree.structure(getattr(self, attribute))
            placed = [self.put(a) for a in jax.tree.leaves(tree)]
            setattr(self, attribute, jax.tree.unflatten(like, placed))
        if gone := self._gone():
            (tree,) = unpacked("kept", 1, parts, arrays)
            pairs = zip(jax.tree.leaves(self._kept), jax.tree.leaves(tree), strict=True)
            for to, values in pairs:
                to[gone] = values
        self._show([i for i in self.numbers if i is not None and live[i]])

    def _gone(self) -> list[int]:
        """Lanes that have left the devices."""
        return sorted(set(range(len(self._lanes))) - set(self.numbers))

    def _take(self, best: Any) -> None:
        slots = [s for s, i in enumerate(self.numbers) if i is not None]
        lanes = [i for i in self.numbers if i is not None]
        jax.tree.map(lambda to, a: to.__setitem__(lanes, np.asarray(a)[slots]), self._kept, best)

    def _shape(self, local: int) -> tuple[int, int]:
        """Slots on a device, at least `local`, and how many of these side by side."""
        rounds = -(-local // self._most)
        width = -(-local // rounds)
        return rounds * width, width

    def _pad(self, local: int) -> None:
        self.numbers += [None] * (local * self._mesh.size - len(self.numbers))

    def _show(self, live: Any) -> None:
        alive = set(live)
        self.live = self.put(np.array([i in alive for i in self.numbers]))
        folds = [0 if i is None else self._lanes[i].split for i in self.numbers]
        self.split = self.put(np.array(folds, np.int32))
