"""MatrixFactorization: every form of input is the same problem, and what is refused is named."""

import numpy as np
import pytest
import scipy.sparse

import comparators as cmp
import factorization_cases as table

OBSERVED = [i for i in range(len(table.FAMILIES)) if table.problem(i).problem.weights is not None]


def problems(indices):
    return [pytest.param(i, id=table.problem(i).id) for i in indices]


# ---------------------------------------------------------------------------------------------------- forms of input


@pytest.mark.parametrize("form", table.FORMS)
@pytest.mark.parametrize("i", problems(OBSERVED))
def test_forms_are_one_problem(ls, i, form, rng):
    """Same observed entries: same numbers to the last bit, and one certificate fits all."""
    problem = table.problem(i).problem
    p = table.random_point(problem, 2, rng)
    # A fully observed dense matrix is known by its matrix, a sparse one by its entries (``data_fingerprint``).
    first = "dense" if form in ("dense", "nan") or not np.all(problem.c > 0.0) else "csr"
    base, other = table.landscape(ls, problem, first), table.landscape(ls, problem, form)
    assert other.n_observed == base.n_observed == np.sum(problem.c > 0.0)
    cmp.assert_same_bits(other.gradient(p), base.gradient(p))
    assert ls.verify(base.certify(p), other, p)
    assert other.certify(p).digest == base.certify(p).digest


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "lil", "dok", "array"])
def test_explicit_zeros_are_observed(ls, form):
    """0 observed at (0, 1): at Z = 1 there it costs 1/2, not nothing."""
    Y, observed = np.array([[3.0, 0.0], [0.0, 0.0]]), np.array([[True, True], [False, False]])
    land = ls.MatrixFactorization(table.stored(Y, observed, form), 1.0)
    p = np.array([[1.0], [0.0]]), np.array([[0.0], [1.0]])
    assert land.n_observed == 2
    assert land.value(p) == 0.5 * 9.0 + 0.5 + 1.0


def test_forms_of_weights(ls, rng):
    """Dense, sparse, a vector in CSR order; whatever stands outside the mask."""
    problem = table.problem(33).problem
    observed, p = problem.c > 0.0, table.random_point(problem, 2, rng)
    Y = table.stored(problem.y, observed)
    vector = problem.c[observed]
    outside = np.where(observed, problem.c, np.nan)
    base = ls.MatrixFactorization(Y, problem.lam, weights=vector, loss="logistic")
    for weights in (problem.c, outside, table.stored(problem.c, observed, "coo"), list(vector)):
        for data in ({"Y": Y}, {"Y": problem.y, "mask": observed}):
            if scipy.sparse.issparse(weights) and "mask" in data:
                data = {"Y": Y.tocsc()}
            land = ls.MatrixFactorization(**data, lam=problem.lam, weights=weights, loss="logistic")
            cmp.assert_same_bits(land.gradient(p), base.gradient(p))
            assert land.certify(p).digest == base.certify(p).digest


def test_inputs_are_copied_and_kept(ls, rng):
    """Later changes of the arrays change nothing; unsorted indices are not sorted in the user's matrix."""
    Y, X = rng.standard_normal((6, 3)), rng.standard_normal((6, 4))
    p = rng.standard_normal((3, 2)), rng.standard_normal((4, 2))
    weights = rng.uniform(0.5, 1.0, Y.shape)
    land = ls.MatrixFactorization(Y, 0.5, X=X, weights=weights)
    before, digest = land.value(p), land.certify(p).digest
    for array in (Y, X, weights):
        array[:] = 7.0
    assert (land.value(p), land.certify(p).digest) == (before, digest)
    unsorted = scipy.sparse.csr_matrix((np.array([1.0, 2.0]), np.array([2, 0]), np.array([0, 2, 2])), shape=(2, 3))
    ls.MatrixFactorization(unsorted, 0.5).value((np.ones((2, 1)), np.ones((3, 1))))
    assert unsorted.indices.tolist() == [2, 0]


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.int8, np.bool_, ">f8"])
def test_other_numbers_are_converted(ls, dtype, rng):
    Y = rng.integers(0, 2, (4, 3)).astype(dtype)
    p = rng.standard_normal((4, 2)), rng.standard_normal((3, 2))
    want = ls.MatrixFactorization(Y.astype(float), 0.5).value(p)
    assert ls.MatrixFactorization(Y, 0.5).value(p) == want
    assert ls.MatrixFactorization(np.asfortranarray(Y), 0.5).value(p) == want
    assert ls.MatrixFactorization(Y.tolist(), 0.5).value(p) == want


# ---------------------------------------------------------------------------------------------------------- errors

