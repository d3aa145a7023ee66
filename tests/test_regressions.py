"""Wrong verdicts that a review found once: ill-conditioned inputs, cancelling weights, summation, impossible data."""

import pickle
from fractions import Fraction

import numpy as np
import pytest

import comparators as cmp


def test_saddle_hidden_by_ill_conditioned_moments_is_not_global(ls):
    xx, xy = np.eye(4), np.zeros((4, 2))
    xx[2, 3] = xx[3, 2] = 1.0 - 1e-11
    xy[0, 0], xy[1, 1] = 1.0, 3e-4
    net = ls.ShallowLinear(ls.Covariances(xx=xx, xy=xy, yy=np.diag([1.0, 3e-4])), 2)
    unit = np.diag([1.0, 0.0])
    point = net.classify((unit, np.vstack([unit, np.zeros((2, 2))])))
    cmp.assert_kind_agrees(point, "undetermined")
    assert (point.morse_index, point.nullity) == (None, None)
    assert net.critical_values()[0].kind == "undetermined"
    cmp.assert_close(net.value(net.global_minimum()), net.minimum_value, 1e-15, net.cov.total)


@pytest.mark.parametrize(("eps", "small"), [(1e-11, 1e-4), (1e-10, 1e-5), (1e-9, 1e-6)])
def test_saddle_hidden_by_nearly_equal_columns_is_not_global(ls, rng, eps, small):
    h = np.linalg.qr(rng.standard_normal((50, 4)))[0] * np.sqrt(50.0)
    X = np.column_stack([h[:, 0], h[:, 1], h[:, 2], h[:, 2] + eps * h[:, 3]])
    net = ls.ShallowLinear(ls.Covariances.from_data(X, np.column_stack([h[:, 0], small * h[:, 1]])), 2)
    assert net.classify(net.critical_point([0])).kind != "global_minimum"


@pytest.mark.parametrize(
    ("cross", "u", "v"),
    [(0.0, 1000.0, (1e8 + 1.8e-7, -1e8)), (1.0, 0.0, (1e16, -1e16 + 2.0))],
    ids=["large U", "zero U"],
)
def test_weights_that_cancel_in_the_kernel_are_not_judged(ls, cross, u, v):
    net = ls.ShallowLinear(ls.Covariances(xx=np.ones((2, 2)), xy=np.full((2, 1), cross), yy=np.eye(1)), 1)
    p = (np.array([[u]]), np.array(v)[:, None])
    cmp.assert_kind_agrees(net.classify(p), "undetermined")
    assert net.certify(p).verdict != "GLOBAL"


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("chunk", [10**6, 50])
def test_constant_columns_round_one_way_and_the_bound_holds(ls, n_threads, chunk):
    rows = 10**6 if chunk == 10**6 else 50 * 400
    y = np.full((rows, 1), 0.1)
    x = np.where(np.arange(rows) % 2, 0.3, -0.3)[:, None]
    cov = ls.Covariances.from_data(x[:chunk], y[:chunk], n_threads=n_threads)
    for first in range(chunk, rows, chunk):
        cov.update(x[first : first + chunk], y[first : first + chunk], n_threads=n_threads)
    certificate = ls.ShallowLinear(cov, 1).certify((np.zeros((1, 1)), np.zeros((1, 1))))
    assert Fraction(certificate.lower_bound) <= Fraction(0.1) ** 2


@pytest.mark.parametrize("offset", [1e6, 1e12, 1e14])
def test_large_means_are_charged_to_the_margin(ls, rng, offset):
    x, y = (rng.integers(-50, 50, (1000, 1)) + offset for _ in range(2))
    net = ls.ShallowLinear(ls.Covariances.from_data(x, y, center=True), 1)
    a, b = ([int(value) for value in block[:, 0]] for block in (x, y))

    def covariance(p, q):
        return Fraction(1000 * sum(i * j for i, j in zip(p, q, strict=True)) - sum(p) * sum(q), 1000**2)

    sxx, sxy, syy = covariance(a, a), covariance(a, b), covariance(b, b)
    assert Fraction(net.certify(net.global_minimum()).lower_bound) <= syy - sxy * sxy / sxx


def test_covariance_on_a_direction_without_variance_is_refused(ls):
    with pytest.raises(ValueError, match="no data has these moments"):
        ls.Covariances(xx=np.ones((2, 2)), xy=np.array([[0.5 + 5e-7], [0.5]]), yy=np.eye(1))


def test_weights_whose_products_underflow_are_refused(ls, rng):
    with pytest.raises(ValueError, match="sample_weight is too small"):
        ls.Covariances.from_data(rng.standard_normal((50, 2)), sample_weight=np.full(50, 1e-322))


def test_update_after_an_out_of_band_pickle(ls):
    buffers = []
    data = pickle.dumps(ls.Covariances.from_data(np.eye(3)), 5, buffer_callback=buffers.append)
    copy = pickle.loads(data, buffers=[bytes(buffer.raw()) for buffer in buffers])
    assert copy.update(np.eye(3)).n_samples == 6
