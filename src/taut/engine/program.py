"""The compiled program: some epochs of some lanes, side by side, on every device."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec

from taut._keras_compat import StatelessScope, mode
from taut._losses import data_loss_value

Tree = Any
PADDING = -1
"""Row number of a place in a batch that holds no row."""
LANES = PartitionSpec("lanes")
ROWS = PartitionSpec("lanes", None, None, "data")
HELD_OUT = PartitionSpec("lanes", None, "data")


@dataclass(frozen=True)
class Plan:
    """The static choices of a program, which together with the shapes name its compilation."""

    batch_size: int
    epochs: int
    patience: int | None
    keep_best: bool
    held_out: bool
    uneven: bool
    """Whether some split has fewer batches than the longest, so that whole batches are padding."""
    sharers: int = 1
    """Devices that share each batch."""
    ends: tuple[tuple[int, ...], tuple[int, ...]] | None = None
    """The sizes of last batches, of training and of held-out rows, if something would see the rows
    that only fill them."""
    stepwise: bool = False
    """Whether each batch is a call of its own, see `taut.engine.stepwise`."""

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
class Batch:
    """The rows of one step.

    Attributes:
        x: Inputs, [rows, …] or a tree of these.
        y: Targets, likewise.
        weight: [rows, …] weights of the data loss, or a tree of these; None without.
        present: [rows], which rows are the data's; the others only fill the batch. None: all.
    """

    x: Tree
    y: Tree
    weight: Any
    present: Any


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
    prediction, non_trainable, extra = model.stateless_call(
        trainable, non_trainable, batch.x, return_losses=True, **mode(model, training=training)
    )
    with StatelessScope():
        loss = data_loss_value(
            model, batch.y, prediction, batch.weight, present=batch.present, across=across
        )
    # Undone by `stateless_apply`, where the optimizer has a `loss_scale_factor`.
    return model.optimizer.scale_loss(loss + sum(extra)), (loss, non_trainable)


def _batch(
    plan: Plan, data: Tree, target: Any, rows: Any, *, full: bool = False
) -> tuple[Batch, Any]:
    """The batch, and the number of its true rows over all devices that share it.

    One that is `full` is all rows, or none of them is.
    """
    present = rows >= 0
    here = present.sum()
    # Padding, at the end, repeats rows of the batch itself: whatever is computed from it is finite
    # where the batch is.
    rows = jnp.maximum(rows[jnp.arange(rows.shape[0]) % jnp.maximum(here, 1)], 0)
    x, targets, own = data
    x, own = jax.tree.map(lambda a: a[rows], (x, own))
    y = jax.tree.map(lambda a: a[target, rows], targets)
    return Batch(x, y, own, None if full else present), plan.total(here)


def of_its_size(step: Callable[..., Tree], sizes: Sequence[int]) -> Callable[..., Tree]:
    """`train_step` or `held_out_step` for a last batch: a program for each size it may have."""

    def sized(model: Any, plan: Plan, data: Tree, target: Any, variables: Tree, rows: Any) -> Tree:
        every = [
            lambda variables, rows, size=size: step(
                model, plan, data, target, variables, rows[:size]
            )
            for size in sizes
        ]
        which = jnp.searchsorted(np.array(sizes), (rows >= 0).sum())
        return jax.lax.switch(which, every, variables, rows)

    return sized


def train_step(
    model: Any, plan: Plan, data: Tree, target: Any, variables: Tree, rows: Any
) -> tuple[Tree, Any]:
    """One batch of one lane: (the new variables, its data loss times its rows)."""
    trainable, non_trainable, optimizer = variables
    batch, count = _batch(plan, data, target, rows, full=plan.ends is not None)
    gradient = jax.value_and_grad(data_loss, argnums=1, has_aux=True)
    (_, (loss, non_trainable)), grads = gradient(
        model, trainable, non_trainable, batch, True, plan.across
    )
    loss, grads, non_trainable = plan.mean((loss, grads, non_trainable))
    trainable, optimizer = model.optimizer.stateless_apply(optimizer, grads, trainable)
    new = trainable, non_trainable, optimizer
    if plan.uneven:  # a batch of padding alone is no step
        new = jax.tree.map(lambda a, b: jnp.where(count > 0, a, b), new, variables)
    # Of a batch of padding alone, which holds row 0, the loss may not be finite.
    return new, jnp.where(count > 0, loss * count, 0.0).astype(jnp.float32)


def held_out_step(
    model: Any, plan: Plan, data: Tree, target: Any, variables: Tree, rows: Any
) -> Any:
    """The data loss of one batch, in inference mode, times its rows."""
    batch, count = _batch(plan, data, target, rows, full=plan.ends is not None)
    trainable, non_trainable, _ = variables
    _, (loss, _) = data_loss(model, trainable, non_trainable, batch, False, plan.across)
    return jnp.where(count > 0, plan.mean(loss) * count, 0.0).astype(jnp.float32)


def _lane_epoch(model: Any, plan: Plan, data: Tree, state: Tree, rows: Any, held_out: Any) -> Tree:
    """One epoch of one lane: every batch, the held-out loss, the best weights, the verdict."""
    context = model, plan, data, state["target"]
    variables, losses = jax.lax.scan(
        lambda carry, batch: train_step(*context, carry, batch),
        state["variables"],
        rows if plan.ends is None else rows[:-1],
    )
    if plan.ends is not None:
        last = of_its_size(train_step, plan.ends[0])
        variables, loss = last(*context, variables, rows[-1])
        losses = jnp.append(losses, loss)
    total = jnp.zeros((), jnp.float32)
    if plan.held_out:
        total, _ = jax.lax.scan(
            lambda sum_, batch: (sum_ + held_out_step(*context, variables, batch), None),
            total,
            held_out if plan.ends is None else held_out[:-1],
        )
        if plan.ends is not None:
            last = of_its_size(held_out_step, plan.ends[1])
            total += last(*context, variables, held_out[-1])
    return judge(plan, {**state, "variables": variables}, losses.sum(), rows, total, held_out)


def judge(
    plan: Plan, state: Tree, train_total: Any, rows: Any, held_out_total: Any, held_out: Any
) -> Tree:
    """The state after an epoch, given the sums of its losses over the rows."""
    variables, epoch = state["variables"], state["epoch"]
    train_loss = train_total / plan.total((rows >= 0).sum())
    held_out_loss = jnp.asarray(jnp.nan, jnp.float32)
    if plan.held_out:
        held_out_loss = held_out_total / plan.total((held_out >= 0).sum())
    finite = jnp.isfinite(train_loss)
    if plan.held_out:
        finite &= jnp.isfinite(held_out_loss)
    live = ~state["done"]
    judged = held_out_loss if plan.keep_best else -epoch.astype(jnp.float32)
    better = live & finite & (judged < state["best_loss"])
    best = jax.tree.map(lambda new, old: jnp.where(better, new, old), variables[:2], state["best"])
    best_epoch = jnp.where(better, epoch, state["best_epoch"])
    stopped = jnp.asarray(False)
    if plan.patience is not None:
        stopped = epoch - best_epoch >= plan.patience
    return {
        "variables": variables,
        "best": best,
        "best_loss": jnp.where(better, judged, state["best_loss"]),
        "best_epoch": best_epoch,
        "epoch": epoch + live,
        "diverged": state["diverged"] | (live & ~finite),
        "done": state["done"] | ~finite | stopped,
        "losses": jnp.where(live, jnp.stack([train_loss, held_out_loss]), jnp.nan),
        "target": state["target"],
    }


def fresh_state(variables: Tree, target: int) -> Tree:
    """The state of a lane before its first epoch."""
    return {
        "variables": variables,
        "best": variables[:2],
        "best_loss": np.float32(np.inf),
        "best_epoch": np.int32(0),
        "epoch": np.int32(0),
        "diverged": np.bool_(False),
        "done": np.bool_(False),
        "losses": np.full(2, np.nan, np.float32),
        "target": np.int32(target),
    }


def side_by_side(lane: Callable[..., Tree], lanes: int) -> Callable[..., Tree]:
    """The function of one lane for several, on a first axis of all arguments."""
    if lanes > 1:
        return jax.vmap(lane)
    # One lane is not mapped: a mapped convolution is a grouped one, which is slow on a CPU.
    return lambda *some: jax.tree.map(
        lambda a: jnp.asarray(a)[None], lane(*jax.tree.map(lambda a: a[0], some))
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


def build(model: Any, plan: Plan, mesh: Mesh) -> Callable[..., tuple[Tree, Any]]:
    """Make (state, rows, held_out, epochs, data) -> (state, losses) over the mesh.

    The mesh has the axes `lanes` and `data`; the devices along `data` share each batch. state:
    leaves [lanes, …]; rows: [lanes, plan.epochs, steps, batch] row numbers; held_out: [lanes,
    steps, batch]; epochs: how many of plan.epochs to run, so that one compilation serves
    blocks of every length; data: (x, targets [targets, rows, …], sample weights); losses:
    [lanes, plan.epochs, 2].
    """
    if plan.stepwise:
        from taut.engine.stepwise import build_stepwise

        return build_stepwise(model, plan, mesh)
    alive = weakref.ref(model)  # a program must not keep its model alive

    def shard(state: Tree, rows: Any, held_out: Any, epochs: Any, data: Tree) -> Tree:
        model: Any = alive()
        lane = side_by_side(lambda *some: _lane_epoch(model, plan, data, *some), rows.shape[0])

        def epoch(i: Any, carry: Tree) -> Tree:
            state, losses = carry
            state = lane(state, rows[:, i], held_out)
            return state, losses.at[:, i].set(state["losses"])

        losses = jnp.full((rows.shape[0], plan.epochs, 2), jnp.nan, jnp.float32)
        return jax.lax.fori_loop(0, epochs, epoch, (state, losses))

    specs = LANES, ROWS, HELD_OUT, PartitionSpec(), PartitionSpec()
    return over_devices(shard, mesh, specs, donate=(0,))
