"""Pictures of the polar: what is drawn is what the library says."""

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from landscape_cpp import plotting

mpl.use("Agg")


@pytest.fixture
def ax():
    return Figure(layout="constrained").subplots()


def landscape(ls, rng, d, **options):
    X = rng.standard_normal((25, d))
    return ls.ParallelNetwork(X, np.sin(X[:, 0]), 0.5, **options)


@pytest.mark.parametrize(("d", "options"), [(2, {}), (1, {"bias": True})])
def test_the_curve_is_the_polar(ls, rng, ax, d, options):
    nn = landscape(ls, rng, d, **options)
    p = tuple(0.5 * rng.standard_normal(shape) for shape in nn.shapes(3))
    figure, axes = plotting.plot_polar(nn, p, ax=ax)
    assert axes is ax
    assert figure is ax.figure
    curve = np.asarray(ax.get_lines()[0].get_ydata())
    bounds = nn.polar(p)
    assert curve.max() <= bounds.upper
    assert curve.max() >= 0.999 * bounds.lower
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["λ", "kinks: a sample changes sides", "units at hand", "the largest"]
    star = next(line for line in ax.get_lines() if line.get_label() == "the largest")
    assert star.get_ydata()[0] == pytest.approx(bounds.lower, rel=1e-9)


@pytest.mark.parametrize(("d", "options"), [(3, {}), (2, {"bias": True})])
def test_the_map_is_the_polar(ls, rng, ax, d, options):
    nn = landscape(ls, rng, d, **options)
    plotting.plot_polar(nn, Q=nn.targets, resolution=200, ax=ax)
    values = ax.collections[0].get_array()
    bounds = nn.polar(Q=nn.targets)
    assert values.max() <= bounds.upper
    assert values.max() >= 0.99 * bounds.lower


def test_refused(ls, rng):
    with pytest.raises(TypeError, match="nn must be a ParallelNetwork"):
        plotting.plot_polar(3)
    with pytest.raises(ValueError, match="effective dimension 2 or 3, got 4"):
        plotting.plot_polar(landscape(ls, rng, 4), Q=np.ones(25))
    with pytest.raises(ValueError, match="single units"):
        plotting.plot_polar(landscape(ls, rng, 2, bias="free", intercept=True), Q=np.ones(25))
