"""Covariances: second moments, streaming, merging, factor form, spectral data and the checks of THEORY section 1."""

import pickle

import numpy as np
import pytest

import cases
import comparators as cmp
from reference import exact, risk, shallow

METHODS = ["auto", "moments", "factor"]
OPTIONS = [(False, False), (True, False), (False, True), (True, True)]  # (center, weighted)


def samples(rng, m=40, n0=5, n2=3):
    X, Y = rng.standard_normal((m, n0)) + 1.0, rng.standard_normal((m, n2)) - 2.0
    return X, Y, rng.uniform(0.0, 3.0, m)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("center", "weighted"), OPTIONS)
def test_from_data_is_the_two_pass_formula(ls, rng, method, center, weighted):
    X, Y, w = samples(rng)
    w = w if weighted else None
    cov = ls.Covariances.from_data(X, Y, center=center, sample_weight=w, method=method)
    cmp.assert_moments_close(cov, risk.second_moments(X, Y, w, center), 1e-13)
    assert (cov.n_inputs, cov.n_outputs, cov.n_samples, cov.center) == (5, 3, 40, center)
    cmp.assert_close(cov.weight, 40.0 if w is None else w.sum(), 1e-14, what="weight")


def test_case_table_moments(ls, data_case):
    cmp.assert_moments_close(data_case.covariances(ls), data_case.moments, 1e-12)


def test_targets_default_to_inputs(ls, rng):
    X, _, w = samples(rng)
    cov = ls.Covariances.from_data(X, sample_weight=w)
    cmp.assert_moments_close(cov, risk.second_moments(X, X, w), 1e-13)


def test_one_dimensional_targets_are_one_column(ls, rng):
    X, Y, _ = samples(rng)
    cmp.assert_same_covariances(ls.Covariances.from_data(X, Y[:, 0]), ls.Covariances.from_data(X, Y[:, :1]))


def test_a_sample_of_weight_two_is_the_sample_twice(ls, rng):
    X, Y, _ = samples(rng)
    w = np.ones(len(X))
    w[7] = 2.0
    twice = ls.Covariances.from_data(np.vstack([X, X[7:8]]), np.vstack([Y, Y[7:8]]))
    weighted = ls.Covariances.from_data(X, Y, sample_weight=w)
    for name in ("xx", "xy", "yy"):
        cmp.assert_close(getattr(weighted, name), getattr(twice, name), 1e-14, what=name)


def test_a_sample_of_weight_zero_is_no_sample(ls, rng):
    X, Y, w = samples(rng)
    w[[0, 5, 39]] = 0.0
    X[5], kept = 1e100, w > 0.0
    cmp.assert_moments_close(
        ls.Covariances.from_data(X, Y, sample_weight=w), risk.second_moments(X[kept], Y[kept], w[kept]), 1e-13
    )


def test_only_the_ratios_of_weights_matter(ls, rng):
    X, Y, w = samples(rng)
    a, b = (ls.Covariances.from_data(X, Y, sample_weight=c * w, center=True) for c in (1.0, 1e-7))
    for name in ("xx", "xy", "yy", "mean_x", "mean_y"):
        cmp.assert_close(getattr(a, name), getattr(b, name), 1e-13, what=name)


def test_chunks_of_inputs_alone(ls, rng):
    X, _, _ = samples(rng)
    cmp.assert_moments_close(ls.Covariances.from_chunks([X[:11], X[11:]]), risk.second_moments(X, X), 1e-13)


def test_a_landscape_keeps_the_moments_it_was_built_from(ls, rng):
    X, Y, _ = samples(rng)
    cov = ls.Covariances.from_data(X, Y)
    net = ls.ShallowLinear(cov, 2)
    before = net.minimum_value
    cov.update(10.0 * X, Y)
    net.cov.update(10.0 * X, Y)
    assert net.minimum_value == before
    cmp.assert_same_covariances(net.cov, ls.Covariances.from_data(X, Y))


def test_centering_a_large_mean_keeps_the_digits(ls, rng):
    X, Y, _ = samples(rng)
    shifted = ls.Covariances.from_data(X + 1e6, Y - 1e6, center=True)
    plain = ls.Covariances.from_data(X, Y, center=True)
    for name in ("xx", "xy", "yy"):  # adding 1e6 rounds each sample to 1e-10
        cmp.assert_close(getattr(shifted, name), getattr(plain, name), 1e-9, what=name)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("center", "weighted"), OPTIONS)
