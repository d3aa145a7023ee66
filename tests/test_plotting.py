"""Pictures: what is drawn is what the library says, nothing overlaps the data, and bad input is refused by name."""

import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from landscape_cpp import plotting
from landscape_cpp._planes import plane_through, saddle_plane_points

mpl.use("Agg")


@pytest.fixture
def ax():
    return Figure(layout="constrained").subplots()


def diagonal(ls, values, n_hidden, n_inputs=None):
    """Uncorrelated inputs of unit variance, Σ = diag(values)."""
    n2 = len(values)
    n0 = n_inputs or n2
    xy = np.zeros((n0, n2))
    np.fill_diagonal(xy, np.sqrt(values))
    return ls.ShallowLinear(ls.Covariances(xx=np.eye(n0), xy=xy, yy=np.diag(np.asarray(values) + 1.0)), n_hidden)


def labels(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def assert_legend_is_beside_the_data(figure, ax):
    figure.draw_without_rendering()
    legend, data = ax.get_legend().get_window_extent(), ax.get_window_extent()
    assert legend.y1 <= data.y0 or legend.y0 >= data.y1


def heights(ax):
    """The rungs drawn: y of the thick horizontal segments."""
    collection = max(ax.collections, key=lambda c: c.get_linewidth()[0] if c.get_linewidth().size else 0.0)
    return [segment[0][1] for segment in collection.get_segments()]


# --- the ladder -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("max_count", [1, 5, 100])
def test_the_ladder_is_the_critical_values(ls, ax, max_count):
    net = diagonal(ls, [5.0, 3.0, 2.0, 1.0], 2)
    figure, same = plotting.plot_ladder(net, max_count=max_count, ax=ax)
    assert (figure, same) == (ax.figure, ax)
    rungs = net.critical_values(max_count=max_count)
    np.testing.assert_allclose(heights(ax), [rung.value for rung in rungs])
    assert len(rungs) == min(max_count, 11)
    assert ax.get_xticklabels()[0].get_text() == "0-1"
    assert ax.get_title() == ("All critical values" if max_count == 100 else f"The lowest {max_count} critical values")
    assert_legend_is_beside_the_data(figure, ax)


def test_points_are_lines_across_the_ladder(ls, ax, rng):
    net = diagonal(ls, [5.0, 3.0, 2.0], 2)
    p = tuple(rng.standard_normal(shape) for shape in net.shapes)
    plotting.plot_ladder(net, points={"trained": p, "zero": net.critical_point([])}, ax=ax)
    lines = {line.get_label(): line.get_ydata()[0] for line in ax.get_lines()}
    assert lines == {"trained": net.value(p), "zero": net.value(net.critical_point([]))}
    assert {"trained", "zero", "global minimum", "strict saddle"} == set(labels(ax))


@pytest.mark.parametrize("values", [[1.0], [2.0, 2.0, 2.0], [0.0]])
def test_ladders_of_one_value(ls, ax, values):
    net = diagonal(ls, values, 3)
    plotting.plot_ladder(net, ax=ax)
    assert len(heights(ax)) == len(net.critical_values(max_count=24))


# --- the plane --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "n_hidden", "kinds"),
    [
        ([5.0, 3.0, 2.0, 1.0], 2, ["strict_saddle", "global_minimum", "strict_saddle"]),  # swap
        ([5.0, 3.0], 4, ["global_minimum", "strict_saddle", "strict_saddle"]),  # width above the rank
        ([5.0, 3.0, 3.0], 2, ["global_minimum", "strict_saddle", "strict_saddle"]),  # no swap from equal eigenvalues
        ([5.0], 1, ["strict_saddle", "global_minimum", "global_minimum"]),  # one direction only
    ],
)
def test_the_default_plane_holds_the_minimum_and_saddles(ls, ax, values, n_hidden, kinds):
    net = diagonal(ls, values, n_hidden, n_inputs=5)
    points, _ = saddle_plane_points(net)
    assert [net.classify(p).kind for p in points.values()] == kinds
    assert [str(net.classify(p).kind).replace("_", " ") in name for name, p in points.items()] == [True] * 3
    figure, _ = plotting.plot_slice(net, ax=ax)
    arrows = sum("second derivative" in text for text in labels(ax))
    assert arrows == kinds.count("strict_saddle")
    assert_legend_is_beside_the_data(figure, ax)
    assert ax.get_xlabel()
    assert ax.get_ylabel()


