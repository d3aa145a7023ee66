"""Upper bounds of the polar of one-hidden-layer units from the formulas (THEORY 7.5), dense and slow.

    Omega°(Q) = max over |w| = 1 of |sum_i act(x_i . w) q_i|,   act(t) = max(t, a t)^p      X (m, d), Q (m, nL)

    power 1:  act(t) = c t + e |t|,      c = (1 + a) / 2,    e = (1 - a) / 2
    power 2:  act(t) = c t^2 + e t |t|,  c = (1 + a^2) / 2,  e = (1 - a^2) / 2

Every function evaluates its bound with `numpy.linalg` and adds nothing for rounding unless it says so: two evaluations
agree to about 1e-12 of the sizes of the summands. Multipliers `nu` are those of a bound that claims to be a proof.
"""

import numpy as np

EPS = np.finfo(float).eps


def polar_value(X, Q, w, slope=0.0, power=1):
    """f(w / |w|)."""
    t = X @ (w / np.linalg.norm(w))
    return np.linalg.norm(Q.T @ np.maximum(t, slope * t) ** power)


def norms(X, Q, power=1):
    """|Q|_2 |X|_2^p of the samples that contribute; also for subnetworks of any depth when p = 1."""
    keep = nonzero(X, Q)
    X, Q = X[keep], Q[keep]
    if not len(X):
        return 0.0
    return np.linalg.norm(Q, 2) * np.linalg.norm(X, 2) ** power


def linear(X, Q):
    """|Q^T X|_2, the polar of linear units."""
    return np.linalg.norm(Q.T @ X, 2)


def nonzero(X, Q):
    """The samples that contribute."""
    return (np.abs(X).max(axis=1) > 0.0) & (np.abs(Q).max(axis=1) > 0.0)


def balanced(X, Q, nu, q_exponent):
    """X and Q with largest entries near 1, nu for that Q, and what the bound is to be multiplied by."""
    keep = nonzero(X, Q)
    X, Q, nu = X[keep], Q[keep], np.asarray(nu, dtype=float)[keep]
    if not len(X):
        return X, Q, nu, 0.0
    x_exponent = int(np.frexp(np.abs(X).max())[1])
    own_exponent = int(np.frexp(np.abs(Q).max())[1])
    nu = np.ldexp(nu, 2 * (q_exponent - own_exponent))
    return np.ldexp(X, -x_exponent), np.ldexp(Q, -own_exponent), nu, np.ldexp(1.0, x_exponent + own_exponent)


def shor(X, Q, slope, nu, q_exponent=0, margin=True):
    """sqrt of lambda_max(e^2 X^T N X + c^2 B^T (I - Q^T N^-1 Q)^-1 B), B = Q^T X, N = diag(nu).

    `nu` multiplies squares of Q * 2^-q_exponent. Infinite where I - Q^T N^-1 Q is not positive. With `margin` the
    rounding of this evaluation is added, n eps times the sizes of the summands; at slope -1 semidefinite is enough.
    """
    X, Q, nu, unit = balanced(X, Q, nu, q_exponent)
    if unit == 0.0:
        return 0.0
    if not np.all(nu > 0.0):
        return np.inf
    c, e = (1.0 + slope) / 2.0, (1.0 - slope) / 2.0
    inner = Q.T @ (Q / nu[:, None])
    bottom = np.linalg.eigvalsh(np.eye(Q.shape[1]) - inner)[0]
    slack = (len(X) + Q.shape[1]) * EPS * (1.0 + np.trace(inner))
    if bottom <= (-8.0 * slack if c == 0.0 else 0.0):
        return np.inf
    form = e * e * X.T @ (nu[:, None] * X)
    if c > 0.0:
        B = Q.T @ X
        form = form + c * c * B.T @ np.linalg.solve(np.eye(Q.shape[1]) - inner, B)
    top = np.linalg.eigvalsh((form + form.T) / 2.0)[-1]
    if margin:
        top += sum(X.shape) * EPS * np.trace(form) * (1.0 + 1.0 / max(bottom, slack) if c > 0.0 else 1.0)
    return np.sqrt(max(top, 0.0)) * unit


def split(X, Q, slope, absolute):
    """c |Q^T X|_2 + e `absolute`, the latter a bound for units |t|."""
    return (1.0 + slope) / 2.0 * linear(X, Q) + (1.0 - slope) / 2.0 * absolute


def weighted_norms(X, Q, nu):
    """|N^1/2 X|_2 |N^-1/2 Q|_2, a bound for every act with |act(t)| <= |t|."""
    keep = nonzero(X, Q)
    if not keep.any():
        return 0.0
    root = np.sqrt(np.asarray(nu, dtype=float)[keep])[:, None]
    return np.linalg.norm(root * X[keep], 2) * np.linalg.norm(Q[keep] / root, 2)


def definite(X, Q, slope):
    """Power 2: lambda_max(X^T diag(|q_i|) X); one output: the larger lambda_max(X^T diag(q_+ - a^2 q_-) X) of q, -q."""
    if Q.shape[1] > 1:
        return np.linalg.eigvalsh(X.T @ (np.linalg.norm(Q, axis=1)[:, None] * X))[-1]
    tops = [
        np.linalg.eigvalsh(X.T @ ((np.maximum(q, 0.0) + slope**2 * np.minimum(q, 0.0))[:, None] * X))[-1]
        for q in (Q[:, 0], -Q[:, 0])
    ]
    return max(0.0, *tops)


def unfolded(X, Q, slope):
    """Power 2: c |sum_i q_i vec(x_i x_i^T)^T|_2 + e lambda_max(X^T diag(|q_i|) X)."""
    outer = np.einsum("ij,ik->ijk", X, X).reshape(len(X), -1)
    definite_all = np.linalg.eigvalsh(X.T @ (np.linalg.norm(Q, axis=1)[:, None] * X))[-1]
    return (1.0 + slope**2) / 2.0 * np.linalg.norm(Q.T @ outer, 2) + (1.0 - slope**2) / 2.0 * definite_all
