"""``landscape complete`` and ``landscape certify``: files of every kind, the report against the API, refusals."""

import json
import sys

import numpy as np
import pandas
import pyarrow
import pyarrow.parquet
import pytest
import scipy.sparse

from landscape_cpp import _ratings, cli
from landscape_cpp._datasets import DataError


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Files without a name of their own go to the working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def matrix(rng):
    """Rank 3 and noise, (20, 14), a third missing, no row or column without an entry."""
    Y = rng.standard_normal((20, 3)) @ rng.standard_normal((3, 14)) + 0.1 * rng.standard_normal((20, 14))
    Y[rng.random(Y.shape) < 0.33] = np.nan
    assert (~np.isnan(Y)).any(axis=0).all()
    assert (~np.isnan(Y)).any(axis=1).all()
    return Y


def triplets(Y, rows=None, columns=None):
    """Row id, column id and value of every entry, in an order of no meaning."""
    i, j = np.nonzero(~np.isnan(Y))
    order = np.random.default_rng(1).permutation(len(i))
    rows = np.arange(Y.shape[0]) if rows is None else np.asarray(rows)
    columns = np.arange(Y.shape[1]) if columns is None else np.asarray(columns)
    return pandas.DataFrame({"user": rows[i], "item": columns[j], "stars": Y[i, j]}).iloc[order].reset_index(drop=True)


def status_and_report(run, *argv):
    status, out, err = run(*argv, "--json", "-")
    assert err == ""
    return status, json.loads(out, parse_constant=pytest.fail)


# --- landscape complete -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["squared", "huber", "logistic"])
def test_the_report_is_the_api(run, ls, here, matrix, loss):
    Y = np.sign(matrix) if loss == "logistic" else matrix
    extra = ["--delta", "0.5"] if loss == "huber" else []
    path = run.array("m.npy", Y)
    report = run.json("complete", path, "--lam", "0.8", "--loss", loss, *extra)
    mf = ls.MatrixFactorization(Y, 0.8, mask="nan", loss=loss, delta=0.5 if extra else 1.0)
    solution = mf.solve()
    assert report["data"] | {"note": ""} == {
        "name": "m.npy", "form": "matrix", "note": "", "n_rows": 20, "n_columns": 14, "n_observed": mf.n_observed,
        "row_ids": "positions", "column_ids": "positions", "smallest": np.nanmin(Y), "largest": np.nanmax(Y),
    }  # fmt: skip
    assert report["problem"] == {
        "loss": loss, "delta": 0.5 if extra else None, "lam": 0.8, "tol": 1e-6, "rank_max": None, "max_seconds": None,
        "lambda_max": pytest.approx(mf.lambda_max, rel=1e-5),
    }  # fmt: skip
    found = report["solution"]
    assert (found["rank"], found["value"], found["stop_reason"]) == (solution.rank, solution.value, "converged")
    assert found["relative_gap"] == solution.certificate.relative_gap <= 1e-6
    assert report["certificate"]["verdict"] == "GLOBAL"
    assert report["certificate"]["lower_bound"] == solution.certificate.lower_bound
    predictions = mf.predict(solution.point)
    if loss == "logistic":
        assert found["fit"]["number"] == np.mean(predictions[~np.isnan(Y)] * Y[~np.isnan(Y)] > 0.0)
    else:
        assert found["fit"]["number"] == pytest.approx(np.sqrt(np.nanmean((predictions - Y) ** 2)))
    assert report["pictures"] is None


def test_what_it_writes_is_the_solution_and_its_proof(run, ls, here, matrix):
    path = run.array("m.npy", matrix)
    out = run.ok("complete", path, "--lam", "0.8")
    assert max(map(len, out.splitlines())) <= 100
    assert "m-factors.npz: U, V, row_labels, column_labels" in out
    assert "GLOBAL: the proved gap is within the tolerance" in out
    with np.load(here / "m-factors.npz", allow_pickle=False) as arrays:
        point = arrays["U"], arrays["V"]
        assert (float(arrays["lam"]), str(arrays["loss"]), float(arrays["delta"])) == (0.8, "squared", 1.0)
    certificate = ls.load(here / "m-certificate.json")
    mf = ls.MatrixFactorization(matrix, 0.8, mask="nan")
    assert certificate.value == mf.certify(point).value
    assert ls.verify(certificate, mf, point)
    assert not ls.verify(certificate, mf.with_lam(0.7), point)


