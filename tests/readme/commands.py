"""The README's blocks, and a place to run its commands in."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(language: str, page: str = "README.md") -> list[str]:
    """The code blocks of the README, or of another page, in a language, in order."""
    return [body for found, body in _BLOCK.findall((ROOT / page).read_text()) if found == language]


def shell_commands() -> list[str]:
    """Each command of the README's shell blocks, without its comment."""
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    return [command for line in lines if (command := re.sub(r"\s{2,}#.*$", "", line).strip())]


def shrink(spec: Path) -> None:
    """Make a spec's search a matter of seconds: its commands can then run as they stand."""
    text = spec.read_text()
    for pattern, small in (
        (r"\bepochs: \d+", "epochs: 1"),
        (r"\bpopulation: \d+", "population: 4"),
        (r"\bevaluations: \d+", "evaluations: 6"),
        (r"\bcount: auto", "count: 0"),
    ):
        text = re.sub(pattern, small, text)
    spec.write_text(text)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Place:
    """A folder with the examples, an environment, and a shell."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(ROOT / "examples", folder / "examples")
        shrink(folder / "examples/digits.yaml")
        shrink(folder / "examples/custom.yaml")
        shrink(folder / "examples/own-operators.yaml")
        self.environment = {
            **os.environ,
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "HOME": str(folder),
            "COLUMNS": "200",
        }
        for name in ("GASEARCH_DB", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
            self.environment.pop(name, None)

    def run(self, command: str, *, timeout_s: float = 150) -> str:
        """What a command prints; it must succeed."""
        done = subprocess.run(
            command,
            shell=True,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def start(self, command: str, *, log: str = "started.log", **variables: str) -> subprocess.Popen[bytes]:
        """A command that goes on, in a session of its own; its output is in that file."""
        with (self.folder / log).open("wb") as file:
            return subprocess.Popen(
                ["bash", "-c", command],
                cwd=self.folder,
                env=self.environment | variables,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )

    def log(self, log: str = "started.log") -> str:
        """What a started command has printed."""
        return (self.folder / log).read_text(errors="replace")


def until(is_true: Callable[[], bool], *, within_s: float = 60.0) -> None:
    """Wait until something is so."""
    end = time.monotonic() + within_s
    while not is_true():
        assert time.monotonic() < end
        time.sleep(0.1)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process that a test started, and what it started."""
    process.terminate()
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    with contextlib.suppress(ProcessLookupError):  # its group is empty
        os.killpg(process.pid, signal.SIGKILL)
