"""All ranks of a reduced-rank regression: against one rank, the closed form in NumPy, and scikit-learn's peers.

Run: python benchmarks/bench_estimators.py [--threads N] [--yeast PATH]

The yeast data (2417 genes, 103 features, 14 labels) come in the wheel of ``river``: install it without its
dependencies (python -m pip install --no-deps river), or give the path of yeast.csv.gz or of the wheel.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import zipfile
from pathlib import Path

import timing

THREADS = timing.pin_threads()

import numpy as np  # noqa: E402
from sklearn.cross_decomposition import PLSRegression  # noqa: E402
from sklearn.decomposition import PCA  # noqa: E402
from sklearn.linear_model import LinearRegression, Ridge  # noqa: E402
from sklearn.model_selection import GridSearchCV  # noqa: E402

from landscape_cpp.estimators import LinearAutoencoder, ReducedRankRegressor  # noqa: E402


def yeast(path: str | None) -> tuple[np.ndarray, np.ndarray]:
    """Features (2417, 103) and labels (2417, 14)."""
    if path is None:
        spec = importlib.util.find_spec("river")  # found, not imported: its dependencies are not needed
        if spec is None or not spec.submodule_search_locations:
            raise SystemExit(
                "install river without its dependencies (pip install --no-deps river), or give --yeast PATH"
            )
        path = str(Path(spec.submodule_search_locations[0]) / "datasets" / "yeast.csv.gz")
    if path.endswith(".whl"):
        packed = zipfile.ZipFile(path).read("river/datasets/yeast.csv.gz")
    else:
        packed = Path(path).read_bytes()
    table = np.loadtxt(gzip.decompress(packed).decode().splitlines(), delimiter=",", skiprows=1)
    return np.ascontiguousarray(table[:, :103]), np.ascontiguousarray(table[:, 103:])


def closed_form(X: np.ndarray, Y: np.ndarray) -> np.ndarray:
    """Objective of every rank from the singular values of the fitted values: least squares by SVD of X."""
    x, y = X - X.mean(axis=0), Y - Y.mean(axis=0)
    left = np.linalg.svd(x, full_matrices=False)[0]
    fitted = left @ (left.T @ y)
    lost = np.linalg.svd(fitted, compute_uv=False)[::-1] ** 2
    return ((y - fitted) ** 2).sum() + np.append(np.cumsum(lost)[::-1], 0.0)


def one_rank_in_numpy(X: np.ndarray, Y: np.ndarray, rank: int) -> np.ndarray:
    """The coefficients of one rank as textbooks write them."""
    x, y = X - X.mean(axis=0), Y - Y.mean(axis=0)
    full = np.linalg.lstsq(x, y, rcond=None)[0]
    rows = np.linalg.svd(x @ full, full_matrices=False)[2][:rank]
    return (full @ rows.T @ rows).T


def ranks(name: str, X: np.ndarray, Y: np.ndarray) -> None:
    most = min(X.shape[1], Y.shape[1])
    middle = most // 2

    def ours(rank: int | None, **settings: object) -> ReducedRankRegressor:
        return ReducedRankRegressor(rank=rank, n_threads=THREADS, **settings).fit(X, Y)

    objectives = ours(None).objectives_
    error = np.abs(objectives / closed_form(X, Y)[: most + 1] - 1.0).max()
    print(f"\n{name}: objectives of ranks 0 to {most} differ from the closed form by {error:.1e} relative")
    if not error < 1e-10:
        raise SystemExit("the objectives are wrong")

    def all_ranks() -> list[np.ndarray]:
        model = ours(None)
        return [model.at_rank(rank).coef_ for rank in range(most + 1)]

    rivals = {
        f"ours, rank {middle}": lambda: ours(middle),
        f"ours, all {most + 1} ranks and their coefficients": all_ranks,
        f"NumPy, rank {middle} (lstsq, then SVD)": lambda: one_rank_in_numpy(X, Y, middle),
        "scikit-learn LinearRegression (no rank)": lambda: LinearRegression().fit(X, Y),
        "scikit-learn Ridge(alpha=1) (no rank)": lambda: Ridge(alpha=1.0).fit(X, Y),
        f"scikit-learn PLSRegression, {middle} components": lambda: PLSRegression(middle).fit(X, Y),
    }
    if len(X) < 10_000:
        every = range(most + 1)
        rivals[f"NumPy, all {most + 1} ranks one by one"] = lambda: [one_rank_in_numpy(X, Y, r) for r in every]
    title = f"{name}: {X.shape[0]} x {X.shape[1]} -> {Y.shape[1]}, {THREADS} thread(s)"
    timing.report(title, timing.compare(rivals, repeat=5, rest=0.2), f"ours, rank {middle}")

    grid = {"rank": list(range(most + 1))}
    rivals = {
        "ours, rank='cv', 5 folds": lambda: ours("cv"),  # type: ignore[arg-type]
        "GridSearchCV over the ranks, 5 folds": lambda: GridSearchCV(
            ReducedRankRegressor(n_threads=THREADS), grid, cv=5, scoring="neg_mean_squared_error"
        ).fit(X, Y),
    }
    timing.report(f"{name}: choosing the rank", timing.compare(rivals, repeat=2, rest=0.2), "ours, rank='cv', 5 folds")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int)
    parser.add_argument("--yeast")
    ranks("yeast", *yeast(parser.parse_args().yeast))

    rng = np.random.default_rng(0)
    X = rng.standard_normal((50_000, 200))
    Y = X @ rng.standard_normal((200, 5)) @ rng.standard_normal((5, 40)) + rng.standard_normal((50_000, 40))
    ranks("planted rank 5", X, Y)

    rivals = {
        "ours, LinearAutoencoder(20)": lambda: LinearAutoencoder(20, n_threads=THREADS).fit(X),
        "scikit-learn PCA(20), svd_solver='covariance_eigh'": lambda: PCA(20, svd_solver="covariance_eigh").fit(X),
        "scikit-learn PCA(20), svd_solver='full'": lambda: PCA(20, svd_solver="full").fit(X),
    }
    seconds = timing.compare(rivals, repeat=5, rest=0.2)
    timing.report("linear auto-encoder, 50000 x 200", seconds, "ours, LinearAutoencoder(20)")


if __name__ == "__main__":
    main()