def test_files_go_where_they_are_sent(run, here, matrix):
    path = run.array("m.npy", matrix)
    (here / "below").mkdir()
    run.ok("complete", path, "--lam", "0.8", "--out", here / "below" / "f", "--certificate", here / "below" / "c")
    assert sorted(p.name for p in (here / "below").iterdir()) == ["c", "f"]  # no suffix is added
    assert sorted(p.name for p in here.iterdir()) == ["below", "m.npy"]


@pytest.mark.parametrize(
    ("rows", "columns"),
    [
        (None, None),
        (np.arange(100, 120)[::-1], np.arange(7, 21) ** 2),  # integers
        ([f"user {i}" for i in range(20)], [f"f{i:03d}" for i in range(14)]),  # text
        ([f"{i:03d}" for i in range(20)], np.arange(14)),  # zeros in front belong to the id
    ],
)
@pytest.mark.parametrize("kind", ["csv", "tsv", "parquet", "no header"])
def test_ids_name_the_rows_of_the_factors(run, ls, here, matrix, rows, columns, kind):
    frame = triplets(matrix, rows, columns)
    path = here / ("r.parquet" if kind == "parquet" else "r.csv")
    if kind == "parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False, header=kind != "no header", sep="\t" if kind == "tsv" else ",")
    report = run.json("complete", path, "--lam", "0.8", "--tol", "1e-9")
    assert report["data"]["form"] == "triplets"
    value = ls.MatrixFactorization(matrix, 0.8, mask="nan").solve(1e-9).value
    assert report["solution"]["value"] == pytest.approx(value, rel=1e-8)
    with np.load(here / "r-factors.npz") as arrays:
        u, v, i, j = (arrays[key] for key in ("U", "V", "row_labels", "column_labels"))
    assert sorted(i.tolist()) == i.tolist() == sorted(frame["user"].unique())
    assert sorted(j.tolist()) == j.tolist() == sorted(frame["item"].unique())
    best = ls.svt(u @ v.T, 1e-12).Z  # the completion, by position in the labels
    rated = pandas.Series(np.arange(len(i)), i)[frame["user"]].to_numpy()
    shown = pandas.Series(np.arange(len(j)), j)[frame["item"]].to_numpy()
    residual = np.sqrt(np.mean((best[rated, shown] - frame["stars"]) ** 2))
    assert residual == pytest.approx(report["solution"]["fit"]["number"], rel=1e-6)


def test_the_same_numbers_from_every_kind_of_file(run, here, matrix):
    i, j = np.nonzero(~np.isnan(matrix))
    sparse = scipy.sparse.csr_matrix((matrix[i, j], (i, j)), shape=matrix.shape)
    scipy.sparse.save_npz(here / "sparse.npz", sparse)
    run.array("m.npy", matrix)
    run.archive("one.npz", anything=matrix)
    frame = pandas.DataFrame(matrix, [f"row {k:02d}" for k in range(20)], [f"c{k:02d}" for k in range(14)])
    frame.to_csv("labelled.csv")
    frame.to_csv("header.csv", index=False)
    frame.to_csv("semicolon.csv", sep=";", na_rep="NA")
    frame.to_csv("plain.txt", index=False, header=False)
    frame.to_csv("spaces.dat", index=False, header=False, sep=" ", na_rep="?")
    frame.to_parquet("m.parquet")
    frame.reset_index(drop=True).to_parquet("m.pq")
    triplets(matrix).to_csv("t.csv", index=False)
    np.save("t.npy", triplets(matrix).to_numpy())
    files = ["sparse.npz", "m.npy", "one.npz", "labelled.csv", "header.csv", "semicolon.csv", "plain.txt", "spaces.dat"]
    values = [run.json("complete", f, "--lam", "0.8")["solution"]["value"] for f in [*files, "m.parquet", "m.pq"]]
    values.append(run.json("complete", "t.csv", "--lam", "0.8")["solution"]["value"])
    values.append(run.json("complete", "t.npy", "--lam", "0.8", "--triplets")["solution"]["value"])
    np.testing.assert_allclose(values, values[0], rtol=1e-12)
    with np.load("labelled-factors.npz") as arrays:
        assert arrays["row_labels"].tolist() == frame.index.tolist()
        assert arrays["column_labels"].tolist() == frame.columns.tolist()
    with np.load("m-factors.npz") as arrays:  # the last of that name was m.pq, without an index
        assert arrays["row_labels"].tolist() == list(range(20))