def test_the_swap_witness_lies_in_the_plane(ls, rng):
    X = rng.standard_normal((60, 5)) @ rng.standard_normal((5, 5))
    Y = X @ rng.standard_normal((5, 4)) + rng.standard_normal((60, 4))
    net = ls.ShallowLinear(ls.Covariances.from_data(X, Y), 2)
    ax = Figure(layout="constrained").subplots()
    plotting.plot_slice(net, ax=ax)
    points = list(saddle_plane_points(net)[0].values())
    saddle = net.classify(points[2])
    basis = net.pack([np.stack(pair) for pair in zip(*plane_through(net, points), strict=True)]).T
    witness = net.pack(saddle.escape.scaled_direction)
    step, residual = np.linalg.lstsq(basis, witness, rcond=None)[:2]
    assert residual[0] < 1e-20 * (witness @ witness)
    # What the legend says is the second derivative of the landscape itself along the unit step in (s, t).
    unit = step / np.linalg.norm(step)
    bend = net.curvature(points[2], net.unpack(basis @ unit))
    assert any(text == f"its escape direction: second derivative {bend:.3g}" for text in labels(ax))


def test_any_three_points(ls, ax, rng):
    net = diagonal(ls, [5.0, 3.0, 2.0], 2)
    p = tuple(rng.standard_normal(shape) for shape in net.shapes)
    points = {"mine": p, "best": net.global_minimum(), "zero": net.critical_point([])}
    grid = np.linspace(-0.5, 1.5, 11)
    plotting.plot_slice(net, points, s=grid, t=grid[:7], ax=ax)
    assert ax.get_xlim() == (-0.5, 1.5)
    assert ax.get_ylim() == (grid[0], grid[6])
    text = labels(ax)
    assert text[0] == f"mine (not critical): {net.value(p):.4g}"
    assert text[1].startswith("best (global minimum)")
    assert text[2].startswith("zero (strict saddle)")


def test_planes_that_are_none(ls, rng):
    net = diagonal(ls, [5.0, 3.0], 1)
    p, q = net.global_minimum(), net.critical_point([])
    middle = tuple((a + b) / 2 for a, b in zip(p, q, strict=True))
    for points, message in (
        ({"a": p, "b": q}, "three, got 2"),
        ({"a": p, "b": q, "c": p, "d": p}, "at most 3, got 4"),
        ({"a": p, "b": q, "c": middle}, "lie on a line"),
        ({"a": p, "b": p, "c": q}, "lie on a line"),
        ({"a": p, "b": q, "c": (p[0], p[1][:1])}, "c"),
    ):
        with pytest.raises(ValueError, match=message):
            plotting.plot_slice(net, points)
    with pytest.raises(TypeError, match="points must map names"):
        plotting.plot_slice(net, [p, q, p])
    silent = ls.ShallowLinear(ls.Covariances(xx=np.eye(2), xy=np.zeros((2, 2)), yy=np.eye(2)), 1)
    with pytest.raises(ValueError, match="uncorrelated"):
        plotting.plot_slice(silent)


# --- the spectrum -----------------------------------------------------------------------------------------------------


def test_the_spectrum_counts_what_classify_counts(ls, ax):
    net = diagonal(ls, [5.0, 3.0, 2.0], 2, n_inputs=4)
    points = {"minimum": net.global_minimum(), "saddle": net.critical_point([0, 2]), "zero": net.critical_point([])}
    figure, _ = plotting.plot_spectrum(net, points, ax=ax)
    for text, (name, p) in zip(labels(ax), points.items(), strict=True):
        found = net.classify(p)
        positive = net.size - found.morse_index - found.nullity
        assert text == f"{name}: {found.morse_index} negative, {found.nullity} zero, {positive} positive"
    drawn = [line for line in ax.get_lines() if line.get_label() in labels(ax)]
    for line, p in zip(drawn, points.values(), strict=True):
        dense = np.linalg.eigvalsh(net.hessian(p).todense())
        np.testing.assert_allclose(line.get_ydata(), dense, atol=1e-12 * np.abs(dense).max())
    assert_legend_is_beside_the_data(figure, ax)


def test_the_smallest_eigenvalues_of_one_point(ls, ax):
    net = diagonal(ls, [5.0, 3.0, 2.0], 2)
    plotting.plot_spectrum(net, net.critical_point([0, 2]), k=3, ax=ax)
    assert labels(ax) == ["1 negative, 2 zero, 0 positive"]
    assert "the smallest 3 of 12" in ax.get_xlabel()


def test_a_spectrum_of_zeros(ls, ax):
    net = ls.ShallowLinear(ls.Covariances(xx=np.zeros((1, 1)), xy=np.zeros((1, 1)), yy=np.eye(1)), 1)
    plotting.plot_spectrum(net, net.critical_point([]), ax=ax)
    assert labels(ax) == ["0 negative, 2 zero, 0 positive"]


def test_spectra_too_large_want_k(ls):
    net = ls.ShallowLinear(ls.Covariances(xx=np.eye(60), xy=np.eye(60), yy=np.eye(60)), 50)
    with pytest.raises(ValueError, match="give k: all 6000 eigenvalues are refused above 5000"):
        plotting.plot_spectrum(net, net.global_minimum())


