"""What moves a lane: the batches of a block train it, and others measure it (JAX)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from taut._keras.model_calls import StatelessScope, call_with_losses, moments_of_rows
from taut._keras.over_patches import over_patches
from taut._losses import data_loss_value
from taut.engine.data.batches import PADDING
from taut.engine.data.sources import Rows
from taut.engine.state import LaneState, Rules

Tree = Any


@dataclass(frozen=True)
class Plan:
    """The static choices of a program, which together with the shapes name its compilation."""

    rules: Rules
    batch_size: int
    epochs: int = 1
    """Epochs that one call may run, at most."""
    targets: int | None = None
    """How many targets there are, on the first axis of `y`; None where it has no such axis."""
    gaps: bool = False
    """Whether some lane has no row in some batch, which then is no step."""
    sharers: int = 1
    """Devices that share each batch."""
    ends: tuple[tuple[int, ...], tuple[int, ...]] | None = None
    """The sizes of last batches, of training and of held-out rows, if something would see the rows
    that only fill them."""
    own_moments: bool = False
    """Whether batch normalisation is told which rows only fill a batch."""
    products: bool = False
    """Whether convolutions are matrix products over patches."""
    rows_at_a_time: int | None = None
    """Rows of a batch that are computed at a time, their gradients summed; None for all."""

    def mean(self, tree: Tree) -> Tree:
        """The mean over the devices that share a batch, of the numbers that depend on it."""
        if self.sharers == 1:
            return tree
        inexact = lambda a: jnp.issubdtype(a.dtype, jnp.inexact)  # noqa: E731
        return jax.tree.map(lambda a: jax.lax.pmean(a, "data") if inexact(a) else a, tree)

    @property
    def across(self) -> Callable[[Any], Any] | None:
        """`mean`, where devices share a batch."""
        return None if self.sharers == 1 else self.mean

    def total(self, count: Any) -> Any:
        """The sum over the devices that share a batch."""
        return count if self.sharers == 1 else jax.lax.psum(count, "data")


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Block:
    """Batches that a lane is given at a time.

    Attributes:
        data: Rows on the device; of several targets, `data.y` is [targets, rows, …].
        rows: [steps, batch] row numbers, or [batch] of one step; `batches.PADDING`, at the end
            of a batch, is no row.
        steps: How many of the steps there are; None for all.
        ends: Whether the last step is the last of an epoch, which may be smaller.
    """

    data: Rows
    rows: Any
    steps: Any = None
    ends: bool = field(default=True, metadata={"static": True})


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Batch:
    """The rows of one step; `present`, [rows], tells which are the data's. None: all are."""

    x: Tree
    y: Tree
    weight: Any
    present: Any


def train(model: Any, plan: Plan, state: LaneState, block: Block) -> tuple[LaneState, Any]:
    """The lane after the steps of a block, and the sum of its data loss over their rows."""
    step = partial(_train_batch, model, plan, block.data, state.target)
    last = step if plan.ends is None or not block.ends else _of_its_size(step, plan.ends[0])
    if block.rows.ndim == 1:
        variables, total = last(state.variables, block.rows)
    elif block.steps is None:
        variables, losses = jax.lax.scan(
            step, state.variables, block.rows if last is step else block.rows[:-1]
        )
        if last is not step:
            variables, loss = last(variables, block.rows[-1])
            losses = jnp.append(losses, loss)
        total = losses.sum()
    else:

        def body(i: Any, carry: Tree) -> Tree:
            variables, loss = step(carry[0], block.rows[i])
            return variables, carry[1] + loss

        start = state.variables, jnp.zeros((), jnp.float32)
        variables, total = jax.lax.fori_loop(0, block.steps, body, start)
    return replace(state, variables=variables), total


def measure(model: Any, plan: Plan, state: LaneState, block: Block) -> Any:
    """The sum of the data loss over the rows of a block, in inference mode."""
    step = partial(_held_out_batch, model, plan, block.data, state.target)
    last = step if plan.ends is None or not block.ends else _of_its_size(step, plan.ends[1])
    if block.rows.ndim == 1:
        return last(state.variables, block.rows)
    total = jnp.zeros((), jnp.float32)
    if block.steps is None:
        total, _ = jax.lax.scan(
            lambda sum_, rows: (sum_ + step(state.variables, rows), None),
            total,
            block.rows if last is step else block.rows[:-1],
        )
        return total if last is step else total + last(state.variables, block.rows[-1])
    add = lambda i, sum_: sum_ + step(state.variables, block.rows[i])  # noqa: E731
    return jax.lax.fori_loop(0, block.steps, add, total)


def data_loss(
    model: Any,
    trainable: Tree,
    non_trainable: Tree,
    batch: Batch,
    training: bool,
    across: Callable[[Any], Any] | None = None,
) -> tuple[Any, tuple[Any, Tree]]:
    """(what the optimizer takes, with layers' own losses, (data loss, new non-trainable)).

    `across` averages over the devices that share the batch.
    """
    prediction, non_trainable, extra = call_with_losses(
        model, trainable, non_trainable, batch.x, training=training
    )
    with StatelessScope():
        loss = data_loss_value(
            model, batch.y, prediction, batch.weight, present=batch.present, across=across
        )
    # Undone by `stateless_apply`, where the optimizer has a `loss_scale_factor`.
    return model.optimizer.scale_loss(loss + sum(extra)), (loss, non_trainable)


