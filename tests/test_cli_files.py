"""The command line on Parquet files, and the pictures it writes."""

import decimal
import sys

import numpy as np
import pandas
import pyarrow
import pyarrow.parquet
import pytest

from landscape_cpp import _datasets


def parquet(run, name="t.parquet", **columns):
    pandas.DataFrame(columns).to_parquet(run.folder / name, index=False)
    return run.folder / name


# --- Parquet ----------------------------------------------------------------------------------------------------------


def test_parquet_is_the_table_of_the_same_columns(run, rng):
    numbers = rng.standard_normal((30, 2))
    columns = {"a": numbers[:, 0], "b": np.arange(30), "flag": np.arange(30) % 3 == 0, "y": numbers[:, 1]}
    path = parquet(run, **columns)
    text = run.file("t.csv", pandas.DataFrame(columns).astype(float).to_csv(index=False))
    ours, theirs = (run.json("analyze", p, "--targets", "y,flag", "--hidden", "1") for p in (path, text))
    assert ours["data"].pop("name") == "t.parquet"
    assert theirs["data"].pop("name") == "t.csv"
    assert ours == theirs
    assert ours["data"]["inputs"] == ["a", "b"]


def test_parquet_in_parts_and_types(run, rng):
    table = pyarrow.table(
        {
            "x": pyarrow.array(rng.standard_normal(50).astype(np.float32)),
            "d": pyarrow.array([decimal.Decimal(i) / 4 for i in range(50)]),
            "name": pyarrow.array(["left out"] * 50),
            "y": pyarrow.array(np.arange(50, dtype=np.int16)),
        }
    )
    path = run.folder / "parts.pq"
    pyarrow.parquet.write_table(table, path, row_group_size=7)
    report = run.json("analyze", path, "--inputs", "x,d", "--targets", "-1", "--hidden", "1")
    assert report["data"]["targets"] == ["y"]
    assert report["data"]["n_samples"] == 50
    expected = np.column_stack([table["x"].to_numpy(), np.arange(50) / 4])
    np.testing.assert_array_equal(_datasets.load(str(path), inputs=["x,d"], targets=["y"]).X, expected)


def test_the_index_of_pandas_is_no_column(run, rng):
    frame = pandas.DataFrame({"a": rng.standard_normal(9), "y": rng.standard_normal(9)}, index=list("abcdefghi"))
    frame.to_parquet(run.folder / "i.parquet")
    assert run.json("analyze", run.folder / "i.parquet", "--targets", "y", "--hidden", "1")["data"]["inputs"] == ["a"]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"a": [1.0, None, 3.0], "y": [1.0, 2.0, 3.0]}, "t.parquet, row 1 (counted from 0), column 'a': missing value"),
        ({"a": [1.0, 2.0, np.inf], "y": [1.0, 2.0, 3.0]}, "t.parquet, row 2 (counted from 0), column 'a': inf"),
        ({"a": ["u", "v"], "y": [1.0, 2.0]}, "t.parquet, column 'a': not numbers but"),
        ({"a": [[1.0], [2.0]], "y": [1.0, 2.0]}, "t.parquet, column 'a': not numbers but list"),
        ({"a": [], "y": []}, "t.parquet has no rows"),
        ({"a": [1.0, 2.0]}, "no column 'y' in t.parquet; the columns are 'a'"),
    ],
)
def test_wrong_parquet(run, columns, message):
    assert message in run.fails("analyze", parquet(run, **columns), "--targets", "y", "--hidden", "1")


def test_parquet_that_is_none(run, monkeypatch):
    path = run.file("no.parquet", "a,y\n1,2\n")
    assert "no.parquet is not a Parquet file" in run.fails("analyze", path, "--targets", "y", "--hidden", "1")
    table = pyarrow.table([pyarrow.array([1.0]), pyarrow.array([2.0])], names=["a", "a"])
    pyarrow.parquet.write_table(table, run.folder / "twice.parquet")
    message = run.fails("analyze", run.folder / "twice.parquet", "--targets", "a", "--hidden", "1")
    assert "several columns 'a'" in message
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert 'pip install "landscape-cpp[cli]"' in run.fails("analyze", path, "--targets", "y", "--hidden", "1")


# --- pictures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hidden", [1, 3])
def test_plots_are_written_and_named(run, pair, tmp_path, hidden):
    folder = tmp_path / "new" / "pictures"
    report = run.json("analyze", pair, "--hidden", hidden, "--plots", folder)
    names = ["ladder.png", "slice.png", "spectrum.png"]
    assert [row["file"] for row in report["pictures"]] == [str(folder / name) for name in names]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert all((folder / name).read_bytes().startswith(b"\x89PNG") for name in names)
    assert run.json("analyze", pair, "--hidden", hidden)["pictures"] is None


def test_plots_with_weights(run, pair, rng, tmp_path):
    weights = run.archive("w.npz", U=rng.standard_normal((3, 2)), V=rng.standard_normal((5, 2)))
    out = run.ok("analyze", pair, "--weights", weights, "--plots", tmp_path / "p")
    assert "\nPictures      " in out
    assert len(list((tmp_path / "p").iterdir())) == 3


def test_plots_of_a_landscape_without_saddles(run, tmp_path):
    path = run.archive("flat.npz", X=np.array([[1.0], [-1.0]]), Y=np.array([[1.0], [1.0]]))
    out = run.ok("analyze", path, "--hidden", 1, "--plots", tmp_path / "p")
    assert "slice: left out, inputs and targets are uncorrelated" in out
    assert not (tmp_path / "p" / "slice.png").exists()


def test_plots_of_a_large_network_show_the_smallest_eigenvalues(run, rng, tmp_path):
    path = run.archive("wide.npz", X=rng.standard_normal((300, 200)), Y=rng.standard_normal((300, 10)))
    report = run.json("analyze", path, "--hidden", 10, "--plots", tmp_path)
    assert report["problem"]["n_parameters"] == 2100
    assert len(report["pictures"]) == 3


def test_plots_that_cannot_be(run, pair, tmp_path, monkeypatch):
    taken = run.file("taken", "")
    assert "is a file, not a folder" in run.fails("analyze", pair, "--hidden", 1, "--plots", taken)
    assert "cannot make the folder" in run.fails("analyze", pair, "--hidden", 1, "--plots", taken / "below")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "landscape_cpp.plotting", raising=False)
    monkeypatch.delattr("landscape_cpp.plotting", raising=False)
    message = run.fails("analyze", pair, "--hidden", 1, "--plots", tmp_path / "p")
    assert message == 'pictures need matplotlib: python -m pip install "landscape-cpp[cli]"'
    assert not (tmp_path / "p").exists()
