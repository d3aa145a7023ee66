"""What a few products with a Hessian say of all its eigenvalues: density, trace, and how many are negative.

Public as ``curvature.spectral_density``, ``curvature.trace`` and ``curvature.morse_index``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.linalg
import scipy.special

from . import _validation as check
from ._validation import FloatArray
from ._verify_norms import UNIT, frobenius

__all__ = ["MorseIndex", "SpectralDensity", "TraceEstimate", "morse_index", "spectral_density", "trace"]

_EXACT_UP_TO = 600  # parameters; a dense Hessian is cheap there
_BREAKDOWN = 1e-12  # an off-diagonal entry of the Lanczos matrix that ends it, relative to the largest so far


@dataclass(frozen=True)
class SpectralDensity:
    """The density of the Hessian's eigenvalues, every one blurred to a Gaussian.

    Attributes:
        grid: Eigenvalues at which it is given, ascending, (G,).
        density: Estimate, (G,); it integrates to one over the real line.
        lower: Lower end of the confidence band of each grid point, (G,).
        upper: Upper end, (G,).
        width: Standard deviation of the Gaussians.
        nodes: Ritz values of all probes, (n_probes, n_steps); NaN where a probe ended early.
        weights: Their weights, which sum to one for each probe, likewise.
        confidence: Of the band, pointwise; it says how much the probes differ, not what the blur hides.
        products: Hessian-vector products.
    """

    grid: FloatArray = field(repr=False)
    density: FloatArray = field(repr=False)
    lower: FloatArray = field(repr=False)
    upper: FloatArray = field(repr=False)
    width: float
    nodes: FloatArray = field(repr=False)
    weights: FloatArray = field(repr=False)
    confidence: float
    products: int


@dataclass(frozen=True)
class TraceEstimate:
    """The sum of the Hessian's eigenvalues.

    Attributes:
        value: The trace, or an unbiased estimate of it.
        standard_error: Of the estimate; 0 if it is exact to rounding.
        method: ``"dense"`` or ``"hutch++"``.
        products: Hessian-vector products.
    """

    value: float
    standard_error: float
    method: str
    products: int


@dataclass(frozen=True)
class MorseIndex:
    """Signs of the Hessian's eigenvalues.

    Attributes:
        negative: Eigenvalues below -margin: at least so many are negative.
        zero: Eigenvalues within the margin, whose sign rounding does not show.
        positive: Eigenvalues above it.
        margin: Bound of what the rounding of the products and of the decomposition can move an eigenvalue by.
        smallest: The smallest eigenvalue.
        sign: ``"negative"`` if some eigenvalue is negative, with ``direction`` as witness; ``"semidefinite"`` if a
            Cholesky factorisation shows that none is below -2 margin; else ``"undetermined"``.
        direction: A direction of negative curvature as a point, or None.
        products: Hessian-vector products.
    """

    negative: int
    zero: int
    positive: int
    margin: float
    smallest: float
    sign: str
    direction: Any = field(repr=False)
    products: int


def _operator(land: Any, p: Any, n_threads: int | None) -> Any:
    if not hasattr(land, "hessian"):
        raise TypeError(f"land must be a landscape, such as ShallowLinear, got {type(land).__name__}")
    return land.hessian(p, n_threads=n_threads)


def _generator(seed: Any) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=check.as_seed("seed", seed)))


def spectral_density(
    land: Any,
    p: Any,
    *,
    n_probes: int = 10,
    n_steps: int = 80,
    n_grid: int = 512,
    width: float | None = None,
    confidence: float = 0.95,
    seed: int | np.random.Generator = 0,
    n_threads: int | None = None,
) -> SpectralDensity:
    """The density of all eigenvalues of the Hessian at a point, by stochastic Lanczos quadrature.

    Every probe v gives a quadrature of vᵀ f(H) v whose nodes are Ritz values and whose weights are the squared first
    entries of their vectors (Gauss); the mean over probes is one of tr f(H) / N.

    Args:
        land: A landscape.
        p: A single point.
        n_probes: Random probes, at least 2.
        n_steps: Lanczos steps of each, at most N are taken; all products of one step are one call.
        n_grid: Grid points.
        width: Standard deviation of the Gaussian that stands for an eigenvalue; None is 1 % of the spectrum's extent.
        confidence: Of the band, from Student's t over the probes.
        seed: Of the probes (Philox, counter-based).
        n_threads: Threads; None is all of them.

    Returns:
        A :class:`SpectralDensity`.

    References:
        Ubaru, Chen & Saad (2017); Ghorbani, Krishnan & Xiao (2019).
    """
    probes = check.as_int("n_probes", n_probes, minimum=2)
    steps = check.as_int("n_steps", n_steps, minimum=1)
    points = check.as_int("n_grid", n_grid, minimum=2)
    blur = None if width is None else check.as_float("width", width, positive=True)
    level = check.as_float("confidence", confidence, positive=True)
    if not level < 1.0:
        raise ValueError(f"confidence must be below 1, got {level}")
    operator = _operator(land, p, n_threads)
    size = int(operator.shape[0])
    if size == 0:
        raise ValueError("p has no parameters")
    nodes, weights = _quadrature(operator, probes, min(steps, size), _generator(seed))
    low, high = float(np.nanmin(nodes)), float(np.nanmax(nodes))
    extent = max(high - low, 1e-6 * max(abs(low), abs(high)), 1e-300)
    sigma = 0.01 * extent if blur is None else blur
    grid = np.linspace(low - 5.0 * sigma, high + 5.0 * sigma, points)
    shapes = np.where(
        np.isnan(nodes)[:, :, None], 0.0, np.exp(-0.5 * ((grid - np.nan_to_num(nodes)[:, :, None]) / sigma) ** 2)
    )
    each = np.einsum("pk,pkg->pg", np.nan_to_num(weights), shapes) / (sigma * np.sqrt(2.0 * np.pi))
    mean = each.mean(axis=0)
    half = scipy.special.stdtrit(probes - 1, 0.5 + 0.5 * level) * each.std(axis=0, ddof=1) / np.sqrt(probes)
    return SpectralDensity(
        grid=grid, density=mean, lower=np.maximum(mean - half, 0.0), upper=mean + half, width=float(sigma),
        nodes=nodes, weights=weights, confidence=level, products=int(operator.products),
    )  # fmt: skip


def _quadrature(operator: Any, probes: int, steps: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Nodes and weights of every probe, by Lanczos with full reorthogonalisation, all probes at once."""
    size = int(operator.shape[0])
    start = rng.choice(np.array([-1.0, 1.0]), size=(size, probes)) / np.sqrt(size)
    basis = np.zeros((probes, steps, size))
    alpha, beta = np.zeros((probes, steps)), np.zeros((probes, steps))
    basis[:, 0] = start.T
    length = np.full(probes, steps)
    for step in range(steps):
        images = operator.matmat(basis[:, step].T).T
        alpha[:, step] = np.einsum("pn,pn->p", images, basis[:, step])
        for _ in range(2):
            projections = np.einsum("pkn,pn->pk", basis[:, : step + 1], images)
            images = images - np.einsum("pk,pkn->pn", projections, basis[:, : step + 1])
        if step + 1 == steps:
            break
        norms = np.linalg.norm(images, axis=1)
        scale = np.maximum(np.abs(alpha[:, : step + 1]).max(axis=1), beta.max(axis=1))
        ended = norms <= _BREAKDOWN * scale
        length = np.where(ended & (length == steps), step + 1, length)
        beta[:, step] = np.where(ended, 0.0, norms)
        basis[:, step + 1] = np.where(ended[:, None], 0.0, images / np.where(norms > 0.0, norms, 1.0)[:, None])
        if np.all(length < steps):
            break
    nodes, weights = np.full((probes, steps), np.nan), np.full((probes, steps), np.nan)
    for probe, used in enumerate(length):
        values, vectors = scipy.linalg.eigh_tridiagonal(alpha[probe, :used], beta[probe, : used - 1])
        nodes[probe, :used], weights[probe, :used] = values, vectors[0] ** 2 / np.sum(vectors[0] ** 2)
    return nodes, weights


