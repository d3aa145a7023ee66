"""Deep linear networks of any depth and widths.

    R(W1, ..., WL) = (1/W) sum_i w_i |y_i - P x_i|²,  P = WL ... W1        Wl (n_l, n_{l-1}), as torch.nn.Linear.weight

(THEORY 3, scaling A: mean of squared errors, no ½.) The global minimum over all weights is known in closed form for any
data and any widths: the best linear map whose rank is at most the smallest hidden width (Eckart & Young; THEORY 3.4).
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from . import _validation as check
from ._certificates import closed_form_certificate
from ._critical import normal_form
from ._deep_points import attach, critical_layers, level_sizes, random_strands, rest_of
from ._dispatch import core
from ._flow import BalancedFlow, balanced_flow, white_scale
from ._hypotheses import deep_hypotheses
from ._ladder import deep_ladder
from ._linear_network import LinearNetwork
from ._local_witness import LocalWitness, local_witness
from ._paths import Path, descent_path
from ._theorem_c import Whitened, classify_deep, escape_end
from ._validation import FloatArray, Layers
from .curvature import HessianOperator
from .results import (
    Certificate,
    CriticalValue,
    DeepCriticalPoint,
    EscapeDirection,
    Hypothesis,
    Kind,
)
from .risk import Covariances, SpectralData

__all__ = ["DeepLinear"]

_LARGEST = 1e70  # products of larger weights overflow in the polynomials along lines


class DeepLinear(LinearNetwork[Layers]):
    """The landscape of a deep linear network on given second moments.

    Args:
        cov: Second moments of the data; a later ``cov.update`` does not change this landscape.
        hidden: Widths (n1, ..., nK) of the hidden layers, positive integers, at least one of them. The network has
            L = K + 1 layers.

    Raises:
        TypeError: If ``cov`` is no :class:`Covariances` or ``hidden`` no sequence of integers.
        ValueError: If ``hidden`` is empty or has a width that is not positive, or ``cov`` holds no weight yet.

    Example:
        >>> import numpy as np
        >>> cov = Covariances(xx=np.eye(2), xy=np.diag([3.0, 1.0]), yy=np.diag([9.0, 1.0]))
        >>> net = DeepLinear(cov, hidden=(2, 1))
        >>> net.shapes
        ((2, 2), (1, 2), (2, 1))
        >>> round(net.minimum_value, 12), round(net.value(net.global_minimum()), 12)
        (1.0, 1.0)

    References:
        THEORY 3; Kawaguchi (2016).
    """

    def __init__(self, cov: Covariances, hidden: Sequence[int]) -> None:
        """Take a snapshot of the moments."""
        self._take(cov)
        if isinstance(hidden, (str, bytes)) or not isinstance(hidden, (Sequence, np.ndarray)):
            raise TypeError(f"hidden must be a sequence of integers, got {hidden!r}")
        widths = tuple(check.as_int(f"hidden[{i}]", n, minimum=1, maximum=2**31 - 1) for i, n in enumerate(hidden))
        if not widths:
            raise ValueError("hidden must name at least one hidden layer; without any it is linear regression")
        self._hidden = widths

    @property
    def hidden(self) -> tuple[int, ...]:
        """Widths of the hidden layers."""
        return self._hidden

    @property
    def widths(self) -> tuple[int, ...]:
        """n_0, n_1, ..., n_L: inputs, hidden layers, outputs."""
        return (self._cov.n_inputs, *self._hidden, self._cov.n_outputs)

    @property
    def depth(self) -> int:
        """Number L of layers of weights."""
        return len(self._hidden) + 1

    @property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """Shapes of W1, ..., WL: (n_l, n_{l-1})."""
        return tuple((after, before) for before, after in itertools.pairwise(self.widths))

    def __repr__(self) -> str:
        """Widths."""
        return f"DeepLinear(n_inputs={self.n_inputs}, hidden={self._hidden}, n_outputs={self.n_outputs})"

    # ------------------------------------------------------------------------------------------------ points

    def _point(self, p: Any, name: str = "p") -> Layers:
        layers, magnitudes = check.as_layers(name, p, self.shapes)
        reach = self._cov.input_scale
        for layer, largest in zip(layers, magnitudes, strict=True):
            reach *= max(1.0, largest * math.sqrt(layer.shape[-1] * layer.shape[-2]))
        if not reach < _LARGEST:
            raise ValueError(f"{name} is too large: the product of its layers, on these inputs, reaches {reach:.1e}")
        return layers

    # ------------------------------------------------------------------------------------- value and derivatives

    def value(self, p: Any, *, n_threads: int | None = None) -> float | FloatArray:
        """R(W1, ..., WL), the mean squared error summed over outputs.

        Args:
            p: A point (W1 (n1, n0), ..., WL (nL, nK)), or a batch.
            n_threads: Threads; None is all of them.

        Returns:
            A float, or (B,) for a batch. From moments its absolute error is about 1e-16 tr Syy; :meth:`gap` keeps more
            digits near the minimum.

        Raises:
            ValueError: For wrong shapes, NaN or infinity.
            TypeError: For input that is not a tuple of real arrays.
        """
        point = self._point(p)
        values = core.deep_value(self._cov._risk(), list(point), check.as_threads(n_threads))
        return values if point[0].ndim == 3 else float(values[0])

    def gradient(self, p: Any, *, n_threads: int | None = None) -> Layers:
        """(dR/dW1, ..., dR/dWL), dR/dWh = 2 F_hᵀ G C_{h-1}ᵀ with G = P Sxx - Syx (THEORY 3.1), shaped like ``p``.

        Args:
            p: A point or a batch.
            n_threads: Threads; None is all of them.

        Raises:
            ValueError: As :meth:`value`.
        """
        return self.value_and_gradient(p, n_threads=n_threads)[1]

    def value_and_gradient(self, p: Any, *, n_threads: int | None = None) -> tuple[float | FloatArray, Layers]:
        """Both from the same products, for about the price of the gradient.

        Args:
            p: A point or a batch.
            n_threads: Threads; None is all of them.

        Returns:
            (value, gradient), as :meth:`value` and :meth:`gradient` give them.

        Raises:
            ValueError: As :meth:`value`.
        """
        point = self._point(p)
        values, slopes = core.deep_gradient(self._cov._risk(), list(point), check.as_threads(n_threads))
        return values if point[0].ndim == 3 else float(values[0]), tuple(slopes)

    def hvp(self, p: Any, d: Any, *, n_threads: int | None = None) -> Layers:
        """The Hessian at p times d (THEORY 10), as a point or a batch.

        For many products at one point :meth:`hessian` keeps what the point alone determines.

        Args:
            p: A point or a batch.
            d: A direction or a batch; one p with many d, many p with one d, or pairwise.
            n_threads: Threads; None is all of them.

        Raises:
            ValueError: As :meth:`value`, and for batches of different sizes.
        """
        point, direction = self._pair(p, d)
        return self._unpack(self._products(point, direction, n_threads))

    def _products(self, point: Layers, direction: Layers, n_threads: int | None) -> FloatArray:
        threads, compiled = check.as_threads(n_threads), self._cov._risk()
        if point[0].ndim == 3:
            products: FloatArray = core.deep_hvp(compiled, list(point), list(direction), threads)
            return products
        # One point: what it determines is computed once, and several directions share the product with Sxx.
        return core.DeepHessian(compiled, list(point), threads).apply(self._flat(direction), threads)

    def curvature(self, p: Any, d: Any, *, n_threads: int | None = None) -> float | FloatArray:
        """d²/dt² value(p + t d) at t = 0 (THEORY 3.1).

        Args:
            p: A point or a batch.
            d: A direction or a batch; broadcasts as :meth:`hvp`.
            n_threads: Threads; None is all of them.

        Returns:
            A float, or (B,).

        Raises:
            ValueError: As :meth:`hvp`.
        """
        point, direction = self._pair(p, d)
        products = self._products(point, direction, n_threads)
        values = np.einsum("...i,...i->...", products, self._flat(direction))
        return values if values.ndim else float(values)

    def hessian(self, p: Any, *, n_threads: int | None = None) -> HessianOperator:
        """The Hessian at a point as a SciPy ``LinearOperator`` (N, N) over packed parameters.

        Args:
            p: A single point.
            n_threads: Threads of its products; None is all of them.

        Returns:
            The operator; ``.todense()`` gives the matrix for small sizes.
        """
        threads = check.as_threads(n_threads)
        compiled = core.DeepHessian(self._cov._risk(), list(self._single(p)), threads)
        return HessianOperator(compiled, self.size, threads)

    def predict(self, p: Any, X: Any) -> FloatArray:
        """X W1ᵀ ... WLᵀ, (m, nL); (B, m, nL) for a batch. With centred moments: of centred inputs, to centred outputs.

        Args:
            p: A point or a batch.
            X: Inputs, (m, n0).
        """
        layers = self._point(p)
        result = check.as_array("X", X, "(m, n0)", (None, self.n_inputs))
        for layer in layers:
            result = np.asarray(result @ np.swapaxes(layer, -1, -2))
        return result

    def product(self, p: Any) -> FloatArray:
        """P = WL ... W1, (nL, n0); (B, nL, n0) for a batch."""
        layers = self._point(p)
        if self.n_outputs <= self.n_inputs:
            result = layers[-1]
            for layer in reversed(layers[:-1]):
                result = np.asarray(result @ layer)
            return result
        result = layers[0]
        for layer in layers[1:]:
            result = np.asarray(layer @ result)
        return result

    # ------------------------------------------------------------------------------------------ the global minimum

    @property
    def rank_bound(self) -> int:
        """ρ, the smaller of the smallest hidden width and rank Σ: the rank of the product at a global minimum."""
        return min(*self._hidden, self._cov.spectrum().rank)

    @property
    def minimum_value(self) -> float:
        """The global minimum over all weights, tr Syy - Σ_{i≤ρ} λ_i (THEORY 3.4)."""
        spectrum = self._cov.spectrum()
        return spectrum.minimum_risk + float(spectrum.eigenvalues[min(self._hidden) :].sum())

    def global_minimum(self) -> Layers:
        """The balanced global minimum, W_{l+1}ᵀ W_{l+1} = W_l W_lᵀ in every hidden layer (THEORY 3.9).

        P* = Q_ρ Q_ρᵀ Syx Sxx⁺ = A diag(s) Bᵀ is spread evenly: W1 = s^{1/L} Bᵀ, the layers between diag(s^{1/L}), WL =
        A s^{1/L}. Hidden units beyond ρ are zero.

        Returns:
            (W1, ..., WL).
        """
        spectrum = self._cov.spectrum()
        # Singular values at the rounding level of ill-conditioned inputs count too, as in minimum_value.
        rank = min(*self._hidden, spectrum.rank + spectrum.unresolved)
        left, right = normal_form(spectrum, rank, list(range(rank))) if rank else (None, None)
        if left is None or right is None:
            return tuple(np.zeros(shape) for shape in self.shapes)
        basis, upper = np.linalg.qr(right)  # P* = left rightᵀ = left upperᵀ basisᵀ
        rotation, singular, rows = np.linalg.svd(upper.T)
        return self._spread(left @ rotation, singular, basis @ rows.T)

    def _spread(self, left: FloatArray, singular: FloatArray, right: FloatArray) -> Layers:
        """The balanced factors of left diag(singular) rightᵀ: the root of the singular values in every layer."""
        rank = len(singular)
        root = singular ** (1.0 / self.depth)
        layers = [np.zeros(shape) for shape in self.shapes]
        layers[0][:rank] = (right * root).T
        for layer in layers[1:-1]:
            layer[:rank, :rank] = np.diag(root)
        layers[-1][:, :rank] = left * root
        return tuple(layers)

    def balance(self, p: Any) -> Layers:
        """The balanced weights of the same network: W_{l+1}ᵀ W_{l+1} = W_l W_lᵀ in every hidden layer.

        The product is the same to rounding, and so is the value; weights that do not reach the outputs are dropped.

        Args:
            p: A single point.

        Returns:
            (W1, ..., WL).
        """
        rank = min(self._hidden)  # no product of these widths has more
        left, singular, rows = np.linalg.svd(self.product(self._single(p)), full_matrices=False)
        rank = min(rank, len(singular))
        return self._spread(left[:, :rank], singular[:rank], rows[:rank].T)

    def critical_point(self, indices: Sequence[int], strands: Sequence[tuple[int, int]] = ()) -> Layers:
        """The critical point that uses the eigenvectors ``indices`` of Σ, with residual weights of a given pattern.

        Without strands all weights beyond the signal are zero: with fewer than ρ of the leading eigenvectors and three
        layers or more that is a non-strict saddle. A strand (s, e) is a chain of unit weights from level s to level e
        (level 0 are the inputs, level L the outputs) through hidden units that the signal does not use. Strands decide
        between strict and non-strict saddles: a strand (1, L - 1), say, makes the pivot of WL and W1 loose. With all
        strands that keep a point critical, up to invertible matrices between the layers, these are all critical points
        there are.

        Args:
            indices: Distinct 0-based indices below rank Σ, at most as many as the smallest hidden width.
            strands: Pairs of levels 0 <= s < e <= L.

        Returns:
            (W1, ..., WL).

        Raises:
            ValueError: For repeated, negative, too many or too large indices; for strands out of range, on levels that
                have no unit left, or that would make the point not critical.
            TypeError: For indices or levels that are not integers.

        References:
            Theorem C, part 1 (THEORY 3.3); the module ``landscape_cpp._deep_points`` has the argument.
        """
        chosen = self._indices(indices, min(self._hidden), "the smallest width")
        pairs = []
        strand: Any
        for strand in strands:
            if not isinstance(strand, (tuple, list)) or len(strand) != 2:
                raise TypeError(f"strands must be pairs of levels (s, e), got {strand!r}")
            first = check.as_int("strands", strand[0], minimum=0, maximum=self.depth - 1)
            pairs.append((first, check.as_int("strands", strand[1], minimum=first + 1, maximum=self.depth)))
        spectrum = self._cov.spectrum()
        rest = rest_of(spectrum, chosen)
        sizes = level_sizes(spectrum, self._hidden, self.n_outputs, len(chosen))
        return critical_layers(spectrum, rest, self._hidden, attach(pairs, sizes, len(rest.sigma)), None)

    def random_critical_point(
        self,
        rank: int | None = None,
        *,
        indices: Sequence[int] | None = None,
        extra: bool = True,
        seed: int | np.random.Generator | None = None,
    ) -> Layers:
        """A random critical point of any kind, for tests and experiments.

        A random index set, random strands, random invertible matrices between the layers; under singular Sxx a random
        component of W1 in its kernel.

        Args:
            rank: Number of eigenvectors in use; None draws it.
            indices: The index set itself, 0-based; None draws it.
            extra: Add random strands; otherwise the residual weights are zero.
            seed: None, an int or a Generator.

        Returns:
            (W1, ..., WL).

        Raises:
            ValueError: If the rank exceeds ρ, or contradicts ``indices``.
        """
        rng = check.as_generator("seed", seed)
        extra = check.as_bool("extra", extra)
        spectrum = self._cov.spectrum()
        if indices is not None:
            chosen = self._indices(indices, min(self._hidden), "the smallest width")
            if rank is not None and check.as_int("rank", rank) != len(chosen):
                raise ValueError(f"rank must be len(indices) = {len(chosen)}, got {rank}")
        else:
            most = self.rank_bound
            r = int(rng.integers(0, most + 1)) if rank is None else check.as_int("rank", rank, minimum=0, maximum=most)
            top = list(range(r))  # half of the draws: others are strict saddles whatever the strands
            chosen = top if rng.random() < 0.5 else sorted(int(i) for i in rng.permutation(spectrum.rank)[:r])
        rest = rest_of(spectrum, chosen)
        sizes = level_sizes(spectrum, self._hidden, self.n_outputs, len(chosen))
        attempts = int(rng.integers(0, 4 * self.depth)) if extra else 0
        strands = random_strands(sizes, len(rest.sigma), rng, attempts)
        return critical_layers(spectrum, rest, self._hidden, strands, rng)

    def iter_critical_values(self) -> Iterator[CriticalValue]:
        """All critical values in ascending order, one index set at a time, found lazily (Theorem C, part 1).

        The kind is that of ``critical_point(indices)``, all residual weights zero: with strands a non-strict saddle may
        become strict.
        """
        return deep_ladder(self._cov.spectrum(), min(self._hidden), self.depth)

    @property
    def hypotheses(self) -> tuple[Hypothesis, ...]:
        """The theorems on this landscape: which hypotheses hold for these data and widths, with the numbers."""
        return deep_hypotheses(self._cov.spectrum(), self.widths)

    def gap(self, p: Any, *, n_threads: int | None = None) -> float | FloatArray:
        """value(p) - minimum over all weights of these widths, exact at any point, critical or not (THEORY 3.4).

        Evaluated in whitened coordinates as |P B - M|² - Σ_{i>ρ} λ_i, which keeps the digits that the difference of two
        values would lose (THEORY 1).

        Args:
            p: A point or a batch.
            n_threads: Threads of the decomposition of the moments; None is all of them.

        Returns:
            A float, or (B,); never negative.
        """
        layers = self._point(p)
        spectrum = self._cov.spectrum(n_threads=n_threads)
        image = layers[0] @ spectrum.colouring
        for layer in layers[1:]:
            image = layer @ image
        excess = ((image - spectrum.cross) ** 2).sum(axis=(-2, -1))
        gaps = np.maximum(0.0, excess - float(spectrum.eigenvalues[min(self._hidden) :].sum()))
        return gaps if layers[0].ndim == 3 else float(gaps)

    def certify(self, p: Any, *, tol: float = 1e-8, n_threads: int | None = None) -> Certificate | list[Certificate]:
        """How far the point is from the global minimum, proved in closed form; works at any point, critical or not.

        The lower bound is the global minimum over all weights of these widths (THEORY 3.4) minus a rounding margin: of
        the spectral decomposition, amplified by the condition of the inputs, and of the value itself. Directions of the
        inputs that are zero to working precision are taken as exactly zero; ``reason`` says so where there are any.

        Args:
            p: A point or a batch.
            tol: GLOBAL means a proved gap of at most tol times the value at zero weights.
            n_threads: Threads; None is all of them.

        Returns:
            A :class:`Certificate`, or a list of them. The witness of NOT_GLOBAL is the step to a global minimum: the
            value at p + witness is ``minimum_value``. Its stationarity is ``classify(p).gradient_norm``.
        """
        return self._certify_all(p, tol, n_threads)

    def _certify(self, point: Layers, tol: float, n_threads: int | None) -> Certificate:
        spectrum = self._cov.spectrum(n_threads=n_threads)

        def witness() -> Layers:
            best = self.global_minimum()
            return tuple(there - here for here, there in zip(point, best, strict=True))

        return closed_form_certificate(
            self._cov,
            spectrum,
            point=point,
            fingerprint=self._fingerprint,
            value=float(self.value(point, n_threads=n_threads)),
            minimum=self.minimum_value,
            value_margin=self._value_margin(point, spectrum),
            stationarity=Whitened(spectrum, point).relative_gradient(),
            tol=tol,
            witness=witness,
        )

    def _value_margin(self, point: Layers, spectrum: SpectralData) -> float:
        """Rounding margin of ``value``: unit roundoff times the sizes of the terms it sums (THEORY 1)."""
        # |P Sxx^½| <= |WL| ... |W2| |W1 B|; the terms are total, 2 <Syx, P> and |P Sxx^½|².
        reach = float(np.linalg.norm(point[0] @ spectrum.colouring))
        for layer in point[1:]:
            reach *= float(np.linalg.norm(layer))
        terms = (math.sqrt(spectrum.total) + reach) ** 2
        noise = spectrum.rounding * math.sqrt(spectrum.total) * (math.sqrt(spectrum.total) + reach)
        return 8.0 * 2.0**-53 * self.depth * math.sqrt(sum(self.widths)) * terms + 2.0 * noise

    # ------------------------------------------------------------------------------------------------ verdicts

    def classify(self, p: Any, *, tol: float = 1e-8, n_threads: int | None = None) -> DeepCriticalPoint | list[Any]:
        """What the point is: global minimum, strict saddle, non-strict saddle, not critical, or too close to call.

        Theorem C: a critical point is the global minimum if it uses the best index set of the largest rank, a strict
        saddle if its index set is not the best of its size or some pivot is loose, and a non-strict saddle if all
        pivots are tight: the Hessian has no negative eigenvalue there, yet the point is no minimum. A strict saddle is
        said only with a direction whose curvature, evaluated at the point itself, is negative beyond its margin.

        Args:
            p: A point or a batch.
            tol: Relative gradient norm below which a point counts as critical, and relative size below which singular
                values and blocks count as zero; up to ten times that is undetermined.
            n_threads: Threads of the decomposition of the moments; None is all of them.

        Returns:
            A :class:`DeepCriticalPoint`, or a list of them for a batch.

        Raises:
            ValueError: For wrong shapes, NaN or infinity, or a tolerance that is not positive.

        References:
            Theorem C (THEORY 3.3), witnesses 3.4, tolerances 3.7 and 12b.3; cf. Achour, Malgouyres and Gerchinovitz.
        """
        point = self._point(p)
        tol = check.as_float("tol", tol, positive=True)
        spectrum = self._cov.spectrum(n_threads=n_threads)
        if point[0].ndim == 3:
            return [self._classify(layers, tol, spectrum) for layers in zip(*point, strict=True)]
        return self._classify(point, tol, spectrum)

    def _classify(self, point: Layers, tol: float, spectrum: SpectralData) -> DeepCriticalPoint:
        return dataclasses.replace(classify_deep(spectrum, point, self._hidden, tol), hypotheses=self.hypotheses)

    def escape_direction(self, p: Any, *, tol: float = 1e-8, n_threads: int | None = None) -> EscapeDirection:
        """The witness of a strict saddle (THEORY 3.4).

        Raises:
            ValueError: If the point is not a strict saddle: at a non-strict one no direction has negative curvature
                (:meth:`escape` follows a curve), at a global minimum there is no way down.
        """
        found = self.classify(self._single(p), tol=tol, n_threads=n_threads)
        assert isinstance(found, DeepCriticalPoint)
        if found.escape is None:
            raise ValueError(f"no escape direction: the point is {found.kind} ({found.reason})")
        return found.escape

    def local_witness(
        self, p: Any, eps: float = 1e-2, *, tol: float = 1e-8, seed: int | np.random.Generator = 0
    ) -> LocalWitness:
        """A lower point near a non-strict saddle: the proof by substitution that it is no local minimum (THEORY 3.6).

        First to a point at a distance of about ``eps`` with exactly the same value, then down along one layer, where
        the value is a parabola.

        Args:
            p: A single point, a non-strict saddle.
            eps: Size of both steps, positive; relative to weights of the order of one.
            tol: As in :meth:`classify`.
            seed: Of the random part of the first step.

        Returns:
            A :class:`LocalWitness`.

        Raises:
            ValueError: If the point is not a non-strict saddle, or ``eps`` is so small that rounding hides the drop.
        """
        point = self._single(p)
        eps = check.as_float("eps", eps, positive=True)
        found = self.classify(point, tol=tol)
        assert isinstance(found, DeepCriticalPoint)
        if found.kind is not Kind.NON_STRICT_SADDLE:
            raise ValueError(f"p must be a non-strict saddle, but it is {found.kind} ({found.reason})")
        witness = local_witness(self, point, found.rank, eps, check.as_generator("seed", seed))
        if witness is None:
            raise ValueError(f"eps = {eps:g} is too small: rounding hides the drop")
        return witness

    def escape(self, p: Any, *, tol: float = 1e-8, n_threads: int | None = None) -> Layers:
        """One step down, of the right kind.

        Along the escape direction at a strict saddle and along the negative gradient where the point is not critical,
        to the lowest point of the line (a polynomial of degree 2L). At a non-strict saddle to the end of the curve of
        order L of THEORY 3.5, where the value is lower by ``drop``.

        Args:
            p: A single point.
            tol: As in :meth:`classify`.
            n_threads: Threads; None is all of them.

        Returns:
            The new point; a copy of ``p`` at a global minimum or where no way down is known.
        """
        point = self._single(p)
        found = self.classify(point, tol=tol, n_threads=n_threads)
        assert isinstance(found, DeepCriticalPoint)
        here = tuple(layer.copy() for layer in point)
        if found.kind is Kind.GLOBAL_MINIMUM:
            return here
        if found.kind is Kind.NON_STRICT_SADDLE:
            end = escape_end(self._cov.spectrum(), point, found.rank)
            return end if self.gap(end) < found.gap else here
        candidates = [self.gradient(point, n_threads=n_threads)]
        if found.escape is not None:
            candidates = [found.escape.scaled_direction, found.escape.direction]
        moved = self._line_search(point, candidates, found.gap, n_threads)
        return here if moved is None else moved

    def descent_path(self, p: Any, *, tol: float = 1e-8, max_segments: int | None = None) -> Path:
        """An explicit path from a critical point to a global minimum on which the value never increases.

        Swaps of used eigenvectors of Σ for better missed ones until the index set is the best of its size; a flat
        segment on which the product does not change; then one descent of order L for each missing eigenvector, along
        which the value falls by λ (2 t^L - t^{2L}). Every value is known in closed form, no line search is made;
        ``path.verify(net)`` evaluates the landscape along the way and compares.

        Args:
            p: A single critical point, of whatever kind.
            tol: As in :meth:`classify`: relative gradient norm below which a point counts as critical.
            max_segments: Stop after so many segments; None goes all the way, in at most 2 ρ + 1.

        Returns:
            A :class:`Path`; without segments from a global minimum.

        Raises:
            ValueError: If the point is not critical or too close to call, a batch, or of wrong shape.

        Example:
            >>> import numpy as np
            >>> cov = Covariances(xx=np.eye(2), xy=np.diag([3.0, 1.0]), yy=np.diag([9.0, 1.0]))
            >>> net = DeepLinear(cov, hidden=(2, 1))
            >>> path = net.descent_path(tuple(np.zeros(shape) for shape in net.shapes))
            >>> path.kinds, round(path.start_value, 12), round(path.end_value, 12), path.verify(net).ok
            (('flat', 'descent'), 10.0, 1.0, True)

        References:
            THEORY 3.5 and its corollary.
        """
        return descent_path(self, p, tol=tol, max_segments=max_segments)

    # ------------------------------------------------------------------------------------------------ balancedness

    def balancedness(self, p: Any) -> FloatArray:
        """|W_{l+1}ᵀ W_{l+1} - W_l W_lᵀ| of every hidden layer, in Frobenius norm; gradient flow keeps the matrices.

        Args:
            p: A point or a batch.

        Returns:
            (K,), or (B, K) for a batch.
        """
        layers = self._point(p)
        norms = [
            np.linalg.norm(np.swapaxes(after, -1, -2) @ after - before @ np.swapaxes(before, -1, -2), axis=(-2, -1))
            for before, after in itertools.pairwise(layers)
        ]
        return np.stack(norms, axis=-1)

    def _objective(self, x: FloatArray | None = None, y: FloatArray | None = None) -> core.Objective:
        return core.deep_objective(self._cov._risk(), list(self.widths), x, y)

    def balanced_start(self, scale: float) -> Layers:
        """Balanced weights that share the singular vectors of the global minimum, each mode of size ``scale``.

        W_{l+1}ᵀ W_{l+1} = W_l W_lᵀ in every hidden layer, and ρ singular values of the product are scale^L: where
        :meth:`balanced_flow` starts; for a small scale, near the saddle at zero.

        Args:
            scale: Singular value of every layer in every mode, positive.

        Returns:
            (W1, ..., WL).
        """
        size = check.as_float("scale", scale, positive=True)
        rank = self.rank_bound
        left, _, rows = np.linalg.svd(self.product(self.global_minimum()), full_matrices=False)
        return self._spread(left[:, :rank], np.full(rank, size**self.depth), rows[:rank].T)

    def balanced_flow(self, scale: float, times: Any) -> BalancedFlow:
        """Gradient flow dW/dt = -∇R from :meth:`balanced_start`, exactly: every mode moves on its own.

        From a small scale the value waits near the critical values of the ladder in turn and drops from one to the next
        when a further mode arrives; ``plateau_times`` says when, to leading order, and ``half_times`` exactly. Gradient
        descent with a small learning rate η follows the flow at t = (number of steps) η.

        Args:
            scale: As in :meth:`balanced_start`.
            times: Non-negative and ascending, (T,).

        Returns:
            A :class:`BalancedFlow`.

        Raises:
            ValueError: If the inputs are not white, Sxx = c I to 1e-8 relative: only then do the modes decouple.

        Example:
            >>> import numpy as np
            >>> cov = Covariances(xx=np.eye(2), xy=np.diag([3.0, 1.0]), yy=np.diag([9.0, 1.0]))
            >>> flow = DeepLinear(cov, hidden=(2, 2)).balanced_flow(1e-3, [0.0, 300.0, 1000.0])
            >>> [round(float(value), 3) for value in flow.values]
            [10.0, 1.0, 0.0]

        References:
            THEORY 3.7; Saxe, McClelland & Ganguli (2014).
        """
        start = check.as_float("scale", scale, positive=True)
        grid = check.as_array("times", times, "(T,)", (None,))
        if not len(grid) or grid[0] < 0.0 or (np.diff(grid) < 0.0).any():
            raise ValueError("times must be non-negative and ascending, with at least one of them")
        rank = self.rank_bound
        return balanced_flow(
            self._cov.spectrum(), white_scale(self._cov.xx), rank, self.depth, np.full(rank, start), grid
        )

    # ------------------------------------------------------------------------------------------------ slices

    def _slice_coefficients(self, p: Layers, d1: Layers, d2: Layers | None, n_threads: int | None = None) -> FloatArray:
        """Coefficients c_ij of s^i t^j of value(p + s d1 + t d2): (2L + 1, 2L + 1), or (2L + 1, 1)."""
        terms: dict[tuple[int, int], FloatArray] = {(0, 0): np.eye(self.n_inputs)}
        for layer in range(self.depth):
            factors = [((0, 0), p[layer]), ((1, 0), d1[layer])]
            if d2 is not None:
                factors.append(((0, 1), d2[layer]))
            grown: dict[tuple[int, int], FloatArray] = {}
            for ((i, j), product), ((a, b), factor) in itertools.product(terms.items(), factors):
                key = (i + a, j + b)
                grown[key] = grown.get(key, 0.0) + factor @ product
            terms = grown
        powers = list(terms)
        stack = np.stack([terms[power] for power in powers])  # (T, nL, n0)
        size = 2 * self.depth + 1
        coefficients = np.zeros((size, size if d2 is not None else 1))
        if (pair := self._cov.factor) is not None:
            images = stack @ pair[0].T  # (T, nL, k)
            images[powers.index((0, 0))] -= pair[1].T
            gram = np.tensordot(images, images, axes=([1, 2], [1, 2]))
        else:
            gram = np.tensordot(stack @ self._cov.xx, stack, axes=([1, 2], [1, 2]))
            coefficients[0, 0] = self._cov.total
            for (i, j), product in terms.items():
                coefficients[i, j] -= 2.0 * float(np.vdot(self._cov.yx, product))
        for (row, (i, j)), (column, (a, b)) in itertools.product(enumerate(powers), enumerate(powers)):
            coefficients[i + a, j + b] += gram[row, column]
        return coefficients

    def __getstate__(self) -> dict[str, Any]:
        """The moments and the widths."""
        return {"cov": self._cov, "hidden": self._hidden}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore."""
        self._cov, self._hidden = state["cov"], state["hidden"]
