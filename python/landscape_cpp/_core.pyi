# Written by tools/generate_stubs.py from the compiled module. Do not edit.
"""
Compiled kernels of landscape_cpp. Use the functions and classes of landscape_cpp instead.
"""

from __future__ import annotations

import collections.abc
import typing

import numpy
import numpy.typing

class Spectral:
    """
    Whitened spectral data of the linear risk.
    """

    @property
    def colouring(self) -> numpy.typing.NDArray[numpy.float64]: ...
    @property
    def condition(self) -> float: ...
    @property
    def cross(self) -> numpy.typing.NDArray[numpy.float64]: ...
    @property
    def dropped(self) -> float: ...
    @property
    def left(self) -> numpy.typing.NDArray[numpy.float64]: ...
    @property
    def minimum_risk(self) -> float: ...
    @property
    def rank(self) -> int: ...
    @property
    def right(self) -> numpy.typing.NDArray[numpy.float64]: ...
    @property
    def rounding(self) -> float: ...
    @property
    def singular_values(self) -> numpy.typing.NDArray[numpy.float64]: ...
    @property
    def total(self) -> float: ...
    @property
    def unresolved(self) -> int: ...
    @property
    def whitening(self) -> numpy.typing.NDArray[numpy.float64]: ...

class Hessian:
    """
    The Hessian of a landscape at one point, over packed parameters.
    """

    def apply(
        self, x: numpy.typing.NDArray[numpy.float64], n_threads: typing.SupportsInt | typing.SupportsIndex
    ) -> numpy.typing.NDArray[numpy.float64]:
        """
        H x for x (N,), or for every row of x (K, N).
        """

class Risk:
    """
    The quadratic risk over arrays it keeps alive.
    """

    def __init__(
        self,
        xx: numpy.typing.NDArray[numpy.float64],
        xy: numpy.typing.NDArray[numpy.float64],
        fx: numpy.typing.NDArray[numpy.float64],
        fy: numpy.typing.NDArray[numpy.float64],
        total: typing.SupportsFloat | typing.SupportsIndex,
    ) -> None: ...

class ShallowHessian(Hessian):
    """
    The Hessian of the shallow linear risk at one point.
    """

    def __init__(
        self,
        risk: Risk,
        u: numpy.typing.NDArray[numpy.float64],
        v: numpy.typing.NDArray[numpy.float64],
        n_threads: typing.SupportsInt | typing.SupportsIndex,
    ) -> None: ...

class DeepHessian(Hessian):
    """
    The Hessian of the deep linear risk at one point.
    """

    def __init__(
        self,
        risk: Risk,
        w: list[numpy.typing.NDArray[numpy.float64]],
        n_threads: typing.SupportsInt | typing.SupportsIndex,
    ) -> None: ...

