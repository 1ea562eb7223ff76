"""The certificate of every penalty: a 64-64 network trained on all rows until it is stationary.

    pip install -e . && python benchmarks/certificates.py

Diabetes (442 rows, 10 inputs, all standardised), mean squared error, one start. The penalty is on
all three kernels unless its line says otherwise. By line: the largest scaled residual of
`taut.stationarity` after `taut.FISTA` (tolerance 1e-3) on the tanh network, its steps and seconds,
the share of zeros in the kernels; the residual after Adam (full batch, cosine decay, the same
start); and FISTA's on the same network of ReLUs. There it may stay above 1e-3: minima sit on
kinks, where the gradient that is computed is that of one side.
"""

import argparse
import time

import taut  # isort: skip (before JAX starts)
import jax
import keras
import numpy as np
from sklearn.datasets import load_diabetes

from taut import layers
from taut.penalties import (
    L1,
    L2,
    L2SP,
    MCP,
    SCAD,
    ElasticNet,
    GroupLasso,
    Hierarchical,
    NonNegative,
    NormBall,
    NuclearNorm,
    Orthogonality,
    SparseGroupLasso,
    WeightedL1,
)

TOLERANCE = 1e-3
STEPS = 6000
ADAM_STEPS = 6000


def weights_of_l1():
    rng = np.random.default_rng(0)
    shapes = {"first": (10, 64), "second": (64, 64), "last": (64, 1)}
    return {f"{k}/kernel": rng.uniform(0.5, 2, s).astype("float32") for k, s in shapes.items()}


# Concave beyond a knee: strengths and γ at which weights of this network lie on all pieces. Where
# all pass the knee nothing holds them, the rows are interpolated, and S goes to zero with J.
PENALTIES = {
    "L1": L1(0.01),
    "L2": L2(0.02),
    "elastic net": ElasticNet(0.02, l1_ratio=0.5),
    "L1 + L2": L1(0.01) + L2(0.01),
    "weighted L1": WeightedL1(0.01, weights=weights_of_l1()),
    "MCP": MCP(0.02, gamma=20.0),
    "MCP + L2": MCP(0.02, gamma=3.0) + L2(0.01),
    "SCAD": SCAD(0.05, gamma=10.0),
    "SCAD + L2": SCAD(0.02) + L2(0.01),
    "group lasso, inputs": GroupLasso(0.005, groups="inputs"),
    "group lasso, units": GroupLasso(0.005, groups="units"),
    "group lasso, units + L2": GroupLasso(0.005, groups="units") + L2(0.01),
    "group lasso, inputs + L1": GroupLasso(0.003, groups="inputs") + L1(0.005),
    "sparse group lasso, inputs": SparseGroupLasso(0.01, groups="inputs"),
    "sparse group lasso, units": SparseGroupLasso(0.01, groups="units"),
    # Without a penalty on the later layers these grow while skip and first layer shrink.
    "hierarchical, L2 on the rest": {
        ("skip", "first"): Hierarchical(0.3, hierarchy=2.0),
        ".*": L2(0.02),
    },
    "L2-SP": L2SP(0.02),
    "L2-SP + L1": L2SP(0.01) + L1(0.005),
    "nuclear norm": NuclearNorm(0.02),
    "nuclear norm + L2": NuclearNorm(0.01) + L2(0.01),
    "orthogonality": Orthogonality(0.02),
    "orthogonality + L2": Orthogonality(0.02) + L2(0.01),
    "nonnegative": NonNegative(),
    "nonnegative + L1": NonNegative() + L1(0.01),
    "ball of norm 2": NormBall(1.0),
    "ball of norm 2, units": NormBall(0.5, groups="units"),
    "ball of norm 1, units": NormBall(1.0, norm=1, groups="units"),
    "ball of norm inf": NormBall(0.1, norm="inf"),
}


def network(penalty, activation, optimizer="sgd"):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((10,))
    hidden = layers.Dense(64, activation=activation, name="first")(inputs)
    hidden = layers.Dense(64, activation=activation, name="second")(hidden)
    outputs = layers.Dense(1, name="last")(hidden)
    if isinstance(penalty, dict):
        skip = layers.Dense(1, use_bias=False, name="skip")(inputs)
        outputs = layers.Add()([outputs, skip])
    model = taut.models.Model(inputs, outputs)
    model.compile(optimizer, "mse", weight_regularizer=penalty)
    model.optimizer.build(model.trainable_variables)
    return model


def by_adam(model, x, y):
    """Full-batch steps of the model's optimizer, as one program."""

    def loss(trainable):
        found, _ = model.stateless_call(trainable, [], x)
        return ((found - y[:, None]) ** 2).mean()

    @jax.jit
    def run(state):
        def step(state, _):
            trainable, optimizer = state
            gradients = jax.grad(loss)(trainable)
            return model.optimizer.stateless_apply(optimizer, gradients, trainable), None

        return jax.lax.scan(step, state, None, length=ADAM_STEPS)[0]

    variables = [model.trainable_variables, model.optimizer.variables]
    found = run(tuple([v.value for v in some] for some in variables))
    for some, values in zip(variables, found, strict=True):
        for variable, value in zip(some, values, strict=True):
            variable.assign(value)


def certified(model, x, y):
    return taut.stationarity(model, x, y).largest


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="*", default=list(PENALTIES), help="these lines alone")
    x, y = load_diabetes(return_X_y=True)
    x, y = (((a - a.mean(0)) / a.std(0)).astype("float32") for a in (x, y))
    print(
        f"{'penalty':30}{'tanh, FISTA':>12}{'steps':>7}{'seconds':>9}{'zeros':>7}"
        f"{'tanh, Adam':>12}{'ReLU, FISTA':>13}{'steps':>7}"
    )
    largest = {"tanh, FISTA": 0.0, "tanh, Adam": 0.0, "ReLU, FISTA": 0.0}
    for name in parser.parse_args().only:
        penalty = PENALTIES[name]
        smooth = network(penalty, "tanh")
        started = time.perf_counter()
        found = taut.FISTA(tolerance=TOLERANCE, max_iterations=STEPS).minimise(smooth, x, y)
        seconds = time.perf_counter() - started
        kernels = [w for w in smooth.get_weights() if w.ndim > 1]
        zeros = sum((w == 0).sum() for w in kernels) / sum(w.size for w in kernels)
        rate = keras.optimizers.schedules.CosineDecay(5e-3, ADAM_STEPS)
        adam = network(penalty, "tanh", keras.optimizers.Adam(rate))
        by_adam(adam, x, y)
        kinked = network(penalty, "relu")
        stopped = taut.FISTA(tolerance=TOLERANCE, max_iterations=2000).minimise(kinked, x, y)
        residuals = [certified(model, x, y) for model in (smooth, adam, kinked)]
        largest = {k: max(v, r) for (k, v), r in zip(largest.items(), residuals, strict=True)}
        print(
            f"{name:30}{residuals[0]:12.1e}{found.iterations:7d}{seconds:9.1f}{zeros:7.2f}"
            f"{residuals[1]:12.1e}{residuals[2]:13.1e}{stopped.iterations:7d}",
            flush=True,
        )
    print(", ".join(f"{k}: at most {v:.1e}" for k, v in largest.items()))


if __name__ == "__main__":
    main()
