"""Draw the picture of the README and of the front page, docs/_static/slice.png: python tools/readme_picture.py."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

import landscape_cpp as ls
from landscape_cpp import plotting


def main() -> None:
    """Digits through eight hidden units: the plane through the global minimum and two saddles."""
    X, label = load_digits(return_X_y=True)
    net = ls.ShallowLinear(ls.Covariances.from_data(X, np.eye(10)[label]), n_hidden=8)
    figure = Figure(figsize=(6.6, 6.4), layout="constrained")
    plotting.plot_slice(net, value_label="mean squared error, summed over the ten classes", ax=figure.subplots())
    figure.savefig(Path(__file__).parent.parent / "docs" / "_static" / "slice.png", dpi=110)


if __name__ == "__main__":
    main()