SQUARE = np.array([[1.0, -1.0], [1.0, 1.0]])
NAN = np.array([[1.0, np.nan], [1.0, 1.0]])
TWICE = scipy.sparse.coo_matrix(([1.0, 2.0, 3.0], ([1, 0, 1], [0, 1, 0])), shape=(2, 2))
TWICE_CSR = scipy.sparse.csr_matrix((np.array([1.0, 2.0, 3.0]), np.array([1, 0, 0]), np.array([0, 1, 3])), shape=(2, 2))
STORED = scipy.sparse.csr_matrix(np.eye(2))
REFUSED = {
    "duplicates": ({"Y": TWICE}, ValueError, ["Y", "1 duplicate", "row 1, column 0"]),
    "duplicates in CSR": ({"Y": TWICE_CSR}, ValueError, ["Y", "1 duplicate", "row 1, column 0"]),
    "NaN": ({"Y": NAN}, ValueError, ["Y contains NaN at [0, 1]", "mask='nan'"]),
    "infinity": ({"Y": np.where(np.isnan(NAN), np.inf, NAN)}, ValueError, ["Y", "infinity", "[0, 1]"]),
    "infinity with NaN allowed": ({"Y": np.array([[np.inf, np.nan]]), "mask": "nan"}, ValueError, ["Y", "infinity"]),
    "stored NaN": ({"Y": scipy.sparse.csr_matrix(NAN)}, ValueError, ["Y", "NaN"]),
    "observed NaN": ({"Y": NAN, "mask": np.ones((2, 2), bool)}, ValueError, ["Y", "NaN", "[0, 1]"]),
    "labels": ({"Y": 2.0 * SQUARE, "loss": "logistic"}, ValueError, ["Y", "-1 and 1", "2"]),
    "labels of 0 and 1": ({"Y": np.eye(2), "loss": "logistic"}, ValueError, ["Y", "-1 and 1", "0"]),
    "one dimension": ({"Y": np.ones(3)}, ValueError, ["Y", "(3,)"]),
    "three dimensions": ({"Y": np.ones((2, 2, 2))}, ValueError, ["Y", "(2, 2, 2)"]),
    "no rows": ({"Y": np.ones((0, 3))}, ValueError, ["Y", "(0, 3)"]),
    "text": ({"Y": [["a", "b"]]}, TypeError, ["Y"]),
    "complex numbers": ({"Y": 1j * SQUARE}, TypeError, ["Y", "complex"]),
    "sparse complex numbers": ({"Y": scipy.sparse.csr_matrix(1j * SQUARE)}, TypeError, ["Y", "complex"]),
    "nothing": ({"Y": None}, TypeError, ["Y"]),
    "mask of numbers": ({"mask": np.eye(2)}, TypeError, ["mask", "boolean", "float64"]),
    "mask of another shape": ({"mask": np.ones((2, 3), bool)}, ValueError, ["mask", "(2, 2)", "(2, 3)"]),
    "mask of another word": ({"mask": "NaN"}, ValueError, ["mask", "'nan'"]),
    "mask beside sparse": ({"Y": STORED, "mask": np.ones((2, 2), bool)}, ValueError, ["mask", "sparse"]),
    "blocks, which pad": ({"Y": STORED.tobsr((1, 2))}, ValueError, ["Y", "BSR", "CSR or COO"]),
    "diagonals, which drop zeros": ({"Y": STORED.todia()}, ValueError, ["Y", "DIA", "CSR or COO"]),
    "masked array as mask": ({"mask": np.ma.masked_array(np.ones((2, 2), bool))}, TypeError, ["mask", "masked array"]),
    "weights in another order": ({"Y": STORED.tocoo(), "weights": np.ones(STORED.nnz)}, ValueError, ["weights"]),
    "delta of another loss": ({"delta": 2.0}, ValueError, ["delta", "Huber"]),
    "too large": ({"Y": 1e160 * SQUARE}, ValueError, ["Y", "too large", "overflows"]),
    "too small": ({"Y": 1e-160 * SQUARE}, ValueError, ["Y", "too small", "underflows"]),
    "negative weights": ({"weights": -SQUARE}, ValueError, ["weights", "negative", "-1"]),
    "NaN weights": ({"weights": NAN}, ValueError, ["weights", "NaN"]),
    "weights of another shape": ({"weights": np.ones((3, 2))}, ValueError, ["weights", "(2, 2)", "(3, 2)"]),
    "weights of another length": ({"Y": STORED, "weights": np.ones(3)}, ValueError, ["weights", "(3,)"]),
    "weights of other entries": (
        {"Y": STORED, "weights": scipy.sparse.csr_matrix(SQUARE)},
        ValueError,
        ["weights", "stored entries"],
    ),
    "sparse weights of dense": ({"weights": STORED}, ValueError, ["weights", "dense"]),
    "rows of X": ({"X": np.ones((3, 2))}, ValueError, ["X", "rows of Y", "(3, 2)"]),
    "no columns of X": ({"X": np.ones((2, 0))}, ValueError, ["X", "column"]),
    "NaN in X": ({"X": NAN}, ValueError, ["X", "NaN", "[0, 1]"]),
    "lam zero": ({"lam": 0.0}, ValueError, ["lam", "positive", "0"]),
    "lam negative": ({"lam": -1.0}, ValueError, ["lam", "positive", "-1"]),
    "lam not a number": ({"lam": np.nan}, ValueError, ["lam", "finite"]),
    "lam infinite": ({"lam": np.inf}, ValueError, ["lam", "finite"]),
    "lam of text": ({"lam": "1"}, TypeError, ["lam", "real number"]),
    "lam an array": ({"lam": np.ones(2)}, TypeError, ["lam", "real number"]),
    "another loss": ({"loss": "absolute"}, ValueError, ["loss", "'squared'", "'huber'", "'logistic'", "absolute"]),
    "loss no word": ({"loss": None}, TypeError, ["loss"]),
    "delta": ({"loss": "huber", "delta": 0.0}, ValueError, ["delta", "positive"]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_name(ls, name):
    changes, exception, fragments = REFUSED[name]
    arguments = {"Y": SQUARE, "lam": 1.0} | changes
    cmp.assert_raises_naming(lambda: ls.MatrixFactorization(**arguments), exception, *fragments)


def test_misspelt_arguments_are_refused(ls):
    with pytest.raises(TypeError, match="lambda_"):
        ls.MatrixFactorization(SQUARE, 1.0, lambda_=2.0)
    with pytest.raises(TypeError, match="positional"):
        ls.MatrixFactorization(SQUARE, 1.0, None, None, None, "huber", 2.0)


U, V = np.ones((2, 1)), np.ones((2, 1))
POINTS = {
    "an array": (np.ones((2, 2, 1)), TypeError, ["p", "pair"]),
    "three blocks": ((U, V, V), TypeError, ["p", "pair"]),
    "a landscape's rows": ((np.ones((3, 1)), V), ValueError, ["p[0] (U)", "(2, r)", "(3, 1)"]),
    "other rows of V": ((U, np.ones((3, 1))), ValueError, ["p[1] (V)", "(2, r)", "(3, 1)"]),
    "two widths": ((U, np.ones((2, 2))), ValueError, ["one width", "(2, 1)", "(2, 2)"]),
    "two batches": ((np.ones((3, 2, 1)), np.ones((2, 2, 1))), ValueError, ["batch"]),
    "a vector": ((np.ones(2), V), ValueError, ["p[0] (U)", "(2,)"]),
    "NaN": ((U, np.full((2, 1), np.nan)), ValueError, ["p[1] (V)", "NaN", "[0, 0]"]),
    "infinity": ((np.full((2, 1), np.inf), V), ValueError, ["p[0] (U)", "infinity"]),
    "text": ((U, [["a"], ["b"]]), TypeError, ["p[1] (V)"]),
}


@pytest.mark.parametrize("name", POINTS)
def test_points_refused_by_name(ls, name):
    p, exception, fragments = POINTS[name]
    land = ls.MatrixFactorization(SQUARE, 1.0)
    for call in (land.value, land.gradient, land.hessian, land.certify, land.classify, land.polar, land.pack):
        cmp.assert_raises_naming(lambda call=call: call(p), exception, *fragments)


def test_other_arguments_refused_by_name(ls):
    land, many = ls.MatrixFactorization(SQUARE, 1.0), (np.ones((3, 2, 1)), np.ones((3, 2, 1)))
    for call in (land.hessian, land.certify, land.classify, land.polar, land.predict, land.descent_path):
        cmp.assert_raises_naming(lambda call=call: call(many), ValueError, "p", "single point", "3")
    cmp.assert_raises_naming(lambda: land.hvp((U, V), (np.ones((2, 2)),) * 2), ValueError, "d", "width of p, 1", "2")
    cmp.assert_raises_naming(lambda: land.hvp(many, (np.ones((2, 2, 1)),) * 2), ValueError, "d", "batch size of p, 3")
    cmp.assert_raises_naming(lambda: land.unpack(np.ones(5)), ValueError, "x", "multiple of 4", "(5,)")
    cmp.assert_raises_naming(lambda: land.shapes(-1), ValueError, "width", "-1")
    cmp.assert_raises_naming(lambda: land.value((U, V), n_threads=0), ValueError, "n_threads", "0")
    for tol in (0.0, -1.0, np.nan):
        cmp.assert_raises_naming(lambda tol=tol: land.certify((U, V), tol=tol), ValueError, "tol")
        cmp.assert_raises_naming(lambda tol=tol: land.classify((U, V), tol=tol), ValueError, "tol")
        cmp.assert_raises_naming(lambda tol=tol: land.polar((U, V), tol=tol), ValueError, "tol")
    for chance in (0.0, -0.1, 1.0):
        for call in (land.certify, land.polar):
            cmp.assert_raises_naming(
                lambda call=call, chance=chance: call((U, V), failure_probability=chance),
                ValueError,
                "failure_probability",
            )
