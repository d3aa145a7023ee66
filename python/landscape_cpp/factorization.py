"""Matrix factorisation and completion with weight decay: the nuclear norm, solved and certified.

    f(U, V) = Σ c_ij l(Ẑ_ij, y_ij) + λ/2 (|U|² + |V|²)        Ẑ = U Vᵀ,  or X V Uᵀ with data X

summed over the observed entries (THEORY 4 and 9, scaling B: sums, the squared loss with its ½). The minimum over all
factors of all widths is that of the convex problem Σ c l(Z, y) + λ |Z|_*, the nuclear norm.
"""

from __future__ import annotations

import functools
import hashlib
from typing import Any

import numpy as np

from . import _factorization_certificate as proof
from . import _validation as check
from ._dispatch import core
from ._factorization_classify import classify
from ._factorization_data import Loss, factorization_data
from ._factorization_path import FactorizationPath
from ._factorization_results import PolarBounds, Solution, StationaryPoint
from ._factorization_solve import solve
from ._fingerprints import data_fingerprint, point_fingerprint
from ._regularisation_path import regularisation_path
from ._slices import factorization_coefficients
from ._svt import polar_bounds
from ._validation import FloatArray
from ._verify_problem import Problem
from .curvature import HessianOperator
from .results import Certificate

__all__ = ["MatrixFactorization"]

Factors = tuple[FloatArray, FloatArray]

_SERIAL_UP_TO = 20_000  # observed entries


