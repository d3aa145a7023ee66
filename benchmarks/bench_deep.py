"""The deep linear landscape: Hessian-vector products, batches of gradients, and the verdict on a point.

Against PyTorch (double backward, torch.func), the formulas in NumPy, and ARPACK on the Hessian-vector products.

Run: python benchmarks/bench_deep.py [--threads N]      (torch if installed)
"""

from __future__ import annotations

import argparse

import timing

THREADS = timing.pin_threads()

import numpy as np  # noqa: E402
from scipy.sparse.linalg import ArpackNoConvergence, eigsh  # noqa: E402

import landscape_cpp as ls  # noqa: E402

try:
    import torch

    torch.set_num_threads(THREADS)
except ImportError:
    torch = None
    print("torch is not installed: its rows are left out")

# Seconds before each measurement: the threads of OpenBLAS spin for some 30 ms after their last product. After it the
# scheduler takes some milliseconds to spread a rival's own threads over the cores, so a measurement is many calls long.
REST = 0.08
DIRECTIONS = 32
RESTARTS = 100  # of ARPACK: an eigenvalue that is exactly zero never meets its relative tolerance


def torch_risk(cov: ls.Covariances):
    """R of a tuple of weights from the moments; P is formed from the output side, where it has few rows."""
    sxx, syx, total = torch.tensor(cov.xx), torch.tensor(cov.xy.T.copy()), cov.total

    def risk(*weights):
        product = weights[-1]
        for weight in reversed(weights[:-1]):
            product = product @ weight
        return total - 2.0 * (syx * product).sum() + ((product @ sxx) * product).sum()

    return risk


# ------------------------------------------------------------------------------------------ Hessian-vector products


def numpy_hessian(cov: ls.Covariances, p: tuple[np.ndarray, ...]):
    """THEORY 12b.11: the recursion of THEORY 10 carried by nL rows; for one direction or for a stack of them.

    F_h = WL ... W_{h+1},  T_h = G (W_h ... W1)ᵀ      (nL, n_h)
    (H d)_h = 2 (dF_hᵀ T_{h-1} + F_hᵀ dT_{h-1}),  dG = dP Sxx
    """
    sxx = cov.xx
    after = [np.eye(len(p[-1]))]
    for weight in reversed(p):
        after.insert(0, after[0] @ weight)
    images = [after[0] @ sxx - cov.xy.T]
    for weight in p[:-1]:
        images.append(images[-1] @ weight.T)

    def apply(d: tuple[np.ndarray, ...]) -> list[np.ndarray]:
        changes = [np.zeros_like(after[-1])]
        for weight, change, f in zip(reversed(p), reversed(d), reversed(after[1:]), strict=True):
            changes.insert(0, changes[0] @ weight + f @ change)
        dp = changes[0]
        image = (dp.reshape(-1, dp.shape[-1]) @ sxx).reshape(dp.shape)
        products = []
        for h, (weight, change) in enumerate(zip(p, d, strict=True)):
            products.append(2.0 * (np.swapaxes(changes[h + 1], -1, -2) @ images[h] + after[h + 1].T @ image))
            if h < len(p) - 1:
                image = image @ weight.T + images[h] @ np.swapaxes(change, -1, -2)
        return products

    return apply


