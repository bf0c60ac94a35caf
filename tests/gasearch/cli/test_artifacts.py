"""`verify`, and `export --check`, as commands."""

import json
import re

import numpy as np
import pytest
from gasearch_workers.runtimes.runtime import RUNTIMES, Runtime

from tests.doubles.command_line import TRAINED, CommandLine


@pytest.fixture(scope="module")
def line(tmp_path_factory):
    """A folder with a finished search and an export that was checked; `checked` is what that printed."""
    line = CommandLine(tmp_path_factory.mktemp("artifacts"))
    line.write_spec(TRAINED.replace("batch_size: 128", "batch_size: 16").replace("evaluations: 8", "evaluations: 2"))
    assert line.here("run", "small.yaml").status == 0
    [row] = json.loads(line.here("best", "small", "--format", "json").out)
    line.checked = line.here("export", "small", row["key"], "-o", "model", "--formats", "", "--check")
    return line


def test_a_checked_export_prints_each_file_with_what_it_gives(line):
    assert line.checked.status == 0, line.checked.err
    titles, *rows = line.checked.out.splitlines()[1:]
    assert titles.split()[:5] == ["file", "bytes", "runtime", "agreement", "test_accuracy"]
    assert [row.split()[0] for row in rows] == ["model.onnx", "model.gap", "model.safetensors"]
    assert "model keeps what it claims, in onnxruntime, gasearch, torch" in line.checked.err


def test_verify_prints_claims_and_keeps_them(line):
    done = line.here("verify", "model", "--runtime", "gasearch", "--runtime", "torch")
    assert done.status == 0, done.err
    assert done.out.splitlines()[0].split() == [
        *("file", "runtime", "claim", "claimed", "measured", "tolerance", "verdict")
    ]
    assert "not judged" not in done.out
    [size] = [line for line in done.out.splitlines() if " model_bytes " in line]
    assert re.search(r" (\d+) B +\1 B +0 B  holds$", size)
    assert max(map(len, done.out.splitlines())) <= 120
    assert "model keeps what it claims, in gasearch, torch" in done.err
    assert json.loads((line.folder / "model/verification.json").read_text())["is_verified"]


def test_verify_prints_all_that_was_measured_where_that_is_asked(line):
    done = line.here("verify", "model", "--runtime", "torch", "--all")
    assert done.out.splitlines()[0].split()[-4:] == ["difference", "tolerance", "verdict", "note"]
    assert "not judged" in done.out
    [latency] = [line for line in done.out.splitlines() if " plain_latency_ms " in line]
    assert re.search(r" \d[\d.]* ms ", latency)


def test_verify_prints_rows_as_json(line):
    done = line.here("verify", "model", "--runtime", "gasearch", "--format", "json")
    rows = json.loads(done.out)
    assert {row["claim"]: row["verdict"] for row in rows}["model_bytes"] == "holds"


@pytest.mark.parametrize("seconds", ["0", "-1", "nan"])
def test_a_limit_that_is_no_time_is_status_2(line, seconds):
    done = line.here("verify", "model", "--time-limit", seconds)
    assert done.status == 2
    assert "the time limit must be a number of seconds greater than 0" in done.err


def test_a_claim_that_fails_is_status_1(line, monkeypatch):
    lie = Runtime(
        name="liar",
        form="gap",
        needs="",
        version=lambda: "7",
        run=lambda folder, x: np.ones((len(x), 10), np.float32),
        is_isolated=False,
    )
    monkeypatch.setitem(RUNTIMES.own, "liar", lie)
    done = line.here("verify", "model", "--runtime", "liar")
    assert done.status == 1
    assert "model doesn't keep what it claims: liar on model.gap: test_accuracy must be within" in done.err


def test_bad_input_is_status_2(line):
    for arguments, text in (
        (["nowhere"], "no exported folder: there is no folder nowhere; export makes one: gasearch export NAME KEY"),
        (["small.yaml"], "no exported folder: small.yaml is a file, not a folder; export makes one"),
        (["model", "--db", "foo"], "a database is named by a URL such as"),
        (["model", "--runtime", "abacus"], "there is no runtime 'abacus'"),
        (["model", "--data", "none.npz"], "none.npz"),
        (["."], "no exported folder: no model.json in .; export makes one: gasearch export NAME KEY -o DIR"),
    ):
        done = line.here("verify", *arguments)
        assert done.status == 2
        assert text in done.sentence
