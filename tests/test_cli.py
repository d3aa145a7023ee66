"""The command line: what it prints, the JSON against the API, and one line with exit status 2 for every wrong input."""

import doctest
import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn import datasets

from landscape_cpp import _datasets, cli

HEADER = "a,b,y\n"
ROWS = "1,2,1\n3,-1,2\n0.5,4,-1\n-2,1,0.25\n"


def net_of(ls, path, n_hidden, **options):
    with np.load(path) as arrays:
        return ls.ShallowLinear(ls.Covariances.from_data(arrays["X"], arrays["Y"], **options), n_hidden)


# --- what a person reads ----------------------------------------------------------------------------------------------


def test_digits_prints_what_a_person_wants_to_read(run, ls):
    out = run.ok("analyze", "digits", "--hidden", "8")
    lines = out.splitlines()
    assert max(map(len, lines)) <= 100
    X, y = datasets.load_digits(return_X_y=True)
    net = ls.ShallowLinear(ls.Covariances.from_data(X, np.eye(10)[y]), 8)
    for expected in (
        "1797 samples, 64 inputs, 10 outputs",
        "rank 61 of 64",
        "mean squared error summed over outputs",
        f"{net.minimum_value:.6f}",
        "the lowest 12 of 1,013",
        "global minimum",
        "strict saddle",
        "Theorem B",
        f"best linear map of any width    {net.cov.spectrum().minimum_risk:14.6f}",
    ):
        assert expected in out
    first = next(i for i, line in enumerate(lines) if "gap to minimum" in line)
    assert " ".join(lines[first].split()) == "# value gap to minimum index set kind Morse index nullity"
    assert lines[first + 1].split()[:5] == ["0", f"{net.minimum_value:.6f}", "0", "0-7", "global"]
    assert lines[first + 12].split()[0] == "11"


@pytest.mark.parametrize("name", _datasets.BUNDLED)
def test_bundled_sets_and_their_targets(run, name):
    report = run.json("analyze", name, "--hidden", "1")
    data, values = report["data"], report["values"]
    bunch = getattr(datasets, f"load_{name}")()
    assert data["inputs"] == list(map(str, bunch.feature_names))
    assert data["n_samples"] == len(bunch.data)
    assert data["n_outputs"] == len(data["targets"]) == {"digits": 10, "linnerud": 3}.get(name, 1)
    assert values["best_linear_map"] <= values["minimum"] < values["at_zero"]


def test_auto_encoder_is_pca(run):
    values = run.json("analyze", "digits", "--targets", "none", "--center", "--hidden", "8")["values"]
    X = datasets.load_digits().data
    singular = np.linalg.svd(X - X.mean(axis=0), compute_uv=False)
    assert values["at_zero"] == pytest.approx(np.sum(singular**2) / len(X), rel=1e-12)
    assert values["minimum"] == pytest.approx(np.sum(singular[8:] ** 2) / len(X), rel=1e-12)
    assert values["best_linear_map"] == pytest.approx(0.0, abs=1e-9)


def test_info_is_build_info(run, ls):
    info = json.loads(run.ok("info", "--json", "-"))
    assert info == json.loads(json.dumps(ls.build_info()))
    out = run.ok("info")
    assert [line.split("  ")[0] for line in out.splitlines()] == [key.replace("_", " ") for key in info]
    assert info["compiler"] in out


@pytest.mark.parametrize("argv", [("--help",), ("analyze", "--help"), ("info", "--help"), ("--version",)])
def test_help_and_version_end_well(run, argv):
    with pytest.raises(SystemExit) as stopped:
        cli.main(argv)
    out, err = run.capsys.readouterr()
    assert (stopped.value.code, err) == (0, "")
    assert "landscape" in out
    if argv[0] == "analyze":
        assert "landscape analyze digits --hidden 8" in out


