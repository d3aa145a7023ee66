"""Networks of homogeneous units from the formulas (THEORY 5, 6, 7, 10, 12b), dense, slow, one sample per row.

    Z = act(X V + 1 c^T) U^T + 1 b^T          X (m, n0), V (n0, r), U (nL, r), b (nL,), c (r,), Z and Y (m, nL)
    P = sum_i loss(z_i, y_i) + lam sum_k theta(u_k, v_k)                                       (scaling B)
    act(t) = max(t, a t)^k,   theta(u, v) = (|u|^(k+1) + k |v|^(k+1)) / (k + 1),   b and c free of charge
    polar(Q) = max over |w| = 1 of |Q^T act(X w)|                                              Q (m, nL)

Parameters are ordered (U, V), (U, V, b) or (U, V, b, c); what is missing is zero. The dual of P over all widths is
max -L*(A) over polar(A) <= lam, with the column sums of A zero where b is free.
"""

import itertools
from dataclasses import dataclass
from math import comb

import numpy as np
from scipy.optimize import linprog, minimize
from scipy.special import expit, logsumexp, softmax, xlogy

from .factorization import golden_section, increasing_root

SLACK = 1e-12  # by which a dual matrix may leave the domain of the conjugate; it is clipped to it


@dataclass(frozen=True)
class Activation:
    """act(t) = max(t, a t)^k, in pattern form (d t)^k with d = 1 where t > 0, else a."""

    slope: float = 0.0
    power: int = 1

    def pattern(self, t):
        return np.where(np.asarray(t) > 0.0, 1.0, self.slope)

    def __call__(self, t):
        return (self.pattern(t) * t) ** self.power

    def derivative(self, t):
        d = self.pattern(t)
        return d if self.power == 1 else 2.0 * d * d * t

    def second(self, t):
        d = self.pattern(t)
        return 0.0 * d if self.power == 1 else 2.0 * d * d


RELU, ABS, LINEAR = Activation(), Activation(-1.0), Activation(1.0)
SQUARED_RELU, QUADRATIC = Activation(0.0, 2), Activation(-1.0, 2)


def leaky(slope=0.1):
    return Activation(slope)


ACTIVATIONS = {
    "relu": RELU,
    "leaky": leaky(),
    "abs": ABS,
    "linear": LINEAR,
    "squared_relu": SQUARED_RELU,
    "quadratic": QUADRATIC,
}


@dataclass(frozen=True)
class Problem:
    X: np.ndarray
    Y: np.ndarray
    lam: float
    activation: Activation = RELU
    loss: str = "squared"
    delta: float = 1.0
    intercept: bool = False

    @property
    def targets(self):
        """(m, nL); class numbers become rows of the identity."""
        if self.loss == "softmax" and np.ndim(self.Y) == 1:
            return np.eye(int(np.max(self.Y)) + 1)[np.asarray(self.Y, dtype=int)]
        return np.asarray(self.Y, dtype=float)

    @property
    def scale(self):
        """The value at zero parameters."""
        return data_term(self, np.zeros(self.targets.shape))

    def zeros(self, width):
        n_inputs, n_outputs = self.X.shape[1], self.targets.shape[1]
        p = np.zeros((n_outputs, width)), np.zeros((n_inputs, width))
        return (*p, np.zeros(n_outputs)) if self.intercept else p


# ------------------------------------------------------------------------------------------- losses (THEORY 6, table)

LOSSES = ("squared", "huber", "logistic", "softmax", "squared_hinge")
SMOOTHNESS = {"squared": 1.0, "huber": 1.0, "logistic": 0.25, "softmax": 0.5, "squared_hinge": 1.0}  # sup |l''|_2


def loss(name, z, y, delta=1.0):
    """Summed over samples; softmax takes rows of logits and rows of the simplex, the others go entry by entry."""
    if name == "squared":
        return float(np.sum(0.5 * (z - y) ** 2))
    if name == "huber":
        t = np.abs(z - y)
        return float(np.sum(np.where(t <= delta, 0.5 * t * t, delta * t - 0.5 * delta * delta)))
    if name == "logistic":
        return float(np.sum(np.logaddexp(0.0, -y * z)))
    if name == "softmax":
        return float(np.sum(logsumexp(z, axis=1) - np.sum(y * z, axis=1)))
    if name == "squared_hinge":
        return float(np.sum(0.5 * np.maximum(0.0, 1.0 - y * z) ** 2))
    raise ValueError(name)


