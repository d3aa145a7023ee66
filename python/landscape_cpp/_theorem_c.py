"""What a critical point of a deep linear network is: Theorem C in whitened coordinates, one point at a time.

With W1 B in place of W1 (B = Sxx T colours the whitened inputs) the risk is R_min + |P - M|², P = WL ... W1, and

    C_h = W_h ... W_1,   F_h = W_L ... W_{h+1},   N_ij = W_{i-1} ... W_{j+1},   E = P - M,   dR/dW_h = 2 F_hᵀ E C_{h-1}ᵀ

(THEORY 3.3, 12b.2, 12b.3). Scales are products of the layers' own norms, never norms of products: at a saddle these may
vanish, and a ratio of rounding errors says nothing.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import _validation as check
from ._validation import FloatArray, Layers
from .results import DeepCriticalPoint, EscapeDirection, Kind, Pivot
from .risk import SpectralData

__all__ = ["Whitened", "classify_deep", "escape_end"]

_UNIT = 2.0**-53
_NEAR = 10.0  # THEORY 3.7: within a factor ten of a threshold is too close to call


class Whitened:
    """A point in whitened coordinates with the products that every decision reads.

    Attributes:
        layers: (W1 B, W2, ..., WL).
        before: C_0 = I, ..., C_L.
        after: F_0, ..., F_L = I.
        norms: Spectral norms of the layers.
        error: E = P - M.
        rounding: Bound on the rounding error of E, in norm.
    """

    def __init__(self, spectrum: SpectralData, point: Layers) -> None:
        """Multiply everything out."""
        first = point[0] @ spectrum.colouring
        # W1 may lie in the kernel of Sxx up to rounding: what is left of it is then noise.
        noise = (
            4.0 * _UNIT * math.sqrt(point[0].shape[1]) * np.linalg.norm(point[0]) * np.linalg.norm(spectrum.colouring)
        )
        if np.linalg.norm(first) <= 4.0 * noise:
            first = np.zeros_like(first)
        self.spectrum = spectrum
        self.layers: Layers = (first, *point[1:])
        self.depth = len(point)
        self.before = [np.eye(spectrum.rank_x)]
        for layer in self.layers:
            self.before.append(layer @ self.before[-1])
        self.after = [np.eye(len(point[-1]))]
        for layer in reversed(self.layers):
            self.after.insert(0, self.after[0] @ layer)
        self.norms = [_spectral_norm(layer) for layer in self.layers]
        self.error = self.before[-1] - spectrum.cross
        self.top = math.sqrt(float(spectrum.eigenvalues[0])) if spectrum.rank else math.sqrt(spectrum.total)
        width = max(max(layer.shape) for layer in self.layers)
        self.rounding = (
            4.0 * _UNIT * self.depth * math.sqrt(width) * self.size(range(self.depth))
            + noise * self.size(range(1, self.depth))
            + spectrum.rounding * math.sqrt(spectrum.total)
        )

    def size(self, layers: range | list[int]) -> float:
        """Product of the norms of these layers (0-based)."""
        return math.prod(self.norms[h] for h in layers)

    def others(self, h: int) -> float:
        """Product of the norms of all layers but h."""
        return self.size([g for g in range(self.depth) if g != h])

    def presence(self, layers: list[int]) -> float:
        """Between 0 and 1: how much of these layers there is.

        Layers of rounding errors have directions, yet what they do is nothing. A product that is tiny beside that of
        balanced layers on these data counts less, unless the product of all layers is large all the same.
        """
        if not self.top > 0.0 or not layers:
            return 1.0
        balanced = float(self.top ** (len(layers) / self.depth))
        return min(1.0, max(self.size(range(self.depth)) / self.top, self.size(layers) / balanced))

    def negligible(self, layers: list[int], zero: float) -> float:
        """Singular values of products of these layers up to this count as zero."""
        size, presence = self.size(layers), self.presence(layers)
        return zero * size / presence if presence > zero else math.inf

    def between(self, upper: int, lower: int) -> FloatArray:
        """N: the product of the layers strictly between two (0-based), the identity where there is none."""
        result = np.eye(len(self.layers[lower]))
        for layer in self.layers[lower + 1 : upper]:
            result = layer @ result
        return result

    def relative_gradient(self) -> float:
        """max_h |F_hᵀ E C_{h-1}ᵀ| / (Π_{g≠h} |W_g| (|P| + |M|)), times the presence of the other layers."""
        terms = float(np.linalg.norm(self.before[-1]) + np.linalg.norm(self.spectrum.cross))
        worst = 0.0
        for h in range(self.depth):
            gradient = float(np.linalg.norm(self.after[h + 1].T @ self.error @ self.before[h].T))
            others = self.others(h)
            if gradient > 0.0 and others > 0.0 and terms > 0.0:
                presence = self.presence([g for g in range(self.depth) if g != h])
                worst = max(worst, presence * gradient / (others * terms))
        return worst


# The largest singular value and its vectors keep their digits in the Gram matrix, which is several times cheaper.


def _scaled_gram(matrix: FloatArray) -> tuple[FloatArray, FloatArray, float]:
    """A matrix with its longer side last, over its largest entry; its Gram matrix; that entry."""
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    scale = check.largest(matrix)
    scaled: FloatArray = wide / scale if scale != 0.0 else wide
    return scaled, scaled @ scaled.T, scale


def _spectral_norm(matrix: FloatArray) -> float:
    _, gram, scale = _scaled_gram(matrix)
    return scale * math.sqrt(float(np.linalg.eigvalsh(gram)[-1])) if scale != 0.0 else 0.0


def _top_pair(matrix: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Unit (a, b) with aᵀ A b the spectral norm of A, which is not zero."""
    scaled, gram, _ = _scaled_gram(matrix)
    short: FloatArray = np.linalg.eigh(gram)[1][:, -1]
    long: FloatArray = scaled.T @ short
    long /= np.linalg.norm(long)
    return (short, long) if matrix.shape[0] <= matrix.shape[1] else (long, short)


