"""Paths down: from every kind of critical point to a global minimum, never up, and by the formulas to rounding."""

import dataclasses
import pickle

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

import comparators as cmp
from deep_cases import STYLES, population
from landscape_cpp._paths import Path, descent_path
from reference import deep as reference
from reference import risk

mpl.use("Agg")

SAMPLE = population()[::3]


def net_of(ls, problem):
    return ls.DeepLinear(
        ls.Covariances(xx=problem.moments.xx, xy=problem.moments.xy, yy=problem.moments.yy), problem.hidden
    )


def diagonal(ls, sigma, hidden):
    """Sxx = I, Syx = diag(sigma), nothing else to explain: the minimum of a wide network is 0."""
    return ls.DeepLinear(ls.Covariances(xx=np.eye(len(sigma)), xy=np.diag(sigma), yy=np.diag(np.square(sigma))), hidden)


def single_entries(net, *entries):
    """Layers that are zero but for one entry each."""
    point = [np.zeros(shape) for shape in net.shapes]
    for layer, (row, column, value) in zip(point, entries, strict=True):
        layer[row, column] = value
    return tuple(point)


@pytest.fixture
def three(ls):
    """Widths 3, 4, 2, 3 and λ = 9, 4, 1; the network can use two."""
    return diagonal(ls, [3.0, 2.0, 1.0], (4, 2))


@pytest.fixture
def weakest(three):
    """It uses λ = 1 only, and a weight of 7 leads nowhere: a swap, a flat segment, a descent."""
    p = single_entries(three, (0, 2, 1.0), (0, 0, 1.0), (2, 0, 1.0))
    p[1][1, 1] = 7.0
    return p


# --- every kind of critical point -------------------------------------------------------------------------------------


@pytest.mark.parametrize("style", STYLES)
def test_every_critical_point_has_a_way_down(ls, style):
    longest = 0
    for known in (known for known in SAMPLE if known.style == style):
        net, problem = net_of(ls, known.problem), known.problem
        path = descent_path(net, known.point)
        found = path.verify(net)
        assert found.ok, f"{path}\n{found}"
        least = risk.minimum_risk(problem.white, problem.rho)
        cmp.assert_close(net.value(path.end), least, 1e-9, problem.scale)
        cmp.assert_close(path.end_value, least, 1e-9, problem.scale)
        assert path.minimum_value == net.minimum_value
        assert found.relative_difference <= 1e-10
        assert found.increase <= 1e-12 * problem.scale
        assert found.jump <= 1e-14
        assert_kinds(path, known)
        longest = max(longest, len(path.segments))
    assert longest >= 2


def assert_kinds(path, known):
    """Swaps from an index set that is not the best, then one flat segment, then a descent per missing eigenvector."""
    swaps, descents = path.kinds.count("swap"), path.kinds.count("descent")
    assert (swaps > 0) == (not known.top)
    assert swaps <= len(known.indices)
    assert descents == known.problem.rho - len(known.indices)
    assert path.kinds == ("swap",) * swaps + ("flat",) * (descents > 0) + ("descent",) * descents
    assert (path.segments == ()) == (known.kind == "global_minimum")


def test_formulas_are_those_of_the_reference():
    """Values by the definition in NumPy, at positions no grid contains; the drops of the reference's own paths."""
    import landscape_cpp as ls

    for known in SAMPLE[::4]:
        moments, scale = known.problem.moments, known.problem.scale
        path = descent_path(net_of(ls, known.problem), known.point)
        for number, segment in enumerate(path.segments):
            for t in (0.0, 0.1234, 0.77, 1.0):
                point = path.point_at(number + t)
                cmp.assert_close(segment.value_at(t), reference.value(moments, point), 1e-10, scale)
                if segment.kind == "flat":
                    cmp.assert_close(segment.value_at(t), segment.start_value, 0.0)
        if path.kinds[:1] == ("swap",):
            drop = reference.swap_path(moments, known.point).drop(np.pi / 2.0)
            assert path.segments[0].drop == pytest.approx(drop, rel=1e-9)
        elif path.segments:
            _, descent = reference.escape_segments(moments, known.point, np.random.default_rng(0))
            for t in (0.3, 1.0):
                fallen = path.segments[1].start_value - path.segments[1].value_at(t)
                cmp.assert_close(fallen, descent.drop(t), 1e-9, scale)


def test_each_segment_begins_where_the_last_one_ends():
    import landscape_cpp as ls

    for known in SAMPLE[::2]:
        path = descent_path(net_of(ls, known.problem), known.point)
        cmp.assert_same_bits(path.start, known.point)
        here, value = path.start, path.start_value
        for segment in path.segments:
            cmp.assert_same_bits(segment.layers, here)
            assert segment.start_value == value
            assert segment.drop >= 0.0
            here, value = segment.point_at(1.0), segment.end_value
        cmp.assert_same_bits(path.end, here)
        assert path.end_value == value