def bench_hvp() -> None:
    """784-100-100-10, the sizes of MNIST; on moments the time does not depend on the data."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2000, 784))
    cov = ls.Covariances.from_data(x, x[:, :10] + rng.standard_normal((2000, 10)), method="moments")
    net = ls.DeepLinear(cov, (100, 100))
    p = tuple(rng.standard_normal(shape) / np.sqrt(shape[1]) for shape in net.shapes)
    flat = rng.standard_normal((DIRECTIONS, net.size))
    hessian, one, many = net.hessian(p, n_threads=THREADS), net.unpack(flat[0]), net.unpack(flat)
    formula = numpy_hessian(cov, p)

    ours, ours_many = "landscape_cpp: net.hessian(p) @ x", f"landscape_cpp: H.apply(X), {DIRECTIONS} at once"
    single = {
        ours: lambda: hessian @ flat[0],
        "THEORY 12b.11 in NumPy": lambda: formula(one),
    }
    stacked = {
        ours_many: lambda: hessian._hessian.apply(flat, THREADS),
        f"landscape_cpp: {DIRECTIONS} single products": lambda: [hessian @ x for x in flat],
        "THEORY 12b.11 in NumPy on stacks": lambda: formula(many),
    }
    slow = {}
    if torch is not None:
        risk = torch_risk(cov)
        weights = tuple(torch.tensor(weight, requires_grad=True) for weight in p)
        d = tuple(torch.tensor(block) for block in one)
        ds = tuple(torch.tensor(block) for block in many)
        gradient = torch.autograd.grad(risk(*weights), weights, create_graph=True)
        places = tuple(range(len(p)))

        def jvp(*direction):
            return torch.func.jvp(torch.func.grad(risk, argnums=places), weights, direction)[1]

        def kept_graph(*direction):
            return torch.autograd.grad(gradient, weights, direction, retain_graph=True)

        def fresh():
            graph = torch.autograd.grad(risk(*weights), weights, create_graph=True)
            return torch.autograd.grad(graph, weights, d)

        single["torch, double backward, graph of the gradient kept"] = lambda: kept_graph(*d)
        single["torch, double backward"] = fresh
        single["torch.func.jvp(grad)"] = lambda: jvp(*d)
        slow["torch, double backward, graph of the gradient kept, loop"] = lambda: [
            kept_graph(*direction) for direction in zip(*ds, strict=True)
        ]
        slow["torch.func.vmap(jvp(grad))"] = lambda: torch.func.vmap(jvp)(*ds)
        for theirs in (kept_graph(*d), fresh(), jvp(*d)):
            np.testing.assert_allclose(
                np.concatenate([block.detach().numpy().ravel() for block in theirs]), hessian @ flat[0], atol=1e-9
            )
    np.testing.assert_allclose(net.pack(formula(one)), hessian @ flat[0], atol=1e-9)
    np.testing.assert_allclose(net.pack(formula(many)), hessian._hessian.apply(flat, THREADS), atol=1e-9)

    floor = "(NumPy DGEMM of order 400, for the floor)"
    seconds = timing.compare(single | {floor: timing.gemm()}, repeat=9, inner=60, rest=REST)
    timing.report(f"HVP at one point, 784-100-100-10 on moments, {THREADS} thread(s)", seconds, ours)
    # dP Sxx, and six products of nL n_l n_{l-1} multiply-adds per layer
    flops = 2.0 * 10 * (784 * 784 + 6 * sum(rows * cols for rows, cols in net.shapes))
    rate = timing.gemm_rate(seconds, floor)
    print(f"  GEMM floor: {flops / 1e6:.1f} Mflop at {rate / 1e9:.1f} Gflop/s = {1e3 * flops / rate:.3f} ms; ", end="")
    print(f"reached {flops / rate / seconds[ours]:.2f} of it")
    seconds = timing.compare(stacked | slow | {floor: timing.gemm()}, repeat=7, inner=3, rest=REST)
    rate = timing.gemm_rate(seconds, floor)
    seconds = {name: value / (1 if name == floor else DIRECTIONS) for name, value in seconds.items()}
    timing.report(f"the same, {DIRECTIONS} directions at one point, time per direction", seconds, ours_many)
    print(f"  GEMM floor: {1e3 * flops / rate:.3f} ms; reached {flops / rate / seconds[ours_many]:.2f} of it")


# ---------------------------------------------------------------------------------------------- batches of gradients


def numpy_gradients(cov: ls.Covariances, p: tuple[np.ndarray, ...]) -> tuple[np.ndarray, list[np.ndarray]]:
    """Values and gradients of a stack of points, from the output side."""
    after = [np.broadcast_to(np.eye(p[-1].shape[-2]), (len(p[0]), p[-1].shape[-2], p[-1].shape[-2]))]
    for weight in reversed(p):
        after.insert(0, after[0] @ weight)
    product, syx = after[0], cov.xy.T
    image = product @ cov.xx - syx
    values = cov.total + ((image - syx) * product).sum(axis=(1, 2))
    gradients = []
    for h, weight in enumerate(p):
        gradients.append(2.0 * np.swapaxes(after[h + 1], 1, 2) @ image)
        image = image @ np.swapaxes(weight, 1, 2)
    return values, gradients


def bench_batch() -> None:
    """1,000 starts of a 20-10-10-5 network."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal((400, 20))
    cov = ls.Covariances.from_data(x, x @ rng.standard_normal((20, 5)) + rng.standard_normal((400, 5)))
    net = ls.DeepLinear(cov, (10, 10))
    batch = tuple(rng.standard_normal((1000, *shape)) / np.sqrt(shape[1]) for shape in net.shapes)
    ours = "landscape_cpp: net.value_and_gradient(batch)"
    rivals = {
        ours: lambda: net.value_and_gradient(batch, n_threads=THREADS),
        "NumPy on stacks, value and gradient": lambda: numpy_gradients(cov, batch),
    }
    values, gradients = numpy_gradients(cov, batch)
    np.testing.assert_allclose(values, net.value(batch), rtol=1e-10)
    np.testing.assert_allclose(net.pack(gradients), net.pack(net.gradient(batch)), atol=1e-9)
    loops = {}
    if torch is not None:
        risk = torch_risk(cov)
        stacks = tuple(torch.tensor(block) for block in batch)
        points = [tuple(block.clone().requires_grad_() for block in point) for point in zip(*stacks, strict=True)]
        together = torch.func.vmap(torch.func.grad_and_value(risk, argnums=tuple(range(net.depth))))

        def loop():
            results = []
            for point in points:
                value = risk(*point)
                results.append((value, torch.autograd.grad(value, point)))
            return results

        rivals["torch.func.vmap(grad_and_value)"] = lambda: together(*stacks)
        loops["torch, a loop of value and backward"] = loop
        theirs = net.pack(tuple(block.numpy() for block in together(*stacks)[0]))
        np.testing.assert_allclose(theirs, net.pack(net.gradient(batch)), atol=1e-9)
    title = f"value and gradient of 1,000 starts of 20-10-10-5, {THREADS} thread(s)"
    # The loop is timed apart: what it allocates and frees slows down the rival after it.
    seconds = timing.compare(rivals, repeat=9, inner=40, rest=REST) | timing.compare(loops, repeat=5)
    timing.report(title, seconds, ours)


