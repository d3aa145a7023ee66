"""Every optimiser from every saddle of a 20-8-10 network, and from the origin of deeper ones; SciPy's beside ours.

The whole campaign takes a quarter of an hour on two cores; its outcome is counts, not times, and does not depend on the
machine beyond rounding.

Run: python benchmarks/bench_race.py [--seeds 100] [--steps 3000] [--threads 2]
"""

from __future__ import annotations

import argparse
from typing import Any

import timing

THREADS = timing.pin_threads()

import numpy as np  # noqa: E402

import landscape_cpp as ls  # noqa: E402

PEERS = ("scipy trust-krylov", "scipy Newton-CG", "scipy L-BFGS-B", "trust_region", "escape")


def moments() -> ls.Covariances:
    """Ten directions with distinct singular values, from 500 samples."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((500, 20))
    return ls.Covariances.from_data(x, x @ rng.standard_normal((20, 10)) / 4 + 0.5 * rng.standard_normal((500, 10)))


def show(title: str, net: Any, *around: Any, **settings: Any) -> None:
    race = ls.experiments.escape_race(net, *around, n_threads=THREADS, **settings)
    print(f"\n{title} ({race.seconds:.0f} s)\n{race}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=100, help="starts around every saddle at every distance")
    parser.add_argument("--steps", type=int, default=3000)
    args = parser.parse_args()
    cov = moments()
    net = ls.ShallowLinear(cov, 8)
    few = tuple(np.stack(blocks) for blocks in zip(*ls.experiments.saddles_of(net, 5), strict=True))
    show(
        "SciPy and ours from five saddles", net, few, methods=PEERS, distances=(1e-8, 1e-4, 1e-1),
        seeds=min(10, args.seeds), steps=args.steps,
    )  # fmt: skip
    for hidden in ((8, 8), (8, 8, 8, 8)):
        deep = ls.DeepLinear(cov, hidden)
        origin = tuple(np.zeros(shape) for shape in deep.shapes)
        show(f"From the origin, {len(hidden) + 1} layers", deep, origin, seeds=args.seeds, steps=args.steps)
    show("From every saddle of full rank", net, seeds=args.seeds, steps=args.steps)


if __name__ == "__main__":
    main()
