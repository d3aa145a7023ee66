"""The polar of ReLU networks: exact in two and three dimensions, branch and bound at trained networks.

Against ``numpy.argsort`` of the angles that any sweep has to sort, and a sweep over the great circles in NumPy. For
branch and bound there is no peer: nodes and seconds to a relative distance of the two bounds, beside one node's
relaxation in NumPy.

Run: python benchmarks/bench_homogeneous.py [--threads N] [--large]
"""

from __future__ import annotations

import argparse
import time

import timing

THREADS = timing.pin_threads()

import numpy as np  # noqa: E402
import scipy.optimize  # noqa: E402

import landscape_cpp as ls  # noqa: E402


def random_pair(m: int, d: int, n_outputs: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((m, d)), rng.standard_normal((m, n_outputs))


def bench_circle() -> None:
    """THEORY 7.2: O(m log m)."""
    for n_outputs in (1, 3):
        X, Q = random_pair(1_000_000, 2, n_outputs)
        nn = ls.ParallelNetwork(X, Q, 1.0)
        angles = np.arctan2(X[:, 1], X[:, 0])
        both = np.concatenate([angles, angles + np.pi])
        seconds = timing.compare(
            {
                "polar": lambda nn=nn, Q=Q: nn.polar(Q=Q, n_threads=THREADS),
                "argsort": lambda both=both: np.argsort(both),
            },
            repeat=5,
        )
        timing.report(f"d = 2, 1,000,000 samples, {n_outputs} outputs: argsort of the 2m angles", seconds, "polar")


def numpy_great_circles(X: np.ndarray, q: np.ndarray) -> float:
    """Scalar output, ReLU: on every great circle the arcs, on each arc the two cells beside it."""
    best = 0.0
    for i, x in enumerate(X):
        e1 = np.linalg.svd(x[None])[2][1:]
        t = np.delete(X, i, axis=0) @ e1.T
        others, weights = np.delete(X, i, axis=0), np.delete(q, i)
        angle = np.arctan2(t[:, 1], t[:, 0])
        on, off = (angle - np.pi / 2) % (2 * np.pi), (angle + np.pi / 2) % (2 * np.pi)
        events = np.concatenate([on, off])
        change = np.concatenate([weights[:, None] * others, -weights[:, None] * others])
        order = np.argsort(events)
        start = weights[t[:, 0] > 0.0] @ others[t[:, 0] > 0.0]
        a = start + np.concatenate([np.zeros((1, 3)), np.cumsum(change[order], axis=0)])
        for own in (0.0, q[i]):
            cell = a + own * x
            size = np.linalg.norm(cell, axis=1)
            for w in (cell / size[:, None], -cell / size[:, None]):
                top = np.argsort(-size)[:3]
                value = np.abs(np.maximum(X @ w[top].T, 0.0).T @ q)
                best = max(best, float(np.max(value)))
        bounds = events[order]
        ends = np.stack([np.cos(bounds), np.sin(bounds)], axis=1) @ e1
        best = max(best, float(np.max(np.abs(np.sum(a[1:] * ends, axis=1)))))
    return best


def bench_sphere(large: bool) -> None:
    """THEORY 7.3: O(m^2 log m)."""
    X, Q = random_pair(1000, 3, 1)
    nn = ls.ParallelNetwork(X, Q, 1.0)
    seconds = timing.compare(
        {"polar": lambda: nn.polar(Q=Q, n_threads=THREADS), "NumPy": lambda: numpy_great_circles(X, Q[:, 0])}, repeat=3
    )
    timing.report("d = 3, 1,000 samples, 1 output: great circles in NumPy", seconds, "polar")
    print("\nd = 3, growth")
    for n_outputs in (1, 3):
        for m in (500, 1000, 2000, 3000, *((5000,) if large else ())):
            X, Q = random_pair(m, 3, n_outputs)
            nn = ls.ParallelNetwork(X, Q, 1.0)
            seconds_one = timing.compare({"polar": lambda nn=nn, Q=Q: nn.polar(Q=Q, n_threads=THREADS)}, repeat=3)
            bounds = nn.polar(Q=Q)
            print(
                f"  m = {m:5d}, {n_outputs} outputs: {1e3 * seconds_one['polar']:9.1f} ms, relative distance of the "
                f"bounds {(bounds.upper - bounds.lower) / bounds.upper:.1e}"
            )


def trained(n_inputs: int, m: int, n_outputs: int, seed: int) -> tuple[ls.ParallelNetwork, tuple[np.ndarray, ...]]:
    """A network of 2m units at λ = a tenth of λ_max, trained by L-BFGS from three starts."""
    rng = np.random.default_rng(seed)
    X, Y = rng.standard_normal((m, n_inputs)), rng.standard_normal((m, n_outputs))
    rough = ls.ParallelNetwork(X, Y, 1.0)
    nn = rough.with_lam(0.1 * rough.polar(Q=Y, max_nodes=1).lower)
    best: tuple[float, np.ndarray] | None = None
    for _ in range(3):
        start = 0.3 * rng.standard_normal(2 * m * (n_inputs + n_outputs))

        def objective(x: np.ndarray) -> tuple[float, np.ndarray]:
            value, gradient = nn.value_and_gradient(nn.unpack(x), n_threads=1)
            return float(value), nn.pack(gradient)

        done = scipy.optimize.minimize(objective, start, jac=True, method="L-BFGS-B", options={"maxiter": 5000})
        if best is None or done.fun < best[0]:
            best = done.fun, done.x
    assert best is not None
    return nn, nn.unpack(best[1])


def numpy_node(X: np.ndarray, Q: np.ndarray, iterations: int = 600, check: int = 100) -> float:
    """The relaxation of one node, the root, as THEORY 7.5 writes it (U3): ADMM, and the bound (7.1) now and then."""
    m, d = X.shape
    X, Q = X / np.linalg.norm(X, 2), Q / np.linalg.norm(Q, 2)
    B = np.block([[np.zeros((m, d)), np.eye(m)], [-X, np.eye(m)]])  # (w, h) to z = (h, h - t)
    V, back, K = np.linalg.qr(B)[0], np.linalg.pinv(B), Q @ Q.T
    # h h^T and w w^T as forms of z
    kz, cz = back[d:].T @ K @ back[d:], back[:d].T @ back[:d]
    hs = np.zeros((2 * m, 2 * m), dtype=bool)
    hs[np.arange(m), m + np.arange(m)] = hs[m + np.arange(m), np.arange(m)] = True

    def clipped(a: np.ndarray) -> np.ndarray:
        return np.where(hs, 0.0, np.maximum(a, 0.0))

    def projected(a: np.ndarray) -> tuple[np.ndarray, float]:
        low, high = 0.0, 1.0
        if np.sum(cz * clipped(a)) <= 1.0:
            return clipped(a), 0.0
        while np.sum(cz * clipped(a - high * cz)) > 1.0:
            high *= 2.0
        for _ in range(50):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if np.sum(cz * clipped(a - middle * cz)) > 1.0 else (low, middle)
        return clipped(a - high * cz), high

    def bound(N: np.ndarray) -> float:
        """(7.1) at the best of 25 shifts of nu."""
        nu = -2.0 * np.diag(N[:m, m:])
        N1, N2, N3 = N[:m, :m], 2.0 * (N[:m, m:] - np.diag(np.diag(N[:m, m:]))), N[m:, m:]
        rest, best = K + N1 + 0.5 * (N2 + N2.T) + N3, np.inf
        least = np.linalg.eigvalsh(rest - np.diag(nu))[-1]
        for shift in max(least, 0.0) + np.geomspace(1e-7, 1.0, 25):
            gamma = np.diag(nu + shift) - rest
            Bw = -0.5 * X.T * (nu + shift) + 0.5 * X.T @ N2.T + X.T @ N3
            best = min(best, np.linalg.eigvalsh(X.T @ N3 @ X + Bw @ np.linalg.solve(gamma, Bw.T))[-1])
        return float(best)

    rho, Z, W, best = np.linalg.norm(kz), np.zeros_like(kz), np.zeros_like(kz), np.inf
    for k in range(iterations):
        values, vectors = np.linalg.eigh(V.T @ (Z + W) @ V)
        vectors = V @ vectors
        P = (vectors * np.maximum(values, 0.0)) @ vectors.T
        if k > 0:
            W = W + Z - P
        target, before = P - W + kz / rho, Z
        Z, theta = projected(target)
        if (k + 1) % check == 0:
            N = rho * (Z - target) + rho * theta * cz
            best = min(best, bound(0.5 * (N + N.T)))
            primal, dual = np.linalg.norm(Z - P), np.linalg.norm(Z - before)
            step = 1.5 if primal > 5.0 * dual else 1.0 / 1.5 if dual > 5.0 * primal else 1.0
            rho, W = rho * step, W / step
    return float(np.sqrt(best))


def bench_branch() -> None:
    """THEORY 7.5, U4."""
    print("\nbranch and bound at trained networks: nodes and seconds to a relative distance of the bounds")
    for n_inputs, m, n_outputs in ((5, 20, 1), (8, 24, 1), (10, 60, 1)):
        for seed in (0, 1):
            nn, p = trained(n_inputs, m, n_outputs, seed)
            Q = nn.targets - nn.predict(p)
            scale = np.linalg.norm(nn.inputs, 2) * np.linalg.norm(Q, 2)
            began = time.perf_counter()
            relaxed = scale * numpy_node(nn.inputs, Q)
            node = time.perf_counter() - began
            print(f"  ({n_inputs}, {m}, {n_outputs}) seed {seed}, the root in NumPy: {1e3 * node:.0f} ms, "
                  f"upper bound {relaxed / nn.lam:.4f} λ")  # fmt: skip
            for tol in (0.05, 0.02, 0.01):
                times = []
                for _ in range(5 if m < 60 else 1):
                    began = time.perf_counter()
                    bounds = nn.polar(p, method="branch-and-bound", tol=tol, max_nodes=20_000, max_seconds=60.0)
                    times.append(time.perf_counter() - began)
                taken = float(np.median(times))
                print(
                    f"  ({n_inputs}, {m}, {n_outputs}) seed {seed}, to {tol:.0%}: {bounds.work:6d} nodes, "
                    f"{taken:7.3f} s ({1e3 * taken / bounds.work:.2f} ms per node, "
                    f"NumPy {node * bounds.work / taken:.0f} x), "
                    f"reached {bounds.upper / bounds.lower - 1.0:.2%}, "
                    f"polar / λ from {bounds.lower / nn.lam:.4f} to {bounds.upper / nn.lam:.4f}"
                )
            certificate = nn.certify(p, polar_tol=0.01, max_nodes=20_000, max_seconds=60.0)
            print(f"  ({n_inputs}, {m}, {n_outputs}) seed {seed}: proved relative gap {certificate.relative_gap:.3g}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=THREADS)
    parser.add_argument("--large", action="store_true", help="5,000 samples in three dimensions, too")
    arguments = parser.parse_args()
    print(f"{THREADS} threads")
    bench_circle()
    bench_sphere(arguments.large)
    bench_branch()


if __name__ == "__main__":
    main()