# --- the report against the API ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("center", [False, True])
def test_report_is_the_api(run, ls, pair, center):
    report = run.json("analyze", pair, "--hidden", "2", *(["--center"] if center else []))
    net = net_of(ls, pair, 2, center=center)
    spectral = net.cov.spectrum()
    assert report["data"]["center"] is center
    assert (report["data"]["n_inputs"], report["data"]["n_outputs"], report["data"]["rank_signal"]) == (5, 3, 3)
    assert report["data"]["eigenvalues"] == pytest.approx(spectral.eigenvalues)
    values = report["values"]
    assert values["at_zero"] == pytest.approx(net.value((np.zeros((3, 2)), np.zeros((5, 2)))))
    assert values["minimum"] == net.minimum_value
    assert values["by_width"] == {str(k): pytest.approx(ls.ShallowLinear(net.cov, k).minimum_value) for k in (1, 2, 3)}
    ladder = report["critical_values"]
    rungs = net.critical_values(max_count=12)
    assert ladder["count"] == len(rungs) == 1 + 3 + 3
    for row, rung in zip(ladder["listed"], rungs, strict=True):
        assert (row["kind"], row["indices"], row["rank"]) == (rung.kind, list(rung.indices), rung.rank)
        assert (row["value"], row["gap"]) == (rung.value, rung.gap)
        assert (row["morse_index"], row["nullity"]) == (rung.morse_index, rung.nullity)
    for theorem, expected in zip(report["theorems"], net.hypotheses, strict=True):
        assert (theorem["theorem"], theorem["holds"]) == (expected.theorem, expected.holds)
        found = tuple(tuple(condition.values()) for condition in theorem["conditions"])
        assert found == expected.conditions
    assert report["weights"] is None


def test_json_file_beside_the_text(run, pair, tmp_path):
    target = tmp_path / "report.json"
    out = run.ok("analyze", pair, "--hidden", "2", "--json", target)
    assert "Critical values" in out
    assert json.loads(target.read_text()) == run.json("analyze", pair, "--hidden", "2")


def test_max_count_and_huge_ladders(run, rng):
    X = run.array("x.npy", rng.standard_normal((200, 100)))
    report = run.json("analyze", X, "--targets", "none", "--hidden", "50", "--max-count", "3")
    assert [row["position"] for row in report["critical_values"]["listed"]] == [0, 1, 2]
    count = f"{sum(math.comb(100, size) for size in range(51)):.3e}"
    assert report["critical_values"]["count"] == count
    assert f"the lowest 3 of {count}" in run.ok("analyze", X, "--targets", "none", "--hidden", "50", "--max-count", "3")


@pytest.mark.parametrize("threads", ["1", "2"])
def test_threads_change_nothing(run, pair, threads):
    values, expected = (
        run.json("analyze", pair, "--hidden", "2", *words)["values"] for words in ((), ("--threads", threads))
    )
    assert values.pop("by_width") == pytest.approx(expected.pop("by_width"), rel=1e-13)
    assert values == pytest.approx(expected, rel=1e-13)


def test_degenerate_data(run):
    zero = run.archive("zero.npz", X=np.zeros((4, 2)), Y=np.zeros((4, 1)))
    report = run.json("analyze", zero, "--hidden", "1000")
    assert report["values"]["minimum"] == report["values"]["at_zero"] == 0.0
    assert "Width 0 suffices" in run.ok("analyze", zero, "--hidden", "3")
    one = run.archive("one.npz", X=np.ones((1, 1)), Y=np.ones(1))
    assert run.json("analyze", one, "--hidden", "1")["values"]["minimum"] == pytest.approx(0.0, abs=1e-15)
    run.ok("analyze", one, "--hidden", "1", "--center")


# --- weights ----------------------------------------------------------------------------------------------------------


def test_weights_at_a_saddle(run, ls, pair):
    net = net_of(ls, pair, 2)
    point = net.critical_point((0, 2))
    weights = run.archive("w.npz", U=point[0], V=point[1])
    report = run.json("analyze", pair, "--weights", weights)["weights"]
    place, certificate = net.classify(point), net.certify(point)
    assert report["kind"] == place.kind == "strict_saddle"
    for field in ("value", "gap", "gradient_norm", "rank", "morse_index", "nullity", "reason", "tol"):
        assert report[field] == getattr(place, field), field
    assert report["indices"] == [0, 2]
    assert report["certificate"]["verdict"] == certificate.verdict == "NOT_GLOBAL"
    assert report["certificate"]["lower_bound"] == certificate.lower_bound
    assert report["escape"]["curvature"] == place.escape.curvature < 0.0
    assert report["escape"]["scaled_curvature"] == place.escape.scaled_curvature
    assert report["step"]["value"] == net.value(net.escape(point)) == report["value"] - report["step"]["decrease"]
    out = run.ok("analyze", pair, "--weights", weights)
    for expected in (
        "w.npz: strict saddle",
        "index set 0, 2",
        "NOT_GLOBAL",
        f"{place.escape.kind} direction",
        "line search",
    ):
        assert expected in out


