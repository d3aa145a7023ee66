"""Whether a unit φ and its penalty θ are a pair in the sense of Definition 1.7: what the convex theory rests on.

    (i) φ(α w) = α^p φ(w), θ(α w) = α^p θ(w) for α >= 0, one p > 0    (ii) θ >= 0    (iii) {φ(w) : θ(w) <= 1} compact

With (i), ρ(w) = |φ(w)| / θ(w) does not change along rays, and (iii) needs sup ρ < ∞: a search for its growth, by
scaling parts of w to 0 and ∞, along what θ does not see, and by ascent (THEORY 5.2).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.optimize

from . import _validation as check
from ._network_data import UNITS
from ._validation import FloatArray, Layers
from .homogeneous import ParallelNetwork

__all__ = ["PairCheck", "check_pair"]

Function = Callable[[FloatArray], FloatArray]
Part = tuple[str, npt.NDArray[np.int64]]

_FACTORS = (0.125, 0.5, 2.0, 8.0)  # α at which the degree is measured
_SCALES = (1e2, 1e4, 1e6)
_GROWTH = 0.05  # powers of the scale below this are rounding, or no growth
_LARGE = math.log(1e6)  # a pair whose ρ differs by more than this from one w to another is taken for unbounded
_RAYS, _ENTRIES, _SEARCH, _STARTS, _KERNEL = 3, 128, 100, 2, 40  # base points, entries, largest n of searches


@dataclass(frozen=True)
class PairCheck:
    """What was found; true in a condition if nothing speaks against the pair.

    Attributes:
        ok: Whether no violation was found. Violations are facts up to ``tol``; finding none is no proof.
        degree_phi: p of φ; None where φ is not homogeneous or zero at all samples.
        degree_theta: p of θ, likewise.
        reasons: What is violated, in words; empty if ``ok``.
        counterexample: Weights that show the first of the reasons, or None.
    """

    ok: bool
    degree_phi: float | None
    degree_theta: float | None
    reasons: tuple[str, ...]
    counterexample: Layers | None = field(repr=False)

    def __bool__(self) -> bool:
        """``ok``."""
        return self.ok

    def __str__(self) -> str:
        """The degrees, then the reasons."""
        if self.ok:
            degree = self.degree_phi if self.degree_phi is not None else self.degree_theta
            return "an admissible pair" + ("" if degree is None else f" of degree {degree:g}")
        return "\n".join(["no admissible pair:", *(f"  - {reason}" for reason in self.reasons)])


def check_pair(
    phi: Callable[..., Any] | str | ParallelNetwork,
    theta: Callable[..., Any] | None = None,
    shapes: Sequence[Sequence[int]] | None = None,
    *,
    degree: float | None = None,
    samples: int = 32,
    seed: int | np.random.Generator = 0,
    tol: float = 1e-6,
) -> PairCheck:
    """Look for a violation of Definition 1.7 by a unit and its penalty.

    A numerical search: what it reports is a violation, up to ``tol``; where it finds none there may still be one. That
    φ is continuous, so that the bounded image is closed too, is not looked at.

    Args:
        phi: ``φ(*blocks)``, the outputs of one unit on the data, an array of any fixed shape. Or the name of a unit, or
            a :class:`ParallelNetwork`: their own φ on blocks u (nL,), v (d,), with ``hidden`` W1, ..., WL. With free
            biases φ is taken up to constants, which the free intercept fits.
        theta: ``θ(*blocks)``, a number. May be left out for a name or a network: their own.
        shapes: Shapes of the blocks; None for a name or a network.
        degree: p that both must have; None: any.
        samples: Random weights to look at, positive.
        seed: Of these, or a generator.
        tol: Relative tolerance of homogeneity and of θ >= 0.

    Returns:
        A :class:`PairCheck`.

    Raises:
        TypeError: For what is not callable, and values that are not real.
        ValueError: For NaN or infinity at a sample, and options that do not go together.

    Example:
        A sum of squares has degree 2, three layers of weights have degree 3:

        >>> import numpy as np
        >>> deep = lambda A, B, C: C @ np.maximum(B @ np.maximum(A, 0.0), 0.0)
        >>> shapes = [(3, 2), (3, 3), (1, 3)]
        >>> result = check_pair(deep, lambda *W: 0.5 * sum(np.sum(w * w) for w in W), shapes)
        >>> result.ok, result.degree_phi, result.degree_theta
        (False, 3.0, 2.0)
        >>> print(check_pair(deep, lambda *W: sum(np.linalg.norm(w) ** 3 for w in W) / 3.0, shapes))
        an admissible pair of degree 3

    References:
        The chapter's Definition 1.7; THEORY 5.2 (table), 12b.6 (free biases).
    """
    count = check.as_int("samples", samples, minimum=1)
    slack = check.as_float("tol", tol, positive=True)
    wanted = None if degree is None else check.as_float("degree", degree, positive=True)
    rng = np.random.default_rng(check.as_seed("seed", seed))
    pair = _pair(phi, theta, shapes)
    points = pair.samples(count, rng)
    reasons: list[str] = []
    shown: list[FloatArray] = []

    def found(violation: tuple[str, FloatArray] | None) -> None:
        if violation is not None:
            reasons.append(violation[0])
            shown.append(violation[1])

    p_phi, violation = _degree("phi", pair.phi, points, slack)
    found(violation)
    p_theta, violation = _degree("theta", pair.theta, points, slack)
    found(violation)
    found(_negative(pair, points, slack))
    if not reasons:
        found(_degrees(pair, points[0], p_phi, p_theta, wanted))
    p = p_theta if p_theta is not None else p_phi
    if not reasons and p is not None:
        found(_Search(pair, points, p, slack, rng).run())
    example = pair.blocks(shown[0]) if shown else None
    return PairCheck(not reasons, p_phi, p_theta, tuple(reasons), example)


# ---------------------------------------------------------------------------------------------------------- the pair


class _Pair:
    """φ and θ as functions of the packed blocks x (n,)."""

    def __init__(self, phi: Callable[..., Any], theta: Callable[..., Any], shapes: Sequence[tuple[int, ...]]) -> None:
        self._phi, self._theta, self.shapes = phi, theta, tuple(shapes)
        self.ends = np.cumsum([math.prod(shape) for shape in self.shapes])

    @property
    def size(self) -> int:
        return int(self.ends[-1])

    def blocks(self, x: FloatArray) -> Layers:
        parts = zip(np.split(x, self.ends[:-1]), self.shapes, strict=True)
        return tuple(part.reshape(shape).copy() for part, shape in parts)

    def phi(self, x: FloatArray) -> FloatArray:
        with np.errstate(all="ignore"):
            return check.as_contiguous(check.as_real("phi(*blocks)", self._phi(*self.blocks(x)))).ravel()

    def theta(self, x: FloatArray) -> FloatArray:
        with np.errstate(all="ignore"):
            value = check.as_real("theta(*blocks)", self._theta(*self.blocks(x)))
        if value.size != 1:
            raise TypeError(f"theta(*blocks) must be one number, got shape {value.shape}")
        return check.as_contiguous(value).ravel()

    def samples(self, count: int, rng: np.random.Generator) -> list[FloatArray]:
        """Gaussian weights, every other one with its blocks on different scales."""
        points = []
        for index in range(count):
            x = rng.standard_normal(self.size)
            if index % 2:
                scales = 10.0 ** rng.uniform(-1.0, 1.0, len(self.shapes))
                x *= np.repeat(scales, [math.prod(shape) for shape in self.shapes])
            check.check_finite("phi(*blocks)", self.phi(x))
            check.check_finite("theta(*blocks)", self.theta(x))
            points.append(x)
        return points

    def parts(self, rng: np.random.Generator) -> Iterator[Part]:
        """Blocks and sets of them, rows and columns, entries."""
        places = np.split(np.arange(self.size), self.ends[:-1])
        count = len(places)
        for size in range(1, count if count <= 4 else 2):
            for chosen in itertools.combinations(range(count), size):
                name = f"block{'s' * (size > 1)} {', '.join(map(str, chosen))}"
                yield name, np.concatenate([places[block] for block in chosen])
        entries: list[Part] = []
        for block, (place, shape) in enumerate(zip(places, self.shapes, strict=True)):
            array = place.reshape(shape)
            if len(shape) > 1:
                for axis, what in ((0, "row"), (-1, "column")):
                    for i, line in enumerate(np.moveaxis(array, axis, 0)):
                        yield f"{what} {i} of block {block}", line.ravel()
            names = (f"entry {list(i)} of block {block}" for i in np.ndindex(*shape))
            entries += [(name, np.array([at])) for name, at in zip(names, place, strict=True)]
        chosen_entries = rng.permutation(len(entries))[:_ENTRIES] if len(entries) > _ENTRIES else range(len(entries))
        for index in chosen_entries:
            yield entries[int(index)]


def _pair(phi: Any, theta: Any, shapes: Any) -> _Pair:
    if theta is not None and not callable(theta):
        raise TypeError(f"theta must be a function of the blocks, got {type(theta).__name__}")
    if isinstance(phi, str):
        data = np.random.default_rng(0).standard_normal((6, 3))
        phi = ParallelNetwork(data, np.zeros((6, 2)), 1.0, check.as_choice("phi", phi, UNITS))
    if isinstance(phi, ParallelNetwork):
        if shapes is not None:
            raise ValueError("shapes must be left out for the name of a unit or a network: it has its own")
        own_phi, own_theta, own_shapes = _own(phi)
        return _Pair(own_phi, own_theta if theta is None else theta, own_shapes)
    if not callable(phi):
        raise TypeError(
            f"phi must be a function of the blocks, the name of a unit or a ParallelNetwork, got {type(phi).__name__}"
        )
    if theta is None or shapes is None:
        raise TypeError("theta and shapes must be given for a function phi")
    sizes = []
    for i, shape in enumerate(shapes):
        if not isinstance(shape, (tuple, list)):
            raise TypeError(f"shapes[{i}] must be a tuple of integers, got {shape!r}")
        sizes.append(tuple(check.as_int(f"shapes[{i}]", size, minimum=1) for size in shape))
    if not sizes:
        raise ValueError("shapes must hold at least one shape")
    return _Pair(phi, theta, sizes)


def _own(land: ParallelNetwork) -> tuple[Callable[..., Any], Callable[..., Any], list[tuple[int, ...]]]:
    """One unit of a network: its outputs (m, nL), its share of Θ, its blocks."""
    problem = land._problem
    rest = (np.zeros(land.n_outputs),) if land.intercept else ()
    shapes = [shape[1:] if land.hidden else shape[:1] for shape in land.shapes(1)]

    def unit(blocks: Layers) -> Layers:
        return tuple(block[None] if land.hidden else block[:, None] for block in blocks)

    def phi(*blocks: FloatArray) -> FloatArray:
        z, _ = problem.outputs(unit(blocks))
        if land.bias != "free":
            return z
        away = z - z.mean(axis=0)
        return np.where(np.abs(away) > 1e-13 * len(z) * np.max(np.abs(z)), away, 0.0)  # less is rounding

    def theta(*blocks: FloatArray) -> float:
        return problem.theta(unit(blocks) + rest)

    return phi, theta, shapes[: len(shapes) - len(rest)]


# ------------------------------------------------------------------------------------------------------- (i) and (ii)


def _norm(a: FloatArray) -> float:
    top = float(np.max(np.abs(a), initial=0.0))
    return top * float(np.linalg.norm(a / top)) if 0.0 < top < math.inf else top


def _degree(
    name: str, f: Function, points: list[FloatArray], tol: float
) -> tuple[float | None, tuple[str, FloatArray] | None]:
    """p of f(α w) = α^p f(w), the median over samples, and the sample that differs most from it."""
    values = [(x, alpha, f(x), f(alpha * x)) for x in points for alpha in _FACTORS]
    sizes = [(_norm(a), _norm(b)) for _, _, a, b in values]
    powers = [
        math.log(b / a) / math.log(alpha) if a > 0.0 and 0.0 < b < math.inf else math.nan
        for (_, alpha, _, _), (a, b) in zip(values, sizes, strict=True)
    ]
    known = [power for power in powers if not math.isnan(power)]
    p = float(np.median(known)) if known else 0.0
    p = float(round(p)) if abs(p - round(p)) < 1e-6 else p
    worst, where = 0.0, 0
    for index, ((_, alpha, a, b), (first, second)) in enumerate(zip(values, sizes, strict=True)):
        if a.shape != b.shape:
            raise ValueError(f"{name}(*blocks) must have one shape, got {a.shape} and {b.shape}")
        size = max(second, alpha**p * first)
        miss = _norm(b - alpha**p * a) / size if 0.0 < size < math.inf else (0.0 if size == 0.0 else math.inf)
        if not miss <= worst:
            worst, where = miss, index
    x, alpha, _, _ = values[where]
    if not worst <= tol:
        here = "" if math.isnan(powers[where]) else f"the power {powers[where]:.3g} of alpha at one w, "
        text = (
            f"{name} is not positively homogeneous: {name}(alpha w) is not alpha^p {name}(w) with one p ({here}"
            f"{p:.3g} in the median over w and alpha). Sigmoids, softplus, constants and polynomials of mixed degree "
            "are not"
        )
        return None, (text, x)
    zero = np.zeros_like(x)
    if known and _norm(f(zero)) > tol * float(np.median([first for first, _ in sizes])):
        return None, (f"{name} is not positively homogeneous: {name}(0) is not 0", zero)
    if known and p <= 0.0:
        return p, (f"{name} has degree {p:g}, which must be positive", x)
    return (p if known else None), None


def _negative(pair: _Pair, points: list[FloatArray], tol: float) -> tuple[str, FloatArray] | None:
    values = [float(pair.theta(x)[0]) for x in points]
    low = int(np.argmin(values))
    if values[low] < -tol * max(map(abs, values)):
        return f"theta is negative: {values[low]:.3g} at the counterexample", points[low]
    return None


def _degrees(
    pair: _Pair, x: FloatArray, first: float | None, second: float | None, wanted: float | None
) -> tuple[str, FloatArray] | None:
    """One degree for both."""
    if first is not None and second is None:
        return "theta is 0 at all samples and phi is not: theta(w) = 0 must imply phi(w) = 0", x
    if first is not None and second is not None and abs(first - second) > 1e-6:
        count = len(pair.shapes)
        sums = f"of degree {first:g} are (1/{count}) sum |block|^{first:g}"
        products = ", and the product of the norms of the blocks" if first == count else ""
        text = (
            f"theta has degree {second:g}, phi degree {first:g}: with two degrees what theta induces on the outputs is "
            f"not convex (weight decay of degree 2 on three layers is a quasi-norm); {sums}{products}"
        )
        return text, x
    for name, own in (("phi", first), ("theta", second)):
        if wanted is not None and own is not None and abs(own - wanted) > 1e-6:
            return f"{name} has degree {own:g}, not {wanted:g}", x
    return None


# ------------------------------------------------------------------------------------------------------------- (iii)


class _Search:
    """The search for weights of large ρ = |φ| / θ."""

    def __init__(self, pair: _Pair, points: list[FloatArray], p: float, tol: float, rng: np.random.Generator) -> None:
        self.pair, self.p, self.tol, self.rng = pair, p, tol, rng
        sizes = [_norm(x) ** p for x in points]
        self.theta = float(np.median([pair.theta(x)[0] / s for x, s in zip(points, sizes, strict=True)]))
        self.phi = float(np.median([_norm(pair.phi(x)) / s for x, s in zip(points, sizes, strict=True)]))
        logs = [self.ratio(x) for x in points]
        order = np.argsort([-log for log in logs], kind="stable")
        self.points = [points[int(i)] for i in order]
        finite = [log for log in logs if math.isfinite(log)]
        self.typical = float(np.median(finite)) if finite else 0.0

    def ratio(self, x: FloatArray) -> float:
        """log ρ; -inf where φ is zero, or zero up to rounding with θ; nan where something overflows."""
        size, theta = _norm(self.pair.phi(x)), float(self.pair.theta(x)[0])
        if not (math.isfinite(size) and math.isfinite(theta)):
            return math.nan
        if theta > 0.0:
            return math.log(size) - math.log(theta) if size > 0.0 else -math.inf
        return math.inf if size > self.tol * self.phi * _norm(x) ** self.p else -math.inf

    def run(self) -> tuple[str, FloatArray] | None:
        for look in (self._scaled, self._unseen, self._climb):
            violation = look()
            if violation is not None:
                return violation
        return None

    def _negative(self, x: FloatArray) -> tuple[str, FloatArray] | None:
        theta = float(self.pair.theta(x)[0])
        if theta < -self.tol * self.theta * _norm(x) ** self.p:
            return f"theta is negative: {theta:.3g} at the counterexample", x
        return None

    def _scaled(self) -> tuple[str, FloatArray] | None:
        """Parts of w to 0 and to ∞."""
        best: tuple[float, int] = (0.0, 0)
        violation = None
        for name, place in self.pair.parts(self.rng):
            for x in self.points[:_RAYS]:
                for sign, way in ((1.0, "infinity"), (-1.0, "zero")):
                    ray = [x.copy() for _ in _SCALES]
                    for point, scale in zip(ray, _SCALES, strict=True):
                        point[place] *= scale**sign
                    power = self._growth(ray)
                    key = (round(power, 1), len(place))  # of equals the largest part
                    if power > 0.0 and key > best:
                        before, after = (float(self.pair.theta(w)[0]) for w in (x, ray[-1]))
                        blind = sign > 0.0 and abs(after - before) <= 1e-3 * abs(before)
                        why = f"; theta does not see {name}: is it a bias without penalty?" if blind else ""
                        best, violation = key, (self._unbounded(f"scaling {name} to {way}", power) + why, ray[-1])
                point = x.copy()
                point[place] = 0.0
                if self.ratio(point) == math.inf:
                    return f"theta(w) = 0 with {name} at zero, but phi(w) is not 0", point
                negative = self._negative(point)
                if negative is not None:
                    return negative
        return violation

    def _unseen(self) -> tuple[str, FloatArray] | None:
        """Along directions in which θ is constant: orthogonal to all of its gradients."""
        n = self.pair.size
        if n > _KERNEL:
            return None
        starts = (self.rng.standard_normal(n) for _ in range(n + 2))
        gradients = np.array([self._gradient(x) for x in starts])
        if not np.all(np.isfinite(gradients)):
            return None
        _, singular, rows = np.linalg.svd(gradients)
        for direction in rows[int(np.sum(singular > 1e-7 * singular[0])) :]:
            for x, sign in itertools.product(self.points[:_RAYS], (1.0, -1.0)):
                ray = [x + sign * t * direction for t in (1e1, 1e3, 1e5)]
                power = self._growth(ray)
                if power > 0.0:
                    return self._unbounded("moving along a direction in which theta is constant", power), ray[-1]
        return None

    def _gradient(self, x: FloatArray) -> FloatArray:
        step = 1e-5
        steps = step * np.eye(len(x))
        return np.array([(self.pair.theta(x + e)[0] - self.pair.theta(x - e)[0]) / (2.0 * step) for e in steps])

    def _growth(self, ray: list[FloatArray]) -> float:
        """The power of the scale with which ρ grows, two decades at a time; 0 if it does not."""
        first, second, third = (self.ratio(x) for x in ray)
        if not (math.isfinite(first) and math.isfinite(second) and math.isfinite(third)):
            return 0.0
        early, late = (second - first) / math.log(1e2), (third - second) / math.log(1e2)
        return late if min(early, late) > _GROWTH and third > self.typical + math.log(10.0) else 0.0

    @staticmethod
    def _unbounded(how: str, power: float) -> str:
        return f"the image of theta <= 1 is unbounded: {how}, |phi| / theta grows with the power {power:.2g}"

    def _climb(self) -> tuple[str, FloatArray] | None:
        """Ascent of ρ, and descent of θ on the sphere to where it may vanish."""
        if self.pair.size > _SEARCH:
            return None

        def steep(x: FloatArray) -> float:
            return -self._bounded(self.ratio(x))

        def low(x: FloatArray) -> float:
            theta, size = float(self.pair.theta(x)[0]), _norm(x) ** self.p
            return self._bounded(math.log(theta / size) if theta > 0.0 and size > 0.0 else -math.inf)

        budget = {"maxiter": 20, "maxfun": 25 * (self.pair.size + 1)}
        for aim, start in itertools.product((steep, low), self.points[:_STARTS]):
            x = np.asarray(scipy.optimize.minimize(aim, start, method="L-BFGS-B", options=budget).x, dtype=np.float64)
            x /= _norm(x) or 1.0
            negative = self._negative(x)
            if negative is not None:
                return negative
            if self.ratio(x) > self.typical + _LARGE and _norm(self.pair.phi(x)) > 1e-9 * self.phi:
                theta = float(self.pair.theta(x)[0])
                times = math.exp(min(self.ratio(x) - self.typical, 700.0))
                text = (
                    f"the image of theta <= 1 is unbounded, or nearly: theta is {theta:.2g} at the counterexample, and "
                    f"|phi| / theta {times:.1e} times its usual value"
                )
                return text, x
        return None

    @staticmethod
    def _bounded(log: float) -> float:
        return 700.0 if math.isnan(log) else min(max(log, -700.0), 700.0)
