"""
Saddles of deep linear networks
===============================

A deep linear network W_L ... W_1 x can be no better than the best linear map of its narrowest width, yet its landscape
has saddles that a shallow one has not: *non-strict* saddles, where no curvature is negative and every second-order
method is content. This guide looks at both kinds on real data and leaves them.
"""

# %%
# Three layers on the Linnerud data
# ---------------------------------
# Twenty people, three exercises (inputs), three body measures (targets). Two hidden layers of three and two units.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_linnerud
from sklearn.preprocessing import StandardScaler

import landscape_cpp as ls
from landscape_cpp import plotting

X, Y = (StandardScaler().fit_transform(part) for part in load_linnerud(return_X_y=True))
net = ls.DeepLinear(ls.Covariances.from_data(X, Y, center=True), hidden=(3, 2))
print(net, "with", net.size, "weights; minimum", round(net.minimum_value, 6))
for theorem in net.hypotheses:
    print("holds" if theorem.holds else "fails", " ", theorem.theorem)

# %%
# All critical values are known, as for one hidden layer (Theorem C). The kind is that of the point without weights
# beyond its signal:

print(net.critical_values())

# %%
# Two saddles of the same value
# -----------------------------
# Both use the first eigenvector only. The second one has one more weight, in W2, between hidden units that no signal
# passes: it changes neither the network nor its value, but it makes the pair (W3, W1) *loose*.

tight = net.critical_point([0])
loose = net.critical_point([0], strands=[(1, 2)])
print(net.classify(tight))
print()
print(net.classify(loose))

# %%
# The Hessian says the same: it has a negative eigenvalue at one and none at the other.

fig, ax = plotting.plot_spectrum(net, {"tight pivots": tight, "a loose pivot": loose})
plt.show()

# %%
# What the way down looks like
# ----------------------------
# From the strict saddle the value bends down along a straight line. At the non-strict one it is flat to second order
# along every line that leads down: it falls like the third power of the step, the number of layers. Both curves are
# polynomials, known exactly.

line = net.escape_direction(loose).scaled_direction
steps = np.linspace(0.0, 1.2, 121)
down = ls.slice(net, loose, line, s=steps)
missed = net.critical_point([0, 1])
towards = tuple(end - start for start, end in zip(tight, missed))
flat = ls.slice(net, tight, towards, s=steps)

fig, ax = plt.subplots(figsize=(7.0, 4.0), layout="constrained")
value = net.value(tight)
ax.plot(
    steps,
    flat.values - value,
    color="#0072B2",
    label="non-strict: along the missed direction",
)
ax.plot(
    steps,
    down.values - value,
    color="#D55E00",
    linestyle="--",
    label="strict: along the escape direction",
)
ax.axhline(0.0, color="#6E6E6E", linewidth=0.8)
ax.set_ylim(-0.011, 0.005)
ax.set_xlabel("step along the direction (1: the whole of it)")
ax.set_ylabel("value minus that of the saddles\n(mean squared error, unit variance)")
fig.legend(loc="outside lower center", frameon=False)
plt.show()
print("non-strict: slope, bend and third power", flat.coefficients[1:4].round(4))
print("strict:     slope, bend and third power", down.coefficients[1:4].round(4))

# %%
# The planes through these saddles and the global minimum:

fig, ax = plotting.plot_slice(net)
plt.show()

# %%
# Leaving them
# ------------
# ``escape`` takes the step of the right kind: an exact line search at a strict saddle, the end of a curve of order L
# at a non-strict one. There the value is lower by exactly the eigenvalue that was missed.

for name, point in {"tight": tight, "loose": loose}.items():
    found = net.classify(point)
    after = net.escape(point)
    print(
        f"{name}: {found.kind}, {found.value:.6f} -> {net.value(after):.6f}, now {net.classify(after).kind}"
    )

# %%
# The whole way down
# ------------------
# ``descent_path`` goes from any critical point to a global minimum and never up: swaps of eigenvectors for better ones,
# a flat segment, then one descent of order L for each eigenvector that is missing. All values are known in closed form;
# ``verify`` evaluates the landscape along the way and compares.

path = net.descent_path(net.critical_point([2]))
print(path)
print(path.verify(net))
fig, ax = path.plot()
plt.show()

# %%
# What training does there
# ------------------------
# ``train`` runs gradient descent from many starts at once. From small weights it goes from saddle to saddle, down the
# ladder: near zero the network has no negative curvature, but it does leave. On white inputs (here the principal
# components, scaled) and from balanced weights aligned with the data the flow is solvable, and says when.

components = np.linalg.svd(X, full_matrices=False)[0] * np.sqrt(len(X))
white = ls.DeepLinear(ls.Covariances.from_data(components, Y), net.hidden)
flow = white.balanced_flow(0.01, [0.0])
rate = 0.1
settings = {
    "steps": int(2.5 * flow.half_times.max() / rate),
    "learning_rate": rate,
    "tol": 0,
    "record": 50,
}
random = ls.train(white, 10, init="balanced", scale=0.01, **settings)
aligned = ls.train(white, white.balanced_start(0.01), **settings)
print(random.summary())
fig, ax = plotting.plot_training(random, also={"aligned": aligned}, flow=flow)
plt.show()

# %%
# ``certify`` works anywhere, critical or not: the gap to the minimum over all weights is exact.

print(net.certify(net.escape(tight)))