def test_weights_of_torch_are_the_same_point(run, ls, pair):
    net = net_of(ls, pair, 2)
    U, V = net.critical_point((1,))
    names = run.archive("uv.npz", U=U, V=V), run.archive("torch.npz", W1=V.T, W2=U)
    first, second = (run.json("analyze", pair, "--weights", name)["weights"] for name in names)
    assert first.pop("name") != second.pop("name")
    assert first == second


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_weights_at_the_minimum_and_off_it(run, ls, pair, dtype):
    net = net_of(ls, pair, 2)
    U, V = (block.astype(dtype) for block in net.global_minimum())
    tol = ["--tol", "1e-5"]
    report = run.json("analyze", pair, "--weights", run.archive("w.npz", U=U, V=V), *tol)["weights"]
    assert (report["kind"], report["certificate"]["verdict"]) == ("global_minimum", "GLOBAL")
    assert (report["escape"], report["step"]) == (None, None)
    report = run.json("analyze", pair, "--weights", run.archive("w.npz", U=1.5 * U, V=V), *tol)["weights"]
    assert (report["kind"], report["certificate"]["verdict"]) == ("not_critical", "NOT_GLOBAL")
    assert (report["morse_index"], report["nullity"], report["escape"]) == (None, None, None)
    assert report["step"]["decrease"] > 0.0
    assert "minus the gradient" in run.ok("analyze", pair, "--weights", run.archive("w.npz", U=1.5 * U, V=V), *tol)


def test_width_is_that_of_the_weights(run, pair):
    weights = run.archive("w.npz", U=np.ones((3, 4)), V=np.ones((5, 4)))
    assert run.json("analyze", pair, "--weights", weights)["problem"]["n_hidden"] == 4
    run.ok("analyze", pair, "--weights", weights, "--hidden", "4")
    assert run.fails("analyze", pair, "--weights", weights, "--hidden", "3") == (
        "--hidden 3 and w.npz disagree: its width is 4"
    )


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "W1 (n1, n0), W2 (n2, n1), ..., one for each layer; it holds nothing"),
        ({"U": np.ones((3, 2))}, "it holds U"),
        ({"U": np.ones((3, 2)), "W1": np.ones((3, 2))}, "it holds U, W1"),
        ({"U": np.ones((2, 3)), "V": np.ones((5, 2))}, "w.npz: U must be (n2, n1) = (3, n1), got (2, 3)"),
        ({"U": np.ones((3, 2)), "V": np.ones((2, 5))}, "w.npz: V must be (n0, n1) = (5, 2), got (2, 5)"),
        ({"W2": np.ones((3, 2)), "W1": np.ones((5, 2))}, "w.npz: W1 must be (n1, n0) = (n1, 5), got (5, 2)"),
        ({"W2": np.ones((2, 3)), "W1": np.ones((2, 5))}, "w.npz: W2 must be (n2, n1) = (3, 2), got (2, 3)"),
        ({"U": np.ones(3), "V": np.ones(5)}, "w.npz: U must be (n2, n1) = (3, n1), got (3,)"),
        ({"U": np.ones((3, 0)), "V": np.ones((5, 0))}, "w.npz: U must be (n2, n1) = (3, n1), got (3, 0)"),
        ({"U": np.full((3, 2), np.nan), "V": np.ones((5, 2))}, "w.npz: U contains NaN or infinity"),
        ({"U": np.ones((3, 2)), "V": np.full((5, 2), 1j)}, "w.npz: V must be real numbers, got dtype complex128"),
        ({"U": np.array(["u"]), "V": np.ones((5, 2))}, "w.npz: U must be real numbers, got dtype <U1"),
        ({"U": np.array([None]), "V": np.ones((5, 2))}, "w.npz is not a NumPy archive (.npz) without Python objects"),
    ],
)
def test_wrong_weights(run, pair, arrays, message):
    assert run.fails("analyze", pair, "--weights", run.archive("w.npz", **arrays)).endswith(message)


