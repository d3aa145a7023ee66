"""ReLU networks grown to a certified optimum, beside pyscnn (sampled activation patterns) and torch's Adam, and
its corrective step beside adelie and skglm.

The same objective for all: half the sum of squares plus lam/2 (|U|² + |V|²), evaluated by our landscape in float64.
pyscnn and torch are optional; what is missing is left out. A peer's line gives its seconds and how far above our
objective it ends; ours gives the relative gap that is proved.

Run: python benchmarks/bench_network_solve.py [--threads N] [--real]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable

import timing

THREADS = timing.pin_threads()

import numpy as np  # noqa: E402
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, make_moons  # noqa: E402

import landscape_cpp as ls  # noqa: E402
from landscape_cpp._dispatch import core  # noqa: E402


def waves(samples: int, lam: float) -> ls.ParallelNetwork:
    """The problem of two inputs and a bias of the issue."""
    rng = np.random.default_rng(0)
    Z = rng.standard_normal((samples, 2))
    y = np.sin(2.0 * Z[:, 0]) + Z[:, 1] ** 2 / 2.0 + 0.1 * rng.standard_normal(samples)
    return ls.ParallelNetwork(Z, y - y.mean(), lam, bias=True)


def pyscnn(nn: ls.ParallelNetwork, neurons: int) -> Callable[[], float]:
    """The objective that pyscnn ends at."""
    from scnn.optimize import optimize
    from scnn.regularizers import NeuronGL1

    def run() -> float:
        model, _ = optimize(
            "relu", neurons, nn.inputs, nn.targets, regularizer=NeuronGL1(nn.lam / nn.n_samples), bias=False,
            unitize_data=False, dtype="float64",
        )  # fmt: skip
        first, second = (np.asarray(block, dtype=np.float64) for block in model.parameters[:2])
        return float(nn.value(nn.rebalance((second, first.T))))

    return run


def adam(nn: ls.ParallelNetwork, seconds: float, width: int, seed: int) -> float:
    """The lowest objective that Adam (1e-2, full batch) sees in a time."""
    import torch

    torch.set_num_threads(THREADS)
    torch.manual_seed(seed)
    X, Y = torch.tensor(nn.inputs), torch.tensor(nn.targets)
    V = (torch.randn(nn.n_inputs, width, dtype=torch.float64) / nn.n_inputs**0.5).requires_grad_()
    U = (torch.randn(nn.n_outputs, width, dtype=torch.float64) / width**0.5).requires_grad_()
    optimiser = torch.optim.Adam([U, V], lr=1e-2)
    best, end = np.inf, time.perf_counter() + seconds
    while time.perf_counter() < end:
        optimiser.zero_grad()
        loss = 0.5 * ((torch.relu(X @ V) @ U.T - Y) ** 2).sum() + 0.5 * nn.lam * ((U**2).sum() + (V**2).sum())
        best = min(best, float(loss.detach()))
        loss.backward()
        optimiser.step()
    return best


def compare(name: str, nn: ls.ParallelNetwork, tol: float, neurons: tuple[int, ...], repeat: int) -> None:
    """Ours, then each peer that is installed."""
    times = []
    for _ in range(repeat):
        begun = time.perf_counter()
        solution = nn.solve(tol, n_threads=THREADS)
        times.append(time.perf_counter() - begun)
    seconds, value, certificate = float(np.median(times)), solution.value, solution.certificate
    print(f"\n{name}: {nn}")
    print(
        f"  ours: {1e3 * seconds:.1f} ms, objective {value:.10g}, {solution.width} units, proved relative gap "
        f"{certificate.relative_gap:.1e} ({certificate.method}, {solution.stop_reason})"
    )
    for count in neurons:
        try:
            run = pyscnn(nn, count)
        except ImportError:
            print("  pyscnn is not installed")
            break
        begun = time.perf_counter()
        reached = run()
        spent = time.perf_counter() - begun
        print(f"  pyscnn, {count} neurons: {spent:.2f} s = {spent / seconds:.0f} x ours, "
              f"{(reached - value) / value:+.2e} relative to our objective")  # fmt: skip
    try:
        ends = [adam(nn, max(seconds, 0.05), 100, seed) for seed in range(10)]
    except ImportError:
        print("  torch is not installed")
        return
    print(f"  Adam, 10 seeds of 100 units, {max(seconds, 0.05):.2f} s each: best {(min(ends) - value) / value:+.2e}, "
          f"median {(np.median(ends) - value) / value:+.2e} relative to our objective")  # fmt: skip


def corrective(samples: int, units: int, outputs: int) -> None:
    """The corrective step alone: output weights of fixed random ReLU units, a group lasso, to a gap of 1e-6."""
    rng = np.random.default_rng(1)
    X = np.hstack([rng.standard_normal((samples, 5)), np.ones((samples, 1))])
    H = np.maximum(X @ rng.standard_normal((6, units)), 0.0)
    truth = rng.standard_normal((6, 4 * outputs))
    Y = np.maximum(X @ truth, 0.0).reshape(samples, outputs, 4).sum(axis=2) + 0.1 * rng.standard_normal(
        (samples, outputs)
    )
    Y -= Y.mean(axis=0)
    lam = 0.02 * float(np.linalg.norm(H.T @ Y, axis=1).max())
    none = np.zeros((0, 0))

    def objective(C: np.ndarray) -> float:
        return 0.5 * float(np.sum((H @ C - Y) ** 2)) + lam * float(np.linalg.norm(C, axis=1).sum())

    gaps: list[float] = []

    def ours() -> np.ndarray:
        C, _, value, gap, _, _ = core.group_lasso(H, Y, "squared", 1.0, lam, False, none, 1e-6, 500, THREADS)
        gaps.append(gap / value)
        return C

    rivals: dict[str, Callable[[], np.ndarray]] = {"ours": ours}
    columns, targets = np.asfortranarray(H), np.asfortranarray(Y)
    try:
        from skglm import GeneralizedLinearEstimator, Lasso
        from skglm.datafits import QuadraticMultiTask
        from skglm.penalties import L2_1
        from skglm.solvers import MultiTaskBCD

        def skglm() -> np.ndarray:
            if outputs == 1:
                return Lasso(alpha=lam / samples, fit_intercept=False, tol=1e-8).fit(columns, Y[:, 0]).coef_[:, None]
            solver = MultiTaskBCD(tol=1e-8, fit_intercept=False, max_iter=200)
            model = GeneralizedLinearEstimator(QuadraticMultiTask(), L2_1(lam / samples), solver)
            C = np.asarray(model.fit(columns, targets).coef_)
            return C if C.shape == (units, outputs) else C.T

        rivals["skglm"] = skglm
    except ImportError:
        print("  skglm is not installed")
    print(f"\nThe corrective step: {samples} samples, {units} units, {outputs} outputs, lam = 0.02 of the largest")
    ends = {name: objective(call()) for name, call in rivals.items()}
    spent = timing.compare(rivals, repeat=7, rest=0.2)
    # adelie leaves the process with threads of its own that wait for ours: it comes after the others
    try:
        import adelie

        def adelie_path() -> np.ndarray:
            glm = adelie.glm.gaussian(Y[:, 0]) if outputs == 1 else adelie.glm.multigaussian(Y)
            state = adelie.grpnet(
                columns, glm, lmda_path=[lam / samples / outputs], intercept=False, early_exit=False, tol=1e-10,
                alpha=1.0, penalty=np.ones(units), n_threads=THREADS, progress_bar=False,
            )  # fmt: skip
            return np.asarray(state.betas.toarray()[-1].reshape(units, outputs))

        ends["adelie"] = objective(adelie_path())
        spent |= timing.compare({"adelie": adelie_path}, repeat=7, rest=0.2)
    except ImportError:
        print("  adelie is not installed")
    for name, seconds in spent.items():
        above = (ends[name] - ends["ours"]) / ends["ours"]
        note = f"relative gap {gaps[-1]:.1e} proved" if name == "ours" else f"ends {above:+.1e} relative to ours"
        print(f"  {name:<8} {1e3 * seconds:>9.1f} ms  {seconds / spent['ours']:>7.2f} x ours   {note}")


def real() -> None:
    """Beyond three dimensions: how good the objective is, and what is proved of it; pyscnn takes minutes there."""

    def scaled(X: np.ndarray) -> np.ndarray:
        spread = X.std(axis=0)
        return (X - X.mean(axis=0)) / np.where(spread > 0.0, spread, 1.0)

    cancer, diabetes, digits = load_breast_cancer(), load_diabetes(), load_digits()
    problems = {
        "breast_cancer": (scaled(cancer.data), np.where(cancer.target == 1, 1.0, -1.0), 5.0),
        "diabetes": (scaled(diabetes.data), scaled(diabetes.target[:, None])[:, 0], 10.0),
        "digits, 0 or not": (digits.data / 16.0, np.where(digits.target == 0, 1.0, -1.0), 5.0),
    }
    for name, (X, y, lam) in problems.items():
        compare(name, ls.ParallelNetwork(X, y, lam, bias=True), 1e-4, (), 1)


def main() -> None:
    """All problems, or the real data."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=THREADS)
    parser.add_argument("--real", action="store_true", help="real data of more inputs, too")
    parser.add_argument("--corrective", type=int, metavar="N", help="the corrective step with N outputs, nothing else")
    arguments = parser.parse_args()
    if arguments.corrective is not None:
        corrective(2000, 1000, arguments.corrective)
        return
    print(f"{THREADS} threads")
    compare("60 samples", waves(60, 0.5), 1e-8, (500, 3000), 7)
    compare("60 samples, small lam", waves(60, 0.05), 1e-8, (500, 3000), 7)
    compare("300 samples", waves(300, 0.5), 1e-8, (500,), 3)
    compare("1,000 samples", waves(1000, 0.5), 1e-8, (), 1)
    X, y = make_moons(200, noise=0.2, random_state=0)
    moons = ls.ParallelNetwork(X, y, 0.1, loss="logistic", bias=True, intercept=True)
    begun = time.perf_counter()
    solution = moons.solve(1e-4, n_threads=THREADS)
    print(f"\ntwo moons, 200 samples, logistic, to 1e-4: {1e3 * (time.perf_counter() - begun):.0f} ms, {solution}")
    for outputs in (1, 5):  # each in a process of its own
        subprocess.run([sys.executable, __file__, "--threads", str(THREADS), "--corrective", str(outputs)], check=True)
    if arguments.real:
        real()


if __name__ == "__main__":
    main()
