"""What a proximal step costs: one training step on 10 million weights, penalty by penalty.

    pip install -e . && python benchmarks/proximal_step.py

One jitted training step (forward, backward, update) of a dense layer 3162 × 3162 and an output, at
32 and at 256 rows, with Adam, with Keras's own L1 as the peer, and with each penalty of taut; and
group penalties with SGD's one step for all weights, against plain SGD. Penalties on singular
values are on a layer 100,000 × 100: a decomposition of 3162 × 3162 is of another order. All take
turns with the plain optimizer, so that drift of the machine hits both alike; medians of the ratios.
"""

import argparse
import statistics
import time

import taut  # isort: skip (before JAX starts)
import jax
import jax.numpy as jnp
import keras
import numpy as np

SIDE = 3162  # 3162² = 10 million weights

PENALTIES = {
    "L1": lambda: taut.L1(1e-4),
    "L2": lambda: taut.L2(1e-4),
    "ElasticNet": lambda: taut.ElasticNet(1e-4),
    "WeightedL1": lambda: taut.WeightedL1(1e-4),
    "L2SP": lambda: taut.L2SP(1e-4),
    "MCP": lambda: taut.MCP(1e-4),
    "SCAD": lambda: taut.SCAD(1e-4),
    "NonNegative": taut.NonNegative,
    "NormBall": lambda: taut.NormBall(40.0),
    "NormBall units": lambda: taut.NormBall(0.5, groups="units"),
    "GroupLasso inputs": lambda: taut.GroupLasso(1e-4, groups="inputs"),
    "GroupLasso units": lambda: taut.GroupLasso(1e-4, groups="units"),
    "SparseGroupLasso inputs": lambda: taut.SparseGroupLasso(1e-4, groups="inputs"),
    "L1 + GroupLasso inputs": lambda: taut.L1(1e-4) + taut.GroupLasso(1e-4, groups="inputs"),
    "Hierarchical": lambda: taut.Hierarchical(1e-2, hierarchy=2.0),
    "NuclearNorm": lambda: taut.NuclearNorm(1e-4),
    "Orthogonality": lambda: taut.Orthogonality(1e-4),
}
SHAPES = dict.fromkeys(("NuclearNorm", "Orthogonality"), (100_000, 100))
WITH_SGD = ("L1", "GroupLasso inputs", "GroupLasso units", "Hierarchical")


def shape_of(kind):
    return SHAPES.get(kind, (SIDE, SIDE))


def model(kind, optimizer, shape):
    regularizer = keras.regularizers.L1(1e-4) if kind == "Keras L1" else None
    inputs = keras.Input(shape[:1])
    first = keras.layers.Dense(shape[1], kernel_regularizer=regularizer, name="first")(inputs)
    outputs = keras.layers.Dense(1, name="last")(first)
    request = PENALTIES.get(kind)
    if kind == "Hierarchical":
        skip = keras.layers.Dense(1, use_bias=False, name="skip")(inputs)
        outputs = keras.layers.Add()([outputs, skip])
    net = keras.Model(inputs, outputs)
    made = {"adam": lambda: keras.optimizers.Adam(1e-3), "sgd": lambda: keras.optimizers.SGD(1e-2)}
    optimizer = made[optimizer]()
    if request is not None:
        selector = ("skip", "first") if kind == "Hierarchical" else "first/kernel"
        optimizer = taut.Proximal(optimizer, {selector: request()}).bind(net)
    net.compile(optimizer, loss="mse")
    net.optimizer.build(net.trainable_variables)
    return net


def compiled(net, rows):
    """[the jitted step, its state]; the state is given up at each step, so that it moves on."""
    x = np.random.default_rng(0).normal(size=(rows, *net.input_shape[1:])).astype("float32")
    x = jnp.asarray(x)
    y = jnp.zeros((rows, 1))
    fixed = [v.value for v in net.non_trainable_variables]

    def loss(trainable):
        out, _, extra = net.stateless_call(trainable, fixed, x, return_losses=True)
        return ((out - y) ** 2).mean() + sum(extra)

    def step(trainable, optimizer):
        return net.optimizer.stateless_apply(optimizer, jax.grad(loss)(trainable), trainable)

    step = jax.jit(step, donate_argnums=(0, 1))
    state = (
        [jnp.array(v.value) for v in net.trainable_variables],
        [jnp.array(v.value) for v in net.optimizer.variables],
    )
    return [step, jax.block_until_ready(step(*state))]


def ratio(plain, ours, rounds):
    """Median seconds of the steps of both, and the median of their ratios."""
    times = [[], []]
    for _ in range(rounds):
        for run, found in zip((plain, ours), times, strict=True):
            started = time.perf_counter()
            run[1] = jax.block_until_ready(run[0](*run[1]))
            found.append(time.perf_counter() - started)
    return (
        statistics.median(times[0]),
        statistics.median(times[1]),
        statistics.median(b / a for a, b in zip(*times, strict=True)),
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--rows", type=int, nargs="*", default=[32, 256])
    arguments = parser.parse_args()
    jobs = [("adam", kind) for kind in ("Keras L1", *PENALTIES)]
    jobs += [("sgd", kind) for kind in WITH_SGD]
    for rows in arguments.rows:
        print(f"\n{rows} rows a step\n")
        plain, like = None, None
        for optimizer, kind in jobs:
            if like != (optimizer, shape_of(kind)):
                like = optimizer, shape_of(kind)
                plain = compiled(model("plain", *like), rows)
            ours = compiled(model(kind, *like), rows)
            before, after, times = ratio(plain, ours, arguments.rounds)
            print(
                f"{optimizer:6}{kind:26}{1e3 * before:9.2f} ms plain{1e3 * after:9.2f} ms"
                f"{times:8.3f} ×",
                flush=True,
            )


if __name__ == "__main__":
    main()
