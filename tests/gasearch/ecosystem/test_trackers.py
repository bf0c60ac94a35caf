"""A search noted by trackers: what they hold afterwards, and what comes of one that fails."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

import gasearch
from gasearch.ecosystem.trackers import MLflow, TensorBoard, Tracker, WandB
from gasearch.errors import GasearchError
from tests.doubles.custom_search import CUSTOM_SPEC

pytestmark = pytest.mark.filterwarnings("ignore")  # of the trackers' own


class Kept(Tracker):
    """Keeps what it is to note."""

    def __init__(self):
        super().__init__()
        self.noted = []
        self.is_finished = False

    def note(self, values, step):
        self.noted.append((step, dict(values)))

    def finish(self):
        self.is_finished = True


class Failing(Kept):
    def note(self, values, step):
        super().note(values, step)
        raise ConnectionError("the tracker is away")


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/store.db"


def errors_of(search):
    return [one.metrics["error"] for one in search.evaluations()]


def test_each_outcome_is_a_step_and_the_progress_stands_beside_it(url):
    with Kept() as tracker:
        search = gasearch.run(CUSTOM_SPEC, db=url, observer=tracker)
    outcomes = [(step, values) for step, values in tracker.noted if "network/error" in values]
    assert [step for step, _ in outcomes] == list(range(12))
    assert [values["network/error"] for _, values in outcomes] == errors_of(search)
    last = [values for _, values in tracker.noted if "search/front_size" in values][-1]
    assert last["search/front_size"] == len(search.front())
    assert last["best/error"] == search.best("error").metrics["error"]
    assert tracker.is_finished


def test_a_tracker_that_fails_ends_no_search_and_says_so_once(url, caplog):
    with caplog.at_level(logging.WARNING), Failing() as tracker:
        search = gasearch.run(CUSTOM_SPEC, db=url, observer=tracker)
    assert search.status().told == 12
    assert len(tracker.noted) == 1
    assert [one.getMessage() for one in caplog.records].count("Failing notes nothing more: the tracker is away") == 1


def test_a_tracker_that_failed_is_ended_all_the_same(url):
    with Failing() as tracker:
        gasearch.run(CUSTOM_SPEC, db=url, observer=tracker)
    assert tracker.is_finished
    assert not tracker.has_failed


def test_a_run_tells_whether_the_search_ended_with_an_error():
    with pytest.raises(RuntimeError), Kept() as tracker:
        raise RuntimeError("the search failed")
    assert tracker.is_finished
    assert tracker.has_failed


def test_tensorboard_reads_every_step(url, tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with TensorBoard(tmp_path / "logs") as tracker:
        search = gasearch.run(CUSTOM_SPEC, db=url, observer=tracker)
    events = EventAccumulator(str(tmp_path / "logs"), size_guidance={"tensors": 0})
    events.Reload()
    tensors = events.Tensors("network/error")
    assert [one.step for one in tensors] == list(range(12))
    assert [one.tensor_proto.float_val[0] for one in tensors] == pytest.approx(errors_of(search))


def test_mlflow_has_a_run_with_every_step(url, tmp_path):
    mlflow = pytest.importorskip("mlflow")
    uri = f"file:{tmp_path}/runs"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
        with MLflow("digits", run="first", tracking_uri=uri) as tracker:
            search = gasearch.run(CUSTOM_SPEC, db=url, observer=tracker)
        client = mlflow.MlflowClient(tracking_uri=uri)
        noted = client.get_metric_history(tracker.run_id, "network/error")
        assert [one.value for one in sorted(noted, key=lambda one: one.step)] == errors_of(search)
        assert client.get_run(tracker.run_id).info.status == "FINISHED"


WANDB_PROGRAM = """
import sys
import gasearch
from gasearch.ecosystem.trackers import WandB
from tests.doubles.custom_search import CUSTOM_SPEC
with WandB("digits", mode="offline", dir=sys.argv[1]) as tracker:
    gasearch.run(CUSTOM_SPEC, db=sys.argv[2], observer=tracker)
"""


def test_wandb_keeps_a_run_offline(url, tmp_path):
    pytest.importorskip("wandb")
    command = [sys.executable, "-c", WANDB_PROGRAM, str(tmp_path), url]  # its writer ends with the program
    environment = os.environ | {"WANDB_SILENT": "true"}
    subprocess.run(command, check=True, cwd=Path(__file__).parents[3], env=environment)
    [run] = (tmp_path / "wandb").glob("offline-run-*/*.wandb")
    assert b"network/error" in run.read_bytes()


def test_a_folder_that_can_t_be_written_is_said(tmp_path):
    pytest.importorskip("tensorboard")
    (tmp_path / "logs").write_text("a file")
    with pytest.raises(GasearchError, match=r"the tracker can't begin a run: "):
        TensorBoard(tmp_path / "logs")


@pytest.mark.parametrize(
    ("missing", "make"), [("mlflow", MLflow), ("tensorboard", lambda: TensorBoard("logs")), ("wandb", WandB)]
)
def test_a_tracker_that_is_not_installed_is_said_with_its_command(monkeypatch, missing, make):
    for name in [name for name in sys.modules if name.partition(".")[0] == missing]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(GasearchError, match=rf"isn't installed: pip install 'gasearch\[{missing}\]'$"):
        make()