def loss_gradient(name, z, y, delta=1.0):
    if name == "squared":
        return z - y
    if name == "huber":
        return np.clip(z - y, -delta, delta)
    if name == "logistic":
        return -y * expit(-y * z)
    if name == "softmax":
        return softmax(z, axis=1) - y
    return -y * np.maximum(0.0, 1.0 - y * z)


def loss_hvp(name, z, y, dz, delta=1.0):
    """d/dt loss_gradient(z + t dz) at 0, of the smooth piece."""
    if name == "squared":
        return 1.0 * dz
    if name == "huber":
        return np.where(np.abs(z - y) <= delta, dz, 0.0)
    if name == "logistic":
        return expit(y * z) * expit(-y * z) * dz
    if name == "softmax":
        q = softmax(z, axis=1)
        return q * dz - q * np.sum(q * dz, axis=1, keepdims=True)
    return np.where(y * z < 1.0, dz, 0.0)


def conjugate(name, a, y, delta=1.0):
    """L*(A) = sup_Z <A, Z> - L(Z), infinite outside its domain."""
    if name == "squared":
        return float(np.sum(0.5 * a * a + a * y))
    if name == "huber":
        if np.max(np.abs(a), initial=0.0) > delta * (1.0 + SLACK):
            return np.inf
        a = np.clip(a, -delta, delta)
        return float(np.sum(0.5 * a * a + a * y))
    if name == "softmax":
        q = a + y
        if np.min(q, initial=0.0) < -SLACK or np.max(np.abs(np.sum(a, axis=1)), initial=0.0) > SLACK:
            return np.inf
        q = np.clip(q, 0.0, 1.0)
        return float(np.sum(xlogy(q, q)))
    p = -y * a
    if np.min(p, initial=0.0) < -SLACK or (name == "logistic" and np.max(p, initial=0.0) > 1.0 + SLACK):
        return np.inf
    if name == "squared_hinge":
        return float(np.sum(0.5 * p * p - p))
    p = np.clip(p, 0.0, 1.0)
    return float(np.sum(xlogy(p, p) + xlogy(1.0 - p, 1.0 - p)))


def domain_limit(problem, G):
    """The largest s with s G in the domain of L*, for G = the gradient of L somewhere."""
    y, top = problem.targets, float(np.max(np.abs(G), initial=0.0))
    if top < 1e-300 or problem.loss in ("squared", "squared_hinge"):
        return np.inf
    if problem.loss == "softmax":
        down = G < -1e-15
        return float(np.min(y[down] / -G[down]))
    return (problem.delta if problem.loss == "huber" else 1.0) / top


# ------------------------------------------------------------------------------------ objective and its derivatives


def parts(p):
    """(U, V, b, c) with zeros for what is missing."""
    U, V = p[0], p[1]
    b = p[2] if len(p) > 2 else np.zeros(U.shape[0])
    c = p[3] if len(p) > 3 else np.zeros(V.shape[1])
    return U, V, b, c


def outputs(problem, p):
    U, V, b, c = parts(p)
    return problem.activation(problem.X @ V + c) @ U.T + b


def data_term(problem, Z):
    return loss(problem.loss, Z, problem.targets, problem.delta)


def slopes(problem, Z):
    """G = the gradient of L at Z."""
    return loss_gradient(problem.loss, Z, problem.targets, problem.delta)


def thetas(problem, p):
    """theta of every unit."""
    k = problem.activation.power
    return (np.linalg.norm(p[0], axis=0) ** (k + 1) + k * np.linalg.norm(p[1], axis=0) ** (k + 1)) / (k + 1)


def value(problem, p):
    return data_term(problem, outputs(problem, p)) + problem.lam * float(np.sum(thetas(problem, p)))


