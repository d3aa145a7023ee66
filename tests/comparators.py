"""One comparator per concept; each raises AssertionError that says what differs, by how much, and what was allowed.

They take the package's objects and NumPy arrays and never import the package, so they can be tested on fakes
(test_comparators.py).
"""

import numpy as np

from reference import shallow

EPS = float(np.finfo(float).eps)


def size(a):
    return float(np.max(np.abs(a), initial=0.0))


def assert_close(actual, expected, rtol=1e-12, scale=None, what="result"):
    """Same shape, and max |actual - expected| <= rtol * scale (scale: the largest |expected| unless given)."""
    actual, expected = np.asarray(actual, dtype=float), np.asarray(expected, dtype=float)
    assert actual.shape == expected.shape, f"{what}: shape {actual.shape}, expected {expected.shape}"
    allowed = rtol * (size(expected) if scale is None else float(scale))
    error = size(actual - expected)
    assert error <= allowed, f"{what}: differs by {error:.3e}, allowed {allowed:.3e}"


def assert_same_bits(actual, expected, what="result"):
    """Every array of two results is bitwise equal (tuples and lists are compared item by item)."""
    if isinstance(expected, (tuple, list)):
        assert len(actual) == len(expected), f"{what}: {len(actual)} items, expected {len(expected)}"
        for i, (a, b) in enumerate(zip(actual, expected, strict=True)):
            assert_same_bits(a, b, f"{what}[{i}]")
        return
    a, b = np.asarray(actual), np.asarray(expected)
    assert (a.dtype, a.shape) == (b.dtype, b.shape), f"{what}: {a.dtype}{a.shape}, expected {b.dtype}{b.shape}"
    assert np.ascontiguousarray(a).tobytes() == np.ascontiguousarray(b).tobytes(), (
        f"{what}: bits differ, by {size(a.astype(float) - b.astype(float)):.3e} at most"
    )


def assert_points_close(actual, expected, rtol=1e-12, scale=None, what="point"):
    """Block by block, relative to the largest entry of any block (or scale)."""
    assert len(actual) == len(expected), f"{what}: {len(actual)} blocks, expected {len(expected)}"
    scale = max(size(b) for b in expected) if scale is None else scale
    for name, a, b in zip("UV", actual, expected, strict=True):
        assert_close(a, b, rtol, scale, f"{what}.{name}")


def assert_moments_close(cov, moments, rtol=1e-12):
    """cov.xx, .xy, .yy against reference moments; Cauchy-Schwarz gives each block its scale."""
    xx, yy = size(moments.xx), size(moments.yy)
    for name, expected, scale in (
        ("xx", moments.xx, xx),
        ("xy", moments.xy, np.sqrt(xx * yy)),
        ("yy", moments.yy, yy),
    ):
        assert_close(getattr(cov, name), expected, rtol, scale, f"moment {name}")
    for name in ("mean_x", "mean_y"):
        actual, expected = getattr(cov, name), getattr(moments, name)
        assert (actual is None) == (expected is None), f"{name} is {actual}, expected {expected}"
        if expected is not None:
            scale = np.sqrt(xx if name == "mean_x" else yy) + size(expected)
            assert_close(actual, expected, rtol, scale, name)


def assert_same_covariances(actual, expected, rtol=0.0):
    """Two package covariances hold the same moments, means, counts and weights."""
    for name in ("center", "n_samples", "n_inputs", "n_outputs"):
        assert getattr(actual, name) == getattr(expected, name), f"{name} differs"
    assert_close(actual.weight, expected.weight, max(rtol, 4 * EPS), what="weight")
    assert_moments_close(actual, expected, rtol)


def along(f, p, d, t):
    return f(tuple(a + t * b for a, b in zip(p, d, strict=True)))


