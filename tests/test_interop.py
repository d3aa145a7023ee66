"""from_factors: other people's solutions as landscape and point, and what their λ is here."""

import numpy as np
import pytest
import scipy.sparse
from sklearn.decomposition import NMF, PCA, TruncatedSVD

from landscape_cpp import verify
from landscape_cpp.interop import from_factors


def table(rng, shape=(12, 9), rank=3, missing=0.3):
    Y = rng.standard_normal((shape[0], rank)) @ rng.standard_normal((rank, shape[1])) + 0.2 * rng.standard_normal(shape)
    Y[rng.uniform(size=shape) < missing] = np.nan
    return Y


def nuclear(Z):
    return float(np.linalg.svd(Z, compute_uv=False).sum())


def squares(p):
    return float(np.sum(p[0] ** 2)), float(np.sum(p[1] ** 2))


def alternating_ridge(Y, width, lam_u, lam_v, sweeps, rng):
    """Minimises Σ_observed (y - u·v)² + lam_u |U|² + lam_v |V|², cmfrec's objective, block by block."""
    seen = ~np.isnan(Y)
    V = rng.standard_normal((Y.shape[1], width))
    for _ in range(sweeps):
        U = ridge(Y, seen, V, lam_u, width)
        V = ridge(Y.T, seen.T, U, lam_v, width)
    return U, V


def ridge(Y, seen, V, lam, width):
    return np.array(
        [
            np.linalg.solve(V[known].T @ V[known] + lam * np.eye(width), V[known].T @ row[known])
            for row, known in zip(Y, seen, strict=True)
        ]
    )


# --- the three forms --------------------------------------------------------------------------------------------------


def test_u_and_v_are_taken_as_they_are(rng):
    Y = table(rng)
    U, V = rng.standard_normal((12, 4)), rng.standard_normal((9, 4))
    land, p = from_factors(Y, 0.5, U=U, V=V, mask="nan")
    np.testing.assert_array_equal(p[0], U)
    np.testing.assert_array_equal(p[1], V)
    objective = 0.5 * np.nansum((Y - U @ V.T) ** 2) + 0.25 * sum(squares(p))
    assert land.value(p) == pytest.approx(objective, rel=1e-13)
    assert land.certify(p).verdict == "NOT_GLOBAL"


@pytest.mark.parametrize("form", ["Z", "components", "U and V"])
def test_balanced_factors_have_the_product_and_the_smallest_penalty(form, rng):
    Y = table(rng)
    U, V = 10.0 * rng.standard_normal((12, 4)), rng.standard_normal((9, 4))
    given = {"Z": {"Z": U @ V.T}, "components": {"components": (U, V.T)}, "U and V": {"U": U, "V": V, "balance": True}}
    land, p = from_factors(Y, 0.5, mask="nan", **given[form])
    np.testing.assert_allclose(p[0] @ p[1].T, U @ V.T, atol=1e-12 * np.abs(U @ V.T).max())
    assert p[0].shape == (12, 4)
    np.testing.assert_allclose(p[0].T @ p[0], p[1].T @ p[1], atol=1e-10)
    assert 0.5 * sum(squares(p)) == pytest.approx(nuclear(U @ V.T), rel=1e-12)
    convex = 0.5 * np.nansum((Y - U @ V.T) ** 2) + 0.5 * nuclear(U @ V.T)
    assert land.value(p) == pytest.approx(convex, rel=1e-12)


def test_components_can_be_judged_as_they_are(rng):
    W, H = rng.standard_normal((12, 4)), rng.standard_normal((4, 9))
    _, p = from_factors(table(rng), 0.5, components=(W, H), mask="nan", balance=False)
    np.testing.assert_array_equal(p[0], W)
    np.testing.assert_array_equal(p[1], H.T)


@pytest.mark.parametrize("size", [0.0, 1e-200, 1.0, 1e120])
def test_the_rank_of_a_matrix_is_cut_at_rounding(size, rng):
    Z = size * np.outer(rng.standard_normal(12), rng.standard_normal(9))
    _, p = from_factors(table(rng, missing=0.0), 0.5, Z=Z)
    assert p[0].shape[1] == int(Z.any())
    np.testing.assert_allclose(p[0] @ p[1].T, Z, rtol=1e-12, atol=1e-14 * size)


