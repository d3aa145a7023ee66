"""Silly calls: each raises its exception type with a message that names the argument, what was expected, what came."""

import collections
import warnings

import numpy as np
import pytest
import scipy.sparse

import comparators as cmp
import fuzz

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((20, 3)), RNG.standard_normal((20, 2))
U, V = RNG.standard_normal((2, 2)), RNG.standard_normal((3, 2))
HOLE = np.array(X)
HOLE[3, 1] = np.nan
PEAK = np.array(Y)
PEAK[5, 0] = -np.inf
EYE = {"xx": np.eye(3), "xy": np.zeros((3, 2)), "yy": np.eye(2)}


def data(ls, *args, **options):
    return ls.Covariances.from_data(*args, **options)


def net(ls, n1=2):
    return ls.ShallowLinear(data(ls, X, Y), n1)


def stacked(count):
    return np.stack([U] * count), np.stack([V] * count)


def eigen(ls, land=None, p=(U, V), **options):
    return ls.curvature.smallest_eigenpair(net(ls) if land is None else land, p, **options)


def spectrum(ls, *args, **options):
    return ls.curvature.spectrum(net(ls), (U, V), *args, **options)


def objects():
    return np.array([[1.0, None, 2.0]] * 20, dtype=object)


DATA = [
    ("X strings", lambda ls: data(ls, X.astype("U3"), Y), TypeError, ("X must be real numbers", "<U3")),
    ("X objects", lambda ls: data(ls, objects(), Y), TypeError, ("X", "object")),
    ("X complex", lambda ls: data(ls, X + 1j, Y), TypeError, ("X must be real numbers", "complex128")),
    ("X dates", lambda ls: data(ls, np.zeros((20, 3), "M8[D]"), Y), TypeError, ("X", "datetime64")),
    ("X None", lambda ls: data(ls, None, Y), TypeError, ("X",)),
    ("X a dict", lambda ls: data(ls, {"a": 1}, Y), TypeError, ("X",)),
    ("X ragged", lambda ls: data(ls, [[1.0], [1.0, 2.0]], Y), TypeError, ("X",)),
    ("X sparse", lambda ls: data(ls, scipy.sparse.csr_matrix(X), Y), TypeError, ("X is a scipy.sparse", "X.toarray()")),
    ("Y sparse", lambda ls: data(ls, X, scipy.sparse.coo_array(Y)), TypeError, ("Y is a scipy.sparse", "Y.toarray()")),
    ("X masked", lambda ls: data(ls, np.ma.masked_array(X, X > 1), Y), ValueError, ("X", "mask")),
    ("X NaN", lambda ls: data(ls, HOLE, Y), ValueError, ("X contains NaN or infinity at [3, 1]",)),
    ("Y inf", lambda ls: data(ls, X, PEAK), ValueError, ("Y contains NaN or infinity at [5, 0]",)),
    ("X 1-D", lambda ls: data(ls, X[:, 0], Y), ValueError, ("X must be 2-D (m, n0), got 1-D",)),
    ("X 3-D", lambda ls: data(ls, X[None], Y), ValueError, ("X must be 2-D", "3-D")),
    ("X 0-D", lambda ls: data(ls, 3.0, Y), ValueError, ("X must be 2-D",)),
    ("Y 3-D", lambda ls: data(ls, X, Y[None]), ValueError, ("Y", "3-D")),
    ("rows differ", lambda ls: data(ls, X, Y[:19]), ValueError, ("Y", "20", "19")),
    ("no samples", lambda ls: data(ls, X[:0], Y[:0]), ValueError, ("X", "(0, 3)")),
    ("no inputs", lambda ls: data(ls, X[:, :0], Y), ValueError, ("X", "(20, 0)")),
    ("no outputs", lambda ls: data(ls, X, Y[:, :0]), ValueError, ("Y", "(20, 0)")),
    ("weights short", lambda ls: data(ls, X, Y, sample_weight=np.ones(19)), ValueError, ("sample_weight", "20", "19")),
    ("weights 2-D", lambda ls: data(ls, X, Y, sample_weight=np.ones((20, 1))), ValueError, ("sample_weight",)),
    ("weights negative", lambda ls: data(ls, X, Y, sample_weight=-np.ones(20)), ValueError, ("sample_weight", "-1")),
    ("weights zero", lambda ls: data(ls, X, Y, sample_weight=np.zeros(20)), ValueError, ("sample_weight",)),
    ("weights NaN", lambda ls: data(ls, X, Y, sample_weight=HOLE[:, 1]), ValueError, ("sample_weight", "[3]")),
    ("weights strings", lambda ls: data(ls, X, Y, sample_weight=["a"] * 20), TypeError, ("sample_weight",)),
    ("method", lambda ls: data(ls, X, Y, method="svd"), ValueError, ("method", "'auto'", "'factor'", "'svd'")),
    ("method type", lambda ls: data(ls, X, Y, method=3), TypeError, ("method",)),
    ("threads 0", lambda ls: data(ls, X, Y, n_threads=0), ValueError, ("n_threads", "0")),
    ("threads -2", lambda ls: data(ls, X, Y, n_threads=-2), ValueError, ("n_threads", "-2")),
    ("threads 1.5", lambda ls: data(ls, X, Y, n_threads=1.5), TypeError, ("n_threads", "1.5")),
    ("threads huge", lambda ls: data(ls, X, Y, n_threads=fuzz.HUGE), ValueError, ("n_threads",)),
    ("center text", lambda ls: data(ls, X, Y, center="yes"), TypeError, ("center",)),
    ("misspelt", lambda ls: data(ls, X, Y, weights=np.ones(20)), TypeError, ("weights",)),
    ("positional option", lambda ls: data(ls, X, Y, True), TypeError, ("positional",)),
    ("overflow", lambda ls: data(ls, X * 1e200, Y), ValueError, ("X",)),
    ("no chunks", lambda ls: ls.Covariances.from_chunks([]), ValueError, ("chunks",)),
    ("chunks int", lambda ls: ls.Covariances.from_chunks(5), TypeError, ("chunks",)),
    ("chunk of 4", lambda ls: ls.Covariances.from_chunks([(X, Y, Y, Y)]), ValueError, ("chunk",)),
    ("chunk widths", lambda ls: ls.Covariances.from_chunks([(X, Y), (X[:, :2], Y)]), ValueError, ("X", "3", "2")),
    ("update width", lambda ls: data(ls, X, Y).update(X[:, :2], Y), ValueError, ("X must be (m, n0)", "3", "(20, 2)")),
    ("update outputs", lambda ls: data(ls, X, Y).update(X, Y[:, :1]), ValueError, ("Y", "2", "(20, 1)")),
    ("merge int", lambda ls: data(ls, X, Y).merge(3), TypeError, ("Covariances", "int")),
    ("merge widths", lambda ls: data(ls, X, Y).merge(data(ls, X, X)), ValueError, ("2", "3")),
    ("merge centers", lambda ls: data(ls, X, Y).merge(data(ls, X, Y, center=True)), ValueError, ("center",)),
    ("population update", lambda ls: ls.Covariances(**EYE).update(X, Y), ValueError, ("population",)),
    ("xx missing", lambda ls: ls.Covariances(xy=EYE["xy"], yy=EYE["yy"]), TypeError, ("xx",)),
    ("xx oblong", lambda ls: ls.Covariances(**{**EYE, "xx": np.ones((3, 2))}), ValueError, ("xx", "(3, 2)")),
    ("xy shape", lambda ls: ls.Covariances(**{**EYE, "xy": np.zeros((2, 3))}), ValueError, ("xy", "(2, 3)")),
    ("yy NaN", lambda ls: ls.Covariances(**{**EYE, "yy": np.diag([1, np.nan])}), ValueError, ("yy contains", "[1, 1]")),
    ("tol negative", lambda ls: ls.Covariances(**EYE, tol=-1.0), ValueError, ("tol", "-1.0")),
]  # fmt: skip

