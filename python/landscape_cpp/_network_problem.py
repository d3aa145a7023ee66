"""The objective and the dual of parallel homogeneous networks, with bounds of their rounding (THEORY 5, 6, 10).

    P(w) = Σ l(z_i, y_i) + λ Θ(w)       Z = act(X V) Uᵀ (+ 1 bᵀ),  or the sum of deeper subnetworks

NumPy and SciPy only: certificates are re-checked with it, so it shares nothing with the C++ core.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import scipy.special
from scipy.special import expit, xlog1py, xlogy

from ._validation import FloatArray, Layers
from ._verify_norms import UNIT, frobenius, gamma

__all__ = ["NetworkLike", "NetworkProblem"]

_LOSSES = ("squared", "huber", "logistic", "squared_hinge", "softmax")


class NetworkLike(Protocol):
    """What defines a parallel network, apart from its weights."""

    @property
    def inputs(self) -> FloatArray:
        """X (m, d), with the column of ones where there is one."""

    @property
    def targets(self) -> FloatArray:
        """Y (m, nL), labels as ±1 or one-hot rows."""

    @property
    def lam(self) -> float:
        """λ."""

    @property
    def loss(self) -> Any:
        """With a name and a delta."""

    @property
    def unit(self) -> Any:
        """With a slope and a power."""

    @property
    def hidden(self) -> tuple[int, ...]:
        """Hidden widths of a subnetwork, or none."""

    @property
    def bias(self) -> bool | str:
        """``"free"`` if the last column of X is ones and has no penalty."""

    @property
    def intercept(self) -> bool | str:
        """False, True, or ``"penalized"``."""

    @property
    def penalty(self) -> str:
        """``"sum"`` or ``"product"``."""


class NetworkProblem:
    """The formulas on checked data X (m, d), Y (m, nL)."""

    def __init__(self, land: NetworkLike) -> None:
        self.X = np.asarray(land.inputs, dtype=np.float64)
        self.Y = np.asarray(land.targets, dtype=np.float64)
        self.lam, self.loss, self.delta = float(land.lam), str(land.loss.name), float(land.loss.delta)
        self.slope, self.power = float(land.unit.slope), int(land.unit.power)
        self.hidden, self.intercept = tuple(land.hidden), bool(land.intercept)
        self.product = getattr(land, "penalty", "sum") == "product"
        self.decay, self.free_bias = land.intercept == "penalized", land.bias == "free"
        if self.loss not in _LOSSES:
            raise ValueError(f"loss must be one of {', '.join(_LOSSES)}, got {self.loss!r}")
        if not (self.lam > 0.0 and math.isfinite(self.lam) and self.delta > 0.0):
            raise ValueError("lam and delta must be positive and finite")
        if not (np.all(np.isfinite(self.X)) and np.all(np.isfinite(self.Y))) or len(self.X) != len(self.Y):
            raise ValueError("X and Y must be finite, with as many rows each")
        if self.loss in ("logistic", "squared_hinge") and not np.all(np.abs(self.Y) == 1.0):
            raise ValueError("labels must be -1 and 1")
        if self.loss == "softmax" and not (np.all(self.Y >= 0.0) and np.all(np.abs(self.Y.sum(axis=1) - 1.0) <= 1e-9)):
            raise ValueError("targets must be rows of the simplex")

    # -------------------------------------------------------------------------------------------- the network

    def weights(self, p: Layers) -> Layers:
        """The penalised blocks of a point."""
        return p[:-1] if self.intercept else p

    def zero(self, p: Layers) -> Layers:
        """The point of width zero, with a zero intercept."""
        if self.hidden:
            blocks: tuple[FloatArray, ...] = tuple(block[:0] for block in self.weights(p))
        else:
            blocks = tuple(block[:, :0] for block in self.weights(p))
        return (*blocks, np.zeros(self.Y.shape[1])) if self.intercept else blocks

    def joined(self, p: Layers, extra: Layers) -> Layers:
        """p with further units beside its own, and its own intercept."""
        axis = 0 if self.hidden else 1
        pairs = zip(self.weights(p), self.weights(extra), strict=True)
        blocks = tuple(np.concatenate([own, more], axis=axis) for own, more in pairs)
        return (*blocks, p[-1]) if self.intercept else blocks

    def _act(self, t: FloatArray) -> FloatArray:
        side = np.maximum(t, self.slope * t)
        return side if self.power == 1 else side * side

    def _slope(self, t: FloatArray) -> FloatArray:
        side = np.where(t > 0.0, 1.0, self.slope)
        return side if self.power == 1 else 2.0 * side * side * t

    def _hidden_values(self, t: FloatArray, dt: FloatArray) -> tuple[FloatArray, FloatArray]:
        """act(t), and how far it is from the exact value if t is within dt of its own."""
        h = self._act(t)
        error = dt if self.power == 1 else (2.0 * np.abs(t) + dt) * dt
        return h, error + 4.0 * UNIT * np.abs(h)

    def prediction(self, p: Layers) -> tuple[FloatArray, FloatArray]:
        """Z (m, nL), and a bound of its rounding, entry by entry."""
        z, dz = self.outputs(self.weights(p))
        if self.intercept:
            z = z + p[-1]
            dz = dz * (1.0 + 4.0 * UNIT) + 2.0 * UNIT * np.abs(z)
        return z, dz

    def outputs(self, weights: Sequence[FloatArray]) -> tuple[FloatArray, FloatArray]:
        """Σ φ(w_k), the prediction without the intercept, and a bound of its rounding."""
        if not self.hidden:
            u, v = weights
            t = self.X @ v
            h, dh = self._hidden_values(t, gamma(len(v) + 2) * (np.abs(self.X) @ np.abs(v)))
            return h @ u.T, (dh + gamma(u.shape[1] + 3) * np.abs(h)) @ np.abs(u).T
        width = len(weights[0])
        z, dz = np.zeros(self.Y.shape), np.zeros(self.Y.shape)
        for layers in zip(*weights, strict=True):
            a, da = self.X, np.zeros_like(self.X)
            for layer in layers[:-1]:
                size = np.abs(layer).T
                t, dt = a @ layer.T, (da + gamma(layer.shape[1] + 3) * np.abs(a)) @ size
                a, da = self._hidden_values(t, dt)
            size = np.abs(layers[-1]).T
            z += a @ layers[-1].T
            dz += (da * (1.0 + 4.0 * UNIT) + gamma(layers[-1].shape[1] + width + 3) * np.abs(a)) @ size
        return z, dz * (1.0 + gamma(width + 4)) + gamma(width + 2) * np.abs(z)

    def theta(self, p: Layers) -> float:
        """Θ(w) ≥ 0."""
        weights = self.weights(p)
        if self.product:
            return self.rebalanced_theta(p)
        if self.hidden:
            depth = len(weights)
            norms = [np.linalg.norm(block, axis=(1, 2)) for block in weights]
            return math.fsum(float(np.sum(norm**depth)) for norm in norms) / depth
        if self.power == 1:
            return 0.5 * math.fsum(float(np.sum(block * block)) for block in self.penalized(weights))
        left, right = (np.linalg.norm(block, axis=0) ** 3 for block in weights)
        return float(np.sum(left) + 2.0 * np.sum(right)) / 3.0

    def rebalanced_theta(self, p: Layers) -> float:
        """The smallest Θ with the same φ of every unit: Σ Π |w^l| (THEORY 5.2)."""
        weights = self.weights(p)
        if self.hidden:
            norms = [np.linalg.norm(block, axis=(1, 2)) for block in weights]
            return float(np.sum(np.prod(norms, axis=0)))
        left, right = (np.linalg.norm(block, axis=0) for block in self.penalized(weights))
        return float(np.sum(left * right**self.power))

    def penalized(self, weights: Layers) -> Layers:
        """The weights in Θ: without the row of a free bias."""
        return (weights[0], weights[1][:-1]) if self.free_bias else weights

    @property
    def degree(self) -> int:
        """p of φ(α w) = α^p φ(w)."""
        return len(self.hidden) + 1 if self.hidden else self.power + 1

    def gradient(self, p: Layers) -> tuple[Layers, Layers]:
        """The gradients of the loss and of λ Θ, block by block; the intercept has none of the second."""
        weights = self.weights(p)
        z, _ = self.prediction(p)
        g = self.slopes(z)
        if not self.hidden:
            u, v = weights
            t = self.X @ v
            loss = [g.T @ self._act(t), self.X.T @ (self._slope(t) * (g @ u))]
            if self.power == 1:
                decay = [self.lam * u, self.lam * v]
                if self.free_bias:
                    decay[1][-1] = 0.0
            else:
                decay = [
                    self.lam * u * np.linalg.norm(u, axis=0),
                    2.0 * self.lam * v * np.linalg.norm(v, axis=0),
                ]
        else:
            loss = [np.zeros_like(block) for block in weights]
            depth = len(weights)
            decay = []
            for block in weights:
                norm = np.linalg.norm(block, axis=(1, 2))
                decay.append(self.lam * (norm ** (depth - 2))[:, None, None] * block)
            for k, layers in enumerate(zip(*weights, strict=True)):
                values, raw = [self.X], []
                for layer in layers[:-1]:
                    raw.append(values[-1] @ layer.T)
                    values.append(self._act(raw[-1]))
                s = g
                for index in range(depth - 1, -1, -1):
                    loss[index][k] = s.T @ values[index]
                    if index:
                        s = (s @ layers[index]) * self._slope(raw[index - 1])
        if self.product:
            decay = self._product_decay(weights)
        if self.intercept:
            loss.append(g.sum(axis=0))
            decay.append(self.lam * p[-1] if self.decay else np.zeros_like(p[-1]))
        return tuple(loss), tuple(decay)

    def _product_decay(self, weights: Layers) -> list[FloatArray]:
        """λ times the gradient of Σ Π n_l^e_l: e_l θ / n_l² w_l, zero where a norm is."""
        axes: Any = (1, 2) if self.hidden else 0
        norms = [np.linalg.norm(block, axis=axes) for block in self.penalized(weights)]
        exponents = [1] * len(norms) if self.hidden else [1, self.power]
        theta = np.prod([norm**e for norm, e in zip(norms, exponents, strict=True)], axis=0)
        decay = []
        for block, norm, e in zip(weights, norms, exponents, strict=True):
            factor = self.lam * e * np.divide(theta, norm * norm, out=np.zeros_like(theta), where=theta > 0.0)
            decay.append((factor[:, None, None] if self.hidden else factor) * block)
        if self.free_bias:
            decay[1][-1] = 0.0
        return decay

    def stationarity(self, p: Layers) -> float:
        """max over blocks of |∂P| / (|∂ loss| + |∂ λΘ|), the intercept's relative to |G|: in [0, 1], 0 / 0 is 0."""
        loss, decay = self.gradient(p)
        out = 0.0
        for index, (first, second) in enumerate(zip(loss, decay, strict=True)):
            size = frobenius(first) + frobenius(second)
            if self.intercept and index == len(loss) - 1:
                size = float(np.abs(self.slopes(self.prediction(p)[0])).sum())
            out = max(out, frobenius(first + second) / size if size > 0.0 else 0.0)
        return out

    # -------------------------------------------------------------------------------------------- the losses

    def losses(self, z: FloatArray) -> FloatArray:
        """Per entry, or per row for softmax."""
        if self.loss == "logistic":
            return np.asarray(np.logaddexp(0.0, -self.Y * z))
        if self.loss == "squared_hinge":
            return np.asarray(0.5 * np.maximum(0.0, 1.0 - self.Y * z) ** 2)
        if self.loss == "softmax":
            shifted = z - np.max(z, axis=1, keepdims=True)
            return np.asarray(scipy.special.logsumexp(shifted, axis=1) - np.sum(self.Y * shifted, axis=1))
        t = np.abs(z - self.Y)
        if self.loss == "squared":
            return np.asarray(0.5 * t * t)
        return np.asarray(np.where(t <= self.delta, 0.5 * t * t, self.delta * (t - 0.5 * self.delta)))

    def slopes(self, z: FloatArray) -> FloatArray:
        """G = dl/dZ (m, nL)."""
        if self.loss == "logistic":
            return np.asarray(-self.Y * expit(-self.Y * z))
        if self.loss == "squared_hinge":
            return np.asarray(-self.Y * np.maximum(0.0, 1.0 - self.Y * z))
        if self.loss == "softmax":
            return np.asarray(scipy.special.softmax(z, axis=1) - self.Y)
        t = z - self.Y
        return np.asarray(t if self.loss == "squared" else np.clip(t, -self.delta, self.delta))

    def curvatures(self, z: FloatArray) -> FloatArray:
        """Second derivatives: (m, nL), or (m, nL, nL) for softmax."""
        if self.loss == "softmax":
            q = scipy.special.softmax(z, axis=1)
            return np.asarray(q[:, :, None] * (np.eye(q.shape[1]) - q[:, None, :]))
        if self.loss == "logistic":
            share = expit(-self.Y * z)
            return np.asarray(share * (1.0 - share))
        if self.loss == "squared_hinge":
            return np.asarray(1.0 * (self.Y * z < 1.0))
        t = np.abs(z - self.Y)
        return np.ones_like(t) if self.loss == "squared" else np.asarray(1.0 * (t <= self.delta))

    def majorants(self, z: FloatArray) -> FloatArray:
        """Curvatures (m, nL) of quadratics that touch the losses at z and are nowhere below them."""
        if self.loss != "huber":
            return np.ones_like(z)
        return self.delta / np.maximum(self.delta, np.abs(z - self.Y))

    def value(self, p: Layers) -> tuple[float, float]:
        """The objective and a bound of its rounding."""
        z, dz = self.prediction(p)
        terms = self.losses(z)
        theta = self.lam * self.theta(p)
        if self.decay:
            theta += 0.5 * self.lam * float(p[-1] @ p[-1])
        total = math.fsum(terms.ravel()) + theta
        size = float(np.sum(np.abs(terms)))
        if self.loss in ("logistic", "softmax"):
            size += float(np.sum(np.abs(z)))  # cancellation within a term
        margin = float(np.sum(np.abs(self.slopes(z)) * dz + 0.5 * dz * dz))
        margin += (16.0 + 2.0 * self.Y.shape[1]) * UNIT * size + gamma(2 * sum(b.size for b in p) + 16) * theta
        return total, margin * 1.01

    # -------------------------------------------------------------------------------------------- the dual

    def centred(self, g: FloatArray) -> FloatArray:
        """With a free intercept: g moved within the domain of l* to column sums of zero (THEORY 12b.6); else g."""
        if not self.intercept or self.decay:
            return g
        empty = self._empty()
        if empty.any():  # what b tends to infinity for has no slopes there
            if self.loss == "softmax":
                q = np.where(empty, 0.0, g + self.Y)
                g = q / np.sum(q, axis=1, keepdims=True) - self.Y
            else:
                g = np.where(empty, 0.0, g)
        for _ in range(3):
            room = self._room(g)
            total = np.sum(room, axis=0)
            share = np.divide(room, total, out=np.zeros_like(room), where=total > 0.0)
            g = g - share * g.sum(axis=0)
        return g

    def _empty(self) -> npt.NDArray[np.bool_]:
        """Classes without a sample, for softmax; outputs all of whose labels are one, for the other labels."""
        if self.loss == "softmax":
            return np.asarray(np.max(self.Y, axis=0) <= 0.0)
        one = (self.loss in ("logistic", "squared_hinge")) & (np.min(self.Y, axis=0) == np.max(self.Y, axis=0))
        return np.asarray(one, dtype=np.bool_)

    def _room(self, g: FloatArray) -> FloatArray:
        """How far each entry's slope may move either way within the domain; for softmax all of a row alike."""
        if self.loss == "squared":
            return np.ones_like(g)
        if self.loss == "huber":
            inside = self.delta - np.abs(g)
        elif self.loss == "logistic":
            share = -self.Y * g
            inside = np.minimum(share, 1.0 - share)
        elif self.loss == "squared_hinge":
            inside = -self.Y * g
        else:
            least = np.min(np.where(self._empty(), np.inf, g + self.Y), axis=1, keepdims=True)
            inside = np.broadcast_to(least, g.shape)
        return np.asarray(np.maximum(inside, 0.0))

    def dual_slopes(self, p: Layers, radial: float, intercept: FloatArray) -> tuple[FloatArray, FloatArray]:
        """G at radial · Z + intercept, moved to where an intercept allows it, and a bound of that Z's rounding."""
        z, dz = self.outputs(self.weights(p))
        z = radial * z + intercept
        return self.centred(self.slopes(z)), radial * dz + 4.0 * UNIT * np.abs(z)

    def dual_error(self, q: FloatArray) -> FloatArray:
        """Per entry, how far Q may be from the exact dual point: scaling, clipping, and rows of the simplex."""
        error = 4.0 * UNIT * np.abs(q)
        if self.loss == "softmax":
            error = error + 4.0 * (q.shape[1] + 1) * UNIT
        return error

    def uncentred(self, q: FloatArray) -> FloatArray:
        """What is left of the column sums, spread over the rows: the exact dual point differs from q by it."""
        if not self.intercept or self.decay:
            return np.zeros_like(q)
        room = self._room(q)
        total = np.sum(room, axis=0)
        rest = np.array([abs(math.fsum(column)) for column in q.T])
        share = np.divide(room, total, out=np.zeros_like(room), where=total > 0.0)
        return np.asarray(share * rest + np.where((total > 0.0) | (rest == 0.0), 0.0, math.inf))

    def reach(self, g: FloatArray) -> float:
        """The largest s with s g in the domain of l*."""
        if self.loss == "squared":
            return math.inf
        if self.loss == "huber":
            top = float(np.max(np.abs(g), initial=0.0))
            return self.delta / top if top > 0.0 else math.inf
        if self.loss == "squared_hinge":
            return math.inf if np.all(self.Y * g <= 0.0) else 0.0
        if self.loss == "logistic":
            top = float(np.max(-self.Y * g, initial=0.0))
            return 0.0 if np.any(self.Y * g > 0.0) else (1.0 / top if top > 0.0 else math.inf)
        # softmax: 0 <= y + s g, in rows that sum to one
        falling = g < 0.0
        if np.any(falling & (self.Y <= 0.0)):
            return 0.0
        return float(np.min(self.Y[falling] / -g[falling])) if falling.any() else math.inf

    def in_domain(self, q: FloatArray) -> bool:
        """Whether Q is in the domain of l*, up to the rounding that ``dual`` clips away."""
        slack = 4.0 * UNIT
        if self.loss == "squared":
            return True
        if self.loss == "huber":
            return bool(np.all(np.abs(q) <= self.delta * (1.0 + slack)))
        if self.loss == "squared_hinge":
            return bool(np.all(self.Y * q <= 0.0))
        if self.loss == "logistic":
            return bool(np.all(-self.Y * q <= 1.0 + slack) and np.all(self.Y * q <= 0.0))
        share = q + self.Y
        sums = np.abs(np.sum(q, axis=1))
        return bool(np.all(share >= -slack) and np.all(sums <= 16.0 * UNIT * (q.shape[1] + 1)))

    def dual(self, q: FloatArray, dz: FloatArray) -> tuple[float, float, float]:
        """-L*(Q), a bound of the rounding of that sum, and how far a change of Q by dz per entry could move it.

        A penalised intercept takes off the conjugate of its penalty, |Qᵀ 1|² / 2λ.
        """
        if self.loss == "logistic":
            share = np.clip(-self.Y * q, 0.0, 1.0)
            first, second = xlogy(share, share), xlog1py(1.0 - share, -share)
            terms, sizes = first + second, np.abs(first) + np.abs(second)
            rate = np.abs(np.log(np.maximum(share, 1e-300)) - np.log1p(-np.minimum(share, 1.0 - UNIT)))
        elif self.loss == "squared_hinge":
            share = np.maximum(0.0, -self.Y * q)
            terms = np.concatenate([0.5 * share * share, -share])
            sizes, rate = np.abs(terms), 1.0 + share
        elif self.loss == "softmax":
            share = np.clip(q + self.Y, 0.0, 1.0)
            terms = xlogy(share, share)
            rate = np.abs(np.log(np.maximum(share, 1e-300))) + 1.0
            # The exact dual point has rows of Q + Y that sum to one; the computed one misses it by a few roundings.
            sizes = np.abs(terms) + 2.0 * q.shape[1] * np.where(share > 0.0, rate, 0.0)
        else:
            bounded = q if self.loss == "squared" else np.clip(q, -self.delta, self.delta)
            terms = np.concatenate([0.5 * bounded * bounded, bounded * self.Y])
            sizes, rate = np.abs(terms), np.abs(bounded) + np.abs(self.Y)
        moved = float(np.sum(np.where(dz > 0.0, rate * dz, 0.0)))
        total, rounding = -math.fsum(terms.ravel()), 16.0 * UNIT * float(np.sum(sizes))
        if self.decay:
            sums = np.array([math.fsum(column) for column in q.T])
            change = float(np.sum((2.0 * np.abs(sums) + np.sum(dz, axis=0)) * np.sum(dz, axis=0)))
            total -= float(sums @ sums) / (2.0 * self.lam)
            rounding += 16.0 * UNIT * (q.shape[1] + 1) * float(sums @ sums) / (2.0 * self.lam)
            moved += change / (2.0 * self.lam)
        return total, rounding, moved

    def polar_change(self, dq: FloatArray) -> float:
        """How far Ω° can move if Q changes by dq: |dQ|_F |X|_F, for power 2 |dQ|_F (Σ |x_i|⁴)^½."""
        size = frobenius(dq)
        if size == 0.0:
            return 0.0
        if not math.isfinite(size):  # also where X is zero: nothing is known of Q
            return math.inf
        if self.free_bias:  # the samples relative to any one of them
            away = np.linalg.norm(self.X[:, :-1] - np.mean(self.X[:, :-1], axis=0), axis=1)
            return size * frobenius(away + float(np.max(away))) * (1.0 + gamma(self.X.shape[1] + len(away) + 8))
        if self.power == 1:
            return size * frobenius(self.X) * (1.0 + 8.0 * UNIT)
        return size * frobenius(np.sum(self.X * self.X, axis=1)) * (1.0 + gamma(self.X.shape[1] + 8))
