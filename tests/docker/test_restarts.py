"""What restarts a controller heeds how it ended: the container's script (over stand-ins) and systemd's unit."""

from __future__ import annotations

import configparser
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from gasearch.errors import GasearchError, Interrupted, Paused, StoreError
from gasearch.jobs.supervise import FINAL

DOCKER = Path(__file__).parents[2] / "docker"
SEARCH = '{"name": "digits", "state": "%s"}'


class Container:
    """A folder with a `gasearch` that answers `status` and ends as told, and that notes what was run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "spec.yaml").write_text("name: digits\n")
        self.environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
        self.write("ray", "exit 0")
        self.write("python", "echo digits")

    def write(self, name: str, script: str) -> None:
        """Put a command on the path."""
        (self.folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.folder / name).chmod(0o755)

    def start(self, *, standing: str = "", known: int = 0, end: str = "exit 0") -> subprocess.Popen[str]:
        """Start the script; `status` prints `standing` and ends with `known`, every other command does `end`."""
        self.write("gasearch", f"echo $1 >> ran\n[ $1 = status ] && {{ echo '{standing}'; exit {known}; }}\n{end}")
        command = ["sh", str(DOCKER / "controller.sh"), "spec.yaml", "ray-head:6379"]
        return subprocess.Popen(
            command, cwd=self.folder, env=self.environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    @property
    def ran(self) -> list[str]:
        """The commands so far."""
        return (self.folder / "ran").read_text().split() if (self.folder / "ran").exists() else []


@pytest.fixture
def container(tmp_path: Path) -> Container:
    return Container(tmp_path)


@pytest.mark.parametrize("status", [0, 1, 2, 3, 4, 5, 130, 137])
def test_a_container_is_restarted_only_where_another_start_may_help(container: Container, status: int) -> None:
    process = container.start(standing=SEARCH % "running", end=f"exit {status}")
    _, err = process.communicate(timeout=30)
    assert process.returncode == (0 if status in FINAL else status)
    assert (f"ended with status {status}, which another start would not change" in err) == (status in FINAL[1:])


@pytest.mark.parametrize(
    ("known", "standing", "command"),
    [
        (2, "", ["status", "run"]),
        (0, SEARCH % "running", ["status", "resume"]),
        (0, SEARCH % "stopped", ["status", "resume"]),
        (0, SEARCH % "finished", ["status", "front"]),
        (4, "", ["status"]),  # whether the search is stored nobody can say
    ],
)
def test_a_container_goes_on_where_its_search_stands(
    container: Container, known: int, standing: str, command: list[str]
) -> None:
    process = container.start(known=known, standing=standing)
    process.communicate(timeout=30)
    assert container.ran == command
    assert process.returncode == (4 if known == 4 else 0)


def test_a_container_that_is_stopped_lets_its_search_drain(container: Container) -> None:
    drains = "trap 'sleep 0.3; exit 130' TERM; touch ready; while :; do sleep 0.05; done"
    process = container.start(standing=SEARCH % "running", end=drains)
    until = time.monotonic() + 30
    while not (container.folder / "ready").exists() and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "ended with status 130" in err


def test_the_container_is_restarted_as_often_as_an_outage_lasts() -> None:
    compose = YAML(typ="safe", pure=True).load((DOCKER / "compose.yaml").read_text())
    assert compose["services"]["controller"]["restart"] == "on-failure"


@pytest.fixture
def unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, strict=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(DOCKER / "gasearch@.service")
    return parser


def test_the_systemd_unit_restarts_only_where_another_start_may_help(unit: configparser.ConfigParser) -> None:
    service = unit["Service"]
    assert service["Restart"] == "on-failure"
    assert [int(status) for status in service["RestartPreventExitStatus"].split()] == list(FINAL[1:])
    assert int(service["SuccessExitStatus"]) == Interrupted.exit_status
    assert unit["Unit"]["StartLimitIntervalSec"] == "0"  # else systemd gives up after five starts


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_itself_finds_no_fault_in_the_unit(tmp_path: Path) -> None:
    text = (DOCKER / "gasearch@.service").read_text().replace("/opt/gasearch/bin/gasearch", "/bin/true")
    (tmp_path / "gasearch@digits.service").write_text(text)
    command = ["systemd-analyze", "verify", str(tmp_path / "gasearch@digits.service")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    newer = ("RestartSteps", "RestartMaxDelaySec")  # of systemd 254
    assert [line for line in done.stderr.splitlines() if not any(name in line for name in newer)] == []


def test_every_error_has_the_status_that_the_page_gives_it() -> None:
    page = (DOCKER.parent / "README.md").read_text().replace("\n", " ")
    assert (
        "Exit status: 0 done, 1 failed, 2 bad input, 3 another controller took the search, 4 database unreachable, "
        "5 paused until the cause is mended, 130 interrupted and resumable." in page
    )
    assert (Paused.exit_status, StoreError.exit_status, GasearchError.exit_status) == (5, 4, 1)