def test_movielens_layouts(run, here):
    lines = [(1, 5, 3), (1, 7, 4), (2, 5, 1), (9, 7, 5)]
    run.file("u.data", "".join(f"{u}\t{i}\t{s}\t881250949\n" for u, i, s in lines))
    run.file("ratings.dat", "".join(f"{u}::{i}::{s}::978300760\n" for u, i, s in lines))
    run.file("late.csv", "time,stars,user,item\n" + "".join(f"8,{s},{u},{i}\n" for u, i, s in lines))
    values = []
    for words in (("u.data",), ("ratings.dat",), ("late.csv", "--columns", "user,item,stars")):
        report = run.json("complete", *words, "--lam", "1")
        assert report["data"]["form"] == "triplets"
        assert (report["data"]["n_rows"], report["data"]["n_columns"], report["data"]["n_observed"]) == (3, 2, 4)
        values.append(report["solution"]["value"])
    assert values[0] == values[1] == values[2]
    assert run.json("complete", "late.csv", "--lam", "1", "--columns", "2,3,1")["solution"]["value"] == values[0]


def test_the_file_says_what_it_is_and_options_decide(run, here, rng):
    whole = run.file("whole.csv", "1,2,3\n4,5,6\n7,8,5\n2,2,2\n")
    assert "triplets of column 0, column 1, column 2 (detected" in run.ok("complete", whole, "--lam", "1")
    out = run.ok("complete", whole, "--lam", "1", "--matrix")
    assert "4 rows, 3 columns, 12 observed" in out
    assert "matrix (as asked)" in out
    fractions = run.file("fractions.csv", "0.5,2,3\n4.5,5,6\n")
    assert "matrix (detected" in run.ok("complete", fractions, "--lam", "1")
    blank = run.file("blank.csv", "1,2,3\n4,,6\n")
    assert "matrix (detected" in run.ok("complete", blank, "--lam", "1")


def test_lambda_max_and_a_hand_computed_case(run, here):
    run.file("e4.csv", "row,column,value\na,b,3\n")  # THEORY 9: objective 5/2 at Z = 2
    report = run.json("complete", "e4.csv", "--lam", "1")
    assert report["solution"]["value"] == pytest.approx(2.5, rel=1e-12)
    assert report["problem"]["lambda_max"] == pytest.approx(3.0, rel=1e-5)
    out = run.ok("complete", "e4.csv", "--lam", "4")
    assert "from which on zero is the solution" in out
    assert "rank 0, value 4.5" in out


def test_stopping_early_is_said_written_and_honest(run, ls, here, matrix):
    path = run.array("m.npy", matrix)
    status, report = status_and_report(run, "complete", path, "--lam", "0.8", "--rank-max", "1")
    assert status == 1
    assert (report["solution"]["rank"], report["solution"]["stop_reason"]) == (1, "rank_limit")
    assert report["certificate"]["verdict"] != "GLOBAL"
    best = ls.MatrixFactorization(matrix, 0.8, mask="nan").solve(1e-9)
    assert report["certificate"]["lower_bound"] <= best.value
    assert report["certificate"]["gap"] >= report["solution"]["value"] - best.value
    assert (here / "m-factors.npz").exists()
    status, out, err = run("complete", path, "--lam", "0.8", "--rank-max", "1")
    assert (status, err) == (1, "")
    assert "the largest width allowed is reached" in out
    status, report = status_and_report(run, "complete", path, "--lam", "0.8", "--max-seconds", "1e-9")
    assert (status, report["solution"]["stop_reason"]) == (1, "time_limit")


