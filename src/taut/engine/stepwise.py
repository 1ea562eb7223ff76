"""The program batch by batch, for models that XLA compiles badly inside a loop.

On a CPU, XLA hands a convolution to a fast library only outside of loops; inside, the layouts
that this needs are not found, and it is four times slower (jax-ml/jax issue 12868). So here each
batch is one call from Python, which costs a convolution nothing.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec

from taut.engine import hosts
from taut.engine.program import (
    HELD_OUT,
    LANES,
    ROWS,
    Plan,
    held_out_step,
    judge,
    of_its_size,
    over_devices,
    side_by_side,
    train_step,
)

Tree = Any


def build_stepwise(model: Any, plan: Plan, mesh: Mesh) -> Callable[..., tuple[Tree, Any]]:
    """The same function as `taut.engine.program.build`, with the loops in Python."""
    alive = weakref.ref(model)

    def train(
        state: Tree, total: Any, rows: Any, at: Any, data: Tree, *, step: Any = train_step
    ) -> tuple[Tree, Any]:
        def lane(state: Tree, total: Any, rows: Any) -> tuple[Tree, Any]:
            context = alive(), plan, data, state["target"]
            variables, loss = step(*context, state["variables"], rows[at[0], at[1]])
            total = jnp.where(at[1] == 0, 0.0, total) + loss
            return {**state, "variables": variables}, total

        return side_by_side(lane, rows.shape[0])(state, total, rows)

    def measure(
        state: Tree, total: Any, held_out: Any, at: Any, data: Tree, *, step: Any = held_out_step
    ) -> Any:
        def lane(state: Tree, total: Any, held_out: Any) -> Any:
            context = alive(), plan, data, state["target"]
            loss = step(*context, state["variables"], held_out[at])
            return jnp.where(at == 0, 0.0, total) + loss

        return side_by_side(lane, held_out.shape[0])(state, total, held_out)

    def end(
        state: Tree, losses: Any, totals: Any, rows: Any, held_out: Any, i: Any
    ) -> tuple[Tree, Any]:
        def lane(state: Tree, losses: Any, totals: Any, rows: Any, held_out: Any) -> Any:
            state = judge(plan, state, totals[0], rows[i], totals[1], held_out)
            return state, losses.at[i].set(state["losses"])

        return side_by_side(lane, rows.shape[0])(state, losses, totals, rows, held_out)

    none = PartitionSpec()
    of_train, of_held_out = (
        (LANES, LANES, ROWS, none, none),
        (LANES, LANES, HELD_OUT, none, none),
    )
    train_last, measure_last = train, measure
    if plan.ends is not None:
        train_last = partial(train, step=of_its_size(train_step, plan.ends[0]))
        measure_last = partial(measure, step=of_its_size(held_out_step, plan.ends[1]))
    apart = plan.ends is not None  # otherwise the last batch is as the others: one program
    trains = [over_devices(one, mesh, of_train, donate=(0, 1)) for one in (train, train_last)]
    measures = [
        over_devices(one, mesh, of_held_out, donate=(1,)) for one in (measure, measure_last)
    ]
    end = over_devices(end, mesh, (LANES, LANES, LANES, ROWS, HELD_OUT, none), donate=(0, 1))

    def run(state: Tree, rows: Any, held_out: Any, epochs: Any, data: Tree) -> tuple[Tree, Any]:
        lanes = rows.shape[0]
        losses = np.full((lanes, plan.epochs, 2), np.nan, np.float32)
        zeros = np.zeros(lanes, np.float32)
        losses, trained, measured = hosts.put((losses, zeros, zeros.copy()), mesh, LANES)
        for i in range(int(epochs)):
            for s in range(rows.shape[2]):
                step = trains[apart and s == rows.shape[2] - 1]
                state, trained = step(state, trained, rows, np.array([i, s], np.int32), data)
            if plan.held_out:
                for s in range(held_out.shape[1]):
                    step = measures[apart and s == held_out.shape[1] - 1]
                    measured = step(state, measured, held_out, np.int32(s), data)
            totals = trained, measured
            state, losses = end(state, losses, totals, rows, held_out, np.int32(i))
        return state, losses

    return run