def test_near_critical_points_are_as_good_as_they_are_critical(ls):
    """With noise of 1e-9 the formulas hold to about that, and the check allows no more than ``margin`` for it."""
    rng, checked = np.random.default_rng(3), 0
    for known in SAMPLE[::3]:
        net = net_of(ls, known.problem)
        p = tuple(W + 1e-9 * np.abs(W).max() * rng.standard_normal(W.shape) for W in known.point)
        if net.classify(p).kind == known.kind:
            path = descent_path(net, p)
            found = path.verify(net)
            assert found.ok, f"{path}\n{found}"
            assert max(found.increase, found.difference) <= 1e-7 * known.problem.scale
            assert path.margin <= 1e-5 * known.problem.scale
            checked += 1
    assert checked >= 60


@pytest.mark.parametrize("inputs", [1e-6, 1.0, 1e5])
@pytest.mark.parametrize("outputs", [1e-5, 1e5])
def test_units_and_unbalanced_layers(ls, three, weakest, inputs, outputs):
    cov = three.cov
    scaled = ls.Covariances(xx=inputs**2 * cov.xx, xy=inputs * outputs * cov.xy, yy=outputs**2 * cov.yy)
    net = ls.DeepLinear(scaled, (4, 2))
    p = (weakest[0] * 1e4 / inputs, weakest[1] * 1e-2, weakest[2] * 1e-2 * outputs)
    path = descent_path(net, p)
    assert path.kinds == ("swap", "flat", "descent")
    assert path.verify(net).ok


# --- by hand ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("middle", [0.0, 1.0])
def test_worked_example(ls, middle):
    """THEORY 3.8 [D12]: R = 1 and a drop of λ_2 = 1, from the non-strict saddle and from the strict one beside it."""
    c = 3.0 ** (1.0 / 3.0)
    net, ends = diagonal(ls, [3.0, 1.0], (2, 2)), np.diag([c, 0.0])
    path = descent_path(net, (ends, np.diag([c, middle]), ends))
    assert path.kinds == ("flat", "descent")
    assert path.segments[1].drop == pytest.approx(1.0, rel=1e-14)
    assert (path.start_value, path.minimum_value) == pytest.approx((1.0, 0.0), abs=1e-14)
    np.testing.assert_allclose(path.segments[0].point_at(0.5)[1], np.diag([c, 0.5 * middle]), atol=1e-14)
    np.testing.assert_allclose(net.product(path.end), np.diag([3.0, 1.0]), atol=1e-14)
    assert path.verify(net).ok


def test_scalar_origin(ls):
    """THEORY 3.8 [D2]: along the descent (1 - t³)²."""
    net = diagonal(ls, [1.0], (1, 1))
    path = descent_path(net, tuple(np.zeros(shape) for shape in net.shapes))
    t = np.linspace(0.0, 1.0, 21)
    np.testing.assert_allclose(path.segments[-1].value_at(t), (1.0 - t**3) ** 2, atol=1e-15)
    np.testing.assert_allclose(np.abs(net.pack(path.segments[-1].point_at(t))), np.outer(t, np.ones(3)), atol=1e-15)
    np.testing.assert_allclose(path.segments[0].value_at(t), 1.0, atol=1e-15)
    assert path.segments[0].kind == "flat"


def test_a_swap_by_hand(three, weakest):
    path = descent_path(three, weakest)
    assert path.kinds == ("swap", "flat", "descent")
    assert [segment.drop for segment in path.segments] == pytest.approx([8.0, 0.0, 4.0], rel=1e-13)
    assert path.segments[0].value_at(0.5) == pytest.approx(13.0 - 4.0, rel=1e-13)
    assert str(path) == (
        "path of 3 segments, 13 -> 1 (global minimum 1)\n"
        "  1  swap               13 -> 5             value 13 - 8 sin²(π t / 2)\n"
        "  2  flat                5 -> 5             value 5, the product does not change\n"
        "  3  descent             5 -> 1             value 5 - 4 (2 t^3 - t^6)"
    )
    assert repr(path) == "Path(kinds=('swap', 'flat', 'descent'), start_value=13, end_value=1)"
    assert repr(path.segments[0]) == "Segment(kind='swap', start_value=13, end_value=5)"