def gradient(problem, p):
    """g_U = G^T H + lam |u|^(k-1) u, g_V = X^T B + lam k |v|^(k-1) v, g_b = G^T 1, g_c = B^T 1, B = act'(T) * (G U)."""
    U, V, b, c = parts(p)
    act, k, lam = problem.activation, problem.activation.power, problem.lam
    T = problem.X @ V + c
    H = act(T)
    G = slopes(problem, H @ U.T + b)
    B = act.derivative(T) * (G @ U)
    g_U = G.T @ H + lam * np.linalg.norm(U, axis=0) ** (k - 1) * U
    g_V = problem.X.T @ B + lam * k * np.linalg.norm(V, axis=0) ** (k - 1) * V
    return (g_U, g_V, np.sum(G, axis=0), np.sum(B, axis=0))[: len(p)]


def power_hvp(W, dW, k):
    """d of |w|^(k-1) w, column by column."""
    if k == 1:
        return dW
    size = np.linalg.norm(W, axis=0)
    along = np.sum(W * dW, axis=0) / np.where(size > 0.0, size, 1.0)
    return size * dW + along * W


def hvp(problem, p, dp):
    """The Hessian of the smooth piece at p, times dp (THEORY 10)."""
    (U, V, b, c), (dU, dV, db, dc) = parts(p), parts(dp)
    act, k, lam, X = problem.activation, problem.activation.power, problem.lam, problem.X
    T, dT = X @ V + c, X @ dV + dc
    H, S = act(T), act.derivative(T)
    dH, dS = S * dT, act.second(T) * dT
    Z, dZ = H @ U.T + b, dH @ U.T + H @ dU.T + db
    G = slopes(problem, Z)
    dG = loss_hvp(problem.loss, Z, problem.targets, dZ, problem.delta)
    dB = S * (dG @ U + G @ dU) + dS * (G @ U)
    h_U = dG.T @ H + G.T @ dH + lam * power_hvp(U, dU, k)
    h_V = X.T @ dB + lam * k * power_hvp(V, dV, k)
    return (h_U, h_V, np.sum(dG, axis=0), np.sum(dB, axis=0))[: len(p)]


def kink_distance(problem, p):
    """min |x_i v_k + c_k| / (|x_i| |v_k|); derivatives are those of the smooth piece where it is positive."""
    _, V, _, c = parts(p)
    sizes = np.linalg.norm(problem.X, axis=1)[:, None] * np.linalg.norm(V, axis=0)
    return float(np.min(np.abs(problem.X @ V + c)[sizes > 0.0] / sizes[sizes > 0.0], initial=np.inf))


# ------------------------------------------------------------- parallel subnetworks of depth L, W_l (r, n_l, n_{l-1})


def deep_layers(problem, W):
    """(T_1, ..., T_L), each (r, m, n_l): T_1 = X W_1^T, T_{l+1} = act(T_l) W_{l+1}^T; Z is the sum of T_L over r."""
    T = []
    for block in W:
        below = problem.activation(T[-1]) if T else problem.X
        T.append(below @ np.swapaxes(block, 1, 2))
    return T


def deep_outputs(problem, W):
    return np.sum(deep_layers(problem, W)[-1], axis=0)


def deep_thetas(W):
    """(1/L) sum_l |W_l|_F^L of every subnetwork."""
    return sum(np.sum(block**2, axis=(1, 2)) ** (len(W) / 2) for block in W) / len(W)


def deep_value(problem, W):
    return data_term(problem, deep_outputs(problem, W)) + problem.lam * float(np.sum(deep_thetas(W)))


def deep_gradient(problem, W):
    data = deep_pullback(problem, W, slopes(problem, deep_outputs(problem, W)))
    sizes = [np.sqrt(np.sum(block**2, axis=(1, 2), keepdims=True)) for block in W]
    return tuple(g + problem.lam * n ** (len(W) - 2) * w for g, n, w in zip(data, sizes, W, strict=True))


def deep_pullback(problem, W, G):
    """The gradient of <G, Z(W)>: S_L = G, S_l = act'(T_l) * (S_{l+1} W_{l+1}), g_l = S_l^T act(T_{l-1})."""
    act, T = problem.activation, deep_layers(problem, W)
    blocks, S = [], np.broadcast_to(G, T[-1].shape)
    for h in reversed(range(len(W))):
        below = act(T[h - 1]) if h else np.broadcast_to(problem.X, (W[0].shape[0], *problem.X.shape))
        blocks.append(np.swapaxes(S, 1, 2) @ below)
        if h:
            S = act.derivative(T[h - 1]) * (S @ W[h])
    return tuple(reversed(blocks))


