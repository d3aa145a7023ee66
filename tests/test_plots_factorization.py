"""Pictures of factorisations: what is drawn is what the library says; the photograph of the tour is what it claims."""

import time

import matplotlib as mpl
import numpy as np
import pytest
import scipy.sparse
from matplotlib.figure import Figure

from landscape_cpp import _pictures, _plots_factorization, _tour_completion, plotting

mpl.use("Agg")


@pytest.fixture
def ax():
    return Figure(layout="constrained").subplots()


@pytest.fixture
def mf(ls, rng):
    """Rank 4 and noise, (30, 24), two fifths missing."""
    Y = rng.standard_normal((30, 4)) @ rng.standard_normal((4, 24)) + 0.3 * rng.standard_normal((30, 24))
    Y[rng.random(Y.shape) < 0.4] = np.nan
    return ls.MatrixFactorization(Y, 3.0, mask="nan")


def zero(mf):
    return tuple(np.zeros(shape) for shape in mf.shapes(0))


def labels(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def curve(ax, label):
    (line,) = [line for line in ax.get_lines() if line.get_label() == label]
    return line.get_xdata(), np.asarray(line.get_ydata())


def assert_legend_is_beside_the_data(figure, ax):
    figure.draw_without_rendering()
    legend, data = ax.get_legend().get_window_extent(), ax.get_window_extent()
    assert legend.y1 <= data.y0


# --- the gap ----------------------------------------------------------------------------------------------------------


def test_the_gap_is_between_the_bounds_of_trace_and_certificate(mf, ax):
    solution = mf.solve(1e-6)
    figure, same = plotting.plot_gap(solution, ax=ax)
    assert (figure, same) == (ax.figure, ax)
    value, lower = solution.trace.value.min(), solution.certificate.lower_bound
    best = max(lower, solution.trace.lower_bound.max())
    seconds, above = curve(ax, "objective - best lower bound")
    assert (seconds[-1], len(seconds)) == (solution.seconds, len(solution.trace) + 1)
    np.testing.assert_allclose(above[:-1], (solution.trace.value - best) / value, rtol=1e-9, atol=1e-15)
    assert (np.diff(above) <= 1e-15).all()  # the objective never rises
    _, below = curve(ax, "best objective - lower bound")
    assert np.isnan(below[0])  # nothing is known from below at the start
    assert below[-1] == pytest.approx((value - best) / value, abs=1e-15)
    assert ax.get_yscale() == "log"
    assert any("gap of the certificate" in text for text in labels(ax))
    assert_legend_is_beside_the_data(figure, ax)


def test_solutions_of_one_problem_share_their_bounds(mf, ax):
    named = {"wide": mf.solve(1e-6), "narrow": mf.solve(1e-6, rank_max=1), "other": mf.with_lam(6.0).solve(1e-6)}
    figure, _ = plotting.plot_gap(named, ax=ax)
    value, lower = named["wide"].value, named["wide"].certificate.lower_bound
    _, above = curve(ax, "narrow: objective - best lower bound")
    assert above[-1] == pytest.approx((named["narrow"].value - lower) / value, rel=1e-6)
    assert above[-1] < named["narrow"].certificate.gap / value  # its own bound is worse
    _, above = curve(ax, "other: objective - best lower bound")
    assert 0.0 < above[-1] <= 1e-6
    assert len(labels(ax)) == 9
    assert_legend_is_beside_the_data(figure, ax)


@pytest.mark.parametrize(("diagonal", "lam"), [([3.0, 1.0], 1.0), ([3.0, 1.0], 9.0), ([0.0, 0.0], 1.0)])
def test_solved_at_once(ls, ax, diagonal, lam):
    solution = ls.MatrixFactorization(np.diag(diagonal), lam).solve()
    figure, _ = plotting.plot_gap(solution, ax=ax)
    figure.draw_without_rendering()
    assert all(np.asarray(line.get_ydata())[-1] > 0.0 for line in ax.get_lines())
    plotting.plot_width(solution, ax=figure.add_subplot())
    figure.draw_without_rendering()


# --- the residual -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [None, 5, 1000])
def test_the_residual_has_the_singular_values_of_minus_the_slopes(mf, ax, k):
    solution = mf.solve(1e-10)
    figure, _ = plotting.plot_residual_spectrum(mf, solution.point, k=k, ax=ax)
    pattern = mf.mask_csr.toarray() > 0.0
    E = np.where(pattern, mf.Y - mf.predict(solution.point), 0.0)
    text = f"width {solution.rank}; 0 above λ, {solution.rank} at λ (to 0.1 %)"
    position, values = curve(ax, text)
    expected = np.linalg.svd(E, compute_uv=False)[:k]
    np.testing.assert_allclose(values, expected, rtol=1e-10, atol=1e-12)
    np.testing.assert_array_equal(position, np.arange(1, len(expected) + 1))
    assert labels(ax) == [text, "λ = 3"]
    assert ax.get_xlabel() == f"number, descending ({'the largest 5 of' if k == 5 else 'all'} 24)"
    assert_legend_is_beside_the_data(figure, ax)


def test_points_that_must_widen_are_told_from_the_minimum(mf, ax):
    points = {"zero": zero(mf), "one unit": mf.solve(1e-9, rank_max=1).point, "minimum": mf.solve(1e-9).point}
    figure, _ = plotting.plot_residual_spectrum(mf, points, ax=ax)
    largest = [curve(ax, text)[1][0] for text in labels(ax)[:3]]
    assert largest[0] == pytest.approx(mf.lambda_max, rel=1e-6)
    assert largest[0] > largest[1] > 3.0
    assert largest[2] == pytest.approx(3.0, rel=1e-6)
    assert labels(ax)[1].startswith("one unit: width 1; ")
    assert ", 1 at λ" in labels(ax)[1]
    assert_legend_is_beside_the_data(figure, ax)


@pytest.mark.parametrize("loss", ["huber", "logistic"])
def test_other_losses_and_data(ls, rng, ax, loss):
    Y, X = np.sign(rng.standard_normal((40, 5))), rng.standard_normal((40, 6))
    mf = ls.MatrixFactorization(Y, 2.0, X=X, loss=loss, delta=0.5 if loss == "huber" else 1.0)
    solution = mf.solve(1e-6)
    figure, _ = plotting.plot_residual_spectrum(mf, solution.point, ax=ax)
    bounds = mf.polar(solution.point)
    values = curve(ax, labels(ax)[0])[1]
    assert len(values) == 5
    assert bounds.lower * (1 - 1e-9) <= values[0] <= bounds.upper
    figure.draw_without_rendering()


def test_large_residuals(ls, rng, ax, monkeypatch):
    """The block method and the Gram route against a full SVD, with a cluster at λ."""
    rows, columns = 90, 400
    i, j = np.nonzero(rng.random((rows, columns)) < 0.2)
    Y = scipy.sparse.csr_matrix((rng.standard_normal(len(i)), (i, j)), shape=(rows, columns))
    mf = ls.MatrixFactorization(Y, 9.0)
    solution = mf.solve(1e-8, n_threads=1)
    assert 3 < solution.rank <= 20
    E = Y.toarray() - np.where(Y.toarray() != 0.0, mf.predict(solution.point), 0.0)
    expected = np.linalg.svd(E, compute_uv=False)
    monkeypatch.setattr(_plots_factorization, "_LARGEST_DENSE", 95)
    plotting.plot_residual_spectrum(mf, solution.point, ax=ax)
    np.testing.assert_allclose(curve(ax, labels(ax)[0])[1], expected, rtol=1e-7)
    monkeypatch.setattr(_plots_factorization, "_LARGEST_DENSE", 50)
    with pytest.raises(ValueError, match="give k: all 90 singular values are refused above 50"):
        plotting.plot_residual_spectrum(mf, solution.point)
    ax = Figure().subplots()
    plotting.plot_residual_spectrum(mf, solution.point, k=20, ax=ax)
    values = curve(ax, labels(ax)[0])[1]
    assert (values <= expected[:20] * (1.0 + 1e-10)).all()
    np.testing.assert_allclose(values[: solution.rank], 9.0, rtol=1e-3)
    np.testing.assert_allclose(values, expected[:20], rtol=1e-2)


# --- the width --------------------------------------------------------------------------------------------------------


def test_the_width_is_that_of_the_trace(mf, ax):
    named = {"from zero": mf.solve(1e-6), "narrow": mf.solve(1e-6, rank_max=2)}
    figure, _ = plotting.plot_width(named, ax=ax)
    for name, solution in named.items():
        _, widths = curve(ax, f"{name} (ends at rank {solution.rank})")
        np.testing.assert_array_equal(widths, solution.trace.width)
    assert named["narrow"].rank == 2
    assert ax.get_ylim()[0] == 0.0
    assert_legend_is_beside_the_data(figure, ax)
    alone = Figure().subplots()
    plotting.plot_width(named["narrow"], ax=alone)
    assert labels(alone) == ["columns of U and V (ends at rank 2)"]


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("plot", [plotting.plot_gap, plotting.plot_width])
def test_wrong_solutions(mf, plot):
    solution = mf.solve(1e-3)
    for wrong in (None, mf, {}, {"a": solution, "b": 3}):
        with pytest.raises(TypeError, match="solution must be a Solution"):
            plot(wrong)
    with pytest.raises(ValueError, match="at most 4"):
        plot({str(i): solution for i in range(5)})
    with pytest.raises(TypeError, match="ax must be matplotlib Axes"):
        plot(solution, ax=3)


def test_wrong_residuals(mf, worked):
    with pytest.raises(TypeError, match="land must be a MatrixFactorization"):
        plotting.plot_residual_spectrum(worked, worked.global_minimum())
    with pytest.raises(ValueError, match=r"far\[0\] \(U\) must be"):
        plotting.plot_residual_spectrum(mf, {"far": (np.ones((2, 1)), np.ones((24, 1)))})
    with pytest.raises(TypeError, match="p must be a pair"):
        plotting.plot_residual_spectrum(mf, 3)
    with pytest.raises(ValueError, match="k must be at least 1"):
        plotting.plot_residual_spectrum(mf, zero(mf), k=0)
    with pytest.raises(ValueError, match="at most 4"):
        plotting.plot_residual_spectrum(mf, {str(i): zero(mf) for i in range(5)})


# --- the photograph of the tour ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def photograph():
    begun = time.perf_counter()
    done = _tour_completion.complete_photograph(n_threads=1)
    assert time.perf_counter() - begun < 120.0  # a hang, not a benchmark
    return done


def test_the_photograph_is_certified_and_much_better_than_the_mean(ls, photograph):
    done = photograph
    assert done.solution.stop_reason == "converged"
    assert done.solution.certificate.relative_gap <= _tour_completion.TOL
    assert done.solution.certificate.verdict == "GLOBAL"
    assert done.check.valid
    assert 0.3 <= 1.0 - done.observed.mean() <= 0.5
    assert done.original.shape == done.completed.shape == (427, 640, 3)
    np.testing.assert_array_equal(done.completed[done.observed], done.original[done.observed])
    assert 0.0 <= done.completed.min() <= done.completed.max() <= 1.0
    assert done.error(done.completed) < 0.25 * done.error(done.filled_with_means)
    # the missing pixels are those of the factorisation, channel by channel
    u, v = done.solution.point
    row, column = np.argwhere(~done.observed)[1000]
    for channel in range(3):
        predicted = u[row] @ v[channel * 640 + column] + done.means[channel]
        assert done.completed[row, column, channel] == pytest.approx(np.clip(predicted, 0.0, 1.0), abs=1e-12)
    assert done.land.n_observed == 3 * done.observed.sum()


def test_the_stop_says_what_was_found(tmp_path, monkeypatch, photograph):
    monkeypatch.setattr(_tour_completion, "complete_photograph", lambda n_threads: photograph)
    stop = _tour_completion.the_missing_pixels(tmp_path, _pictures.plotting(), None, first=7)
    assert [picture.path.name for picture in stop.pictures] == ["7-photograph.png", "8-gap.png"]
    assert all(picture.path.read_bytes().startswith(b"\x89PNG") for picture in stop.pictures)
    text = " ".join(stop.text)
    certificate = photograph.solution.certificate
    for expected in (f"rank {photograph.solution.rank}", f"{certificate.value:.6g}", "landscape_cpp.verify confirms"):
        assert expected in text
    assert stop.table[-1] == (f"rank {photograph.solution.rank}", f"{photograph.error(photograph.completed):.4f}")
