"""Second moments of data: all that the squared risk of a linear map depends on.

    R(Z) = (1/W) sum_i w_i |y_i - Z x_i|² = tr(Syy - 2 Syx Zᵀ + Z Sxx Zᵀ),    W = sum_i w_i

with Sxx (n0, n0), Sxy (n0, n2), Syy (n2, n2) the (weighted) second moments, not centred unless asked for
(THEORY 1, scaling A: mean of squared errors, no ½). Rows are samples: X (m, n0), Y (m, n2).
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _validation as check
from ._dispatch import core
from ._moments import check_block_finite, check_data, check_moments, refuse_underflow, split_chunks
from ._validation import FloatArray

__all__ = ["Covariances", "SpectralData"]

_METHODS = ("auto", "moments", "factor")

# Reciprocal condition of the scaled Sxx below which "auto" goes back to the data for a factor: the margins of moments
# are about 1e-14 / rcond, which then reaches the default tolerance of a verdict, 1e-8.
_ILL_CONDITIONED = 1e-6

_BLOCK_BYTES = 32 * 2**20  # converted at a time when the input is not C-ordered float64


@dataclass(frozen=True)
class SpectralData:
    """The linear risk in whitened coordinates, from which the whole shallow landscape is read (THEORY 1, [S11]).

    With T whitening the inputs, ``R(U Vᵀ) = minimum_risk + |U (Vᵀ B) - M|²`` and ``M = left @ diag(σ) @ right.T``;
    the eigenvalues of Σ = Syx Sxx⁺ Sxy are λ = σ².

    Attributes:
        eigenvalues: λ, (k,), descending, k = min(n2, rank_x).
        left: Eigenvectors q of Σ, (n2, k).
        right: Right singular vectors of M, (rank_x, k).
        whitening: T, (n0, rank_x), with Tᵀ Sxx T = I and range T = range Sxx.
        colouring: B = Sxx T, (n0, rank_x).
        cross: M = Syx T, (n2, rank_x).
        rank: Rank of Σ: singular values σ above the rounding level.
        unresolved: Singular values below the rounding level of ill-conditioned inputs but above plain rounding: zero
            or not, nobody can say.
        rank_x: Rank of Sxx, decided after scaling every input to unit second moment.
        condition: Condition of the scaled inputs on their range (of X in factor form, of Sxx in moment form).
        dropped: Largest relative singular direction of the scaled inputs that was taken as zero.
        total: tr Syy, the risk at zero.
        minimum_risk: Smallest risk of any linear map, tr Syy - Σλ.
        rounding: |error of σ| ≤ rounding · √total.
    """

    eigenvalues: FloatArray
    left: FloatArray
    right: FloatArray
    whitening: FloatArray
    colouring: FloatArray
    cross: FloatArray
    rank: int
    unresolved: int
    rank_x: int
    condition: float
    dropped: float
    total: float
    minimum_risk: float
    rounding: float

    @property
    def tie(self) -> float:
        """Eigenvalues closer than this cannot be told apart: 8 rounding √total √λ_1."""
        top = float(self.eigenvalues[0]) if len(self.eigenvalues) else 0.0
        return 8.0 * self.rounding * math.sqrt(self.total * top)

    def __repr__(self) -> str:
        """Name what a person looks at first."""
        shown = ", ".join(f"{value:.6g}" for value in self.eigenvalues[:6])
        more = ", ..." if len(self.eigenvalues) > 6 else ""
        return (
            f"SpectralData(rank={self.rank}, rank_x={self.rank_x}, condition={self.condition:.3g}, "
            f"total={self.total:.6g}, minimum_risk={self.minimum_risk:.6g}, eigenvalues=[{shown}{more}])"
        )


class Covariances:
    """Second moments of (x, y), from data, from a stream, or given (the population risk).

    Two forms hold the same information. *Moments* keep Sxx, Sxy, Syy: constant memory, the fastest. A *factor* keeps a
    matrix F (k, n0 + n2), k ≤ n0 + n2, with FᵀF = [[Sxx, Sxy], [Syx, Syy]]: the data itself while m is small, an
    R factor later; nothing is squared, so ill-conditioned inputs keep their digits (THEORY 1, 12b.12).

    Args:
        xx: Sxx, (n0, n0).
        xy: Sxy, (n0, n2).
        yy: Syy, (n2, n2).
        tol: Relative violation of symmetry and positive semidefiniteness that is still taken for rounding.

    Raises:
        ValueError: If no data can have these moments: a matrix is not symmetric, the joint matrix is not positive
            semidefinite, or range(Sxy) is not within range(Sxx) (the risk would be unbounded below; THEORY 1).

    Example:
        >>> import numpy as np
        >>> import landscape_cpp as ls
        >>> cov = ls.Covariances(xx=np.eye(2), xy=np.diag([2.0, 1.0]), yy=np.diag([5.0, 2.0]))
        >>> cov.spectrum().eigenvalues
        array([4., 1.])
        >>> cov.spectrum().minimum_risk
        2.0
    """

    def __init__(self, *, xx: Any, xy: Any, yy: Any, tol: float = 1e-12) -> None:
        """Check the moments and keep them."""
        xx = check.as_array("xx", xx, "(n0, n0)", (None, None))
        n0 = xx.shape[0]
        xx = check.as_array("xx", xx, "(n0, n0)", (n0, n0))
        xy = check.as_array("xy", xy, "(n0, n2)", (n0, None))
        n2 = xy.shape[1]
        yy = check.as_array("yy", yy, "(n2, n2)", (n2, n2))
        if n0 == 0 or n2 == 0:
            raise ValueError(f"moments must not be empty, got n0 = {n0}, n2 = {n2}")
        check_moments(xx, xy, yy, check.as_float("tol", tol, positive=True))
        self._start(n0, n2, same=False, center=False, method="moments", form="moments")
        self._sums = (xx / 2 + xx.T / 2, xy.copy(), yy / 2 + yy.T / 2)
        self._weight = 1.0
        self._n_samples: int | None = None

    def _start(self, n0: int, n2: int, *, same: bool, center: bool, method: str, form: str) -> None:
        self._n0, self._n2, self._same = n0, n2, same
        self._center, self._method, self._form = center, method, form
        columns = 0 if same else n2  # of the second block: none when Y = X
        self._sums = (
            (np.zeros((n0, n0)), np.zeros((n0, columns)), np.zeros((columns, columns)))
            if form == "moments"
            else (np.zeros((0, 0)), np.zeros((0, 0)), np.zeros((0, 0)))
        )
        self._factor = np.zeros((0, n0 + columns))
        self._weight = 0.0
        self._means = (np.zeros(n0), np.zeros(columns))
        self._merges = 0  # how often partial sums were added: each adds a rounding error
        self._ridge = 0.0
        self._n_samples = 0
        self._cache: dict[str, Any] = {}

    @classmethod
    def _empty(cls, n0: int, n2: int, *, same: bool, center: bool, method: str, form: str) -> Covariances:
        self = cls.__new__(cls)
        self._start(n0, n2, same=same, center=center, method=method, form=form)
        return self

    @classmethod
    def from_data(
        cls,
        X: Any,
        Y: Any = None,
        *,
        center: bool = False,
        sample_weight: Any = None,
        method: str = "auto",
        n_threads: int | None = None,
    ) -> Covariances:
        """Second moments of data, in one pass; C-ordered float64 arrays and memory maps are read in place.

        Args:
            X: Inputs, (m, n0).
            Y: Targets, (m, n2) or (m,); None means Y = X (PCA, the linear auto-encoder).
            center: Subtract the (weighted) means.
            sample_weight: Non-negative weights, (m,); zeros are allowed.
            method: ``"moments"``, ``"factor"``, or ``"auto"``: a factor if n0 > m or if the scaled Sxx turns out to be
                ill-conditioned (reciprocal condition below 1e-6), moments otherwise.
            n_threads: Threads; None is all of them. Large products then follow the BLAS of SciPy, with 1 Eigen's.

        Returns:
            The moments; ``update`` adds more data.

        Raises:
            ValueError: For wrong shapes, no rows or columns, NaN or infinity, weights that are negative or sum to zero.
            TypeError: For input that is not an array of real numbers.

        Example:
            >>> import numpy as np
            >>> Covariances.from_data(np.array([[1.0], [3.0]]), np.array([[2.0], [4.0]])).xy
            array([[7.]])
        """
        center = check.as_bool("center", center)
        method = check.as_choice("method", method, _METHODS)
        threads = check.as_threads(n_threads)
        x, y, weights = check_data(X, Y, sample_weight)
        if weights.size and not weights.sum() > 0.0:
            raise ValueError("sample_weight sums to zero")
        same = y is None
        n0, n2 = x.shape[1], x.shape[1] if y is None else y.shape[1]
        form = "factor" if method == "factor" or (method == "auto" and n0 > x.shape[0]) else "moments"
        result = cls._empty(n0, n2, same=same, center=center, method=method, form=form)
        result._absorb(x, y, weights, threads)
        if method == "auto" and form == "moments" and core.equilibrated_rcond(result._sums[0]) < _ILL_CONDITIONED:
            result = cls._empty(n0, n2, same=same, center=center, method="factor", form="factor")
            result._absorb(x, y, weights, threads)
        return result

    @classmethod
    def from_chunks(
        cls, chunks: Iterable[Any], *, center: bool = False, method: str = "auto", n_threads: int | None = None
    ) -> Covariances:
        """Second moments of a stream, in constant memory.

        Args:
            chunks: Yields (X, Y), (X, Y, sample_weight) or X alone (Y = X), each as in :meth:`from_data`.
            center: Subtract the means over the whole stream.
            method: As in :meth:`from_data`; a stream cannot be read twice, so ``"auto"`` cannot go back for a factor
                when the inputs turn out to be ill-conditioned. Ask for ``"factor"`` if they may be.
            n_threads: As in :meth:`from_data`.

        Raises:
            ValueError: As :meth:`from_data`, and if there is no chunk.
        """
        center = check.as_bool("center", center)
        method = check.as_choice("method", method, _METHODS)
        result: Covariances | None = None
        for x, y, weights in split_chunks(chunks):
            if result is None:
                first_x, first_y, _ = check_data(x, y, weights)
                inputs = first_x.shape[1]
                targets = inputs if first_y is None else first_y.shape[1]
                few = method == "auto" and inputs > first_x.shape[0]
                form = "factor" if method == "factor" or few else "moments"
                result = cls._empty(inputs, targets, same=y is None, center=center, method=method, form=form)
            result.update(x, y, sample_weight=weights, n_threads=n_threads)
        if result is None:
            raise ValueError("chunks is empty")
        if not result._weight > 0.0:
            raise ValueError("sample_weight sums to zero")
        return result

    def update(self, X: Any, Y: Any = None, *, sample_weight: Any = None, n_threads: int | None = None) -> Covariances:
        """Add rows, in place; the result equals :meth:`from_data` on all rows to rounding. Returns ``self``.

        Landscapes built before keep the moments they were built from. On an error nothing is changed.

        Args:
            X: Inputs, (m, n0).
            Y: Targets, (m, n2) or (m,); None exactly if the moments were made with Y = X.
            sample_weight: Non-negative weights, (m,).
            n_threads: As in :meth:`from_data`.

        Raises:
            ValueError: As :meth:`from_data`, for shapes that do not match, and for population moments.
        """
        self._refuse_growth("updated")
        threads = check.as_threads(n_threads)
        x, y, weights = check_data(X, Y, sample_weight)
        if (y is None) != self._same:
            raise ValueError(
                "Y must be None: these moments were made with Y = X"
                if self._same
                else f"Y must be (m, n2) = (m, {self._n2}), got None"
            )
        if x.shape[1] != self._n0:
            raise ValueError(f"X must be (m, n0) = (m, {self._n0}), got {x.shape}")
        if y is not None and y.shape[1] != self._n2:
            raise ValueError(f"Y must be (m, n2) = (m, {self._n2}), got {y.shape}")
        part = self._empty(
            self._n0, self._n2, same=self._same, center=self._center, method=self._method, form=self._form
        )
        part._absorb(x, y, weights, threads)
        self._add(part, threads)
        # A stream that began with few rows: beyond twice the compressed size moments are the cheaper form.
        enough = 2 * self._factor.shape[1]
        if self._form == "factor" and self._method == "auto" and (self._n_samples or 0) >= enough:
            self._leave_factor()
        return self

    def merge(self, other: Covariances) -> Covariances:
        """The moments of both data sets together, as a new object (a map-reduce over workers, for example).

        Args:
            other: Moments of other rows, with the same columns and the same ``center``.

        Raises:
            ValueError: If shapes or centring differ or one of them is a population.
            TypeError: If ``other`` is not a ``Covariances``.
        """
        if not isinstance(other, Covariances):
            raise TypeError(f"other must be a Covariances, got {type(other).__name__}")
        self._refuse_growth("merged")
        other._refuse_growth("merged")
        mine, theirs = (self._n0, self._n2, self._same), (other._n0, other._n2, other._same)
        if mine != theirs:
            raise ValueError(f"other must have (n0, n2, Y = X) = {mine}, got {theirs}")
        if self._center != other._center:
            raise ValueError(f"other must have center={self._center}, got center={other._center}")
        result, added = self._copy(), other._copy()
        if result._form != added._form:
            (result if result._form == "factor" else added)._leave_factor()
        result._add(added, check.as_threads(None))
        return result

    def _refuse_growth(self, participle: str) -> None:
        if self._n_samples is None:
            raise ValueError(f"population moments have no sample count and cannot be {participle}")
        if self._ridge > 0.0:
            raise ValueError(f"moments with a ridge cannot be {participle}: add the data first, then with_ridge")

    def with_ridge(self, alpha: float) -> Covariances:
        """The moments of the risk R(Z) + alpha |Z|²: Sxx + alpha I in place of Sxx, as a new object.

        The penalty is on the product Z = U Vᵀ, not on the layers: the landscape stays that of Theorem B. In
        scikit-learn's scaling (a sum over samples, as in ``Ridge``) it is ``weight * alpha``.

        Args:
            alpha: Positive multiplier of |Z|². Ridges add up.

        Returns:
            Moments that cannot be updated or merged any more.

        Raises:
            ValueError: If alpha is not positive and finite.

        Example:
            >>> import numpy as np
            >>> Covariances(xx=np.eye(1), xy=np.eye(1), yy=np.eye(1)).with_ridge(3.0).spectrum().minimum_risk
            0.75
        """
        alpha = check.as_float("alpha", alpha, positive=True)
        weight = self._positive_weight()
        result = self._copy()
        result._cache = {}
        result._ridge = self._ridge + alpha
        if self._same:  # only the inputs are penalised: they are no longer the targets
            result._same = False
            result._means = (self._means[0], self._means[0])
        if self._form == "moments":
            xx, xy, yy = (self._sums[0],) * 3 if self._same else self._sums
            xx = np.tril(xx) + np.tril(xx, -1).T  # the sums keep the lower triangle only
            xy = xx if self._same else xy
            result._sums = (xx + alpha * weight * np.eye(self._n0), xy.copy(), yy.copy())
        else:
            rows = self._factor if not self._same else np.hstack([self._factor, self._factor])
            ridge = np.hstack([math.sqrt(alpha * weight) * np.eye(self._n0), np.zeros((self._n0, self._n2))])
            rows = np.vstack([rows, ridge])
            tall = len(rows) > rows.shape[1]
            result._factor = np.asarray(np.linalg.qr(rows, mode="r")) if tall else rows
        return result

    def _absorb(self, x: npt.NDArray[Any], y: npt.NDArray[Any] | None, weights: FloatArray, threads: int) -> None:
        """Accumulate checked rows block by block, then check that the result is finite."""
        m = x.shape[0]
        arrays = [x] if y is None else [x, y]
        in_place = all(a.dtype == np.float64 and a.flags.c_contiguous for a in arrays)
        row_bytes = 8 * sum(a.shape[1] for a in arrays)
        step = m if in_place else max(1, _BLOCK_BYTES // row_bytes)
        for first in range(0, m, step):
            block_x = check.as_contiguous(x[first : first + step])
            block_y = np.empty((len(block_x), 0)) if y is None else check.as_contiguous(y[first : first + step])
            block_w = weights[first : first + step]
            if self._form == "moments":
                self._weight, *means = core.accumulate_moments(
                    block_x, block_y, block_w, self._center, *self._sums, self._weight, *self._means, threads
                )
            else:
                self._factor, (self._weight, *means) = core.accumulate_factor(
                    self._factor, block_x, block_y, block_w, self._center, self._weight, *self._means, threads
                )
            self._means = (means[0], means[1])
        self._n_samples = m
        # NaN and infinity propagate into these, so the data need no second pass unless something is wrong.
        if self._form == "moments":
            witnesses = [self._sums[0].diagonal(), self._sums[1], self._sums[2].diagonal()]
        else:
            witnesses = [np.einsum("ij,ij->j", self._factor, self._factor)]
        refuse_underflow(arrays, np.concatenate([w for w in witnesses if w.ndim == 1]))
        if not all(np.isfinite(witness).all() for witness in witnesses):
            for name, array in zip("XY", arrays, strict=False):
                for first in range(0, m, 65536):
                    check_block_finite(name, array[first : first + 65536], first)
            raise ValueError("X or Y is too large: second moments overflow; rescale the data")

    def _add(self, other: Covariances, threads: int) -> None:
        """Merge the sums of ``other``, of the same form, into these."""
        if self._form == "moments":
            self._weight, *means = core.merge_moments(
                *other._sums, other._weight, *other._means, self._center, *self._sums, self._weight, *self._means
            )
        else:
            self._factor, (self._weight, *means) = core.merge_factors(
                self._factor,
                other._factor,
                self._center,
                self._weight,
                *self._means,
                other._weight,
                *other._means,
                threads,
            )
        self._means = (means[0], means[1])
        self._n_samples = (self._n_samples or 0) + (other._n_samples or 0)
        self._merges += other._merges + 1
        self._cache = {}

    def _leave_factor(self) -> None:
        x, y = self._factor[:, : self._n0], self._factor[:, self._n0 :]
        self._sums = (x.T @ x, x.T @ y, y.T @ y)
        self._factor = np.zeros((0, self._factor.shape[1]))
        self._form = "moments"
        self._cache = {}

    def _copy(self) -> Covariances:
        result = self.__class__.__new__(self.__class__)
        result.__dict__.update(self.__getstate__())
        result._sums = (self._sums[0].copy(), self._sums[1].copy(), self._sums[2].copy())
        result._factor = self._factor.copy()
        # Cached arrays are frozen and an update replaces the dictionary: sharing it is safe, and spares decomposing.
        result._cache = self._cache
        return result

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the cache, whose compiled part does not pickle."""
        return {name: value for name, value in self.__dict__.items() if name != "_cache"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore with an empty cache."""
        self.__dict__.update({"_ridge": 0.0, **state})
        # Buffers of a protocol-5 pickle may be read-only, and updates write in place.
        self._sums = (self._sums[0].copy(), self._sums[1].copy(), self._sums[2].copy())
        self._cache = {}

    @property
    def n_inputs(self) -> int:
        """n0."""
        return self._n0

    @property
    def n_outputs(self) -> int:
        """n2."""
        return self._n2

    @property
    def n_samples(self) -> int | None:
        """Rows seen (those of weight zero too); None for a population."""
        return self._n_samples

    @property
    def weight(self) -> float:
        """Sum of the sample weights; 1 for a population."""
        return float(self._weight)

    @property
    def center(self) -> bool:
        """Whether the means were subtracted."""
        return self._center

    @property
    def ridge(self) -> float:
        """Multiplier of |Z|² that :meth:`with_ridge` added; 0 without."""
        return self._ridge

    @property
    def form(self) -> str:
        """``"moments"`` or ``"factor"``."""
        return self._form

    @property
    def mean_x(self) -> FloatArray | None:
        """The mean that was subtracted from X, (n0,); None unless ``center``."""
        return _frozen(self._means[0].copy()) if self._center else None

    @property
    def mean_y(self) -> FloatArray | None:
        """The mean that was subtracted from Y, (n2,); None unless ``center``."""
        return _frozen(self._means[0 if self._same else 1].copy()) if self._center else None

    @property
    def xx(self) -> FloatArray:
        """Sxx, (n0, n0), read-only."""
        return self._moment("xx")

    @property
    def xy(self) -> FloatArray:
        """Sxy, (n0, n2), read-only."""
        return self._moment("xy")

    @property
    def yx(self) -> FloatArray:
        """Syx = Sxyᵀ, (n2, n0), read-only."""
        return np.asarray(self._moment("xy").T)

    @property
    def yy(self) -> FloatArray:
        """Syy, (n2, n2), read-only."""
        return self._moment("yy")

    @property
    def factor(self) -> tuple[FloatArray, FloatArray] | None:
        """(Fx, Fy), (k, n0) and (k, n2), with Sxx = FxᵀFx, Sxy = FxᵀFy, Syy = FyᵀFy; None in moment form."""
        if self._form != "factor":
            return None
        if "factor" not in self._cache:
            scaled = self._factor / np.sqrt(self._positive_weight())
            x = _frozen(np.ascontiguousarray(scaled[:, : self._n0]))
            y = x if self._same else _frozen(np.ascontiguousarray(scaled[:, self._n0 :]))
            self._cache["factor"] = (x, y)
        pair: tuple[FloatArray, FloatArray] = self._cache["factor"]
        return pair

    def _positive_weight(self) -> float:
        if not self._weight > 0.0:
            raise ValueError("these moments hold no weight yet: the sample weights sum to zero")
        return float(self._weight)

    def _moment(self, which: str) -> FloatArray:
        if self._same:
            which = "xx"
        if which not in self._cache:
            if (pair := self.factor) is not None:
                left = pair[0] if which[0] == "x" else pair[1]
                right = pair[0] if which[1] == "x" else pair[1]
                value = left.T @ right
            else:
                value = self._sums[("xx", "xy", "yy").index(which)] / self._positive_weight()
                if which != "xy":
                    value = np.tril(value) + np.tril(value, -1).T
            self._cache[which] = _frozen(np.ascontiguousarray(value))
        array: FloatArray = self._cache[which]
        return array

    @property
    def total(self) -> float:
        """tr Syy: the risk at zero parameters."""
        if (pair := self.factor) is not None:
            return float(np.vdot(pair[1], pair[1]))
        return float(np.trace(self.yy))

    @property
    def input_scale(self) -> float:
        """√(tr Sxx): the root mean square length of an input."""
        if "input_scale" not in self._cache:
            pair = self.factor
            square = np.trace(self.xx) if pair is None else np.vdot(pair[0], pair[0])
            self._cache["input_scale"] = math.sqrt(float(square))
        scale: float = self._cache["input_scale"]
        return scale

    def spectrum(self, *, n_threads: int | None = None) -> SpectralData:
        """Whitened spectral data: the eigenvalues λ of Σ = Syx Sxx⁺ Sxy and the bases that belong to them.

        From a factor: SVD of X, then of M = Yᵀ P (THEORY 1, [S11]), so the condition of X enters once; from moments:
        the eigendecomposition of Sxx. Computed once and kept.

        Args:
            n_threads: Threads of the decomposition, if it is still to be made; None is all of them.
        """
        if "spectrum" not in self._cache:
            data = self._spectral(n_threads)
            self._cache["spectrum"] = SpectralData(
                eigenvalues=_frozen(data.singular_values**2),
                left=_frozen(data.left),
                right=_frozen(data.right),
                whitening=_frozen(data.whitening),
                colouring=_frozen(data.colouring),
                cross=_frozen(data.cross),
                rank=data.rank,
                unresolved=data.unresolved,
                rank_x=data.whitening.shape[1],
                condition=data.condition,
                dropped=data.dropped,
                total=data.total,
                minimum_risk=data.minimum_risk,
                rounding=data.rounding,
            )
        spectrum: SpectralData = self._cache["spectrum"]
        return spectrum

    def _spectral(self, n_threads: int | None = None) -> core.Spectral:
        """The compiled spectral data."""
        threads = check.as_threads(n_threads)
        if "spectral" not in self._cache:
            if (pair := self.factor) is not None:
                self._cache["spectral"] = core.spectral_from_factor(*pair, self._summation(), threads)
            else:
                self._cache["spectral"] = core.spectral_from_moments(
                    self.xx, self.xy, self.total, self._summation(), threads
                )
        spectral: core.Spectral = self._cache["spectral"]
        return spectral

    def _summation(self) -> float:
        """Relative rounding error of the moments in units of u: sums in stretches, in blocks, and around the means.

        A stretch of a BLAS product has at most about 400 terms, a block at least 256 rows; centred sums lose what the
        means are larger than the deviations, between blocks.
        """
        if self._n_samples is None:
            return 0.0
        terms = 512.0 + self._n_samples / 256.0 + self._merges
        if self._center:
            diagonals = [self._sums[0].diagonal(), self._sums[2].diagonal()]
            if self._form == "factor":
                squares = np.einsum("ij,ij->j", self._factor, self._factor)
                diagonals = [squares[: self._n0], squares[self._n0 :]]
            for mean, diagonal in zip(self._means, diagonals, strict=True):
                deviation = np.sqrt(diagonal[diagonal > 0.0] / self._weight)
                if deviation.size:
                    terms += 4.0 * float((np.abs(mean[diagonal > 0.0]) / deviation).max())
        return terms

    def _risk(self) -> core.Risk:
        """The compiled quadratic risk over the arrays of this moment."""
        if "risk" not in self._cache:
            none = np.zeros((0, 0))
            if (pair := self.factor) is not None:
                self._cache["risk"] = core.Risk(none, none, *pair, self.total)
            else:
                self._cache["risk"] = core.Risk(self.xx, self.xy, none, none, self.total)
        risk: core.Risk = self._cache["risk"]
        return risk

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write to an ``.npz`` file that :func:`landscape_cpp.load` reads back; nothing in it is executed.

        Args:
            path: The file; ``.npz`` is appended if it is missing.
        """
        arrays: dict[str, Any] = {f"sum{i}": value for i, value in enumerate(self._sums)}
        arrays.update({f"mean{i}": value for i, value in enumerate(self._means)})
        np.savez(
            path,
            type="Covariances",
            schema_version=1,
            sizes=np.array([self._n0, self._n2, -1 if self._n_samples is None else self._n_samples]),
            flags=np.array([self._same, self._center]),
            names=np.array([self._method, self._form]),
            weight=self._weight,
            merges=self._merges,
            ridge=self._ridge,
            factor=self._factor,
            **arrays,
        )

    @classmethod
    def _from_arrays(cls, arrays: Any) -> Covariances:
        n0, n2, samples = (int(size) for size in arrays["sizes"])
        same, center = (bool(flag) for flag in arrays["flags"])
        method, form = (str(name) for name in arrays["names"])
        if method not in _METHODS or form not in _METHODS[1:] or n0 < 1 or n2 < 1:
            raise ValueError("unknown method, form or sizes")
        result = cls._empty(n0, n2, same=same, center=center, method=method, form=form)
        result._n_samples = None if samples < 0 else samples
        result._weight = float(arrays["weight"])
        result._merges = int(arrays["merges"])
        result._ridge = float(arrays["ridge"]) if "ridge" in arrays else 0.0
        columns = 0 if same else n2
        shapes = {f"sum{i}": block.shape for i, block in enumerate(result._sums)}
        shapes |= {"mean0": (n0,), "mean1": (columns,)}
        values = {name: check.as_array(name, arrays[name], str(shape), shape) for name, shape in shapes.items()}
        factor = arrays["factor"]
        result._factor = check.as_array("factor", factor, "(k, n0 + n2)", (None, n0 + columns))
        result._sums = (values["sum0"], values["sum1"], values["sum2"])
        result._means = (values["mean0"], values["mean1"])
        if not (
            result._weight >= 0.0
            and result._ridge >= 0.0
            and all((block.diagonal() >= 0.0).all() for block in result._sums[::2])
        ):
            raise ValueError("negative weights or second moments")
        return result

    def __repr__(self) -> str:
        """Sizes and form."""
        samples = "population" if self._n_samples is None else f"n_samples={self._n_samples}"
        ridge = f", ridge={self._ridge:g}" if self._ridge > 0.0 else ""
        return (
            f"Covariances(n_inputs={self._n0}, n_outputs={self._n2}, {samples}, form={self._form!r}, "
            f"center={self._center}{', Y = X' if self._same else ''}{ridge})"
        )


def _frozen(array: FloatArray) -> FloatArray:
    array.flags.writeable = False
    return array
