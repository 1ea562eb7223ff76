"""taut against the packages that solve the same problem: objectives, supports and seconds.

    pip install -e ".[test,bench]" && python benchmarks/penalties_peers.py

Group lasso against skglm and celer, MCP and SCAD against skglm, at five shares of the critical
strength, by `taut.FISTA` from zero; LassoNet against lassonet, from its own start by the same
number of the same full-batch steps (SGD without momentum: see tests/optimizers/test_lassonet.py for
what its momentum does to the strength). Every objective is computed here, in double precision.
taut's seconds have tracing and compilation in them, which every call pays; the peers' compiled
code is warmed up before.
"""

import time
import warnings
from functools import partial

import taut  # isort: skip (before JAX starts)
import celer
import jax
import keras
import numpy as np
import skglm
import torch
from keras import ops
from lassonet import LassoNetClassifier, LassoNetRegressor
from lassonet.model import LassoNet
from skglm.datafits import LogisticGroup, Quadratic
from skglm.penalties import SCAD, MCPenalty, WeightedGroupL2
from skglm.solvers import AndersonCD, GroupProxNewton
from skglm.utils.data import grp_converter
from sklearn.datasets import load_breast_cancer, load_diabetes

from taut import layers

SHARES = (0.8, 0.4, 0.2, 0.1, 0.05)
GROUPS = {
    "diabetes": [[0, 1], [2], [3, 4, 5], [6, 7, 8, 9]],
    "cancer": [[j, j + 10, j + 20] for j in range(10)],
}
HIDDEN = 16
LASSONET = ("layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias", "skip.weight")


def standardised(a):
    return ((a - a.mean(0)) / a.std(0)).astype("float32")


def half(y, prediction):
    return ops.mean(ops.square(y - prediction), axis=-1) / 2


def timed(function):
    started = time.perf_counter()
    return function(), time.perf_counter() - started


def line(problem, strength, ours, peer, same, seconds):
    gap = (ours - peer) / peer
    print(
        f"{problem:38}{strength:10.4g}{ours:13.9f}{peer:13.9f}{gap:+10.1e}"
        f"{'same' if same else 'OTHER':>9}{seconds[0]:9.3f}{seconds[1]:9.3f}",
        flush=True,
    )


def by_fista(x, y, loss, penalty):
    """The kernel and the bias of one linear layer, from zero."""
    model = taut.models.Sequential(
        [keras.Input((x.shape[1],)), layers.Dense(1, kernel_initializer="zeros")]
    )
    model.compile("sgd", loss, weight_regularizer=penalty)
    taut.FISTA(tolerance=1e-6).minimise(model, x, y)
    return np.concatenate([w.astype("float64").ravel() for w in model.get_weights()])


def group_norms(w, groups):
    return sum(np.sqrt(len(g)) * np.linalg.norm(w[g]) for g in groups)


def joined(estimator):
    return np.append(np.ravel(estimator.coef_), estimator.intercept_)


def compare(problem, strength, objective, ours, theirs):
    """One line: two functions that return weights and intercept."""
    theirs()  # its compiled code
    (found, a), (peer, b) = timed(ours), timed(theirs)
    same = np.array_equal(found[:-1] != 0, peer[:-1] != 0)
    line(problem, strength, objective(found), objective(peer), same, (a, b))


def group_lasso(x, y):
    groups = GROUPS["diabetes"]
    scales, rows = np.sqrt([len(g) for g in groups]), len(y)
    wide = np.asfortranarray(x, "float64")
    pulls = [np.linalg.norm(wide[:, g].T @ y) / rows for g in groups]
    for package in (skglm, celer):
        for share in SHARES:
            a = share * float((pulls / scales).max())
            settings = {"groups": groups, "alpha": a, "weights": scales, "tol": 1e-12}
            compare(
                f"group lasso, linear: {package.__name__}",
                a,
                lambda w, a=a: (
                    ((y - wide @ w[:-1] - w[-1]) ** 2).mean() / 2 + a * group_norms(w, groups)
                ),
                lambda a=a: by_fista(x, y, half, taut.GroupLasso(a, groups=groups)),
                lambda s=settings, p=package: joined(
                    p.GroupLasso(fit_intercept=True, **s).fit(wide, y)
                ),
            )


def logistic_group_lasso(x, y):
    groups, rows, signs = GROUPS["cancer"], len(y), 2.0 * y - 1
    order, pointers = grp_converter(groups, 30)
    wide, scales = np.asfortranarray(x, "float64"), np.full(10, np.sqrt(3))
    pull = wide.T @ (y - y.mean()) / rows
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    for share in SHARES:
        a = share * max(np.linalg.norm(pull[g]) for g in groups) / np.sqrt(3)
        solver = GroupProxNewton(fit_intercept=True, tol=1e-10, max_iter=200)
        peer = skglm.GeneralizedLinearEstimator(
            LogisticGroup(pointers, order),
            WeightedGroupL2(a, scales, pointers, order),
            solver,
        )
        compare(
            "group lasso, logistic: skglm",
            a,
            lambda w, a=a: (
                np.logaddexp(0, -signs * (wide @ w[:-1] + w[-1])).mean()
                + a * group_norms(w, groups)
            ),
            lambda a=a: by_fista(x, y, loss, taut.GroupLasso(float(a), groups=groups)),
            lambda peer=peer: joined(peer.fit(wide, signs)),
        )


