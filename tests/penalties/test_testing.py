"""The tests of the tests: `check_penalty` finds a penalty that breaks a law, and names the law."""

import keras
import pytest
from keras import ops

import taut
from taut.penalties import L1, L2, MCP, ElasticNet, GroupLasso, Separable, soft_threshold
from taut.testing import LAWS, Case, check_law, check_penalty


class Negative(L1):
    def value(self, w, strength):
        return -super().value(w, strength)


class NotZeroAtStrengthZero(L1):
    def value(self, w, strength):
        return super().value(w, strength) + ops.sum(ops.abs(w))


class TooFar(L1):
    def prox(self, w, step, strength):
        return soft_threshold(w, 1.01 * step * strength)


class LocalMinimum(MCP):
    """Keeps whatever lies on the flat piece, where 0 may be better."""

    def prox(self, w, step, strength):
        kept = ops.abs(w) > self.gamma * strength
        return ops.where(kept, w, super().prox(w, step, strength))


class OtherSlope(L1):
    """A right prox, but the residual of another strength at it."""

    def subdifferential(self, w, strength):
        return super().subdifferential(w, 1.01 * strength)


class MeanStep(L1):
    def prox(self, w, step, strength):
        return super().prox(w, ops.mean(step), strength)


class MeanStepOfGroup(GroupLasso):
    def prox(self, w, step, strength):
        one = ops.mean(step[0]) if isinstance(step, list) else step
        return super().prox(w, one, strength)


class SaysItIsConvex(MCP):
    convex = True


class HalfTheDistance(L1):
    def distance(self, w, gradient, strength):
        return super().distance(w, gradient, strength) / 2


class TooWeak(L1):
    def critical_strength(self, gradient):
        return 0.9 * super().critical_strength(gradient)


class TooStrong(L1):
    def critical_strength(self, gradient):
        return 1.1 * super().critical_strength(gradient)


class Never(L1):
    def critical_strength(self, gradient):
        return ops.max(gradient) + float("inf")


class DividesByZero(L1):
    def prox(self, w, step, strength):
        return w * ops.maximum(1 - step * strength / ops.abs(w), 0)


class SaysItIsDense(L1):
    sparse = False


class SaysItIsSparse(L2):
    sparse = True


class SinglePrecision(L1):
    def prox(self, w, step, strength):
        return super().prox(ops.cast(w, "float32"), ops.cast(step, "float32"), 0.3)


class Branches(L1):
    def prox(self, w, step, strength):
        return super().prox(w, step, strength) if float(ops.max(w)) > 0 else w


@keras.saving.register_keras_serializable("taut_tests")
class Forgets(ElasticNet):
    def get_config(self):
        return {"strength": self.strength}


@keras.saving.register_keras_serializable("taut_tests")
class CannotBeLoaded(ElasticNet):
    def get_config(self):
        return {"strength": self.strength, "ratio": self.l1_ratio}


class TwiceAsRegularizer(L1):
    def __call__(self, x):
        return 2 * super().__call__(x)


class SlopeIsNaN(L1):
    def value(self, w, strength):
        return strength * ops.sum(ops.sqrt(ops.square(w)))


class HidesNaN(L1):
    def prox(self, w, step, strength):
        return ops.where(ops.abs(w) > step * strength, super().prox(w, step, strength), 0)


class Unfinished(Separable):
    def value(self, w, strength):
        return strength * ops.sum(ops.abs(w))


BROKEN = [
    ("value", Negative()),
    ("value", NotZeroAtStrengthZero()),
    ("prox", TooFar()),
    ("prox", LocalMinimum()),
    ("prox", OtherSlope()),
    ("prox in a metric", MeanStep()),
    ("prox in a metric", MeanStepOfGroup()),
    ("nonexpansive", SaysItIsConvex(gamma=0.5)),
    ("distance", HalfTheDistance()),
    ("critical strength", TooWeak()),
    ("critical strength", TooStrong()),
    ("critical strength", Never()),
    ("zeros", DividesByZero()),
    ("sparse", SaysItIsDense()),
    ("sparse", SaysItIsSparse()),
    ("undefined", HidesNaN()),
    ("dtypes", SinglePrecision()),
    ("compiled", Branches()),
    ("serialisation", Forgets(l1_ratio=0.1)),
    ("serialisation", CannotBeLoaded()),
    ("regularizer", TwiceAsRegularizer()),
    ("regularizer", SlopeIsNaN()),
    ("prox", Unfinished()),
]


@pytest.mark.parametrize(
    ("law", "penalty"), BROKEN, ids=lambda x: x if isinstance(x, str) else type(x).__name__
)
def test_a_broken_law_is_found_and_named(law, penalty):
    if law == "compiled" and keras.backend.backend() == "torch":
        pytest.skip("on torch nothing is compiled")
    with pytest.raises(AssertionError, match=f"breaks the law of `{law}`: "):
        check_law(law, Case(penalty))


def test_each_law_is_broken_once():
    assert {law for law, _ in BROKEN} == set(LAWS)


def test_check_penalty_checks_them_all():
    check_penalty(taut.L1(0.1), shapes=[(2, 2)])
    with pytest.raises(AssertionError, match=r"TwiceAsRegularizer\(strength=0.01\) breaks the law"):
        check_penalty(TwiceAsRegularizer(), shapes=[(2, 2)])