def deep_hvp(problem, W, dW, h=1e-5):
    """Six-point differences of the gradient, good to about 1e-10 relative away from kinks."""
    out = [np.zeros(block.shape) for block in W]
    for t, c in ((1, 45.0), (2, -9.0), (3, 1.0)):
        up = deep_gradient(problem, [w + t * h * d for w, d in zip(W, dW, strict=True)])
        down = deep_gradient(problem, [w - t * h * d for w, d in zip(W, dW, strict=True)])
        out = [o + c * (a - b) / (60.0 * h) for o, a, b in zip(out, up, down, strict=True)]
    return tuple(out)


def deep_polar_search(problem, Q, widths, starts=20, seed=0):
    """A lower bound of max <Q, Z(W)> over prod_l |W_l|_F = 1 for one subnetwork of these widths (n_1, ..., n_{L-1})."""
    rng, n = np.random.default_rng(seed), (problem.X.shape[1], *widths, Q.shape[1])
    shapes = [(1, n[i + 1], n[i]) for i in range(len(n) - 1)]
    ends = np.cumsum([0, *(int(np.prod(s)) for s in shapes)])

    def unpack(x):
        return [x[ends[i] : ends[i + 1]].reshape(s) for i, s in enumerate(shapes)]

    def negative(x):
        W = unpack(x)
        sizes = [np.sum(w**2) for w in W]
        product = np.sqrt(np.prod(sizes))
        ratio = np.sum(Q * deep_outputs(problem, W)) / product
        pairs = zip(deep_pullback(problem, W, Q), sizes, W, strict=True)
        return -ratio, -np.concatenate([np.ravel(g / product - ratio * w / s) for g, s, w in pairs])

    points = [rng.standard_normal(ends[-1]) for _ in range(starts)]
    return max(-minimize(negative, x, jac=True, method="L-BFGS-B").fun for x in points)


# ------------------------------------------------------------------------------------------------- polar (THEORY 7)


@dataclass(frozen=True)
class Polar:
    """value = |Q^T act(X w)| at the unit w; the maximum where exact, else a lower bound of it."""

    value: float
    w: np.ndarray
    exact: bool


def polar_value(Q, X, w, activation=RELU):
    return float(np.linalg.norm(Q.T @ activation(X @ w)) / np.linalg.norm(w) ** activation.power)


def best_of(Q, X, candidates, activation, exact):
    """The best column of ``candidates``, each scored with the definition, so nothing can be above the maximum."""
    W = candidates / np.linalg.norm(candidates, axis=0)
    scores = np.linalg.norm(Q.T @ activation(X @ W), axis=0)
    best = int(np.argmax(scores))
    return Polar(float(scores[best]), W[:, best], exact)


def polar(Q, X, activation=RELU, starts=2000):
    """Scaled to unit size, in coordinates of the range of X^T, by the first exact method there is, else searched."""
    k, n_inputs = activation.power, X.shape[1]
    size_q, size_x = (float(np.max(np.abs(B), initial=0.0)) for B in (Q, X))
    if size_q == 0.0 or size_x == 0.0:
        return Polar(0.0, np.eye(n_inputs)[0], True)
    Q, X = merge_parallel(Q / size_q, X / size_x, k)
    _, sigma, right_t = np.linalg.svd(X, full_matrices=False)
    R = right_t[sigma > 1e-14 * sigma[0]].T
    found = polar_reduced(Q, X @ R, activation, starts)
    return Polar(size_q * size_x**k * found.value, R @ found.w, found.exact)