def test_weights_that_are_no_archive(run, pair, tmp_path):
    assert run.fails("analyze", pair, "--weights", tmp_path / "no.npz") == f"no such file: {tmp_path / 'no.npz'}"
    assert "is a single array" in run.fails("analyze", pair, "--weights", run.array("w.npy", np.ones((3, 2))))
    assert "is not a NumPy archive" in run.fails("analyze", pair, "--weights", run.file("w.npz", "U = 1"))


# --- tables -----------------------------------------------------------------------------------------------------------

TABLE = np.array([[1.0, 2.0, 1.0], [3.0, -1.0, 2.0], [0.5, 4.0, -1.0], [-2.0, 1.0, 0.25]])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("comma.csv", HEADER + ROWS),
        ("semicolon.csv", (HEADER + ROWS).replace(",", ";")),
        ("tab.tsv", (HEADER + ROWS).replace(",", "\t")),
        ("space.txt", (HEADER + ROWS).replace(",", "  ")),
        ("numpy.dat", "# " + (HEADER + ROWS).replace(",", " ")),
        ("quoted.csv", '"a","b","y"\n' + ROWS.replace("1,2,1", '"1","2","1"')),
        ("windows.csv", (HEADER + ROWS).replace("\n", "\r\n")),
        ("signature.csv", "\ufeff" + HEADER + ROWS),
        ("blank.csv", "\n" + HEADER + "\n" + ROWS + "\n\n"),
        ("no_newline.csv", (HEADER + ROWS).rstrip()),
    ],
)
def test_text_tables(name, content, tmp_path):
    (tmp_path / name).write_bytes(content.encode())
    for targets in (["y"], ["2"], ["-1"], ["2:"], ["-1:"], [" y "]):
        data = _datasets.load(str(tmp_path / name), targets=targets)
        np.testing.assert_array_equal(data.X, TABLE[:, :2])
        np.testing.assert_array_equal(data.Y, TABLE[:, 2:])
        assert (data.input_names, data.target_names) == (("a", "b"), ("y",))


def test_tables_without_names(run, tmp_path):
    paths = [run.file("t.csv", ROWS), run.array("t.npy", TABLE), run.archive("t.npz", table=TABLE)]
    for path in [*paths, run.archive("x.npz", X=TABLE)]:
        data = _datasets.load(str(path), targets=["1:3"])
        np.testing.assert_array_equal(data.X, TABLE[:, :1])
        np.testing.assert_array_equal(data.Y, TABLE[:, 1:])
        assert data.target_names == ("1", "2")


def test_columns_are_chosen_in_the_order_given(run):
    path = run.file("t.csv", "id,a,name,b,c\n7,1,ann,2,3\n8,4,bob,5,6\n")
    data = _datasets.load(str(path), targets=["c,a"], inputs=["b"])
    np.testing.assert_array_equal(data.Y, [[3.0, 1.0], [6.0, 4.0]])
    np.testing.assert_array_equal(data.X, [[2.0], [5.0]])
    data = _datasets.load(str(path), targets=["c", "a"], inputs=["3,id"])
    np.testing.assert_array_equal(data.X, [[2.0, 7.0], [5.0, 8.0]])
    assert data.target_names == ("c", "a")


def test_a_name_may_hold_a_comma(run):
    path = run.file("t.csv", '"a, b";c\n1;2\n3;5\n')
    data = _datasets.load(str(path), targets=["a, b"])
    np.testing.assert_array_equal(data.Y, [[1.0], [3.0]])


def test_no_targets_is_the_auto_encoder(run):
    data = _datasets.load(str(run.file("t.csv", ROWS)), targets=["none"])
    assert data.Y is None
    np.testing.assert_array_equal(data.X, TABLE)
    assert "auto-encoder" in run.ok("analyze", run.folder / "t.csv", "--targets", "none", "--hidden", "1")


def test_negative_positions_on_the_command_line(run):
    path = run.file("t.csv", HEADER + ROWS)
    for words in (["--targets", "-1"], ["--targets=-1"], ["--targets", "-1:"], ["--targets", "-1:3"]):
        assert run.json("analyze", path, *words, "--hidden", "1")["data"]["targets"] == ["y"]