# ------------------------------------------------------------------------------------------------------ one verdict


def bench_classify() -> None:
    """A point of 100-50-50-50-20 at a strict and at a non-strict saddle.

    Both use 19 of the 20 eigenvectors. Residual weights make the first strict; at the second they are zero, no
    direction has negative curvature, and no eigenvalue could tell it from a minimum.
    """
    rng = np.random.default_rng(2)
    x = rng.standard_normal((1000, 100))
    cov = ls.Covariances.from_data(x, x @ rng.standard_normal((100, 20)) / 10.0 + 0.5 * rng.standard_normal((1000, 20)))
    net = ls.DeepLinear(cov, (50, 50, 50))
    saddles = {
        "strict_saddle": net.critical_point(range(19), strands=[(1, net.depth - 1)]),
        "non_strict_saddle": net.critical_point(range(19)),
    }
    start = rng.standard_normal(net.size)
    for kind, p in saddles.items():
        assert net.classify(p, n_threads=THREADS).kind == kind
        counted = []

        def lanczos(p=p, counted=counted):
            operator = net.hessian(p, n_threads=THREADS)
            try:
                found = eigsh(
                    operator, k=1, which="SA", tol=1e-8, v0=start, maxiter=RESTARTS, return_eigenvectors=False
                )[0]
            except ArpackNoConvergence:
                found = np.nan
            counted.append((operator.products, found))

        ours = "landscape_cpp: net.classify(p)"
        seconds = timing.compare(
            {
                ours: lambda p=p: net.classify(p, n_threads=THREADS),
                "landscape_cpp: one gradient": lambda p=p: net.gradient(p, n_threads=THREADS),
                "landscape_cpp: net.certify(p)": lambda p=p: net.certify(p, n_threads=THREADS),
            },
            repeat=9,
            inner=20,
            rest=REST,
        )
        seconds |= timing.compare({"scipy eigsh(which='SA', k=1, tol=1e-8) on net.hessian(p)": lanczos}, repeat=3)
        title = f"verdict on a {kind} of 100-50-50-50-20 ({net.size:,} parameters), {THREADS} thread(s)"
        timing.report(title, seconds, ours)
        products, smallest = counted[-1]
        found = (
            f"no convergence in {RESTARTS} restarts" if np.isnan(smallest) else f"smallest eigenvalue {smallest:.3e}"
        )
        print(f"  classify = {seconds[ours] / seconds['landscape_cpp: one gradient']:.1f} gradients; ", end="")
        print(f"eigsh: {products} products, {found}")


if __name__ == "__main__":
    argparse.ArgumentParser(parents=[]).parse_known_args()
    bench_hvp()
    bench_batch()
    bench_classify()
