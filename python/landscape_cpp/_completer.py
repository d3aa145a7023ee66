"""Matrix completion at the certified optimum of the nuclear norm, as a scikit-learn estimator (THEORY 4, 6 and 9)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.linalg
import scipy.sparse
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import check_random_state
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
from ._validation import FloatArray
from .factorization import MatrixFactorization
from .results import Certificate

__all__ = ["MatrixCompleter"]

_CENTERS = ("mean", "columns")


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
        cv: int = FOLDS,
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
        settings = checked_settings(self)
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
        warn_unless_proved(solution, settings.tol, stacklevel=4)

    def _choose_lam(
        self, entries: _Entries, how: str | None, settings: EstimatorSettings, count: int, land: MatrixFactorization
    ) -> float:
        total = len(entries.values)
        if total < count:
            raise ValueError(f"lam='cv' needs at least one observed entry per part: cv = {count}, observed: {total}")
        lams = lambda_grid(settings, land.lambda_max if isinstance(settings.lams, int) else 0.0)
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
        return chosen_lambda(lams, errors, sizes)

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
        check_is_fitted(self)
        return self.landscape_.certify(self.point_, tol=tol, n_threads=self.n_threads)

    def __sklearn_tags__(self) -> Any:
        """NaN and sparse input are welcome; float64 comes out whatever went in."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64"]
        return tags
