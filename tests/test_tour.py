"""``landscape tour``: what it says is true, its page is complete, and it ends in files a person can open."""

import html.parser
import json
import re
import time

import numpy as np
import pytest

from landscape_cpp import _tour, _tour_deep, cli


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("tour") / "made" / "here"
    begun = time.perf_counter()
    assert cli.main(["tour", str(path)]) == 0
    assert time.perf_counter() - begun < 300.0  # a hang, not a benchmark
    return path


class Page(html.parser.HTMLParser):
    """Tags, sources and texts; every tag must be closed in turn."""

    VOID = frozenset({"meta", "img", "br"})

    def __init__(self, text):
        super().__init__()
        self.open, self.sources, self.alternatives, self.links, self.ids, self.headings = [], [], [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if tag not in self.VOID:
            self.open.append(tag)
        self.ids.append(attributes.get("id"))
        if tag == "img":
            self.sources.append(attributes["src"])
            self.alternatives.append(attributes["alt"])
        if tag == "a":
            self.links.append(attributes["href"])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "h2":
            self.headings.append(data)


def test_the_page_is_self_contained(folder):
    text = (folder / "index.html").read_text(encoding="utf-8")
    page = Page(text)
    assert page.open == []
    assert len(page.headings) == 10
    assert len(page.sources) == len(list(folder.glob("*.png"))) == 14
    assert all(source.startswith("data:image/png;base64,") for source in page.sources)
    assert all(page.alternatives)
    assert all(link.startswith("#") and link[1:] in page.ids for link in page.links)
    assert not re.search(r"//|@import|url\(|<script", re.sub(r'src="data:[^"]*"', "", text))


def test_the_files_are_what_the_page_says(folder, ls, capsys):
    stuck, found = (np.load(folder / name) for name in ("stuck.npz", "found.npz"))
    data = cli._datasets.load("digits")
    net = ls.ShallowLinear(ls.Covariances.from_data(data.X, data.Y), _tour.HIDDEN)
    first, last = ((file["U"], file["V"]) for file in (stuck, found))
    assert net.classify(first, tol=1e-6).kind == "strict_saddle"
    assert net.classify(first, tol=1e-6).indices == (0,)
    assert net.certify(first).verdict == "NOT_GLOBAL"
    assert net.certify(last).verdict == "GLOBAL"
    certificate = ls.load(folder / "certificate.json")
    assert certificate.value == net.value(last)
    assert json.loads((folder / "certificate.json").read_text())["verdict"] == "GLOBAL"
    capsys.readouterr()
    words = _tour.command(folder).split()
    assert words[0] == "landscape"
    assert cli.main(words[1:]) == 0
    assert "strict saddle" in capsys.readouterr().out


def test_a_descent_ends_at_the_minimum_and_never_climbs(worked):
    start = (np.array([[0.0], [0.1]]), np.array([[0.0], [0.1]]))  # on the invariant plane of the saddle e2
    descent = _tour.descend(worked, start)
    assert [str(stop[2].kind) for stop in descent.stops] == ["strict_saddle", "global_minimum"]
    assert np.diff(descent.values).max() <= 1e-12
    assert descent.stops[0][2].value == pytest.approx(6.0)
    assert descent.stops[-1][3].verdict == "GLOBAL"


def test_a_descent_gives_up_after_so_many_stops(worked):
    start = (np.array([[0.0], [0.1]]), np.array([[0.0], [0.1]]))
    assert len(_tour.descend(worked, start, most=1).stops) == 1


def test_a_file_in_the_way(tmp_path, capsys):
    (tmp_path / "taken").write_text("")
    assert cli.main(["tour", str(tmp_path / "taken")]) == 2
    assert "is a file, not a folder" in capsys.readouterr().err


@pytest.mark.parametrize(("module", "words"), [("sklearn", "scikit-learn"), ("matplotlib", "matplotlib")])
def test_what_is_missing_is_said_before_any_work(tmp_path, capsys, monkeypatch, module, words):
    import sys

    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, "landscape_cpp.plotting", raising=False)
    monkeypatch.delattr("landscape_cpp.plotting", raising=False)
    assert cli.main(["tour", str(tmp_path / "new")]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert 'pip install "landscape-cpp[cli]"' in error
    assert not (tmp_path / "new").exists()


def test_the_walk_down_the_ladder():
    data = cli._datasets.load("digits")
    walk = _tour_deep.walk(np.asarray(data.X), data.Y)
    span = walk.plateaus[0] - walk.plateaus[-1]
    # gradient descent follows the exact flow of the aligned start
    trace = walk.aligned.trace
    assert np.abs(trace.values[0] - walk.flow.values).max() < 0.1 * span  # steep drops, a few steps apart
    assert np.median(np.abs(trace.values[0] - walk.flow.values)) < 1e-5 * span
    arrived = [
        trace.steps[np.argmax(trace.singular_values[0, :, mode] >= 0.5 * target)]
        for mode, target in enumerate(walk.flow.targets)
    ]
    every = np.diff(trace.steps).max()
    np.testing.assert_allclose(arrived, walk.flow.half_times / _tour_deep.RATE, rtol=2e-3, atol=every)
    # every run only ever goes down, and waits near the lowest critical value of one rank after the other
    for values in [trace.values[0], *walk.random.trace.values]:
        assert (np.diff(values) <= 1e-12).all()
        near = np.abs(values[:, None] - walk.plateaus).min(axis=1) < 0.02 * span
        assert near.mean() > 0.8
    assert walk.aligned.gaps[0] < 1e-4 * span
    ladder = {rung.indices: rung.value for rung in walk.net.critical_values(max_count=200)}
    for rank in range(walk.net.rank_bound - 1, walk.net.rank_bound + 1):
        assert ladder[tuple(range(rank))] == pytest.approx(walk.plateaus[rank], rel=1e-10)
