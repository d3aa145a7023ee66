"""Long calls: Ctrl-C is heard within the kernels, and large inputs are not copied as a whole."""

import os
import signal
import threading
import time
import tracemalloc

import numpy as np
import pytest

import comparators as cmp
from landscape_cpp import risk


@pytest.fixture
def hard(ls):
    """A landscape whose smallest eigenpair takes Lanczos far longer than a test may."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((400, 200)) * np.linspace(1.0, 1e-3, 200)
    net = ls.ShallowLinear(ls.Covariances.from_data(x, rng.standard_normal((400, 60)), method="moments"), 50)
    return net, net.random_critical_point(10, seed=0)


@pytest.fixture
def ctrl_c():
    """Python's own handler: in a background job SIGINT is ignored from the start, and then nothing would be raised."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupt_after(seconds):
    timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    return timer


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")
@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_stops_a_kernel(ls, hard, n_threads):
    net, p = hard
    start, timer = time.monotonic(), interrupt_after(0.3)
    with pytest.raises(KeyboardInterrupt):
        ls.curvature.smallest_eigenpair(net, p, method="lanczos", tol=1e-300, max_products=10**7, n_threads=n_threads)
    timer.join()
    assert 0.2 < time.monotonic() - start < 20.0
    cmp.assert_kind_agrees(net.classify(p), "strict_saddle")  # the interpreter and the landscape are as before


def test_memory_maps_are_read_in_place(ls, tmp_path):
    rng = np.random.default_rng(1)
    x = np.memmap(tmp_path / "x", dtype=np.float64, mode="w+", shape=(60000, 40))
    x[:] = rng.standard_normal(x.shape)
    tracemalloc.start()
    cov = ls.Covariances.from_data(x, x[:, :3].copy())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.2 * x.nbytes
    cmp.assert_close(cov.xx, np.asarray(x).T @ np.asarray(x) / len(x), 1e-12)


@pytest.mark.parametrize("convert", [np.float32, np.asfortranarray], ids=["float32", "fortran"])
def test_other_input_is_converted_block_by_block(ls, monkeypatch, convert):
    monkeypatch.setattr(risk, "_BLOCK_BYTES", 2**20)
    x = np.random.default_rng(2).standard_normal((60000, 40))
    given = convert(x)
    tracemalloc.start()
    cov = ls.Covariances.from_data(given)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.3 * x.nbytes
    cmp.assert_close(cov.xx, np.asarray(given, dtype=np.float64).T @ given / len(x), 1e-12)