def trace(
    land: Any,
    p: Any,
    *,
    n_probes: int = 60,
    method: str = "auto",
    seed: int | np.random.Generator = 0,
    n_threads: int | None = None,
) -> TraceEstimate:
    """The trace of the Hessian at a point.

    Args:
        land: A landscape.
        p: A single point.
        n_probes: Products of ``"hutch++"``, at least 6: a third finds a subspace, a third gives the trace on it, a
            third estimates the rest.
        method: ``"dense"``, ``"hutch++"``, or ``"auto"``: dense up to 600 parameters.
        seed: Of the probes (Philox, counter-based).
        n_threads: Threads; None is all of them.

    Returns:
        A :class:`TraceEstimate`.

    References:
        Meyer, Musco, Musco & Woodruff (2021), Hutch++.
    """
    probes = check.as_int("n_probes", n_probes, minimum=6)
    chosen = check.as_choice("method", method, ("auto", "dense", "hutch++"))
    operator = _operator(land, p, n_threads)
    size = int(operator.shape[0])
    if chosen == "dense" or (chosen == "auto" and size <= _EXACT_UP_TO) or probes >= 3 * size:
        return TraceEstimate(float(np.trace(operator.todense())), 0.0, "dense", int(operator.products))
    third, rng = probes // 3, _generator(seed)
    signs = np.array([-1.0, 1.0])
    q, _ = np.linalg.qr(operator.matmat(rng.choice(signs, size=(size, third))))
    inside = float(np.sum(q * operator.matmat(q)))
    g = rng.choice(signs, size=(size, third))
    g = g - q @ (q.T @ g)
    samples = np.sum(g * operator.matmat(g), axis=0)
    error = float(np.std(samples, ddof=1) / np.sqrt(third)) if third > 1 else np.inf
    return TraceEstimate(inside + float(samples.mean()), error, "hutch++", int(operator.products))


