"""What other packages settle at is stationary for the penalty converted from them."""

import inspect
import warnings

import keras
import numpy as np
import pytest
from scipy import special, stats
from sklearn import linear_model as lm
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

import taut
from taut.errors import InputError, UnsupportedError
from taut.penalties import L1, L2, ElasticNet
from tests.conftest import some_slow


def standardised(x):
    return (x - x.mean(0)) / x.std(0)


X, AMOUNT = load_diabetes(return_X_y=True)
X = standardised(X)
Y = standardised(AMOUNT)
THIRDS = np.digitize(AMOUNT, np.quantile(AMOUNT, [1 / 3, 2 / 3]))
CANCER, SICK = load_breast_cancer(return_X_y=True)
CANCER = standardised(CANCER[:, :10])
N, M = len(X), len(CANCER)
BOTH = np.stack([Y, X[:, 0] * X[:, 1]], 1)


def terms(penalty):
    """l1 and l2 of l1·Σ|w| + l2·Σw², from two values of the penalty."""
    one, two = (float(penalty(np.array([w], "float32"))) for w in (1, 2))
    return 2 * one - two / 2, two / 2 - one


# The gradients by the predictions z = x·w + b of the losses here: means over rows and outputs.
SLOPES = {
    "mse": lambda z, y: 2 * (z - y) / z.size,
    "binary": lambda z, y: (special.expit(z) - y) / z.size,
    "softmax": lambda z, y: (special.softmax(z, 1) - (y == np.arange(z.shape[1]))) / len(z),
    "poisson": lambda z, y: (np.exp(z) - y) / z.size,
    "hinge": lambda z, y: -(2 * y - 1) * ((2 * y - 1) * z < 1) / z.size,
    "squared hinge": lambda z, y: -2 * (2 * y - 1) * np.maximum(1 - (2 * y - 1) * z, 0) / z.size,
    "huber": lambda z, y: np.clip(z - y, -0.1, 0.1) / z.size,
}


def gradients(loss, x, y, weights, bias):
    slope = SLOPES[loss](x @ weights + bias, y.reshape(len(y), -1))
    return x.T @ slope, slope.sum(0)


def residual(l1, l2, weights, gradient):
    slope = gradient + 2 * l2 * weights
    at_zero = np.maximum(np.abs(slope) - l1, 0)
    return np.where(weights == 0, at_zero, np.abs(slope + l1 * np.sign(weights))).max()


def assert_stationary(penalty, loss, x, y, weights, bias, tolerance=1e-5):
    """The weights minimise the mean loss plus the penalty, and would not if it were 5% larger."""
    weights = np.asarray(weights, "float64").reshape(x.shape[1], -1)
    bias = np.asarray(bias, "float64").ravel()
    gradient, bias_gradient = gradients(loss, x, y, weights, bias)
    scale = np.abs(gradient).max()
    l1, l2 = terms(penalty)
    assert residual(l1, l2, weights, gradient) < tolerance * scale
    if bias.any():
        assert np.abs(bias_gradient).max() < tolerance * scale
    for more in ([1.05 * l1, l2], [l1, 1.05 * l2], [1.05 * l1, 1.05 * l2]):
        if more != [l1, l2]:
            assert residual(*more, weights, gradient) > 5 * tolerance * scale


def logistic(ratio, **settings):
    """LogisticRegression in the way of the installed version: `l1_ratio` alone from 1.8."""
    if inspect.signature(lm.LogisticRegression).parameters["penalty"].default != "deprecated":
        settings["penalty"] = "elasticnet"
    return lm.LogisticRegression(
        l1_ratio=ratio, solver="saga", tol=1e-9, max_iter=10**5, **settings
    )


EXACT = {"tol": 1e-10, "max_iter": 10**6}


