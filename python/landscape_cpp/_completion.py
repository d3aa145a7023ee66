"""scikit-learn estimators at the certified optimum of the nuclear norm: matrix completion and multi-output regression.

    Σ c_ij ½ (z_ij - y_ij)² + λ |Z|_*  =  min over U Vᵀ = Z of  Σ c_ij ½ (z_ij - y_ij)² + λ/2 (|U|² + |V|²)

Both solve :class:`MatrixFactorization` to a proved gap; the rank is found on the way, and the proof stays with the
fitted model (THEORY 4, 6 and 9).

Needs scikit-learn: ``python -m pip install "landscape-cpp[sklearn]"``.
"""

from __future__ import annotations

import dataclasses
import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.linalg
import scipy.sparse

try:
    from sklearn.base import (
        BaseEstimator,
        MultiOutputMixin,
        OneToOneFeatureMixin,
        RegressorMixin,
        TransformerMixin,
    )
    from sklearn.model_selection import KFold, check_cv
    from sklearn.utils import check_random_state
    from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data
except ImportError as error:  # pragma: no cover - tests/test_estimators.py runs it in a process of its own
    raise ImportError(
        'landscape_cpp.estimators needs scikit-learn >= 1.6: python -m pip install "landscape-cpp[sklearn]"'
    ) from error

from . import _validation as check
from ._validation import FloatArray
from .errors import ConvergenceWarning
from .factorization import MatrixFactorization
from .results import Certificate, Solution, SolutionTrace, StopReason

__all__ = ["MatrixCompleter", "NuclearNormRegressor"]

_CENTERS = ("mean", "columns")
_FOLDS = 5  # scikit-learn's default


@dataclass(frozen=True)
class _Settings:
    """The arguments that both estimators share, checked."""

    lam: float | str
    tol: float
    lams: int | FloatArray
    rank_max: int | None
    max_seconds: float | None
    n_threads: int | None

    def solver(self) -> dict[str, Any]:
        return {"rank_max": self.rank_max, "max_seconds": self.max_seconds, "n_threads": self.n_threads}


def _checked_settings(model: Any) -> _Settings:
    if isinstance(model.lam, str):
        if model.lam != "cv":
            raise ValueError(f"lam must be a positive number or 'cv', got {model.lam!r}")
        lam: float | str = "cv"
    else:
        lam = check.as_float("lam", model.lam, positive=True)
    if check.is_integer(model.lams):
        lams: int | FloatArray = check.as_int("lams", model.lams, minimum=2)
    else:
        lams = np.unique(check.as_array("lams", model.lams, "(k,)", (None,)))[::-1]
        if not len(lams) or not (lams > 0.0).all():
            raise ValueError("lams must be positive, at least one of them")
    if model.n_threads is not None:
        check.as_int("n_threads", model.n_threads, minimum=1, maximum=1024)
    return _Settings(
        lam=lam,
        tol=check.as_float("tol", model.tol, positive=True),
        lams=lams,
        rank_max=None if model.rank_max is None else check.as_int("rank_max", model.rank_max, minimum=1),
        max_seconds=(
            None if model.max_seconds is None else check.as_float("max_seconds", model.max_seconds, positive=True)
        ),
        n_threads=model.n_threads,
    )


def _grid(settings: _Settings, lambda_max: float) -> FloatArray:
    """Descending: the λ that were given, or geometrically from λ_max to λ_max / 100."""
    if isinstance(settings.lams, int):
        # Where zero solves every problem all λ are the same.
        return (lambda_max if lambda_max > 0.0 else 1.0) * np.geomspace(1.0, 0.01, settings.lams)
    return settings.lams


def _chosen(lams: FloatArray, errors: FloatArray, sizes: FloatArray) -> float:
    """λ of the smallest error on all that was held out, the larger one of equals."""
    mean = np.average(errors, axis=0, weights=sizes)
    return float(lams[int(np.argmax(mean <= mean.min() * (1.0 + 1e-12)))])


def _warn_unless_proved(solution: Solution, tol: float, *, stacklevel: int) -> None:
    """In place of an exception: the point is the best one found, and its certificate says how good it is."""
    if solution.stop_reason != StopReason.CONVERGED:
        warnings.warn(
            f"the solver stopped ({solution.stop_reason}) at a proved relative gap of "
            f"{solution.certificate.relative_gap:.2g}, above tol = {tol:g}",
            ConvergenceWarning,
            stacklevel=stacklevel,
        )