def line_derivatives(f, p, d, h=0.5):
    """(f', f'') along d at p by five-point differences, exact for quartics up to rounding, and that rounding."""
    f2, f1, f0, g1, g2 = (along(f, p, d, t) for t in (2 * h, h, 0.0, -h, -2 * h))
    noise = 64 * EPS * max(abs(v) for v in (f2, f1, f0, g1, g2))
    first = (8.0 * (f1 - g1) - (f2 - g2)) / (12.0 * h)
    second = (-f2 + 16.0 * f1 - 30.0 * f0 + 16.0 * g1 - g2) / (12.0 * h * h)
    return first, second, noise / (h * h)


def assert_gradient_matches_fd(net, p, directions):
    """<gradient, d> against differences of net.value along each d (exact stencils: value is a quartic along a line)."""
    g = net.gradient(p)
    for i, d in enumerate(directions):
        first, _, noise = line_derivatives(net.value, p, d)
        slope = sum(float(np.sum(a * b)) for a, b in zip(g, d, strict=True))
        assert abs(slope - first) <= 10 * noise, f"direction {i}: <gradient, d> = {slope!r}, differences give {first!r}"


def assert_curvature_matches_fd(net, p, directions):
    """curvature(p, d) and <d, hvp(p, d)> against second differences of net.value along each d."""
    for i, d in enumerate(directions):
        _, second, noise = line_derivatives(net.value, p, d)
        product = sum(float(np.sum(a * b)) for a, b in zip(net.hvp(p, d), d, strict=True))
        for name, actual in (("curvature", net.curvature(p, d)), ("<d, hvp>", product)):
            off = abs(actual - second)
            assert off <= 10 * noise, f"direction {i}: {name} = {actual!r}, differences give {second!r}"


def assert_critical(moments, p, tol=1e-11):
    """The gradient vanishes relative to the terms that cancel in it."""
    relative = shallow.relative_gradient(moments, p)
    assert relative <= tol, f"relative gradient {relative:.3e}, allowed {tol:.1e}"


def assert_kind_agrees(result, expected, undetermined_allowed=False):
    """The kind is the expected one; "undetermined" passes only where it is allowed, another kind never."""
    kind = str(getattr(result.kind, "value", result.kind))
    if undetermined_allowed and kind == "undetermined":
        return
    assert kind == expected, f"kind is {kind}, expected {expected} ({getattr(result, 'reason', '')})"


def assert_inertia(result, expected):
    """(negative, zero, positive) Hessian eigenvalues against morse_index and nullity."""
    negative, zero, _ = expected
    assert (result.morse_index, result.nullity) == (negative, zero), (
        f"(morse_index, nullity) = {(result.morse_index, result.nullity)}, expected {(negative, zero)}"
    )


def assert_witness(moments, p, escape, rtol=1e-9):
    """The escape direction bends down: stated curvatures are those of (2.1), and of the quartic along the line."""
    for name, d, stated in (
        ("direction", escape.direction, escape.curvature),
        ("scaled_direction", escape.scaled_direction, escape.scaled_curvature),
    ):
        scale = curvature_scale(moments, p, d)
        actual, substituted = shallow.curvature(moments, p, d), 2.0 * shallow.quartic(moments, p, d)[2]
        assert actual < 0.0, f"{name}: curvature {actual:.3e} is not negative"
        assert abs(actual - stated) <= rtol * scale, f"{name}: states {stated!r}, formula (2.1) gives {actual!r}"
        assert abs(substituted - stated) <= rtol * scale, f"{name}: states {stated!r}, substitution {substituted!r}"
    d = escape.direction
    quotients = [
        shallow.curvature(moments, p, e) / sum(float(np.sum(b * b)) for b in e) for e in (d, escape.scaled_direction)
    ]
    stated = escape.rayleigh_quotient
    assert stated < 0.0, f"rayleigh_quotient {stated!r} is not negative"
    close = min(abs(stated - q) for q in quotients) <= rtol * max(abs(q) for q in quotients)
    assert close, f"rayleigh_quotient {stated!r} belongs to neither direction: {quotients!r}"


