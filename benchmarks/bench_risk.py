"""Second moments: from_data and update against the two NumPy products alone.

Run: python benchmarks/bench_risk.py [--threads N] [--rows M]
"""

from __future__ import annotations

import argparse

import timing

THREADS = timing.pin_threads()

import numpy as np  # noqa: E402

import landscape_cpp as ls  # noqa: E402


def main() -> None:
    """Time 200,000 x 256 -> 32."""
    parser = argparse.ArgumentParser(parents=[])
    parser.add_argument("--threads", type=int)
    parser.add_argument("--rows", type=int, default=200_000)
    rows = parser.parse_args().rows
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((rows, 256)), rng.standard_normal((rows, 32))

    def streamed() -> ls.Covariances:
        step = rows // 10
        cov = ls.Covariances.from_data(x[:step], y[:step], n_threads=THREADS)
        for first in range(step, rows, step):
            cov.update(x[first : first + step], y[first : first + step], n_threads=THREADS)
        return cov

    rivals = {
        "NumPy: X.T @ X and X.T @ Y alone": lambda: (x.T @ x, x.T @ y),
        "Covariances.from_data": lambda: ls.Covariances.from_data(x, y, n_threads=THREADS),
        "from_data + update in ten chunks": streamed,
    }
    title = f"second moments, {rows} x 256 -> 32, {THREADS} thread(s)"
    timing.report(title, timing.compare(rivals, repeat=9), "Covariances.from_data")


if __name__ == "__main__":
    main()
