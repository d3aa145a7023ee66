"""
Which optimiser leaves which saddle
===================================

Near a saddle the gradient is small, and an optimiser that trusts it stops there and reports success. On linear networks
every saddle is known, and so is the minimum: one can count.
"""

# %%
# The race
# --------
# A 20-8-10 network has a critical subspace for each choice of eight of its ten directions. One is the global minimum,
# 44 are saddles. Every method starts around each of them, at distances from 1e-8 to 1e-2.

import matplotlib.pyplot as plt
import numpy as np

import landscape_cpp as ls
from landscape_cpp import plotting

rng = np.random.default_rng(0)
X = rng.standard_normal((500, 20))
Y = X @ rng.standard_normal((20, 10)) / 4 + 0.5 * rng.standard_normal((500, 10))
cov = ls.Covariances.from_data(X, Y)
net = ls.ShallowLinear(cov, 8)
distances = (1e-8, 1e-6, 1e-4, 1e-2)
race = ls.experiments.escape_race(net, distances=distances, seeds=2, steps=3000)
print(race)

plotting.plot_race(race)
plt.show()

# %%
# Closer than the tolerance of the gradient the methods of first order stay, and call it converged. Noise, negative
# curvature and this library's witnesses leave every strict saddle. SciPy beside them, on five of the saddles:

few = tuple(
    np.stack(blocks) for blocks in zip(*ls.experiments.saddles_of(net, 5), strict=True)
)
peers = [
    "scipy trust-krylov",
    "scipy Newton-CG",
    "scipy L-BFGS-B",
    "trust_region",
    "escape",
]
print(
    ls.experiments.escape_race(
        net, few, methods=peers, distances=distances, seeds=2, steps=3000
    )
)

# %%
# Saddles of higher order
# -----------------------
# At the origin of a network with two hidden layers the Hessian vanishes, with three the third derivative as well. There
# curvature is no help: from 1e-12 away only the curve of order L (THEORY 3.5) leads down at once.

for hidden in ((8, 8), (8, 8, 8, 8)):
    deep = ls.DeepLinear(cov, hidden)
    origin = tuple(np.zeros(shape) for shape in deep.shapes)
    methods = ["gd", "lbfgs", "newton_cg", "trust_region", "escape"]
    print(
        ls.experiments.escape_race(
            deep, origin, methods=methods, distances=(1e-12, 1e-2), seeds=4, steps=3000
        )
    )

# %%
# A batch as a fan
# ----------------
# A hundred starts from small weights: the bands hold half, 80 % and all of the runs.

results = {
    method: ls.train(net, 100, method=method, init="small", steps=200, record=2)
    for method in ("gd", "lbfgs", "trust_region")
}
plotting.plot_fan(results)
plt.show()

# %%
# Where they end: near a saddle at 1e-9 gradient descent does not move.

narrow = ls.ShallowLinear(cov, 2)
stuck = ls.train(narrow, 20, around=narrow.critical_point((0, 2)), distance=1e-9)
print(stuck)
plotting.plot_ends(stuck, max_count=10)
plt.show()

# %%
# The ways on the plane through the minimum and two saddles
# ----------------------------------------------------------

ways = ls.train(narrow, 12, steps=300, record=1, observe=("points",))
names = {
    "minimum": narrow.global_minimum(),
    "saddle {0, 2}": narrow.critical_point((0, 2)),
    "saddle {1, 2}": narrow.critical_point((1, 2)),
}
plotting.plot_trajectories(ways, names)
plt.show()

# %%
# What the Hessian looks like there: its spectral density, by stochastic Lanczos quadrature.

saddle = net.critical_point((0, 1, 2, 3, 4, 5, 6, 8))
plotting.plot_density(
    {
        "at a saddle": ls.curvature.spectral_density(net, saddle),
        "at the minimum": ls.curvature.spectral_density(net, net.global_minimum()),
    }
)
plt.show()

# %%
# Searching for the saddles
# -------------------------
# Where no formula lists them, ``find_critical_points`` goes down the gradient norm, polishes, and counts what symmetry
# connects once.

small = ls.MatrixFactorization(rng.standard_normal((6, 5)), lam=0.5)
print(ls.find_critical_points(small, 200, width=2))

# %%
# Width and the certified optimum
# -------------------------------
# For a ReLU network the optimum over all widths is proved by ``solve``. How many random starts of a given width does
# training take within one per cent of the proved bound?

Z = rng.standard_normal((60, 2))
y = np.sin(2 * Z[:, 0]) + Z[:, 1] ** 2 / 2 + 0.1 * rng.standard_normal(60)
nn = ls.ParallelNetwork(Z, y - y.mean(), lam=0.5, bias=True)
share = ls.experiments.width_share(nn, [5, 10, 20, 40], 40)
print(share)
