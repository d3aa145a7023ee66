"""One-hidden-layer networks at the certified optimum over all widths, as scikit-learn estimators (Theorem 1.10)."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.special
from sklearn.base import BaseEstimator, ClassifierMixin, MultiOutputMixin, RegressorMixin
from sklearn.model_selection import KFold, StratifiedKFold, check_cv
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from . import _validation as check
from ._estimator_tools import (
    FOLDS,
    EstimatorSettings,
    checked_settings,
    chosen_lambda,
    lambda_grid,
    warn_unless_proved,
)
from ._factorization_results import Solution, SolutionTrace
from ._network_data import UNITS
from ._network_polar import METHODS
from ._validation import FloatArray
from .homogeneous import ParallelNetwork
from .results import Certificate

__all__ = ["CertifiedReLUClassifier", "CertifiedReLURegressor"]

_CV_TOL = 1e-2  # relative gap of the fits of cross-validation: folds differ by more


class _CertifiedNetwork(BaseEstimator):  # type: ignore[misc]
    """What the two share: scaling, the choice of λ, the solver."""

    _loss: str

    def __init__(
        self,
        lam: float | str = 1.0,
        *,
        unit: str = "relu",
        bias: bool = True,
        fit_intercept: bool = True,
        standardize: bool = True,
        tol: float = 1e-4,
        width_max: int | None = None,
        max_iter: int | None = None,
        max_seconds: float | None = None,
        method: str = "auto",
        max_nodes: int = 20,
        lams: Any = 10,
        cv: Any = None,
        random_state: Any = None,
        n_threads: int | None = None,
    ) -> None:
        self.lam = lam
        self.unit = unit
        self.bias = bias
        self.fit_intercept = fit_intercept
        self.standardize = standardize
        self.tol = tol
        self.width_max = width_max
        self.max_iter = max_iter
        self.max_seconds = max_seconds
        self.method = method
        self.max_nodes = max_nodes
        self.lams = lams
        self.cv = cv
        self.random_state = random_state
        self.n_threads = n_threads

    def _settings(self) -> EstimatorSettings:
        check.as_choice("unit", self.unit, UNITS)
        check.as_bool("bias", self.bias)
        check.as_bool("fit_intercept", self.fit_intercept)
        check.as_bool("standardize", self.standardize)
        check.as_int("max_nodes", self.max_nodes, minimum=1)
        check.as_choice("method", self.method, METHODS)
        if self.max_iter is not None:
            check.as_int("max_iter", self.max_iter, minimum=1)
        if self.width_max is not None:
            check.as_int("width_max", self.width_max, minimum=0)
        return checked_settings(
            SimpleNamespace(
                lam=self.lam, lams=self.lams, tol=self.tol, rank_max=None, max_seconds=self.max_seconds,
                n_threads=self.n_threads,
            )
        )  # fmt: skip

    def _network(self, X: FloatArray, Y: FloatArray, lam: float) -> ParallelNetwork:
        return ParallelNetwork(
            X, Y, lam, unit=self.unit, loss=self._loss_of(Y), bias=self.bias, intercept=self.fit_intercept
        )

    def _loss_of(self, Y: FloatArray) -> str:
        raise NotImplementedError

    def _scaled(self, X: FloatArray) -> FloatArray:
        return np.asarray((X - self.x_mean_) / self.x_scale_)

    def _fit(self, X: FloatArray, Y: FloatArray, labels: npt.NDArray[Any] | None) -> None:
        settings = self._settings()
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        self.x_mean_, self.x_scale_ = np.zeros(X.shape[1]), np.ones(X.shape[1])
        if self.standardize:
            self.x_mean_ = X.mean(axis=0)
            spread = (X - self.x_mean_).std(axis=0)
            self.x_scale_ = np.where(spread > 1e-14 * np.abs(X).max(axis=0, initial=0.0), spread, 1.0)
        X = self._scaled(X)
        solver: dict[str, Any] = {
            "width_max": self.width_max, "max_iter": self.max_iter, "max_seconds": settings.max_seconds,
            "method": self.method, "max_nodes": self.max_nodes, "starts": 64, "seed": seed,
            "n_threads": settings.n_threads,
        }  # fmt: skip
        lam = settings.lam
        if isinstance(lam, str):
            lam = self._cross_validate(X, Y, labels, settings, solver)
        self.landscape_ = self._network(X, Y, lam)
        solution = self.landscape_.solve(settings.tol, **solver)
        warn_unless_proved(solution, settings.tol, stacklevel=4)
        self.lam_ = float(lam)
        self.solution_: Solution = solution
        self.point_ = solution.point
        self.U_, self.V_ = solution.point[0], solution.point[1]
        self.b_ = solution.point[2] if self.fit_intercept else np.zeros(Y.shape[1])
        self.n_units_ = solution.width
        self.n_iter_ = len(solution.trace)
        self.objective_ = solution.value
        self.certificate_: Certificate = solution.certificate
        self.trace_: SolutionTrace = solution.trace

    def _cross_validate(
        self,
        X: FloatArray,
        Y: FloatArray,
        labels: npt.NDArray[Any] | None,
        settings: EstimatorSettings,
        solver: dict[str, Any],
    ) -> float:
        quick = {**solver, "max_nodes": 1, "starts": 32}
        if np.linalg.matrix_rank(X) + int(self.bias) > 3:
            quick["method"] = "spectral"  # no proof is asked of these fits
        whole = self._network(X, Y, 1.0)
        nothing = whole.with_lam(1e300).solve(1e-3, starts=32, n_threads=settings.n_threads).point
        grid = lambda_grid(settings, whole.polar(nothing, method="spectral", starts=32).lower)
        tol = max(_CV_TOL, settings.tol)
        errors, sizes = [], []
        for train, test in self._folds(X, labels):
            fold = self._network(X[train], Y[train], 1.0)
            path = fold.path(grid, tol=tol, **quick)
            scores = [self._error(fold.with_lam(lam).predict(s.point, X[test]), Y[test]) for s, lam in
                      zip(path, grid, strict=True)]  # fmt: skip
            errors.append(scores)
            sizes.append(float(len(test)))
        self.cv_lams_, self.cv_errors_ = grid, np.array(errors)
        return chosen_lambda(grid, self.cv_errors_, np.array(sizes))

    def _folds(self, X: FloatArray, labels: npt.NDArray[Any] | None) -> Iterator[tuple[Any, Any]]:
        cv = FOLDS if self.cv is None else self.cv
        if check.is_integer(cv):
            count = check.as_int("cv", cv, minimum=2)
            shuffled = self.random_state is not None
            kind = KFold if labels is None else StratifiedKFold
            splitter = kind(count, shuffle=shuffled, random_state=self.random_state if shuffled else None)
        else:
            splitter = check_cv(cv, labels, classifier=labels is not None)
        yield from splitter.split(X, labels)

    def _error(self, Z: FloatArray, Y: FloatArray) -> float:
        raise NotImplementedError

    def _outputs(self, X: Any) -> FloatArray:
        check_is_fitted(self)
        rows = validate_data(self, X, reset=False, dtype=np.float64)
        return self.landscape_.predict(self.point_, self._scaled(rows))


class CertifiedReLURegressor(MultiOutputMixin, RegressorMixin, _CertifiedNetwork):  # type: ignore[misc]
    """Regression by a network with one hidden layer at its global optimum over all weights of all widths.

        minimise  ½ Σ_i |y_i - b - U act(V' [x_i, 1])|² + lam/2 (|U|² + |V|²)   over all b, U, V of any width

    No width, no seed and no learning rate: the same data and ``lam`` give the same objective everywhere, to the gap
    that is proved (``certificate_``). How many units there are is part of the solution. The proof is exact for up to
    two features with a bias; with more it may stay open: then a :class:`ConvergenceWarning` gives the gap.

    Args:
        lam: λ, positive, in the scaling above, of the standardised data; or ``"cv"``, which chooses among ``lams`` by
            cross-validation.
        unit: The activation, see :class:`ParallelNetwork`.
        bias: Whether hidden units have a bias, in the weight decay.
        fit_intercept: Whether there is an output bias b, without decay.
        standardize: Scale features and targets to mean zero (features) and standard deviation one, so that λ means the
            same in any units. Constant columns stay as they are.
        tol: Relative gap to prove.
        width_max: Units at most; None does not limit them.
        max_iter: Rounds of the solver at most; None leaves it to the solver.
        max_seconds: Time after which a solver stops (each one of ``lam="cv"``); the best point is kept.
        method: How the upper side of the polar is proved, see :meth:`ParallelNetwork.polar`.
        max_nodes: Of the branch and bound in the certificate, where no method is exact.
        lams: For ``lam="cv"``: the values to try, or how many between λ_max and λ_max / 100, spaced geometrically.
        cv: For ``lam="cv"``: None (5 folds), the number of folds, a splitter, or an iterable of splits.
        random_state: Of the search for new units, where it is random, and of shuffled folds; it does not move the
            optimum. None: folds are consecutive blocks.
        n_threads: Threads; None is all of them.

    Attributes:
        U_: Output weights (n_targets, n_units_), of the scaled problem.
        V_: Hidden weights (n_features + bias, n_units_), the bias last.
        b_: Output bias (n_targets,).
        n_units_: Width of the network.
        n_iter_: Rounds of the solver, its certificates counted in.
        objective_: The objective, of the scaled problem.
        lam_: λ, the chosen one with ``lam="cv"``.
        certificate_: The proof; :func:`landscape_cpp.verify` re-checks it with ``landscape_`` and ``point_``.
        solution_: All of it as a :class:`Solution`; ``trace_`` is its trace.
        landscape_: The :class:`ParallelNetwork` of the scaled data.
        point_: (U_, V_) and b_ with an intercept.
        x_mean_: Subtracted from X, (n_features,).
        x_scale_: X is divided by it, (n_features,).
        y_scale_: y is divided by it, (n_targets,).
        cv_lams_: With ``lam="cv"``: the values tried, descending.
        cv_errors_: With ``lam="cv"``: mean squared error summed over targets on the left-out samples, of the scaled
            problem, (n_folds, n_lams).
        n_features_in_: Number of features.
        feature_names_in_: Their names, if X had any.

    Example:
        >>> import numpy as np
        >>> from landscape_cpp.estimators import CertifiedReLURegressor
        >>> X = np.linspace(-1.0, 1.0, 21)[:, None]
        >>> model = CertifiedReLURegressor(lam=0.01).fit(X, np.abs(X[:, 0]))
        >>> str(model.certificate_.verdict), bool(model.score(X, np.abs(X[:, 0])) > 0.999)
        ('GLOBAL', True)

    References:
        THEORY 5.5 and 6; the chapter's Theorems 1.9 and 1.10.
    """

    def fit(self, X: Any, y: Any) -> CertifiedReLURegressor:
        """Fit.

        Args:
            X: Samples (m, n_features).
            y: Targets (m,) or (m, n_targets).
        """
        self._settings()
        X, y = validate_data(self, X, y, dtype=np.float64, multi_output=True, y_numeric=True)
        Y = np.asarray(y, dtype=np.float64).reshape(len(X), -1)
        self._flat_ = np.ndim(y) == 1
        self.y_scale_ = np.ones(Y.shape[1])
        if self.standardize:
            spread = Y.std(axis=0)
            self.y_scale_ = np.where(spread > 1e-14 * np.abs(Y).max(axis=0, initial=0.0), spread, 1.0)
        self._fit(X, Y / self.y_scale_, None)
        return self

    def predict(self, X: Any) -> FloatArray:
        """Predicted targets (m,) or (m, n_targets).

        Args:
            X: Samples (m, n_features).
        """
        Z = self._outputs(X) * self.y_scale_
        return Z[:, 0] if self._flat_ else Z

    def _loss_of(self, Y: FloatArray) -> str:
        return "squared"

    def _error(self, Z: FloatArray, Y: FloatArray) -> float:
        return float(np.mean(np.sum((Z - Y) ** 2, axis=1)))


class CertifiedReLUClassifier(ClassifierMixin, _CertifiedNetwork):  # type: ignore[misc]
    """Classification by a network with one hidden layer at its global optimum over all weights of all widths.

        minimise  Σ_i loss(b + U act(V' [x_i, 1]), y_i) + lam/2 (|U|² + |V|²)   over all b, U, V of any width

    The loss is log(1 + e^{-yz}) for two classes and the cross-entropy of the softmax for more. As
    :class:`CertifiedReLURegressor` in all else; targets are not scaled.

    Args:
        lam: λ, positive, in the scaling above, of the standardised data; or ``"cv"``.
        unit: The activation, see :class:`ParallelNetwork`.
        bias: Whether hidden units have a bias, in the weight decay.
        fit_intercept: Whether there is an output bias b, without decay.
        standardize: Scale features to mean zero and standard deviation one.
        tol: Relative gap to prove.
        width_max: Units at most; None does not limit them.
        max_iter: Rounds of the solver at most; None leaves it to the solver.
        max_seconds: Time after which a solver stops; the best point is kept.
        method: How the upper side of the polar is proved, see :meth:`ParallelNetwork.polar`.
        max_nodes: Of the branch and bound in the certificate, where no method is exact.
        lams: For ``lam="cv"``: the values to try, or how many.
        cv: For ``lam="cv"``: None (5 stratified folds), the number of folds, a splitter, or an iterable of splits.
        random_state: Of the search for new units, where it is random, and of shuffled folds.
        n_threads: Threads; None is all of them.

    Attributes:
        classes_: The labels.
        U_: Output weights (1 or n_classes, n_units_).
        V_: Hidden weights (n_features + bias, n_units_), the bias last.
        b_: Output bias.
        n_units_: Width of the network.
        n_iter_: Rounds of the solver, its certificates counted in.
        objective_: The objective.
        lam_: λ, the chosen one with ``lam="cv"``.
        certificate_: The proof; :func:`landscape_cpp.verify` re-checks it with ``landscape_`` and ``point_``.
        solution_: All of it as a :class:`Solution`; ``trace_`` is its trace.
        landscape_: The :class:`ParallelNetwork` of the scaled data.
        point_: (U_, V_) and b_ with an intercept.
        x_mean_: Subtracted from X, (n_features,).
        x_scale_: X is divided by it, (n_features,).
        cv_lams_: With ``lam="cv"``: the values tried, descending.
        cv_errors_: With ``lam="cv"``: mean log-loss on the left-out samples, (n_folds, n_lams).
        n_features_in_: Number of features.
        feature_names_in_: Their names, if X had any.

    Example:
        >>> import numpy as np
        >>> from landscape_cpp.estimators import CertifiedReLUClassifier
        >>> X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
        >>> model = CertifiedReLUClassifier(lam=0.01).fit(X, ["same", "other", "other", "same"])
        >>> model.predict(X).tolist(), str(model.certificate_.verdict)
        (['same', 'other', 'other', 'same'], 'GLOBAL')

    References:
        THEORY 5.5 and 6; the chapter's Theorems 1.9 and 1.10.
    """

    def fit(self, X: Any, y: Any) -> CertifiedReLUClassifier:
        """Fit.

        Args:
            X: Samples (m, n_features).
            y: Labels (m,).
        """
        self._settings()
        X, y = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(y)
        self.classes_, index = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"y must hold at least two classes, got one class only: {self.classes_[0]!r}")
        two = len(self.classes_) == 2
        Y = np.where(index == 1, 1.0, -1.0)[:, None] if two else np.eye(len(self.classes_))[index]
        self._fit(X, Y, index)
        return self

    def decision_function(self, X: Any) -> FloatArray:
        """Logits (m,) of the second of two classes, or (m, n_classes).

        Args:
            X: Samples (m, n_features).
        """
        Z = self._outputs(X)
        return Z[:, 0] if Z.shape[1] == 1 else Z

    def predict_proba(self, X: Any) -> FloatArray:
        """Probabilities (m, n_classes).

        Args:
            X: Samples (m, n_features).
        """
        Z = self._outputs(X)
        if Z.shape[1] > 1:
            return np.asarray(scipy.special.softmax(Z, axis=1))
        return np.hstack([scipy.special.expit(-Z), scipy.special.expit(Z)])

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """Labels (m,).

        Args:
            X: Samples (m, n_features).
        """
        Z = self._outputs(X)
        index = (Z[:, 0] > 0.0).astype(int) if Z.shape[1] == 1 else np.argmax(Z, axis=1)
        return np.asarray(self.classes_[index])

    def _loss_of(self, Y: FloatArray) -> str:
        return "logistic" if Y.shape[1] == 1 else "softmax"

    def _error(self, Z: FloatArray, Y: FloatArray) -> float:
        if Z.shape[1] == 1:
            return float(np.mean(np.logaddexp(0.0, -Y * Z)))
        return float(np.mean(scipy.special.logsumexp(Z, axis=1) - np.sum(Y * Z, axis=1)))
