"""The compiled programs: lanes side by side on every device, moved by `train` and `measure`."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec

from taut.engine import processes
from taut.engine.data.sources import Rows
from taut.engine.state import LaneState, judge, keep
from taut.engine.step import Block, Plan, measure, train

Tree = Any
LANES, EVERYWHERE = PartitionSpec("lanes"), PartitionSpec()
ROWS = PartitionSpec("lanes", None, None, "data")
HELD_OUT = PartitionSpec("lanes", None, "data")


def side_by_side(lane: Callable[..., Tree], lanes: int) -> Callable[..., Tree]:
    """The function of one lane for several, on a first axis of all arguments."""
    if lanes > 1:
        return jax.vmap(lane)
    # One lane is not mapped: a mapped convolution is a grouped one, which is slow on a CPU.
    return lambda *arguments: jax.tree.map(
        lambda a: jnp.asarray(a)[None], lane(*jax.tree.map(lambda a: a[0], arguments))
    )


def over_devices(
    function: Callable[..., Tree], mesh: Mesh, specs: tuple[Any, ...], donate: tuple[int, ...]
) -> Callable[..., Tree]:
    """Jit a function of the shards on one device; it returns arrays by lane."""
    mapped = jax.shard_map(function, mesh=mesh, in_specs=specs, out_specs=LANES, check_vma=False)
    options: dict[str, Any] = {}
    if mesh.devices.flat[0].platform == "cpu":
        # Measured a tenth faster than XLA's 256 where registers are that wide.
        options["xla_cpu_prefer_vector_width"] = 512
    return jax.jit(mapped, donate_argnums=donate, compiler_options=options)


def whole_epochs(model: Any, plan: Plan, mesh: Mesh) -> Callable[..., tuple[Tree, Any]]:
    """Make (state, rows, held_out, epochs, data) -> (state, losses) over the mesh.

    The mesh has the axes `lanes` and `data`; the devices along `data` share each batch. state:
    leaves [lanes, …]; rows: [lanes, plan.epochs, steps, batch] row numbers; held_out: [lanes,
    steps, batch]; epochs: how many of plan.epochs to run, so that one compilation serves
    blocks of every length; losses: [lanes, plan.epochs, 2], training and held-out.
    """
    alive = weakref.ref(model)  # a program must not keep its model alive

    def shard(state: LaneState, rows: Any, held_out: Any, epochs: Any, data: Rows) -> Tree:
        def one_lane(state: LaneState, rows: Any, held_out: Any) -> tuple[LaneState, Any]:
            state, trained = train(alive(), plan, state, Block(data, rows))
            measured = jnp.zeros((), jnp.float32)
            if plan.rules.held_out:
                measured = measure(alive(), plan, state, Block(data, held_out))
            return judged(plan, state, (trained, measured), (rows, held_out))

        lane = side_by_side(one_lane, rows.shape[0])

        def epoch(i: Any, carry: Tree) -> Tree:
            state, losses = carry
            state, of_epoch = lane(state, rows[:, i], held_out)
            return state, losses.at[:, i].set(of_epoch)

        losses = jnp.full((rows.shape[0], plan.epochs, 2), jnp.nan, jnp.float32)
        return jax.lax.fori_loop(0, epochs, epoch, (state, losses))

    specs = LANES, ROWS, HELD_OUT, EVERYWHERE, EVERYWHERE
    return over_devices(shard, mesh, specs, donate=(0,))


def batch_by_batch(model: Any, plan: Plan, mesh: Mesh) -> Callable[..., tuple[Tree, Any]]:
    """The same function as `whole_epochs`, with the loops in Python.

    On a CPU, XLA hands a convolution to a fast library only outside of loops; inside, the layouts
    that this needs are not found, and it is four times slower (jax-ml/jax issue 12868). So here
    each batch is one call from Python, which costs a convolution nothing.
    """
    alive = weakref.ref(model)

    def trains(ends: bool) -> Callable[..., Tree]:
        def shard(state: LaneState, total: Any, rows: Any, at: Any, data: Rows) -> Tree:
            def lane(state: LaneState, total: Any, rows: Any) -> Tree:
                block = Block(data, rows[at[0], at[1]], ends=ends)
                state, loss = train(alive(), plan, state, block)
                return state, jnp.where(at[1] == 0, 0.0, total) + loss

            return side_by_side(lane, rows.shape[0])(state, total, rows)

        specs = LANES, LANES, ROWS, EVERYWHERE, EVERYWHERE
        return over_devices(shard, mesh, specs, donate=(0, 1))

    def measures(ends: bool) -> Callable[..., Tree]:
        def shard(state: LaneState, total: Any, held_out: Any, at: Any, data: Rows) -> Tree:
            def lane(state: LaneState, total: Any, rows: Any) -> Any:
                loss = measure(alive(), plan, state, Block(data, rows[at], ends=ends))
                return jnp.where(at == 0, 0.0, total) + loss

            return side_by_side(lane, held_out.shape[0])(state, total, held_out)

        specs = LANES, LANES, HELD_OUT, EVERYWHERE, EVERYWHERE
        return over_devices(shard, mesh, specs, donate=(1,))

    def end(state: LaneState, losses: Any, totals: Any, rows: Any, held_out: Any, i: Any) -> Tree:
        def lane(state: LaneState, losses: Any, totals: Any, rows: Any, held_out: Any) -> Tree:
            state, of_epoch = judged(plan, state, totals, (rows[i], held_out))
            return state, losses.at[i].set(of_epoch)

        return side_by_side(lane, rows.shape[0])(state, losses, totals, rows, held_out)

    train_one, measure_one = trains(False), measures(False)
    train_last, measure_last = train_one, measure_one
    if plan.ends is not None:
        train_last, measure_last = trains(True), measures(True)
    ends = over_devices(end, mesh, (LANES, LANES, LANES, ROWS, HELD_OUT, EVERYWHERE), (0, 1))

    def run(state: LaneState, rows: Any, held_out: Any, epochs: Any, data: Rows) -> Tree:
        lanes = rows.shape[0]
        losses = np.full((lanes, plan.epochs, 2), np.nan, np.float32)
        zeros = np.zeros(lanes, np.float32)
        losses, trained, measured = processes.put((losses, zeros, zeros.copy()), mesh, LANES)
        for i in range(int(epochs)):
            for s in range(rows.shape[2]):
                step = train_last if s == rows.shape[2] - 1 else train_one
                state, trained = step(state, trained, rows, np.array([i, s], np.int32), data)
            if plan.rules.held_out:
                for s in range(held_out.shape[1]):
                    step = measure_last if s == held_out.shape[1] - 1 else measure_one
                    measured = step(state, measured, held_out, np.int32(s), data)
            state, losses = ends(state, losses, (trained, measured), rows, held_out, np.int32(i))
        return state, losses

    return run


def judged(plan: Plan, state: LaneState, totals: Any, rows: Any) -> tuple[LaneState, Any]:
    """(the lane after an epoch, its losses), given their sums over these row numbers."""
    trained, measured = (
        total / plan.total((numbers >= 0).sum())
        for total, numbers in zip(totals, rows, strict=True)
    )
    losses = jnp.stack([trained, measured if plan.rules.held_out else jnp.nan])
    after, better = judge(plan.rules, state, losses)
    return keep(after, better), jnp.where(state.done, jnp.nan, losses)


def block_by_block(
    model: Any, plan: Plan, mesh: Mesh, width: int
) -> tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]:
    """The programs for rows that are read a block at a time, for all lanes at once.

    Returns:
        (train, measure, end). train: (state, live, block) -> (state, sums); measure the same to
        sums alone; end: (state, losses) -> state. state: leaves [lanes, …]; live: [lanes] of
        bool, what becomes of others is not read; block.rows: [folds, steps, batch], of which a
        lane takes those of its split; sums: [lanes] data loss times rows over the block; losses:
        [lanes, 2] of an epoch.
    """
    alive = weakref.ref(model)

    def in_chunks(move: Callable[..., Any], state: LaneState, live: Any, block: Block) -> Tree:
        lanes = live.shape[0]
        cut = lambda a: a.reshape(lanes // width, width, *a.shape[1:])  # noqa: E731
        joined = lambda a: a.reshape(lanes, *a.shape[2:])  # noqa: E731

        def chunk(part: tuple[LaneState, Any]) -> Any:
            state, live = part
            # Where no lane is left nothing is computed; elsewhere an ended one costs its time.
            steps = jnp.where(live.any(), block.steps, 0)

            def lane(state: LaneState) -> Any:
                # One order of rows for all lanes is read once for all lanes.
                common_order = block.rows.shape[0] == 1
                rows = block.rows[0] if common_order else block.rows[state.split]
                return move(alive(), plan, state, replace(block, rows=rows, steps=steps))

            return side_by_side(lane, width)(state)

        return jax.tree.map(joined, jax.lax.map(chunk, jax.tree.map(cut, (state, live))))

    def trains(state: LaneState, live: Any, block: Block) -> tuple[LaneState, Any]:
        # The best weights do not go through the chunks, which would copy them.
        moved, sums = in_chunks(train, replace(state, best=()), live, block)
        return replace(moved, best=state.best), sums

    def measures(state: LaneState, live: Any, block: Block) -> Any:
        return in_chunks(measure, replace(state, best=()), live, block)

    def ends(state: LaneState, losses: Any) -> LaneState:
        after, better = judge(plan.rules, state, losses.T)
        return keep(after, better)

    specs = LANES, LANES, EVERYWHERE
    return (
        over_devices(trains, mesh, specs, donate=(0,)),
        over_devices(measures, mesh, specs, donate=()),
        over_devices(ends, mesh, (LANES, LANES), donate=(0,)),
    )
