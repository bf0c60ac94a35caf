"""The dispatcher over a real Ray, whose own processes are killed."""

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from gasearch_workers.machine.processes import is_alive, session_members
from gasearch_workers.messages import FailureKind, Measurement

from gasearch.dispatch.ray_cluster import PoolSize
from gasearch.dispatch.reviving import RevivingPool
from tests.contracts.dispatcher_contract import DispatcherContract, collect_all
from tests.doubles.requests import custom_request

ROOT = str(Path(__file__).parents[3])
SECRETS = ("GASEARCH_DB", "GASEARCH_TOKEN", "DATABASE_URL", "PGPASSWORD", "PGHOST")


def processes_of(pool):
    """Its host and all that belongs to it, by name."""
    found = {}
    for pid in session_members(pool.host.pid):
        if is_alive(pid):
            found.setdefault(Path(f"/proc/{pid}/comm").read_text().strip(), []).append(pid)
    return found


@pytest.fixture(scope="module")
def shared_pool(tmp_path_factory):
    """One pool for the module: starting Ray takes seconds. Its home can't be written to."""
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("home") / "blocked"
        home.write_text("a file where there should be a folder")
        patch.setenv("HOME", str(home))
        patch.delenv("XDG_STATE_HOME", raising=False)
        patch.setenv("GASEARCH_STATE", str(home.with_name("state")))
        patch.setenv("RAY_AUTH_TOKEN", "the user's own, for another cluster")
        for name in SECRETS:
            patch.setenv(name, f"secret {name}")
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [ROOT, os.environ.get("PYTHONPATH")])))
        notices = []
        pool = RevivingPool(size=PoolSize(count=2, gpus=0), data=None, has_meter=False, notice=notices.append)
        pool.notices, pool.token = notices, home.with_name("state") / "ray_token"
        yield pool
        pool.close()


class TestRevivingPool(DispatcherContract):
    @pytest.fixture
    def dispatcher(self, shared_pool, monkeypatch):
        monkeypatch.setattr(shared_pool, "close", lambda: None)
        yield shared_pool
        collect_all(shared_pool)


def test_its_ray_asks_for_a_token_of_this_user_alone_and_knows_no_other_secret(shared_pool):
    assert stat.S_IMODE(shared_pool.token.stat().st_mode) == 0o600
    token = shared_pool.token.read_text()
    for pids in processes_of(shared_pool).values():
        for pid in pids:
            environment = Path(f"/proc/{pid}/environ").read_text(errors="replace")
            assert token not in environment
            assert "secret" not in environment
            assert token not in Path(f"/proc/{pid}/cmdline").read_text()
    [raylet] = processes_of(shared_pool)["raylet"]
    environment = Path(f"/proc/{raylet}/environ").read_text().split("\0")
    assert {"RAY_AUTH_MODE=token", f"RAY_AUTH_TOKEN_PATH={shared_pool.token}"} <= set(environment)
    assert not any(line.startswith("RAY_AUTH_TOKEN=") for line in environment)


def test_a_killed_raylet_costs_what_was_in_flight_and_no_more(shared_pool):
    shared_pool.notices.clear()
    before = {pid for pids in processes_of(shared_pool).values() for pid in pids}
    shared_pool.submit(custom_request("a", evaluator="tests.doubles.evaluators:sleeps"))
    shared_pool.submit(custom_request("b", evaluator="tests.doubles.evaluators:sleeps"))
    shared_pool.collect(1.0)
    [raylet] = processes_of(shared_pool)["raylet"]
    began = time.monotonic()
    os.kill(raylet, signal.SIGKILL)
    results = collect_all(shared_pool)
    assert sorted((one.key, one.outcome.kind) for one in results) == [
        ("a", FailureKind.WORKER_LOST),
        ("b", FailureKind.WORKER_LOST),
    ]
    for key in ("c", "d", "e"):
        shared_pool.submit(custom_request(key, x=1))
    assert [type(one.outcome) for one in collect_all(shared_pool)] == 3 * [Measurement]
    assert time.monotonic() - began < 30
    assert not any(map(is_alive, before))
    assert [notice.partition("(")[0].partition(" after ")[0] for notice in shared_pool.notices] == [
        "Ray went away ",
        "Ray is back",
    ]


def log_folder(pool):
    """Where its Ray keeps the logs of its session."""
    [raylet] = processes_of(pool)["raylet"]
    arguments = Path(f"/proc/{raylet}/cmdline").read_text().split("\0")
    return Path(next(one.partition("=")[2] for one in arguments if one.startswith("--session_dir=")))


def connect(pool, **settings):
    """What comes of a second client that asks our Ray for its nodes."""
    [raylet] = processes_of(pool)["raylet"]
    arguments = Path(f"/proc/{raylet}/cmdline").read_text().split("\0")
    address = next(one.partition("=")[2] for one in arguments if one.startswith("--gcs-address="))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return subprocess.run(
        [sys.executable, "-c", f"import ray; ray.init(address='{address}'); print(ray.nodes())"],
        env=environment | settings,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings", [{"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": 64 * "a"}, {"RAY_AUTH_MODE": "disabled"}]
)
def test_a_second_client_without_the_token_is_refused(shared_pool, settings):
    done = connect(shared_pool, **settings)
    assert done.returncode != 0
    assert "NodeID" not in done.stdout
    assert "Failed to connect to Ray cluster" in done.stderr


@pytest.mark.slow
def test_a_second_client_with_the_token_is_served(shared_pool):
    done = connect(shared_pool, RAY_AUTH_MODE="token", RAY_AUTH_TOKEN_PATH=str(shared_pool.token))
    assert done.returncode == 0, done.stderr
    assert "NodeID" in done.stdout


def test_closing_leaves_no_process_and_no_folder(shared_pool):
    """The last test of the module."""
    folder = log_folder(shared_pool)
    before = {pid for pids in processes_of(shared_pool).values() for pid in pids}
    assert folder.is_dir()
    shared_pool.close()
    assert not folder.exists()
    assert not any(map(is_alive, before))