# --- matrix completion ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Entries:
    """Observed entries, by rows."""

    rows: npt.NDArray[np.int64] = field(repr=False)
    columns: npt.NDArray[np.int64] = field(repr=False)
    values: FloatArray = field(repr=False)
    shape: tuple[int, int]

    def part(self, chosen: npt.NDArray[Any]) -> _Entries:
        return _Entries(self.rows[chosen], self.columns[chosen], self.values[chosen], self.shape)

    def landscape(self, lam: float, center: FloatArray) -> MatrixFactorization:
        """The problem of the centred entries; a dense one if nothing is missing, which has a closed form."""
        values = self.values - center[self.columns]
        if len(values) == self.shape[0] * self.shape[1]:
            return MatrixFactorization(values.reshape(self.shape), lam)
        return MatrixFactorization(scipy.sparse.csr_matrix((values, (self.rows, self.columns)), shape=self.shape), lam)


def _entries(X: Any) -> _Entries:
    """Of an array with NaN where nothing is observed, or of the stored entries of a sparse one."""
    shape = (int(X.shape[0]), int(X.shape[1]))
    if not scipy.sparse.issparse(X):
        rows, columns = np.nonzero(~np.isnan(X))
        return _Entries(rows, columns, np.asarray(X[rows, columns], dtype=np.float64), shape)
    coo = X.tocoo()
    order = np.lexsort((coo.col, coo.row))
    rows, columns = coo.row[order].astype(np.int64), coo.col[order].astype(np.int64)
    values = np.asarray(coo.data, dtype=np.float64)[order]
    again = np.flatnonzero((np.diff(rows) == 0) & (np.diff(columns) == 0))
    if len(again):
        raise ValueError(
            f"X has {len(again)} duplicate entries, the first at row {rows[again[0]]}, column {columns[again[0]]}: "
            "combine them first (X.sum_duplicates() adds them up)"
        )
    if np.isnan(values).any():
        place = int(np.argmax(np.isnan(values)))
        raise ValueError(
            f"X stores NaN at row {rows[place]}, column {columns[place]}: what is not observed must not be stored"
        )
    return _Entries(rows, columns, values, shape)


def _centre(entries: _Entries, how: str | None) -> FloatArray:
    """The constant of every column, (n_features,)."""
    n = entries.shape[1]
    if how is None or not len(entries.values):
        return np.zeros(n)
    # Twice, the second time about the first mean: what is constant is centred to zero, whatever rounding did.
    if how == "mean":
        mean = entries.values.mean()
        return np.full(n, mean + (entries.values - mean).mean())
    counts = np.bincount(entries.columns, minlength=n)
    sums = np.bincount(entries.columns, weights=entries.values, minlength=n)
    means: FloatArray = sums / np.maximum(counts, 1)
    rest = np.bincount(entries.columns, weights=entries.values - means[entries.columns], minlength=n)
    return means + rest / np.maximum(counts, 1)


def _ridge_rows(entries: _Entries, center: FloatArray, V: FloatArray, lam: float) -> tuple[FloatArray, FloatArray]:
    """argmin over u_i of ½ |y - V u_i|² + λ/2 |u_i|² on the observed entries of each row, U (n, r).

    Beside it the leave-one-out residuals of the observed entries, e_k / (1 - h_kk) with h = V_O (V_Oᵀ V_O + λ)⁻¹ V_Oᵀ.
    """
    U = np.zeros((entries.shape[0], V.shape[1]))
    targets = entries.values - center[entries.columns]
    left_out = targets.copy()
    if not V.shape[1]:
        return U, left_out
    starts = np.searchsorted(entries.rows, np.arange(entries.shape[0] + 1))
    root = np.sqrt(lam)
    for row in np.flatnonzero(np.diff(starts)):
        part = slice(starts[row], starts[row + 1])
        # [V_O; √λ I] = Q R, so that V_O R⁻¹ = Q_1, h = Q_1 Q_1ᵀ and u = R⁻¹ Q_1ᵀ y: no squared condition number
        Q, R = np.linalg.qr(np.vstack([V[entries.columns[part]], root * np.eye(V.shape[1])]))
        top = Q[: starts[row + 1] - starts[row]]
        along = top.T @ targets[part]
        U[row] = scipy.linalg.solve_triangular(R, along)
        kept = 1.0 - np.einsum("ij,ij->i", top, top)
        left_out[part] = (targets[part] - top @ along) / np.maximum(kept, np.finfo(float).eps)
    return U, left_out


