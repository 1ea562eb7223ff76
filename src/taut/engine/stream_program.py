"""The compiled programs of streamed lanes: the batches of one block, for all lanes at once."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec

from taut._keras_compat import moments_of_rows
from taut.engine.program import Batch, data_loss
from taut.engine.sources import Rows

Tree = Any


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Block:
    """Rows, and which of them are in the batches of each fold's lanes.

    Attributes:
        rows: [rows, …].
        at: [folds, steps, batch] places of rows; the first `counts` of a batch are its own,
            behind them these are repeated, which nothing sees.
        counts: [folds, steps].
        steps: How many of the steps there are.
    """

    rows: Rows
    at: Any
    counts: Any
    steps: Any


def training_batches(rows: Rows, folds: np.ndarray, number: int, batch_size: int) -> Block:
    """Each batch is `batch_size` rows in their order, less those of the lane's own fold.

    Args:
        rows: [steps · batch_size, …].
        folds: [number of true rows].
        number: How many folds; 1 trains on all rows.
        batch_size: Rows in a batch.
    """
    shape = -(-len(jax.tree.leaves(rows)[0]) // batch_size), batch_size
    of_row = np.full(shape, -1, np.int32)
    of_row.reshape(-1)[: len(folds)] = folds
    at = np.empty((number, *shape), np.int32)
    counts = np.empty((number, shape[0]), np.int32)
    start = np.arange(shape[0])[:, None] * batch_size
    for fold in range(number):
        own = of_row >= 0 if number == 1 else (of_row >= 0) & (of_row != fold)
        counts[fold] = own.sum(axis=1)
        order = np.argsort(~own, axis=1, kind="stable")
        again = np.arange(batch_size) % np.maximum(counts[fold], 1)[:, None]
        at[fold] = start + np.take_along_axis(order, again, axis=1)
    at[counts == 0] = 0  # a row that exists, whatever is behind the last
    return Block(rows, at, counts, np.int32(-(-len(folds) // batch_size)))


def held_out_batches(rows: Rows, folds: np.ndarray, number: int, batch_size: int) -> Block:
    """Each fold's rows, closely packed into batches; the arguments as in `training_batches`."""
    shape = number, -(-len(jax.tree.leaves(rows)[0]) // batch_size), batch_size
    at = np.zeros(shape, np.int32)
    each = np.bincount(folds, minlength=number)
    for fold in range(number):
        at[fold].reshape(-1)[: each[fold]] = np.flatnonzero(folds == fold)
    counts = np.clip(each[:, None] - np.arange(shape[1]) * batch_size, 0, batch_size)
    steps = -(-int(each.max()) // batch_size)
    return Block(rows, at, counts.astype(np.int32), np.int32(steps))


def build(
    model: Any, mesh: Mesh, width: int, *, training: bool, may_lack_rows: bool
) -> Callable[..., Any]:
    """Jit the batches of a block for lanes sharded over the mesh, `width` at a time on a device.

    With `training`, (variables, live, split, block) -> (variables, sums); otherwise the same
    to sums alone. variables: leaves [lanes, …] of (trainable, non-trainable, optimizer), or of the
    first two; live: [lanes], what becomes of others is not read; split: [lanes] the lane's fold;
    sums: [lanes] data loss times rows over the block.

    Args:
        model: The Keras model; the program does not keep it alive.
        mesh: With the axis `lanes`.
        width: Divides the lanes of a device.
        training: Whether to train, or to measure the loss in inference mode.
        may_lack_rows: Whether there are batches with no row for some lane, which are no step.
    """
    alive = weakref.ref(model)

    def shard(variables: Tree, live: Any, split: Any, block: Block) -> Any:
        model: Any = alive()

        def chunk(part: Tree) -> Any:
            variables, live, split = part

            def step(i: Any, carry: Tree) -> Tree:
                batch = lambda v, s: _step(model, block, i, v, s, training, may_lack_rows)  # noqa: E731
                variables, sums = carry
                # One order of rows for all lanes is read once for all lanes.
                axes = (0, None) if block.at.shape[0] == 1 else (0, 0)
                one = split[0] if block.at.shape[0] == 1 else split
                variables, loss = jax.vmap(batch, in_axes=axes)(variables, one)
                return variables, sums + loss

            # Where no lane is left nothing is computed; elsewhere an ended one costs its time,
            # and what becomes of it is not read.
            steps = jnp.where(live.any(), block.steps, 0)
            start = variables, jnp.zeros(live.shape, jnp.float32)
            return jax.lax.fori_loop(0, steps, step, start)

        lanes = live.shape[0]
        cut = lambda a: a.reshape(lanes // width, width, *a.shape[1:])  # noqa: E731
        joined = lambda a: a.reshape(lanes, *a.shape[2:])  # noqa: E731
        parts = jax.tree.map(cut, (variables, live, split))
        if not training:
            return joined(jax.lax.map(lambda part: chunk(part)[1], parts))
        return jax.tree.map(joined, jax.lax.map(chunk, parts))

    lanes, all_ = PartitionSpec("lanes"), PartitionSpec()
    mapped = jax.shard_map(
        shard,
        mesh=mesh,
        in_specs=(lanes, lanes, lanes, all_),
        out_specs=lanes,
        check_vma=False,
    )
    options: dict[str, Any] = {}
    if mesh.devices.flat[0].platform == "cpu":
        options["xla_cpu_prefer_vector_width"] = 512  # as in `program.build`
    donated = (0,) if training else ()
    return jax.jit(mapped, donate_argnums=donated, compiler_options=options)


def _step(
    model: Any, block: Block, i: Any, variables: Tree, split: Any, training: bool, gaps: bool
) -> tuple[Tree, Any]:
    """One batch of one lane: the variables after it, and its data loss times its rows."""
    at, count = block.at[split, i], block.counts[split, i]
    x, y, own = jax.tree.map(lambda a: a[at], (block.rows.x, block.rows.y, block.rows.weight))
    batch = Batch(x, y, own, jnp.arange(at.shape[0]) < count)
    trainable, non_trainable, *states = variables
    if not training:
        _, (loss, _) = data_loss(model, trainable, non_trainable, batch, False)
        return variables, jnp.where(count > 0, loss * count, 0.0).astype(jnp.float32)
    gradient = jax.value_and_grad(data_loss, argnums=1, has_aux=True)
    with moments_of_rows(model, batch.present):
        (_, (loss, non_trainable)), grads = gradient(model, trainable, non_trainable, batch, True)
    trainable, optimizer = model.optimizer.stateless_apply(states[0], grads, trainable)
    new = trainable, non_trainable, optimizer
    if gaps:
        new = jax.tree.map(lambda a, b: jnp.where(count > 0, a, b), new, variables)
    return new, jnp.where(count > 0, loss * count, 0.0).astype(jnp.float32)


def keep(lanes: Any, new: Tree, old: Tree) -> Tree:
    """`new` for the lanes, [lanes] of bool, and `old` for the others."""

    def chosen(a: Any, b: Any) -> Any:
        return jnp.where(lanes.reshape(-1, *[1] * (a.ndim - 1)), a, b)

    return jax.tree.map(chosen, new, old)