def test_an_interrupted_run_is_written(run, ls, here, matrix, monkeypatch):
    import dataclasses

    path = run.array("m.npy", matrix)
    solve = ls.MatrixFactorization.solve
    monkeypatch.setattr(
        ls.MatrixFactorization,
        "solve",
        lambda *args, **settings: dataclasses.replace(solve(*args, **settings), stop_reason=ls.StopReason.INTERRUPTED),
    )
    status, out, _ = run("complete", path, "--lam", "0.8")
    assert status == 130
    assert "interrupted, after" in out
    assert (here / "m-factors.npz").exists()


def test_pictures(run, here, matrix):
    path = run.array("m.npy", matrix)
    report = run.json("complete", path, "--lam", "0.8", "--plots", "p")
    assert sorted(p.name for p in (here / "p").iterdir()) == ["gap.png", "residual.png", "width.png"]
    assert all((here / row["file"]).read_bytes().startswith(b"\x89PNG") for row in report["pictures"])
    assert "\nPictures      " in run.ok("complete", path, "--lam", "5", "--plots", "p")


def test_what_is_missing_is_said_before_any_work(run, here, matrix, monkeypatch):
    path = run.array("m.npy", matrix)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "landscape_cpp.plotting", raising=False)
    monkeypatch.delattr("landscape_cpp.plotting", raising=False)
    message = run.fails("complete", path, "--lam", "1", "--plots", "p")
    assert message == 'pictures need matplotlib: python -m pip install "landscape-cpp[cli]"'
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    assert "pip install tqdm" in run.fails("complete", path, "--lam", "1", "--progress")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert "Parquet needs pyarrow" in run.fails("complete", run.file("r.parquet", "x"), "--lam", "1")
    assert sorted(p.name for p in here.iterdir()) == ["m.npy", "r.parquet"]


# --- landscape certify ------------------------------------------------------------------------------------------------


def test_the_own_solution_is_global_and_another_is_not(run, ls, here, matrix):
    frame = triplets(matrix, [f"u{i}" for i in range(20)])
    frame.to_csv("r.csv", index=False)
    rank = run.json("complete", "r.csv", "--lam", "0.8")["solution"]["rank"]
    out = run.ok("certify", "r-factors.npz", "r.csv", "--lam", "0.8", "--certificate", "again.json")
    assert f"\nFactors       r-factors.npz: U and V of width {rank}\n" in out
    certificate = ls.load(here / "again.json")
    assert str(certificate) in out
    status, report = status_and_report(run, "certify", "r-factors.npz", "r.csv", "--lam", "0.4")
    assert (status, report["certificate"]["verdict"]) == (1, "NOT_GLOBAL")
    assert report["files"]["certificate"] is None


def test_labels_match_the_rows_whatever_their_order(run, ls, here, matrix, rng):
    names = np.array([f"u{i:02d}" for i in range(20)])
    triplets(matrix, names).to_csv("r.csv", index=False)
    point = ls.MatrixFactorization(matrix, 0.8, mask="nan").solve().point
    rows, columns = rng.permutation(20), rng.permutation(14)
    run.archive("f.npz", U=point[0][rows], V=point[1][columns], row_labels=names[rows], column_labels=columns)
    run.ok("certify", "f.npz", "r.csv", "--lam", "0.8")
    run.archive("w.npz", U=point[0][rows], V=point[1][columns])
    status, _, _ = run("certify", "w.npz", "r.csv", "--lam", "0.8")
    assert status == 1
    # rows without a rating: in the problem, and zero at its minimum
    more = np.vstack([point[0], np.zeros((1, point[0].shape[1]))])
    labels = {"row_labels": [*names, "nobody"], "column_labels": np.arange(14)}
    run.archive("more.npz", U=more, V=point[1], **labels)
    report = run.json("certify", "more.npz", "r.csv", "--lam", "0.8")
    assert report["data"]["n_rows"] == 21
    assert report["certificate"]["verdict"] == "GLOBAL"
    # a dense matrix and a sparse one among other rows
    run.array("m.npy", matrix)
    labels = {"row_labels": np.append(np.arange(20), 99), "column_labels": np.arange(14)}
    run.archive("more.npz", U=more, V=point[1], **labels)
    assert run.json("certify", "more.npz", "m.npy", "--lam", "0.8")["certificate"]["verdict"] == "GLOBAL"


