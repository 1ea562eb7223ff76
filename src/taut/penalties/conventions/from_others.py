"""The class methods that make a penalty of another package's."""

from __future__ import annotations

from typing import Any, Self

import keras

from taut.errors import InputError
from taut.penalties.conventions.others import (
    from_gaussian_prior,
    from_glmnet,
    from_keras,
    from_laplace_prior,
    from_torch,
)
from taut.penalties.conventions.scikit_learn import from_sklearn
from taut.penalties.conventions.terms import Terms


class FromOthers:
    """Mixin of `L1`, `L2` and `ElasticNet`: made from what other packages call the same thing.

    The penalty made is exact: with the same rows, targets and loss, the objective here is the
    other package's up to a factor and a constant, so that both have the same minimisers. What has
    no exact equal is refused.
    """

    @classmethod
    def _from_terms(cls, terms: Terms) -> Self:
        """This penalty as l1·Σ|w| + l2·Σw², or an error that names the class that can be it."""
        # By name: the three classes derive from this one, so this module cannot import them.
        kinds = {kind.__name__ for kind in cls.__mro__}
        total = terms.l1 + 2 * terms.l2
        arguments: dict[str, float] = {"strength": total}
        if "ElasticNet" in kinds:
            if total > 0:
                arguments["l1_ratio"] = terms.l1 / total
        elif terms.l2 if "L1" in kinds else terms.l1:
            right = "ElasticNet" if terms.l1 and terms.l2 else "L2" if terms.l2 else "L1"
            raise InputError(
                f"`taut.{cls.__name__}` is {'Σ|w|' if 'L1' in kinds else 'Σw²/2'} alone. Received: "
                f"a penalty {terms.l1:g}·Σ|w| + {terms.l2:g}·Σw². Use the same method of "
                f"`taut.{right}`."
            )
        return cls(**arguments)

    @classmethod
    def from_sklearn(cls, estimator: Any, rows: int | None = None) -> Self:
        r"""The penalty of a scikit-learn estimator, for the mean of the named loss here.

        With α its `alpha`, ρ its `l1_ratio`, n the rows, in l1·Σ|w| + l2·Σw²:

        | estimator | loss here | l1 | l2 |
        |---|---|---|---|
        | `Lasso`, `LassoLars` | mse | 2α | |
        | `ElasticNet` | mse | 2αρ | α(1−ρ) |
        | `Ridge`; `RidgeClassifier`, targets −1 and 1 | mse | | α/n |
        | `LogisticRegression` | cross-entropy | ρ/(nC) | (1−ρ)/(2nC) |
        | `LinearSVC`, no intercept | hinge, squared hinge | 1/(nC) | 1/(2nC) |
        | `SGDClassifier`, `SGDRegressor` | theirs | αρ | α(1−ρ)/2 |
        | the same with `squared_error` | mse | 2αρ | α(1−ρ) |
        | `PoissonRegressor` | poisson | | α/2 |
        | `MLPClassifier` | cross-entropy | | α/(2m) |
        | `MLPRegressor` | mse | | α/m |

        m is n for the solver lbfgs. The solvers sgd and adam divide `alpha` by the rows of each
        batch, so there m is the batch size; with a smaller last batch, 1/m is the mean over the
        batches, and the objective the one whose gradient the steps have on average.

        The loss has the weights of rows and classes that scikit-learn's has, if any. Where
        scikit-learn adds up several outputs or one-vs-rest models, the loss here is their mean,
        and l1 and l2 are divided by their number; only a fitted estimator knows that number.

        Args:
            estimator: The estimator, fitted or not. For a search such as `LassoCV`, fitted.
            rows: n, the number of rows that it is trained on, where the table has n or m; less
                those that an MLP holds out for early stopping.

        Raises:
            UnsupportedError: If no penalty here gives the same objective.
            InputError: If this class lacks a term that the penalty has, or `rows` is needed.

        Example:
            >>> import taut
            >>> from sklearn.linear_model import Lasso
            >>> taut.L1.from_sklearn(Lasso(alpha=0.1))
            L1(strength=0.2)

        References:
            scikit-learn, user guide, Linear models and Neural network models.
        """
        return cls._from_terms(from_sklearn(estimator, rows))

    @classmethod
    def from_glmnet(
        cls,
        lambda_: float,
        *,
        alpha: float = 1.0,
        family: str = "gaussian",
        sd_y: float | None = None,
    ) -> Self:
        r"""The penalty of glmnet's λ and a, for inputs standardised with 1/n.

        Gaussian, loss here mse: l1 = 2λa, l2 = λ(1−a)/sd_y. Binomial and multinomial
        (cross-entropy) and poisson: l1 = λa, l2 = λ(1−a)/2.

        glmnet standardises the inputs by default: standardise them here. For
        `standardize=FALSE` give them as they are. `penalty.factor` is not taken into account.

        Args:
            lambda_: λ.
            alpha: a, from 0 (ridge) to 1 (lasso).
            family: `"gaussian"`, `"binomial"`, `"multinomial"` (ungrouped) or `"poisson"`.
            sd_y: The standard deviation (with 1/n) of the y that glmnet was given, by which
                it divides before it adds the quadratic part. With `intercept=FALSE` it divides
                by √mean(y²). With R's family object, `family=gaussian()`, it does not: give 1.

        Raises:
            UnsupportedError: For another family.
            InputError: If `sd_y` is needed, or this class lacks a term that the penalty has.

        Example:
            >>> import taut
            >>> taut.L1.from_glmnet(0.05, family="binomial")
            L1(strength=0.05)

        References:
            Friedman, Hastie and Tibshirani, Regularization paths for generalized linear models
            via coordinate descent, 2010.
        """
        return cls._from_terms(from_glmnet(lambda_, alpha=alpha, family=family, sd_y=sd_y))

    @classmethod
    def from_torch(cls, optimizer_or_weight_decay: Any) -> Self:
        r"""The penalty (wd/2)·Σw² of a torch optimizer's `weight_decay`, for the same mean loss.

        torch decays all parameters that the optimizer has, biases too; a penalty here is on the
        weights alone unless a selector names the biases.

        Args:
            optimizer_or_weight_decay: A number, or a `torch.optim` optimizer that adds the decay
                to the gradient, such as SGD or Adam.

        Raises:
            UnsupportedError: For AdamW, which minimises no loss plus penalty, and for parameter
                groups with different decays.

        Example:
            >>> import taut
            >>> taut.L2.from_torch(0.01)
            L2(strength=0.01)

        References:
            Loshchilov and Hutter, Decoupled weight decay regularization, 2019.
        """
        return cls._from_terms(from_torch(optimizer_or_weight_decay))

    @classmethod
    def from_keras(cls, regularizer: keras.regularizers.Regularizer) -> Self:
        r"""The penalty of a Keras L1 (a·Σ|w|), L2 (a·Σw², without our 1/2) or L1L2.

        `taut.penalties.get` does this wherever a penalty is expected.

        Args:
            regularizer: The Keras regularizer.

        Raises:
            UnsupportedError: For another Keras regularizer.
            InputError: If this class lacks a term that the regularizer has.

        Example:
            >>> import keras, taut
            >>> taut.L2.from_keras(keras.regularizers.L2(0.01))
            L2(strength=0.02)
        """
        return cls._from_terms(from_keras(regularizer))

    @classmethod
    def from_gaussian_prior(cls, precision: float, rows: int) -> Self:
        r"""The penalty τ/(2n)·Σw² of independent priors w ~ N(0, 1/τ): the minimum is the MAP.

        The loss is the mean negative log-likelihood, such as the cross-entropy. The mean squared
        error is 2σ² times that of Gaussian noise with variance σ²: give `2·σ²·τ` there.

        Args:
            precision: τ, the inverse of the variance of each weight.
            rows: n, the number of rows that the loss is averaged over.

        Raises:
            InputError: If an argument is out of range, or for `L1`.

        Example:
            >>> import taut
            >>> taut.L2.from_gaussian_prior(1.0, rows=100)
            L2(strength=0.01)

        References:
            MacKay, A practical Bayesian framework for backpropagation networks, 1992.
        """
        return cls._from_terms(from_gaussian_prior(precision, rows))

    @classmethod
    def from_laplace_prior(cls, scale: float, rows: int) -> Self:
        r"""The penalty Σ|w|/(n·b) of independent priors w ~ Laplace(0, b): the minimum is the MAP.

        The loss is the mean negative log-likelihood, such as the cross-entropy. The mean squared
        error is 2σ² times that of Gaussian noise with variance σ²: give `b/(2·σ²)` there.

        Args:
            scale: b, a finite number > 0; the variance of each weight is 2b².
            rows: n, the number of rows that the loss is averaged over.

        Raises:
            InputError: If an argument is out of range, or for `L2`.

        Example:
            >>> import taut
            >>> taut.L1.from_laplace_prior(1.0, rows=100)
            L1(strength=0.01)

        References:
            Tibshirani, Regression shrinkage and selection via the lasso, 1996, section 5.
        """
        return cls._from_terms(from_laplace_prior(scale, rows))
