"""scikit-learn estimators of the shallow linear landscape: reduced-rank regression and the linear auto-encoder.

Both fit the global minimum in closed form (Theorem B), so there is nothing to iterate and no local minimum to fall
into; ``certify`` proves it, and ``landscape_`` is the landscape that they are the bottom of.

Needs scikit-learn: ``python -m pip install "landscape-cpp[sklearn]"``.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

try:
    from sklearn.base import (
        BaseEstimator,
        ClassNamePrefixFeaturesOutMixin,
        MultiOutputMixin,
        RegressorMixin,
        TransformerMixin,
    )
    from sklearn.model_selection import KFold, check_cv
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as error:  # pragma: no cover - tests/test_estimators.py runs it in a process of its own
    raise ImportError(
        'landscape_cpp.estimators needs scikit-learn >= 1.6: python -m pip install "landscape-cpp[sklearn]"'
    ) from error

from . import _validation as check
from ._completer import MatrixCompleter
from ._estimator_tools import sample_weights
from ._nuclear_regression import NuclearNormRegressor
from ._reduced_rank import CentredData, RankPath, centre, rank_path
from ._relu_estimators import CertifiedReLUClassifier, CertifiedReLURegressor
from ._validation import FloatArray, Point
from .linear import ShallowLinear
from .results import Certificate, Verdict

__all__ = [
    "CertifiedReLUClassifier",
    "CertifiedReLURegressor",
    "LinearAutoencoder",
    "MatrixCompleter",
    "NuclearNormRegressor",
    "ReducedRankRegressor",
]

_DOUBLE, _SINGLE = 2.0**-53, 2.0**-24


def _unit(X: Any) -> float:
    """Unit roundoff of the entries as the user holds them, in an array or a data frame."""
    dtypes = np.atleast_1d(np.asarray(getattr(X, "dtypes", getattr(X, "dtype", np.float64)), dtype=object))
    return _SINGLE if len(dtypes) and all(dtype == np.float32 for dtype in dtypes) else _DOUBLE


class ReducedRankRegressor(
    ClassNamePrefixFeaturesOutMixin,  # type: ignore[misc]
    TransformerMixin,  # type: ignore[misc]
    MultiOutputMixin,  # type: ignore[misc]
    RegressorMixin,  # type: ignore[misc]
    BaseEstimator,  # type: ignore[misc]
):
    """Multi-output linear regression whose coefficient matrix has a bounded rank; optionally ridge-penalised.

        minimise  Σ_i w_i |y_i - b - Z x_i|² + alpha |Z|_F²   over  b and all Z (n_targets, n_features) of rank <= rank

    Solved exactly: Z = U Vᵀ is the global minimum of a linear network with ``rank`` hidden units (Theorem B; Izenman
    1975 with the identity as weighting of the targets). One factorisation serves all ranks. Where the solution is not
    unique (collinear or constant columns, fewer samples than features) it is the one of smallest norm, and directions
    of X that rounding of its entries explains are left out.

    Args:
        rank: Largest rank allowed: an int >= 0; None for no constraint (ordinary or ridge regression); ``"cv"`` picks
            the rank of smallest cross-validated error, the smaller one of equals, all ranks from one factorisation
            per fold.
        alpha: Non-negative ridge penalty, in the scaling of :class:`sklearn.linear_model.Ridge`.
        fit_intercept: Whether b is free; otherwise b = 0.
        cv: For ``rank="cv"``: None (5 folds), the number of folds, a splitter, or an iterable of splits.
        random_state: For ``rank="cv"`` with a number of folds: shuffles the samples before they are split. None: the
            folds are consecutive blocks, as everywhere in scikit-learn. A splitter as ``cv`` has its own.
        n_threads: Threads of the core; None is all of them.

    Attributes:
        coef_: Z, (n_targets, n_features); (n_features,) if ``y`` was 1-D.
        intercept_: b, (n_targets,); a float if ``y`` was 1-D.
        rank_: Rank of Z: at most ``rank``, and at most the rank of what the inputs explain.
        U_: Orthonormal output directions, (n_targets, rank_), ordered by what they explain.
        V_: Input directions, (n_features, rank_): Z = U_ V_ᵀ, and ``transform`` gives (X - x_mean_) V_.
        x_mean_: Weighted mean of X, (n_features,); zeros without intercept.
        y_mean_: Weighted mean of y, (n_targets,).
        objectives_: Smallest objective of every rank 0, 1, ..., min(n_features, n_targets), from the one
            factorisation.
        cv_errors_: With ``rank="cv"``: mean squared error summed over targets on the left-out samples,
            (n_folds, min(n_features, n_targets) + 1).
        cv_weights_: Total weight of the left-out samples of each fold, (n_folds,).
        n_features_in_: Number of features.
        feature_names_in_: Their names, if X had any.

    Example:
        >>> import numpy as np
        >>> from landscape_cpp.estimators import ReducedRankRegressor
        >>> X = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
        >>> model = ReducedRankRegressor(rank=1).fit(X, X @ np.diag([2.0, 1.0]))
        >>> model.coef_.round(12) + 0.0
        array([[2., 0.],
               [0., 0.]])
        >>> model.objectives_.round(12)
        array([10.,  2.,  0.])
        >>> print(model.certify().verdict)
        GLOBAL

    References:
        Theorems A and B of THEORY 2; Izenman (1975); Velu & Reinsel (1998), Multivariate Reduced-Rank Regression.
    """

    def __init__(
        self,
        rank: int | str | None = 1,
        *,
        alpha: float = 0.0,
        fit_intercept: bool = True,
        cv: Any = None,
        random_state: Any = None,
        n_threads: int | None = None,
    ) -> None:
        """Keep the settings; ``fit`` checks them."""
        self.rank = rank
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.cv = cv
        self.random_state = random_state
        self.n_threads = n_threads

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> ReducedRankRegressor:
        """Fit the global minimum.

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
        rank, alpha, intercept = self._checked_settings()
        unit = _unit(X)
        X, y = validate_data(self, X, y, multi_output=True, y_numeric=True, dtype=np.float64, order="C")
        weights = sample_weights(sample_weight, X)
        Y = np.asarray(y, dtype=np.float64).reshape(len(X), -1)
        folds = self._folds(X, y) if rank == "cv" else []

        def path_of(rows: Any) -> tuple[CentredData, RankPath]:
            part = None if weights is None else weights[rows]
            data = centre(X[rows], Y[rows], part, intercept, unit=unit, n_threads=self.n_threads)
            return data, rank_path(data, alpha / data.cov.weight, n_threads=self.n_threads)

        data, path = path_of(slice(None))
        largest = min(X.shape[1], Y.shape[1])
        if rank == "cv":
            self._choose_rank(X, Y, weights, folds, path_of, largest)
            chosen = int(self._cv_rank)
        else:
            chosen = largest if rank is None else int(rank)
        for name in ("cv_errors_", "cv_weights_") if rank != "cv" else ():
            self.__dict__.pop(name, None)  # of an earlier fit
        self.x_mean_, self.y_mean_ = data.mean_x, data.mean_y
        self._single_target = y.ndim == 1
        self._data, self._path, self._ridge = data, path, alpha / data.cov.weight
        risks = np.append(path.risks, np.full(largest + 1 - len(path.risks), path.risks[-1]))
        self.objectives_ = data.cov.weight * risks
        self._take_rank(chosen)
        return self

    def _checked_settings(self) -> tuple[int | str | None, float, bool]:
        rank = self.rank
        if isinstance(rank, str):
            if rank != "cv":
                raise ValueError(f"rank must be an integer of at least 0, None or 'cv', got {rank!r}")
        elif rank is not None:
            rank = check.as_int("rank", rank, minimum=0)
        alpha = check.as_float("alpha", self.alpha)
        if alpha < 0.0:
            raise ValueError(f"alpha must be at least 0, got {alpha}")
        if self.n_threads is not None:
            check.as_int("n_threads", self.n_threads, minimum=1, maximum=1024)
        return rank, alpha, check.as_bool("fit_intercept", self.fit_intercept)

    def _folds(self, X: FloatArray, y: Any) -> list[tuple[Any, Any]]:
        folds: Any = 5 if self.cv is None else self.cv
        if check.is_integer(folds):
            if len(X) < folds:
                raise ValueError(f"rank='cv' needs at least one sample per fold: cv = {folds}, n_samples = {len(X)}")
            shuffle = self.random_state is not None
            folds = KFold(int(folds), shuffle=shuffle, random_state=self.random_state if shuffle else None)
        return list(check_cv(folds).split(X, y))

    def _choose_rank(
        self, X: FloatArray, Y: FloatArray, weights: FloatArray | None, folds: Any, path_of: Any, largest: int
    ) -> None:
        errors, totals = [], []
        for train, test in folds:
            w = None if weights is None else weights[test]
            total = float(len(test) if w is None else w.sum())
            if total == 0.0 or (weights is not None and not weights[train].sum() > 0.0):
                continue  # a fold without weight says nothing
            data, path = path_of(train)
            errors.append(_left_out_errors(X[test], Y[test], w, data, path, largest))
            totals.append(total)
        if not errors:
            raise ValueError("rank='cv': no fold has weight on both sides")
        self.cv_errors_, self.cv_weights_ = np.array(errors), np.array(totals)
        mean = np.average(self.cv_errors_, axis=0, weights=self.cv_weights_)
        self._cv_rank = int(np.argmax(mean <= mean.min() * (1.0 + 1e-12)))

    def _take_rank(self, rank: int) -> None:
        self._limit = rank
        self.rank_ = min(rank, self._path.left.shape[1])
        self.U_ = np.ascontiguousarray(self._path.left[:, : self.rank_])
        self.V_ = np.ascontiguousarray(self._path.right[:, : self.rank_])
        coef = self.U_ @ self.V_.T
        self.coef_ = coef[0] if self._single_target else coef
        offset = self.y_mean_ - coef @ self.x_mean_
        self.intercept_ = float(offset[0]) if self._single_target else offset

    def at_rank(self, rank: int) -> ReducedRankRegressor:
        """The fitted model of another rank, from the same factorisation: no data are looked at again.

        Args:
            rank: An int >= 0.

        Returns:
            A new fitted estimator, equal to refitting with ``rank=rank``.
        """
        check_is_fitted(self)
        result = copy.copy(self)
        result.rank = check.as_int("rank", rank, minimum=0)
        for name in ("cv_errors_", "cv_weights_", "_cv_rank"):
            result.__dict__.pop(name, None)
        result._take_rank(result.rank)
        return result

    def predict(self, X: Any) -> FloatArray:
        """X Zᵀ + b, (n_samples, n_targets); (n_samples,) if ``y`` was 1-D.

        Args:
            X: Inputs, (n_samples, n_features).
        """
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=np.float64)
        return np.asarray(X @ self.coef_.T + self.intercept_)

    def transform(self, X: Any) -> FloatArray:
        """The latent scores (X - x_mean_) V_, (n_samples, rank_): the values of the hidden units.

        Args:
            X: Inputs, (n_samples, n_features).
        """
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=np.float64)
        return np.asarray((X - self.x_mean_) @ self.V_)

    @property
    def _n_features_out(self) -> int:
        return int(self.rank_)

    @property
    def landscape_(self) -> ShallowLinear:
        """The landscape this model is the bottom of: centred moments, the ridge included, ``rank_`` hidden units.

        Its values are means over the samples; the objective is ``sum of weights`` times them.
        """
        check_is_fitted(self)
        cov = self._data.cov
        return ShallowLinear(cov.with_ridge(self._ridge) if self._ridge > 0.0 else cov, max(1, self.rank_))

    @property
    def point_(self) -> Point:
        """(U, V), the point of ``landscape_``; one unit of zeros if ``rank_`` is 0."""
        check_is_fitted(self)
        missing = max(0, 1 - self.rank_)
        return np.pad(self.U_, ((0, 0), (0, missing))), np.pad(self.V_, ((0, 0), (0, missing)))

    def certify(self, *, tol: float = 1e-8) -> Certificate:
        """The proof that no model of this rank has a smaller objective, as :meth:`ShallowLinear.certify` gives it.

        Args:
            tol: Gap of a GLOBAL verdict, relative to the objective at Z = 0.

        Returns:
            A :class:`Certificate`, in means over the samples. Directions of X that were left out because rounding
            explains them are not left out there: the verdict may then be UNDECIDED. Where the rank is bounded by 0
            there is only one model, Z = 0, and nothing to prove.
        """
        if self._limit == 0:
            return self._only_model(check.as_float("tol", tol, positive=True))
        certificate = self.landscape_.certify(self.point_, tol=tol, n_threads=self.n_threads)
        assert isinstance(certificate, Certificate)
        return certificate

    def _only_model(self, tol: float) -> Certificate:
        """The certificate of Z = 0 among the models of rank 0."""
        total = float(self._data.cov.total)
        return Certificate(
            value=total,
            lower_bound=total,
            gap=0.0,
            relative_gap=0.0,
            margin=0.0,
            method="closed-form",
            guarantee="deterministic",
            stationarity=0.0,
            witness=None,
            tol=tol,
            scale=total,
            verdict=Verdict.GLOBAL,
            reason="Z = 0 is the only model of rank 0",
        )

    def __sklearn_tags__(self) -> Any:
        """float64 comes out whatever went in."""
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64"]
        tags.target_tags.required = True
        return tags