def test_targets_of_a_pair_pick_among_them(run, pair):
    report = run.json("analyze", pair, "--targets", "2,0", "--inputs", "1:4", "--hidden", "1")
    assert (report["data"]["targets"], report["data"]["inputs"]) == (["2", "0"], ["1", "2", "3"])
    assert run.json("analyze", "linnerud", "--targets", "Waist", "--hidden", "1")["data"]["targets"] == ["Waist"]
    assert run.json("analyze", pair, "--targets", "none", "--hidden", "1")["data"]["auto_encoder"] is True


def test_integers_and_booleans_are_numbers(run, rng):
    table = run.array("t.npy", rng.integers(0, 2, (30, 4)).astype(bool))
    assert run.json("analyze", table, "--targets", "3", "--hidden", "1")["data"]["n_inputs"] == 3


# --- one line for everything that is wrong ----------------------------------------------------------------------------

NAME_THE_TARGETS = "name the target columns with --targets, or --targets none for an auto-encoder"


@pytest.mark.parametrize(
    ("content", "targets", "message"),
    [
        (HEADER + ROWS, None, NAME_THE_TARGETS),
        (HEADER + ROWS, "z", "--targets: no column 'z' in t.csv; the columns are 'a', 'b', 'y'"),
        (ROWS, "y", "--targets: no column 'y' in t.csv; it has no names, only the positions 0 to 2"),
        (ROWS, "3", "--targets 3: t.csv has 3 columns, 0 to 2"),
        (ROWS, "-4", "--targets -4: t.csv has 3 columns, 0 to 2"),
        (ROWS, "3:5", "--targets 3:5 is an empty range: t.csv has 3 columns, 0 to 2"),
        (ROWS, "0,0", "--targets names column '0' twice"),
        (ROWS, "0:3", "t.csv has no columns left as inputs: --targets names all 3"),
        (ROWS, "none,1", "--targets none stands alone"),
        ("a,a,b\n1,2,3\n", "a", "t.csv has 2 columns 'a': use their positions"),
        ("", "0", "t.csv is empty"),
        ("\n\n", "0", "t.csv is empty"),
        (HEADER, "y", "t.csv has a header and no rows"),
        (HEADER + "1,,3\n", "y", "t.csv, line 2, column 'b': missing value ''"),
        (HEADER + "1,2,3\n4,NA,6\n", "y", "t.csv, line 3, column 'b': missing value 'NA'"),
        (
            HEADER + "1,2,3\n\n4,red,6\n",
            "y",
            "t.csv, line 4, column 'b': not a finite number: 'red' (--inputs can leave columns out)",
        ),
        ("1,2,3\n4,5,inf\n", "0", "t.csv, line 2, column 2 (counted from 0): not a finite number: 'inf'"),
        (HEADER + "1,2,3\n4,5\n", "y", "t.csv, line 3 has 2 columns, expected 3"),
        (HEADER + "1,2,3\n4,5,6,7\n", "y", "t.csv, line 3 has 4 columns, expected 3"),
        ("a;b\n1,5;2,5\n", "a", "column 'b': not a finite number: '2,5' (write a decimal point, not a comma)"),
        ("1,2,x\n4,5,6\n", "0", "t.csv, line 1 mixes names and numbers ('x' and '1'): neither a header nor a row"),
        (b"\xff\xfe\x00\x01\n" * 9, "0", "t.csv is not a text table in UTF-8"),
        (b"a,b\n1,2\n\x00,\x00\n", "0", "t.csv"),
    ],
)
def test_wrong_text_tables(run, content, targets, message):
    options = [] if targets is None else [f"--targets={targets}"]
    assert message in run.fails("analyze", run.file("t.csv", content), *options, "--hidden", "1")


def test_ragged_rows_are_seen_when_columns_are_left_out(run):
    path = run.file("t.csv", HEADER + "1,2,3\n4,5,6,7\n")
    message = run.fails("analyze", path, "--targets", "a", "--inputs", "b", "--hidden", "1")
    assert message == "t.csv, line 3 has 4 columns, expected 3"