# --- all of them ------------------------------------------------------------------------------------------------------


def draw_all(net, **options):
    return [
        plotting.plot_ladder(net, **options),
        plotting.plot_slice(net, **options),
        plotting.plot_spectrum(net, net.global_minimum(), **options),
    ]


def test_without_axes_a_figure_is_made(ls):
    from matplotlib import pyplot

    with mpl.rc_context({"figure.max_open_warning": 0}):
        for figure, ax in draw_all(diagonal(ls, [5.0, 3.0, 2.0], 2)):
            assert ax in figure.axes
            assert ax.get_title()
            pyplot.close(figure)


def test_the_value_label_is_the_users(ls):
    net = diagonal(ls, [5.0, 3.0, 2.0], 2)
    for draw in (plotting.plot_ladder, plotting.plot_slice):
        figure, _ = draw(net, value_label="squared kilograms", ax=Figure().subplots())
        assert "squared kilograms" in {axes.get_ylabel() for axes in figure.axes}


def spectrum_at_zero(land, **options):
    return plotting.plot_spectrum(land, 0, **options)


def test_training_over_the_critical_values(ls):
    net = diagonal(ls, [5.0, 3.0, 2.0], 2)
    slow = ls.train(net, 4, steps=60, learning_rate=1e-2, record=10)
    fast = ls.train(net, 1, steps=60, record=10)
    figure, ax = plotting.plot_training(slow, also={"backtracking": fast}, most=3, ax=Figure().subplots())
    curves = [line for line in ax.lines if len(line.get_xdata()) == 7]
    assert len(curves) == 4
    for line, values in zip(curves, [*slow.trace.values[:3], fast.trace.values[0]], strict=True):
        np.testing.assert_array_equal(line.get_xdata(), slow.trace.steps)
        np.testing.assert_array_equal(line.get_ydata(), values)
    heights = [line.get_ydata()[0] for line in ax.lines if len(line.get_xdata()) == 2]
    ladder = {rung.indices: rung.value for rung in net.critical_values()}
    np.testing.assert_allclose(heights, [ladder[()], ladder[(0,)], ladder[(0, 1)]])
    assert {text.get_text() for text in ax.get_legend().get_texts()} >= {"3 starts", "backtracking"}
    assert ax in figure.axes


def test_training_with_the_flow(ls):
    net = diagonal(ls, [5.0, 3.0, 2.0], 2)
    result = ls.train(net, 2, steps=10, learning_rate=0.5, record=1)
    deep = ls.DeepLinear(ls.Covariances(xx=np.eye(2), xy=np.diag([3.0, 1.0]), yy=np.diag([9.0, 1.0])), (2,))
    flow = deep.balanced_flow(0.1, [0.0])
    _, ax = plotting.plot_training(result, flow=flow, ax=Figure().subplots())
    np.testing.assert_allclose(ax.lines[-1].get_xdata(), flow.half_times / 0.5)
    with pytest.raises(ValueError, match="flow needs runs with a fixed learning rate, got 'backtracking'"):
        plotting.plot_training(ls.train(net, 2, steps=1), flow=flow)
    with pytest.raises(TypeError, match="result must be a TrainingResult, got str"):
        plotting.plot_training("result")
    with pytest.raises(ValueError, match="other must be on the landscape of the first result"):
        plotting.plot_training(result, also={"other": ls.train(deep, 1, steps=1)})


@pytest.mark.parametrize("draw", [plotting.plot_ladder, plotting.plot_slice, spectrum_at_zero])
def test_what_is_no_landscape_or_no_axes(ls, draw):
    with pytest.raises(TypeError, match="land must be a landscape"):
        draw("net")
    net = diagonal(ls, [5.0, 3.0, 2.0], 2)
    if draw in (plotting.plot_ladder, plotting.plot_slice):
        with pytest.raises(TypeError, match="ax must be matplotlib Axes, got str"):
            draw(net, ax="ax")


def test_wrong_counts(ls):
    with pytest.raises(ValueError, match="max_count must be at least 1"):
        plotting.plot_ladder(diagonal(ls, [5.0], 1), max_count=0)


def test_importing_the_package_imports_no_plotting():
    heavy = "('matplotlib', 'sklearn', 'pandas', 'pyarrow')"
    program = f"import sys, landscape_cpp; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_without_matplotlib_the_error_says_what_to_install():
    program = (
        "import sys; sys.modules['matplotlib'] = None\nimport landscape_cpp as ls\n"
        "try:\n    ls.plotting\nexcept ImportError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert 'pip install "landscape-cpp[plot]"' in done.stdout