@dataclass(frozen=True)
class _Thresholds:
    """Below ``zero`` is zero, above ``clear`` is not; between the two nobody says."""

    zero: float
    clear: float

    def side(self, value: float) -> int:
        return -1 if value <= self.zero else (1 if value > self.clear else 0)


def _signal(white: Whitened, rank: int) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """(Q_S, its λ descending, an orthonormal complement that diagonalises Σ, its λ): ties by subspaces."""
    columns = np.linalg.svd(white.before[-1], full_matrices=False)[0][:, :rank]
    full = np.linalg.qr(columns, mode="complete")[0] if rank else np.eye(len(white.error))
    rest = full[:, rank:]
    cross = white.spectrum.cross
    turn = np.linalg.eigh(columns.T @ cross @ cross.T @ columns)
    columns = columns @ turn[1][:, ::-1]
    off = np.linalg.eigh(rest.T @ cross @ cross.T @ rest)
    return columns, turn[0][::-1], rest @ off[1][:, ::-1], off[0][::-1]


def classify_deep(spectrum: SpectralData, point: Layers, hidden: tuple[int, ...], tol: float) -> DeepCriticalPoint:
    """Theorem C at a point.

    Args:
        spectrum: Whitened spectral data.
        point: (W1, ..., WL).
        hidden: Widths of the hidden layers.
        tol: Relative gradient of a critical point, and relative size of what counts as zero.
    """
    white = Whitened(spectrum, point)
    lam = spectrum.eigenvalues
    bound = min(*hidden, spectrum.rank)
    unreachable = float(lam[min(hidden) :].sum())
    squared = float(np.vdot(white.error, white.error))
    gap = max(0.0, squared - unreachable)
    margin = 2.0 * math.sqrt(squared) * white.rounding + white.rounding**2 + 8.0 * _UNIT * len(white.error) * squared
    gradient = white.relative_gradient()
    singular = np.linalg.svd(white.before[-1], compute_uv=False)
    # At critical points the singular values of P are among those of M: half the smallest of these decides (3.7).
    threshold = 0.5 * math.sqrt(float(lam[spectrum.rank - 1])) if spectrum.rank else white.rounding
    rank = int((singular > threshold).sum())
    rank_margin = float(np.min(np.abs(singular - threshold), initial=threshold) / threshold) if threshold > 0.0 else 1.0
    deficit = float(lam[:rank].sum() - np.vdot(white.before[-1], white.before[-1]))
    resolution = gradient ** (1.0 / max(1, white.depth - 1))
    facts: dict[str, Any] = {
        "value": spectrum.minimum_risk + squared,
        "gap": gap,
        "gap_margin": margin,
        "gradient_norm": gradient,
        "rank": rank,
        "rank_bound": bound,
        "rank_margin": min(1.0, rank_margin),
        "deficit": deficit,
        "resolution": resolution,
        "tol": tol,
    }

    def verdict(
        kind: Kind,
        reason: str,
        pivots: tuple[Pivot, ...] = (),
        escape: EscapeDirection | None = None,
        drop: float | None = None,
    ) -> DeepCriticalPoint:
        return DeepCriticalPoint(kind=kind, reason=reason, pivots=pivots, escape=escape, drop=drop, **facts)

    if gradient > tol:
        if gradient <= _NEAR * tol:
            reason = "the relative gradient is above the tolerance, but within a factor ten of it"
            return verdict(Kind.UNDETERMINED, reason)
        if white.rounding >= gradient * float(np.linalg.norm(white.error) + white.top):
            return verdict(Kind.UNDETERMINED, "rounding errors of weights this large explain the whole gradient")
        return verdict(Kind.NOT_CRITICAL, "the relative gradient exceeds ten times the tolerance")
    if spectrum.unresolved or margin > 1e-6 * spectrum.total:
        return verdict(Kind.UNDETERMINED, "inputs (or weights) so ill-conditioned that gaps cannot be resolved")

    top = white.top**2
    close = margin + _NEAR * gradient * top + spectrum.tie
    following = [float(lam[k]) for k in range(bound, spectrum.rank) if lam[bound - 1] - lam[k] > spectrum.tie]
    nearest = float(lam[bound - 1]) - (following[0] if following else 0.0) if bound else math.inf
    if gap <= close:
        if nearest > _NEAR * max(close, tol * top):
            return verdict(
                Kind.GLOBAL_MINIMUM, "critical, with a gap below the resolution and far below every saddle's"
            )
        return verdict(
            Kind.UNDETERMINED, "critical with a gap below the resolution, but some saddle is as close: near ties"
        )
    if rank_margin < 0.1:
        return verdict(Kind.UNDETERMINED, "the rank of the product is too close to call")
    if rank > bound or (rank == bound and deficit <= close):
        return verdict(Kind.UNDETERMINED, "critical with a positive gap, but the product says otherwise: near ties")
    scale = max(close, tol * max(1, rank) * top)
    if deficit > scale:
        if deficit <= _NEAR * scale:
            return verdict(Kind.UNDETERMINED, "the deficit of the index set is too close to zero to call")
        escape = _swap(white, rank)
        if escape is None:
            return verdict(Kind.UNDETERMINED, "not the best index set, but no curvature is negative beyond its margin")
        return verdict(Kind.STRICT_SADDLE, "critical, and its index set is not the best of its size", escape=escape)
    return _by_pivots(white, rank, tol, gradient, resolution, verdict)


