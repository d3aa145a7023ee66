"""
A ReLU network trained to a certified optimum
=============================================

With weight decay, the best network over all weights *and all widths* is the solution of a convex problem (Theorem
1.10). ``solve`` finds it: it starts with no unit, adds those that the polar shows to be missing, and stops when the
duality gap is proved. No width, no learning rate and no seed is chosen, and the same data give the same objective
everywhere.
"""

# %%
# Two moons
# ---------
# Two hundred samples, two classes, the logistic loss.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes, make_moons

import landscape_cpp as ls
from landscape_cpp import plotting
from landscape_cpp.estimators import CertifiedReLUClassifier, CertifiedReLURegressor

X, y = make_moons(200, noise=0.2, random_state=0)
nn = ls.ParallelNetwork(X, y, lam=0.1, loss="logistic", bias=True, intercept=True)
solution = nn.solve(tol=1e-6)
print(solution)

plotting.plot_decision(nn, solution.point)
plt.show()

# %%
# Each line is where one unit switches. The proof does not rest on the solver: ``verify`` repeats it in NumPy.

print(ls.verify(solution.certificate, nn, solution.point))

# %%
# Value and bound
# ---------------
# The objective comes down from above, the proved bound up from below.

plotting.plot_solution(solution)
plt.show()

# %%
# A path on which the objective never rises
# -----------------------------------------
# Theorem 1.10 as an object: from thirty random units down to the certified network, by descent, slides along plateaus,
# new units and a straight blend. ``verify`` evaluates the objective on a fine grid of every segment.

rng = np.random.default_rng(0)
start = tuple(rng.standard_normal(shape) for shape in nn.shapes(30))
path = nn.descent_path(start, solution)
print(path)
print(path.verify(301))
path.plot()
plt.show()

# %%
# The plateau slide
# -----------------
# Units that are split in parts compute the same at the same penalty: a plateau. ``slide`` moves along it to its edge,
# where the outputs of the units are independent (Figure 1.2); on the way the objective is constant.

parts = np.sqrt([0.6, 0.3, 0.1])
split = (
    *(np.hstack([s * block for s in parts]) for block in solution.point[:2]),
    solution.point[2],
)
slide = nn.slide(split, method="null-vector")
_, values = slide.values(11)
print(
    f"{split[0].shape[1]} units before, {np.count_nonzero(np.linalg.norm(slide.end[0], axis=0))} after"
)
print(f"the objective varies by {np.ptp(values):.1e}")

# %%
# As a scikit-learn estimator
# ---------------------------
# Diabetes progression from body mass index and a blood value; λ by cross-validation.

data = load_diabetes()
columns = [data.feature_names.index(name) for name in ("bmi", "s5")]
model = CertifiedReLURegressor(lam="cv", lams=6, random_state=0).fit(
    data.data[:, columns], data.target
)
print(
    f"lam {model.lam_:.3g}, {model.n_units_} units, R^2 {model.score(data.data[:, columns], data.target):.3f}"
)
print(model.certificate_)

# %%
# Beyond three dimensions
# -----------------------
# With ten inputs no exact polar is at hand. The network is as good as the search makes it; what is *proved* is a gap,
# and the estimator warns. The number says how much is known, not how much is missing.

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    wide = CertifiedReLUClassifier(lam=5.0).fit(
        data.data, data.target > np.median(data.target)
    )
print(
    f"{wide.n_units_} units, objective {wide.objective_:.4f}, bound {wide.certificate_.lower_bound:.4f}"
)