class MatrixCompleter(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Matrix completion by the nuclear norm, with a proof of the optimum; an imputer of missing values.

        minimise  ½ Σ_observed (x_ij - b_j - z_ij)² + lam |Z|_*   over all Z (n_samples, n_features) of all ranks

    It is the minimum over all factors Z = U Vᵀ of ½ Σ (x - b - z)² + lam/2 (|U|² + |V|²), found as such and proved to a
    relative gap of ``tol`` (THEORY 4 and 6); the rank is part of the solution. ``transform`` fills what is missing with
    b + Z and keeps what is observed. Not observed is NaN in an array or a data frame, and what is not stored in a
    scipy.sparse matrix (stored zeros are observed).

    Args:
        lam: λ, positive, in the scaling above: soft-impute's threshold; or ``"cv"``, which chooses among ``lams`` the
            one of smallest squared error on held-out entries.
        tol: Proved relative gap at which the solver stops.
        center: b, fixed before Z is fitted. None: b = 0. ``"mean"``: the mean of all observed entries. ``"columns"``:
            the mean of the observed entries of each column, 0 where there are none. It is no variable of the objective
            above (and not penalised): optimum and certificate are those of the centred entries, for this b.
        lams: For ``lam="cv"``: the values to try, or how many between λ_max, the smallest one with Z = 0, and
            λ_max / 100, spaced geometrically.
        cv: For ``lam="cv"``: into how many parts the observed entries are split at random; each is held out once, b is
            taken from the others. The λ chosen is used as it is, with all entries.
        rank_max: Largest width of the solver; None leaves it to the problem.
        max_seconds: Time after which a solver stops (each one along a path of ``lam="cv"``); the best point is kept,
            with what is proved of it and a :class:`ConvergenceWarning`.
        random_state: Of the split of the entries; the solution has no randomness.
        n_threads: Threads; None is all of them.

    Attributes:
        U_: Factors of the samples, (n_samples, rank_).
        components_: Vᵀ, factors of the features, (rank_, n_features): Z = U_ components_.
        center_: b, (n_features,).
        rank_: Rank of Z.
        lam_: λ, the chosen one with ``lam="cv"``.
        certificate_: The proof; :func:`landscape_cpp.verify` re-checks it with ``landscape_`` and ``point_``.
        trace_: What the solver did, a :class:`SolutionTrace`.
        solution_: All of it as a :class:`Solution`, for plots.
        landscape_: The :class:`MatrixFactorization` of the centred entries.
        n_observed_: Observed entries.
        cv_lams_: With ``lam="cv"``: the values tried, descending.
        cv_errors_: With ``lam="cv"``: mean squared error on the held-out entries, (n_parts, n_lams).
        n_features_in_: Number of features.
        feature_names_in_: Their names, if X had any.

    Example:
        One observed entry, 3, at λ = 1: the optimum is 2 there, 0 elsewhere, and its objective ½ + 2.

        >>> import numpy as np
        >>> from landscape_cpp.estimators import MatrixCompleter
        >>> model = MatrixCompleter(lam=1.0).fit(np.array([[3.0, np.nan], [np.nan, np.nan]]))
        >>> model.rank_, model.certificate_.value, str(model.certificate_.verdict)
        (1, 2.5, 'GLOBAL')
        >>> model.predict_entries([0, 1], [0, 1]).round(9) + 0.0
        array([2., 0.])

    References:
        THEORY 4, 6 and 9; Mazumder, Hastie & Tibshirani (2010), Spectral Regularization Algorithms for Learning Large
        Incomplete Matrices.
    """

    def __init__(
        self,
        lam: float | str = 1.0,
        *,
        tol: float = 1e-6,
        center: str | None = None,
        lams: Any = 10,
        cv: int = _FOLDS,
        rank_max: int | None = None,
        max_seconds: float | None = None,
        random_state: Any = 0,
        n_threads: int | None = None,
    ) -> None:
        """Keep the settings; ``fit`` checks them."""
        self.lam = lam
        self.tol = tol
        self.center = center
        self.lams = lams
        self.cv = cv
        self.rank_max = rank_max
        self.max_seconds = max_seconds
        self.random_state = random_state
        self.n_threads = n_threads

    def fit(self, X: Any, y: Any = None) -> MatrixCompleter:
        """Find the optimum and its proof.

        Args:
            X: Data (n_samples, n_features) with NaN where nothing is observed, or scipy.sparse with the observed
                entries stored.
            y: Ignored.

        Returns:
            The estimator.

        Raises:
            ValueError: For settings out of range, infinity, duplicate entries, stored NaN.
            TypeError: For settings of the wrong type.
        """
        self._fit(self._checked(X, reset=True))
        return self

    def fit_transform(self, X: Any, y: Any = None) -> FloatArray:
        """``fit``, and X with the missing entries of the optimum, dense (n_samples, n_features).

        As ``transform`` of the same X, up to what the proved gap leaves open: there the factors of the samples are the
        best ones for the fitted features, computed anew.

        Args:
            X: As in ``fit``.
            y: Ignored.
        """
        entries = self._checked(X, reset=True)
        self._fit(entries)
        return self._filled(entries, self.U_)

    def _checked(self, X: Any, *, reset: bool) -> _Entries:
        # Other sparse formats cannot hold duplicates; conversion to these three keeps them, to be refused.
        X = validate_data(
            self, X, reset=reset, accept_sparse=["csr", "csc", "coo"], dtype=np.float64, ensure_all_finite="allow-nan"
        )
        return _entries(X)

    def _fit(self, entries: _Entries) -> None:
        settings = _checked_settings(self)
        how = None if self.center is None else check.as_choice("center", self.center, _CENTERS)
        count = check.as_int("cv", self.cv, minimum=2)
        for name in ("cv_lams_", "cv_errors_"):
            self.__dict__.pop(name, None)  # of an earlier fit
        center = _centre(entries, how)
        land = entries.landscape(settings.lam if isinstance(settings.lam, float) else 1.0, center)
        if settings.lam == "cv":
            land = land.with_lam(self._choose_lam(entries, how, settings, count, land))
        solution = land.solve(settings.tol, **settings.solver())
        self.center_, self.lam_, self.n_observed_ = center, land.lam, land.n_observed
        self.landscape_: MatrixFactorization = land
        self.solution_: Solution = solution
        self.certificate_: Certificate = solution.certificate
        self.trace_: SolutionTrace = solution.trace
        self.rank_ = solution.rank
        self.U_, V = solution.point
        self.components_ = np.ascontiguousarray(V.T)
        _warn_unless_proved(solution, settings.tol, stacklevel=4)

    def _choose_lam(
        self, entries: _Entries, how: str | None, settings: _Settings, count: int, land: MatrixFactorization
    ) -> float:
        total = len(entries.values)
        if total < count:
            raise ValueError(f"lam='cv' needs at least one observed entry per part: cv = {count}, observed: {total}")
        lams = _grid(settings, land.lambda_max if isinstance(settings.lams, int) else 0.0)
        parts = check_random_state(self.random_state).permutation(total) % count
        errors = np.empty((count, len(lams)))
        sizes = np.bincount(parts, minlength=count).astype(np.float64)
        for number in range(count):
            others, held_out = entries.part(parts != number), entries.part(parts == number)
            center = _centre(others, how)
            problem = others.landscape(1.0, center)
            path = problem.path(lams, tol=settings.tol, **settings.solver())
            for place, solution in enumerate(path):
                predicted = problem.predict_entries(solution.point, held_out.rows, held_out.columns)
                errors[number, place] = np.mean((held_out.values - center[held_out.columns] - predicted) ** 2)
        self.cv_lams_, self.cv_errors_ = lams, errors
        return _chosen(lams, errors, sizes)

    def transform(self, X: Any) -> FloatArray:
        """X with its missing entries filled, dense (n_samples, n_features); rows need not be those of ``fit``.

        A row gets the factors u that minimise ½ Σ_observed (x_j - b_j - u·v_j)² + lam/2 |u|² for the fitted v_j, the
        objective of one more row: exact, by QR. A row without observed entries becomes b.

        Args:
            X: As in ``fit``.
        """
        check_is_fitted(self)
        entries = self._checked(X, reset=False)
        return self._filled(entries, _ridge_rows(entries, self.center_, self.components_.T, self.lam_)[0])

    def _filled(self, entries: _Entries, U: FloatArray) -> FloatArray:
        filled = U @ self.components_ + self.center_
        filled[entries.rows, entries.columns] = entries.values
        return np.asarray(filled)

    def encode(self, X: Any) -> FloatArray:
        """The factors of rows, as ``transform`` uses them, (n_samples, rank_).

        Args:
            X: As in ``fit``.
        """
        check_is_fitted(self)
        entries = self._checked(X, reset=False)
        return _ridge_rows(entries, self.center_, self.components_.T, self.lam_)[0]

    def predict_entries(self, rows: Any, cols: Any) -> FloatArray:
        """b_j + z_ij for samples of ``fit``, observed or not, without forming Z.

        Args:
            rows: Indices of samples, (k,).
            cols: Indices of features, (k,).

        Returns:
            (k,), shaped like the indices.
        """
        check_is_fitted(self)
        j = check.as_indices("cols", cols, self.landscape_.n_inputs)
        return np.asarray(self.landscape_.predict_entries(self.point_, rows, j) + self.center_[j])

    def score(self, X: Any, y: Any = None) -> float:
        """R² of predicting each observed entry of X from the others of its row, given the fitted v_j.

        1 - Σ (leave-one-out error)² / Σ (x - b)², in closed form; 1 is perfect, 0 is predicting b. Meant for rows that
        were not fitted, as in :class:`sklearn.model_selection.GridSearchCV`.

        Args:
            X: As in ``fit``.
            y: Ignored.
        """
        check_is_fitted(self)
        entries = self._checked(X, reset=False)
        _, left_out = _ridge_rows(entries, self.center_, self.components_.T, self.lam_)
        lost = float(np.sum(left_out**2))
        total = float(np.sum((entries.values - self.center_[entries.columns]) ** 2))
        return 1.0 - lost / total if total > 0.0 else float(lost == 0.0)

    @property
    def point_(self) -> tuple[FloatArray, FloatArray]:
        """(U, V), the point of ``landscape_``."""
        check_is_fitted(self)
        return self.U_, np.ascontiguousarray(self.components_.T)

    def certify(self, *, tol: float = 1e-6) -> Certificate:
        """The certificate once more, with another tolerance of its verdict; see :meth:`MatrixFactorization.certify`.

        Args:
            tol: GLOBAL if the proved gap is at most tol times the objective at Z = 0.
        """
        return self.landscape_.certify(self.point_, tol=tol, n_threads=self.n_threads)

    def __sklearn_tags__(self) -> Any:
        """NaN and sparse input are welcome; float64 comes out whatever went in."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64"]
        return tags


