"""The relaxations' own references: what the core proves with its multipliers, the formulas prove with them too."""

import base64

import numpy as np
import pytest

from reference import doubly_nonnegative as dnn
from reference import spectral_bounds as spectral

SLOPES = [0.0, 0.1, -1.0]


def network(ls, X, slope, outputs):
    units = {0.0: {"unit": "relu"}, -1.0: {"unit": "abs"}}
    options = units.get(slope, {"unit": "leaky_relu", "slope": slope})
    return ls.ParallelNetwork(X, np.zeros((len(X), outputs)), 1.0, **options)


def unpacked(text):
    return np.frombuffer(base64.b64decode(text["data"]), dtype=text["type"]).reshape(text["shape"])


@pytest.mark.parametrize("slope", SLOPES)
@pytest.mark.parametrize("outputs", [1, 2])
def test_the_leaves_cover_and_prove(ls, rng, slope, outputs):
    X, Q = rng.standard_normal((12, 5)), rng.standard_normal((12, outputs))
    bounds = network(ls, X, slope, outputs).polar(Q=Q, method="branch-and-bound", tol=1e-3, max_nodes=40)
    assert bounds.method == "branch-and-bound"
    signs, flat = unpacked(bounds.proof["signs"]), unpacked(bounds.proof["multipliers"])
    assert dnn.covers(signs)
    start, proved = 0, 0.0
    for leaf, order in zip(signs, bounds.proof["sizes"], strict=True):
        multipliers = flat[start : start + order * order].reshape(order, order).astype(np.float64)
        start += order * order
        proved = max(proved, dnn.upper(X, Q, slope, leaf, multipliers))
    assert proved == pytest.approx(bounds.upper, rel=1e-6)


@pytest.mark.parametrize("slope", SLOPES)
def test_shor_multipliers_prove(ls, rng, slope):
    X, Q = rng.standard_normal((15, 4)), rng.standard_normal((15, 2))
    bounds = network(ls, X, slope, 2).polar(Q=Q, method="shor")
    assert bounds.method == "shor"
    nu, exponent = bounds.proof["nu"], bounds.proof["exponent"]
    assert spectral.shor(X, Q, slope, nu, exponent) == pytest.approx(bounds.upper, rel=1e-6)
    assert bounds.upper <= spectral.norms(X, Q) * (1.0 + 1e-9)


def test_spectral_bounds_of_other_units(ls, rng):
    X, Q = rng.standard_normal((15, 4)), rng.standard_normal((15, 1))
    data = X, np.zeros((15, 1)), 1.0
    assert ls.ParallelNetwork(*data, unit="linear").polar(Q=Q).upper == pytest.approx(spectral.linear(X, Q), rel=1e-9)
    for unit, slope in (("squared_relu", 0.0), ("quadratic", -1.0)):
        expected = min(spectral.definite(X, Q, slope), spectral.unfolded(X, Q, slope))
        assert ls.ParallelNetwork(*data, unit=unit).polar(Q=Q).upper == pytest.approx(expected, rel=1e-9)
