"""ParallelNetwork: every form of input is the same problem, what is refused is named, and nothing is written to."""

import numpy as np
import pytest

import comparators as cmp

X = np.array([[1.0, -1.0], [0.5, 2.0], [0.0, 1.0], [-1.0, -2.0]])
Y = np.array([1.0, -2.0, 0.5, 3.0])
SIGNS = np.array([1.0, -1.0, -1.0, 1.0])
POINT = np.array([[1.0, -0.5]]), np.array([[0.5, 1.0], [1.0, -1.0]])


# ---------------------------------------------------------------------------------------------------- forms of input


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.int8, np.bool_, ">f8"])
def test_other_numbers_are_converted(ls, dtype, rng):
    A, B = (rng.integers(0, 2, shape).astype(dtype) for shape in ((6, 2), (6, 1)))
    A[0, 0] = B[0, 0] = 1
    land = ls.ParallelNetwork(A.astype(float), B.astype(float), 0.5)
    value, gradient, digest = land.value(POINT), land.gradient(POINT), land.certify(POINT).digest
    for forms in ((A, B), (np.asfortranarray(A), B[:, 0]), (A.tolist(), B.tolist()), (np.repeat(A, 2, 0)[::2], B)):
        other = ls.ParallelNetwork(*forms, 0.5)
        assert other.value(POINT) == value
        cmp.assert_same_bits(other.gradient(POINT), gradient)
        assert other.certify(POINT).digest == digest


def test_forms_of_points(ls):
    """Single precision, Fortran order, views and lists are one point, and a list of blocks is a point."""
    land = ls.ParallelNetwork(X, Y, 0.5)
    value, digest = land.value(POINT), land.certify(POINT).digest
    U, V = POINT
    for p in (
        [U, V],
        (U.astype(np.float32), V.astype(np.float32)),
        (np.asfortranarray(U), np.asfortranarray(V)),
        (U.tolist(), V.tolist()),
        (U[:, ::-1][:, ::-1], np.repeat(V, 2, axis=1)[:, ::2]),
    ):
        assert land.value(p) == value
        assert land.certify(p).digest == digest


