"""Extreme Hessian eigenpairs against SciPy's ARPACK on the same operator, dense against Lanczos, and exact slices.

Run: python benchmarks/bench_curvature.py [--threads N]
"""

from __future__ import annotations

import timing

THREADS = timing.pin_threads()

import numpy as np  # noqa: E402
from scipy.sparse.linalg import eigsh  # noqa: E402

import landscape_cpp as ls  # noqa: E402


def problem(n0: int, n1: int, n2: int) -> tuple[ls.ShallowLinear, tuple[np.ndarray, np.ndarray]]:
    """A random regression problem with a decaying spectrum, at a swap saddle."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3 * n0, n0)) * np.linspace(1.0, 0.1, n0)
    y = x @ rng.standard_normal((n0, n2)) + rng.standard_normal((3 * n0, n2))
    net = ls.ShallowLinear(ls.Covariances.from_data(x, y, method="moments"), n1)
    return net, net.critical_point([*range(n1 - 1), n1])


def bench_eigenpair(n0: int, n1: int, n2: int, *, dense: bool) -> None:
    """The smallest eigenpair to the same relative residual."""
    net, p = problem(n0, n1, n2)

    def ours(method: str) -> ls.Eigenpair:
        return ls.curvature.smallest_eigenpair(net, p, method=method, n_threads=THREADS)

    def arpack() -> float:
        start = np.random.default_rng(0).standard_normal(net.size)
        return eigsh(net.hessian(p, n_threads=THREADS), k=1, which="SA", tol=1e-8, v0=start)[0][0]

    rivals = {"smallest_eigenpair, Lanczos in C++": lambda: ours("lanczos"), "scipy.sparse.linalg.eigsh": arpack}
    if dense:
        rivals["smallest_eigenpair, dense"] = lambda: ours("dense")
    found = ours("lanczos")
    assert abs(found.value - arpack()) <= 1e-6 * abs(found.value)
    title = f"smallest Hessian eigenpair, {n0}-{n1}-{n2}, {net.size} parameters, {THREADS} thread(s)"
    timing.report(title, timing.compare(rivals, repeat=5), "smallest_eigenpair, Lanczos in C++")


def bench_slice() -> None:
    """A million grid points of a 784-64-10 landscape."""
    net, p = problem(784, 64, 70)
    rng = np.random.default_rng(1)
    d1, d2 = ([rng.standard_normal(shape) for shape in net.shapes] for _ in range(2))
    grid = np.linspace(-1.0, 1.0, 1000)
    seconds = timing.compare({"ls.slice, 1000 x 1000": lambda: ls.slice(net, p, d1, d2, s=grid, t=grid)}, repeat=5)
    timing.report(f"exact slice, 784-64-70, {THREADS} thread(s)", seconds, "ls.slice, 1000 x 1000")


if __name__ == "__main__":
    bench_eigenpair(20, 8, 10, dense=True)
    bench_eigenpair(50, 10, 12, dense=True)
    bench_eigenpair(100, 20, 25, dense=True)
    bench_eigenpair(784, 64, 70, dense=False)
    bench_slice()
