"""What a proximal step costs: one training step on 10 million weights, three ways in turn.

    pip install -e . && python benchmarks/proximal_step.py

* adam: Keras's Adam, no penalty;
* taut: `Proximal("adam", L1)`;
* keras l1: Keras's Adam with `kernel_regularizer=L1`, the peer.

Two figures: the whole jitted training step (forward, backward, update; 32 rows), and the
optimizer's update alone. The three take turns, so that drift of the machine hits all alike;
medians over the rounds, and ratios to plain Adam.
"""

import statistics
import time

import taut  # isort: skip (before JAX starts)
import jax
import jax.numpy as jnp
import keras
import numpy as np

ROUNDS = 60
SIDE = 3162  # 3162² = 10 million weights


def model(kind):
    regularizer = keras.regularizers.L1(1e-4) if kind == "keras l1" else None
    net = keras.Sequential(
        [
            keras.Input((SIDE,)),
            keras.layers.Dense(SIDE, kernel_regularizer=regularizer),
            keras.layers.Dense(1),
        ]
    )
    optimizer = keras.optimizers.Adam(1e-3)
    if kind == "taut":
        optimizer = taut.Proximal(optimizer, taut.L1(1e-4))
    net.compile(optimizer, loss="mse")
    net.optimizer.build(net.trainable_variables)
    return net


def whole_step(net):
    x = jnp.asarray(np.random.default_rng(0).normal(size=(32, SIDE)), jnp.float32)
    y = jnp.zeros((32, 1))

    def loss(trainable, non_trainable):
        out, _, extra = net.stateless_call(trainable, non_trainable, x, return_losses=True)
        return ((out - y) ** 2).mean() + sum(extra)

    def step(trainable, non_trainable, optimizer):
        grads = jax.grad(loss)(trainable, non_trainable)
        return net.optimizer.stateless_apply(optimizer, grads, trainable)

    non_trainable = [v.value for v in net.non_trainable_variables]
    return jax.jit(lambda t, o: step(t, non_trainable, o), donate_argnums=(0, 1))


def update_alone(net):
    rng = np.random.default_rng(1)
    grads = [
        jnp.asarray(rng.normal(size=v.shape) * 1e-3, jnp.float32) for v in net.trainable_variables
    ]
    return jax.jit(lambda t, o: net.optimizer.stateless_apply(o, grads, t), donate_argnums=(0, 1))


def measure(make):
    kinds = ["adam", "taut", "keras l1"] if make is whole_step else ["adam", "taut"]
    steps, states = {}, {}
    for kind in kinds:
        net = model(kind)
        steps[kind] = make(net)
        states[kind] = (
            [jnp.array(v.value) for v in net.trainable_variables],
            [jnp.array(v.value) for v in net.optimizer.variables],
        )
        states[kind] = jax.block_until_ready(steps[kind](*states[kind]))
    times = {kind: [] for kind in kinds}
    for _ in range(ROUNDS):
        for kind in kinds:
            started = time.perf_counter()
            states[kind] = jax.block_until_ready(steps[kind](*states[kind]))
            times[kind].append(time.perf_counter() - started)
    return {kind: statistics.median(t) for kind, t in times.items()}


def main():
    for make, title in ((whole_step, "training step"), (update_alone, "update alone")):
        found = measure(make)
        for kind, seconds in found.items():
            ratio = seconds / found["adam"]
            print(f"{title:15}{kind:10}{1e3 * seconds:9.2f} ms{ratio:8.3f} × adam")


if __name__ == "__main__":
    main()