def test_the_solution_of_the_package_comes_back_as_global(rng):
    Y = table(rng)
    land, _ = from_factors(Y, 1.0, Z=np.zeros((12, 9)), mask="nan")
    U, V = land.solve(1e-10).point
    for given in ({"U": U, "V": V}, {"Z": U @ V.T}, {"components": (U, V.T)}):
        again, p = from_factors(Y, 1.0, mask="nan", **given)
        certificate = again.certify(p)
        assert certificate.verdict == "GLOBAL"
        assert verify(certificate, again, p)


# --- the problem ------------------------------------------------------------------------------------------------------


def test_masks_weights_sparse_targets_and_losses(rng):
    Y, U, V = rng.standard_normal((12, 9)), rng.standard_normal((12, 2)), rng.standard_normal((9, 2))
    seen, c = rng.uniform(size=Y.shape) < 0.6, rng.uniform(size=Y.shape)
    Z = U @ V.T
    land, p = from_factors(Y, 0.5, U=U, V=V, mask=seen, weights=c)
    assert land.value(p) == pytest.approx(0.5 * np.sum((c * (Y - Z) ** 2)[seen]) + 0.25 * sum(squares(p)), rel=1e-13)
    sparse = scipy.sparse.coo_array((Y[seen], np.nonzero(seen)), shape=Y.shape)
    assert from_factors(sparse, 0.5, U=U, V=V, weights=c)[0].value(p) == pytest.approx(land.value(p), rel=1e-13)
    labels = np.where(Y > 0.0, 1.0, -1.0)
    land, p = from_factors(labels, 0.5, Z=Z, loss="logistic")
    assert land.value(p) == pytest.approx(np.sum(np.logaddexp(0.0, -labels * Z)) + 0.5 * nuclear(Z), rel=1e-12)
    land, p = from_factors(Y, 0.5, Z=Z, loss="huber", delta=0.1)
    size = np.abs(Y - Z)
    losses = np.where(size <= 0.1, 0.5 * size**2, 0.1 * size - 0.005)
    assert land.value(p) == pytest.approx(losses.sum() + 0.5 * nuclear(Z), rel=1e-12)


def test_coefficients_of_a_regression(rng):
    X, Y = rng.standard_normal((30, 5)), rng.standard_normal((30, 3))
    coef = np.linalg.lstsq(X, Y, rcond=None)[0].T  # scikit-learn's coef_, (n_targets, n_features)
    land, p = from_factors(Y, 2.0, Z=coef, X=X)
    assert land.value(p) == pytest.approx(0.5 * np.sum((Y - X @ coef.T) ** 2) + 2.0 * nuclear(coef), rel=1e-12)
    assert land.certify(p).verdict == "NOT_GLOBAL"
    U, V = land.solve(1e-9).point
    land, p = from_factors(Y, 2.0, Z=U @ V.T, X=X)
    assert land.certify(p).verdict == "GLOBAL"
    with pytest.raises(ValueError, match=r"Z must be \(nL, n0\) = \(3, 5\), got \(5, 3\)"):
        from_factors(Y, 2.0, Z=coef.T, X=X)


# --- λ elsewhere ------------------------------------------------------------------------------------------------------


def test_objectives_without_the_half_are_twice_ours_at_the_same_lam(rng):
    # cmfrec's Σ (y - a·b)² + λ (|A|² + |B|²); U=model.A_, V=model.B_
    Y = table(rng)
    A, B = alternating_ridge(Y, 7, 1.5, 1.5, 1000, rng)
    land, p = from_factors(Y, 1.5, U=A, V=B, mask="nan")
    theirs = np.nansum((Y - A @ B.T) ** 2) + 1.5 * sum(squares(p))
    assert 2.0 * land.value(p) == pytest.approx(theirs, rel=1e-13)
    assert land.certify(p).verdict == "GLOBAL"
    short = alternating_ridge(Y, 7, 1.5, 1.5, 3, rng)
    land, p = from_factors(Y, 1.5, U=short[0], V=short[1], mask="nan")
    certificate = land.certify(p)
    assert certificate.verdict == "NOT_GLOBAL"
    assert certificate.lower_bound <= 0.5 * theirs < certificate.value


