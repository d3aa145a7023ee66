"""Every public object pickles and copies, with every bit."""

import copy
import dataclasses
import enum
import pickle

import numpy as np
import pytest

import cases
import comparators as cmp

MAKERS = {
    "CriticalPoint": lambda ls, net, p, q: net.classify(q),
    "CriticalPoint of a random point": lambda ls, net, p, q: net.classify(p),
    "CriticalPointBatch": lambda ls, net, p, q: net.classify(tuple(np.stack(b) for b in zip(p, q, strict=True))),
    "CriticalValues": lambda ls, net, p, q: net.critical_values(),
    "Certificate": lambda ls, net, p, q: net.certify(p),
    "EscapeDirection": lambda ls, net, p, q: net.escape_direction(q),
    "Eigenpair": lambda ls, net, p, q: ls.curvature.smallest_eigenpair(net, p),
    "Spectrum": lambda ls, net, p, q: ls.curvature.spectrum(net, p, 2),
    "Slice": lambda ls, net, p, q: ls.slice(net, p, q, s=np.linspace(0, 1, 5)),
    "SpectralData": lambda ls, net, p, q: net.cov.spectrum(),
}
COPIES = [copy.deepcopy, copy.copy, *(lambda x, k=k: pickle.loads(pickle.dumps(x, k)) for k in range(2, 6))]


def setup(ls):
    case = cases.problem(0)
    net = case.net(ls)
    return net, case.points[-1].point, net.critical_point(tuple(range(1, case.n_hidden + 1)))


def assert_equal(a, b, what="object"):
    """Deep equality of dataclasses, enums, containers, arrays (bitwise) and numbers."""
    assert type(a) is type(b), f"{what}: {type(a)} and {type(b)}"
    if dataclasses.is_dataclass(b):
        for field in dataclasses.fields(b):
            assert_equal(getattr(a, field.name), getattr(b, field.name), f"{what}.{field.name}")
    elif type(b).__name__ == "ShallowLinear":
        cmp.assert_same_covariances(a.cov, b.cov)
        assert a.n_hidden == b.n_hidden
    elif isinstance(b, np.ndarray):
        if b.dtype == object:
            assert a.tolist() == b.tolist(), what
        else:
            cmp.assert_same_bits(a, b, what)
    elif isinstance(b, (tuple, list)) and not isinstance(b, enum.Enum):
        assert len(a) == len(b), what
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_equal(x, y, f"{what}[{i}]")
    else:
        assert a == b or (a != a and b != b), f"{what}: {a!r} and {b!r}"


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("again", COPIES, ids=["deepcopy", "copy", *(f"pickle{k}" for k in range(2, 6))])
def test_results(ls, name, again):
    made = MAKERS[name](ls, *setup(ls))
    assert_equal(again(made), made, name)
    assert repr(again(made)) == repr(made)


@pytest.mark.parametrize("name", [name for name in MAKERS if name != "CriticalValues"])
def test_results_are_frozen(ls, name):
    made = MAKERS[name](ls, *setup(ls))
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(made, dataclasses.fields(made)[0].name, None)


@pytest.mark.parametrize("again", COPIES, ids=["deepcopy", "copy", *(f"pickle{k}" for k in range(2, 6))])
@pytest.mark.parametrize("options", [{}, {"center": True}, {"method": "factor"}], ids=str)
def test_covariances_and_landscape(ls, rng, again, options):
    X, Y = rng.standard_normal((12, 4)), rng.standard_normal((12, 2))
    net = ls.ShallowLinear(ls.Covariances.from_data(X, Y, **options), 2)
    other, p = again(net), (rng.standard_normal((2, 2)), rng.standard_normal((4, 2)))
    cmp.assert_same_covariances(again(net.cov), net.cov)
    assert (other.cov.form, other.n_hidden, other.shapes) == (net.cov.form, net.n_hidden, net.shapes)
    cmp.assert_same_bits(other.gradient(p), net.gradient(p))
    cmp.assert_same_bits(other.minimum_value, net.minimum_value)


def test_a_pickled_covariance_goes_on_streaming(ls, rng):
    X, Y = rng.standard_normal((12, 4)), rng.standard_normal((12, 2))
    cov = ls.Covariances.from_data(X, Y, center=True)
    loaded = pickle.loads(pickle.dumps(cov))
    loaded.update(X, Y)
    assert (cov.n_samples, loaded.n_samples) == (12, 24)
    cmp.assert_same_covariances(loaded, cov.update(X, Y))


def test_enums_keep_their_identity_and_text(ls):
    for kind in (ls.Kind.GLOBAL_MINIMUM, ls.Verdict.GLOBAL):
        assert pickle.loads(pickle.dumps(kind)) is kind
        assert kind == kind.value
        assert str(kind) == kind.value
