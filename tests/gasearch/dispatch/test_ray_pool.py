import os
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
from gasearch_workers import ray_worker
from gasearch_workers.data import load_dataset
from gasearch_workers.messages import Blueprint, FailureKind, Layer, Measurement, Recipe

from gasearch.dispatch import ray_pool
from gasearch.dispatch.ray_cluster import PoolSize
from gasearch.dispatch.ray_pool import RayPool
from tests.contracts.dispatcher_contract import DispatcherContract, collect_all
from tests.doubles.ray_processes import named
from tests.doubles.requests import custom_request, request_for

ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.filterwarnings("ignore")  # Ray's own warnings on start-up are not ours to mend


BLUEPRINT = Blueprint(
    family="mlp",
    input_shape=(1, 8, 8),
    layers=(
        Layer(kind="linear", width=16, weight_bits=4, activation_bits=8),
        Layer(kind="linear", width=10, weight_bits=8),
    ),
)


def wait_for_workers(pool, count):
    until = time.monotonic() + 60
    while pool.free < count and time.monotonic() < until:
        pool.collect(0.5)


def meters():
    """The processes that measure latency."""
    return named(os.getpid(), "ray::MeasuringW")  # as much as the system keeps of a name


@pytest.fixture(scope="module")
def added_family(tmp_path_factory):
    """A folder to import from that holds the example of an added family as pip leaves it."""
    folder = tmp_path_factory.mktemp("family")
    shutil.copytree(ROOT / "examples/family_package", folder, dirs_exist_ok=True)
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    information = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Name: {project['name']}\nVersion: {project['version']}\n")
    points = [f"{name} = {value}" for name, value in project["entry-points"]["gasearch.families"].items()]
    (information / "entry_points.txt").write_text("\n".join(["[gasearch.families]", *points]))
    return folder


@pytest.fixture(scope="module")
def shared_pool(added_family):
    """One pool for the module: starting Ray takes seconds. The evaluators under `tests` must be importable there."""
    with pytest.MonkeyPatch.context() as patch:  # put back also where no pool may be started
        patch.setattr(sys, "path", [*sys.path, str(added_family)])  # evaluations look where the controller does
        patch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)
        notices = []
        pool = RayPool(
            size=PoolSize(count=2, gpus=0), data=load_dataset("digits"), has_meter=True, notice=notices.append
        )
        pool.notices = notices
        yield pool
        pool.close()


