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


# ------------------------------------------------------------------------------------------------- altered and forged

_ALTERED = {
    "witness": lambda w: tuple(block + 0.5 for block in w),
    "verdict": lambda v: type(v).UNDECIDED,
    "proof": lambda proof: {**proof, "radial": proof["radial"] + 0.5},
    "schema_version": lambda v: 1,
}


def _altered(value):
    if isinstance(value, str):
        return value + "x"
    return value * (1.0 + 1e-9) + 1e-300


def with_altered(certificate, name):
    """One field changed, the digest left as it was."""
    return replace(certificate, **{name: _ALTERED.get(name, _altered)(getattr(certificate, name))})


def forged(certificate, digest, **changes):
    """The changes with what depends on them made consistent, and a fresh digest."""
    new = replace(certificate, **changes)
    gap = new.value - new.lower_bound
    return sealed(replace(new, gap=gap, relative_gap=gap / new.value if new.value else 0.0), digest)


def lies(problem, certificate):
    """(name, changes): each one a false claim."""
    scale, proof, verdict = problem.scale, certificate.proof, type(certificate.verdict)
    yield "bound at the value", {"lower_bound": certificate.value, "verdict": verdict.GLOBAL, "witness": None}
    yield "bound higher", {"lower_bound": certificate.lower_bound + 1e-8 * scale}
    yield (
        "bound higher, margin lower",
        {"lower_bound": certificate.lower_bound + certificate.margin * 20, "margin": 0.0},
    )
    yield "value lower", {"value": certificate.value - 1e-8 * scale}
    yield "value higher", {"value": certificate.value + 1e-8 * scale}
    yield "scale higher", {"scale": scale * (1 + 1e-9)}
    yield "upper bound lower", {"polar_upper": certificate.polar_upper * (1 - 1e-6)}
    yield "upper bound zero", {"polar_upper": 0.0, "polar_lower": 0.0}
    yield (
        "lower bound higher",
        {"polar_lower": certificate.polar_lower * (1 + 1e-6), "polar_upper": certificate.polar_upper * 1.1},
    )
    yield "dual scale higher", {"dual_scale": certificate.dual_scale * (1 + 1e-6) + 1e-6}
    yield "dual scale negative", {"dual_scale": -1.0}
    yield "not a number", {"lower_bound": np.nan}
    yield "infinite", {"margin": np.inf}
    yield "stationarity", {"stationarity": certificate.stationarity * 0.99}
    yield "no witness", {"witness": None}
    yield (
        "idle witness",
        {
            "witness": tuple(block * 0.0 for block in certificate.witness),
            "proof": {**proof, "witness": "add" if certificate.witness[0].shape[0] > 1 else "append"},
        },
    )
    yield "other method", {"method": "magic"}
    yield "krylov without probability", {"method": "krylov"}
    yield "probability of a proof", {"failure_probability": 1e-9}
    yield "no proof", {"proof": None}
    yield "proof without pair", {"proof": {k: v for k, v in proof.items() if k != "pair"}}
    yield "pair of other shape", {"proof": {**proof, "pair": (np.ones(3), np.ones(99))}}
    yield "other pair", {"proof": {**proof, "pair": (np.ones_like(proof["pair"][0]), np.ones_like(proof["pair"][1]))}}
    yield "radial negative", {"proof": {**proof, "radial": -1.0}}
    yield "radial not a number", {"proof": {**proof, "radial": np.nan}}
    U = 1e12 * np.ones((problem.shape[0], 2)) * np.array([1.0, -1.0])
    V = np.ones((problem.shape[1], 2))
    yield "noise as a dual point", {"proof": {**proof, "dual_point": (U, V)}, "lower_bound": certificate.value}
    yield "other landscape", {"landscape": "shallow_linear"}
    yield "decided too little", {"verdict": verdict.UNDECIDED}