def _by_pivots(
    white: Whitened,
    rank: int,
    tol: float,
    gradient: float,
    resolution: float,
    verdict: Callable[..., DeepCriticalPoint],
) -> DeepCriticalPoint:
    """The best index set of its size, fewer than the network could use: loose or tight pivots decide (3.3, part 4)."""
    zero = max(tol, 30.0 * gradient)
    thresholds = _Thresholds(zero, _NEAR * max(zero, resolution))
    pivots: list[Pivot] = []
    best: EscapeDirection | None = None
    undecided = False
    for upper, lower in itertools.combinations(reversed(range(white.depth)), 2):
        between = white.between(upper, lower)
        inner = white.size(range(lower + 1, upper))
        values = np.linalg.svd(between, compute_uv=False)
        inside = list(range(lower + 1, upper))
        outside = [*range(lower), *range(upper + 1, white.depth)]
        excess = float(values[rank] / inner) * white.presence(inside) if rank < len(values) and inner > 0.0 else 0.0
        block = white.after[upper + 1].T @ white.error @ white.before[lower].T
        outer = white.size(outside) * white.top
        size = _spectral_norm(block) / outer * white.presence(outside) if outer > 0.0 else 0.0
        sides = (thresholds.side(excess), thresholds.side(size))
        loose = None if min(sides) == 0 else min(sides) == 1
        escape = _loose(white, upper, lower, between, block, zero) if loose else None
        if loose and escape is None:
            loose = None
        undecided = undecided or loose is None
        count = int((values > thresholds.zero * inner).sum())
        pivots.append(Pivot(upper, lower, count, excess, size, loose))
        if escape is not None and (best is None or escape.rayleigh_quotient < best.rayleigh_quotient):
            best = escape
    table = tuple(pivots)
    if best is not None:
        return verdict(Kind.STRICT_SADDLE, "critical, with a loose pivot: a second-order way down", table, best)
    if undecided:
        return verdict(Kind.UNDETERMINED, "a pivot is neither clearly loose nor clearly tight", table)
    drop = float(white.spectrum.eigenvalues[rank])
    reason = "critical, all pivots are tight: no curvature is negative, yet the value falls along a higher-order curve"
    return verdict(Kind.NON_STRICT_SADDLE, reason, table, None, drop)