@pytest.mark.parametrize("sizes", [(1, 39), (13, 13, 14), (40,), tuple([1] * 40)], ids=str)
def test_updates_in_chunks_are_the_fresh_result(ls, rng, method, center, weighted, sizes):
    X, Y, w = samples(rng)
    w = w if weighted else None
    cuts = np.cumsum(sizes)[:-1]
    weights = [None] * len(sizes) if w is None else np.split(w, cuts)
    chunks = list(zip(np.split(X, cuts), np.split(Y, cuts), weights, strict=True))
    cov = ls.Covariances.from_chunks(chunks if weighted else [c[:2] for c in chunks], center=center, method=method)
    cmp.assert_moments_close(cov, risk.second_moments(X, Y, w, center), 1e-12)
    assert (cov.n_samples, cov.center) == (40, center)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("center", [False, True])
def test_update_is_in_place_and_merge_is_new(ls, rng, method, center):
    X, Y, _ = samples(rng)
    make = {"center": center, "method": method}
    a, b = ls.Covariances.from_data(X[:15], Y[:15], **make), ls.Covariances.from_data(X[15:], Y[15:], **make)
    before = np.array(a.xx)
    merged = a.merge(b)
    cmp.assert_same_bits(a.xx, before, "merge left its operand")
    cmp.assert_moments_close(merged, risk.second_moments(X, Y, None, center), 1e-12)
    assert a.update(X[15:], Y[15:]) is a
    cmp.assert_same_covariances(a, merged, 1e-12)
    cmp.assert_same_covariances(b.merge(ls.Covariances.from_data(X[:15], Y[:15], **make)), merged, 1e-12)