def test_labels(ls):
    """Any two labels, in sorted order -1 and 1; several are one-hot rows in that order."""
    for loss in ("logistic", "squared_hinge"):
        base = ls.ParallelNetwork(X, SIGNS, 0.5, loss=loss)
        for labels in (
            SIGNS[:, None],
            SIGNS.astype(int),
            np.where(SIGNS > 0, "yes", "no"),
            np.where(SIGNS > 0, "yes", "no").tolist(),
            np.where(SIGNS > 0, 7, 3),
            SIGNS > 0,
            np.array(np.where(SIGNS > 0, "yes", "no"), dtype=object),
        ):
            land = ls.ParallelNetwork(X, labels, 0.5, loss=loss)
            cmp.assert_same_bits(land.targets, SIGNS[:, None])
            assert land.value(POINT) == base.value(POINT)
        assert list(ls.ParallelNetwork(X, np.where(SIGNS > 0, "yes", "no"), 0.5, loss=loss).classes) == ["no", "yes"]
        alone = ls.ParallelNetwork(X, np.ones(4), 0.5, loss=loss)
        cmp.assert_same_bits(alone.targets, np.ones((4, 1)))
    several = ls.ParallelNetwork(X, ["b", "a", "c", "a"], 0.5, loss="softmax")
    assert several.targets.tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 1], [1, 0, 0]]
    assert list(several.classes) == ["a", "b", "c"]
    assert ls.ParallelNetwork(X, Y, 0.5).classes is None
    shares = np.array([[0.25, 0.75], [1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
    cmp.assert_same_bits(ls.ParallelNetwork(X, shares, 0.5, loss="softmax").targets, shares)


def test_inputs_are_copied_and_kept(ls, rng):
    """Later changes of the arrays change nothing, and nobody writes to what is kept."""
    A, B = X.copy(), Y.copy()
    land = ls.ParallelNetwork(A, B, 0.5)
    before, digest = land.value(POINT), land.certify(POINT).digest
    A[:], B[:] = 7.0, 7.0
    assert (land.value(POINT), land.certify(POINT).digest) == (before, digest)
    for array in (land.inputs, land.targets):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1.0


def locked(*arrays):
    copies = [np.array(array) for array in arrays]
    for array in copies:
        array.flags.writeable = False
    return tuple(copies)


@pytest.mark.parametrize("loss", ["squared", "huber", "logistic", "squared_hinge", "softmax"])
@pytest.mark.parametrize("form", [(False, False), (True, True), ("free", True), (False, "penalized")])
def test_nothing_is_written_to(ls, loss, form):
    """Read-only data, points, directions and dual matrices serve everywhere."""
    A, labels = locked(X, {"squared": Y, "huber": Y, "softmax": np.array([0, 1, 2, 0])}.get(loss, SIGNS))
    bias, intercept = form
    land = ls.ParallelNetwork(A, labels, 0.5, loss=loss, bias=bias, intercept=intercept)
    rng = np.random.default_rng(0)
    p = locked(*(rng.standard_normal(shape) for shape in land.shapes(2)))
    many = locked(*(np.stack([block, 2.0 * block]) for block in p))
    (Q,) = locked(rng.standard_normal(land.targets.shape) - 0.1)
    before = [array.copy() for array in (A, labels, *p, *many, Q)]
    for q in (p, many):
        land.value_and_gradient(q)
        land.hvp(q, p)
        land.curvature(p, q)
        land.unpack(land.pack(q))
    land.hessian(p) @ land.pack(p)
    land.predict(p, A)
    land.kink_margin(p), land.theta(p), land.rebalance(p)
    land.polar(p), land.lambda_max
    if bias != "free":
        land.polar(Q=Q)
    certificate = land.certify(p)
    assert ls.verify(certificate, land, p), str(ls.verify(certificate, land, p))
    for array, own in zip((A, labels, *p, *many, Q), before, strict=True):
        cmp.assert_same_bits(array, own)


# ---------------------------------------------------------------------------------------------------------- errors

NAN = np.array([[1.0, np.nan], [1.0, 1.0], [1.0, 1.0], [1.0, 1.0]])
REFUSED = {
    "NaN in X": ({"X": NAN}, ValueError, ["X", "NaN", "[0, 1]"]),
    "infinity in X": ({"X": np.where(np.isnan(NAN), np.inf, NAN)}, ValueError, ["X", "infinity", "[0, 1]"]),
    "one dimension of X": ({"X": np.ones(4)}, ValueError, ["X", "(m, n0)", "(4,)"]),
    "three dimensions of X": ({"X": np.ones((4, 1, 1))}, ValueError, ["X", "(4, 1, 1)"]),
    "no rows of X": ({"X": np.ones((0, 2)), "Y": np.ones(0)}, ValueError, ["X", "(0, 2)"]),
    "no columns of X": ({"X": np.ones((4, 0))}, ValueError, ["X", "(4, 0)"]),
    "text in X": ({"X": [["a"]] * 4}, TypeError, ["X"]),
    "complex X": ({"X": 1j * X}, TypeError, ["X", "complex"]),
    "no X": ({"X": None}, TypeError, ["X"]),
    "NaN in Y": ({"Y": np.array([1.0, np.nan, 1.0, 1.0])}, ValueError, ["Y", "NaN"]),
    "infinity in Y": ({"Y": np.array([1.0, np.inf, 1.0, 1.0])}, ValueError, ["Y", "infinity"]),
    "other rows of Y": ({"Y": np.ones(3)}, ValueError, ["Y", "4"]),
    "other rows of labels": ({"Y": np.ones(3), "loss": "logistic"}, ValueError, ["Y", "(4,)", "(3,)"]),
    "three dimensions of Y": ({"Y": np.ones((4, 1, 1))}, ValueError, ["Y", "(4, 1, 1)"]),
    "no columns of Y": ({"Y": np.ones((4, 0))}, ValueError, ["Y", "column"]),
    "text in Y": ({"Y": ["a", "b", "a", "b"]}, TypeError, ["Y"]),
    "no Y": ({"Y": None}, TypeError, ["Y"]),
    "complex Y": ({"Y": 1j * Y}, TypeError, ["Y", "complex"]),
    "Y too large": ({"Y": 1e160 * Y}, ValueError, ["Y", "too large", "overflows"]),
    "three labels": ({"Y": [0, 1, 2, 0], "loss": "logistic"}, ValueError, ["Y", "two classes", "3", "softmax"]),
    "one label": ({"Y": ["a"] * 4, "loss": "squared_hinge"}, ValueError, ["Y", "two classes", "a"]),
    "one class of softmax": ({"Y": ["a"] * 4, "loss": "softmax"}, ValueError, ["Y", "two classes", "a"]),
    "NaN labels": ({"Y": np.array([1.0, np.nan, 1.0, -1.0]), "loss": "logistic"}, ValueError, ["Y", "NaN"]),
    "labels of no kind": ({"Y": np.array([1, "a", None, 2], dtype=object), "loss": "softmax"}, TypeError, ["Y"]),
    "complex labels": ({"Y": 1j * SIGNS, "loss": "logistic"}, TypeError, ["Y", "complex"]),
    "matrix of no signs": ({"Y": 2.0 * SIGNS[:, None], "loss": "logistic"}, ValueError, ["Y", "-1 and 1", "2"]),
    "rows of no simplex": ({"Y": np.ones((4, 2)), "loss": "softmax"}, ValueError, ["Y", "sum to one"]),
    "negative shares": (
        {"Y": np.array([[2.0, -1.0]] * 4), "loss": "softmax"},
        ValueError,
        ["Y", "probabilities"],
    ),
    "one column of softmax": ({"Y": np.ones((4, 1)), "loss": "softmax"}, ValueError, ["Y", "two classes"]),
    "lam zero": ({"lam": 0.0}, ValueError, ["lam", "positive", "0"]),
    "lam negative": ({"lam": -1.0}, ValueError, ["lam", "positive", "-1"]),
    "lam not a number": ({"lam": np.nan}, ValueError, ["lam", "finite"]),
    "lam infinite": ({"lam": np.inf}, ValueError, ["lam", "finite"]),
    "lam of text": ({"lam": "1"}, TypeError, ["lam", "real number"]),
    "lam an array": ({"lam": np.ones(2)}, TypeError, ["lam", "real number"]),
    "another unit": ({"unit": "sigmoid"}, ValueError, ["unit", "'relu'", "'quadratic'", "sigmoid"]),
    "unit no word": ({"unit": None}, TypeError, ["unit"]),
    "another loss": ({"loss": "hinge"}, ValueError, ["loss", "'squared_hinge'", "'softmax'", "hinge"]),
    "loss no word": ({"loss": 3}, TypeError, ["loss"]),
    "delta of another loss": ({"delta": 2.0}, ValueError, ["delta", "Huber", "squared"]),
    "delta": ({"loss": "huber", "delta": 0.0}, ValueError, ["delta", "positive"]),
    "slope of another unit": ({"slope": 0.1}, ValueError, ["slope", "leaky_relu", "relu"]),
    "slope above one": ({"unit": "leaky_relu", "slope": 1.5}, ValueError, ["slope", "-1 and 1", "1.5"]),
    "slope of text": ({"unit": "leaky_relu", "slope": "0.1"}, TypeError, ["slope"]),
    "depth one": ({"depth": 1}, ValueError, ["depth", "1"]),
    "depth no integer": ({"depth": 2.5}, TypeError, ["depth"]),
    "depth without hidden": ({"depth": 3}, ValueError, ["hidden", "2", "depth 3"]),
    "hidden of another depth": ({"depth": 3, "hidden": (2,)}, ValueError, ["hidden", "2", "1"]),
    "hidden a number": ({"hidden": 3}, TypeError, ["hidden", "3"]),
    "hidden of text": ({"hidden": "3"}, TypeError, ["hidden"]),
    "no hidden units": ({"hidden": (0,)}, ValueError, ["hidden", "0"]),
    "hidden squared units": ({"hidden": (2,), "unit": "squared_relu"}, ValueError, ["depth", "squared_relu", "degree"]),
    "another bias": ({"bias": "none"}, ValueError, ["bias", "'free'", "none"]),
    "bias a number": ({"bias": 2}, TypeError, ["bias"]),
    "another intercept": ({"intercept": "free"}, ValueError, ["intercept", "'penalized'", "free"]),
    "intercept a number": ({"intercept": 0.5}, TypeError, ["intercept"]),
    "free bias without intercept": ({"bias": "free"}, ValueError, ["bias", "'free'", "intercept=True"]),
    "free bias, penalized intercept": ({"bias": "free", "intercept": "penalized"}, ValueError, ["bias", "'free'"]),
    "free bias of squares": (
        {"bias": "free", "intercept": True, "unit": "quadratic"},
        ValueError,
        ["bias", "'free'", "power 1"],
    ),
    "free bias of subnetworks": (
        {"bias": "free", "intercept": True, "hidden": (2,)},
        ValueError,
        ["bias", "single units"],
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_name(ls, name):
    changes, exception, fragments = REFUSED[name]
    arguments = {"X": X, "Y": Y, "lam": 1.0} | changes
    cmp.assert_raises_naming(lambda: ls.ParallelNetwork(**arguments), exception, *fragments)


def test_misspelt_arguments_are_refused(ls):
    with pytest.raises(TypeError, match="lambda_"):
        ls.ParallelNetwork(X, Y, 1.0, lambda_=2.0)
    with pytest.raises(TypeError, match="positional"):
        ls.ParallelNetwork(X, Y, 1.0, "relu", "squared", 2, False, False, (3,))


U, V = np.ones((1, 2)), np.ones((2, 2))
POINTS = {
    "an array": (np.ones((2, 1, 2)), TypeError, ["p", "(U, V)", "ndarray"]),
    "nothing": (None, TypeError, ["p", "(U, V)"]),
    "one block": ((U,), ValueError, ["p", "2 blocks", "(U, V)", "1"]),
    "three blocks": ((U, V, np.ones(1)), ValueError, ["p", "2 blocks", "3"]),
    "other rows of U": ((np.ones((2, 2)), V), ValueError, ["p[0] (U)", "(1, r)", "(2, 2)"]),
    "other rows of V": ((U, np.ones((3, 2))), ValueError, ["p[1] (V)", "(2, r)", "(3, 2)"]),
    "two widths": ((U, np.ones((2, 3))), ValueError, ["p[1] (V)", "(2, 2)", "(2, 3)"]),
    "two batches": ((np.ones((3, 1, 2)), np.ones((2, 2, 2))), ValueError, ["p[1] (V)", "(3, 2, 2)", "(2, 2, 2)"]),
    "a vector": ((np.ones(2), V), ValueError, ["p[0] (U)", "(2,)"]),
    "NaN": ((U, np.full((2, 2), np.nan)), ValueError, ["p[1] (V)", "NaN", "[0, 0]"]),
    "infinity": ((np.full((1, 2), np.inf), V), ValueError, ["p[0] (U)", "infinity"]),
    "text": ((U, [["a"], ["b"]]), TypeError, ["p[1] (V)"]),
}


@pytest.mark.parametrize("name", POINTS)
def test_points_refused_by_name(ls, name):
    p, exception, fragments = POINTS[name]
    land = ls.ParallelNetwork(X, Y, 1.0)
    for call in (land.value, land.gradient, land.value_and_gradient, land.hessian, land.certify, land.pack):
        cmp.assert_raises_naming(lambda call=call: call(p), exception, *fragments)
    for call in (land.kink_margin, land.predict, land.theta, land.rebalance):
        cmp.assert_raises_naming(lambda call=call: call(p), exception, *fragments)
    if p is not None:
        cmp.assert_raises_naming(lambda: land.polar(p), exception, *fragments)


def test_points_with_an_intercept_and_of_subnetworks_refused_by_name(ls):
    land = ls.ParallelNetwork(X, Y, 1.0, intercept=True)
    cmp.assert_raises_naming(lambda: land.value((U, V)), ValueError, "p", "3 blocks", "(U, V, b)", "2")
    cmp.assert_raises_naming(lambda: land.value((U, V, np.ones(2))), ValueError, "p[2] (b)", "(1,)", "(2,)")
    deep = ls.ParallelNetwork(X, Y, 1.0, depth=3, hidden=(3, 2))
    W = np.ones((4, 3, 2)), np.ones((4, 2, 3)), np.ones((4, 1, 2))
    assert deep.value(W) > 0.0
    cmp.assert_raises_naming(lambda: deep.value((U, V)), ValueError, "p", "3 blocks", "(W1, W2, W3)")
    cmp.assert_raises_naming(lambda: deep.value((W[0], W[2], W[1])), ValueError, "p[1] (W2)", "(4, 2, 3)")
    cmp.assert_raises_naming(lambda: deep.value((W[0][0], *W[1:])), ValueError, "p[0] (W1)", "(3, 2)")
    for name in ("omega",):
        cmp.assert_raises_naming(lambda name=name: getattr(deep, name)(np.ones(4)), ValueError, "omega", "single units")


def test_other_arguments_refused_by_name(ls):
    land, p = ls.ParallelNetwork(X, Y, 1.0), (U, V)
    many = np.ones((3, 1, 2)), np.ones((3, 2, 2))
    for call in (land.hessian, land.certify, land.polar, land.predict, land.theta, land.rebalance, land.kink_margin):
        cmp.assert_raises_naming(lambda call=call: call(many), ValueError, "p", "single point", "3")
    wider = np.ones((1, 3)), np.ones((2, 3))
    cmp.assert_raises_naming(lambda: land.hvp(p, wider), ValueError, "d", "width of p, 2", "3")
    cmp.assert_raises_naming(lambda: land.hvp(p, (U,)), ValueError, "d", "2 blocks")
    fewer = np.ones((2, 1, 2)), np.ones((2, 2, 2))
    cmp.assert_raises_naming(lambda: land.hvp(many, fewer), ValueError, "d", "batch size of p, 3", "2")
    cmp.assert_raises_naming(lambda: land.unpack(np.ones(5)), ValueError, "x", "multiple of 3", "(5,)")
    cmp.assert_raises_naming(lambda: land.unpack(np.full(3, np.nan)), ValueError, "x", "NaN")
    with_b = ls.ParallelNetwork(X, Y, 1.0, intercept=True)
    cmp.assert_raises_naming(lambda: with_b.unpack(np.ones(3)), ValueError, "x", "1 + 3 r", "(3,)")
    cmp.assert_raises_naming(lambda: land.shapes(-1), ValueError, "width", "-1")
    cmp.assert_raises_naming(lambda: land.shapes(1.5), TypeError, "width")
    for n_threads in (0, -1):
        for call in (land.value, land.gradient, land.hessian, land.certify, land.polar):
            cmp.assert_raises_naming(
                lambda call=call, n=n_threads: call(p, n_threads=n), ValueError, "n_threads", str(n_threads)
            )
    for tol in (0.0, -1.0, np.nan):
        for call in (land.certify, land.polar):
            cmp.assert_raises_naming(lambda call=call, tol=tol: call(p, tol=tol), ValueError, "tol")
        cmp.assert_raises_naming(lambda tol=tol: land.certify(p, polar_tol=tol), ValueError, "tol")
        cmp.assert_raises_naming(lambda tol=tol: land.omega(Y, tol=tol), ValueError, "tol")
    for call in (land.certify, land.polar):
        cmp.assert_raises_naming(lambda call=call: call(p, method="best"), ValueError, "method", "'auto'", "best")
        cmp.assert_raises_naming(lambda call=call: call(p, starts=-1), ValueError, "starts", "-1")
        cmp.assert_raises_naming(lambda call=call: call(p, max_nodes=0), ValueError, "max_nodes", "0")
        cmp.assert_raises_naming(lambda call=call: call(p, max_seconds=0.0), ValueError, "max_seconds")
        cmp.assert_raises_naming(lambda call=call: call(p, seed="a"), TypeError, "seed")
    cmp.assert_raises_naming(lambda: land.omega(np.ones(3)), ValueError, "Z", "(4, 1)")
    cmp.assert_raises_naming(lambda: land.omega(np.full(4, np.nan)), ValueError, "Z", "NaN")
    cmp.assert_raises_naming(lambda: land.omega(Y, max_rounds=0), ValueError, "max_rounds", "0")


def test_verify_refuses_what_is_no_certificate(ls):
    land = ls.ParallelNetwork(X, Y, 1.0)
    cmp.assert_raises_naming(lambda: ls.verify("GLOBAL", land, POINT), TypeError, "certificate", "str")
    certificate = land.certify(POINT)
    assert not ls.verify(certificate, land, (POINT[0], POINT[1][:, :1]))
    cmp.assert_raises_naming(lambda: ls.verify(certificate, object(), POINT), TypeError, "land", "object")
