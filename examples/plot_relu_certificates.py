"""
How far is a ReLU network from the best of any width?
=====================================================

A trained network is where its optimiser stopped. With weight decay, the best value over all weights and *all widths* is
the minimum of a convex problem (Theorems 1.9 and 1.10), so it can be bounded from below by a number that anybody can
check. What that takes is one maximum over directions, the *polar*. This page says where it is exact, where it is
bounded, and what is open.
"""

# %%
# A network from scikit-learn
# ---------------------------
# Diabetes progression from body mass index and a blood value: 442 patients, two inputs, one hidden layer of 20 units.

import warnings

import matplotlib.pyplot as plt
import numpy as np
import scipy.optimize
from sklearn.datasets import load_diabetes
from sklearn.neural_network import MLPRegressor

import landscape_cpp as ls
from landscape_cpp import plotting

data = load_diabetes()
columns = [data.feature_names.index(name) for name in ("bmi", "s5")]
X = data.data[:, columns] * np.sqrt(len(data.data))
y = (data.target - data.target.mean()) / data.target.std()

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    model = MLPRegressor(
        hidden_layer_sizes=(20,),
        alpha=5.0,
        solver="lbfgs",
        max_iter=2000,
        tol=1e-10,
        random_state=0,
    ).fit(X, y)

land, p = ls.from_sklearn(model, X, y)
print(land)
print(land.certify(p))

# %%
# The certificate holds over all widths, for scikit-learn's objective: biases without decay, λ = ``alpha``. In two
# dimensions nothing about it is approximate. ``verify`` repeats it in NumPy.

print(ls.verify(land.certify(p), land, p))

# %%
# The polar on the circle
# -----------------------
# Now weights of our own, with penalised biases left out for the picture: a network of the two inputs alone, trained by
# L-BFGS from small weights and then cut down to its largest units, so that something is missing.

nn = ls.ParallelNetwork(X, y, lam=20.0)


def train(nn, width, seed):
    """L-BFGS on the weights of a width."""
    start = 0.1 * np.random.default_rng(seed).standard_normal(
        sum(np.prod(shape) for shape in nn.shapes(width))
    )

    def objective(x):
        value, gradient = nn.value_and_gradient(nn.unpack(x), n_threads=1)
        return value, nn.pack(gradient)

    return nn.unpack(
        scipy.optimize.minimize(objective, start, jac=True, method="L-BFGS-B").x
    )


narrow = train(nn, 1, seed=0)
certificate = nn.certify(narrow)
print(certificate)

# %%
# One unit is not enough. A new unit with input weights v changes the objective, to first order, by λ minus the height
# of this curve: above the dashed line it helps. Each sample is a kink, there it changes sides.

unit = certificate.witness
wider = tuple(np.hstack([own, new]) for own, new in zip(narrow, unit))
print(f"{certificate.reason}: from {nn.value(narrow):.6f} to {nn.value(wider):.6f}")

fig, axes = plt.subplots(1, 2, figsize=(11.0, 3.9), layout="constrained")
best = train(nn, 10, seed=1)
plotting.plot_polar(nn, narrow, ax=axes[0])
plotting.plot_polar(nn, best, ax=axes[1])
axes[0].set_title("one unit: " + axes[0].get_title())
axes[1].set_title("ten units, trained: " + axes[1].get_title())
axes[1].set_ylabel("")
print(nn.certify(best))

# %%
# At an optimum the curve touches λ where the units are, and nowhere exceeds it. L-BFGS comes close; units at an optimum
# sit on kinks, where the gradient jumps and smooth optimisers creep.
#
# On the sphere
# -------------
# A third input, or a bias: now the directions are a sphere, each sample cuts it along a great circle, and the maximum
# lies in one of the cells. All of them are visited, in O(m² log m).

three = ls.ParallelNetwork(X[:150], y[:150], lam=8.0, bias=True)
zero = tuple(np.zeros(shape) for shape in three.shapes(0))
fig, ax = plt.subplots(figsize=(9.0, 4.4), layout="constrained")
plotting.plot_polar(three, zero, ax=ax)
bounds = three.polar(zero)
print(
    f"{bounds.method}: {bounds.work} great circles, the two sides differ by {bounds.upper / bounds.lower - 1:.1e}"
)

# %%
# What is exact, what is bounded, what is open
# --------------------------------------------
# In higher dimensions the number of cells grows like m to the power d - 1, and finding the maximum is hard in general.
# From below a local search finds good units but never proves that it has found the best. From above there is a ladder
# of bounds: the product of two norms, a diagonal semidefinite relaxation, and branch and bound on the signs of samples
# with doubly nonnegative relaxations, which converges but may need many nodes. Here on the first 30 patients, with one
# input after the other, at trained networks: many directions are nearly as good as the best there, and that is where
# the relaxations are loosest. At most 200 nodes each.

names = ("spectral", "shor", "branch-and-bound", "faces")
ratios = {name: [] for name in names}
dimensions = range(2, 11)
scaled = data.data[:30] * np.sqrt(len(data.data))
for d in dimensions:
    problem = ls.ParallelNetwork(scaled[:, :d], y[:30], lam=2.0)
    trained = train(problem, 30, seed=0)
    lower = problem.polar(trained, starts=1000).lower
    for name in names:
        exact = name == "faces"
        if exact and d > 3:
            ratios[name].append(np.nan)
            continue
        upper = problem.polar(trained, method=name, max_nodes=200).upper
        ratios[name].append(upper / lower)

fig, ax = plt.subplots(figsize=(7.0, 3.8), layout="constrained")
colours = (plotting.VERMILLION, plotting.ORANGE, plotting.BLUE, plotting.GREEN)
for name, colour, marker in zip(names, colours, "^sox"):
    ax.plot(list(dimensions), ratios[name], marker=marker, color=colour, label=name)
ax.axhline(1.0, color=plotting.GREY, lw=0.8)
ax.set_xlabel("inputs")
ax.set_ylabel("upper bound / best value found")
ax.legend(frameon=False)
for name in names:
    print(f"{name:18}", " ".join(f"{ratio:5.2f}" for ratio in ratios[name]))

# %%
# The gap of a certificate can be no better than its bound of the polar. The certificate says which bound it rests on,
# and a gap that is not small is no proof that the network is bad. Open: a bound for subnetworks of more than one hidden
# layer that is better than the product of norms.