def test_arrays_are_read_only_and_detached_from_the_data(ls, rng):
    X, Y, _ = samples(rng)
    cov = ls.Covariances.from_data(X, Y)
    before = np.array(cov.xx)
    X[:] = 0.0
    cmp.assert_same_bits(cov.xx, before)
    cmp.assert_same_bits(cov.yx, np.ascontiguousarray(cov.xy.T))
    for name in ("xx", "xy", "yy", "yx"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(cov, name)[0, 0] = 1.0


@pytest.mark.parametrize("convert", [np.asfortranarray, lambda a: np.repeat(a, 2, axis=0)[::2], np.float32, list])
def test_any_layout_gives_the_same_moments(ls, rng, convert):
    X, Y, _ = samples(rng)
    X, Y = X.astype(np.float32).astype(float), Y.astype(np.float32).astype(float)
    cmp.assert_same_covariances(ls.Covariances.from_data(convert(X), convert(Y)), ls.Covariances.from_data(X, Y))


def test_memory_maps_and_integers(ls, rng, tmp_path):
    X, Y, _ = samples(rng)
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    cmp.assert_same_covariances(ls.Covariances.from_data(mapped, Y), ls.Covariances.from_data(X, Y))
    whole = np.rint(3 * X).astype(int)
    cmp.assert_same_covariances(ls.Covariances.from_data(whole, Y), ls.Covariances.from_data(whole.astype(float), Y))


def test_auto_keeps_a_factor_when_inputs_outnumber_samples(ls, rng):
    X, Y = rng.standard_normal((6, 30)), rng.standard_normal((6, 2))
    cov = ls.Covariances.from_data(X, Y)
    Fx, Fy = cov.factor
    assert cov.form == "factor"
    assert Fx.shape[0] == Fy.shape[0] <= 32
    for name, product in (("xx", Fx.T @ Fx), ("xy", Fx.T @ Fy), ("yy", Fy.T @ Fy)):
        cmp.assert_close(product, getattr(risk.second_moments(X, Y), name), 1e-13, what=name)


def test_a_factor_stays_small_under_updates(ls, rng):
    cov = ls.Covariances.from_data(rng.standard_normal((3, 4)), rng.standard_normal((3, 2)), method="factor")
    for _ in range(20):
        cov.update(rng.standard_normal((7, 4)), rng.standard_normal((7, 2)))
    assert cov.factor[0].shape[0] <= 6
    assert cov.n_samples == 143


def test_spectral_data_identities(ls, case):
    cov, white = case.covariances(ls), case.whitened
    s = cov.spectrum()
    assert (s.rank_x, s.rank) == (white.rank_x, case.rank)
    assert s.eigenvalues.shape == (min(case.shape[2], s.rank_x),)
    assert np.all(np.diff(s.eigenvalues) <= 0.0)
    cmp.assert_close(s.eigenvalues, white.eigenvalues, 1e-12, case.scale, "eigenvalues")
    cmp.assert_close(s.whitening.T @ cov.xx @ s.whitening, np.eye(s.rank_x), 1e-11, 1.0, "T^T Sxx T")
    cmp.assert_close(s.colouring, cov.xx @ s.whitening, 1e-12, cmp.size(s.colouring), "B")
    cmp.assert_close(s.colouring @ s.colouring.T, cov.xx, 1e-12, cmp.size(cov.xx), "B B^T")
    cmp.assert_close(s.cross, cov.yx @ s.whitening, 1e-11, np.sqrt(case.scale), "M")
    cmp.assert_close(s.cross, (s.left * np.sqrt(s.eigenvalues)) @ s.right.T, 1e-11, np.sqrt(case.scale), "M by SVD")
    cmp.assert_close(s.left.T @ s.left, np.eye(s.left.shape[1]), 1e-13, 1.0, "left")
    cmp.assert_close(s.total, white.total, 1e-13, case.scale, "total")
    cmp.assert_close(s.minimum_risk, risk.minimum_risk(white), 1e-12, case.scale, "minimum_risk")
    assert s.total >= s.minimum_risk >= -1e-13 * case.scale


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("center", [False, True])
def test_spectrum_by_svd_and_by_moments(ls, rng, method, center):
    X, Y, w = samples(rng)
    s = ls.Covariances.from_data(X, Y, center=center, sample_weight=w, method=method).spectrum()
    white = risk.whiten_data(X, Y, w, center)
    cmp.assert_close(s.eigenvalues, white.eigenvalues, 1e-12)
    cmp.assert_close(np.abs(np.sum(s.left * white.left, axis=0)), np.ones(3), 1e-11, what="eigenvectors up to sign")


def stretched(rng, power):
    """Inputs of condition about 10^power."""
    return rng.standard_normal((30, 4)) * np.geomspace(1.0, 10.0**-power, 4) @ shallow.orthogonal(4, rng)


@pytest.mark.parametrize("power", [5, 7, 9, 11])
def test_ill_conditioned_inputs_take_the_svd_route(ls, rng, power):
    X, Y = stretched(rng, power), rng.standard_normal((30, 2))
    cov, lam = ls.Covariances.from_data(X, Y), exact.eigenvalues(*exact.exact_moments(X, Y)[:2])
    s = cov.spectrum()
    assert (cov.form, s.rank_x) == ("factor", 4)
    assert 10 ** (power - 2) < s.condition < 10 ** (power + 2)
    cmp.assert_close(s.eigenvalues, [float(v) for v in lam], 10.0**power * 1e-15, what="eigenvalues")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("power", [0, 1, 2, 3, 4, 5, 6])
def test_stated_rounding_bounds_the_singular_values(ls, rng, power, method):
    """|error of sigma| <= rounding sqrt(total), against 60 digits."""
    X, Y = stretched(rng, power), rng.standard_normal((30, 2))
    s = ls.Covariances.from_data(X, Y, method=method).spectrum()
    lam = exact.eigenvalues(*exact.exact_moments(X, Y)[:2])
    sigma = np.sqrt([float(v) for v in lam])
    cmp.assert_close(np.sqrt(s.eigenvalues), sigma, s.rounding, np.sqrt(s.total), "sigma")
    assert s.rounding <= 1e-13 * s.condition


def test_risk_identity_of_the_worked_example(worked):
    s = worked.cov.spectrum()
    cmp.assert_close(s.eigenvalues, [4.0, 1.0], 1e-15)
    cmp.assert_close([s.minimum_risk, s.total], [2.0, 7.0], 1e-15)


GOOD = {"xx": np.eye(2), "xy": np.ones((2, 1)), "yy": np.array([[2.0]])}
REFUSED = [
    ({"xx": np.array([[1.0, 0.5], [0.0, 1.0]])}, "symmetric"),
    ({"yy": np.array([[1.999]])}, "semidefinite"),
    ({"xx": np.diag([1.0, -1e-3])}, "xx has a negative second moment"),
    ({"xx": np.diag([1.0, 0.0])}, "range"),
    ({"xx": np.zeros((2, 2))}, "range"),
    ({"yy": np.array([[-1.0]])}, "yy has a negative second moment"),
]


@pytest.mark.parametrize(("wrong", "word"), REFUSED)
def test_moments_no_data_can_produce_are_refused(ls, wrong, word):
    ls.Covariances(**GOOD)
    cmp.assert_raises_naming(lambda: ls.Covariances(**{**GOOD, **wrong}), ValueError, word)


def test_moments_of_any_data_are_accepted(ls):
    for case in cases.problems(cases.QUICK):
        cov = ls.Covariances(xx=case.moments.xx, xy=case.moments.xy, yy=case.moments.yy)
        assert cov.n_samples is None
        assert cov.form == "moments"
        cmp.assert_moments_close(cov, case.moments, 4 * cmp.EPS)


def test_save_and_load_keep_every_bit(ls, rng, tmp_path):
    X, Y, w = samples(rng)
    for i, options in enumerate(({}, {"center": True, "sample_weight": w}, {"method": "factor"})):
        cov = ls.Covariances.from_data(X, Y, **options)
        cov.save(tmp_path / f"cov{i}.npz")
        loaded = ls.load(tmp_path / f"cov{i}.npz")
        cmp.assert_same_covariances(loaded, cov)
        assert loaded.form == cov.form
        cmp.assert_same_covariances(loaded.update(X, Y), cov.update(X, Y))
        np.load(tmp_path / f"cov{i}.npz", allow_pickle=False).close()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("same", [False, True])
def test_a_ridge_adds_its_penalty_on_the_product(ls, rng, method, center, same):
    X, Y, w = samples(rng)
    targets = None if same else Y
    plain = ls.Covariances.from_data(X, targets, center=center, sample_weight=w, method=method)
    before = np.array(plain.xx)
    ridged = plain.with_ridge(0.2).with_ridge(0.1)
    cmp.assert_same_bits(plain.xx, before, "with_ridge left its operand")
    assert (ridged.ridge, plain.ridge, ridged.n_samples) == (pytest.approx(0.3), 0.0, plain.n_samples)
    np.testing.assert_allclose(ridged.xx, plain.xx + 0.3 * np.eye(5), rtol=1e-13, atol=1e-13)
    a, b = ls.ShallowLinear(ridged, 2), ls.ShallowLinear(plain, 2)
    p = tuple(rng.standard_normal(shape) for shape in a.shapes)
    penalty = 0.3 * np.sum((p[0] @ p[1].T) ** 2)
    assert a.value(p) == pytest.approx(b.value(p) + penalty, rel=1e-12)
    best = a.global_minimum()
    assert a.certify(best).verdict == "GLOBAL"
    assert a.minimum_value == pytest.approx(b.value(best) + 0.3 * np.sum((best[0] @ best[1].T) ** 2), rel=1e-12)
    assert a.classify(best).kind == "global_minimum"


def test_a_ridge_is_kept_by_files_and_pickles_and_ends_growth(ls, rng, tmp_path):
    X, Y, _ = samples(rng)
    cov = ls.Covariances.from_data(X, Y).with_ridge(0.5)
    cov.save(tmp_path / "ridge.npz")
    for again in (ls.load(tmp_path / "ridge.npz"), pickle.loads(pickle.dumps(cov))):
        cmp.assert_same_covariances(again, cov)
        assert again.ridge == 0.5
        assert "ridge=0.5" in repr(again)
    for grow in (lambda: cov.update(X, Y), lambda: cov.merge(cov), lambda: ls.Covariances.from_data(X, Y).merge(cov)):
        with pytest.raises(ValueError, match=r"with a ridge cannot be (updated|merged)"):
            grow()


@pytest.mark.parametrize("alpha", [0.0, -1.0, np.nan, np.inf])
def test_a_ridge_must_be_positive(ls, alpha):
    with pytest.raises(ValueError, match="alpha must be a positive finite number"):
        ls.Covariances(xx=np.eye(2), xy=np.eye(2), yy=np.eye(2)).with_ridge(alpha)


def test_repr_says_the_sizes(ls, rng):
    X, Y, _ = samples(rng)
    text = repr(ls.Covariances.from_data(X, Y))
    assert "Covariances" in text
    assert all(str(n) in text for n in (5, 3, 40))
