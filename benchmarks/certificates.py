"""The certificate after training a 64-64 network on all rows, for every penalty.

    pip install -e . && python benchmarks/certificates.py

Diabetes, two hidden layers of 64 tanh units, `taut.FISTA` to a scaled residual of 1e-3, and
Adam with cosine decay for 4,000 steps.
"""

import argparse
import time

import taut  # isort: skip (before JAX starts)
import keras
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import scale

HIDDEN = "first|second"
PENALTIES = {
    "L1": taut.L1(1e-3),
    "L2": taut.L2(1e-2),
    "ElasticNet": taut.ElasticNet(2e-3),
    "L1 + L2": taut.L1(1e-3) + taut.L2(1e-3),
    "WeightedL1": taut.WeightedL1(1e-3),
    "L2SP": taut.L2SP(1e-2),
    # Weaker ones leave the large weights unpenalised: then an overfitting network has no minimum
    # nearby, and the residual stays at some 5e-3 for thousands of steps.
    "MCP": taut.MCP(0.05),
    "SCAD": taut.SCAD(0.05),
    "MCP + L2": taut.MCP(2e-3) + taut.L2(1e-2),
    "GroupLasso inputs": taut.GroupLasso(1e-3, groups="inputs"),
    "GroupLasso units": taut.GroupLasso(1e-3, groups="units"),
    "SparseGroupLasso": taut.SparseGroupLasso(1e-3, groups="inputs"),
    "L1 + GroupLasso": taut.L1(5e-4) + taut.GroupLasso(5e-4, groups="inputs"),
    "Hierarchical": {
        ("skip", "first"): taut.Hierarchical(2e-2, hierarchy=2.0),
        "second|last": taut.L2(1e-2),
    },
    "NuclearNorm": taut.NuclearNorm(1e-2),
    "Orthogonality": {HIDDEN: taut.Orthogonality(1e-2), "last": taut.L2(1e-2)},
    "NonNegative": {HIDDEN: taut.NonNegative() + taut.L2(1e-2), "last": taut.L2(1e-2)},
    "NormBall": taut.NormBall(1.0),
    "NormBall units": {HIDDEN: taut.NormBall(0.5, groups="units"), "last": taut.NormBall(1.0)},
}


def network(penalty, optimizer="adam"):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((10,))
    hidden = keras.layers.Dense(64, activation="tanh", name="first")(inputs)
    hidden = keras.layers.Dense(64, activation="tanh", name="second")(hidden)
    outputs = keras.layers.Dense(1, name="last")(hidden)
    if isinstance(penalty, dict) and ("skip", "first") in penalty:
        skip = keras.layers.Dense(1, use_bias=False, name="skip")(inputs)
        outputs = keras.layers.Add()([outputs, skip])
    model = taut.models.Model(inputs, outputs)
    model.compile(optimizer, "mse", weight_regularizer=penalty)
    return model


def data():
    x, y = load_diabetes(return_X_y=True)
    return scale(x).astype("float32"), scale(y).astype("float32")


def zeros(model):
    rows = taut.explain(model).variables
    return f"{sum(v.zeros for v in rows)} of {sum(v.size for v in rows)}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=4000)
    steps = parser.parse_args().steps
    x, y = data()
    print(f"{'penalty':20}{'FISTA':>10}{'steps':>7}{'s':>6}{'zeros':>15}{'Adam':>12}{'s':>7}")
    for name, penalty in PENALTIES.items():
        started = time.perf_counter()
        model = network(penalty)
        minimum = taut.FISTA(tolerance=1e-3).minimise(model, x, y)
        seconds = time.perf_counter() - started
        rate = keras.optimizers.schedules.CosineDecay(3e-3, steps)
        started = time.perf_counter()
        other = network(penalty, keras.optimizers.Adam(rate))
        other.fit(x, y, batch_size=len(x), epochs=steps, verbose=0)
        residual = taut.stationarity(other, x, y).largest
        print(
            f"{name:20}{minimum.residual:10.1e}{minimum.iterations:7}{seconds:6.1f}"
            f"{zeros(model):>15}{residual:12.1e}{time.perf_counter() - started:7.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