def polar_reduced(Q, X, activation, starts):
    m, d = X.shape
    if d == 1:
        return best_of(Q, X, np.array([[1.0, -1.0]]), activation, True)
    if activation == LINEAR:
        return best_of(Q, X, np.linalg.svd(Q.T @ X)[2].T, activation, True)
    if activation == QUADRATIC and Q.shape[1] == 1:
        return best_of(Q, X, np.linalg.eigh(X.T @ (Q * X))[1], activation, True)
    if d == 2:
        return polar_arcs(Q, X, activation)
    if activation.power == 1 and 2**m * sum(comb(m, j) for j in range(d)) <= 400_000:
        return polar_faces(Q, X, activation)
    return polar_search(Q, X, activation, starts)


def directions(angles):
    return np.array([np.cos(angles), np.sin(angles)])


def breaks_2d(X):
    """The angles at which some sample changes sign, increasing."""
    angles = np.arctan2(X[:, 1], X[:, 0])[np.any(X != 0.0, axis=1)]
    return np.unique(np.mod(np.concatenate([angles - np.pi / 2, angles + np.pi / 2]), 2 * np.pi))


def polar_arcs(Q, X, activation):
    """Exact for d = 2: on an arc the square is a trigonometric polynomial of degree k in psi = 2 phi."""
    k, ends = activation.power, breaks_2d(X)
    middles = 0.5 * (ends + np.append(ends[1:], ends[0] + 2 * np.pi))
    psi = 2 * np.pi * np.arange(2 * k + 1) / (2 * k + 1)
    candidates = [ends]
    for middle in middles:
        d = activation.pattern(X @ directions(middle))
        f = np.sum((Q.T @ (d[:, None] * (X @ directions(psi / 2))) ** k) ** 2, axis=0)
        c = np.fft.fft(f)
        # d/dpsi sum_j c_j z^j = i sum_j j c_j z^j,  z = exp(i psi)
        roots = np.roots([j * c[j] for j in range(k, -k - 1, -1)])
        stationary = 0.5 * np.angle(roots[roots != 0.0])
        candidates += [stationary, stationary + np.pi]
    return best_of(Q, X, directions(np.concatenate(candidates)), activation, True)


def null_space(B, tol=1e-12):
    _, sigma, right_t = np.linalg.svd(B)
    return right_t[np.sum(sigma > tol) :].T


def polar_faces(Q, X, activation):
    """Exact for k = 1 and few samples: inside the face where the samples T vanish, with the others on or off in any
    of the 2^m ways, a maximiser is a top eigenvector of the form w^T A^T A w, A = Q^T D X, on T's orthogonal space.
    """
    m, d = X.shape
    D = np.array(list(itertools.product((1.0, activation.slope), repeat=m)))
    A = (D[:, None, :] * Q.T) @ X
    M = np.swapaxes(A, 1, 2) @ A
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    best = Polar(-1.0, np.zeros(d), True)
    for size in range(d):
        for T in itertools.combinations(range(m), size):
            B = null_space(unit[list(T)]) if T else np.eye(d)
            if B.shape[1] > d - size:  # T is dependent: a smaller set spans the same face
                continue
            W = (np.linalg.eigh(B.T @ M @ B)[1][:, :, -1] @ B.T).T
            best = max(best, best_of(Q, X, np.hstack([W, -W]), activation, True), key=lambda found: found.value)
    return best


def ascend(Q, X, w, activation, steps=300):
    """Monotone ascent on the sphere with backtracking (7.4)."""
    w, eta, best = w / np.linalg.norm(w), 16.0, polar_value(Q, X, w, activation)
    for _ in range(steps):
        t = X @ w
        g = X.T @ (activation.derivative(t) * (Q @ (Q.T @ activation(t))))
        if not np.any(g):
            break
        g, eta = g / np.linalg.norm(g), min(16.0, 8.0 * eta)
        while eta > 1e-10:
            longer = w + eta * g
            score = polar_value(Q, X, longer, activation)
            if score > best:
                w, best = longer / np.linalg.norm(longer), score
                break
            eta /= 2.0
        else:
            break
    return w


def polar_search(Q, X, activation=RELU, starts=2000, refined=20, seed=0):
    """A lower bound: the samples, the singular vectors of Q^T X and random directions; the best are refined."""
    starts = np.random.default_rng(seed).standard_normal((X.shape[1], starts))
    samples = X[np.any(X != 0.0, axis=1)].T
    singular = np.linalg.svd(Q.T @ X)[2].T
    W = np.hstack([samples, -samples, singular, -singular, starts])
    W = W / np.linalg.norm(W, axis=0)
    order = np.argsort(-np.linalg.norm(Q.T @ activation(X @ W), axis=0))[:refined]
    W = np.column_stack([W[:, order], *(ascend(Q, X, W[:, i], activation) for i in order)])
    return best_of(Q, X, W, activation, False)