class TestRayPool(DispatcherContract):
    @pytest.fixture
    def dispatcher(self, shared_pool, monkeypatch):
        monkeypatch.setattr(shared_pool, "close", lambda: None)
        yield shared_pool
        collect_all(shared_pool)

    def test_two_evaluations_run_at_once(self, dispatcher):
        wait_for_workers(dispatcher, 2)
        assert dispatcher.free == 2

    def test_the_measuring_worker_s_death_loses_no_training(self, dispatcher):
        calibration = dispatcher.calibrate(())
        dispatcher.notices.clear()
        [meter] = meters()
        os.kill(meter, signal.SIGKILL)
        dispatcher.submit(request_for(BLUEPRINT, key="05", measures=frozenset({"latency_ms"}), calibration=calibration))
        (result,) = collect_all(dispatcher)
        assert isinstance(result.outcome, Measurement)
        assert result.attempt == 1
        assert result.outcome.latency_ms > 0
        assert dispatcher.notices == ["the measuring worker died and is replaced"]

    def test_a_measuring_worker_that_hangs_is_replaced(self, dispatcher, monkeypatch, tmp_path):
        class HangsOnce(ray_worker.MeasuringWorker):
            """What takes the killed one's place."""

            def finish(self, *arguments):
                if (tmp_path / "hung").exists():
                    return super().finish(*arguments)
                (tmp_path / "hung").touch()
                time.sleep(600)

        calibration = dispatcher.calibrate(())
        monkeypatch.setattr(ray_worker, "MeasuringWorker", HangsOnce)
        monkeypatch.setattr(ray_pool, "TIMING_S", 2.0)
        monkeypatch.setattr(ray_pool, "MOST_TIMINGS", 3)  # the killed one's, the hanging one's, the last one's
        os.kill(*meters(), signal.SIGKILL)
        dispatcher.submit(request_for(BLUEPRINT, key="06", measures=frozenset({"latency_ms"}), calibration=calibration))
        (result,) = collect_all(dispatcher)
        assert isinstance(result.outcome, Measurement)
        assert (tmp_path / "hung").exists()

    def test_an_evaluation_that_dies_leaves_its_worker_at_work(self, dispatcher):
        dispatcher.notices.clear()
        dispatcher.submit(custom_request("01", evaluator="tests.doubles.evaluators:dies"))
        (result,) = collect_all(dispatcher)
        assert result.outcome.kind is FailureKind.DIED
        assert "was killed by signal 9 (killed)" in result.outcome.message
        assert dispatcher.notices == []

    def test_a_killed_worker_is_a_lost_evaluation_and_is_replaced(self, dispatcher):
        dispatcher.notices.clear()
        dispatcher.submit(custom_request("01", evaluator="tests.doubles.evaluators:kills_its_worker"))
        dispatcher.submit(custom_request("02", x=7))
        by_key = {result.key: result.outcome for result in collect_all(dispatcher)}
        assert by_key["01"].kind is FailureKind.WORKER_LOST
        assert by_key["01"].is_retryable
        assert by_key["01"].message.startswith("the worker died: ")
        assert isinstance(by_key["02"], Measurement)
        assert dispatcher.notices == ["a worker died and is replaced"]
        for number in range(4):
            dispatcher.submit(custom_request(f"1{number}", x=number))
        assert all(isinstance(result.outcome, Measurement) for result in collect_all(dispatcher))

    def test_a_hung_evaluation_is_killed_after_its_time_limit(self, dispatcher, monkeypatch):
        monkeypatch.setattr(ray_pool, "GRACE_S", 0.5)
        request = custom_request("03", evaluator="tests.doubles.evaluators:sleeps")
        dispatcher.submit(request_for(request.network, key="03", task=request.task, time_limit_s=1.0))
        (result,) = collect_all(dispatcher)
        assert result.outcome.kind is FailureKind.TIMED_OUT
        assert "its time limit of 1 s" in result.outcome.message

    def test_a_network_is_trained_and_its_latency_measured_by_the_measuring_worker(self, dispatcher):
        calibration = dispatcher.calibrate(())
        assert dispatcher.calibrate((calibration,)) == calibration
        request = request_for(
            BLUEPRINT,
            key="04",
            recipe=Recipe(epochs=3, batch_size=32),
            measures=frozenset({"latency_ms"}),
            calibration=calibration,
        )
        dispatcher.submit(request)
        (result,) = collect_all(dispatcher)
        assert isinstance(result.outcome, Measurement)
        assert result.outcome.latency_ms > 0
        assert result.outcome.latency_device == calibration.device
        assert result.outcome.accuracy > 0.5

    def test_a_network_of_an_added_family_is_trained_and_one_of_a_missing_kind_says_which(self, dispatcher):
        head = Layer(kind="linear", width=10, weight_bits=8)
        for key, kind in (("08", "bottleneck"), ("09", "elsewhere")):
            layer = Layer(kind=kind, width=4, kernel=3, weight_bits=8, activation_bits=8, extras=(("expansion", 2),))
            network = Blueprint(family="bottlenecks", input_shape=(1, 8, 8), layers=(layer, head))
            dispatcher.submit(request_for(network, key=key))
        by_key = {result.key: result.outcome for result in collect_all(dispatcher)}
        assert isinstance(by_key["08"], Measurement), by_key["08"]
        assert "there is no kind of layer 'elsewhere'; " in by_key["09"].message

    def test_an_evaluation_sees_neither_ray_s_token_nor_our_settings(self, dispatcher, tmp_path):
        evaluator, file = "tests.doubles.poisoned:tells_its_environment", tmp_path / "seen"
        dispatcher.submit(custom_request("07", evaluator=evaluator, file=str(file)))
        (result,) = collect_all(dispatcher)
        assert isinstance(result.outcome, Measurement), result.outcome
        names = {line.partition("=")[0] for line in file.read_text().split("\0")}
        assert {name for name in names if name.startswith(("RAY_", "GASEARCH_", "PG"))} == {"GASEARCH_TRIAL"}
        assert "PYTHONPATH" in names

    def test_the_environment_of_a_worker_holds_no_database_url(self, dispatcher):
        import ray

        @ray.remote(num_cpus=0)
        def names():
            return [name for name in os.environ if name.startswith("GASEARCH_")]

        assert ray.get(names.remote()) == []


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux")
def test_as_many_workers_start_as_the_process_may_use_cpus():
    code = (
        "from gasearch.dispatch.ray_pool import PoolSize, RayPool\n"
        "pool = RayPool(size=PoolSize(count=None, gpus=0), data=None, has_meter=False)\n"
        "print(pool.slots)\n"
        "pool.close()\n"
    )
    first = str(min(os.sched_getaffinity(0)))
    command = ["taskset", "-c", first, sys.executable, "-c", code]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "1\n"
