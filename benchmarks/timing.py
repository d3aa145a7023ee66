"""Shared by the benchmarks: pinned threads, interleaved repetitions, ratios within one run."""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable


def pin_threads(default: int = 2) -> int:
    """Read --threads before NumPy is imported, and pin every BLAS and OpenMP to it."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--threads", type=int, default=default)
    threads = parser.parse_known_args()[0].threads
    if "numpy" in sys.modules:
        raise RuntimeError("pin_threads must run before NumPy is imported")
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(threads)
    os.environ.setdefault("KMP_BLOCKTIME", "0")  # threads of another OpenMP do not spin into the next rival's time
    return threads


def compare(
    rivals: dict[str, Callable[[], object]], *, repeat: int = 7, inner: int = 1, rest: float = 0.0
) -> dict[str, float]:
    """Median seconds per call of each rival, measured in turns after one warm-up, so that noise hits all alike.

    ``rest``: seconds to wait before each call, for the threads that the rival before left spinning (OpenBLAS keeps
    NumPy's and SciPy's threads busy for a while after their work) to fall asleep. A call that is not timed follows, to
    wake the rival's own.
    """
    times: dict[str, list[float]] = {name: [] for name in rivals}
    for call in rivals.values():
        call()
    for _ in range(repeat):
        for name, call in rivals.items():
            if rest:
                time.sleep(rest)
                call()
            start = time.perf_counter()
            for _ in range(inner):
                call()
            times[name].append((time.perf_counter() - start) / inner)
    return {name: statistics.median(samples) for name, samples in times.items()}


def report(title: str, seconds: dict[str, float], ours: str) -> None:
    """A table of milliseconds and ratios to ours."""
    print(f"\n{title}")
    for name, value in seconds.items():
        print(f"  {name:<58} {1e3 * value:>10.3f} ms   {value / seconds[ours]:>8.2f} x ours")


GEMM_ORDER = 400


def gemm() -> Callable[[], object]:
    """NumPy's DGEMM at order 400 as a rival: measured in turn with the others, it is the floor of that moment."""
    import numpy as np

    a = np.random.default_rng(0).standard_normal((GEMM_ORDER, GEMM_ORDER))
    return lambda: a @ a


def gemm_rate(seconds: dict[str, float], name: str) -> float:
    """Flops per second from the time of :func:`gemm`."""
    return 2.0 * GEMM_ORDER**3 / seconds[name]
