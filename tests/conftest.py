"""Fixtures: the package as ``ls``, the cases of the table, the worked example, a fresh generator."""

import signal

import numpy as np
import pytest

import cases
from cli_runs import Run

# A shell starts what runs in the background with the interrupt ignored; tests of Ctrl-C would wait for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def ls():
    import landscape_cpp

    return landscape_cpp


@pytest.fixture
def case(request):
    """Case number ``request.param`` of the table; without a parametrisation of its own a test gets the quick table."""
    return cases.problem(request.param)


@pytest.fixture
def data_case(request):
    """As ``case``, for the problems given as samples."""
    return cases.problem(request.param)


def pytest_generate_tests(metafunc):
    own = {str(mark.args[0]) for mark in metafunc.definition.iter_markers("parametrize")}
    for name in ("case", "data_case"):
        if name in metafunc.fixturenames and name not in own:
            table = list(cases.table(cases.QUICK, data_only=name == "data_case"))
            metafunc.parametrize(name, table, indirect=True)


@pytest.fixture
def rng():
    return np.random.default_rng(20240607)


@pytest.fixture
def worked(ls):
    """THEORY 2.8: Sxx = I, Syx = diag(2, 1), Syy = diag(5, 2), one hidden unit."""
    cov = ls.Covariances(xx=np.eye(2), xy=np.diag([2.0, 1.0]), yy=np.diag([5.0, 2.0]))
    return ls.ShallowLinear(cov, 1)


@pytest.fixture
def run(capsys, tmp_path):
    return Run(capsys, tmp_path)


@pytest.fixture
def pair(run, rng):
    """An archive of X (40, 5) and Y (40, 3)."""
    X = rng.standard_normal((40, 5))
    Y = X @ rng.standard_normal((5, 3)) + 0.5 * rng.standard_normal((40, 3))
    return run.archive("pair.npz", X=X, Y=Y)