@pytest.mark.parametrize("balance", [None, True])
def test_unequal_penalties_are_one_problem(balance, rng):
    Y = table(rng)
    A, B = alternating_ridge(Y, 7, 0.5, 3.0, 1000, rng)
    land, p = from_factors(Y, (0.5, 3.0), U=A, V=B, mask="nan", balance=balance)
    theirs = 0.5 * np.nansum((Y - A @ B.T) ** 2) + 0.25 * np.sum(A**2) + 1.5 * np.sum(B**2)
    assert land.lam == pytest.approx(np.sqrt(1.5), rel=1e-15)
    assert land.value(p) == pytest.approx(theirs, rel=1e-9)
    np.testing.assert_allclose(p[0] @ p[1].T, A @ B.T, atol=1e-12)
    assert land.certify(p).verdict == "GLOBAL"
    swapped, q = from_factors(Y, (3.0, 0.5), U=A, V=B, mask="nan")
    assert swapped.certify(q).verdict == "NOT_GLOBAL"
    for _ in range(5):  # the same objective everywhere, not at the optimum only
        A, B = rng.standard_normal((12, 3)), rng.standard_normal((9, 3))
        land, p = from_factors(Y, (0.5, 3.0), U=A, V=B, mask="nan")
        theirs = 0.5 * np.nansum((Y - A @ B.T) ** 2) + 0.25 * np.sum(A**2) + 1.5 * np.sum(B**2)
        assert land.value(p) == pytest.approx(theirs, rel=1e-12)


def test_mean_squared_errors_with_weight_decay(rng):
    # PyTorch: MSELoss()(U @ V.T, Y) and weight_decay = w, whose gradient is that of ½ w (|U|² + |V|²)
    Y, w = table(rng, missing=0.0), 0.02
    U, V = rng.standard_normal((12, 4)), rng.standard_normal((9, 4))
    n = Y.size
    land, p = from_factors(Y, n * w / 2.0, U=U, V=V)
    theirs = np.mean((U @ V.T - Y) ** 2) + 0.5 * w * sum(squares(p))
    assert 2.0 / n * land.value(p) == pytest.approx(theirs, rel=1e-13)
    step = (2.0 / n * (U @ V.T - Y) @ V + w * U, 2.0 / n * (U @ V.T - Y).T @ U + w * V)
    for ours, other in zip(land.gradient(p), step, strict=True):
        np.testing.assert_allclose(2.0 / n * ours, other, rtol=1e-10, atol=1e-12)


def test_factors_of_scikit_learn(rng):
    Y = np.abs(table(rng, missing=0.0))
    svd = TruncatedSVD(3, algorithm="arpack", random_state=0)
    W = svd.fit_transform(Y)
    land, p = from_factors(Y, 1.0, components=(W, svd.components_))
    s = np.linalg.svd(Y, compute_uv=False)
    optimum = float(np.sum(np.where(s > 1.0, s - 0.5, 0.5 * s * s)))  # λ σ - ½ λ² above λ = 1, ½ σ² below
    assert land.value(p) == pytest.approx(0.5 * np.sum(s[3:] ** 2) + s[:3].sum(), rel=1e-12)
    certificate = land.certify(p)
    assert certificate.verdict == "NOT_GLOBAL"
    assert certificate.lower_bound <= optimum < certificate.value
    assert land.solve().value == pytest.approx(optimum, rel=1e-12)

    pca = PCA(2).fit(Y)
    land, p = from_factors(Y - pca.mean_, 1.0, components=(pca.transform(Y), pca.components_))
    np.testing.assert_allclose(p[0] @ p[1].T + pca.mean_, pca.inverse_transform(pca.transform(Y)), atol=1e-12)

    nmf = NMF(3, alpha_W=0.01, alpha_H=0.03, l1_ratio=0.0, init="random", random_state=0, max_iter=2000, tol=1e-10)
    W, H = nmf.fit_transform(Y), nmf.components_
    land, p = from_factors(Y, (0.01 * 9, 0.03 * 12), components=(W, H), balance=False)
    # scikit-learn's user guide, "NMF with the Frobenius norm"
    theirs = 0.5 * np.sum((Y - W @ H) ** 2) + 0.5 * 0.01 * 9 * np.sum(W**2) + 0.5 * 0.03 * 12 * np.sum(H**2)
    assert land.value(p) == pytest.approx(theirs, rel=1e-12)
    assert land.certify(p).lower_bound <= theirs