class Objective:
    """
    A landscape as training sees it.
    """

    @property
    def degree(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def terms(self) -> int: ...

class TrainingSettings:
    """
    See cpp/include/landscape/training/train.hpp.
    """

    alone: bool

    def __init__(self) -> None: ...
    def state_size(self, parameters: typing.SupportsInt | typing.SupportsIndex) -> int:
        """
        Numbers per run that the method carries.
        """

    @property
    def batch(self) -> int: ...
    @batch.setter
    def batch(self, arg0: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    @property
    def beta1(self) -> float: ...
    @beta1.setter
    def beta1(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> None: ...
    @property
    def beta2(self) -> float: ...
    @beta2.setter
    def beta2(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> None: ...
    @property
    def curvature(self) -> float: ...
    @curvature.setter
    def curvature(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> None: ...
    @property
    def decay(self) -> float: ...
    @decay.setter
    def decay(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> None: ...
    @property
    def drop(self) -> float: ...
    @drop.setter
    def drop(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> None: ...
    @property
    def epsilon(self) -> float: ...
    @epsilon.setter
    def epsilon(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> None: ...
    @property
    def every(self) -> int: ...
    @every.setter
    def every(self, arg0: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    @property
    def horizon(self) -> int: ...
    @horizon.setter
    def horizon(self, arg0: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    @property
    def krylov(self) -> int: ...
    @krylov.setter
    def krylov(self, arg0: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    @property
    def last_step(self) -> int: ...
    @last_step.setter
    def last_step(self, arg0: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    @property
    def memory(self) -> int: ...
    @memory.setter
    def memory(self, arg0: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    @property
    def method(self) -> int: ...
    @method.setter
    def method(self, arg1: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    @property
    def momentum(self) -> float: ...
    @momentum.setter
    def momentum(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> None: ...
    @property
    def noise(self) -> float: ...
    @noise.setter
    def noise(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> None: ...
    @property
    def radius(self) -> float: ...
    @radius.setter
    def radius(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> None: ...
    @property
    def rounding(self) -> float: ...
    @rounding.setter
    def rounding(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> None: ...
    @property
    def rule(self) -> int: ...
    @rule.setter
    def rule(self, arg1: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    @property
    def schedule(self) -> int: ...
    @schedule.setter
    def schedule(self, arg1: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    @property
    def seed(self) -> int: ...
    @seed.setter
    def seed(self, arg0: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    @property
    def threshold(self) -> float: ...
    @threshold.setter
    def threshold(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> None: ...
    @property
    def tolerance(self) -> float: ...
    @tolerance.setter
    def tolerance(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> None: ...
    @property
    def wait(self) -> int: ...
    @wait.setter
    def wait(self, arg0: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    @property
    def warmup(self) -> int: ...
    @warmup.setter
    def warmup(self, arg0: typing.SupportsInt | typing.SupportsIndex) -> None: ...

class Runs:
    """
    The states of a batch of runs: arrays, changed in place.
    """

    def __init__(
        self,
        points: numpy.typing.NDArray[numpy.float64],
        state: numpy.typing.NDArray[numpy.float64],
        step_sizes: numpy.typing.NDArray[numpy.float64],
        steps: numpy.typing.NDArray[numpy.int64],
        gradients: numpy.typing.NDArray[numpy.int64],
        products: numpy.typing.NDArray[numpy.int64],
        keys: numpy.typing.NDArray[numpy.int64],
        values: numpy.typing.NDArray[numpy.float64],
        gradient_norms: numpy.typing.NDArray[numpy.float64],
        ceilings: numpy.typing.NDArray[numpy.float64],
        reasons: numpy.typing.NDArray[numpy.int64],
    ) -> None: ...

class Factorization:
    """
    Observed entries of a matrix, a loss and a penalty; optionally data X.
    """

    def __init__(
        self,
        rows: typing.SupportsInt | typing.SupportsIndex,
        cols: typing.SupportsInt | typing.SupportsIndex,
        row: numpy.typing.NDArray[numpy.int64],
        column: numpy.typing.NDArray[numpy.int64],
        targets: numpy.typing.NDArray[numpy.float64],
        weights: numpy.typing.NDArray[numpy.float64] | None,
        loss: str,
        delta: typing.SupportsFloat | typing.SupportsIndex,
        lam: typing.SupportsFloat | typing.SupportsIndex,
        data: numpy.typing.NDArray[numpy.float64] | None,
    ) -> None: ...
    def gradient(
        self,
        u: numpy.typing.NDArray[numpy.float64],
        v: numpy.typing.NDArray[numpy.float64],
        n_threads: typing.SupportsInt | typing.SupportsIndex,
    ) -> tuple[typing.Any, ...]:
        """
        Values, and the gradients with respect to U and V.
        """

    def value(
        self,
        u: numpy.typing.NDArray[numpy.float64],
        v: numpy.typing.NDArray[numpy.float64],
        n_threads: typing.SupportsInt | typing.SupportsIndex,
    ) -> numpy.typing.NDArray[numpy.float64]:
        """
        Values of a point or a batch, always a 1-D array.
        """

class FactorizationHessian(Hessian):
    """
    The Hessian of a factorisation at one point.
    """

    def __init__(
        self,
        factorization: Factorization,
        u: numpy.typing.NDArray[numpy.float64],
        v: numpy.typing.NDArray[numpy.float64],
        n_threads: typing.SupportsInt | typing.SupportsIndex,
    ) -> None: ...

class ParallelNetwork:
    """
    Data, loss, penalty and kind of unit of a parallel network; any width.
    """

    def __init__(
        self,
        x: numpy.typing.NDArray[numpy.float64],
        y: numpy.typing.NDArray[numpy.float64],
        loss: str,
        delta: typing.SupportsFloat | typing.SupportsIndex,
        lam: typing.SupportsFloat | typing.SupportsIndex,
        intercept: bool,
        intercept_decay: bool,
        free_bias: bool,
        slope: typing.SupportsFloat | typing.SupportsIndex,
        power: typing.SupportsInt | typing.SupportsIndex,
        hidden: collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex],
        product: bool,
    ) -> None: ...
    def gradient(
        self,
        points: numpy.typing.NDArray[numpy.float64],
        width: typing.SupportsInt | typing.SupportsIndex,
        n_threads: typing.SupportsInt | typing.SupportsIndex,
    ) -> tuple[typing.Any, ...]:
        """
        Values and gradients of packed points (B, N).
        """

    def kink_margin(
        self, point: numpy.typing.NDArray[numpy.float64], width: typing.SupportsInt | typing.SupportsIndex
    ) -> float:
        """
        The smallest relative distance of a hidden value to a kink.
        """

    def predict(
        self,
        point: numpy.typing.NDArray[numpy.float64],
        width: typing.SupportsInt | typing.SupportsIndex,
        x: numpy.typing.NDArray[numpy.float64],
    ) -> numpy.typing.NDArray[numpy.float64]:
        """
        Outputs for the rows of x.
        """

    def value(
        self,
        points: numpy.typing.NDArray[numpy.float64],
        width: typing.SupportsInt | typing.SupportsIndex,
        n_threads: typing.SupportsInt | typing.SupportsIndex,
    ) -> numpy.typing.NDArray[numpy.float64]:
        """
        Values of packed points (B, N).
        """

class ParallelHessian(Hessian):
    """
    The Hessian of a parallel network at one packed point.
    """

    def __init__(
        self,
        network: ParallelNetwork,
        point: numpy.typing.NDArray[numpy.float64],
        width: typing.SupportsInt | typing.SupportsIndex,
    ) -> None: ...

def accumulate_factor(
    factor: numpy.typing.NDArray[numpy.float64],
    x: numpy.typing.NDArray[numpy.float64],
    y: numpy.typing.NDArray[numpy.float64],
    weights: numpy.typing.NDArray[numpy.float64],
    center: bool,
    weight: typing.SupportsFloat | typing.SupportsIndex,
    mean_x: numpy.typing.NDArray[numpy.float64],
    mean_y: numpy.typing.NDArray[numpy.float64],
    n_threads: typing.SupportsInt | typing.SupportsIndex,
) -> tuple[typing.Any, ...]:
    """
    The joint factor with rows added, and the new totals.
    """

def accumulate_moments(
    x: numpy.typing.NDArray[numpy.float64],
    y: numpy.typing.NDArray[numpy.float64],
    weights: numpy.typing.NDArray[numpy.float64],
    center: bool,
    sxx: numpy.typing.NDArray[numpy.float64],
    sxy: numpy.typing.NDArray[numpy.float64],
    syy: numpy.typing.NDArray[numpy.float64],
    weight: typing.SupportsFloat | typing.SupportsIndex,
    mean_x: numpy.typing.NDArray[numpy.float64],
    mean_y: numpy.typing.NDArray[numpy.float64],
    n_threads: typing.SupportsInt | typing.SupportsIndex,
) -> tuple[typing.Any, ...]:
    """
    Add rows to the sums sxx, sxy, syy in place; returns (weight, mean_x, mean_y).
    """

def build_info() -> dict[str, typing.Any]:
    """
    How this module was compiled.
    """

def deep_gradient(
    risk: Risk, w: list[numpy.typing.NDArray[numpy.float64]], n_threads: typing.SupportsInt | typing.SupportsIndex
) -> tuple[typing.Any, ...]:
    """
    Values, and gradients with the shapes of w.
    """

def deep_hvp(
    risk: Risk,
    w: list[numpy.typing.NDArray[numpy.float64]],
    d: list[numpy.typing.NDArray[numpy.float64]],
    n_threads: typing.SupportsInt | typing.SupportsIndex,
) -> numpy.typing.NDArray[numpy.float64]:
    """
    Packed Hessian-vector products.
    """

def deep_objective(
    risk: Risk,
    widths: collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex],
    x: numpy.typing.NDArray[numpy.float64] | None = None,
    y: numpy.typing.NDArray[numpy.float64] | None = None,
) -> Objective:
    """
    Points (W1, ..., WL), packed; widths are n_0, ..., n_L; rows of x and y for minibatches.
    """

def deep_value(
    risk: Risk, w: list[numpy.typing.NDArray[numpy.float64]], n_threads: typing.SupportsInt | typing.SupportsIndex
) -> numpy.typing.NDArray[numpy.float64]:
    """
    Values of a point or a batch, always a 1-D array.
    """

def equilibrated_rcond(a: numpy.typing.NDArray[numpy.float64]) -> float:
    """
    Reciprocal condition estimate of the matrix scaled to a unit diagonal.
    """

def evaluate_slice(
    coefficients: numpy.typing.NDArray[numpy.float64],
    s: numpy.typing.NDArray[numpy.float64],
    t: numpy.typing.NDArray[numpy.float64],
    n_threads: typing.SupportsInt | typing.SupportsIndex,
) -> numpy.typing.NDArray[numpy.float64]:
    """
    Values of a polynomial slice on a grid.
    """

def factorization_objective(
    factorization: Factorization, width: typing.SupportsInt | typing.SupportsIndex
) -> Objective:
    """
    Points (U, V) of a width, packed.
    """

def gradient_norm_objective(objective: Objective) -> Objective:
    """
    Half the squared gradient norm of an objective.
    """

def group_lasso(
    h: numpy.typing.NDArray[numpy.float64],
    y: numpy.typing.NDArray[numpy.float64],
    loss: str,
    delta: typing.SupportsFloat | typing.SupportsIndex,
    lam: typing.SupportsFloat | typing.SupportsIndex,
    intercept: bool,
    start: numpy.typing.NDArray[numpy.float64],
    tolerance: typing.SupportsFloat | typing.SupportsIndex,
    max_iterations: typing.SupportsInt | typing.SupportsIndex,
    n_threads: typing.SupportsInt | typing.SupportsIndex,
) -> tuple[typing.Any, ...]:
    """
    (C, b, value, relative gap, rounds, converged)
    """

def has_scipy_blas() -> bool:
    """
    Whether SciPy's BLAS/LAPACK capsules are usable.
    """

def lanczos(
    hessian: Hessian,
    count: typing.SupportsInt | typing.SupportsIndex,
    largest: bool,
    tolerance: typing.SupportsFloat | typing.SupportsIndex,
    max_products: typing.SupportsInt | typing.SupportsIndex,
    seed: typing.SupportsInt | typing.SupportsIndex,
    n_threads: typing.SupportsInt | typing.SupportsIndex,
) -> tuple[typing.Any, ...]:
    """
    Extreme eigenpairs: values, vectors (rows), residuals, products, converged.
    """

def largest_magnitude(a: numpy.typing.NDArray[numpy.float64]) -> float:
    """
    max |a|; NaN if an entry is infinite or NaN, 0 if there is none.
    """

def largest_singular_value(
    operand: tuple[typing.Any, ...],
    start: numpy.typing.NDArray[numpy.float64],
    tolerance: typing.SupportsFloat | typing.SupportsIndex,
    failure: typing.SupportsFloat | typing.SupportsIndex,
    seed: typing.SupportsInt | typing.SupportsIndex,
    n_threads: typing.SupportsInt | typing.SupportsIndex,
) -> tuple[typing.Any, ...]:
    """
    (lower, upper, left, right, by Lanczos, failure probability, products)
    """

def max_threads() -> int:
    """
    Threads a parallel region would use by default; 1 without OpenMP.
    """

def merge_factors(
    factor_a: numpy.typing.NDArray[numpy.float64],
    factor_b: numpy.typing.NDArray[numpy.float64],
    center: bool,
    weight_a: typing.SupportsFloat | typing.SupportsIndex,
    mean_x_a: numpy.typing.NDArray[numpy.float64],
    mean_y_a: numpy.typing.NDArray[numpy.float64],
    weight_b: typing.SupportsFloat | typing.SupportsIndex,
    mean_x_b: numpy.typing.NDArray[numpy.float64],
    mean_y_b: numpy.typing.NDArray[numpy.float64],
    n_threads: typing.SupportsInt | typing.SupportsIndex,
) -> tuple[typing.Any, ...]:
    """
    The joint factor of two sets of rows, and their totals.
    """

def merge_moments(
    sxx_b: numpy.typing.NDArray[numpy.float64],
    sxy_b: numpy.typing.NDArray[numpy.float64],
    syy_b: numpy.typing.NDArray[numpy.float64],
    weight_b: typing.SupportsFloat | typing.SupportsIndex,
    mean_x_b: numpy.typing.NDArray[numpy.float64],
    mean_y_b: numpy.typing.NDArray[numpy.float64],
    center: bool,
    sxx: numpy.typing.NDArray[numpy.float64],
    sxy: numpy.typing.NDArray[numpy.float64],
    syy: numpy.typing.NDArray[numpy.float64],
    weight: typing.SupportsFloat | typing.SupportsIndex,
    mean_x: numpy.typing.NDArray[numpy.float64],
    mean_y: numpy.typing.NDArray[numpy.float64],
) -> tuple[typing.Any, ...]:
    """
    Add the sums of b to sxx, sxy, syy in place; returns the merged totals.
    """

def network_objective(network: ParallelNetwork, width: typing.SupportsInt | typing.SupportsIndex) -> Objective:
    """
    Packed points of a width.
    """

def polar_ascent(
    x: numpy.typing.NDArray[numpy.float64],
    q: numpy.typing.NDArray[numpy.float64],
    slope: typing.SupportsFloat | typing.SupportsIndex,
    power: typing.SupportsInt | typing.SupportsIndex,
    starts: numpy.typing.NDArray[numpy.float64],
    random_starts: typing.SupportsInt | typing.SupportsIndex,
    threshold: typing.SupportsFloat | typing.SupportsIndex,
    separation: typing.SupportsFloat | typing.SupportsIndex,
    count: typing.SupportsInt | typing.SupportsIndex,
    seed: typing.SupportsInt | typing.SupportsIndex,
    n_threads: typing.SupportsInt | typing.SupportsIndex,
) -> tuple[typing.Any, ...]:
    """
    (lower, direction, maximizers, their values, evaluations)
    """

def polar_branch(
    x: numpy.typing.NDArray[numpy.float64],
    q: numpy.typing.NDArray[numpy.float64],
    slope: typing.SupportsFloat | typing.SupportsIndex,
    tolerance: typing.SupportsFloat | typing.SupportsIndex,
    enough: typing.SupportsFloat | typing.SupportsIndex,
    max_nodes: typing.SupportsInt | typing.SupportsIndex,
    max_seconds: typing.SupportsFloat | typing.SupportsIndex,
    lower: typing.SupportsFloat | typing.SupportsIndex,
    direction: numpy.typing.NDArray[numpy.float64],
    keep: bool,
    n_threads: typing.SupportsInt | typing.SupportsIndex,
) -> tuple[typing.Any, ...]:
    """
    (lower, upper, direction, nodes, stop reason, signs of the leaves, orders, multipliers)
    """

def polar_faces(
    x: numpy.typing.NDArray[numpy.float64],
    q: numpy.typing.NDArray[numpy.float64],
    slope: typing.SupportsFloat | typing.SupportsIndex,
    threshold: typing.SupportsFloat | typing.SupportsIndex,
    separation: typing.SupportsFloat | typing.SupportsIndex,
    count: typing.SupportsInt | typing.SupportsIndex,
    known: typing.SupportsFloat | typing.SupportsIndex,
    max_seconds: typing.SupportsFloat | typing.SupportsIndex,
    n_threads: typing.SupportsInt | typing.SupportsIndex,
) -> tuple[typing.Any, ...]:
    """
    (lower, upper, direction, maximizers, their values, complete, reason, circles)
    """

def polar_spectral(
    x: numpy.typing.NDArray[numpy.float64],
    q: numpy.typing.NDArray[numpy.float64],
    slope: typing.SupportsFloat | typing.SupportsIndex,
    power: typing.SupportsInt | typing.SupportsIndex,
    shor: bool,
    n_threads: typing.SupportsInt | typing.SupportsIndex,
) -> tuple[typing.Any, ...]:
    """
    (product of norms, diagonal relaxation, bound of power 2, failure probability, multipliers, exponent)
    """

def polar_sweep(
    x: numpy.typing.NDArray[numpy.float64],
    q: numpy.typing.NDArray[numpy.float64],
    slope: typing.SupportsFloat | typing.SupportsIndex,
    threshold: typing.SupportsFloat | typing.SupportsIndex,
    separation: typing.SupportsFloat | typing.SupportsIndex,
    count: typing.SupportsInt | typing.SupportsIndex,
    n_threads: typing.SupportsInt | typing.SupportsIndex,
) -> tuple[typing.Any, ...]:
    """
    (lower, upper, direction, maximizers, their values, arcs, unit vector of the outputs)
    """

def shallow_classify(
    spectral: Spectral,
    u: numpy.typing.NDArray[numpy.float64],
    v: numpy.typing.NDArray[numpy.float64],
    tolerance: typing.SupportsFloat | typing.SupportsIndex,
    n_threads: typing.SupportsInt | typing.SupportsIndex,
) -> dict[typing.Any, typing.Any]:
    """
    One array per field; directions for a single point.
    """

def shallow_curvature(
    risk: Risk,
    u: numpy.typing.NDArray[numpy.float64],
    v: numpy.typing.NDArray[numpy.float64],
    du: numpy.typing.NDArray[numpy.float64],
    dv: numpy.typing.NDArray[numpy.float64],
    n_threads: typing.SupportsInt | typing.SupportsIndex,
) -> numpy.typing.NDArray[numpy.float64]:
    """
    H[d, d], always a 1-D array.
    """

def shallow_gradient(
    risk: Risk,
    u: numpy.typing.NDArray[numpy.float64],
    v: numpy.typing.NDArray[numpy.float64],
    n_threads: typing.SupportsInt | typing.SupportsIndex,
) -> tuple[typing.Any, ...]:
    """
    Values (always 1-D) and gradients of a point or a batch.
    """

def shallow_hvp(
    risk: Risk,
    u: numpy.typing.NDArray[numpy.float64],
    v: numpy.typing.NDArray[numpy.float64],
    du: numpy.typing.NDArray[numpy.float64],
    dv: numpy.typing.NDArray[numpy.float64],
    n_threads: typing.SupportsInt | typing.SupportsIndex,
) -> tuple[typing.Any, ...]:
    """
    Hessian-vector products.
    """

def shallow_objective(
    risk: Risk,
    hidden: typing.SupportsInt | typing.SupportsIndex,
    x: numpy.typing.NDArray[numpy.float64] | None = None,
    y: numpy.typing.NDArray[numpy.float64] | None = None,
) -> Objective:
    """
    Points (U, V), packed; rows of x and y for minibatches.
    """

def shallow_slice(
    risk: Risk,
    u: numpy.typing.NDArray[numpy.float64],
    v: numpy.typing.NDArray[numpy.float64],
    u1: numpy.typing.NDArray[numpy.float64],
    v1: numpy.typing.NDArray[numpy.float64],
    second: typing.Any,
    n_threads: typing.SupportsInt | typing.SupportsIndex,
) -> numpy.typing.NDArray[numpy.float64]:
    """
    Polynomial coefficients of a 1-D or 2-D slice.
    """

def shallow_value(
    risk: Risk,
    u: numpy.typing.NDArray[numpy.float64],
    v: numpy.typing.NDArray[numpy.float64],
    n_threads: typing.SupportsInt | typing.SupportsIndex,
) -> numpy.typing.NDArray[numpy.float64]:
    """
    Values of a point or a batch, always a 1-D array.
    """

def solve_factorization(
    factorization: Factorization,
    u: numpy.typing.NDArray[numpy.float64],
    v: numpy.typing.NDArray[numpy.float64],
    tolerance: typing.SupportsFloat | typing.SupportsIndex,
    rank_max: typing.SupportsInt | typing.SupportsIndex,
    max_seconds: typing.SupportsFloat | typing.SupportsIndex,
    seed: typing.SupportsInt | typing.SupportsIndex,
    failure: typing.SupportsFloat | typing.SupportsIndex,
    on_record: collections.abc.Callable[[tuple[float, int, float, float, float, float]], None] | None,
    n_threads: typing.SupportsInt | typing.SupportsIndex,
) -> tuple[typing.Any, ...]:
    """
    (U, V, status, trace)
    """

def solve_network(
    network: ParallelNetwork,
    u: numpy.typing.NDArray[numpy.float64],
    v: numpy.typing.NDArray[numpy.float64],
    b: numpy.typing.NDArray[numpy.float64],
    directions: numpy.typing.NDArray[numpy.float64],
    tolerance: typing.SupportsFloat | typing.SupportsIndex,
    width_max: typing.SupportsInt | typing.SupportsIndex,
    max_seconds: typing.SupportsFloat | typing.SupportsIndex,
    max_rounds: typing.SupportsInt | typing.SupportsIndex,
    random_starts: typing.SupportsInt | typing.SupportsIndex,
    seed: typing.SupportsInt | typing.SupportsIndex,
    polar: collections.abc.Callable[
        [numpy.typing.NDArray[numpy.float64], numpy.typing.NDArray[numpy.float64], float],
        tuple[
            typing.SupportsFloat | typing.SupportsIndex,
            typing.SupportsFloat | typing.SupportsIndex,
            typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
            typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
        ],
    ]
    | None,
    on_record: collections.abc.Callable[[tuple[float, int, float, float, float, float]], None] | None,
    n_threads: typing.SupportsInt | typing.SupportsIndex,
) -> tuple[typing.Any, ...]:
    """
    (U, V, b, status, trace)
    """

def spectral_from_factor(
    fx: numpy.typing.NDArray[numpy.float64],
    fy: numpy.typing.NDArray[numpy.float64],
    summation: typing.SupportsFloat | typing.SupportsIndex,
    n_threads: typing.SupportsInt | typing.SupportsIndex,
) -> Spectral:
    """
    Spectral data from a factor of the second moments.
    """

def spectral_from_moments(
    xx: numpy.typing.NDArray[numpy.float64],
    xy: numpy.typing.NDArray[numpy.float64],
    trace_yy: typing.SupportsFloat | typing.SupportsIndex,
    summation: typing.SupportsFloat | typing.SupportsIndex,
    n_threads: typing.SupportsInt | typing.SupportsIndex,
) -> Spectral:
    """
    Spectral data from second moments.
    """

def svt(
    operand: tuple[typing.Any, ...],
    lam: typing.SupportsFloat | typing.SupportsIndex,
    start: numpy.typing.NDArray[numpy.float64],
    method: str,
    seed: typing.SupportsInt | typing.SupportsIndex,
    n_threads: typing.SupportsInt | typing.SupportsIndex,
) -> tuple[typing.Any, ...]:
    """
    (left, values, right, margin, error bound, complete, converged, method, products)
    """

def symmetric_eigen(
    a: numpy.typing.NDArray[numpy.float64], n_threads: typing.SupportsInt | typing.SupportsIndex
) -> tuple[numpy.typing.NDArray[numpy.float64], numpy.typing.NDArray[numpy.float64]]:
    """
    Eigenvalues (ascending) and eigenvectors (columns).
    """

def train(
    objective: Objective,
    settings: TrainingSettings,
    runs: Runs,
    trace_steps: collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex],
    trace_values: numpy.typing.NDArray[numpy.float64],
    trace_norms: numpy.typing.NDArray[numpy.float64],
    trace_points: numpy.typing.NDArray[numpy.float64] | None,
    n_threads: typing.SupportsInt | typing.SupportsIndex,
) -> bool:
    """
    Advances the runs in place to settings.last_step; returns whether Ctrl-C ended it.
    """