@pytest.mark.parametrize(
    ("kind", "estimator", "loss"),
    [
        (L1, lm.Lasso(alpha=0.05, **EXACT), "mse"),
        (L1, lm.LassoLars(alpha=0.05), "mse"),
        (L1, lm.LassoCV(cv=3, **EXACT), "mse"),
        (L1, lm.LassoLarsIC(), "mse"),
        (ElasticNet, lm.ElasticNet(alpha=0.1, l1_ratio=0.3, **EXACT), "mse"),
        (ElasticNet, lm.ElasticNetCV(l1_ratio=[0.2, 0.4], cv=3, **EXACT), "mse"),
        (L2, lm.ElasticNet(alpha=0.1, l1_ratio=1e-9, **EXACT).set_params(l1_ratio=0.0), "mse"),
        (L2, lm.Ridge(alpha=30.0), "mse"),
        (L2, lm.RidgeCV(alphas=[10.0, 30.0]), "mse"),
        (L2, lm.PoissonRegressor(alpha=0.2, tol=1e-9, max_iter=1000), "poisson"),
    ],
    ids=lambda value: type(value).__name__ if hasattr(value, "fit") else None,
)
def test_regression(kind, estimator, loss):
    y = AMOUNT / 100 if loss == "poisson" else Y
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # LassoCV's default path will change; l1_ratio=0 is slow.
        estimator.fit(X, y)
    penalty = taut.from_sklearn(estimator, rows=N)
    assert type(penalty) is kind
    assert_stationary(penalty, loss, X, y, estimator.coef_, estimator.intercept_)