def test_wrong_choice_of_columns(run, pair):
    path = run.file("t.csv", HEADER + ROWS)
    chosen = ["analyze", path, "--hidden", "1", "--targets", "y", "--inputs"]
    assert run.fails(*chosen, "a,y") == "column 'y' is named by both --inputs and --targets"
    assert run.fails(*chosen, "c") == "--inputs: no column 'c' in t.csv; the columns are 'a', 'b', 'y'"
    message = run.fails("analyze", "diabetes", "--targets", "bmi", "--hidden", "1")
    assert message == "--targets: no column 'bmi' in the targets of diabetes; the columns are 'progression'"
    assert "pair.npz: Y has 3 columns, 0 to 2" in run.fails("analyze", pair, "--targets", "3", "--hidden", "1")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.ones(3), "t.npy must be 2-D (samples, columns), got 1-D (3,)"),
        (np.ones((2, 2, 2)), "t.npy must be 2-D (samples, columns), got 3-D (2, 2, 2)"),
        (np.ones((0, 3)), "t.npy is empty: (0, 3)"),
        (np.array([["a", "b"]]), "t.npy must be real numbers, got dtype <U1"),
        (np.array([[1j, 2]]), "t.npy must be real numbers, got dtype complex128"),
        (np.array([[1, None]]), "t.npy is not a NumPy array file without Python objects"),
        (np.array([[1.0, 2.0], [3.0, np.nan]]), "t.npy contains nan at row 1, column 1 (counted from 0)"),
        (np.array([[1.0, -np.inf]]), "t.npy contains -inf at row 0, column 1 (counted from 0)"),
    ],
)
def test_wrong_arrays(run, array, message):
    assert run.fails("analyze", run.array("t.npy", array), "--targets", "0", "--hidden", "1") == message


def test_wrong_archives(run):
    def message(*options, **arrays):
        return run.fails("analyze", run.archive("t.npz", **arrays), "--hidden", "1", *options)

    X = np.ones((4, 2))
    assert message(X=X, Y=np.ones(5)) == "t.npz: X has 4 rows and Y has 5"
    assert message(X=X, y=np.ones(4)) == "t.npz must hold X and optionally Y, or a single array; it holds X, y"
    assert message(a=X, b=X).endswith("it holds a, b")
    assert message().endswith("it holds nothing")
    assert message(X=X) == NAME_THE_TARGETS
    assert message(X=np.ones(4), Y=np.ones(4)) == "t.npz: X must be 2-D (samples, columns), got 1-D (4,)"
    assert message(X=X, Y=np.full(4, np.nan)) == "t.npz: Y contains nan at row 0, column 0 (counted from 0)"


@pytest.mark.parametrize("name", ["t.npy", "t.npz"])
@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04broken", b"\x93NUMPY\x01\x00"])
def test_broken_files(run, name, content):
    assert "is not a NumPy" in run.fails("analyze", run.file(name, content), "--targets", "0", "--hidden", "1")


def test_files_that_are_not_there(run, tmp_path):
    options = ["--targets", "0", "--hidden", "1"]
    assert run.fails("analyze", tmp_path / "no.csv", *options) == f"no such file: {tmp_path / 'no.csv'}"
    assert run.fails("analyze", tmp_path, *options) == f"{tmp_path} is a directory"
    assert "the bundled data sets are digits, diabetes, linnerud, breast_cancer" in run.fails(
        "analyze", "digit", *options
    )
    assert "t.xlsx: unknown kind of file" in run.fails("analyze", run.file("t.xlsx", ""), *options)


