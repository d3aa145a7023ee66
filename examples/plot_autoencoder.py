"""
The linear auto-encoder is principal component analysis
=======================================================

A linear auto-encoder minimises ::

    Σ_i |x_i - b - U Vᵀ (x_i - b)|²        over U and V with few columns

Its global minima are U = Q C, V = Q C⁻ᵀ with the leading principal axes Q and any invertible C (Baldi & Hornik 1989,
Theorem B with Y = X); :class:`landscape_cpp.estimators.LinearAutoencoder` takes the one with C = 1, as a scikit-learn
transformer.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from landscape_cpp.estimators import LinearAutoencoder

X, label = load_digits(return_X_y=True)
model = LinearAutoencoder(n_components=10).fit(X)
pca = PCA(10, svd_solver="full").fit(X)
difference = model.explained_variance_ratio_ - pca.explained_variance_ratio_
print("largest difference of the explained shares:", np.abs(difference).max())
print(model.certify())

# %%
# One factorisation gives the error of every width.

fig, ax = plt.subplots(figsize=(7.0, 3.6), layout="constrained")
ax.plot(np.arange(65), model.reconstruction_errors_, color="#0072B2", marker=".")
ax.axvline(10, color="#6E6E6E", linestyle="--", label="the width fitted")
ax.set_xlabel("hidden units")
ax.set_ylabel("mean squared error,\nsummed over 64 pixels (grey values²)")
ax.set_ylim(0.0, None)
ax.legend(frameon=False)
plt.show()

# %%
# What the hidden units look at, and what they keep of a few digits:

fig, axes = plt.subplots(3, 8, figsize=(7.2, 3.2), layout="constrained")
kept = model.inverse_transform(model.transform(X[:8]))
limit = np.abs(model.components_[:8]).max()
for row, images, options in (
    (axes[0], model.components_[:8], {"cmap": "PuOr", "vmin": -limit, "vmax": limit}),
    (axes[1], X[:8], {"cmap": "gray_r", "vmin": 0, "vmax": 16}),
    (axes[2], kept, {"cmap": "gray_r", "vmin": 0, "vmax": 16}),
):
    for ax, image in zip(row, images):
        ax.imshow(image.reshape(8, 8), **options)
        ax.set_xticks([])
        ax.set_yticks([])
for ax, text in zip(axes[:, 0], ["hidden units 0-7", "digits", "10 units keep"]):
    ax.set_ylabel(text, fontsize="x-small")
plt.show()

# %%
# A transformer like any other: in a pipeline, with a share of the variance instead of a width.

pipeline = make_pipeline(LinearAutoencoder(0.9), LogisticRegression(max_iter=2000))
print(
    "accuracy with 90 % of the variance:",
    cross_val_score(pipeline, X / 16, label, cv=5).mean().round(3),
)
print("hidden units:", LinearAutoencoder(0.9).fit(X).n_components_)