@pytest.mark.parametrize(
    ("kind", "estimator"),
    [
        (L1, lm.Lasso(alpha=0.05, **EXACT)),
        (ElasticNet, lm.ElasticNet(alpha=0.05, l1_ratio=0.3, **EXACT)),
        (L2, lm.Ridge(alpha=30.0)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_several_outputs_share_the_mean(kind, estimator):
    estimator.fit(X, BOTH)
    penalty = taut.from_sklearn(estimator, rows=N)
    assert_stationary(penalty, "mse", X, BOTH, estimator.coef_.T, estimator.intercept_)


@pytest.mark.parametrize(
    ("kind", "estimator", "loss"),
    [
        (L1, logistic(1.0, C=0.1), "binary"),
        (L2, logistic(0.0, C=0.1), "binary"),
        (ElasticNet, logistic(0.4, C=0.1), "binary"),
        (L2, lm.LogisticRegression(C=0.1, tol=1e-9, max_iter=10**4), "binary"),
        (L2, lm.RidgeClassifier(alpha=30.0), "mse"),
        (L2, LinearSVC(C=0.01, fit_intercept=False, **EXACT), "squared hinge"),
        (L1, LinearSVC(C=0.01, penalty="l1", dual=False, fit_intercept=False), "squared hinge"),
    ],
    ids=lambda value: type(value).__name__ if hasattr(value, "fit") else None,
)
def test_two_classes(kind, estimator, loss):
    estimator.fit(CANCER, SICK)
    y = 2 * SICK - 1 if loss == "mse" else SICK
    penalty = taut.from_sklearn(estimator, rows=M)
    tolerance = 1e-3 if isinstance(estimator, LinearSVC) else 1e-5
    assert_stationary(penalty, loss, CANCER, y, estimator.coef_, estimator.intercept_, tolerance)


@pytest.mark.parametrize(
    ("kind", "estimator", "loss"),
    [
        (L2, lm.LogisticRegression(C=0.02, tol=1e-9, max_iter=10**4), "softmax"),
        (ElasticNet, logistic(0.5, C=0.05), "softmax"),
        (L2, lm.RidgeClassifier(alpha=30.0), "mse"),
        (L2, LinearSVC(C=0.001, fit_intercept=False, **EXACT), "squared hinge"),
    ],
    ids=lambda value: type(value).__name__ if hasattr(value, "fit") else None,
)
def test_three_classes(kind, estimator, loss):
    estimator.fit(X, THIRDS)
    indicator = (THIRDS[:, None] == np.arange(3)).astype("float64")
    y = {"softmax": THIRDS, "mse": 2 * indicator - 1, "squared hinge": indicator}[loss]
    penalty = taut.from_sklearn(estimator, rows=N)
    tolerance = 1e-3 if isinstance(estimator, LinearSVC) else 1e-5
    bias = estimator.intercept_
    assert_stationary(penalty, loss, X, y, estimator.coef_.T, bias, tolerance)


def test_liblinear_without_an_intercept():
    estimator = logistic(1.0, C=0.1).set_params(
        solver="liblinear", fit_intercept=False, random_state=0
    )
    if hasattr(estimator, "multi_class"):
        estimator.set_params(penalty="l1", l1_ratio=None)
    estimator.fit(CANCER, SICK)
    penalty = taut.from_sklearn(estimator, rows=M)
    assert_stationary(penalty, "binary", CANCER, SICK, estimator.coef_, 0.0, 1e-4)


def test_class_weights_belong_to_the_loss():
    estimator = lm.LogisticRegression(C=0.1, class_weight={0: 3.0, 1: 1.0}, tol=1e-9).fit(
        CANCER, SICK
    )
    l1, l2 = terms(taut.from_sklearn(estimator, rows=M))
    slope = special.expit(CANCER @ estimator.coef_[0] + estimator.intercept_) - SICK
    gradient = CANCER.T @ (np.where(SICK == 0, 3.0, 1.0) * slope) / M
    assert residual(l1, l2, estimator.coef_[0], gradient) < 1e-5 * np.abs(gradient).max()


def test_the_old_and_the_new_way_of_a_logistic_regression_agree():
    for penalty, ratio in [("l1", 1.0), ("l2", 0.0), ("elasticnet", 0.3)]:
        old = lm.LogisticRegression(penalty=penalty, C=0.5, solver="saga", l1_ratio=ratio)
        ours = terms(taut.from_sklearn(old, rows=10))
        np.testing.assert_allclose(ours, [0.2 * ratio, 0.1 * (1 - ratio)], rtol=1e-6, atol=1e-7)
    old = lm.LogisticRegression(penalty="l2", C=0.5, l1_ratio=None)
    assert taut.from_sklearn(old, rows=10) == L2(0.2)
    assert taut.from_sklearn(lm.LogisticRegression(C=0.5, l1_ratio=None), rows=10) == L2(0.2)
    assert taut.from_sklearn(lm.LogisticRegression(penalty=None), rows=10) == L2(0.0)
    assert taut.from_sklearn(lm.LogisticRegression(C=np.inf), rows=10) == L2(0.0)
    assert taut.from_sklearn(lm.SGDClassifier(penalty=None)) == L2(0.0)


# One small step from random weights is the package's own gradient of its whole objective.


@pytest.mark.parametrize(
    ("kind", "estimator", "loss"),
    [
        (L2, lm.SGDRegressor(penalty="l2"), "mse"),
        (L2, lm.SGDRegressor(penalty="l2", loss="huber"), "huber"),
        (L1, lm.SGDRegressor(penalty="l1"), "mse"),
        (ElasticNet, lm.SGDRegressor(penalty="elasticnet", l1_ratio=0.3), "mse"),
        (L2, lm.SGDClassifier(penalty="l2"), "hinge"),
        (L2, lm.SGDClassifier(loss="squared_hinge"), "squared hinge"),
        (ElasticNet, lm.SGDClassifier(loss="log_loss", penalty="elasticnet"), "binary"),
    ],
    ids=lambda value: type(value).__name__ if hasattr(value, "fit") else None,
)
def test_the_gradient_of_stochastic_gradient_descent(kind, estimator, loss):
    rate, start = 1e-8, np.random.default_rng(0).normal(size=(1, 10))
    estimator.set_params(
        alpha=2.0, learning_rate="constant", eta0=rate, max_iter=1, tol=None, shuffle=False
    )
    y = SICK if isinstance(estimator, lm.SGDClassifier) else SICK * 1.3
    estimator.fit(CANCER, y, coef_init=start.copy(), intercept_init=[0.0])
    gradient, _ = gradients(loss, CANCER, y, start.T, 0.0)
    l1, l2 = terms(taut.from_sklearn(estimator))
    ours = gradient.T + l1 * np.sign(start) + 2 * l2 * start
    factor = 2 if loss == "mse" else 1
    theirs = factor * (start - estimator.coef_) / (rate * M)
    np.testing.assert_allclose(theirs, ours, rtol=1e-4, atol=1e-4)


def test_the_gradient_of_one_model_a_class():
    rate, start = 1e-8, np.random.default_rng(0).normal(size=(3, 10))
    estimator = lm.SGDClassifier(loss="log_loss", alpha=2.0, learning_rate="constant", eta0=rate)
    estimator.set_params(max_iter=1, tol=None)
    estimator.fit(X, THIRDS, coef_init=start.copy(), intercept_init=[0.0] * 3)
    indicator = (THIRDS[:, None] == np.arange(3)).astype("float64")
    gradient = X.T @ SLOPES["binary"](X @ start.T, indicator)
    _, l2 = terms(taut.from_sklearn(estimator))
    theirs = (start - estimator.coef_).T / (rate * N) / 3  # Keras takes the mean of the three.
    np.testing.assert_allclose(theirs, gradient + 2 * l2 * start.T, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("batch", ["auto", 3, 4], ids="batch {}".format)
@pytest.mark.parametrize("kind", [MLPRegressor, MLPClassifier])
def test_the_gradient_of_an_mlp_by_its_batches(kind, batch):
    """Six equal rows: the gradient of the loss is that of one row, whatever the batch."""
    x, y = np.repeat(X[:1], 6, axis=0), np.arange(2)
    x, y = (np.r_[x, x], np.repeat(y, 6)) if kind is MLPClassifier else (x, np.full(6, 0.7))
    settings = {"alpha": 0.5, "solver": "sgd", "momentum": 0.0, "learning_rate_init": 1e-7}
    network = kind(hidden_layer_sizes=(), batch_size=batch, random_state=0, **settings)
    if kind is MLPClassifier:
        network.partial_fit(x, y, classes=[0, 1])
        x, y = x[:6], y[:6]
    network.partial_fit(x, y)
    start = [network.coefs_[0].copy(), network.intercepts_[0].copy()]
    network.partial_fit(x, y)
    batches = 1 if batch == "auto" else 2
    factor, loss = (2, "mse") if kind is MLPRegressor else (1, "binary")
    gradient, _ = gradients(loss, x, y.astype("float64"), *start)
    _, l2 = terms(taut.from_sklearn(network, rows=6))
    theirs = factor * (start[0] - network.coefs_[0]) / (1e-7 * batches)
    np.testing.assert_allclose(theirs, gradient + 2 * l2 * start[0], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("solver", "outputs"), [("lbfgs", 1), ("sgd", 1), ("sgd", 2)])
def test_an_mlp_with_a_hidden_layer(solver, outputs):
    y = BOTH if outputs == 2 else Y
    network = MLPRegressor(hidden_layer_sizes=(4,), activation="tanh", alpha=20.0, random_state=0)
    network.set_params(solver=solver, batch_size=N, learning_rate_init=0.2, n_iter_no_change=10**6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        network.set_params(tol=1e-8, max_iter=2000).fit(X, y)
    hidden = np.tanh(X @ network.coefs_[0] + network.intercepts_[0])
    penalty = taut.from_sklearn(network, rows=N)
    weights, bias = network.coefs_[1], network.intercepts_[1]
    assert_stationary(penalty, "mse", hidden, y, weights, bias, 1e-3)
    if solver == "lbfgs":
        # Its own value of its objective is half of ours.
        squares = np.square(network.predict(X) - y).mean()
        ours = squares + sum(float(penalty(w.astype("float32"))) for w in network.coefs_)
        assert 2 * network.loss_ == pytest.approx(ours, rel=1e-6)


def test_an_mlp_for_three_classes():
    network = MLPClassifier(
        hidden_layer_sizes=(), alpha=10.0, solver="lbfgs", tol=1e-9, max_iter=5000, random_state=0
    )
    network.fit(X, THIRDS)
    penalty = taut.from_sklearn(network, rows=N)
    weights, bias = network.coefs_[0], network.intercepts_[0]
    assert_stationary(penalty, "softmax", X, THIRDS, weights, bias, 1e-3)


# Coefficients by R 4.2.2 and its glmnet 4.1-6, Debian's r-cran-glmnet (python-glmnet 2.6.1 gives
# the same for "gaussian" and "binomial"). The data, in Python:
#
#   import numpy as np
#   from sklearn.datasets import load_breast_cancer, load_diabetes
#   (x, y), (u, v) = (f(return_X_y=True) for f in (load_diabetes, load_breast_cancer))
#   thirds = np.digitize(y, np.quantile(y, [1 / 3, 2 / 3]))
#   for name, x, y in ("amount", x, y), ("thirds", x, thirds), ("cancer", u[:, :10], v):
#       np.savetxt(name, np.c_[(x - x.mean(0)) / x.std(0), y])
#
# and the fits, in R:
#
#   library(glmnet)
#   fit <- function(file, family, a, lambda, ...) {
#     d <- as.matrix(read.table(file)); y <- d[, 11]
#     if (identical(family, "multinomial")) y <- factor(y)
#     m <- glmnet(d[, 1:10], y, family, alpha = a, lambda = lambda, thresh = 1e-20, ...)
#     b <- if (is.list(coef(m))) do.call(cbind, coef(m)) else coef(m)
#     cat(signif(as.numeric(b), 7), "\n")
#   }
#   fit("amount", "gaussian", 1, 5)
#   fit("amount", "gaussian", 0.4, 5)
#   fit("amount", "gaussian", 0, 5)
#   fit("amount", gaussian(), 0.4, 5)
#   fit("amount", "gaussian", 0.4, 5, intercept = FALSE)
#   fit("amount", "poisson", 0.4, 5)
#   fit("cancer", "binomial", 1, 0.05)
#   fit("cancer", "binomial", 0.4, 0.05)
#   fit("thirds", "multinomial", 0.4, 0.05)
SD = AMOUNT.std()
GLMNET = {
    "lasso": (
        ("gaussian", 1.0, 5.0, None),
        "152.1335 0 -2.155407 24.21564 10.3315 0 0 -7.027195 0 21.22925 0",
    ),
    "elastic net": (
        ("gaussian", 0.4, 5.0, SD),
        "152.1335 0 -7.161162 23.85029 12.93997 -1.255085 -0.6632174 -10.44755 0 21.75524 2.17016",
    ),
    "ridge": (
        ("gaussian", 0.0, 5.0, SD),
        "152.1335 -0.06708767 -10.31702 23.88672 14.67297 -5.440685 -2.523448 -8.642738 5.420557 "
        "22.27324 3.884444",
    ),
    "family object": (
        ("gaussian", 0.4, 5.0, 1.0),
        "152.1335 1.165148 -0.4719182 8.132309 5.521267 0.9082263 0.06554462 -4.397633 4.106345 "
        "7.243993 3.821446",
    ),
    "no intercept": (
        ("gaussian", 0.4, 5.0, np.sqrt(np.mean(AMOUNT**2))),
        "0 0 -7.389427 24.25655 13.07336 -2.353548 0 -10.1346 0 22.60406 1.914827",
    ),
    "poisson": (
        ("poisson", 0.4, 5.0, None),
        "4.968993 0 -0.04770938 0.1481908 0.087194 -0.001048703 0 -0.08169452 0 0.1375447 "
        "0.008620533",
    ),
    "binomial lasso": (
        ("binomial", 1.0, 0.05, None),
        "0.5967584 0 -0.3412202 -0.8531549 0 0 0 0 -1.630996 0 0",
    ),
    "binomial": (
        ("binomial", 0.4, 0.05, None),
        "0.5923036 -0.5410313 -0.4859172 -0.5411781 -0.4616917 -0.1979875 -0.1194362 -0.4194426 "
        "-0.7250299 -0.09566188 0",
    ),
    "multinomial": (
        ("multinomial", 0.4, 0.05, None),
        "-0.0918043 0 0.05380791 -0.2597666 -0.167627 0 0 0.3030747 0 -0.4199765 -0.01265189 "
        "0.2110739 0 0 0 0 0 0 0 0 0 0 "
        "-0.1192696 0 -0.02408522 0.5131651 0.3348429 0 0 -0.01371709 0 0.5188653 0",
    ),
}
GLMNET_LOSSES = {"gaussian": "mse", "binomial": "binary", "multinomial": "softmax"}


@pytest.mark.parametrize(("settings", "numbers"), GLMNET.values(), ids=GLMNET.keys())
def test_glmnet(settings, numbers):
    family, alpha, lambda_, sd_y = settings
    coefficients = np.array(numbers.split(), "float64").reshape(-1, 11).T
    penalty = taut.from_glmnet(lambda_, alpha=alpha, family=family, sd_y=sd_y)
    assert type(penalty) is {1.0: L1, 0.0: L2}.get(alpha, ElasticNet)
    x, y = {"binomial": (CANCER, SICK), "multinomial": (X, THIRDS)}.get(family, (X, AMOUNT))
    loss = GLMNET_LOSSES.get(family, family)
    assert_stationary(penalty, loss, x, y, coefficients[1:], coefficients[0], 1e-4)


def test_what_glmnet_needs_and_has_no_equal():
    with pytest.raises(InputError, match="`sd_y` is needed"):
        taut.from_glmnet(0.1, alpha=0.5)
    with pytest.raises(InputError, match="sd_y=0"):
        taut.from_glmnet(0.1, alpha=0.5, sd_y=0)
    with pytest.raises(UnsupportedError, match="mgaussian"):
        taut.from_glmnet(0.1, family="cox")


@pytest.mark.parametrize("name", some_slow(["SGD", "Adam", "RMSprop", "NAdam"], ["Adam"]))
def test_torch_at_convergence(name):
    torch = pytest.importorskip("torch")
    x, y = torch.tensor(X), torch.tensor(Y[:, None])
    layer = torch.nn.Linear(10, 1, dtype=torch.float64)
    rate = 0.2 if name == "SGD" else 0.02
    optimizer = getattr(torch.optim, name)(layer.parameters(), lr=rate, weight_decay=0.3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 1000)
    for _ in range(1000):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(layer(x), y).backward()
        optimizer.step()
        schedule.step()
    weights = layer.weight.detach().numpy().T
    # The decayed bias ends at 0, since x and y are centred.
    np.testing.assert_allclose(layer.bias.detach().numpy(), 0, atol=1e-4)
    for penalty in (taut.from_torch(optimizer), taut.from_torch(0.3)):
        assert_stationary(penalty, "mse", X, Y, weights, 0.0, 1e-3)
    assert taut.from_torch(optimizer) == L2(0.3)


def test_torch_decay_that_is_no_penalty():
    torch = pytest.importorskip("torch")
    w, b = torch.nn.Parameter(torch.ones(3)), torch.nn.Parameter(torch.ones(1))
    for optimizer in (
        torch.optim.AdamW([w]),
        torch.optim.NAdam([w], weight_decay=0.1, decoupled_weight_decay=True),
        torch.optim.LBFGS([w]),
    ):
        with pytest.raises(UnsupportedError, match="beside the gradient's step"):
            taut.from_torch(optimizer)
    groups = [{"params": [w], "weight_decay": 0.1}, {"params": [b], "weight_decay": 0.0}]
    with pytest.raises(UnsupportedError, match=r"\[0.0, 0.1\]. Convert each as a number"):
        taut.from_torch(torch.optim.SGD(groups, lr=0.1))
    with pytest.raises(InputError, match="Give a torch optimizer"):
        taut.from_torch("adam")
    with pytest.raises(InputError, match=r"weight_decay=-0\.1"):
        taut.from_torch(-0.1)


@pytest.mark.parametrize(
    ("penalty", "log_prior"),
    [
        (taut.from_gaussian_prior(4.0, rows=M), stats.norm(0, 1 / 2).logpdf),
        (taut.from_laplace_prior(0.3, rows=M), stats.laplace(0, 0.3).logpdf),
    ],
    ids=["gaussian", "laplace"],
)
def test_priors(penalty, log_prior):
    """n·(mean NLL + penalty) is minus the log posterior, up to a constant."""
    generator = np.random.default_rng(0)
    l1, l2 = terms(penalty)
    differences = []
    for _ in range(5):
        w = generator.normal(size=10)
        likelihood = stats.bernoulli.logpmf(SICK, special.expit(CANCER @ w))
        ours = -likelihood.mean() + l1 * np.abs(w).sum() + l2 * np.square(w).sum()
        differences.append(M * ours + likelihood.sum() + log_prior(w).sum())
    np.testing.assert_allclose(differences, differences[0], rtol=1e-5)


def test_the_prior_that_bayesian_ridge_ends_with():
    """With Gaussian noise of precision β, the MSE is 2/β times the mean NLL."""
    estimator = lm.BayesianRidge().fit(X, Y)
    precision = 2 / estimator.alpha_ * estimator.lambda_
    penalty = taut.from_gaussian_prior(precision, rows=N)
    # Its coefficients are of the iteration before its precisions.
    assert_stationary(penalty, "mse", X, Y, estimator.coef_, estimator.intercept_, 4e-3)


def test_keras_by_class():
    assert taut.from_keras(keras.regularizers.L1(0.5)) == L1(0.5)  # Kept by Keras as float32.
    assert taut.from_keras(keras.regularizers.L2(0.03)) == L2(0.06)
    assert taut.from_keras(keras.regularizers.L1L2(0.0, 0.03)) == L2(0.06)
    both = taut.from_keras(keras.regularizers.L1L2(0.03, 0.2))
    np.testing.assert_allclose(terms(both), [0.03, 0.2], rtol=1e-5)
    with pytest.raises(UnsupportedError, match="OrthogonalRegularizer"):
        taut.from_keras(keras.regularizers.OrthogonalRegularizer())
    with pytest.raises(InputError, match="Give a Keras regularizer"):
        taut.from_keras("l2")


def test_each_is_the_penalty_that_its_terms_are():
    assert taut.from_sklearn(lm.Lasso(alpha=0.1)) == L1(0.2)
    assert taut.from_sklearn(lm.Ridge(alpha=1.0), rows=10) == L2(0.2)
    assert taut.from_sklearn(lm.ElasticNet(alpha=0.1)) == ElasticNet(0.2)
    assert taut.from_glmnet(0.1) == L1(0.2)
    assert taut.from_torch(0.1) == L2(0.1)
    # Of no strength at all: one that can be given a strength later.
    assert taut.from_sklearn(lm.Ridge(alpha=0.0), rows=10) == L2(0.0)
    assert taut.from_keras(keras.regularizers.L1(0.0)) == L1(0.0)
    assert taut.from_keras(keras.regularizers.L2(0.0)) == L2(0.0)


@pytest.mark.parametrize(
    "estimator",
    [lm.Ridge(), lm.LogisticRegression(), MLPRegressor(), LinearSVC(fit_intercept=False)],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("rows", [None, 0, 2.5, True])
def test_rows_are_needed_where_they_count(estimator, rows):
    with pytest.raises(InputError, match="`rows`, the number of rows"):
        taut.from_sklearn(estimator, rows=rows)


@pytest.mark.parametrize(
    ("estimator", "reason"),
    [
        (lm.Lasso(positive=True), "constraint"),
        (lm.Ridge(positive=True), "constraint"),
        (lm.Ridge(alpha=np.array([1.0, 2.0])), "each output"),
        (lm.LogisticRegression(solver="liblinear"), "penalises the intercept"),
        (LinearSVC(), "penalises the intercept"),
        (LinearSVC(fit_intercept=False, multi_class="crammer_singer"), "another loss"),
        (lm.SGDClassifier(loss="modified_huber"), "no loss 'modified_huber'"),
        (lm.SGDClassifier(learning_rate="pa1", eta0=0.1), "no objective"),
        (MLPRegressor(solver="adam", batch_size=4, shuffle=False), "smaller last batch"),
        (lm.MultiTaskLasso(), "taut.GroupLasso"),
        (lm.LogisticRegressionCV(), "each class"),
        (lm.HuberRegressor(), "scale of the residuals"),
        (lm.LinearRegression(), "No exact conversion"),
        (make_pipeline(StandardScaler(), lm.Ridge()), "pipeline"),
        (keras.regularizers.L2(0.1), "No exact conversion"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else None,
)
def test_what_scikit_learn_has_that_is_no_penalty_here(estimator, reason):
    with pytest.raises(UnsupportedError, match=reason):
        taut.from_sklearn(estimator, rows=10)


def test_the_other_ways_of_three_classes_are_refused():
    estimator = lm.LogisticRegression()
    estimator.multi_class = "ovr"  # A parameter until scikit-learn 1.7.
    with pytest.raises(UnsupportedError, match="one model a class"):
        taut.from_sklearn(estimator, rows=10)
    estimator.multi_class, estimator.classes_ = "multinomial", np.array([0, 1])
    with pytest.raises(UnsupportedError, match="two sets of weights"):
        taut.from_sklearn(estimator, rows=10)


def test_a_search_must_be_fitted():
    with pytest.raises(InputError, match="fit it first"):
        taut.from_sklearn(lm.LassoCV())


def test_a_subclass_is_what_it_inherits():
    class Mine(lm.Lasso):
        pass

    assert taut.from_sklearn(Mine(alpha=0.1)) == L1(0.2)
