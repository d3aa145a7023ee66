"""Processes and threads: fork after a parallel call, spawn, joblib, calls from many Python threads."""

import concurrent.futures
import multiprocessing
import os
import subprocess
import sys
import time

import numpy as np
import pytest

import cases
import comparators as cmp

TIMEOUT = 30.0  # a hung worker fails instead of stopping the run


def work(seed):
    """Runs in a worker: parallel moments, a batched classification and an eigenpair, reduced to plain numbers."""
    import landscape_cpp as ls

    rng = np.random.default_rng(seed)
    X = rng.standard_normal((3000, 20))
    cov = ls.Covariances.from_data(X, X @ rng.standard_normal((20, 4)), n_threads=2)
    net = ls.ShallowLinear(cov, 3)
    many = tuple(np.stack([b] * 50) for b in net.critical_point((0, 1, 3)))
    batch = net.classify(many, n_threads=2)
    pair = ls.curvature.smallest_eigenpair(net, (many[0][0], many[1][0]), n_threads=2)
    return float(np.trace(cov.xx)), str(batch[49].kind.value), float(pair.value)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_worker_processes_give_the_same_results(ls, method):
    """libgomp hangs in a child forked after a parallel region; ours must not."""
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this platform cannot {method}")
    here = [work(seed) for seed in range(3)]
    with multiprocessing.get_context(method).Pool(2) as pool:
        there = pool.map_async(work, range(3)).get(TIMEOUT)
    for t, h in zip(
        there, here, strict=True
    ):  # a forked child runs serially: BLAS gives way to Eigen, same to rounding
        cmp.assert_close(t[::2], h[::2], 1e-12)
    assert [t[1] for t in there] == [h[1] for h in here] == ["strict_saddle"] * 3


def test_a_plain_fork_after_a_parallel_call(ls):
    """os.fork with no pool around it: the child computes and leaves with status 0."""
    code = (
        "import os, signal, sys; sys.path.insert(0, sys.argv[1]); from test_threads import work; a = work(1)\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    signal.alarm(20); b = work(1)\n"
        "    os._exit(0 if a[1] == b[1] and abs(a[2] - b[2]) <= 1e-12 * abs(a[2]) else 3)\n"
        "sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))"
    )
    run = subprocess.run([sys.executable, "-c", code, os.path.dirname(__file__)], timeout=TIMEOUT, check=False)
    assert run.returncode == 0


def test_joblib_workers(ls):
    joblib = pytest.importorskip("joblib")
    here = [work(seed) for seed in range(2)]
    for backend in ("loky", "threading"):
        there = joblib.Parallel(n_jobs=2, backend=backend)(joblib.delayed(work)(seed) for seed in range(2))
        assert there == here, backend


def test_python_threads_share_one_landscape(ls):
    case = cases.problem(0)
    net = case.net(ls)
    alone = [net.classify(known.point) for known in case.points]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for _ in range(10):
            together = list(pool.map(net.classify, [known.point for known in case.points]))
            for a, b in zip(alone, together, strict=True):
                cmp.assert_same_bits((a.value, a.gap, a.gradient_norm), (b.value, b.gap, b.gradient_norm))
                assert a.kind == b.kind


def test_the_gil_is_released(ls):
    """A Python thread counts on while one call forms moments."""
    X = np.random.default_rng(0).standard_normal((60_000, 120))
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        future, ticks = pool.submit(ls.Covariances.from_data, X, n_threads=1), 0
        while not future.done():
            time.sleep(1e-4)
            ticks += 1
    assert ticks > 10


def test_importing_changes_no_environment_and_loads_no_extras():
    code = (
        "import os, sys; before = dict(os.environ); import landscape_cpp\n"
        "assert dict(os.environ) == before\n"
        "heavy = {'torch', 'matplotlib', 'sklearn', 'pandas', 'tqdm'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert run.returncode == 0, run.stderr