@pytest.mark.parametrize("kind", ["npz", "npy"])
def test_a_dense_solution(run, ls, here, kind):
    Y = np.diag([3.0, 1.0])
    run.array("y.npy", Y)
    Z = ls.svt(Y, 1.0).Z
    path = run.array("z.npy", Z) if kind == "npy" else run.archive("z.npz", Z=Z)
    report = run.json("certify", path, "y.npy", "--lam", "1")
    assert report["factors"] == {"name": path.name, "given": "Z", "width": 1}
    assert report["certificate"]["value"] == pytest.approx(3.0)
    zero = run.array("zero.npy", np.zeros((2, 2)))
    status, report = status_and_report(run, "certify", zero, "y.npy", "--lam", "1")
    assert status == 1
    assert report["certificate"]["gap"] == pytest.approx(20.0 / 9.0)  # THEORY F11
    assert report["certificate"]["verdict"] == "NOT_GLOBAL"


def test_a_tolerance_decides(run, here):
    run.array("y.npy", np.diag([3.0, 1.0]))
    near = run.archive("near.npz", U=np.array([[1.41], [0.0]]), V=np.array([[1.41], [0.0]]))
    assert run("certify", near, "y.npy", "--lam", "1")[0] == 1
    assert run("certify", near, "y.npy", "--lam", "1", "--tol", "0.01")[0] == 0


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("", (), "r.csv is empty"),
        ("user,item,stars\n", (), "r.csv has a header and no rows"),
        ("1,2,3\n1,3,4\n1,2,5\n", (), "r.csv, line 3 repeats row 1, column 2 of line 1 (1 repeated entries)"),
        ("a,b,x\nu,v,1\nu,w,2\nu,v,1\n", (), "r.csv, line 4 repeats row u, column v of line 2"),
        ("1,2,3\n1,3\n", (), "r.csv, line 2 has 2 columns, expected 3"),
        ("u,i,s\n1,2,3\n1,,4\n", ("--triplets",), "r.csv, line 3, column 'i': missing id"),
        ("u,i,s\n1,2,3\n1,3,\n", ("--triplets",), "r.csv, line 3, column 's': missing value"),
        ("u,i,s\n1,2,3\n1,3,inf\n", ("--triplets",), "r.csv, line 3, column 's': not a finite number: 'inf'"),
        ("u;i;s\n1;2;3\n1;3;3,5\n", ("--triplets",), "(write a decimal point, not a comma)"),
        ("1,2\n3,4\n", ("--triplets",), "r.csv has 2 columns; triplets need a row id, a column id and a value"),
        ("1,2,3\n", ("--columns", "0,1"), "--columns must name three"),
        ("1,2,3\n", ("--columns", "0,1,7"), "--columns 7: r.csv has 3 columns, 0 to 2"),
        ("1,2,3\n", ("--columns", "0,1,2", "--matrix"), "--columns is for triplets"),
        ("1,2,3\n", ("--index", "--triplets"), "--index is for matrices"),
        ("a,b\n1,x\n2,3\n", (), "r.csv, line 2, column 'b': not a finite number: 'x'"),
        ("user,1,2,3,4\n7,5,,1,2\n8,,2,,1\n", (), "line 1 may hold the ids of the columns or a row of the matrix"),
        (",1,2\n7,5,\n8,,2\n9,1,1\n", (), "line 1 may hold the ids of the columns or a row of the matrix"),
        ("id,a,b\n7,5,\n8,,2\n9,1,1\n", (), "column 'id' may hold the ids of the rows or values"),
        ("a,a\n1,2\n3,\n", (), "r.csv has several columns 'a'"),
        ("x,a,b\nu,1,2\nu,3,\n", (), "r.csv has several rows 'u'"),
        ("x,a,b\nu,1,2\n,3,\n", (), "missing id of the row"),
        (",,\n,,\n", (), "r.csv has no observed entry"),
        ("1,2,3\n", ("--delta", "2"), "--delta is for --loss huber"),
        ("1,2,3\n", ("--loss", "logistic"), "Y must hold the labels -1 and 1 for the logistic loss, got 3"),
        ("1,2,3\n", ("--lam", "-1"), "expected a positive number, got '-1'"),
        ("1,2,3\n", ("--rank-max", "0"), "expected an integer of at least 1, got '0'"),
        ("1,2,3\n", ("--out", "no/where.npz"), "cannot write no/where.npz: no such folder"),
        ("1,2,3\n", ("--triplets", "--matrix"), "not allowed with argument"),
    ],
)
def test_wrong_ratings(run, here, content, options, message):
    path = run.file("r.csv", content)
    assert message in run.fails("complete", path, "--lam", "1", *options)
    assert [p.name for p in here.iterdir()] == ["r.csv"]