NET = [
    ("cov is an array", lambda ls: ls.ShallowLinear(X, 2), TypeError, ("cov", "Covariances", "ndarray")),
    ("width 0", lambda ls: net(ls, 0), ValueError, ("n_hidden", "0")),
    ("width -1", lambda ls: net(ls, -1), ValueError, ("n_hidden", "-1")),
    ("width 2.0", lambda ls: net(ls, 2.0), TypeError, ("n_hidden", "2.0")),
    ("width True", lambda ls: net(ls, True), TypeError, ("n_hidden", "bool")),
    ("width text", lambda ls: net(ls, "2"), TypeError, ("n_hidden", "str")),
    ("width huge", lambda ls: net(ls, fuzz.HUGE), ValueError, ("n_hidden",)),
    ("point None", lambda ls: net(ls).value(None), TypeError, ("p",)),
    ("point one block", lambda ls: net(ls).value((U,)), ValueError, ("p", "(U, V)", "1")),
    ("point an array", lambda ls: net(ls).value(U), TypeError, ("p", "(U, V)", "(2, 2)")),
    ("point swapped", lambda ls: net(ls).value((V, U)), ValueError, ("(U) must be", "(2, 2)", "(3, 2)")),
    ("V transposed", lambda ls: net(ls).gradient((U, V.T)), ValueError, ("(V) must be", "(3, 2)", "(2, 3)")),
    ("U NaN", lambda ls: net(ls).value((U * np.nan, V)), ValueError, ("(U) contains NaN or infinity at [0, 0]",)),
    ("U strings", lambda ls: net(ls).value((U.astype(str), V)), TypeError, ("(U) must be real numbers",)),
    ("batch sizes", lambda ls: net(ls).value((np.stack([U] * 2), np.stack([V] * 3))), ValueError, ("2", "3")),
    ("half a batch", lambda ls: net(ls).value((np.stack([U] * 2), V)), ValueError, ("V",)),
    ("empty batch of 4-D", lambda ls: net(ls).value((np.zeros((0, 1, 2, 2)), V)), ValueError, ("U",)),
    ("direction missing", lambda ls: net(ls).hvp((U, V)), TypeError, ("d",)),
    ("direction shape", lambda ls: net(ls).curvature((U, V), (U, U)), ValueError, ("d[1]", "(3, 2)", "(2, 2)")),
    ("direction batch", lambda ls: net(ls).hvp(stacked(2), stacked(3)), ValueError, ("2", "3")),
    ("unpack short", lambda ls: net(ls).unpack(np.zeros(9)), ValueError, ("x", "10", "9")),
    ("predict width", lambda ls: net(ls).predict((U, V), X[:, :2]), ValueError, ("X must be (m, n0)", "3", "(20, 2)")),
    ("C singular", lambda ls: net(ls).global_minimum(np.ones((2, 2))), ValueError, ("C", "invertible")),
    ("C shape", lambda ls: net(ls).global_minimum(np.eye(3)), ValueError, ("C", "(2, 2)", "(3, 3)")),
    ("index repeated", lambda ls: net(ls).critical_point((1, 1)), ValueError, ("indices", "distinct")),
    ("index negative", lambda ls: net(ls).critical_point((-1,)), ValueError, ("indices", "-1")),
    ("index too large", lambda ls: net(ls).critical_point((2,)), ValueError, ("indices", "2")),
    ("index float", lambda ls: net(ls).critical_point((0.5,)), TypeError, ("indices",)),
    ("too many indices", lambda ls: net(ls, 1).critical_point((0, 1)), ValueError, ("indices", "1", "2")),
    ("rank too large", lambda ls: net(ls).random_critical_point(3), ValueError, ("rank", "3")),
    ("rank negative", lambda ls: net(ls).random_critical_point(-1), ValueError, ("rank", "-1")),
    ("seed text", lambda ls: net(ls).random_critical_point(1, seed="x"), TypeError, ("seed",)),
    ("seed negative", lambda ls: net(ls).random_critical_point(1, seed=-1), ValueError, ("seed", "-1")),
    ("max_count -1", lambda ls: net(ls).critical_values(-1), ValueError, ("max_count", "-1")),
    ("max_count float", lambda ls: net(ls).critical_values(2.5), TypeError, ("max_count",)),
    ("tol 0", lambda ls: net(ls).classify((U, V), tol=0.0), ValueError, ("tol", "0.0")),
    ("tol NaN", lambda ls: net(ls).certify((U, V), tol=np.nan), ValueError, ("tol", "nan")),
    ("tol text", lambda ls: net(ls).classify((U, V), tol="small"), TypeError, ("tol", "str")),
    ("tol positional", lambda ls: net(ls).classify((U, V), 1e-8), TypeError, ("positional",)),
    ("threads 0 classify", lambda ls: net(ls).classify((U, V), n_threads=0), ValueError, ("n_threads", "0")),
    ("eigen land", lambda ls: eigen(ls, X), TypeError, ("land", "ndarray")),
    ("eigen method", lambda ls: eigen(ls, method="qr"), ValueError, ("method", "'lanczos'", "'qr'")),
    ("eigen batch", lambda ls: eigen(ls, p=stacked(2)), ValueError, ("p",)),
    ("eigen products", lambda ls: eigen(ls, max_products=0), ValueError, ("max_products", "0")),
    ("spectrum k", lambda ls: spectrum(ls, 0), ValueError, ("k", "0")),
    ("spectrum which", lambda ls: spectrum(ls, 2, which="LM"), ValueError, ("which", "'smallest'", "'LM'")),
    ("slice land", lambda ls: ls.slice(3, (U, V), (U, V)), TypeError, ("land", "int")),
    ("slice direction", lambda ls: ls.slice(net(ls), (U, V), (V, U)), ValueError, ("d1", "(2, 2)", "(3, 2)")),
    ("slice second", lambda ls: ls.slice(net(ls), (U, V), (U, V), (U, U)), ValueError, ("d2", "(3, 2)", "(2, 2)")),
    ("load missing", lambda ls: ls.load("no-such-file.npz"), FileNotFoundError, ("no-such-file.npz",)),
    ("load int", lambda ls: ls.load(10**6), TypeError, ("path",)),
]  # fmt: skip


