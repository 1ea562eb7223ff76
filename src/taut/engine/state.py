"""The state of a lane, and the verdict on it after an epoch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Tree = Any


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class LaneState:
    """All that changes of a lane while it trains, and what it trains on.

    Side by side, every leaf has a first axis of lanes.

    Attributes:
        variables: (trainable, non-trainable, optimizer), lists of arrays.
        best: The (trainable, non-trainable) that are kept so far.
        best_loss: By which they were kept.
        best_epoch: The epoch, from 0, that they are of.
        epoch: Epochs that it has run.
        diverged: Whether a loss was not finite.
        done: Whether it has diverged or its patience has run out.
        split: Number of its split, or fold.
        target: Number of its target.
    """

    variables: Tree
    best: Tree
    best_loss: Any
    best_epoch: Any
    epoch: Any
    diverged: Any
    done: Any
    split: Any
    target: Any

    @classmethod
    def fresh(cls, variables: Tree, *, split: int, target: int) -> LaneState:
        """Before the first epoch."""
        return cls(
            variables=variables,
            best=variables[:2],
            best_loss=np.float32(np.inf),
            best_epoch=np.int32(0),
            epoch=np.int32(0),
            diverged=np.bool_(False),
            done=np.bool_(False),
            split=np.int32(split),
            target=np.int32(target),
        )


@dataclass(frozen=True)
class Rules:
    """Which epoch of a lane is kept, and when a lane ends before its last.

    Attributes:
        patience: Epochs without a better held-out loss after which it ends; None never ends it.
        keep_best: Whether the epoch of least held-out loss is kept, rather than the last.
        held_out: Whether there is a held-out loss.
    """

    patience: int | None
    keep_best: bool
    held_out: bool


def judge(rules: Rules, state: LaneState, losses: Any, np: Any = jnp) -> tuple[LaneState, Any]:
    """The state after an epoch of these losses, and whether its weights are the best so far.

    A lane that was done stays as it is. The best weights are not replaced: see `keep`.

    Args:
        rules: Of the study.
        state: Of one lane, or of several.
        losses: (training, held-out) mean data loss of the epoch; the second is not read without
            held-out rows.
        np: JAX's NumPy, or NumPy.
    """
    finite = np.isfinite(losses[0])
    if rules.held_out:
        finite &= np.isfinite(losses[1])
    live = ~state.done
    judged = losses[1] if rules.keep_best else -np.asarray(state.epoch, np.float32)
    better = live & finite & (judged < state.best_loss)
    best_epoch = np.where(better, state.epoch, state.best_epoch)
    stopped = np.asarray(False)
    if rules.patience is not None:
        stopped = state.epoch - best_epoch >= rules.patience
    judged_state = replace(
        state,
        best_loss=np.where(better, judged, state.best_loss),
        best_epoch=best_epoch,
        epoch=state.epoch + live,
        diverged=state.diverged | (live & ~finite),
        done=state.done | ~finite | stopped,
    )
    return judged_state, better


def keep(state: LaneState, better: Any) -> LaneState:
    """The present weights as the best ones, where they are better."""

    def chosen(new: Any, old: Any) -> Any:
        return jnp.where(better.reshape(better.shape + (1,) * (new.ndim - better.ndim)), new, old)

    return replace(state, best=jax.tree.map(chosen, state.variables[:2], state.best))