def _left_out_errors(
    X: FloatArray, Y: FloatArray, weights: FloatArray | None, data: CentredData, path: RankPath, largest: int
) -> FloatArray:
    """Weighted mean squared error, summed over targets, of every rank 0 ... largest on left-out samples.

    With E = Y - mean, a = E Q and g = (X - mean) V the error of rank r is |E - a Qᵀ|² + Σ_{i<=r} |a_i - g_i|² +
    Σ_{i>r} |a_i|²: one product serves all ranks.
    """
    centred = Y - data.mean_y
    targets = centred @ path.left
    scores = (X - data.mean_x) @ path.right
    beyond = ((centred - targets @ path.left.T) ** 2).sum(axis=1)
    w = np.full(len(X), 1.0 / len(X)) if weights is None else weights / weights.sum()
    without = w @ targets**2
    fitted = w @ (targets - scores) ** 2
    errors = w @ beyond + np.concatenate([[0.0], np.cumsum(fitted)])
    errors += np.concatenate([np.cumsum(without[::-1])[::-1], [0.0]])
    return np.append(errors, np.full(largest + 1 - len(errors), errors[-1]))


class LinearAutoencoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """The linear auto-encoder with one hidden layer, at its global minimum: principal component analysis.

        minimise  Σ_i w_i |x_i - b - U Vᵀ (x_i - b)|²   over  U, V (n_features, n_components)

    Of all the global minima U C, V C^{-T} this is the one with orthonormal U = V, the leading principal axes, signs
    fixed by a positive largest entry (Baldi & Hornik 1989; Theorem B with Y = X).

    Args:
        n_components: Hidden units: an int from 1 to n_features; a float between 0 and 1 for the fewest that keep this
            share of the variance; None for the fewest that lose nothing, the rank of the data. Units beyond the rank
            add orthonormal directions in which the data do not vary.
        center: Whether b is the mean of the data; otherwise b = 0.
        n_threads: Threads of the core; None is all of them.

    Attributes:
        components_: Uᵀ = Vᵀ, (n_components_, n_features): encoder and, transposed, decoder.
        mean_: b, (n_features,).
        n_components_: Number of hidden units.
        explained_variance_ratio_: Share of the variance (second moment without ``center``) that each component keeps,
            (n_components_,).
        reconstruction_errors_: Smallest mean squared error of 0, 1, ..., n_features hidden units, summed over
            features, (n_features + 1,).
        n_features_in_: Number of features.
        feature_names_in_: Their names, if X had any.

    Example:
        >>> import numpy as np
        >>> from landscape_cpp.estimators import LinearAutoencoder
        >>> X = np.array([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
        >>> model = LinearAutoencoder(n_components=1).fit(X)
        >>> model.components_.round(12) + 0.0
        array([[1., 0.]])
        >>> model.reconstruction_errors_.round(12)
        array([2.5, 0.5, 0. ])

    References:
        Baldi & Hornik (1989); Theorem B of THEORY 2.
    """

    def __init__(self, n_components: float | None = None, *, center: bool = True, n_threads: int | None = None) -> None:
        """Keep the settings; ``fit`` checks them."""
        self.n_components = n_components
        self.center = center
        self.n_threads = n_threads

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> LinearAutoencoder:
        """Fit the global minimum.

        Args:
            X: Data, (n_samples, n_features).
            y: Ignored: the targets are the inputs.
            sample_weight: Non-negative weights, a number or (n_samples,).

        Returns:
            The estimator.

        Raises:
            ValueError: For settings out of range, wrong shapes, NaN or infinity.
            TypeError: For settings of the wrong type and sparse X.
        """
        center = check.as_bool("center", self.center)
        unit = _unit(X)
        X = validate_data(self, X, dtype=np.float64, order="C")
        n = X.shape[1]
        wanted = self._checked_count(n)
        data = centre(X, None, sample_weights(sample_weight, X), center, unit=unit, n_threads=self.n_threads)
        spectrum = data.cov.spectrum(n_threads=self.n_threads)
        known = spectrum.rank + spectrum.unresolved
        eigenvalues = spectrum.eigenvalues[:known]
        total = float(eigenvalues.sum())
        if isinstance(wanted, float):
            kept = np.cumsum(eigenvalues) / total if known else np.ones(1)
            count = min(len(kept), int((kept < wanted).sum()) + 1)
        else:
            count = max(1, known) if wanted is None else wanted
        axes = _completed(spectrum.left[:, :known], count)
        signs = np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(count)])
        self.mean_, self.n_components_ = data.mean_x, count
        self.components_ = np.ascontiguousarray((axes * signs).T)
        shares = eigenvalues[:count] / total if known else eigenvalues
        self.explained_variance_ratio_ = np.pad(shares, (0, count - len(shares)))
        tails = np.concatenate([np.cumsum(eigenvalues[::-1])[::-1], np.zeros(n + 1 - known)])
        self.reconstruction_errors_ = spectrum.minimum_risk + tails
        self._data = data
        return self

    def _checked_count(self, n_features: int) -> int | float | None:
        count = self.n_components
        if count is None:
            return None
        if check.is_real(count) and not check.is_integer(count):
            share = check.as_float("n_components", count)
            if not 0.0 < share < 1.0:
                raise ValueError(f"n_components must be an integer, None or between 0 and 1, got {count}")
            return share
        wanted = check.as_int("n_components", count, minimum=1)
        if wanted > n_features:
            raise ValueError(f"n_components must be at most n_features = {n_features}, got {wanted}")
        return wanted

    def transform(self, X: Any) -> FloatArray:
        """The values of the hidden units, (X - mean_) components_ᵀ: (n_samples, n_components_).

        Args:
            X: Data, (n_samples, n_features).
        """
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=np.float64)
        return np.asarray((X - self.mean_) @ self.components_.T)

    def inverse_transform(self, X: Any) -> FloatArray:
        """The reconstruction X components_ + mean_, (n_samples, n_features).

        Args:
            X: Values of the hidden units, (n_samples, n_components_).
        """
        check_is_fitted(self)
        hidden = check.as_array("X", X, "(n_samples, n_components_)", (None, self.n_components_))
        return np.asarray(hidden @ self.components_ + self.mean_)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """1 - (squared reconstruction error) / (squared distance from ``mean_``): 1 is perfect, 0 is the mean.

        Args:
            X: Data, (n_samples, n_features).
            y: Ignored.
            sample_weight: Non-negative weights, a number or (n_samples,).
        """
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=np.float64)
        weights = sample_weights(sample_weight, X)
        w = np.ones(len(X)) if weights is None else weights
        centred = X - self.mean_
        left = centred - (centred @ self.components_.T) @ self.components_
        lost, total = float(w @ (left**2).sum(axis=1)), float(w @ (centred**2).sum(axis=1))
        return 1.0 - lost / total if total > 0.0 else float(lost == 0.0)

    @property
    def _n_features_out(self) -> int:
        return int(self.n_components_)

    @property
    def landscape_(self) -> ShallowLinear:
        """The landscape of the auto-encoder of this width, on the (centred) moments of the data."""
        check_is_fitted(self)
        return ShallowLinear(self._data.cov, self.n_components_)

    @property
    def point_(self) -> Point:
        """(U, V), both ``components_.T``."""
        check_is_fitted(self)
        decoder = np.ascontiguousarray(self.components_.T)
        return decoder, decoder.copy()

    def certify(self, *, tol: float = 1e-8) -> Certificate:
        """The proof that no auto-encoder of this width has a smaller error; see :meth:`ShallowLinear.certify`.

        Args:
            tol: Gap of a GLOBAL verdict, relative to the second moment of the data.
        """
        certificate = self.landscape_.certify(self.point_, tol=tol, n_threads=self.n_threads)
        assert isinstance(certificate, Certificate)
        return certificate

    def __sklearn_tags__(self) -> Any:
        """float64 comes out whatever went in."""
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64"]
        return tags


def _completed(columns: FloatArray, count: int) -> FloatArray:
    """The first ``count`` of these orthonormal columns; where they end, an orthonormal basis of their complement."""
    have = columns.shape[1]
    if have >= count:
        return columns[:, :count]
    basis = np.linalg.qr(columns, mode="complete")[0] if have else np.eye(len(columns))
    return np.hstack([columns, basis[:, have:count]])
