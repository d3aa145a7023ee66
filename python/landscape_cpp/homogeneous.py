"""Positively homogeneous networks with weight decay, above all ReLU networks: where a point is, how far from the best.

    P(w) = Σ l(z_i, y_i) + λ Θ(w)      Z = act(X V) Uᵀ      Θ = ½ (|U|² + |V|²)

summed over the samples (scaling B; the squared loss with its ½). The minimum over all weights of all widths is that of
a convex problem (Theorems 1.9 and 1.10), so a duality gap can be proved for anybody's weights.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import _network_certificate as proof
from . import _validation as check
from ._dispatch import core
from ._factorization_data import Loss
from ._factorization_results import PolarBounds, Solution, StationaryPoint
from ._fingerprints import network_fingerprint
from ._network_classify import classify
from ._network_data import Unit, network_data
from ._network_omega import OmegaBounds, omega
from ._network_path import NetworkPath, descent_path, slide_path
from ._network_polar import METHODS, PolarSettings, methods_for, network_polar
from ._network_problem import NetworkProblem
from ._network_solve import solve_network
from ._regularisation_path import regularisation_path
from ._validation import FloatArray, Layers
from .curvature import HessianOperator
from .results import Certificate

__all__ = ["ParallelNetwork"]


class ParallelNetwork:
    """The landscape of r parallel units (or subnetworks) with weight decay, for any r.

    Args:
        X: Samples (m, n0).
        Y: Targets (m,) or (m, nL). For ``"logistic"`` and ``"squared_hinge"`` labels of two classes, or a matrix of -1
            and 1; for ``"softmax"`` class labels, or rows of probabilities.
        lam: λ, positive.
        unit: The activation: ``"relu"``, ``"leaky_relu"`` (see ``slope``), ``"abs"``, ``"linear"``, ``"squared_relu"``
            max(t, 0)², ``"quadratic"`` t².
        loss: Summed over the samples: ``"squared"`` ½ |z - y|², ``"huber"``, ``"logistic"`` log(1 + e^{-yz}),
            ``"squared_hinge"`` ½ max(0, 1 - yz)², ``"softmax"`` cross-entropy.
        depth: L: 2 is one hidden layer. Deeper subnetworks need ``hidden``.
        bias: True appends a column of ones to X, whose weights are penalised like the others; ``"free"`` leaves them
            out of Θ (as scikit-learn does), which needs ``intercept=True`` and a unit of power 1.
        intercept: True adds an output intercept b without penalty, ``"penalized"`` one with λ/2 |b|² (as PyTorch's
            weight decay on all parameters).
        hidden: (n1, ..., n_{L-1}): hidden widths of one subnetwork W^L act(... act(W^1 x)), L = ``depth``.
        slope: a of the leaky ReLU max(t, a t); 0.01 as in PyTorch.
        delta: δ of the Huber loss, in units of Y; 1.
        penalty: Θ, see below: ``"sum"`` is weight decay, ``"product"`` the form that does not depend on how the weights
            of a unit are balanced.

    Points are (U (nL, r), V (d, r)), prediction act(X V) Uᵀ, unit i column i, d = n0 (+ 1 with the bias). With
    ``hidden`` they are (W1, ..., WL), W_l (r, n_l, n_{l-1}). With an intercept, b (nL,) comes last. A batch has a
    leading axis on each.

    Θ is ½ Σ (|u|² + |v|²) for units of degree 2, ⅓ Σ (|u|³ + 2 |v|³) for the squared ones, (1/L) Σ |W_l|_F^L for
    subnetworks: plain weight decay would have another degree than these and no convex problem behind it. With
    ``penalty="product"`` it is Σ |u| |v|, Σ |u| |v|² or Σ Π |W_l|_F, the value of the sum once a unit is balanced.

    Raises:
        TypeError: For what is no array of real numbers.
        ValueError: For shapes that do not fit, NaN, wrong labels, options that do not go together.

    Example:
        THEORY 8: one unit fits (1, -1) -> (3, 1) best at λ = 1, and the objective is 3.

        >>> import numpy as np
        >>> nn = ParallelNetwork(np.array([[1.0], [-1.0]]), np.array([3.0, 1.0]), lam=1.0)
        >>> p = (np.array([[np.sqrt(2.0)]]), np.array([[np.sqrt(2.0)]]))
        >>> certificate = nn.certify(p)
        >>> round(certificate.value, 9), round(certificate.lower_bound, 9), str(certificate.verdict)
        (3.0, 3.0, 'GLOBAL')

    References:
        THEORY 5 to 7; the chapter's Definition 1.7, Proposition 1.8, Theorems 1.9 and 1.10.
    """

    def __init__(
        self,
        X: Any,
        Y: Any,
        lam: float,
        unit: str = "relu",
        loss: str = "squared",
        depth: int = 2,
        bias: bool | str = False,
        intercept: bool | str = False,
        *,
        hidden: Sequence[int] | None = None,
        slope: float | None = None,
        delta: float | None = None,
        penalty: str = "sum",
    ) -> None:
        """Check and keep a copy of the data."""
        self._lam = check.as_float("lam", lam, positive=True)
        self._data = network_data(X, Y, unit, loss, depth, hidden, bias, intercept, slope, delta, penalty)
        proof.finite_value(self._problem, self._zero(), "Y is too large: the objective overflows at zero")

    # ------------------------------------------------------------------------------------------------ the data

    @property
    def lam(self) -> float:
        """λ, the multiplier of Θ."""
        return self._lam

    @property
    def inputs(self) -> FloatArray:
        """X (m, d), with the column of ones where there is one."""
        return self._data.inputs

    @property
    def targets(self) -> FloatArray:
        """Y (m, nL), labels as ±1 or one-hot rows."""
        return self._data.targets

    @property
    def classes(self) -> Any:
        """The labels behind the targets, or None."""
        return self._data.classes

    @property
    def unit(self) -> Unit:
        """The activation."""
        return self._data.unit

    @property
    def loss(self) -> Loss:
        """The loss."""
        return self._data.loss

    @property
    def hidden(self) -> tuple[int, ...]:
        """Hidden widths of a subnetwork; empty for single units."""
        return self._data.hidden

    @property
    def depth(self) -> int:
        """L."""
        return len(self.hidden) + 1 if self.hidden else 2

    @property
    def bias(self) -> bool | str:
        """Whether X has a column of ones appended; ``"free"`` if its weights have no penalty."""
        return self._data.bias

    @property
    def intercept(self) -> bool | str:
        """Whether there is an output intercept: False, True (without penalty) or ``"penalized"``."""
        return self._data.intercept

    @property
    def penalty(self) -> str:
        """``"sum"`` or ``"product"``."""
        return self._data.penalty

    @property
    def n_samples(self) -> int:
        """m."""
        return len(self.inputs)

    @property
    def n_inputs(self) -> int:
        """d, columns of X with the one of ones."""
        return int(self.inputs.shape[1])

    @property
    def n_outputs(self) -> int:
        """nL."""
        return int(self.targets.shape[1])

    def shapes(self, width: int) -> tuple[tuple[int, ...], ...]:
        """Shapes of the blocks of a point of a width.

        Args:
            width: r, not negative.
        """
        return self._shapes(check.as_int("width", width, minimum=0))

    def _shapes(self, r: int) -> tuple[tuple[int, ...], ...]:
        if self.hidden:
            sizes = (self.n_inputs, *self.hidden, self.n_outputs)
            blocks: tuple[tuple[int, ...], ...] = tuple((r, sizes[i + 1], sizes[i]) for i in range(len(sizes) - 1))
        else:
            blocks = ((self.n_outputs, r), (self.n_inputs, r))
        return (*blocks, (self.n_outputs,)) if self.intercept else blocks

    def _zero(self) -> Layers:
        return tuple(np.zeros(shape) for shape in self._shapes(0))

    def __repr__(self) -> str:
        """Sizes, unit, loss and λ."""
        what = f"{self.n_samples} samples, {self.n_inputs} -> {self.n_outputs}, {self.unit.name}, {self.loss.name}"
        extra = f", hidden={self.hidden}" if self.hidden else ""
        extra += "".join(f", {name}={getattr(self, name)}" for name in ("bias", "intercept") if getattr(self, name))
        return f"ParallelNetwork({what}{extra}, lam={self._lam:g})"

    def with_lam(self, lam: float) -> ParallelNetwork:
        """The same data with another λ.

        Args:
            lam: Positive.
        """
        other = object.__new__(ParallelNetwork)
        other._lam, other._data = check.as_float("lam", lam, positive=True), self._data
        return other

    @functools.cached_property
    def _problem(self) -> NetworkProblem:
        """The formulas in NumPy, for certificates."""
        return NetworkProblem(self)

    @functools.cached_property
    def _core(self) -> core.ParallelNetwork:
        unit, loss = self.unit, self.loss
        return core.ParallelNetwork(
            self.inputs, self.targets, loss.name, loss.delta, self._lam, bool(self.intercept),
            self.intercept == "penalized", self.bias == "free", unit.slope, unit.power, list(self.hidden),
            self.penalty == "product",
        )  # fmt: skip

    @functools.cached_property
    def _fingerprint(self) -> str:
        return network_fingerprint(self)

    def __getstate__(self) -> dict[str, Any]:
        """λ and the data; what is compiled is made again."""
        return {"_lam": self._lam, "_data": self._data}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore, with data that nobody can write to."""
        self._lam, self._data = state["_lam"], state["_data"]
        self._data.lock()

    # ------------------------------------------------------------------------------------------------ points

    def _labels(self) -> tuple[str, ...]:
        blocks = tuple(f"W{i + 1}" for i in range(self.depth)) if self.hidden else ("U", "V")
        return (*blocks, "b") if self.intercept else blocks

    def _point(self, p: Any, name: str = "p") -> Layers:
        labels = self._labels()
        if isinstance(p, np.ndarray) or not isinstance(p, (tuple, list)):
            raise TypeError(f"{name} must be a tuple ({', '.join(labels)}) of arrays, got {type(p).__name__}")
        if len(p) != len(labels):
            raise ValueError(f"{name} must have the {len(labels)} blocks ({', '.join(labels)}), got {len(p)}")
        blocks = []
        for index, (block, label) in enumerate(zip(p, labels, strict=True)):
            array = check.as_contiguous(check.as_real(f"{name}[{index}] ({label})", block))
            check.check_finite(f"{name}[{index}] ({label})", array)
            blocks.append(array)
        single = [len(shape) for shape in self._shapes(0)]
        batched = blocks[0].ndim == single[0] + 1
        width_axis = (1 if batched else 0) if self.hidden else -1
        if blocks[0].ndim not in (single[0], single[0] + 1):
            raise ValueError(f"{name}[0] ({labels[0]}) must be {self._expected(0)}, got shape {blocks[0].shape}")
        width = blocks[0].shape[width_axis]
        lead = blocks[0].shape[:1] if batched else ()
        for index, (block, shape) in enumerate(zip(blocks, self._shapes(width), strict=True)):
            if block.shape != (*lead, *shape):
                wanted = self._expected(index)
                raise ValueError(
                    f"{name}[{index}] ({labels[index]}) must be {wanted}, here {(*lead, *shape)}, got {block.shape}"
                )
        return tuple(blocks)

    def _expected(self, index: int) -> str:
        shape = [str(n) for n in self._shapes(0)[index]]
        if not (self.intercept and index == len(self._labels()) - 1):
            shape[0 if self.hidden else 1] = "r"
        one = f"({', '.join(shape)}{',' if len(shape) == 1 else ''})"
        return f"{one} or (B, {', '.join(shape)})"

    def _single(self, p: Any, name: str = "p") -> Layers:
        point = self._point(p, name)
        if point[0].ndim != len(self._shapes(0)[0]):
            raise ValueError(f"{name} must be a single point, got a batch of {len(point[0])}")
        return point

    def _batched(self, point: Layers) -> bool:
        return point[0].ndim == len(self._shapes(0)[0]) + 1

    def _width(self, point: Layers) -> int:
        if self.hidden:
            return int(point[0].shape[1 if self._batched(point) else 0])
        return int(point[0].shape[-1])

    def pack(self, p: Any) -> FloatArray:
        """The flat vector (N,), or (B, N) for a batch: the blocks in turn, each in C order.

        Args:
            p: A point or a batch.
        """
        return self._flat(self._point(p))

    def _flat(self, blocks: Layers) -> FloatArray:
        lead = blocks[0].shape[:1] if self._batched(blocks) else ()
        return np.concatenate([block.reshape(*lead, -1) for block in blocks], axis=-1)

    def unpack(self, x: Any) -> Layers:
        """The point of a flat vector (N,), or the batch of (B, N); the width follows from N.

        Args:
            x: Packed parameters.
        """
        flat = check.as_real("x", x)
        fixed = self.n_outputs if self.intercept else 0
        per_unit = sum(int(np.prod(shape)) for shape in self._shapes(1)) - fixed
        if flat.ndim not in (1, 2) or flat.shape[-1] < fixed or (flat.shape[-1] - fixed) % per_unit:
            raise ValueError(
                f"x must be (N,) or (B, N) with N = {fixed} + {per_unit} r, got {flat.shape}"
                if fixed
                else f"x must be (N,) or (B, N) with N a multiple of {per_unit}, got {flat.shape}"
            )
        flat = check.as_contiguous(flat)
        check.check_finite("x", flat)
        return self._unpack(flat)

    def _unpack(self, flat: FloatArray) -> Layers:
        fixed = self.n_outputs if self.intercept else 0
        per_unit = sum(int(np.prod(shape)) for shape in self._shapes(1)) - fixed
        return self._split(flat, (flat.shape[-1] - fixed) // per_unit)

    def _split(self, flat: FloatArray, width: int) -> Layers:
        """The blocks of packed parameters, with the leading axes of ``flat``."""
        shapes = self._shapes(width)
        ends = np.cumsum([int(np.prod(shape)) for shape in shapes])[:-1]
        parts = zip(np.split(flat, ends, axis=-1), shapes, strict=True)
        return tuple(np.ascontiguousarray(part).reshape(*flat.shape[:-1], *shape) for part, shape in parts)

    def _pair(self, p: Any, d: Any) -> tuple[Layers, Layers]:
        point, direction = self._point(p), self._point(d, "d")
        if self._width(point) != self._width(direction):
            raise ValueError(f"d must have the width of p, {self._width(point)}, got {self._width(direction)}")
        if self._batched(point) and self._batched(direction) and len(point[0]) != len(direction[0]):
            raise ValueError(f"d must have the batch size of p, {len(point[0])}, got {len(direction[0])}")
        return point, direction

    # ------------------------------------------------------------------------------------- value and derivatives

    def value(self, p: Any, *, n_threads: int | None = None) -> float | FloatArray:
        """P(w).

        Args:
            p: A point or a batch.
            n_threads: Threads; None is all of them.

        Returns:
            A float, or (B,) for a batch.

        Raises:
            TypeError: For what is no tuple of real arrays.
            ValueError: For wrong shapes, NaN or infinity.
        """
        point = self._point(p)
        rows = np.atleast_2d(self._flat(point))
        values = self._core.value(rows, self._width(point), check.as_threads(n_threads))
        return values if self._batched(point) else float(values[0])

    def gradient(self, p: Any, *, n_threads: int | None = None) -> Layers:
        """(Gᵀ H + λ Θ_U, Xᵀ (act'(X V) ∘ G U) + λ Θ_V), H = act(X V), G the slopes of the losses; the left-hand
        derivative of act where X V is zero, as PyTorch has it for the ReLU.

        Args:
            p: A point or a batch.
            n_threads: Threads; None is all of them.

        Returns:
            Shaped like ``p``.
        """  # noqa: D205
        return self.value_and_gradient(p, n_threads=n_threads)[1]

    def value_and_gradient(self, p: Any, *, n_threads: int | None = None) -> tuple[float | FloatArray, Layers]:
        """Both from one pass over the samples.

        Args:
            p: A point or a batch.
            n_threads: Threads; None is all of them.
        """
        point = self._point(p)
        rows = np.atleast_2d(self._flat(point))
        values, gradients = self._core.gradient(rows, self._width(point), check.as_threads(n_threads))
        if self._batched(point):
            return values, self._split(gradients, self._width(point))
        return float(values[0]), self._split(gradients[0], self._width(point))

    def hessian(self, p: Any, *, n_threads: int | None = None) -> HessianOperator:
        """The Hessian at a point as a SciPy ``LinearOperator`` (N, N), that of the smooth piece the point lies on.

        It is exact off the kinks of the activation, see :meth:`kink_margin`.

        Args:
            p: A single point.
            n_threads: Threads of its products; None is all of them.
        """
        point = self._single(p)
        threads = check.as_threads(n_threads)
        flat = self._flat(point)
        return HessianOperator(core.ParallelHessian(self._core, flat, self._width(point)), flat.size, threads)

    def hvp(self, p: Any, d: Any, *, n_threads: int | None = None) -> Layers:
        """The Hessian at p times d (THEORY 10), off the kinks of the activation.

        Args:
            p: A point or a batch.
            d: A direction or a batch; one p with many d, many p with one d, or pairwise.
            n_threads: Threads; None is all of them.
        """
        point, direction = self._pair(p, d)
        return self._split(self._products(point, direction, n_threads), self._width(point))

    def _products(self, point: Layers, direction: Layers, n_threads: int | None) -> FloatArray:
        threads, width = check.as_threads(n_threads), self._width(point)
        at, along = self._flat(point), self._flat(direction)
        if at.ndim == 1:
            return core.ParallelHessian(self._core, at, width).apply(along, threads)
        rows = np.broadcast_to(along, at.shape)
        hessians = (core.ParallelHessian(self._core, np.ascontiguousarray(own), width) for own in at)
        products = [
            hessian.apply(np.ascontiguousarray(row), threads) for hessian, row in zip(hessians, rows, strict=True)
        ]
        return np.stack(products)

    def curvature(self, p: Any, d: Any, *, n_threads: int | None = None) -> float | FloatArray:
        """d²/dt² P(p + t d) at t = 0, off the kinks of the activation.

        Args:
            p: A point or a batch.
            d: A direction or a batch; broadcasts as :meth:`hvp`.
            n_threads: Threads; None is all of them.
        """
        point, direction = self._pair(p, d)
        values = np.einsum("...i,...i->...", self._products(point, direction, n_threads), self._flat(direction))
        return values if values.ndim else float(values)

    def kink_margin(self, p: Any) -> float:
        """min |x_i · v_k| / (|x_i| |v_k|) over samples and units: 0 on a kink, where the Hessian is not defined.

        Args:
            p: A single point.

        Returns:
            Infinity for units without kinks.
        """
        point = self._single(p)
        return float(self._core.kink_margin(self._flat(point), self._width(point)))

    def predict(self, p: Any, X: Any = None) -> FloatArray:
        """Outputs (k, nL), logits for the classification losses.

        Args:
            p: A single point.
            X: New samples (k, n0), without the column of ones; None predicts the data of the problem.
        """
        point = self._single(p)
        rows = self.inputs if X is None else self._with_bias(X)
        return np.asarray(self._core.predict(self._flat(point), self._width(point), rows))

    def _with_bias(self, X: Any) -> FloatArray:
        columns = self.n_inputs - int(bool(self.bias))
        rows = check.as_array("X", X, "(k, n0)", (None, columns))
        return np.hstack([rows, np.ones((len(rows), 1))]) if self.bias else rows

    # ------------------------------------------------------------------------------------------------ duality

    def theta(self, p: Any) -> float:
        """Θ(w), without λ.

        Args:
            p: A single point.
        """
        return self._problem.theta(self._single(p))

    def rebalance(self, p: Any) -> Layers:
        """The point with the same function and the smallest Θ: the factors of every unit of equal norm (THEORY 5.2).

        Args:
            p: A single point.
        """
        point = self._single(p)
        b = point[-1] if self.intercept else np.zeros(self.n_outputs)
        return proof.rebalanced(self._problem, point, 1.0, b)

    def polar(
        self,
        p: Any = None,
        *,
        Q: Any = None,
        method: str = "auto",
        tol: float = 1e-3,
        starts: int = 256,
        max_nodes: int = 1000,
        max_seconds: float | None = None,
        seed: int | np.random.Generator = 0,
        n_threads: int | None = None,
    ) -> PolarBounds:
        """Both sides of Ω°(Q) = max over |v| = 1 of |Qᵀ act(X v)|₂, at Q = -∂L/∂Z of a point or at any Q (THEORY 7).

        Where it is at most λ, and the point is radially stationary, the point is a global minimum over all widths
        (Theorem 1.9); above λ its unit lowers the objective.

        Args:
            p: A single point; or give ``Q``.
            Q: (m, nL), or (m,) for one output.
            method: How the upper side is proved. ``"auto"``: ``"sweep"`` of the circle if the data have effective
                dimension 1 or 2 (n0 = 1 with a bias, too); ``"faces"``, exact enumeration, in three dimensions, in four
                and five with few samples; else the smallest of ``"spectral"`` |Q|₂ |X|₂, ``"shor"``, a diagonal
                semidefinite relaxation, and ``"branch-and-bound"`` on the signs of samples with doubly nonnegative
                relaxations (``"doubly-nonnegative"`` is its root alone). Linear, squared and deeper units have
                ``"spectral"`` bounds only, exact for linear units and coarse for deeper ones; units with a free bias
                have no branch and bound.
            tol: Relative distance of the two sides at which branch and bound stops.
            starts: Random starts of the ascent that looks for the lower side where no method is exact.
            max_nodes: Of the branch and bound; what is proved by then is returned.
            max_seconds: Of the enumeration or the branch and bound; None does not limit it.
            seed: Of the random starts.
            n_threads: Threads; None is all of them.

        Returns:
            :class:`PolarBounds`.

        Raises:
            ValueError: If a forced method does not apply.
        """
        if (p is None) == (Q is None):
            raise ValueError("give one of p and Q")
        if p is None:
            array = check.as_real("Q", Q)
            array = array[:, None] if array.ndim == 1 else array
            q = check.as_array("Q", array, "(m, nL)", (self.n_samples, self.n_outputs))
            known = np.zeros((0, self.n_inputs))
        else:
            point = self._single(p)
            problem = self._problem
            with np.errstate(over="ignore"):
                q = -problem.slopes(problem.prediction(point)[0])
            if not np.all(np.isfinite(q)):
                raise ValueError("p is too large: the objective overflows there")
            known = proof.unit_directions(problem, point)
        settings = self._polar_settings(method, tol, starts, max_nodes, max_seconds, seed)
        return network_polar(self._problem, np.ascontiguousarray(q), known, settings, check.as_threads(n_threads))

    def _polar_settings(
        self, method: Any, tol: Any, starts: Any, max_nodes: Any, max_seconds: Any, seed: Any
    ) -> PolarSettings:
        allowed = methods_for(self._problem)
        if check.as_choice("method", method, METHODS) not in allowed:
            what = "units with a free bias" if self.bias == "free" else f"{self.unit.name} units"
            what = "subnetworks" if self.hidden else what
            raise ValueError(f"method must be one of {', '.join(map(repr, allowed))} for {what}, got {method!r}")
        return PolarSettings(
            method=method,
            tol=check.as_float("tol", tol, positive=True),
            starts=check.as_int("starts", starts, minimum=0),
            max_nodes=check.as_int("max_nodes", max_nodes, minimum=1),
            max_seconds=np.inf if max_seconds is None else check.as_float("max_seconds", max_seconds, positive=True),
            seed=check.as_seed("seed", seed),
        )

    def omega(
        self,
        Z: Any,
        *,
        tol: float = 1e-6,
        max_rounds: int = 200,
        method: str = "auto",
        max_nodes: int = 1000,
        seed: int | np.random.Generator = 0,
        n_threads: int | None = None,
    ) -> OmegaBounds:
        """Both sides of Ω(Z), the smallest Θ of all networks of any width with outputs Z (Proposition 1.8).

        By column generation: exact to ``tol`` where the polar is exact, else as close as its bounds are. With an
        intercept Z counts up to a constant per output.

        Args:
            Z: Outputs (m, nL), or (m,) for one output.
            tol: Relative distance of the two sides to reach.
            max_rounds: Linear programs at most.
            method: Of the polar's upper side, see :meth:`polar`.
            max_nodes: See :meth:`polar`.
            seed: See :meth:`polar`.
            n_threads: Threads; None is all of them.

        Returns:
            :class:`OmegaBounds`; ``upper`` is infinite if no network with these outputs was found.

        Raises:
            ValueError: For deeper subnetworks, a free hidden bias and a penalised intercept.
        """
        if self.hidden or self.bias == "free" or self.intercept == "penalized":
            raise ValueError("omega is for single units with penalised biases, and an intercept without penalty if any")
        array = check.as_real("Z", Z)
        array = array[:, None] if array.ndim == 1 else array
        outputs = check.as_array("Z", array, "(m, nL)", (self.n_samples, self.n_outputs))
        settings = self._polar_settings(method, 1e-3 * tol, 256, max_nodes, None, seed)
        rounds = check.as_int("max_rounds", max_rounds, minimum=1)
        tolerance = check.as_float("tol", tol, positive=True)
        return omega(self._problem, outputs, tolerance, rounds, settings, check.as_threads(n_threads))

    @functools.cached_property
    def lambda_max(self) -> float:
        """The smallest λ for which zero (with the best intercept) is a global minimum, Ω° of the slopes there.

        The upper side of the bracket: at this λ and above it is proved. A penalised intercept depends on λ itself: then
        it is found by bisection.
        """
        if self.intercept != "penalized":
            return self._polar_at_zero()
        high = max(self.with_lam(1e-300)._polar_at_zero(), self.with_lam(1e300)._polar_at_zero())
        low = 0.0
        for _ in range(60):
            middle = 0.5 * (low + high)
            if not low < middle < high:
                break
            if self.with_lam(middle)._polar_at_zero() <= middle:
                high = middle
            else:
                low = middle
        return high

    def _polar_at_zero(self) -> float:
        """An upper bound of Ω° of the slopes at zero, with the best intercept."""
        problem = self._problem
        zero = np.zeros(self.targets.shape)
        _, b = proof.radial_fit(problem, zero, 0.0, np.zeros(self.n_outputs))
        g = problem.centred(problem.slopes(zero + b))
        off = problem.uncentred(g) + problem.dual_error(g)
        settings = PolarSettings(tol=1e-6)
        known = np.zeros((0, self.n_inputs))
        return network_polar(problem, -g, known, settings, check.as_threads(None)).upper + problem.polar_change(off)

    def certify(
        self,
        p: Any,
        *,
        tol: float = 1e-6,
        method: str = "auto",
        polar_tol: float = 1e-3,
        starts: int = 256,
        max_nodes: int = 1000,
        max_seconds: float | None = None,
        seed: int | np.random.Generator = 0,
        n_threads: int | None = None,
    ) -> Certificate:
        """How far a point is from the minimum over all weights of all widths, proved (THEORY 6).

        Any weights qualify, wherever they were trained (:func:`from_torch`, :func:`from_sklearn`). The lower bound is
        that of the dual point s G, G the slopes of the losses at the radially rebalanced point and s Ω°(-G) ≤ λ.

        Args:
            p: A single point.
            tol: GLOBAL if the proved gap is at most tol times the value at zero.
            method: Of the polar's upper bound, see :meth:`polar`.
            polar_tol: Relative distance of the two sides of the polar to aim for.
            starts: See :meth:`polar`.
            max_nodes: See :meth:`polar`.
            max_seconds: See :meth:`polar`.
            seed: See :meth:`polar`.
            n_threads: Threads; None is all of them.

        Returns:
            A :class:`Certificate`, which :func:`verify` re-checks in NumPy. Its witness, where it is NOT_GLOBAL, is a
            unit to add, or better weights.
        """
        tol = check.as_float("tol", tol, positive=True)
        settings = self._polar_settings(method, polar_tol, starts, max_nodes, max_seconds, seed)
        return proof.certify(self, self._single(p), tol, settings, check.as_threads(n_threads))

    def classify(self, p: Any, *, tol: float = 1e-6, n_threads: int | None = None) -> StationaryPoint:
        """What the point is: global minimum over all widths, local minimum of its width, strict saddle, not critical.

        Off the kinks of the activation the Hessian of the smooth piece decides; on a kink only what evaluating the
        objective shows, else the verdict is undetermined.

        Args:
            p: A single point.
            tol: Relative gradient (see :class:`Certificate`) at most which it counts as stationary; up to ten times
                that is undetermined. Also the relative gap within which it is the global minimum.
            n_threads: Threads; None is all of them.

        Returns:
            A :class:`StationaryPoint`.
        """
        point = self._single(p)
        return classify(self, point, check.as_float("tol", tol, positive=True), n_threads)

    # ------------------------------------------------------------------------------------------------ the way down

    def solve(
        self,
        tol: float = 1e-4,
        *,
        width_max: int | None = None,
        max_iter: int | None = None,
        max_seconds: float | None = None,
        start: Any = None,
        method: str = "auto",
        starts: int = 256,
        max_nodes: int = 200,
        seed: int | np.random.Generator = 0,
        progress: bool = False,
        n_threads: int | None = None,
    ) -> Solution:
        """Grow the network until its duality gap is proved: a minimum over all weights of all widths (Theorem 1.10).

        Rounds of the polar, which finds the units that are missing, several at once; of a convex step in all output
        weights (group lasso); of merging units of the same cell; and of Newton descent in all weights, held on the
        kinks it meets. The objective never rises. With the same data and λ it ends at the same objective, to the
        proved gap, from any start.

        Args:
            tol: The relative gap (P - lower bound) / P to prove.
            width_max: Units at most; None does not limit them (m nL + 1 always suffice).
            max_iter: Rounds at most, a budget that is the same on every machine; None leaves it to the solver.
            max_seconds: A budget; what is reached by then is returned, with the gap that is proved, which may take a
                second more.
            start: A point to begin from, of any width; None begins with no unit.
            method: Of the polar's upper side in the certificate, see :meth:`polar`.
            starts: Random starts of the search for new units, where no method is exact.
            max_nodes: Of the branch and bound of each certificate, see :meth:`polar`.
            seed: Of the random starts.
            progress: Show a progress bar (needs tqdm).
            n_threads: Threads; None is all of them.

        Returns:
            A :class:`Solution`. Its ``stop_reason`` is ``"converged"`` if the gap is proved; ``"width_limit"``,
            ``"max_steps"`` or ``"time_limit"``; ``"interrupted"`` by Ctrl-C, with the point reached; or ``"stalled"``:
            nothing was found that lowers the objective any more, and the bound of the polar is not sharp enough to
            prove the gap (beyond three effective dimensions, for squared units and deeper subnetworks).

        Raises:
            ValueError: For a start that does not fit, or is wider than ``width_max``.

        Example:
            THEORY 8: the minimum is 3, with one unit.

            >>> import numpy as np
            >>> nn = ParallelNetwork(np.array([[1.0], [-1.0]]), np.array([3.0, 1.0]), lam=1.0)
            >>> solution = nn.solve()
            >>> solution.width, round(solution.value, 9), str(solution.certificate.verdict)
            (1, 3.0, 'GLOBAL')
        """
        limit = None if width_max is None else check.as_int("width_max", width_max, minimum=0)
        seconds = None if max_seconds is None else check.as_float("max_seconds", max_seconds, positive=True)
        rounds = None if max_iter is None else check.as_int("max_iter", max_iter, minimum=1)
        tolerance = check.as_float("tol", tol, positive=True)
        settings = self._polar_settings(method, min(1e-3, tolerance), starts, max_nodes, None, seed)
        point = None if start is None else self._single(start, "start")
        if point is not None:
            proof.finite_value(self._problem, point, "start is too large: the objective overflows there")
            if limit is not None and self._width(point) > limit:
                raise ValueError(f"start must have at most width_max = {limit} units, got {self._width(point)}")
        return solve_network(
            self,
            tol=tolerance,
            width_max=limit,
            max_iter=rounds,
            max_seconds=seconds,
            start=point,
            settings=settings,
            progress=check.as_bool("progress", progress),
            n_threads=check.as_threads(n_threads),
        )

    def path(self, lams: Any = 20, *, tol: float = 1e-4, **settings: Any) -> list[Solution]:
        """Solutions along a regularisation path, each started from the one before, from the largest λ down.

        Args:
            lams: Positive values of λ, or how many between ``lambda_max`` and ``lambda_max`` / 100, geometrically.
            tol: As in :meth:`solve`.
            **settings: Further arguments of :meth:`solve`.

        Returns:
            One solution per λ, in descending order of λ; ``solution.certificate`` is for that λ.
        """
        return regularisation_path(self, lams, tol, settings)

    def descent_path(
        self,
        p: Any,
        solution: Solution | None = None,
        *,
        method: str = "meta",
        slide: str = "lp",
        steps: int = 100,
        insertions: int = 3,
        n_threads: int | None = None,
    ) -> NetworkPath:
        """A path from any network to a certified one on which the objective never rises (Theorem 1.10).

        It may pass through wider networks: units of weight zero are appended where they are needed.

        Args:
            p: A single point, of any width.
            solution: Where to go, from :meth:`solve` on this problem; None solves it first.
            method: ``"meta"``: rebalancing, local descent, slides to independent units and insertions of the polar's
                unit, in turn, then a blend with the solution. ``"blend"``: rebalancing, slide, blend.
            slide: ``"lp"``, one slide to a vertex of the linear program, or ``"null-vector"``, the steps of the
                chapter's proof.
            steps: Straight pieces of local descent at most.
            insertions: Units inserted on the way at most, before the blend.
            n_threads: Threads; None is all of them.

        Returns:
            A :class:`NetworkPath`; its ``verify`` evaluates the objective along the way, ``plot`` draws it.

        Raises:
            ValueError: For a solution of another problem.
        """
        point = self._single(p)
        proof.finite_value(self._problem, point, "p is too large: the objective overflows there")
        if solution is not None and not isinstance(solution, Solution):
            raise TypeError(f"solution must be a Solution, got {type(solution).__name__}")
        how = check.as_choice("method", method, ("meta", "blend"))
        sliding = check.as_choice("slide", slide, ("lp", "null-vector"))
        most, units = check.as_int("steps", steps, minimum=0), check.as_int("insertions", insertions, minimum=0)
        threads = check.as_threads(n_threads)
        target = self.solve(n_threads=n_threads) if solution is None else solution
        if target.certificate.data_fingerprint != self._fingerprint:
            raise ValueError("solution must be of this problem: its data or its lam differ")
        settings = PolarSettings(starts=64, max_nodes=1)
        end, lower = self._single(target.point, "solution"), target.certificate.lower_bound
        return descent_path(self, point, end, lower, how, sliding, most, units, settings, threads)

    def slide(self, p: Any, *, method: str = "lp") -> NetworkPath:
        """The plateau slide alone: fewer units, the same outputs, a penalty that does not rise (Figure 1.2).

        At a local minimum the objective is constant along it; it ends at the edge of the plateau, where the outputs of
        the units are independent.

        Args:
            p: A single point.
            method: ``"lp"``, to a vertex of min Σ c_k θ_k over amounts c of the units, or ``"null-vector"``.

        Returns:
            A :class:`NetworkPath`; ``end`` is the point with fewer units.
        """
        return slide_path(self, self._single(p), check.as_choice("method", method, ("lp", "null-vector")))
