"""Linear regression at the certified optimum of the nuclear norm, as a scikit-learn estimator (THEORY 4, 6)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.model_selection import KFold, check_cv
from sklearn.utils.validation import check_is_fitted, validate_data

from . import _validation as check
from ._estimator_tools import (
    FOLDS,
    EstimatorSettings,
    checked_settings,
    chosen_lambda,
    lambda_grid,
    sample_weights,
    warn_unless_proved,
)
from ._factorization_results import Solution, SolutionTrace
from ._validation import FloatArray
from .factorization import MatrixFactorization
from .results import Certificate, StopReason

__all__ = ["NuclearNormRegressor"]


@dataclass(frozen=True)
class _Regression:
    """Centred data, every row times the root of its weight."""

    X: FloatArray = field(repr=False)
    Y: FloatArray = field(repr=False)
    mean_x: FloatArray
    mean_y: FloatArray

    def landscape(self, lam: float) -> MatrixFactorization:
        return MatrixFactorization(self.Y, lam, X=self.X)

    def reduced(self, lam: float) -> tuple[MatrixFactorization, float]:
        """The same problem on R of X = Q R, and the constant that it lacks: ½ |Y - Q Qᵀ Y|² (THEORY 4).

        Signs are such that R does not depend on the order of the rows, nor on a weight 2 being two rows.
        """
        Q, R = np.linalg.qr(self.X)
        signs = np.where(np.diagonal(R) < 0.0, -1.0, 1.0)
        fitted = Q.T @ self.Y
        rest = self.Y - Q @ fitted
        return MatrixFactorization(fitted * signs[:, None], lam, X=R * signs[:, None]), 0.5 * float(np.sum(rest**2))


def _mean(array: FloatArray, weights: FloatArray) -> FloatArray:
    mean = np.average(array, axis=0, weights=weights)
    return np.asarray(mean + np.average(array - mean, axis=0, weights=weights))


def _regression(X: FloatArray, Y: FloatArray, weights: FloatArray | None, intercept: bool) -> _Regression:
    w = np.ones(len(X)) if weights is None else weights
    X, Y, w = X[w > 0.0], Y[w > 0.0], w[w > 0.0]
    mean_x = _mean(X, w) if intercept else np.zeros(X.shape[1])
    mean_y = _mean(Y, w) if intercept else np.zeros(Y.shape[1])
    root = np.sqrt(w)[:, None]
    return _Regression(root * (X - mean_x), root * (Y - mean_y), mean_x, mean_y)


class NuclearNormRegressor(MultiOutputMixin, RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Multi-output linear regression with the nuclear norm of the coefficients as penalty, and a proof of the optimum.

        minimise  ½ Σ_i w_i |y_i - b - Z x_i|² + lam |Z|_*   over  b and all Z (n_targets, n_features) of all ranks

    The convex relative of :class:`ReducedRankRegressor`: few directions of X explain all targets, and how many is part
    of the solution. Solved as a linear network Z = U Vᵀ with weight decay lam/2 (|U|² + |V|²) and proved to a relative
    gap of ``tol`` (THEORY 4, general X, and 6). For the squared loss the best b is ȳ - Z x̄ for every Z, so the
    intercept is exact by centring: optimum and certificate are those of the centred data.

    Args:
        lam: λ, positive, in the scaling above: a sum over samples, with ½; or ``"cv"``, which chooses among ``lams``
            by cross-validation.
        tol: Proved relative gap at which the solver stops.
        fit_intercept: Whether b is free; otherwise b = 0.
        lams: For ``lam="cv"``: the values to try, or how many between λ_max, the smallest one with Z = 0, and
            λ_max / 100, spaced geometrically.
        cv: For ``lam="cv"``: None (5 folds), the number of folds, a splitter, or an iterable of splits. The λ chosen is
            used as it is, with all samples.
        rank_max: Largest width of the solver; None leaves it to the problem.
        max_seconds: Time after which a solver stops (each one along a path of ``lam="cv"``); the best point is kept,
            with what is proved of it and a :class:`ConvergenceWarning`.
        random_state: For ``lam="cv"`` with a number of folds: shuffles the samples before they are split. None: the
            folds are consecutive blocks, as everywhere in scikit-learn. A splitter as ``cv`` has its own.
        n_threads: Threads; None is all of them.

    Attributes:
        coef_: Z, (n_targets, n_features); (n_features,) if ``y`` was 1-D.
        intercept_: b, (n_targets,); a float if ``y`` was 1-D.
        rank_: Rank of Z.
        U_: Factors of the targets, (n_targets, rank_).
        V_: Factors of the features, (n_features, rank_): Z = U_ V_ᵀ.
        lam_: λ, the chosen one with ``lam="cv"``.
        certificate_: The proof; :func:`landscape_cpp.verify` re-checks it with ``landscape_`` and ``point_``.
        trace_: What the solver did, a :class:`SolutionTrace`.
        solution_: All of it as a :class:`Solution`, for plots.
        landscape_: The :class:`MatrixFactorization` of the centred data, rows times √w.
        x_mean_: Weighted mean of X, (n_features,); zeros without intercept.
        y_mean_: Weighted mean of y, (n_targets,).
        cv_lams_: With ``lam="cv"``: the values tried, descending.
        cv_errors_: With ``lam="cv"``: mean squared error summed over targets on the left-out samples,
            (n_folds, n_lams).
        cv_weights_: Total weight of the left-out samples of each fold, (n_folds,).
        n_features_in_: Number of features.
        feature_names_in_: Their names, if X had any.

    Example:
        With orthonormal columns of X, here times √2, the optimum is thresholding: 2 · 3 - 2 = 2 · 2, 2 · 1 - 2 = 0.

        >>> import numpy as np
        >>> from landscape_cpp.estimators import NuclearNormRegressor
        >>> X = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
        >>> model = NuclearNormRegressor(lam=2.0, tol=1e-12).fit(X, X @ np.diag([3.0, 1.0]))
        >>> model.coef_.round(6) + 0.0
        array([[2., 0.],
               [0., 0.]])
        >>> print(model.certificate_.verdict)
        GLOBAL

    References:
        THEORY 4 and 6; Yuan, Ekici, Lu & Monteiro (2007), Dimension reduction and coefficient estimation in
        multivariate linear regression.
    """

    def __init__(
        self,
        lam: float | str = 1.0,
        *,
        tol: float = 1e-6,
        fit_intercept: bool = True,
        lams: Any = 10,
        cv: Any = None,
        rank_max: int | None = None,
        max_seconds: float | None = None,
        random_state: Any = None,
        n_threads: int | None = None,
    ) -> None:
        """Keep the settings; ``fit`` checks them."""
        self.lam = lam
        self.tol = tol
        self.fit_intercept = fit_intercept
        self.lams = lams
        self.cv = cv
        self.rank_max = rank_max
        self.max_seconds = max_seconds
        self.random_state = random_state
        self.n_threads = n_threads

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> NuclearNormRegressor:
        """Find the optimum and its proof.

        Args:
            X: Inputs, (n_samples, n_features).
            y: Targets, (n_samples, n_targets) or (n_samples,).
            sample_weight: Non-negative weights, a number or (n_samples,). A sample of weight 2 counts as two, one of
                weight 0 is as if absent.

        Returns:
            The estimator.

        Raises:
            ValueError: For settings out of range, wrong shapes, NaN or infinity.
            TypeError: For settings of the wrong type and sparse X.
        """
        settings = checked_settings(self)
        intercept = check.as_bool("fit_intercept", self.fit_intercept)
        X, y = validate_data(self, X, y, multi_output=True, y_numeric=True, dtype=np.float64, order="C")
        weights = sample_weights(sample_weight, X)
        Y = np.asarray(y, dtype=np.float64).reshape(len(X), -1)
        for name in ("cv_lams_", "cv_errors_", "cv_weights_"):
            self.__dict__.pop(name, None)  # of an earlier fit
        data = _regression(X, Y, weights, intercept)
        if isinstance(settings.lam, float):
            lam = settings.lam
        else:
            lam = self._choose_lam(X, Y, weights, self._folds(X, y), settings, data, intercept)
        reduced, constant = data.reduced(lam)
        land = data.landscape(lam)
        self.landscape_: MatrixFactorization = land
        self.solution_: Solution = _of_all_data(
            land, reduced.solve(settings.tol, **settings.solver()), constant, settings
        )
        self.certificate_: Certificate = self.solution_.certificate
        self.trace_: SolutionTrace = self.solution_.trace
        self.U_, self.V_ = self.solution_.point
        self.lam_, self.rank_ = lam, self.solution_.rank
        self.x_mean_, self.y_mean_ = data.mean_x, data.mean_y
        coef = self.U_ @ self.V_.T
        offset = data.mean_y - coef @ data.mean_x
        self.coef_ = coef[0] if y.ndim == 1 else coef
        self.intercept_ = float(offset[0]) if y.ndim == 1 else offset
        warn_unless_proved(self.solution_, settings.tol, stacklevel=3)
        return self

    def _folds(self, X: FloatArray, y: Any) -> list[tuple[Any, Any]]:
        folds: Any = FOLDS if self.cv is None else self.cv
        if check.is_integer(folds):
            if len(X) < folds:
                raise ValueError(f"lam='cv' needs at least one sample per fold: cv = {folds}, n_samples = {len(X)}")
            shuffle = self.random_state is not None
            folds = KFold(int(folds), shuffle=shuffle, random_state=self.random_state if shuffle else None)
        return list(check_cv(folds).split(X, y))

    def _choose_lam(
        self,
        X: FloatArray,
        Y: FloatArray,
        weights: FloatArray | None,
        folds: list[tuple[Any, Any]],
        settings: EstimatorSettings,
        data: _Regression,
        intercept: bool,
    ) -> float:
        w = np.ones(len(X)) if weights is None else weights
        lams = lambda_grid(settings, data.reduced(1.0)[0].lambda_max if isinstance(settings.lams, int) else 0.0)
        errors, totals = [], []
        for train, test in folds:
            if not (w[train].sum() > 0.0 and w[test].sum() > 0.0):
                continue  # a fold without weight says nothing
            part = _regression(X[train], Y[train], w[train], intercept)
            path = part.reduced(1.0)[0].path(lams, tol=settings.tol, **settings.solver())
            inputs, targets = X[test] - part.mean_x, Y[test] - part.mean_y
            squares = [np.sum((targets - inputs @ V @ U.T) ** 2, axis=1) for U, V in (found.point for found in path)]
            errors.append([np.average(square, weights=w[test]) for square in squares])
            totals.append(float(w[test].sum()))
        if not errors:
            raise ValueError("lam='cv': no fold has weight on both sides")
        self.cv_lams_, self.cv_errors_, self.cv_weights_ = lams, np.array(errors), np.array(totals)
        return chosen_lambda(lams, self.cv_errors_, self.cv_weights_)

    def predict(self, X: Any) -> FloatArray:
        """X Zᵀ + b, (n_samples, n_targets); (n_samples,) if ``y`` was 1-D.

        Args:
            X: Inputs, (n_samples, n_features).
        """
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=np.float64)
        return np.asarray(X @ self.coef_.T + self.intercept_)

    @property
    def point_(self) -> tuple[FloatArray, FloatArray]:
        """(U, V), the point of ``landscape_``."""
        check_is_fitted(self)
        return self.U_, self.V_

    def certify(self, *, tol: float = 1e-6) -> Certificate:
        """The certificate once more, with another tolerance of its verdict; see :meth:`MatrixFactorization.certify`.

        Args:
            tol: GLOBAL if the proved gap is at most tol times the objective at Z = 0.
        """
        check_is_fitted(self)
        return self.landscape_.certify(self.point_, tol=tol, n_threads=self.n_threads)

    def __sklearn_tags__(self) -> Any:
        """Targets are needed."""
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


def _of_all_data(land: MatrixFactorization, found: Solution, constant: float, settings: EstimatorSettings) -> Solution:
    """The solution of the reduced problem as one of the whole: with its value, and proved there."""
    certificate = land.certify(found.point, tol=settings.tol, n_threads=settings.n_threads)
    trace = dataclasses.replace(
        found.trace, value=found.trace.value + constant, lower_bound=found.trace.lower_bound + constant
    )
    reason = found.stop_reason
    if certificate.gap + land._problem.value(found.point)[1] <= settings.tol * abs(certificate.value):
        reason = StopReason.CONVERGED
    elif reason == StopReason.CONVERGED:
        reason = StopReason.STALLED
    return dataclasses.replace(found, value=certificate.value, certificate=certificate, trace=trace, stop_reason=reason)