def test_what_may_be_either_is_decided_by_options(run, here):
    path = run.file("r.csv", ",1,2\n7,5,\n8,,2\n9,1,1\n")
    report = run.json("complete", path, "--lam", "1", "--header", "--index")
    assert (report["data"]["n_rows"], report["data"]["n_columns"], report["data"]["n_observed"]) == (3, 2, 4)
    with np.load("r-factors.npz") as arrays:
        assert (arrays["row_labels"].tolist(), arrays["column_labels"].tolist()) == ([7, 8, 9], [1, 2])
    report = run.json("complete", path, "--lam", "1", "--no-header", "--no-index")
    assert (report["data"]["n_rows"], report["data"]["n_columns"], report["data"]["n_observed"]) == (4, 3, 9)


@pytest.mark.parametrize(
    ("frame", "options", "message"),
    [
        ({"u": ["a", None], "i": [1, 2], "s": [1.0, 2.0]}, ("--triplets",), "row 1 (counted from 0), column 'u'"),
        ({"u": [1, 2], "i": [1, 2], "s": ["x", "y"]}, ("--triplets",), "column 's': not numbers but"),
        ({"u": [1, 2], "i": [1, 2], "s": [np.inf, 0.0]}, ("--triplets",), "column 's': not a finite number: inf"),
        ({"u": [1, 1], "i": [2, 2], "s": [1.0, 1.0]}, (), "row 1 (counted from 0) repeats row 1, column 2 of row 0"),
        ({"u": [1.0, 2.0], "i": [3.0, 4.0]}, ("--header",), "--header is for text tables"),
    ],
)
def test_wrong_parquet(run, here, frame, options, message):
    pandas.DataFrame(frame).to_parquet("r.parquet")
    assert message in run.fails("complete", "r.parquet", "--lam", "1", *options)


