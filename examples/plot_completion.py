"""
Half a photograph, completed with a proof
=========================================

A table with holes (ratings, sensors, pixels) is completed by the matrix of smallest nuclear norm that fits what is
there. Everyone computes it by training two factors, a problem that is not convex, and everyone stops somewhere. Here
the answer comes with a proof of how far it can be from the optimum, and so can the answers of others.
"""

# %%
# Half of the pixels are gone
# ---------------------------
# One of scikit-learn's two photographs, in grey and at half its size: a table of 214 x 320 numbers between 0 and 1. We
# keep each with probability one half.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_sample_image
from sklearn.decomposition import TruncatedSVD

import landscape_cpp as ls
from landscape_cpp import plotting
from landscape_cpp.estimators import MatrixCompleter

photograph = load_sample_image("flower.jpg")[::2, ::2].mean(axis=2) / 255.0
lost = np.random.default_rng(0).uniform(size=photograph.shape) < 0.5
table = np.where(lost, np.nan, photograph)
print(table.shape, "pixels,", int(lost.sum()), "of them lost")

# %%
# ``MatrixCompleter`` is an imputer: NaN goes in, numbers come out. It minimises half the sum of squared errors at the
# pixels that are there plus λ times the nuclear norm, over all matrices, or, which is the same, over all pairs of
# factors of all widths. No rank was given. ``lam="cv"`` would choose λ by pixels that it hides from itself.

model = MatrixCompleter(lam=1.0, center="mean", n_threads=1)
completed = model.fit_transform(table)
print("rank", model.rank_, "of", min(table.shape))
print(model.certificate_)

# %%
# The certificate is no claim of the solver. ``verify`` recomputes it in NumPy, from the data and the point.

print(bool(ls.verify(model.certificate_, model.landscape_, model.point_)))

# %%


def decibel(image):
    """Peak signal-to-noise ratio at the lost pixels, whose true values are known here."""
    return -10.0 * np.log10(np.mean((image - photograph)[lost] ** 2))


grey = plt.get_cmap("gray").with_extremes(bad=plotting.VERMILLION)
fig, axes = plt.subplots(1, 3, figsize=(11.0, 3.1), layout="constrained")
pictures = {
    "what is left (lost pixels in orange)": table,
    f"completed, rank {model.rank_}, {decibel(completed):.1f} dB": completed,
    "the photograph": photograph,
}
for ax, (title, image) in zip(axes, pictures.items()):
    ax.imshow(image, cmap=grey, vmin=0.0, vmax=1.0, interpolation="nearest")
    ax.set_title(title, fontsize=10)
    ax.set_axis_off()
plt.show()

# %%
# What a proof costs
# ------------------
# The solver widens the factors until no unit is missing. From above comes the objective of the factors, from below the
# value of the dual problem; the optimum lies between. Their distance is the gap, and the gap is what the solver stops
# by: small steps and small gradients do not say how much is left. The curve is known only afterwards, when the optimum
# is; the crosses are known at their time, each the end of a run that was asked for 10⁻¹, 10⁻², ... and proved it.

trace, land = model.trace_, model.landscape_
value, bound = model.certificate_.value, model.certificate_.lower_bound
runs = [land.solve(tol=10.0**-k, n_threads=1) for k in range(1, 7)]
fig, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.6), layout="constrained")
left.semilogy(
    trace.seconds,
    (trace.value - bound) / value,
    "o-",
    color=plotting.BLUE,
    label="above the optimum, rounds of one run",
)
left.semilogy(
    [run.seconds for run in runs],
    [run.certificate.relative_gap for run in runs],
    "x",
    color=plotting.VERMILLION,
    markersize=8,
    markeredgewidth=2,
    label="proved gap, the ends of six runs",
)
left.set_xlabel("time (s)")
left.set_ylabel("share of the optimum")
left.legend(frameon=False)
right.step(trace.seconds, trace.width, where="post", color=plotting.BLUE)
right.axhline(model.rank_, color=plotting.GREY, linestyle=":")
right.set_xlabel("time (s)")
right.set_ylabel("columns of the factors")
plt.show()

# %%
# Somebody else's answer
# ----------------------
# ``from_factors`` takes the factors of any package and makes of them a point of the same landscape, where ``certify``
# says how far they are from the optimum. A popular way to fill holes repeats a truncated SVD: fill them with the mean,
# keep the leading terms, fill the holes with those, and again. It bounds the rank and has no penalty, so it need not be
# good at ours. The rank has to be given; we give it the one found above.

centred = table - model.center_
answers = {"nuclear norm": model.point_}
filled = np.where(lost, 0.0, centred)
for rounds in range(1, 21):
    svd = TruncatedSVD(model.rank_, algorithm="randomized", random_state=0)
    factors = svd.fit_transform(filled), svd.components_
    filled = np.where(lost, factors[0] @ factors[1], centred)
    if rounds in (1, 20):
        name = "one SVD" if rounds == 1 else f"{rounds} SVDs"
        land, answers[name] = ls.from_factors(
            centred, model.lam_, components=factors, mask="nan"
        )
for name, point in answers.items():
    certificate = land.certify(point, n_threads=1)
    image = np.where(lost, land.predict(point) + model.center_, table)
    print(
        f"{name:13} objective {certificate.value:9.4f}, at most {certificate.relative_gap:8.2g} of it above the "
        f"optimum: {certificate.verdict}; {decibel(image):.1f} dB"
    )

# %%
# At a point far from the optimum the bound is loose: 20 SVDs are a quarter of their objective above the optimum, and a
# certificate of that point alone cannot prove more than two thirds. But NOT_GLOBAL is a proof as well: it comes with
# a step that lowers the objective.
#
# The objective is what the certificate is about, not the picture: whether a smaller objective is a better photograph
# is up to the penalty, and to λ. But who compares two penalties by two runs that stopped somewhere compares the runs.

# %%
# More light, less light
# ----------------------
# A path of λ, each solution started from the one before and each with its proof: the singular values of the picture
# are not cut but lowered by λ, so that the rank grows as λ falls.

lams = np.geomspace(model.landscape_.lambda_max, 0.5, 7)
path = model.landscape_.path(lams, tol=1e-4, n_threads=1)
quality = [
    decibel(model.landscape_.predict(found.point) + model.center_) for found in path
]
fig, ax = plt.subplots(figsize=(7.0, 3.8), layout="constrained")
ax.semilogx(lams, quality, "o-", color=plotting.BLUE)
for lam, quality_here, found in zip(lams, quality, path):
    ax.annotate(
        f"rank {found.rank}",
        (lam, quality_here),
        xytext=(6, -12),
        textcoords="offset points",
        fontsize=9,
    )
ax.invert_xaxis()
ax.margins(x=0.12, y=0.12)
ax.set_xlabel("λ")
ax.set_ylabel("lost pixels, signal to noise (dB)")
plt.show()
print("largest proved gap:", f"{max(f.certificate.relative_gap for f in path):.1e}")
