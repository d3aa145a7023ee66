"""ls.verify of closed-form certificates: honest ones stand, altered ones fall, what rounding hides is not confirmed."""

import dataclasses
import json

import numpy as np
import pytest

import cases
from landscape_cpp._fingerprints import certificate_digest


def landscapes(ls, rng, method="moments"):
    """Shallow and deep networks on tall, wide and rank-deficient data."""
    for m, n0, n2 in ((40, 5, 3), (6, 9, 4), (30, 4, 4), (20, 1, 1)):
        X = rng.standard_normal((m, n0))
        if n0 > 3:
            X[:, -1] = X[:, 0]
        Y = X @ rng.standard_normal((n0, n2)) + 0.3 * rng.standard_normal((m, n2))
        cov = ls.Covariances.from_data(X, Y, method=method)
        yield ls.ShallowLinear(cov, 2)
        yield ls.DeepLinear(cov, (3, 2))
        yield ls.DeepLinear(cov, (1,))


def points(net, rng):
    yield net.global_minimum()
    yield tuple(rng.standard_normal(shape) / np.sqrt(shape[1]) for shape in net.shapes)
    yield tuple(np.zeros(shape) for shape in net.shapes)
    for rung in net.critical_values(max_count=3):
        yield net.critical_point(rung.indices)


@pytest.mark.parametrize("method", ["moments", "factor"])
def test_honest_certificates_stand(ls, rng, method):
    verdicts = set()
    for net in landscapes(ls, rng, method):
        for p in points(net, rng):
            certificate = net.certify(p)
            verdicts.add(str(certificate.verdict))
            outcome = ls.verify(certificate, net, p)
            assert outcome, f"{net}: {outcome}"
            assert outcome.method == "closed form"
            assert abs(outcome.value - certificate.value) <= outcome.value_margin + certificate.margin
            again = ls.verify(type(certificate).from_json(certificate.to_json()), net, p)
            assert again.valid
    assert verdicts == {"GLOBAL", "NOT_GLOBAL"}


@pytest.mark.parametrize("case", list(cases.table(cases.QUICK)), indirect=True)
def test_never_more_than_the_truth_on_the_table(ls, case):
    """On every problem of the table: confirmed, or refused because the inputs are too ill-conditioned to say."""
    net = ls.ShallowLinear(case.covariances(ls), max(1, case.n_hidden))
    p = net.global_minimum()
    outcome = ls.verify(net.certify(p), net, p)
    assert outcome or outcome.failures == ("the inputs are too ill-conditioned to confirm it here",)


@pytest.fixture
def honest(ls, rng):
    X = rng.standard_normal((40, 5))
    net = ls.DeepLinear(ls.Covariances.from_data(X, X[:, :3] + 0.1 * rng.standard_normal((40, 3))), (3, 2))
    p = tuple(0.1 * rng.standard_normal(shape) for shape in net.shapes)
    return net, p, net.certify(p)


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(__import__("landscape_cpp").Certificate)])
def test_any_altered_field_falls(ls, honest, name):
    net, p, certificate = honest
    value = getattr(certificate, name)
    other = {float: lambda: value * 1.001 + 1e-3, int: lambda: value + 1, str: lambda: value + "x"}
    changed = other.get(type(value), lambda: (np.ones(1),))()
    if name == "verdict":
        changed = type(value)("UNDECIDED")
    assert not ls.verify(dataclasses.replace(certificate, **{name: changed}), net, p)


@pytest.mark.parametrize(
    "lie",
    [
        {"verdict": "GLOBAL"},
        {"lower_bound": 2.0, "gap": 0.0, "relative_gap": 0.0, "verdict": "GLOBAL"},
        {"value": 0.1},
        {"scale": 100.0},
        {"margin": 1.0},
        {"gap": -1.0},
        {"tol": 10.0},
    ],
)
def test_lies_with_a_new_digest_fall(ls, honest, lie):
    net, p, certificate = honest
    if "verdict" in lie:
        lie = lie | {"verdict": type(certificate.verdict)(lie["verdict"]), "witness": None}
    forged = dataclasses.replace(certificate, **lie, digest="")
    forged = dataclasses.replace(forged, digest=certificate_digest(forged))
    assert not ls.verify(forged, net, p)


def test_other_data_and_points_fall(ls, honest, rng):
    net, p, certificate = honest
    other = tuple(block + 1e-16 + 1e-3 * (block == block[0, 0]) for block in p)
    assert "it is about another point (fingerprint)" in ls.verify(certificate, net, other).failures
    X = rng.standard_normal((40, 5))
    wrong = ls.DeepLinear(ls.Covariances.from_data(X, X[:, :3]), (3, 2))
    assert "it is about other data (fingerprint)" in ls.verify(certificate, wrong, p).failures
    assert json.loads(certificate.to_json())["landscape"] == "linear_network"