def test_without_scikit_learn(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    message = run.fails("analyze", "digits", "--hidden", "8")
    assert message == 'the bundled data set digits needs scikit-learn: python -m pip install "landscape-cpp[cli]"'


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["analyse"], "invalid choice: 'analyse'"),
        (["analyze"], "the following arguments are required: DATA"),
        (["analyze", "digits"], "give the width of the hidden layer with --hidden K, or weights with --weights FILE"),
        (["analyze", "digits", "--hidden", "0"], "argument --hidden: expected widths such as 8 or 16,8,16, got '0'"),
        (
            ["analyze", "digits", "--hidden", "2.5"],
            "argument --hidden: expected widths such as 8 or 16,8,16, got '2.5'",
        ),
        (["analyze", "digits", "--hidden", "-3"], "argument --hidden: expected widths such as 8 or 16,8,16, got '-3'"),
        (
            ["analyze", "digits", "--hidden", "8", "--threads", "0"],
            "argument --threads: expected an integer of at least",
        ),
        (["analyze", "digits", "--hidden", "8", "--max-count", "x"], "argument --max-count: expected an integer"),
        (["analyze", "digits", "--hidden", "8", "--tol", "0"], "argument --tol: expected a positive number, got '0'"),
        (
            ["analyze", "digits", "--hidden", "8", "--tol", "nan"],
            "argument --tol: expected a positive number, got 'nan'",
        ),
        (["analyze", "digits", "--hidden", "8", "--widht", "8"], "unrecognized arguments: --widht 8"),
        (
            ["analyze", "digits", "--hidden", "8", "--json", "no/folder/r.json"],
            "cannot write no/folder/r.json: No such file",
        ),
        (["info", "--json", "no/folder/r.json"], "cannot write no/folder/r.json: No such file"),
    ],
)
def test_wrong_commands(run, argv, message):
    assert message in run.fails(*argv)


def test_ctrl_c_ends_with_130(run, monkeypatch):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(_datasets, "load", interrupted)
    assert run("analyze", "digits", "--hidden", "8") == (130, "", "")


# --- as a program -----------------------------------------------------------------------------------------------------


def program(*argv, **options):
    return subprocess.run(
        [sys.executable, "-m", "landscape_cpp.cli", *argv],
        capture_output=True, text=True, encoding="utf-8", check=False, timeout=120, **options,
    )  # fmt: skip


def test_module_and_entry_point_are_the_same_program(tmp_path):
    done = program("analyze", "linnerud", "--hidden", "1", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    script = os.path.join(os.path.dirname(sys.executable), "landscape")
    again = subprocess.run(
        [script, "analyze", "linnerud", "--hidden", "1"], capture_output=True, check=False, timeout=120
    )
    assert (again.returncode, again.stdout.decode()) == (0, done.stdout)


def test_failure_as_a_program(tmp_path):
    done = program("analyze", "nothing.csv", "--hidden", "1", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "landscape: error: no such file: nothing.csv\n")


def test_a_closed_pipe_is_quiet(tmp_path):
    code = (
        "import sys; from landscape_cpp import cli; input(); sys.exit(cli.main(['analyze', 'linnerud', '--hidden=1']))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path,
    ) as child:  # fmt: skip
        child.stdout.close()
        child.stdin.write(b"go\n")
        child.stdin.close()
        errors = child.stderr.read()
        assert (child.wait(timeout=120), errors) == (141, b"")


def test_output_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "out.txt").touch()
    with open(tmp_path / "out.txt", "rb") as closed:
        done = subprocess.run(
            [sys.executable, "-m", "landscape_cpp.cli", "info"],
            stdout=closed, stderr=subprocess.PIPE, check=False, timeout=120,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (2, b"landscape: error: standard output: Bad file descriptor\n")


def test_an_encoding_without_greek_gets_escapes(tmp_path):
    (tmp_path / "t.csv").write_text("ä,b\n1,2\n3,5\n", encoding="utf-8")
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = program("analyze", "t.csv", "--targets", "b", "--hidden", "1", cwd=tmp_path, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\\xe4" in done.stdout


# --- the documents ----------------------------------------------------------------------------------------------------

ROOT = Path(__file__).parent.parent


def test_the_python_of_the_readme():
    assert doctest.testfile(str(ROOT / "README.md"), module_relative=False, encoding="utf-8") == (0, 34)


def test_the_transcript_of_the_readme(run):
    shown = (ROOT / "README.md").read_text(encoding="utf-8").split("```text\n")[1].split("```")[0]
    out = run.ok("analyze", "digits", "--hidden", "8").splitlines()
    assert [line for line in shown.splitlines() if line not in out] == []


def test_the_theory_table_names_tests_that_exist():
    named = set(re.findall(r"`(\w+)::(test_\w+)`", (ROOT / "docs" / "theory.md").read_text(encoding="utf-8")))
    assert len(named) > 50
    for concept, name in named:
        assert f"def {name}(" in (ROOT / "tests" / f"test_{concept}.py").read_text(encoding="utf-8"), name
