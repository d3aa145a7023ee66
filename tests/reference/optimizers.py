"""The steps of the optimisers from their formulas (THEORY 11), one start at a time, slowly.

A method is a generator: it yields (where it wants the gradient, where it is) and is sent that gradient.
"""

import numpy as np


def momentum(x, rates, mu=0.9):
    v = np.zeros_like(x)
    for rate in rates:
        g = yield x, x
        v = mu * v + g
        x = x - rate * v
    yield x, x


def nesterov(x, rates, mu=0.9):
    """The look-ahead form: the gradient is taken at x + mu v."""
    v = np.zeros_like(x)
    for rate in rates:
        g = yield x + mu * v, x
        v = mu * v - rate * g
        x = x + v
    yield x, x


def adagrad(x, rates, eps=1e-10):
    s = np.zeros_like(x)
    for rate in rates:
        g = yield x, x
        s = s + g * g
        x = x - rate * g / (np.sqrt(s) + eps)
    yield x, x


def adam(x, rates, betas=(0.9, 0.999), eps=1e-8):
    m, s = np.zeros_like(x), np.zeros_like(x)
    for t, rate in enumerate(rates, start=1):
        g = yield x, x
        m = betas[0] * m + (1.0 - betas[0]) * g
        s = betas[1] * s + (1.0 - betas[1]) * g * g
        x = x - rate * (m / (1.0 - betas[0] ** t)) / (np.sqrt(s / (1.0 - betas[1] ** t)) + eps)
    yield x, x


def plain(x, rates):
    for rate in rates:
        g = yield x, x
        x = x - rate * g
    yield x, x


METHODS = {"gd": plain, "momentum": momentum, "nesterov": nesterov, "adagrad": adagrad, "adam": adam}


def trajectory(method, gradient, x, rates, **settings):
    """x after every step, (steps + 1, N)."""
    run = METHODS[method](np.array(x, dtype=float), rates, **settings)
    asked, here = next(run)
    path = [here]
    for _ in rates:
        asked, here = run.send(gradient(asked))
        path.append(here)
    return np.array(path)


def schedule(name, steps, horizon=None, every=None, decay=0.1, warmup=0):
    """The factor of every step."""
    t = np.arange(steps)
    factor = np.ones(steps)
    if name == "cosine":
        factor = 0.5 * (1.0 + np.cos(np.pi * np.minimum(1.0, t / (steps if horizon is None else horizon))))
    if name == "step":
        factor = decay ** (t // every)
    return np.where(t < warmup, factor * (t + 1) / max(warmup, 1), factor)
