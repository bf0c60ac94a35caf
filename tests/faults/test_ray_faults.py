"""Ray that won't start, and Ray workers that are killed in the middle of a search."""

import os
import signal

from tests.doubles.command_line import finish


def test_a_cluster_that_nobody_serves_ends_the_run_before_a_search_is_stored(gasearch):
    gasearch.environment["RAY_GCS_RPC_TIMEOUT_S"] = "2"
    spec = gasearch.write_spec(**{"count: 0": 'count: 1, address: "127.0.0.1:1"'})
    done = gasearch.run("run", spec, timeout_s=170)
    assert done.status == 1, done.err
    assert "the Ray cluster at 127.0.0.1:1 can't be reached: " in done.sentence
    assert "use --workers 0 to evaluate without Ray" in done.sentence
    assert gasearch.ask(lambda reader: reader.searches()) == []
    assert gasearch.here("run", spec, "--workers", "0").status == 0
    assert gasearch.completed() == 40


def test_a_ray_that_can_t_write_its_files_does_not_start_and_says_why(gasearch):
    (gasearch.folder / "blocked").write_text("a file where Ray wants a folder")
    gasearch.environment["RAY_TMPDIR"] = str(gasearch.folder / "blocked")
    spec = gasearch.write_spec(**{"count: 0": "count: 1"})
    done = gasearch.run("run", spec)
    assert done.status == 1, done.err
    assert "Ray doesn't start: " in done.sentence
    assert "use --workers 0 to evaluate without Ray" in done.sentence
    assert gasearch.ask(lambda reader: reader.searches()) == []


def test_a_search_outlives_its_only_worker_and_drains_when_its_terminal_says_ctrl_c(gasearch):
    spec = gasearch.write_spec(truth="unhurried", **{"count: 0": "count: 1", "evaluations: 40": "evaluations: 24"})
    process = gasearch.start("run", spec)
    gasearch.wait_for(2, process)
    [network, *_] = gasearch.ask(lambda reader: list(reader.networks(reader.search("small").id)))
    worker = int(network.worker.rpartition("/")[2])
    assert worker != process.pid
    os.kill(worker, signal.SIGKILL)
    gasearch.wait_for(8, process)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: Ray's processes hear it too
    done = finish(process, timeout_s=60)
    assert done.status == 130, done.err
    assert "a worker died and is replaced" in done.err
    assert "small stopped (interrupted) after" in done.sentence
    assert gasearch.completed() < 24
    gasearch.resumes(completed=24)
    events = gasearch.ask(lambda reader: reader.events(reader.search("small").id))
    assert [event.kind for event in events].count("retry") <= 1
    networks = gasearch.ask(lambda reader: list(reader.networks(reader.search("small").id)))
    assert not any(network.failure for network in networks)
    assert len({network.worker for network in networks}) == 3  # the one killed, its successor, this process