class MatrixFactorization:
    """The landscape of a regularised matrix factorisation on the observed entries of Y.

    Args:
        Y: Targets: dense (n2, n0), or scipy.sparse whose stored entries (explicit zeros included) are the observed
            ones. With X: (m, nL), samples are rows.
        lam: λ, positive.
        mask: For a dense Y: boolean, True where observed; ``"nan"`` takes NaN as not observed; None observes all.
        weights: Non-negative weights c of the entries, dense of the shape of Y or sparse with its stored entries; None
            weighs all alike.
        X: Data (m, n0): the prediction is X V Uᵀ with U (nL, r) and V (n0, r), linear regression with low rank.
        loss: ``"squared"`` ½ (z - y)², ``"huber"``, or ``"logistic"`` log(1 + e^{-yz}) for Y of -1 and 1.
        delta: δ of the Huber loss, in units of Y.

    Points are (U (n2, r), V (n0, r)) of any width r, with X (U (nL, r), V (n0, r)); zero width is the zero matrix.

    Raises:
        TypeError: For what is no matrix of real numbers.
        ValueError: For shapes that do not fit, NaN without ``mask="nan"``, duplicate entries, negative weights, labels
            other than -1 and 1.

    Example:
        >>> import numpy as np
        >>> mf = MatrixFactorization(np.diag([3.0, 1.0]), lam=1.0)
        >>> solution = mf.solve()
        >>> solution.rank, round(solution.value, 9), str(solution.certificate.verdict)
        (1, 3.0, 'GLOBAL')

    References:
        THEORY 4, 6, 9; the chapter's Theorem 1.5 and Corollary 1.6.
    """

    def __init__(
        self,
        Y: Any,
        lam: float,
        mask: Any = None,
        weights: Any = None,
        X: Any = None,
        loss: str = "squared",
        *,
        delta: float = 1.0,
    ) -> None:
        """Check and keep a copy of the data."""
        self._lam = check.as_float("lam", lam, positive=True)
        self._data = factorization_data(Y, mask, weights, X, loss, delta)
        nothing = (np.zeros((self.n_outputs, 0)), np.zeros((self.n_inputs, 0)))
        scale, _ = proof.finite_value(self._problem, nothing, "Y is too large: the objective overflows at zero")
        if scale < 1e-303 and np.any(self._problem.y):
            raise ValueError("Y is too small: the objective underflows at zero; rescale it")

    # ------------------------------------------------------------------------------------------------ the data

    @property
    def lam(self) -> float:
        """λ, the multiplier of ½ (|U|² + |V|²)."""
        return self._lam

    @property
    def Y(self) -> Any:
        """Targets, dense (zeros where nothing is observed) or CSR."""
        return self._data.Y

    @property
    def mask_csr(self) -> Any:
        """The observed pattern of a dense Y as CSR, or None."""
        return self._data.mask_csr

    @property
    def weights(self) -> FloatArray | None:
        """Weights of the observed entries in CSR order, or None."""
        return self._data.weights

    @property
    def X(self) -> FloatArray | None:
        """Data, or None."""
        return self._data.X

    @property
    def loss(self) -> Loss:
        """The loss."""
        return self._data.loss

    @property
    def n_observed(self) -> int:
        """Number of observed entries."""
        return len(self._data.targets)

    @property
    def n_outputs(self) -> int:
        """Rows of U."""
        return self._data.shape[0] if self.X is None else self._data.shape[1]

    @property
    def n_inputs(self) -> int:
        """Rows of V."""
        return self._data.shape[1] if self.X is None else int(self.X.shape[1])

    def shapes(self, width: int) -> tuple[tuple[int, int], tuple[int, int]]:
        """Shapes of (U, V) of a width.

        Args:
            width: r, not negative.
        """
        r = check.as_int("width", width, minimum=0)
        return (self.n_outputs, r), (self.n_inputs, r)

    def __repr__(self) -> str:
        """Sizes, loss and λ."""
        rows, columns = self._data.shape
        data = "" if self.X is None else f", n_inputs={self.n_inputs}"
        what = f"{rows} x {columns}, {self.n_observed} observed{data}, {self.loss.name}"
        return f"MatrixFactorization({what}, lam={self._lam:g})"

    def _threads(self, n_threads: int | None) -> int:
        """Small problems stay on one thread: waking a second one costs more than it saves. No bit depends on it."""
        threads = check.as_threads(n_threads)
        return threads if self.n_observed > _SERIAL_UP_TO else 1

    def with_lam(self, lam: float) -> MatrixFactorization:
        """The same data with another λ.

        Args:
            lam: Positive.
        """
        other = object.__new__(MatrixFactorization)
        other._lam, other._data = check.as_float("lam", lam, positive=True), self._data
        return other

    @functools.cached_property
    def _problem(self) -> Problem:
        """The formulas in NumPy, for certificates."""
        return Problem(self)

    @functools.cached_property
    def _core(self) -> core.Factorization:
        data = self._data
        return core.Factorization(
            data.shape[0], data.shape[1], data.rows, data.columns, data.targets, data.weights, data.loss.name,
            data.loss.delta, self._lam, data.X,
        )  # fmt: skip

    def __getstate__(self) -> dict[str, Any]:
        """λ and the data; what is compiled is made again."""
        return {"_lam": self._lam, "_data": self._data}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore, with data that nobody can write to."""
        self._lam, self._data = state["_lam"], state["_data"]
        self._data.lock()

    # ------------------------------------------------------------------------------------------------ points

    def _point(self, p: Any, name: str = "p") -> Factors:
        if isinstance(p, np.ndarray) or not isinstance(p, (tuple, list)) or len(p) != 2:
            raise TypeError(f"{name} must be a pair (U, V) of arrays, got {type(p).__name__}")
        blocks = []
        for index, (block, letter, rows) in enumerate(zip(p, "UV", (self.n_outputs, self.n_inputs), strict=True)):
            label = f"{name}[{index}] ({letter})"
            array = check.as_contiguous(check.as_real(label, block))
            if array.ndim not in (2, 3) or array.shape[-2] != rows:
                raise ValueError(f"{label} must be ({rows}, r) or (B, {rows}, r), got {array.shape}")
            check.check_finite(label, array)
            blocks.append(array)
        u, v = blocks
        if u.ndim != v.ndim or u.shape[-1] != v.shape[-1] or u.shape[:-2] != v.shape[:-2]:
            raise ValueError(f"{name} must have U and V of one width and batch size, got {u.shape} and {v.shape}")
        return u, v

    def _single(self, p: Any, name: str = "p") -> Factors:
        point = self._point(p, name)
        if point[0].ndim != 2:
            raise ValueError(f"{name} must be a single point, got a batch of {len(point[0])}")
        return point

    def pack(self, p: Any) -> FloatArray:
        """The flat vector (N,), or (B, N) for a batch: U and V in turn, each in C order.

        Args:
            p: A point or a batch.
        """
        return self._flat(self._point(p))

    @staticmethod
    def _flat(blocks: Factors) -> FloatArray:
        return np.concatenate([block.reshape(*block.shape[:-2], -1) for block in blocks], axis=-1)

    def unpack(self, x: Any) -> Factors:
        """The point of a flat vector (N,), or the batch of (B, N); the width follows from N.

        Args:
            x: Packed parameters.
        """
        flat = check.as_real("x", x)
        rows = self.n_outputs + self.n_inputs
        if flat.ndim not in (1, 2) or flat.shape[-1] % rows:
            raise ValueError(f"x must be (N,) or (B, N) with N a multiple of {rows}, got {flat.shape}")
        flat = check.as_contiguous(flat)
        check.check_finite("x", flat)
        return self._unpack(flat)

    def _unpack(self, flat: FloatArray) -> Factors:
        width = flat.shape[-1] // (self.n_outputs + self.n_inputs)
        split = self.n_outputs * width
        lead = flat.shape[:-1]
        u = np.ascontiguousarray(flat[..., :split]).reshape(*lead, self.n_outputs, width)
        v = np.ascontiguousarray(flat[..., split:]).reshape(*lead, self.n_inputs, width)
        return u, v

    def _pair(self, p: Any, d: Any) -> tuple[Factors, Factors]:
        point, direction = self._point(p), self._point(d, "d")
        if point[0].shape[-1] != direction[0].shape[-1]:
            raise ValueError(f"d must have the width of p, {point[0].shape[-1]}, got {direction[0].shape[-1]}")
        if point[0].ndim == direction[0].ndim == 3 and len(point[0]) != len(direction[0]):
            raise ValueError(f"d must have the batch size of p, {len(point[0])}, got {len(direction[0])}")
        return point, direction

    # ------------------------------------------------------------------------------------- value and derivatives

    def value(self, p: Any, *, n_threads: int | None = None) -> float | FloatArray:
        """f(U, V).

        Args:
            p: A point (U, V), or a batch.
            n_threads: Threads; None is all of them.

        Returns:
            A float, or (B,) for a batch.

        Raises:
            TypeError: For what is no pair of real arrays.
            ValueError: For wrong shapes, NaN or infinity.
        """
        u, v = self._point(p)
        values = self._core.value(u, v, self._threads(n_threads))
        return values if u.ndim == 3 else float(values[0])

    def gradient(self, p: Any, *, n_threads: int | None = None) -> Factors:
        """(G V + λ U, Gᵀ U + λ V) with G the slopes of the losses; with X (Gᵀ X V + λ U, Xᵀ G U + λ V).

        Args:
            p: A point or a batch.
            n_threads: Threads; None is all of them.

        Returns:
            Shaped like ``p``.
        """
        return self.value_and_gradient(p, n_threads=n_threads)[1]

    def value_and_gradient(self, p: Any, *, n_threads: int | None = None) -> tuple[float | FloatArray, Factors]:
        """Both from one pass over the observed entries.

        Args:
            p: A point or a batch.
            n_threads: Threads; None is all of them.
        """
        u, v = self._point(p)
        values, g_u, g_v = self._core.gradient(u, v, self._threads(n_threads))
        return values if u.ndim == 3 else float(values[0]), (g_u, g_v)

    def hessian(self, p: Any, *, n_threads: int | None = None) -> HessianOperator:
        """The Hessian at a point as a SciPy ``LinearOperator`` (N, N); for the Huber loss that of the smooth piece.

        Args:
            p: A single point.
            n_threads: Threads of its products; None is all of them.
        """
        u, v = self._single(p)
        threads = self._threads(n_threads)
        return HessianOperator(core.FactorizationHessian(self._core, u, v, threads), u.size + v.size, threads)

    def hvp(self, p: Any, d: Any, *, n_threads: int | None = None) -> Factors:
        """The Hessian at p times d.

        Args:
            p: A point or a batch.
            d: A direction or a batch; one p with many d, many p with one d, or pairwise.
            n_threads: Threads; None is all of them.
        """
        point, direction = self._pair(p, d)
        return self._unpack(self._products(point, direction, n_threads))

    def _products(self, point: Factors, direction: Factors, n_threads: int | None) -> FloatArray:
        threads, flat = self._threads(n_threads), self._flat(direction)
        if point[0].ndim == 2:
            return core.FactorizationHessian(self._core, *point, threads).apply(flat, threads)
        rows = np.broadcast_to(flat, (len(point[0]), flat.shape[-1]))
        return np.stack(
            [
                core.FactorizationHessian(self._core, u, v, threads).apply(np.ascontiguousarray(row), threads)
                for u, v, row in zip(*point, rows, strict=True)
            ]
        )

    def curvature(self, p: Any, d: Any, *, n_threads: int | None = None) -> float | FloatArray:
        """d²/dt² f(p + t d) at t = 0.

        Args:
            p: A point or a batch.
            d: A direction or a batch; broadcasts as :meth:`hvp`.
            n_threads: Threads; None is all of them.
        """
        point, direction = self._pair(p, d)
        values = np.einsum("...i,...i->...", self._products(point, direction, n_threads), self._flat(direction))
        return values if values.ndim else float(values)

    def predict(self, p: Any, X: Any = None) -> FloatArray:
        """U Vᵀ, (n2, n0); with data the predictions X V Uᵀ of new rows X.

        Args:
            p: A single point.
            X: New data (k, n0), for problems with data; None predicts the data of the problem.
        """
        u, v = self._single(p)
        if self.X is None:
            if X is not None:
                raise ValueError("X must be None: this problem has no data")
            return np.asarray(u @ v.T)
        rows = self.X if X is None else check.as_array("X", X, "(k, n0)", (None, self.n_inputs))
        return np.asarray(rows @ v @ u.T)

    def predict_entries(self, p: Any, rows: Any, columns: Any) -> FloatArray:
        """Entries of U Vᵀ, without forming it.

        Args:
            p: A single point of a problem without data.
            rows: Row indices (k,).
            columns: Column indices (k,).
        """
        u, v = self._single(p)
        if self.X is not None:
            raise ValueError("predict_entries is for problems without data X")
        i = check.as_indices("rows", rows, self.n_outputs)
        j = check.as_indices("columns", columns, self.n_inputs)
        if i.shape != j.shape:
            raise ValueError(f"rows and columns must have one shape, got {i.shape} and {j.shape}")
        return np.asarray(np.einsum("...k,...k->...", u[i], v[j]))

    # ------------------------------------------------------------------------------------------------ duality

    def polar(
        self, p: Any, *, tol: float | None = None, failure_probability: float = 1e-9, n_threads: int | None = None
    ) -> PolarBounds:
        """Both sides of the largest singular value of the residual E = -G (with X of Gᵀ X), the polar of Ω at -G.

        A point where it is at most λ, and that is radially stationary, is a global minimum over all widths (Corollary
        1.6); above λ its pair of singular vectors is a unit that lowers the objective.

        Args:
            p: A single point.
            tol: Relative distance of the two bounds to aim for; None is 1e-6, or 1e-3 where only a probabilistic bound
                is affordable.
            failure_probability: Of a probabilistic bound.
            n_threads: Threads; None is all of them.
        """
        point = self._single(p)
        chance = self._chance(failure_probability)
        problem = self._problem
        g = problem.slopes(problem.prediction(point)[0])
        return self._bounds(problem.matrix(-g), point[1], tol, chance, n_threads)

    @staticmethod
    def _chance(value: Any) -> float:
        chance = check.as_float("failure_probability", value, positive=True)
        if chance >= 0.01:
            raise ValueError(f"failure_probability must be below 0.01, got {chance}")
        return chance

    def _bounds(
        self, matrix: Any, start: FloatArray, tol: float | None, failure_probability: float, n_threads: int | None
    ) -> PolarBounds:
        return polar_bounds(
            matrix,
            start=start,
            tol=tol,
            failure_probability=failure_probability,
            seed=self._polar_seed(start),
            n_threads=self._threads(n_threads),
        )

    def _polar_seed(self, start: FloatArray) -> int:
        """Of the starts of a probabilistic bound: it follows from the problem and the point, so nobody chooses it."""
        text = self._fingerprint + point_fingerprint((start,)) + "polar"
        return int(hashlib.sha256(text.encode()).hexdigest()[:16], 16)

    @functools.cached_property
    def _fingerprint(self) -> str:
        return data_fingerprint(self)

    @functools.cached_property
    def lambda_max(self) -> float:
        """The smallest λ for which zero is the global minimum: the largest singular value of the residual at zero."""
        return self.polar((np.zeros((self.n_outputs, 0)), np.zeros((self.n_inputs, 0)))).lower

    def certify(
        self, p: Any, *, tol: float = 1e-6, failure_probability: float = 1e-9, n_threads: int | None = None
    ) -> Certificate:
        """How far a point is from the minimum over all factors of all widths, proved (THEORY 6).

        Any factors qualify, however they were found (:func:`from_factors`). The lower bound is that of the dual point
        s G at the radially rebalanced point, where G are the slopes of the losses and s |G|₂ ≤ λ by proof.

        Args:
            p: A single point.
            tol: GLOBAL if the proved gap is at most tol times the value at zero.
            failure_probability: Where the residual is too large for a deterministic bound of its norm, the bound is
                probabilistic and false with at most this probability; the certificate says so.
            n_threads: Threads; None is all of them.

        Returns:
            A :class:`Certificate`, which :func:`verify` re-checks in NumPy.
        """
        tol = check.as_float("tol", tol, positive=True)
        chance = self._chance(failure_probability)
        return self._certify(self._single(p), tol, chance, n_threads)

    def _certify(
        self, point: Factors, tol: float, chance: float, n_threads: int | None, wanted: float = 0.0
    ) -> Certificate:
        return proof.certify(
            self,
            point,
            tol,
            lambda matrix, start, accuracy: self._bounds(matrix, start, accuracy, chance, n_threads),
            wanted=wanted,
        )

    def classify(self, p: Any, *, tol: float = 1e-6, n_threads: int | None = None) -> StationaryPoint:
        """What a point is, at its width and over all widths (THEORY 4).

        A stationary point is a global minimum over all widths if the largest singular value of its residual is at most
        λ, which is proved by :meth:`certify`. Otherwise a wider factorisation is better; at the width itself it is a
        strict saddle if some direction bends down (an unused hidden direction, or a used one that is exchanged for the
        missed singular pair), else a local minimum that must widen.

        Args:
            p: A single point.
            tol: Relative gradient below which the point counts as stationary, and relative gap of a global minimum.
            n_threads: Threads; None is all of them.

        Returns:
            A :class:`StationaryPoint`.
        """
        tol = check.as_float("tol", tol, positive=True)
        return classify(self, self._single(p), tol, n_threads)

    # ------------------------------------------------------------------------------------------------ solving

    def solve(
        self,
        tol: float = 1e-6,
        *,
        rank_max: int | None = None,
        max_seconds: float | None = None,
        start: Any = None,
        seed: int | np.random.Generator = 0,
        progress: bool = False,
        failure_probability: float = 1e-9,
        n_threads: int | None = None,
    ) -> Solution:
        """The global minimum over all factors of all widths, with its proof; the rank is found on the way.

        Rounds of descent at fixed width, singular values of the residual, insertion of the pairs above λ and pruning,
        until the proved relative gap is at most ``tol``. The objective never rises. A completely observed squared
        problem without weights and data is solved in closed form, by singular value thresholding (Corollary 1.6).

        Args:
            tol: Relative gap (value - lower bound) / value to prove.
            rank_max: Largest width; None leaves it to the problem.
            max_seconds: Stop after this time; the best point comes back with what is proved of it, and that certificate
                takes its own time. The closed form is not interrupted.
            start: A point to start from; ``"random"`` draws one of width 10 (or ``rank_max``); None starts from zero.
                The closed form needs none.
            seed: Of the random vectors that look for singular values.
            progress: Show a progress bar (needs tqdm).
            failure_probability: As in :meth:`certify`.
            n_threads: Threads; None is all of them.

        Returns:
            A :class:`Solution`. Ctrl-C ends the solver and returns the best point so far.

        Raises:
            ValueError: For arguments out of range, or a start that does not fit.
        """
        limit = None if rank_max is None else check.as_int("rank_max", rank_max, minimum=1)
        number = check.as_seed("seed", seed)
        begin = self._random_start(limit, number) if isinstance(start, str) else start
        begin = None if begin is None else self._single(begin, "start")
        if begin is not None and limit is not None and begin[0].shape[1] > limit:
            raise ValueError(f"start must have at most rank_max = {limit} columns, got {begin[0].shape[1]}")
        if isinstance(start, str):
            check.as_choice("start", start, ("random",))
        return solve(
            self,
            tol=check.as_float("tol", tol, positive=True),
            rank_max=limit,
            max_seconds=None if max_seconds is None else check.as_float("max_seconds", max_seconds, positive=True),
            start=begin,
            seed=number,
            progress=check.as_bool("progress", progress),
            failure_probability=self._chance(failure_probability),
            n_threads=n_threads,
        )

    def _random_start(self, limit: int | None, seed: int) -> Factors:
        """Gaussian factors whose product has entries of about the size of the targets."""
        rng = np.random.default_rng(seed)
        width = min(10, self.n_outputs, self.n_inputs, *([] if limit is None else [limit]))
        size = float(np.sqrt(np.mean(self._data.targets**2))) if self.n_observed else 1.0
        factor = (size / np.sqrt(width)) ** 0.5
        return (
            factor * rng.standard_normal((self.n_outputs, width)),
            factor * rng.standard_normal((self.n_inputs, width)),
        )

    @property
    def _slice_coefficients(self) -> Any:
        """What ``slice`` calls where the objective is a polynomial, else None."""
        if self.loss.name != "squared":
            return None
        return lambda p, d1, d2, n_threads=None: factorization_coefficients(self._problem, p, d1, d2)

    def path(self, lams: Any = 20, *, tol: float = 1e-6, **settings: Any) -> list[Solution]:
        """Solutions along a regularisation path, each started from the one before, from the largest λ down.

        Args:
            lams: Positive values of λ, or how many between λ_max and λ_max / 100, spaced geometrically.
            tol: As in :meth:`solve`.
            **settings: Further arguments of :meth:`solve`.

        Returns:
            One solution per λ, in descending order of λ; ``solution.certificate`` is for that λ.
        """
        return regularisation_path(self, lams, tol, settings)

    def descent_path(self, p: Any, solution: Solution | None = None) -> FactorizationPath:
        """A path from any point to a certified minimum on which the objective never rises (THEORY 5.5).

        The two points side by side, (√(1-t) U, √t U*) and likewise V: the prediction is the straight line between
        theirs and so is the penalty, hence the objective is convex in t, with its minimum at the end.

        Args:
            p: A single point.
            solution: Where to go; None solves the problem first.

        Returns:
            A :class:`FactorizationPath`; its ``verify`` evaluates the objective along the way.
        """
        point = self._single(p)
        if solution is not None and not isinstance(solution, Solution):
            raise TypeError(f"solution must be a Solution, got {type(solution).__name__}")
        target = self.solve() if solution is None else solution
        if target.certificate.data_fingerprint != self._fingerprint:
            raise ValueError("solution must be of this problem: its data or its lam differ")
        return FactorizationPath(self, point, self._single(target.point, "solution"))