def test_parquet_of_categories_and_of_a_filtered_frame(run, here, matrix):
    frame = triplets(matrix, [f"u{i}" for i in range(20)])
    frame["user"] = frame["user"].astype("category")
    kept = frame[frame["item"] != 3]  # pandas stores the index that is left
    kept.to_parquet("r.parquet")
    report = run.json("complete", "r.parquet", "--lam", "1")
    assert (report["data"]["form"], report["data"]["n_observed"]) == ("triplets", len(kept))
    assert (report["data"]["row_ids"], report["data"]["column_ids"]) == ("text", "integers")
    table = pyarrow.table({"u": pyarrow.array([1.0, 2.0]), "i": pyarrow.array([5, 6], pyarrow.int16()), "s": [1, 2]})
    pyarrow.parquet.write_table(table, "f.parquet")
    assert run.json("complete", "f.parquet", "--lam", "1")["data"]["row_ids"] == "integers"


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"U": np.ones((2, 1))}, "must hold U (n2, r) and V (n0, r), or Z (n2, n0); it holds U"),
        ({"U": np.ones((2, 1)), "V": np.ones((2, 1)), "Z": np.ones((2, 2))}, "must hold U (n2, r) and V"),
        ({"U": np.ones((3, 1)), "V": np.ones((2, 1))}, "U and V must be (2, r) and (2, r), got (3, 1) and (2, 1)"),
        ({"U": np.ones((2, 2)), "V": np.ones((2, 1))}, "U and V must be (2, r) and (2, r)"),
        ({"U": np.full((2, 1), np.nan), "V": np.ones((2, 1))}, "U contains NaN or infinity"),
        ({"U": np.ones(2), "V": np.ones((2, 1))}, "U must be a matrix of real numbers"),
        ({"U": np.array([["a"], ["b"]]), "V": np.ones((2, 1))}, "U must be a matrix of real numbers"),
        ({"Z": np.ones((2, 3))}, "Z must have the rows and columns of the ratings, (2, 2), got (2, 3)"),
        ({"Z": np.ones((2, 2)), "row_labels": np.arange(2)}, "column_labels must be 2 whole numbers or texts"),
        ({"Z": np.ones((2, 2)), "row_labels": [0, 0], "column_labels": [0, 1]}, "row_labels must be distinct"),
        ({"Z": np.ones((2, 2)), "row_labels": [0, 5], "column_labels": [0, 1]}, "row '1' is not among the labels of"),
    ],
)
def test_wrong_factors(run, here, arrays, message):
    run.array("y.npy", np.array([[3.0, np.nan], [0.0, 1.0]]))
    assert message in run.fails("certify", run.archive("f.npz", **arrays), "y.npy", "--lam", "1")


def test_wrong_arrays(run, here):
    assert "must be 2-D" in run.fails("complete", run.array("a.npy", np.ones(3)), "--lam", "1")
    assert "real numbers" in run.fails("complete", run.array("a.npy", np.ones((2, 2)) * 1j), "--lam", "1")
    assert "inf at row 0, column 1" in run.fails("complete", run.array("a.npy", np.array([[1, np.inf]])), "--lam", "1")
    message = run.fails("complete", run.array("a.npy", np.array([[0.5, 1, 2]])), "--lam", "1", "--triplets")
    assert "an id must be a whole number, got 0.5" in message
    assert "must hold a single array" in run.fails("complete", run.archive("b.npz", a=[1], b=[2]), "--lam", "1")
    assert "has no header" in run.fails("complete", run.array("a.npy", np.ones((2, 2))), "--lam", "1", "--header")
    assert "no such file" in run.fails("complete", "missing.csv", "--lam", "1")
    scipy.sparse.save_npz("twice.npz", scipy.sparse.coo_matrix(([1.0, 2.0], ([0, 0], [0, 0])), shape=(2, 2)))
    run.archive("f.npz", U=np.ones((2, 1)), V=np.ones((2, 1)), row_labels=[1, 0], column_labels=[0, 1])
    for words in (("complete", "twice.npz"), ("certify", "f.npz", "twice.npz")):
        assert "duplicate entries" in run.fails(*words, "--lam", "1")


def test_zeros_in_front_of_an_id_are_part_of_it(run):
    ratings = _ratings.read_ratings(run.file("r.csv", "u,i,s\n7,1,1\n007,1,2\n"))
    assert ratings.row_labels.tolist() == ["007", "7"]
    assert ratings.column_labels.tolist() == [1]
    with pytest.raises(DataError, match="is not among the labels of here"):
        ratings.arranged(np.array(["7"]), np.array([1]), "here")


@pytest.mark.parametrize("verb", ["complete", "certify"])
def test_help_ends_well_in_every_encoding(run, verb):
    with pytest.raises(SystemExit) as stopped:
        cli.main([verb, "--help"])
    out, err = run.capsys.readouterr()
    assert (stopped.value.code, err) == (0, "")
    assert out.isascii()
    assert "exit status: 0" in out