def spectral_bound(Q, X, power=1):
    """(U0) |Q|_2 |X|_2^k >= polar, for slopes in [-1, 1]; also for subnetworks of any depth (k = 1)."""
    return float(np.linalg.norm(Q, 2) * np.linalg.norm(X, 2) ** power)


def hidden_bias_polar(Q, X, activation=RELU):
    """max over w, c of |Q^T act(X w + c)| with c free: infinite unless the columns of Q sum to zero, and then convex in
    c between the breaks and constant beyond them, so c = -x_i w for some i (12b.6).
    """
    if np.max(np.abs(np.sum(Q, axis=0))) > SLACK * max(1.0, float(np.sum(np.abs(Q)))):
        return np.inf
    found = [polar(Q, X - x, activation) for x in X]
    if not all(f.exact for f in found):
        raise ValueError("no exact polar for this problem")
    return max(f.value for f in found)


def merge_parallel(Q, X, power=1, tol=1e-15):
    """x_j = c x_i, c > 0, adds c^k q_j to q_i; zero samples go (THEORY 7.1). The polar stays."""
    rows, duals = [], []
    for x, q in zip(X, Q, strict=True):
        size = np.linalg.norm(x)
        if size == 0.0:
            continue
        for i, r in enumerate(rows):
            if np.max(np.abs(x / size - r / np.linalg.norm(r))) <= tol:
                duals[i] = duals[i] + (size / np.linalg.norm(r)) ** power * q
                break
        else:
            rows.append(x)
            duals.append(q)
    return np.array(duals).reshape(-1, Q.shape[1]), np.array(rows).reshape(-1, X.shape[1])


# ------------------------------------------------------------------------------------------- certificates (THEORY 6)


@dataclass(frozen=True)
class Certificate:
    value: float
    lower: float
    kappa: float
    s: float

    @property
    def gap(self):
        return self.value - self.lower


def dual_value(problem, A):
    """-L*(A), a lower bound of P over all widths where polar(A) <= lam (and column sums zero with a free intercept)."""
    return -conjugate(problem.loss, A, problem.targets, problem.delta)


def best_scale(problem, G, kappa):
    """argmax of the concave s -> -L*(s G) over 0 <= s <= lam / kappa within the domain, by golden section."""
    if not np.any(G):
        return 1.0
    limit = min(domain_limit(problem, G), problem.lam / kappa if kappa > 0.0 else np.inf, 2.0**60)
    return golden_section(lambda s: dual_value(problem, s * G), 0.0, limit)


def best_intercept(problem, Z):
    """argmin over b of L(Z + 1 b^T): bisection column by column, Newton for softmax; finite also if b runs away."""
    b = np.zeros(Z.shape[1])
    if problem.loss == "softmax":
        # a class that no sample has is ruled out: its b would run to minus infinity, and exp(-800) is 0
        seen = np.any(problem.targets > 0.0, axis=0)
        b[~seen] = -800.0 - np.ptp(Z)
        b[seen] = softmax_intercept(Z[:, seen], problem.targets[:, seen])
        return b
    for k in range(b.size):
        column = replace_outputs(problem, k)

        def rise(t, column=column, z=Z[:, [k]]):
            return float(np.sum(slopes(column, z + t)))

        size = 1.0
        while size < 2.0**60 and not rise(-size) <= 0.0 <= rise(size):
            size *= 2.0
        low, high = -size, size
        while high - low > 1e-18 * size and low < 0.5 * (low + high) < high:
            middle = 0.5 * (low + high)
            low, high = (middle, high) if rise(middle) < 0.0 else (low, middle)
        b[k] = high
    return b


