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
        state: Tree, total: Any, rows: Any, at: Any, data: Tree, *, step: Any
    ) -> tuple[Tree, Any]:
        def lane(state: Tree, total: Any, rows: Any) -> tuple[Tree, Any]:
            context = alive(), plan, data, state["target"]
            variables, loss = step(*context, state["variables"], rows[at[0], at[1]])
            total = jnp.where(at[1] == 0, 0.0, total) + loss
            return {**state, "variables": variables}, total

        return side_by_side(lane, rows.shape[0])(state, total, rows)

    def measure(state: Tree, total: Any, held_out: Any, at: Any, data: Tree, *, step: Any) -> Any:
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

    def trains(step: Any) -> Any:
        specs = LANES, LANES, ROWS, none, none
        return over_devices(partial(train, step=step), mesh, specs, donate=(0, 1))

    def measures(step: Any) -> Any:
        specs = LANES, LANES, HELD_OUT, none, none
        return over_devices(partial(measure, step=step), mesh, specs, donate=(1,))

    train_one = train_last = trains(train_step)
    measure_one = measure_last = measures(held_out_step)
    if plan.ends is not None:
        train_last = trains(of_its_size(train_step, plan.ends[0]))
        measure_last = measures(of_its_size(held_out_step, plan.ends[1]))
    end = over_devices(end, mesh, (LANES, LANES, LANES, ROWS, HELD_OUT, none), donate=(0, 1))

    def run(state: Tree, rows: Any, held_out: Any, epochs: Any, data: Tree) -> tuple[Tree, Any]:
        lanes = rows.shape[0]
        losses = np.full((lanes, plan.epochs, 2), np.nan, np.float32)
        zeros = np.zeros(lanes, np.float32)
        losses, trained, measured = hosts.put((losses, zeros, zeros.copy()), mesh, LANES)
        for i in range(int(epochs)):
            for s in range(rows.shape[2]):
                step = train_last if s == rows.shape[2] - 1 else train_one
                state, trained = step(state, trained, rows, np.array([i, s], np.int32), data)
            if plan.held_out:
                for s in range(held_out.shape[1]):
                    step = measure_last if s == held_out.shape[1] - 1 else measure_one
                    measured = step(state, measured, held_out, np.int32(s), data)
            totals = trained, measured
            state, losses = end(state, losses, totals, rows, held_out, np.int32(i))
        return state, losses

    return run