@pytest.mark.parametrize(("call", "exception", "fragments"), [pytest.param(*c[1:], id=c[0]) for c in DATA + NET])
def test_silly_call(ls, call, exception, fragments):
    """The exact type, and every fragment in the message."""
    with pytest.raises((ValueError, TypeError, FileNotFoundError)) as raised:
        call(ls)
    cmp.assert_error(raised.value, exception, *fragments)


def test_a_refused_update_leaves_the_moments(ls):
    cov = data(ls, X, Y)
    before = np.array(cov.xx)
    for wrong in ((X[:, :2], Y), (HOLE, Y), (X, Y[:3]), (X.astype(str), Y)):
        with pytest.raises((ValueError, TypeError)):
            cov.update(*wrong)
    cmp.assert_same_bits(cov.xx, before)
    assert cov.n_samples == 20


def test_a_file_that_is_no_result_is_refused(ls, tmp_path):
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    (tmp_path / "text.npz").write_text("not a zip")
    np.savez(tmp_path / "pickled.npz", a=np.array([print], dtype=object))
    for name in ("other.npz", "text.npz", "pickled.npz"):
        with pytest.raises(ValueError, match=name):
            ls.load(tmp_path / name)


@pytest.mark.parametrize("size", [1e80, 1e160, 1e300])
def test_enormous_weights_are_classified_or_refused(ls, size):
    """Products that overflow are no numerical failure of an eigensolver."""
    for p in ((size * U, V), (U, size * V), (size * U, size * V), (0.0 * U, size * V)):
        for call in (net(ls).classify, net(ls).certify, net(ls).escape):
            try:
                call(p)
            except ValueError as error:
                cmp.assert_error(error, ValueError, "p")


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow), pytest.param(2, marks=pytest.mark.slow)])
def test_malformed_calls_only_raise_value_or_type_errors(ls, seed, record_property):
    """A crash of the interpreter fails the run; anything but ValueError, TypeError or success fails the test."""
    wrong, outcomes = [], collections.Counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, positional, keywords, error in fuzz.campaign(ls, 2_000 if seed == 0 else 20_000, seed):
            outcomes[type(error).__name__] += 1
            if error is not None and not isinstance(error, (ValueError, TypeError)):
                if name == "load" and isinstance(error, OSError):
                    continue
                wrong.append(f"{name}(*{positional!r}, **{keywords!r}) raised {type(error).__name__}: {error}")
    record_property("outcomes", dict(outcomes))
    assert not wrong, f"{len(wrong)} calls, the first:\n" + "\n".join(text[:600] for text in wrong[:5])
    assert min(outcomes["ValueError"], outcomes["TypeError"], outcomes["NoneType"]) > 100
