"""
The landscape of a shallow linear network
=========================================

A linear network with one hidden layer predicts U Vᵀ x. As a function of the product Z = U Vᵀ the mean squared error is
a parabola; as a function of the weights ::

    R(U, V) = (1/m) Σ_i |y_i - U Vᵀ x_i|²

it is not convex, and training can stop at a saddle. Everything about this landscape is known in closed form, for any
data and any width, and this guide asks the library for it: where the minimum is, where the saddles are, what a point
is, and which way leads down.
"""

# %%
# Data and network
# ----------------
# Samples are rows. ``Covariances`` reads the data once and keeps the second moments; from then on nothing depends on
# the number of samples. Here: handwritten digits, 64 grey values to ten classes, through four hidden units.

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import minimize
from sklearn.datasets import load_digits

import landscape_cpp as ls
from landscape_cpp import plotting

X, label = load_digits(return_X_y=True)
Y = np.eye(10)[label]
cov = ls.Covariances.from_data(
    X, Y, center=True
)  # centred: the network has an intercept
net = ls.ShallowLinear(cov, n_hidden=4)
print(cov)
print(net, "with", net.size, "weights")

# %%
# What can be reached
# -------------------
# The minimum over all weights is the error of the best linear map plus the eigenvalues of Σ = Syx Sxx⁺ Sxy that do not
# fit through the hidden layer (Theorem B).

spectrum = cov.spectrum()
print("value at zero weights:     ", round(spectrum.total, 6))
print("best linear map:           ", round(spectrum.minimum_risk, 6))
print("minimum, four hidden units:", round(net.minimum_value, 6))
print("eigenvalues of Σ:", spectrum.eigenvalues.round(4))

# %%
# Where an optimiser can stop
# ---------------------------
# At a critical point the network uses some of the eigenvectors of Σ, at most one per hidden unit, and the value
# tells which (Theorem A). The ladder lists the values from the bottom up. Its Morse index counts the directions that
# lead down from a rung.

print(net.critical_values(max_count=5))
fig, ax = plotting.plot_ladder(net)
plt.show()

# %%
# What is this point?
# -------------------
# ``classify`` says what any point is, with the numbers behind the verdict. Take the saddle that uses the eigenvectors
# 0, 1, 2 and 4 instead of 0, 1, 2 and 3:

saddle = net.critical_point([0, 1, 2, 4])
print(net.classify(saddle))

# %%
# A strict saddle comes with a direction along which the value bends down. It can be checked by substitution:

escape = net.escape_direction(saddle)
print("formula:     ", escape.curvature)
print("substitution:", net.curvature(saddle, escape.direction))
step = 1e-3
there, back = (
    tuple(w + s * d for w, d in zip(saddle, escape.direction)) for s in (step, -step)
)
print(
    "differences: ",
    (net.value(there) - 2 * net.value(saddle) + net.value(back)) / step**2,
)

# %%
# The plane through the global minimum and two saddles
# ----------------------------------------------------
# On any plane the value is a polynomial of degree four, so the picture is exact. The two minima differ in the sign of
# one hidden unit, in U and in V, and are the same network.

fig, ax = plotting.plot_slice(net)
plt.show()

# %%
# The spectrum of the Hessian shows the same: one negative eigenvalue at the saddle, none at the minimum, and many zeros
# at both, because U C and V C⁻ᵀ are the same network for every invertible C.

fig, ax = plotting.plot_spectrum(
    net, {"global minimum": net.global_minimum(), "saddle": saddle}
)
plt.show()

# %%
# How far from the best, and the way down
# ---------------------------------------
# ``certify`` works anywhere, critical or not. Its lower bound holds for all weights of this width, a rounding margin
# already subtracted. ``escape`` takes one step down: along the escape direction at a saddle, else along the negative
# gradient, to the lowest point of the line.


def train(net, point):
    """Any optimiser will do; this is SciPy's trust region method on gradients and Hessian-vector products."""
    done = minimize(
        lambda x: net.value(net.unpack(x)),
        net.pack(point),
        jac=lambda x: net.pack(net.gradient(net.unpack(x))),
        hessp=lambda x, d: net.pack(net.hvp(net.unpack(x), net.unpack(d))),
        method="trust-ncg",
        options={"gtol": 1e-9, "maxiter": 1000},
    )
    return net.unpack(done.x), done.message


point, message = train(net, saddle)
print("from the saddle:", message, "->", net.certify(point).verdict)

# %%
# The optimiser was content at the saddle: the gradient vanishes there. One step along the escape direction and it goes
# on, and now the verdict is a proof.

point, message = train(net, net.escape(saddle))
print("after one escape step:", message)
print(net.certify(point))

# %%
# The global minimum is also there in closed form:

print(net.certify(net.global_minimum()).verdict)

# %%
# Trained elsewhere
# -----------------
# Weights may come from anywhere: U is ``model[1].weight`` and V the transpose of ``model[0].weight`` of a PyTorch
# ``Sequential`` of two ``Linear`` layers. Many points go in one call, with a leading batch axis:

rng = np.random.default_rng(0)
batch = tuple(0.1 * rng.standard_normal((1000, *shape)) for shape in net.shapes)
found = net.classify(batch)
print(found)
print("gaps of the first three:", found.gap[:3].round(3))

# %%
# Degenerate data are normal: constant or collinear columns, fewer samples than inputs, repeated eigenvalues. Where
# rounding leaves a question open the verdict is *undetermined* or UNDECIDED, with the reason, and never a guess.

wide = ls.ShallowLinear(ls.Covariances.from_data(X[:20], Y[:20]), n_hidden=3)
print(wide.classify(wide.global_minimum()).kind, wide.cov.form)
