"""A factorisation as a Keras model, whose L2 looks at no row that the batch does not have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops

if TYPE_CHECKING:
    from taut.recommendation.rating_model import RatingModel


@keras.saving.register_keras_serializable("taut")
class RatingTables(keras.layers.Layer):
    r"""mean + scale·(b_u + b_i + p_u·q_i + s) of codes, and in training the L2 of the batch.

    The penalty of a rating is scale² times

        Σ_f (p_uf²·V_if + q_if²·V_uf) + (α/n_u)·|θ_u − centre_u|² + (α/n_i)·|θ_i − centre_i|²
        + (σ/n_s)·s²

    with n the ratings of a row; its mean over the batch is added to the loss. So over all ratings
    it is R/n as in `MatrixFactorization`, counted once per rating, and a step reads and moves the
    rows of its batch alone.

    Args:
        users, items, sessions: How many there are; 0 sessions for a model without times.
        rank: Of the factors.
    """

    def __init__(self, users: int, items: int, sessions: int, rank: int, **settings: Any):
        super().__init__(**settings)
        self.sizes = {"users": users, "items": items, "sessions": sessions, "rank": rank}
        for side, count in (("user", users), ("item", items)):
            shape = (count, rank + 1)
            setattr(self, side, self._table(side, shape, trainable=True))
            for name in ("centre", "variance"):
                setattr(self, f"{side}_{name}", self._table(f"{side}_{name}", shape))
            setattr(self, f"{side}_strength", self._table(f"{side}_strength", (count,)))
        if sessions:
            self.session = self._table("session", (sessions,), trainable=True)
            self.session_strength = self._table("session_strength", (sessions,))
        self.mean = self._table("mean", (), trainable=True)
        self.scale = self._table("scale", ())

    def _table(self, name: str, shape: tuple[int, ...], *, trainable: bool = False) -> Any:
        return self.add_weight(name=name, shape=shape, initializer="zeros", trainable=trainable)

    def call(self, codes: Any, training: bool = False) -> Any:
        """Ratings [rows, 1] of codes [rows, 2] of user and item; [rows, 3] with sessions."""
        codes = ops.cast(codes, "int32")
        u, i = codes[:, 0], codes[:, 1]
        p, q = ops.take(self.user, u, axis=0), ops.take(self.item, i, axis=0)
        value = p[:, 0] + q[:, 0] + ops.sum(p[:, 1:] * q[:, 1:], axis=1)
        penalty = self._penalty("user", u, p) + self._penalty("item", i, q)
        v_p = ops.take(self.user_variance, u, axis=0)[:, 1:]
        v_q = ops.take(self.item_variance, i, axis=0)[:, 1:]
        penalty = penalty + ops.sum(p[:, 1:] ** 2 * v_q + q[:, 1:] ** 2 * v_p, axis=1)
        if self.sizes["sessions"]:
            known = ops.cast(codes[:, 2] >= 0, value.dtype)
            k = ops.maximum(codes[:, 2], 0)
            s = known * ops.take(self.session, k, axis=0)
            value = value + s
            penalty = penalty + ops.take(self.session_strength, k, axis=0) * s**2
        if training:
            self.add_loss(self.scale**2 * ops.mean(penalty))
        return (self.mean + self.scale * value)[:, None]

    def _penalty(self, side: str, codes: Any, rows: Any) -> Any:
        centre = ops.take(getattr(self, f"{side}_centre"), codes, axis=0)
        strength = ops.take(getattr(self, f"{side}_strength"), codes, axis=0)
        return strength * ops.sum((rows - centre) ** 2, axis=1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (input_shape[0], 1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self.sizes}


def rating_network(model: RatingModel) -> Any:
    """The Keras model of a fitted factorisation, compiled with the squared error and Adam.

    It reads codes, which `rating_codes` gives, predicts what `predict` does (not cut to the
    ratings' range), is saved as any Keras model, and can be trained on. At a solution the gradient
    of its loss over all ratings is 0.

    Args:
        model: A fitted one.
    """
    factors, strengths = model.factors, model.strengths
    users, items, sessions = (
        len(model.ratings.users),
        len(model.ratings.items),
        len(factors.sessions),
    )
    rank = factors.user.rows.shape[1] - 1
    layer = RatingTables(users, items, sessions, rank, name="ratings")
    codes = keras.Input((3 if sessions else 2,), dtype="int32", name="codes")
    network = keras.Model(codes, layer(codes), name="matrix_factorization")
    of_sides = (
        ("user", factors.user, model.ratings.by_user),
        ("item", factors.item, model.ratings.by_item),
    )
    for name, side, count in of_sides:
        getattr(layer, name).assign(side.rows)
        getattr(layer, f"{name}_centre").assign(side.centre)
        getattr(layer, f"{name}_variance").assign(side.variance)
        getattr(layer, f"{name}_strength").assign(strengths.rows / np.maximum(count, 1))
    if sessions:
        codes_of_sessions = rating_codes(model)[:, 2]
        count = np.bincount(codes_of_sessions, minlength=sessions)
        layer.session.assign(factors.sessions)
        layer.session_strength.assign(strengths.sessions / np.maximum(count, 1))
    layer.scale.assign(model.scale)
    layer.mean.assign(model.mean + model.scale * factors.mean)
    network.compile(keras.optimizers.Adam(1e-3), "mean_squared_error")
    network.optimizer.build(network.trainable_variables)  # or a file of it could not be read
    return network


def rating_codes(model: RatingModel) -> np.ndarray:
    """The codes of the ratings that a model was fitted on, [ratings, 2 or 3]: inputs."""
    from taut.recommendation.ratings import session_codes

    r = model.ratings
    columns = [r.user, r.item]
    if len(model.factors.sessions):
        columns.append(session_codes(model.session_keys, r.user, r.day))  # type: ignore[arg-type]
    return np.stack(columns, axis=1).astype("int32")