# --- regression -------------------------------------------------------------------------------------------------------


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
        settings = _checked_settings(self)
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
        _warn_unless_proved(self.solution_, settings.tol, stacklevel=3)
        return self

    def _folds(self, X: FloatArray, y: Any) -> list[tuple[Any, Any]]:
        folds: Any = _FOLDS if self.cv is None else self.cv
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
        settings: _Settings,
        data: _Regression,
        intercept: bool,
    ) -> float:
        w = np.ones(len(X)) if weights is None else weights
        lams = _grid(settings, data.reduced(1.0)[0].lambda_max if isinstance(settings.lams, int) else 0.0)
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
        return _chosen(lams, self.cv_errors_, self.cv_weights_)

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
        return self.landscape_.certify(self.point_, tol=tol, n_threads=self.n_threads)

    def __sklearn_tags__(self) -> Any:
        """Targets are needed."""
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


def sample_weights(sample_weight: Any, X: npt.NDArray[Any]) -> FloatArray | None:
    """Checked weights of samples, not all zero; None stays None."""
    if sample_weight is None:
        return None
    weights: FloatArray = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
    if not weights.sum() > 0.0:
        raise ValueError("sample_weight sums to zero")
    return weights


def _of_all_data(land: MatrixFactorization, found: Solution, constant: float, settings: _Settings) -> Solution:
    """The solution of the reduced problem as one of the whole: with its value, and proved there."""
    certificate = land.certify(found.point, tol=settings.tol, n_threads=settings.n_threads)
    trace = dataclasses.replace(
        found.trace, value=found.trace.value + constant, lower_bound=found.trace.lower_bound + constant
    )
    reason = found.stop_reason
    if certificate.relative_gap <= settings.tol:
        reason = StopReason.CONVERGED
    elif reason == StopReason.CONVERGED:
        reason = StopReason.STALLED
    return dataclasses.replace(found, value=certificate.value, certificate=certificate, trace=trace, stop_reason=reason)