def softmax_intercept(Z, y):
    """Damped Newton; a step is halved until the value or the gradient falls."""

    def at(b):
        return loss("softmax", Z + b, y), np.sum(loss_gradient("softmax", Z + b, y), axis=0)

    b = np.zeros(Z.shape[1])
    f, g = at(b)
    for _ in range(100):
        q = softmax(Z + b, axis=1)
        step = np.linalg.pinv(np.diag(np.sum(q, axis=0)) - q.T @ q, rcond=1e-13, hermitian=True) @ -g
        step = step / max(1.0, np.max(np.abs(step)))
        new_f, new_g = at(b + step)
        while np.linalg.norm(new_g) >= np.linalg.norm(g) and new_f >= f:
            step = 0.5 * step
            if np.max(np.abs(step)) <= 1e-15 * (1.0 + np.max(np.abs(b))):
                return b
            new_f, new_g = at(b + step)
        b, f, g = b + step, new_f, new_g
    return b


def replace_outputs(problem, k):
    """The problem of output k alone (separable losses)."""
    y = problem.targets[:, [k]]
    return Problem(problem.X, y, problem.lam, problem.activation, problem.loss, problem.delta, problem.intercept)


def balanced(problem, G):
    """The nearest matrix to G in the domain of L* whose columns sum to zero (softmax: shifted; G must be close)."""
    if problem.loss == "softmax":
        return G - np.mean(G, axis=0)
    y = problem.targets
    low, high = np.full(G.shape, -np.inf), np.full(G.shape, np.inf)
    if problem.loss == "huber":
        low, high = low.clip(-problem.delta), high.clip(max=problem.delta)
    elif problem.loss in ("logistic", "squared_hinge"):
        reach = 1.0 if problem.loss == "logistic" else np.inf
        low, high = np.where(y > 0.0, -reach, 0.0), np.where(y > 0.0, 0.0, reach)
    out = np.clip(G, low, high)
    for k in range(G.shape[1]):
        top = 2.0 * float(np.max(np.abs(G[:, k]))) + 1e-300
        left, right = -top, top
        while right - left > 1e-18 * top and left < 0.5 * (left + right) < right:
            shift = 0.5 * (left + right)
            out[:, k] = np.clip(G[:, k] - shift, low[:, k], high[:, k])
            left, right = (shift, right) if np.sum(out[:, k]) > 0.0 else (left, shift)
    return out


def dual_matrix(problem, Z):
    """G(Z); with a free intercept G at the best intercept, its columns summing to zero."""
    if not problem.intercept:
        return slopes(problem, Z)
    return balanced(problem, slopes(problem, Z + best_intercept(problem, Z)))


def exact_polar(problem, Q):
    found = polar(Q, problem.X, problem.activation)
    if not found.exact:
        raise ValueError("no exact polar for this problem; give an upper bound")
    return found.value


def lower_bound(problem, Z, upper=exact_polar):
    """(lower, kappa, s): the best dual value along G(Z), with ``upper(problem, Q)`` >= polar(Q)."""
    G = dual_matrix(problem, Z)
    kappa = upper(problem, G)
    s = best_scale(problem, G, kappa)
    return dual_value(problem, s * G), kappa, s


def certify(problem, p, upper=exact_polar):
    """(6.1) at the point as it is, without rebalancing."""
    return Certificate(value(problem, p), *lower_bound(problem, outputs(problem, p), upper))


def lambda_max(problem):
    """The smallest lam for which zero weights are optimal."""
    return exact_polar(problem, dual_matrix(problem, np.zeros(problem.targets.shape)))


# ------------------------------------------------------------------------------ moves that never raise P (THEORY 5.5)


def scaled(problem, p, c):
    """Unit k times c_k^(1/(k+1)): its output and its theta times c_k."""
    root = np.asarray(c, dtype=float) ** (1.0 / (problem.activation.power + 1))
    U, V, b, hidden = parts(p)
    return (root * U, root * V, b, root * hidden)[: len(p)]