def test_weights_that_no_input_reaches_do_not_raise_the_value(ls):
    """THEORY 12b.2: the third input is zero. P⁺ of the unreduced P = [2 0 5; 0 0 0] would mix it into the product."""
    xy = np.array([[2.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    net = ls.DeepLinear(ls.Covariances(xx=np.diag([1.0, 1.0, 0.0]), xy=xy, yy=np.diag([4.0, 1.0])), (2, 2))
    p = (np.array([[2.0, 0.0, 5.0], [0.0, 0.0, 3.0]]), np.eye(2), np.diag([1.0, 0.0]))
    path = descent_path(net, p)
    assert path.kinds == ("flat", "descent")
    assert path.verify(net).ok
    middle = path.segments[0].point_at(0.5)
    np.testing.assert_allclose(net.product(middle)[:, :2], np.diag([2.0, 0.0]), atol=1e-14)
    np.testing.assert_allclose(middle[0][:, 2], [2.5, 1.5], atol=1e-14)  # fades, as it does nothing
    np.testing.assert_allclose(net.product(path.end), xy.T, atol=1e-14)


# --- positions and values ---------------------------------------------------------------------------------------------


def test_positions_and_values(three, weakest):
    path = descent_path(three, weakest)
    positions, values = path.values(n_per_segment=11)
    np.testing.assert_allclose(positions, np.linspace(0.0, 3.0, 31), atol=1e-15)
    np.testing.assert_allclose([three.value(path.point_at(s)) for s in positions], values, atol=1e-13)
    assert np.all(np.diff(values) <= 0.0)
    cmp.assert_same_bits(path.point_at(0), weakest)
    cmp.assert_same_bits(path.point_at(3), path.end)
    batch = path.segments[0].point_at(np.array([0.0, 0.25]))
    assert [layer.shape for layer in batch] == [(2, *shape) for shape in three.shapes]
    cmp.assert_same_bits(tuple(layer[1] for layer in batch), path.point_at(0.25))


def test_a_path_keeps_its_points(three, weakest):
    path = descent_path(three, weakest)
    before = [layer.copy() for layer in path.point_at(0.5)]
    for layer in weakest:
        layer[:] = 1.0
    cmp.assert_same_bits(path.point_at(0.5), tuple(before))


def test_paths_cut_short(three, weakest):
    full = descent_path(three, weakest)
    for count in (1, 2, 3, 7):
        path = descent_path(three, weakest, max_segments=count)
        assert path.kinds == full.kinds[:count]
        found = path.verify(three)
        assert found.ok == (count >= 3)
        assert found.end_gap == pytest.approx(path.end_value - 1.0, abs=1e-12)


def test_a_global_minimum_has_no_way_down(three):
    p = three.global_minimum()
    path = descent_path(three, p)
    assert path.segments == path.kinds == ()
    cmp.assert_same_bits(path.end, p)
    cmp.assert_same_bits(path.point_at(0), p)
    assert path.end_value == path.start_value == pytest.approx(1.0, rel=1e-13)
    assert [list(part) for part in path.values()] == [[0.0], [path.start_value]]
    assert path.verify(three).ok
    assert "is the minimum already" in str(path)


def test_nothing_to_explain(ls):
    """Zero targets: every critical point is a global minimum of value 0."""
    net = ls.DeepLinear(ls.Covariances(xx=np.eye(2), xy=np.zeros((2, 2)), yy=np.zeros((2, 2))), (2,))
    path = descent_path(net, tuple(np.zeros(shape) for shape in net.shapes))
    assert path.segments == ()
    assert path.verify(net).ok


def test_they_pickle(three, weakest):
    for p in (weakest, three.global_minimum()):
        path = descent_path(three, p)
        again = pickle.loads(pickle.dumps(path))
        assert isinstance(again, Path)
        cmp.assert_same_bits(again.end, path.end)
        cmp.assert_same_bits(again.values(), path.values())
        found = path.verify(three)
        assert pickle.loads(pickle.dumps(found)) == found


# --- the check finds what is wrong ------------------------------------------------------------------------------------


def tampered(path, number, **changes):
    segments = list(path.segments)
    segments[number] = dataclasses.replace(segments[number], **changes)
    return dataclasses.replace(path, segments=tuple(segments))


def test_the_check_fails_on_what_is_no_path(three, weakest):
    path = descent_path(three, weakest)
    swap, _, descent = path.segments
    turned = tuple(tuple(-part for part in parts) for parts in descent.directions)  # (-1)³: uphill
    moved = tuple(1.0001 * layer for layer in swap.layers)
    wrong = {
        "formula": tampered(path, 0, drop=swap.drop * (1.0 + 1e-7)),
        "uphill": tampered(path, 2, directions=turned),
        "start elsewhere": tampered(path, 0, layers=moved),
        "the end is missing": dataclasses.replace(path, segments=path.segments[:2]),
        "the middle is missing": dataclasses.replace(path, segments=(swap, descent)),
        "start value": dataclasses.replace(path, start_value=path.start_value + 1e-6),
    }
    found = {name: other.verify(three) for name, other in wrong.items()}
    assert {name: check.ok for name, check in found.items()} == dict.fromkeys(wrong, False)
    assert found["formula"].difference == pytest.approx(8e-7, rel=1e-3)
    assert found["uphill"].increase > 0.01
    assert found["start elsewhere"].jump == pytest.approx(1e-4, rel=1e-2)
    assert found["the end is missing"].end_gap == pytest.approx(4.0, rel=1e-12)
    assert found["the middle is missing"].jump > 0.1
    assert str(found["uphill"]).startswith("path NOT verified")
    assert str(path.verify(three)).startswith("path verified")


def test_another_landscape_is_noticed(ls, three, weakest):
    path = descent_path(three, weakest)
    assert not path.verify(diagonal(ls, [3.0, 2.5, 1.0], (4, 2))).ok
    with pytest.raises(ValueError, match="p"):
        path.verify(diagonal(ls, [3.0, 2.0, 1.0], (4, 3)))


# --- refusals ---------------------------------------------------------------------------------------------------------


def test_only_critical_points(three, weakest, rng):
    p = tuple(rng.standard_normal(shape) for shape in three.shapes)
    with pytest.raises(ValueError, match="p must be a critical point, where the path starts, but it is not_critical"):
        descent_path(three, p)
    nearly = tuple(W + 1e-8 * rng.standard_normal(W.shape) for W in weakest)
    with pytest.raises(ValueError, match="but it is undetermined: the relative gradient"):
        descent_path(three, nearly, tol=three.classify(nearly).gradient_norm / 2.0)


def test_bad_arguments_are_named(three, weakest):
    path = descent_path(three, weakest)
    with pytest.raises(ValueError, match="single point"):
        descent_path(three, tuple(np.stack([W, W]) for W in weakest))
    with pytest.raises(ValueError, match="max_segments must be at least 1"):
        descent_path(three, weakest, max_segments=0)
    for s in (-0.1, 3.1, np.nan):
        with pytest.raises(ValueError, match="s must be"):
            path.point_at(s)
    for t in (-0.1, 1.1, np.nan, [0.5, 2.0]):
        with pytest.raises(ValueError, match="t must be from 0 to 1"):
            path.segments[0].point_at(t)
        with pytest.raises(ValueError, match="t must be from 0 to 1"):
            path.segments[0].value_at(t)
    with pytest.raises(ValueError, match="t must be a number or"):
        path.segments[0].value_at([[0.5]])
    for call in (path.values, lambda n_per_segment: path.verify(three, n_per_segment=n_per_segment)):
        with pytest.raises(ValueError, match="n_per_segment must be at least 2"):
            call(n_per_segment=1)


# --- the picture ------------------------------------------------------------------------------------------------------


def test_the_picture_is_the_path(three, weakest):
    path, ax = descent_path(three, weakest), Figure(layout="constrained").subplots()
    figure, same = path.plot(ax)
    assert (figure, same) == (ax.figure, ax)
    for number, (line, segment) in enumerate(zip(ax.get_lines(), path.segments, strict=False)):
        t = np.clip(line.get_xdata() - number, 0.0, 1.0)
        np.testing.assert_allclose(line.get_ydata(), segment.value_at(t), atol=1e-13)
    np.testing.assert_allclose(ax.collections[0].get_offsets(), [[0, 13], [1, 5], [2, 5], [3, 1]], atol=1e-13)
    lines = {line.get_label(): line for line in ax.get_lines()}
    assert lines["global minimum"].get_ydata()[0] == path.minimum_value
    assert len({(line.get_color(), line.get_linestyle()) for line in ax.get_lines()}) == 4
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert [text.split(" ")[0].rstrip(":") for text in texts] == ["swap", "flat", "descent", "ends", "global"]
    assert ax.get_xlabel()
    assert "mean squared error" in ax.get_ylabel()
    figure.draw_without_rendering()  # a Figure of its own has no canvas that draws
    legend, data = ax.get_legend().get_window_extent(), ax.get_tightbbox()
    assert legend.y1 <= ax.get_window_extent().y0
    assert legend.y1 <= ax.xaxis.label.get_window_extent().y0
    assert legend.x0 >= 0.0
    assert legend.x1 <= figure.bbox.x1
    assert data.y0 >= 0.0


def test_pictures_of_other_paths(three, weakest):
    empty = descent_path(three, three.global_minimum())
    figure, ax = empty.plot()
    assert "global minimum" in ax.get_title()
    assert len(ax.collections[0].get_offsets()) == 1
    mpl.pyplot.close(figure)
    unknown = dataclasses.replace(descent_path(three, weakest), minimum_value=None)
    ax = unknown.plot(Figure().subplots(), value_label="loss")[1]
    assert ax.get_ylabel() == "loss"
    assert "global minimum" not in [text.get_text() for text in ax.get_legend().get_texts()]
    with pytest.raises(TypeError, match="ax must be matplotlib Axes"):
        unknown.plot("axes")