# --- witnesses --------------------------------------------------------------------------------------------------------


def _pair(
    white: Whitened,
    upper: int,
    lower: int,
    first: FloatArray,
    second: FloatArray,
    weights: tuple[float, float],
    kind: str,
    source: str,
) -> EscapeDirection | None:
    """The direction (first in layer ``upper``, second in layer ``lower``), as given and as scaled best.

    H[x first + y second] = 2 |x A + y D|² + 4 x y g with A, D their first-order images: the best x, y for directions of
    unit norm is the smallest eigenvector of a 2 x 2 matrix. None unless the curvature is negative beyond its margin.
    """
    back = white.spectrum.whitening.T if lower == 0 else None
    stored = second if back is None else second @ back  # the layer W1 itself: second is its image
    lengths = float(np.linalg.norm(first)), float(np.linalg.norm(stored))
    if not (lengths[0] > 0.0 and lengths[1] > 0.0):
        return None
    a = white.after[upper + 1] @ first @ white.before[upper]
    d = white.after[lower + 1] @ second @ white.before[lower]
    mixed = white.after[upper + 1] @ first @ white.between(upper, lower) @ second @ white.before[lower]
    g = float(np.vdot(mixed, white.error))
    aa, dd, ad = float(np.vdot(a, a)), float(np.vdot(d, d)), float(np.vdot(a, d))

    def curvature(x: float, y: float) -> float:
        return 2.0 * (x * x * aa + 2.0 * x * y * ad + y * y * dd) + 4.0 * x * y * g

    form = np.array([[2.0 * aa / lengths[0] ** 2, 0.0], [0.0, 2.0 * dd / lengths[1] ** 2]])
    form[0, 1] = form[1, 0] = 2.0 * (ad + g) / (lengths[0] * lengths[1])
    smallest, vectors = np.linalg.eigh(form)
    x, y = float(vectors[0, 0] / lengths[0]), float(vectors[1, 0] / lengths[1])
    # Rounding of a, d and of the mixed term, at the sizes of what they are multiplied from.
    reach = abs(x) * float(np.linalg.norm(first)) * white.others(upper)
    reach += abs(y) * float(np.linalg.norm(second)) * white.others(lower)
    outside = white.size([h for h in range(white.depth) if h not in (upper, lower)])
    product = abs(x * y) * float(np.linalg.norm(first) * np.linalg.norm(second)) * outside
    noise = 64.0 * _UNIT * white.depth * math.sqrt(max(white.error.shape))
    margin = (
        noise * (2.0 * reach**2 + 4.0 * product * float(np.linalg.norm(white.error))) + 4.0 * product * white.rounding
    )
    if not smallest[0] < -margin:
        return None

    def layers(x: float, y: float) -> Layers:
        shapes = [layer.shape for layer in white.layers]
        shapes[0] = (shapes[0][0], len(white.spectrum.whitening))
        blocks = [np.zeros(shape) for shape in shapes]
        blocks[upper] = x * first
        blocks[lower] = y * stored
        return tuple(blocks)

    plain = curvature(*weights)
    quotient = plain / ((weights[0] * lengths[0]) ** 2 + (weights[1] * lengths[1]) ** 2)
    rayleigh = min(quotient, float(smallest[0]))
    return EscapeDirection(layers(*weights), plain, layers(x, y), curvature(x, y), rayleigh, kind, source)


def _swap(white: Whitened, rank: int) -> EscapeDirection | None:
    """(3.1): the weakest eigenvector in use gives way to the strongest that is not."""
    columns, used, rest, missed = _signal(white, rank)
    if not (len(used) and len(missed)) or missed[0] <= used[-1]:
        return None
    q_out, q_in = columns[:, -1], rest[:, 0]
    cross = white.spectrum.cross
    last = np.outer(q_in, q_out @ white.layers[-1])
    first = np.outer(white.layers[0] @ cross.T @ q_out, q_in @ cross) / used[-1]
    return _pair(white, white.depth - 1, 0, last, first, (1.0, 1.0), "swap", "THEORY (3.1): swap")