def morse_index(land: Any, p: Any, *, n_threads: int | None = None) -> MorseIndex:
    """How many eigenvalues of the Hessian at a point are negative, zero to rounding, and positive.

    From the dense Hessian. The margin is 8 N u |H|_F, the error of a symmetric decomposition (N parameters, u = 2⁻⁵³),
    plus the asymmetry that the rounding of the products left in H.

    Args:
        land: A landscape.
        p: A single point.
        n_threads: Threads; None is all of them.

    Returns:
        A :class:`MorseIndex`.

    Raises:
        ValueError: Above 5,000 parameters.

    References:
        Weyl's inequality; THEORY 12b.4 for Cholesky as a proof.
    """
    operator = _operator(land, p, n_threads)
    size = int(operator.shape[0])
    if size == 0:
        return MorseIndex(0, 0, 0, 0.0, 0.0, "semidefinite", None, 0)
    dense = operator.todense()
    rows = np.asarray(operator.matmat(np.eye(size)[:, : min(size, 16)]))
    asymmetry = 2.0 * frobenius(rows - dense[:, : rows.shape[1]]) * np.sqrt(size / rows.shape[1])
    margin = 8.0 * size * UNIT * frobenius(dense) + float(asymmetry)
    values, vectors = np.linalg.eigh(dense)
    negative, positive = int(np.sum(values < -margin)), int(np.sum(values > margin))
    sign, direction = "undetermined", None
    if negative:
        v = vectors[:, 0]
        if float(v @ (dense @ v)) < -margin:
            sign, direction = "negative", land.unpack(np.ascontiguousarray(v))
    else:
        try:
            np.linalg.cholesky(dense + 2.0 * margin * np.eye(size)) if margin > 0.0 else None
            sign = "semidefinite"
        except np.linalg.LinAlgError:
            pass
    return MorseIndex(
        negative, size - negative - positive, positive, margin, float(values[0]), sign, direction,
        int(operator.products),
    )  # fmt: skip