def test_nobody_is_below_the_bound(rng):
    Y = table(rng)
    land, _ = from_factors(Y, 1.0, Z=np.zeros((12, 9)), mask="nan")
    best = land.solve(1e-10)
    for _ in range(200):
        width = int(rng.integers(0, 5))
        U, V = rng.standard_normal((12, width)), rng.standard_normal((9, width))
        _, p = from_factors(Y, 1.0, U=U, V=V, mask="nan", balance=bool(rng.integers(2)))
        certificate = land.certify(p)
        assert certificate.lower_bound <= best.value
        assert certificate.verdict != "GLOBAL" or certificate.value <= best.value + 1e-6 * certificate.scale


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({}, ValueError, "one of them; got nothing"),
        ({"U": np.ones((12, 2))}, ValueError, "U and V must be given together, V is missing"),
        ({"V": np.ones((9, 2))}, ValueError, "U and V must be given together, U is missing"),
        ({"U": np.ones((12, 2)), "V": np.ones((9, 2)), "Z": np.ones((12, 9))}, ValueError, "got U and V and Z"),
        ({"U": np.ones((9, 2)), "V": np.ones((12, 2))}, ValueError, r"U must be \(n2, r\) = \(12, r\), got \(9, 2\)"),
        ({"U": np.ones((12, 2)), "V": np.ones((9, 3))}, ValueError, r"V must be \(n0, r\) = \(9, 2\), got \(9, 3\)"),
        ({"Z": np.ones((9, 12))}, ValueError, r"Z must be \(n2, n0\) = \(12, 9\), got \(9, 12\)"),
        ({"Z": np.full((12, 9), np.nan)}, ValueError, "Z contains NaN or infinity"),
        ({"Z": np.ones((12, 9)), "balance": False}, ValueError, "balance must not be False for Z"),
        ({"Z": np.ones((12, 9)), "balance": "yes"}, TypeError, "balance must be True or False"),
        ({"components": np.ones((2, 12, 9))}, TypeError, r"components must be a pair \(W, H\)"),
        ({"components": (np.ones((12, 2)),)}, TypeError, r"components must be a pair \(W, H\)"),
        (
            {"components": (np.ones((12, 2)), np.ones((9, 2)))},
            ValueError,
            r"components\[1\] \(H\) must be \(r, n0\) = \(2, 9\), got \(9, 2\)",
        ),
        ({"U": np.ones((3, 12, 2)), "V": np.ones((3, 9, 2))}, ValueError, r"U must be \(n2, r\)"),
        ({"U": "ratings", "V": np.ones((9, 2))}, TypeError, "U must be an array of real numbers"),
        ({"Z": np.ones((12, 9)), "loss": "hinge"}, ValueError, "loss must be one of"),
    ],
)
def test_bad_input(given, error, message):
    with pytest.raises(error, match=message):
        from_factors(np.ones((12, 9)), 1.0, **given)


@pytest.mark.parametrize(
    ("lam", "error", "message"),
    [
        (0.0, ValueError, "lam must be a positive finite number"),
        ((1.0, -1.0), ValueError, r"lam\[1\] must be a positive finite number"),
        ((1.0, 1.0, 1.0), ValueError, r"lam must be a number or a pair \(lam_U, lam_V\), got 3 numbers"),
        ("cv", TypeError, "lam must be a real number"),
    ],
)
def test_bad_lam(lam, error, message):
    with pytest.raises(error, match=message):
        from_factors(np.ones((12, 9)), lam, Z=np.ones((12, 9)))
