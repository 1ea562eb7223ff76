"""The compiled program: some epochs of some lanes, side by side, on every device."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec

from taut._keras_compat import StatelessScope, data_loss_value, mode

Tree = Any
PADDING = -1
"""Row number of a place in a batch that holds no row."""


@dataclass(frozen=True)
class Plan:
    """The static choices of a program, which together with the shapes name its compilation."""

    batch_size: int
    epochs: int
    patience: int | None
    keep_best: bool
    held_out: bool
    weighted: bool
    uneven: bool
    """Whether some split has fewer batches than the longest, so that whole batches are padding."""


def data_loss(
    model: Any, trainable: Tree, non_trainable: Tree, x: Tree, y: Any, weight: Any, training: bool
) -> tuple[Any, tuple[Any, Tree]]:
    """(what the optimizer takes, with layers' own losses, (data loss, new non-trainable))."""
    prediction, non_trainable, extra = model.stateless_call(
        trainable, non_trainable, x, return_losses=True, **mode(model, training=training)
    )
    with StatelessScope():
        loss = data_loss_value(model, y, prediction, weight)
    # Undone by `stateless_apply`, where the optimizer has a `loss_scale_factor`.
    return model.optimizer.scale_loss(loss + sum(extra)), (loss, non_trainable)


def _batch(data: Tree, rows: Any, own: Any) -> tuple[Tree, Any, Any, Any]:
    """x, y, weight and the number of true rows; padding has weight 0, the mean is kept."""
    present = rows >= 0
    count = present.sum()
    # Padding, at the end, repeats rows of the batch itself, for layers that look across rows.
    rows = jnp.maximum(rows[jnp.arange(rows.shape[0]) % jnp.maximum(count, 1)], 0)
    x, y, _ = jax.tree.map(lambda a: a[rows], data)
    weight = present * (rows.shape[0] / jnp.maximum(count, 1))
    if own is not None:
        weight = weight * own[rows]
    return x, y, weight.astype(jnp.float32), count


def _lane_epoch(model: Any, plan: Plan, data: Tree, state: Tree, rows: Any, held_out: Any) -> Tree:
    """One epoch of one lane: every batch, the held-out loss, the best weights, the verdict."""
    own = data[2] if plan.weighted else None

    def step(carry: Tree, batch_rows: Any) -> tuple[Tree, Any]:
        trainable, non_trainable, optimizer = carry
        x, y, weight, count = _batch(data, batch_rows, own)
        gradient = jax.value_and_grad(data_loss, argnums=1, has_aux=True)
        (_, (loss, non_trainable)), grads = gradient(
            model, trainable, non_trainable, x, y, weight, True
        )
        trainable, optimizer = model.optimizer.stateless_apply(optimizer, grads, trainable)
        new = trainable, non_trainable, optimizer
        if plan.uneven:  # a batch of padding alone is no step
            new = jax.tree.map(lambda a, b: jnp.where(count > 0, a, b), new, carry)
        return new, loss * count

    variables, losses = jax.lax.scan(step, state["variables"], rows)
    train_loss = losses.sum() / (rows >= 0).sum()
    held_out_loss = jnp.asarray(jnp.nan)
    if plan.held_out:
        held_out_loss = _mean_loss(model, data, own, variables, held_out)
    return _judge(plan, state, variables, train_loss, held_out_loss)


def _mean_loss(model: Any, data: Tree, own: Any, variables: Tree, rows: Any) -> Any:
    trainable, non_trainable, _ = variables

    def add(total: Any, batch_rows: Any) -> tuple[Any, None]:
        x, y, weight, count = _batch(data, batch_rows, own)
        _, (loss, _) = data_loss(model, trainable, non_trainable, x, y, weight, False)
        return total + loss * count, None

    total, _ = jax.lax.scan(add, jnp.zeros(()), rows)
    return total / (rows >= 0).sum()


def _judge(plan: Plan, state: Tree, variables: Tree, train_loss: Any, held_out_loss: Any) -> Tree:
    epoch = state["epoch"]
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
    }


def fresh_state(variables: Tree) -> Tree:
    """The state of a lane (or, with a first axis, of many) before its first epoch."""
    lanes = jax.tree.leaves(variables[2])[0].shape[:1]
    return {
        "variables": variables,
        "best": variables[:2],
        "best_loss": np.full(lanes, np.inf, np.float32),
        "best_epoch": np.zeros(lanes, np.int32),
        "epoch": np.zeros(lanes, np.int32),
        "diverged": np.zeros(lanes, bool),
        "done": np.zeros(lanes, bool),
        "losses": np.full((*lanes, 2), np.nan, np.float32),
    }


def build(model: Any, plan: Plan, mesh: Mesh) -> Callable[..., tuple[Tree, Any]]:
    """Jit (state, rows, held_out, epochs, data) -> (state, losses) over the mesh's `lanes`.

    state: leaves [lanes, …]; rows: [lanes, plan.epochs, steps, batch] row numbers; held_out:
    [lanes, steps, batch]; epochs: how many of plan.epochs to run, so that one compilation
    serves blocks of every length; losses: [lanes, plan.epochs, 2].
    """

    alive = weakref.ref(model)  # a program must not keep its model alive

    def shard(state: Tree, rows: Any, held_out: Any, epochs: Any, data: Tree) -> Tree:
        model: Any = alive()
        lane = jax.vmap(lambda s, r, h: _lane_epoch(model, plan, data, s, r, h), in_axes=(0, 0, 0))

        def epoch(i: Any, carry: Tree) -> Tree:
            state, losses = carry
            state = lane(state, rows[:, i], held_out)
            return state, losses.at[:, i].set(state["losses"])

        losses = jnp.full((rows.shape[0], plan.epochs, 2), jnp.nan, jnp.float32)
        return jax.lax.fori_loop(0, epochs, epoch, (state, losses))

    lanes, all_ = PartitionSpec("lanes"), PartitionSpec()
    mapped = jax.shard_map(
        shard,
        mesh=mesh,
        in_specs=(lanes, lanes, lanes, all_, all_),
        out_specs=lanes,
        check_vma=False,
    )
    options: dict[str, Any] = {}
    if mesh.devices.flat[0].platform == "cpu":
        # Measured a tenth faster than XLA's 256 where registers are that wide.
        options["xla_cpu_prefer_vector_width"] = 512
    return jax.jit(mapped, donate_argnums=0, compiler_options=options)
