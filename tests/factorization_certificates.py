"""Certificates made by the reference, so that ``verify`` can be tested without the core; and problems as landscapes.

``fields_of`` gives the fields of a certificate as DESIGN 4 and VERIFY.md state them: honest ones, with margins of the
size that rounding needs on the small problems of the tests.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import scipy.sparse

from reference import factorization as mf

EPS = float(np.finfo(float).eps)


class LossName(NamedTuple):
    name: str
    delta: float


SQUARED = LossName("squared", 1.0)


@dataclass(frozen=True)
class Land:
    """The attributes of a landscape that ``verify`` reads."""

    Y: object
    lam: float
    mask_csr: object = None
    weights: object = None
    X: object = None
    loss: LossName = SQUARED


def land_of(problem, form="dense"):
    """``problem`` with a mask as "dense" (Y dense, mask CSR) or as "sparse" (Y CSR); weights as they are."""
    loss = LossName(problem.loss, problem.delta)
    if problem.weights is None:
        return Land(problem.Y, problem.lam, X=problem.X, loss=loss)
    observed = problem.c > 0.0
    mask = scipy.sparse.csr_matrix(observed)
    weights = None if np.all(problem.c[observed] == 1.0) else problem.c
    if form == "dense":
        return Land(problem.Y, problem.lam, mask, weights, problem.X, loss)
    rows, columns = np.nonzero(observed)
    Y = scipy.sparse.csr_matrix((problem.Y[rows, columns], (rows, columns)), shape=problem.Y.shape)
    return Land(Y, problem.lam, None, weights, problem.X, loss)


def stationarity(problem, p):
    """max over blocks |d| / (|M V| + lam |U|), |d| / (|M^T U| + lam |V|)."""
    M = mf.adjoint(problem, mf.slopes(problem, p[0] @ p[1].T))
    out = 0.0
    for product, block in ((M @ p[1], p[0]), (M.T @ p[0], p[1])):
        size = mf.norm(product) + problem.lam * mf.norm(block)
        out = max(out, mf.norm(product + problem.lam * block) / size if size > 0.0 else 0.0)
    return out


def better_point(problem, p):
    """(kind, witness, value there) of the better of the radial move and the insertion after it."""
    c = mf.radial_scale(problem, p)
    root = np.sqrt(c)
    scaled = (root * p[0], root * p[1])
    width = p[0].shape[1]
    epsilon, u, v = mf.insertion(problem, p)
    columns = (np.sqrt(epsilon) * u[:, None], np.sqrt(epsilon) * v[:, None])
    longer = tuple(np.hstack(pair) for pair in zip(p, columns, strict=True))
    options = [
        ("scale", (np.full((1, width), root),) * 2, mf.value(problem, scaled)),
        ("append", columns, mf.value(problem, longer)),
    ]
    return min(options, key=lambda option: option[2])


def fields_of(problem, p, tol=1e-6, method="cholesky", looseness=0.0, failure_probability=0.0):
    """The fields of an honest certificate, but for fingerprints and digest."""
    c = mf.radial_scale(problem, p)
    A = c * (p[0] @ p[1].T)
    G = mf.slopes(problem, A)
    kappa, u, v = mf.polar_of(-mf.adjoint(problem, G))
    size = mf.norm(problem.X) if problem.X is not None else 1.0
    product = np.abs(p[0]) @ np.abs(p[1]).T * c
    noise = 32 * EPS * sum(problem.shape) * (mf.norm(G) * size + mf.norm(problem.c) * mf.norm(product) * size**2)
    upper = kappa * (1.0 + looseness) + noise
    s = min(mf.best_scale(problem, G, upper), problem.lam / upper if upper > 0.0 else np.inf)
    value, scale = mf.value(problem, p), problem.scale
    dual = mf.dual_value(problem, G, s)
    margin = 1e-13 * (scale + abs(dual))
    lower = min(value, max(0.0, dual - margin))
    gap = value - lower
    witness = kind = None
    if gap <= tol * scale:
        verdict, reason = "GLOBAL", "the proved gap is within the tolerance"
    else:
        verdict, reason = "UNDECIDED", "the gap that is proved exceeds the tolerance"
        found = better_point(problem, p)
        if value - found[2] > 1.01 * tol * scale + 1e-12 * value:
            (kind, witness, _), verdict, reason = found, "NOT_GLOBAL", "the witness lowers the objective"
    return {
        "value": value,
        "lower_bound": lower,
        "gap": gap,
        "relative_gap": gap / abs(value) if value else 0.0,
        "margin": margin,
        "method": method,
        "guarantee": "probabilistic" if failure_probability else "deterministic",
        "stationarity": stationarity(problem, p),
        "witness": witness,
        "tol": tol,
        "scale": scale,
        "verdict": verdict,
        "reason": reason,
        "polar_lower": kappa * (1.0 - 8 * EPS),
        "polar_upper": upper,
        "landscape": "matrix_factorization",
        "dual_scale": s,
        "failure_probability": failure_probability,
        "proof": {"radial": c, "dual_point": None, "pair": (u, v), "witness": kind},
    }


def sealed(certificate, digest):
    """The certificate with a fresh digest: what a forger would do too."""
    return replace(certificate, digest=digest(replace(certificate, digest="")))


def certificate_of(certificate_type, verdict_type, verify_module, problem, p, land=None, **options):
    """An honest certificate of p."""
    own = fields_of(problem, p, **options)
    own["verdict"] = verdict_type(own["verdict"])
    land = land_of(problem) if land is None else land
    prints = {
        "data_fingerprint": verify_module.data_fingerprint(land),
        "point_fingerprint": verify_module.point_fingerprint(p),
    }
    return sealed(certificate_type(**own, **prints), verify_module.certificate_digest)