def nonconvex(name, x, y):
    wide, target = np.asfortranarray(x, "float64"), y.astype("float64")
    critical = float(abs(wide.T @ target).max() / len(y))
    for kind, ours, gamma in ((MCPenalty, taut.MCP, 3.0), (SCAD, taut.SCAD, 3.7)):
        for share in SHARES:
            a = share * critical
            penalty = kind(a, gamma)
            solver = AndersonCD(tol=1e-10, max_iter=500, fit_intercept=True)
            compare(
                f"{ours.__name__}, {name}: skglm",
                a,
                lambda w, p=penalty: (
                    ((target - wide @ w[:-1] - w[-1]) ** 2).mean() / 2 + p.value(w[:-1])
                ),
                lambda a=a, k=ours, g=gamma: by_fista(x, y, half, k(a, gamma=g)),
                lambda p=penalty, s=solver: s.solve(wide, target, Quadratic(), p)[0],
            )


def lassonet_network(weights, loss, optimizer, strength, hierarchy):
    """taut's model with lassonet's weights: first, last, skip, in Keras's layout."""
    inputs, outputs = weights[4].shape
    x = keras.Input((inputs,))
    hidden = layers.Dense(HIDDEN, activation="relu", name="first")(x)
    skip = layers.Dense(outputs, use_bias=False, name="skip")(x)
    model = taut.models.Model(x, layers.Add()([layers.Dense(outputs, name="last")(hidden), skip]))
    penalty = taut.Hierarchical(strength, hierarchy=hierarchy)
    model.compile(optimizer, loss, weight_regularizer={("skip", "first"): penalty})
    for name, part in (("first", weights[:2]), ("last", weights[2:4]), ("skip", weights[4:])):
        model.get_layer(name).set_weights(part)
    model.optimizer.build(model.trainable_variables)
    return model


def stepped(model, x, y, steps):
    """The network's weights after full-batch steps, as one program."""
    loss_of = keras.losses.get(model.loss)
    rows = y.reshape(len(y), -1)

    def loss(trainable):
        found, _ = model.stateless_call(trainable, [], x)
        return loss_of(rows, found).mean()

    @jax.jit
    def run(trainable, optimizer):
        def step(state, _):
            return model.optimizer.stateless_apply(state[1], jax.grad(loss)(state[0]), state[0]), ()

        return jax.lax.scan(step, (trainable, optimizer), None, length=steps)[0][0]

    values = [
        [v.value for v in some] for some in (model.trainable_variables, model.optimizer.variables)
    ]
    for variable, value in zip(model.trainable_variables, run(*values), strict=True):
        variable.assign(value)
    return [w for name in ("first", "last", "skip") for w in model.get_layer(name).get_weights()]


def lassonet(name, x, y, rate, strengths, steps=1500, hierarchy=10.0):
    classes = y.dtype.kind == "i"
    outputs, kind = (2, LassoNetClassifier) if classes else (1, LassoNetRegressor)
    crossentropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    loss = crossentropy if classes else "mse"

    def arrays(state):
        return [state[key].numpy().T.astype("float32") for key in LASSONET]

    def theirs(strength):
        peer = kind(
            hidden_dims=(HIDDEN,),
            M=hierarchy,
            optim=partial(torch.optim.SGD, lr=rate),
            n_iters=(0, steps),
            patience=None,
            val_size=0,
            verbose=0,
            torch_seed=0,
            device=torch.device("cpu"),
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that inputs disappear at the first strength
            return arrays(
                peer.path(x, y, lambda_seq=[strength], return_state_dicts=True)[0].state_dict
            )

    def ours(strength):
        torch.manual_seed(0)
        start = arrays(LassoNet(x.shape[1], HIDDEN, outputs).state_dict())
        model = lassonet_network(start, loss, keras.optimizers.SGD(rate), strength, hierarchy)
        return stepped(model, x, y, steps)

    def objective(weights, strength):
        w, b, v, c, theta = (a.astype("float64") for a in weights)
        z = np.maximum(x @ w + b, 0) @ v + c + x @ theta
        if classes:
            data = (np.log(np.exp(z).sum(1)) - z[np.arange(len(y)), y]).mean()
        else:
            data = ((z[:, 0] - y) ** 2).mean()
        return data + strength * np.linalg.norm(theta, axis=1).sum()

    for strength in strengths:
        (found, a), (peer, b) = (
            timed(lambda s=strength: ours(s)),
            timed(lambda s=strength: theirs(s)),
        )
        chosen, expected = found[4].any(1), peer[4].any(1)
        label = f"LassoNet, {name}, {expected.sum()} of {len(chosen)}: lassonet"
        same = np.array_equal(chosen, expected)
        line(label, strength, objective(found, strength), objective(peer, strength), same, (a, b))


def main():
    x, y = (standardised(a) for a in load_diabetes(return_X_y=True))
    pairs = [(i, j) for i in range(10) for j in range(i, 10) if (i, j) != (1, 1)]
    squares = standardised(np.column_stack([x, *(x[:, i] * x[:, j] for i, j in pairs)]))
    cancer, labels = load_breast_cancer(return_X_y=True)
    cancer = standardised(cancer)
    print(
        f"{'problem: peer':38}{'strength':>10}{'taut':>13}{'peer':>13}{'gap':>10}{'support':>9}"
        f"{'taut s':>9}{'peer s':>9}"
    )
    group_lasso(x, y)
    logistic_group_lasso(cancer, labels.astype("float32"))
    nonconvex("10 columns", x, y)
    nonconvex("64 columns", squares, y)
    lassonet("diabetes", x, y, 0.01, (2.0, 4.0, 8.0, 16.0))
    lassonet("cancer", cancer, labels.astype("int64"), 0.05, (0.5, 1.0, 2.0, 4.0), steps=1000)


if __name__ == "__main__":
    warnings.filterwarnings("ignore", message=".*is faster on contiguous arrays")
    main()