def _loose(
    white: Whitened, upper: int, lower: int, between: FloatArray, block: FloatArray, zero: float
) -> EscapeDirection | None:
    """THEORY 3.4: Δ_upper = a uᵀ, Δ_lower = v bᵀ with (a, g, b) the top triple of F_iᵀ E C_{j-1}ᵀ."""
    a, b = _top_pair(block)
    inside = list(range(lower + 1, upper))
    found = None
    source = f"THEORY 3.4: loose pivot (W{upper + 1}, W{lower + 1})"
    into = between @ white.layers[lower] @ white.before[lower]  # N W_j C_{j-1}
    kernel = _kernel(into.T, white.negligible(list(range(upper)), zero))
    if kernel.shape[1]:
        turn, values, rows = np.linalg.svd(kernel.T @ between, full_matrices=False)
        if values[0] > white.negligible(inside, zero):
            u, v, nu = kernel @ turn[:, 0], rows[0], float(values[0])
            found = _pivot_pair(white, upper, lower, a, b, u, v, nu, source, stretch_upper=True)
    out = white.after[upper + 1] @ white.layers[upper] @ between  # F_i W_i N
    kernel = _kernel(out, white.negligible(list(range(lower + 1, white.depth)), zero))
    if kernel.shape[1]:
        turn, values, rows = np.linalg.svd(between @ kernel, full_matrices=False)
        if values[0] > white.negligible(inside, zero):
            u, v, nu = turn[:, 0], kernel @ rows[0], float(values[0])
            other = _pivot_pair(white, upper, lower, a, b, u, v, nu, source, stretch_upper=False)
            if found is None or (other is not None and other.rayleigh_quotient < found.rayleigh_quotient):
                found = other
    return found


def _pivot_pair(
    white: Whitened,
    upper: int,
    lower: int,
    a: FloatArray,
    b: FloatArray,
    u: FloatArray,
    v: FloatArray,
    nu: float,
    source: str,
    *,
    stretch_upper: bool,
) -> EscapeDirection | None:
    """The pair (a uᵀ, v bᵀ), the factor without a first-order image stretched by t so that H = -4 ν g."""
    first, second = np.outer(a, u), np.outer(v, b)
    g = float(a @ (white.after[upper + 1].T @ white.error @ white.before[lower].T) @ b)
    moved = white.after[lower + 1] @ second @ white.before[lower] if stretch_upper else None
    if moved is None:
        moved = white.after[upper + 1] @ first @ white.before[upper]
    t = -(float(np.vdot(moved, moved)) / (2.0 * nu * g) + 1.0)
    weights = (t, 1.0) if stretch_upper else (1.0, t)
    return _pair(white, upper, lower, first, second, weights, "pivot", source)


def _kernel(matrix: FloatArray, negligible: float) -> FloatArray:
    """An orthonormal basis of the null space: singular values up to this count as zero."""
    _, values, rows = np.linalg.svd(matrix, full_matrices=matrix.shape[0] < matrix.shape[1])  # all of Vᵀ, not of U
    basis: FloatArray = rows[int((values > negligible).sum()) :].T
    return basis


# --- the curve of higher order ----------------------------------------------------------------------------------------


def escape_end(spectrum: SpectralData, point: Layers, rank: int) -> Layers:
    """The end of the path of THEORY 3.5: the product gains the best eigenvector it misses, the value falls by λ_{r+1}.

    The residual weights are taken to zero along a segment on which the product does not change, then the rank-one chain
    τ p_h q_{h-1}ᵀ is added, along which the value falls by λ_{r+1} (2 τ^L - τ^{2L}); τ = 1 here.
    """
    white = Whitened(spectrum, point)
    left, values, right = np.linalg.svd(white.before[-1], full_matrices=False)
    inverse = (right[:rank].T / values[:rank]) @ left[:, :rank].T
    projectors = [c @ inverse @ f for c, f in zip(white.before, white.after, strict=True)]
    q = _signal(white, rank)[2][:, 0]
    into = q @ spectrum.cross @ spectrum.whitening.T
    result = []
    for h, layer in enumerate(point):
        kept = white.layers[h] @ projectors[h]
        if h == 0:
            kept = kept @ spectrum.whitening.T
        if h == white.depth - 1:
            out = q
        else:
            free = np.eye(len(layer)) - projectors[h + 1]
            turn, _, _ = np.linalg.svd(free)
            out = free @ turn[:, 0]
            out /= np.linalg.norm(out)
        result.append(kept + np.outer(out, into))
        if h < white.depth - 1:
            into = (np.eye(len(layer)) - projectors[h + 1]).T @ out
    return tuple(result)
