"""A front as a table of pandas, and what is said where pandas isn't installed."""

from __future__ import annotations

import json
import sys

import pytest

from gasearch.ecosystem.frames import front_frame, write_parquet
from gasearch.errors import BadInput, GasearchError
from gasearch.query.front import point_of
from tests.doubles.archived import NETWORKS

POINTS = [point_of(one) for one in NETWORKS if one.is_on_front]


def test_a_frame_has_a_row_for_each_network_and_a_column_for_each_metric():
    pytest.importorskip("pandas")
    frame = front_frame(POINTS)
    assert frame.index.name == "key"
    assert list(frame.index) == [point.key for point in POINTS]
    assert list(frame.columns) == ["accuracy", "latency_ms", "latency_spread_ms", "macs", "model_bytes", "blueprint"]
    assert list(frame["accuracy"]) == [point.metrics["accuracy"] for point in POINTS]
    assert json.loads(frame["blueprint"].iloc[0])["family"] == "cnn"


def test_a_front_of_no_network_has_its_columns():
    pytest.importorskip("pandas")
    assert list(front_frame([]).columns) == ["blueprint"]


def test_a_parquet_file_holds_the_frame(tmp_path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    write_parquet(POINTS, tmp_path / "front.parquet")
    assert pandas.read_parquet(tmp_path / "front.parquet").equals(front_frame(POINTS))
    with pytest.raises(BadInput, match="can't write"):
        write_parquet(POINTS, tmp_path / "no" / "front.parquet")


@pytest.mark.parametrize("missing", ["pandas", "pyarrow"])
def test_what_is_not_installed_is_said_with_the_command_that_installs_it(monkeypatch, tmp_path, missing):
    if missing != "pandas":
        pytest.importorskip("pandas")
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(
        GasearchError, match=rf"needs {missing}, which isn't installed: pip install 'gasearch\[pandas\]'"
    ):
        write_parquet(POINTS, tmp_path / "front.parquet")
    assert list(tmp_path.iterdir()) == []