def rebalance(problem, p):
    """|u| = |v| for every unit at the same output: theta falls to |u| |v|^k; a unit without output becomes zero."""
    k, (U, V, b, c) = problem.activation.power, parts(p)
    size_u, size_v = np.linalg.norm(U, axis=0), np.linalg.norm(V, axis=0)
    alive = (size_u > 0.0) & (size_v > 0.0)
    safe_u, safe_v = np.where(alive, size_u, 1.0), np.where(alive, size_v, 1.0)
    # (u t^k, v / t) with |u| t^k = |v| / t
    t = np.where(alive, (safe_v / safe_u) ** (1.0 / (k + 1)), 0.0)
    over = np.where(alive, 1.0 / np.where(alive, t, 1.0), 0.0)
    return (U * t**k, V * over, b, c * over)[: len(p)]


def radial_scale(problem, p):
    """argmin over c >= 0 of L(c Phi + b) + c lam Theta."""
    b = parts(p)[2]
    Phi, theta = outputs(problem, p) - b, float(np.sum(thetas(problem, p)))
    return increasing_root(lambda c: float(np.sum(slopes(problem, c * Phi + b) * Phi)) + problem.lam * theta)


def unit_outputs(problem, p):
    """F (m nL, r): column k is vec phi(u_k, v_k)."""
    U, V, _, c = parts(p)
    H = problem.activation(problem.X @ V + c)
    return np.einsum("ik,jk->ijk", H, U).reshape(-1, U.shape[1])


def slide_lp(problem, p):
    """(a) c >= 0, a vertex of min theta^T c over F c = F 1: at most rank F non-zeros."""
    F, theta = unit_outputs(problem, p), thetas(problem, p)
    found = linprog(theta, A_eq=F, b_eq=np.sum(F, axis=1), method="highs-ds")
    assert found.status == 0, found.message
    return found.x


def slide_null(problem, p, tol=1e-10):
    """(b) c >= 0 with F c = F 1, theta^T c <= theta^T 1, by null vectors until the units left are independent."""
    F, theta = unit_outputs(problem, p), thetas(problem, p)
    c = np.ones(theta.size)
    while True:
        alive = np.flatnonzero((c > 0.0) & (np.linalg.norm(F, axis=0) > 0.0))
        size = np.linalg.norm(F[:, alive], axis=0)
        _, sigma, right_t = np.linalg.svd(F[:, alive] / size)
        if np.sum(sigma > tol) == alive.size:
            return np.where(np.isin(np.arange(c.size), alive), c, 0.0)
        beta = right_t[-1] / size / c[alive]
        if beta @ (theta[alive] * c[alive]) > 0.0 or np.all(beta >= 0.0):
            beta = -beta
        beta = beta / -np.min(beta)
        c[alive] = np.where(np.arange(alive.size) == np.argmin(beta), 0.0, c[alive] * (1.0 + beta))


def slide(problem, p, c, t):
    """The path w_k(t) = ((1 - t) + t c_k)^(1/(k+1)) w_k: the output stays, Theta is linear in t."""
    return scaled(problem, p, 1.0 - t + t * np.asarray(c))


def blend(problem, p, q, t):
    """The units of p times 1 - t beside those of q times t: P <= (1 - t) P(p) + t P(q)."""
    left, right = scaled(problem, p, np.full(p[1].shape[1], 1.0 - t)), scaled(problem, q, np.full(q[1].shape[1], t))
    U, V, c = (np.concatenate([parts(left)[i], parts(right)[i]], axis=-1) for i in (0, 1, 3))
    return (U, V, (1.0 - t) * parts(p)[2] + t * parts(q)[2], c)[: len(p)]


def insertion(problem, p, w):
    """(epsilon, u): the best epsilon >= 0 for the unit epsilon^(1/(k+1)) (u, w), u the best output weight for -G."""
    Z, h = outputs(problem, p), problem.activation(problem.X @ w)
    pull = -slopes(problem, Z).T @ h
    kappa = np.linalg.norm(pull)
    if kappa == 0.0:
        return 0.0, pull
    u = pull / kappa
    phi = np.outer(h, u)
    return increasing_root(lambda e: float(np.sum(slopes(problem, Z + e * phi) * phi)) + problem.lam), u


def insert(problem, p, w):
    epsilon, u = insertion(problem, p, w)
    root = epsilon ** (1.0 / (problem.activation.power + 1))
    longer = np.column_stack([p[0], root * u]), np.column_stack([p[1], root * w])
    return (*longer, *p[2:3], *(np.append(c, 0.0) for c in p[3:]))
