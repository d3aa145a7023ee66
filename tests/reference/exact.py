"""The minimum risk of given floating-point data in 60-digit arithmetic.

The numbers in X, Y (or in the moments) are taken as exact, sums are formed without rounding that matters, and
    min_{rank Z <= k} mean ||y - Z x||^2 = tr Syy - sum of the k largest eigenvalues of Syx Sxx^+ Sxy.
Eigenvalues of Sxx below 1e-45 of the largest are exact zeros (their rounding is 1e-60; a float column that is a rounded
copy of others leaves 1e-32, which is kept: in exact arithmetic that direction exists).
"""

import mpmath
import numpy as np

DIGITS = 60
ZERO = mpmath.mpf(10) ** -45


def exact_moments(X, Y, sample_weight=None, center=False):
    """(Sxx, Sxy, Syy) as mpmath matrices."""
    with mpmath.workdps(DIGITS):
        w = [mpmath.mpf(float(v)) for v in (np.ones(len(X)) if sample_weight is None else sample_weight)]
        X, Y, W = to_mp(X), to_mp(Y), mpmath.diag(w) / mpmath.fsum(w)
        if center:
            ones = mpmath.ones(X.rows, 1)
            X, Y = X - ones * (ones.T * W * X), Y - ones * (ones.T * W * Y)
        return X.T * W * X, X.T * W * Y, Y.T * W * Y


def to_mp(A):
    return mpmath.matrix([[mpmath.mpf(float(v)) for v in row] for row in np.atleast_2d(np.asarray(A, dtype=float))])


def trace(A):
    return mpmath.fsum(A[i, i] for i in range(A.rows))


def eigenvalues(xx, xy, zero=ZERO):
    """Eigenvalues of Syx Sxx^+ Sxy, descending; ``zero`` is where an eigenvalue of Sxx counts as zero."""
    with mpmath.workdps(DIGITS):
        a, R = mpmath.eigsy(xx)
        keep = [i for i in range(len(a)) if a[i] > zero * max(max(a), mpmath.mpf(0))]
        if not keep:
            return [mpmath.mpf(0)] * xy.cols
        C = R.T * xy
        M = mpmath.matrix([[C[i, j] / mpmath.sqrt(a[i]) for i in keep] for j in range(xy.cols)])
        return sorted(mpmath.eigsy(M * M.T, eigvals_only=True), reverse=True)


def minimum(xx, xy, yy, n_hidden, zero=ZERO):
    with mpmath.workdps(DIGITS):
        lam = eigenvalues(xx, xy, zero)
        return trace(yy) - mpmath.fsum(max(v, mpmath.mpf(0)) for v in lam[:n_hidden])


def minimum_of_data(X, Y, n_hidden, **options):
    return minimum(*exact_moments(X, Y, **options), n_hidden)


def minimum_of_moments(xx, xy, yy, n_hidden):
    return minimum(to_mp(xx), to_mp(xy), to_mp(yy), n_hidden)


def value(xx, xy, yy, p):
    """R(U V^T) for mpmath moments at a float point."""
    with mpmath.workdps(DIGITS):
        Z = to_mp(p[0]) * to_mp(p[1]).T
        return trace(yy) - 2 * trace(xy.T * Z.T) + trace(Z * xx * Z.T)