def _train_batch(
    model: Any, plan: Plan, data: Rows, target: Any, variables: Tree, rows: Any
) -> tuple[Tree, Any]:
    """One batch of one lane: (the new variables, its data loss times its rows)."""
    trainable, non_trainable, optimizer = variables
    count = plan.total((rows >= 0).sum())

    def gradients(non_trainable: Tree, portion: Any) -> tuple[Any, Tree, Tree]:
        batch = _batch(plan, data, target, portion)
        gradient = jax.value_and_grad(data_loss, argnums=1, has_aux=True)
        with _computed(model, plan, batch):
            (_, (loss, non_trainable)), grads = gradient(
                model, trainable, non_trainable, batch, True, plan.across
            )
        return loss, grads, non_trainable

    def add(sums: Tree, portion: Any) -> tuple[Tree, None]:
        loss, grads, non_trainable = gradients(sums[2], portion)
        share = (portion >= 0).sum() / jnp.maximum(count, 1)
        # Of a piece without rows nothing may be finite.
        weighed = lambda a, b: a + jnp.where(share > 0, b * share, 0).astype(a.dtype)  # noqa: E731
        return (*jax.tree.map(weighed, sums[:2], (loss, grads)), non_trainable), None

    if plan.rows_at_a_time is None:
        loss, grads, non_trainable = gradients(non_trainable, rows)
    else:
        nothing = jnp.zeros((), jnp.float32), jax.tree.map(jnp.zeros_like, trainable)
        (loss, grads, non_trainable), _ = jax.lax.scan(
            add, (*nothing, non_trainable), _in_pieces(plan, rows)
        )
    loss, grads, non_trainable = plan.mean((loss, grads, non_trainable))
    trainable, optimizer = model.optimizer.stateless_apply(optimizer, grads, trainable)
    new = trainable, non_trainable, optimizer
    if plan.gaps:  # a batch of padding alone is no step
        new = jax.tree.map(lambda a, b: jnp.where(count > 0, a, b), new, variables)
    # Of a batch of padding alone, which holds row 0, the loss may not be finite.
    return new, jnp.where(count > 0, loss * count, 0.0).astype(jnp.float32)


def _held_out_batch(
    model: Any, plan: Plan, data: Rows, target: Any, variables: Tree, rows: Any
) -> Any:
    """The data loss of one batch, in inference mode, times its rows."""
    trainable, non_trainable, _ = variables

    def piece(total: Any, portion: Any) -> tuple[Any, None]:
        batch, count = _batch(plan, data, target, portion), plan.total((portion >= 0).sum())
        with _computed(model, plan, batch):
            _, (loss, _) = data_loss(model, trainable, non_trainable, batch, False, plan.across)
        loss = jnp.where(count > 0, plan.mean(loss) * count, 0.0)
        return total + loss.astype(jnp.float32), None

    if plan.rows_at_a_time is None:
        return piece(jnp.zeros((), jnp.float32), rows)[0]
    return jax.lax.scan(piece, jnp.zeros((), jnp.float32), _in_pieces(plan, rows))[0]


def _in_pieces(plan: Plan, rows: Any) -> Any:
    """[pieces, rows] of the row numbers of a batch, filled up."""
    size = plan.rows_at_a_time or rows.shape[0]
    more = -rows.shape[0] % size
    return jnp.pad(rows, (0, more), constant_values=PADDING).reshape(-1, size)


@contextmanager
def _computed(model: Any, plan: Plan, batch: Batch) -> Iterator[None]:
    """How layers compute while a step is traced."""
    with ExitStack() as stack:
        if plan.own_moments:
            stack.enter_context(moments_of_rows(model, batch.present))
        if plan.products:
            stack.enter_context(over_patches())
        yield


def _batch(plan: Plan, data: Rows, target: Any, rows: Any) -> Batch:
    present = rows >= 0
    here = present.sum()
    # Padding, at the end, repeats rows of the batch itself: whatever is computed from it is finite
    # where the batch is.
    rows = jnp.maximum(rows[jnp.arange(rows.shape[0]) % jnp.maximum(here, 1)], 0)
    x, weight = jax.tree.map(lambda a: a[rows], (data.x, data.weight))
    y = jax.tree.map(lambda a: a[rows] if plan.targets is None else a[target, rows], data.y)
    # Where last batches are of their size, a batch is all rows, or none of them is.
    return Batch(x, y, weight, None if plan.ends is not None else present)


def _of_its_size(step: Callable[..., Tree], sizes: Sequence[int]) -> Callable[..., Tree]:
    """A step for a last batch: a program for each size it may have."""

    def sized(variables: Tree, rows: Any) -> Tree:
        branches = [
            lambda variables, rows, size=size: step(variables, rows[:size]) for size in sizes
        ]
        which = jnp.searchsorted(np.array(sizes), (rows >= 0).sum())
        return jax.lax.switch(which, branches, variables, rows)

    return sized