def curvature_scale(moments, p, d):
    """The size of the terms of (2.1) before they cancel."""
    (U, V), (dU, dV) = p, d
    E = np.linalg.norm(U @ dV.T) + np.linalg.norm(dU @ V.T)
    G = np.linalg.norm(U @ V.T @ moments.xx) + shallow.data_scale(moments)
    return float(2.0 * E**2 * np.linalg.norm(moments.xx) + 4.0 * np.linalg.norm(dU @ dV.T) * G)


def assert_eigenpairs(H, values, vectors, tol, order="ascending", scale=None):
    """||H v - e v|| <= tol ||H||, orthonormal vectors, sorted values; H dense, vectors packed in rows."""
    values, vectors = np.atleast_1d(values), np.atleast_2d(vectors)
    scale = max(float(np.linalg.norm(H, 2)), np.finfo(float).tiny) if scale is None else scale
    residual = np.linalg.norm(vectors @ H - values[:, None] * vectors, axis=1)
    assert np.all(residual <= tol * scale), f"residual {residual.max() / scale:.3e} ||H||, allowed {tol:.1e}"
    gram = size(vectors @ vectors.T - np.eye(len(values)))
    assert gram <= max(tol, 1e-10), f"vectors are not orthonormal, off by {gram:.3e}"
    steps = np.diff(values) if order == "ascending" else -np.diff(values)
    assert np.all(steps >= -tol * scale), f"values are not {order}: {values}"


def assert_certificate_sound(certificate, true_value, true_minimum, scale):
    """lower_bound <= true minimum; value, gap and verdict agree with exact numbers (mpmath or float)."""
    low, gap = certificate.lower_bound, true_value - true_minimum
    assert low <= true_minimum, f"lower bound {low!r} is above the true minimum by {float(low - true_minimum):.3e}"
    stated = certificate.value - low
    assert abs(certificate.gap - max(stated, 0.0)) <= 4 * EPS * max(abs(certificate.value), abs(low)), (
        f"gap is {certificate.gap!r}, value - lower_bound is {stated!r}"
    )
    off = abs(certificate.value - true_value)
    assert off <= certificate.margin, f"value is off by {float(off):.3e}, the stated margin is {certificate.margin:.3e}"
    if certificate.verdict == "GLOBAL":
        assert gap <= certificate.tol * scale, f"GLOBAL with a true gap of {float(gap):.3e} (scale {scale:.3e})"
    if certificate.verdict == "NOT_GLOBAL":
        assert gap > 0.0, f"NOT_GLOBAL with a true gap of {float(gap):.3e}"


def assert_ladder(entries, expected, scale, rtol=1e-12):
    """Values ascending, and as a multiset of (sorted indices, value) equal to the expected pairs."""
    values = np.array([e.value for e in entries], dtype=float)
    assert np.all(np.diff(values) >= -rtol * scale), f"ladder is not ascending: {values}"
    actual = {tuple(sorted(e.indices)): e.value for e in entries}
    assert len(actual) == len(entries), "an index set occurs twice in the ladder"
    wanted = {tuple(sorted(s)): v for s, v in expected}
    missing, extra = wanted.keys() - actual.keys(), actual.keys() - wanted.keys()
    assert not missing | extra, f"ladder lacks {sorted(missing)} and has {sorted(extra)}"
    for s, v in wanted.items():
        assert abs(actual[s] - v) <= rtol * scale, f"value of {s} is {actual[s]!r}, expected {v!r}"


def assert_raises_naming(call, exception, *fragments):
    """call() raises exactly this type (not a subclass of another kind) and its message holds every fragment."""
    error = None
    try:
        got = call()
    except (ValueError, TypeError) as caught:
        error = caught
    assert error is not None, f"nothing was raised, got {type(got).__name__}; expected {exception.__name__}"
    assert_error(error, exception, *fragments)


def assert_error(error, exception, *fragments):
    """The error is of exactly this type (None: any) and its message holds every fragment."""
    if exception is not None:
        assert type(error) is exception, f"{type(error).__name__}: {error}; expected {exception.__name__}"
    for fragment in fragments:
        assert fragment in str(error), f"{fragment!r} is not in the message {str(error)!r}"
