"""A network measured by a command of the user's, on whatever device that reaches.

It gets a folder with the network's files as its last argument, and prints one JSON object. It runs within a time, in a
session of its own; it is ended with all that it started, also when this process is killed. What it says is checked: an
answer that isn't one becomes a failure of the evaluation, never a value.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import secrets
import select
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from gasearch_workers.machine.environment import MARK, scrubbed
from gasearch_workers.machine.processes import descendants, end_processes, marked, session_members, start_reaper
from gasearch_workers.messages import DeviceCommand, Measurement, spread_of
from gasearch_workers.results import one_line

LARGEST_ANSWER: Final = 2**16  #: Bytes of stdout.
OUTPUT_BYTES: Final = 2**14  #: Of what it wrote, from the end, that a failure keeps.
LARGEST: Final = 1e150  #: Beyond it products of metrics overflow.
_SSH: Final = ("SSH_AUTH_SOCK", "SSH_AGENT_PID")  #: By which ssh finds its agent.
_AMOUNTS: Final = ("_bytes", "_ms", "_seconds", "_s", "_j")  #: Endings of what is never below 0.
_LOOK_S: Final = 0.05  #: Between two looks at a process whose end the system doesn't announce.
_CHUNK: Final = 2**16
_CHUNKS: Final = 16  #: Read at a time, lest one that writes without end keep us from looking at the clock.
_WORDS: Final = 200  #: Characters of an answer in a message.


class CommandError(Exception):
    """The command has measured nothing; the message says why."""

    def __init__(self, message: str, output: str = "") -> None:
        super().__init__(message)
        self.output = output  #: The end of what it wrote.


def measure_by_command(
    command: DeviceCommand, files: Sequence[tuple[str, bytes]], *, key: str, measured: Measurement
) -> Measurement:
    """The measurement with the numbers that the command gives for a network.

    Args:
        command: To be run.
        files: Names and contents of the network's files.
        key: Of the network.
        measured: All that is known of it by now.

    Raises:
        CommandError: if it can't be started, doesn't answer in time, fails, or its answer isn't one for this network.
    """
    written = _run(command, files)
    try:
        found = _checked(written.answer, command, key, {hashlib.sha256(content).hexdigest() for _, content in files})
    except CommandError as error:
        raise CommandError(str(error), written.output) from error
    return _with(measured, found, command)


# --- the process ------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Written:
    """What the command has written."""

    answer: bytes = b""  #: To stdout.
    errors: bytes = b""  #: To stderr, from the end.

    @property
    def output(self) -> str:
        """The end of both."""
        return (self.errors + self.answer)[-OUTPUT_BYTES:].decode(errors="replace")


def _run(command: DeviceCommand, files: Sequence[tuple[str, bytes]]) -> _Written:
    """Run it on a folder with the files, which is removed afterwards."""
    mark, folder = secrets.token_hex(16), tempfile.mkdtemp(prefix="gasearch-network-")
    try:
        reaper = start_reaper(f"{MARK}={mark}", folder)
        try:
            for name, content in files:
                Path(folder, name).write_bytes(content)
            return _listen_to(command, folder, mark)
        finally:
            os.close(reaper)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _listen_to(command: DeviceCommand, folder: str, mark: str) -> _Written:
    where = command.folder if os.path.isdir(command.folder) else folder
    try:
        process = subprocess.Popen(  # noqa: S603 - what the user named; no shell
            [*command.arguments, folder],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=where,
            env=scrubbed(os.environ, (*command.environment, *_SSH)) | {MARK: mark},
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise CommandError(f"measure.command: {command.arguments[0]} can't be started: {reason}") from error
    written = _Written()
    try:
        with process:
            try:
                is_in_time = _collect(process, written, until=time.monotonic() + command.timeout_s)
                status = process.poll()
            finally:
                _end(process, mark)
    except _TooMuch:
        raise CommandError(f"{_named(command)} wrote more than {LARGEST_ANSWER:,} bytes", written.output) from None
    if not is_in_time:
        text = f"{_named(command)} gave no answer within {command.timeout_s:g} s (measure.timeout_s)"
        raise CommandError(text, written.output)
    if status:
        raise CommandError(f"{_named(command)} {_ending(status)}{_last_words(written)}", written.output)
    return written


class _TooMuch(Exception):
    """More on stdout than an answer has."""


def _collect(process: subprocess.Popen[bytes], written: _Written, *, until: float) -> bool:
    """Take what it writes until it has ended; False where it hasn't by then."""
    assert process.stdout is not None
    assert process.stderr is not None
    pipes = {process.stdout.fileno(): "answer", process.stderr.fileno(): "errors"}
    poll = select.poll()
    for descriptor in pipes:
        os.set_blocking(descriptor, False)
        poll.register(descriptor, select.POLLIN)
    with _announced_end(process.pid) as ending:
        if ending is not None:
            poll.register(ending, select.POLLIN)
        while True:
            has_ended = process.poll() is not None
            for descriptor in tuple(pipes):
                if not _take(descriptor, pipes[descriptor], written):
                    poll.unregister(descriptor)
                    del pipes[descriptor]
            if has_ended:
                return True
            left_s = until - time.monotonic()
            if left_s <= 0:
                return False
            poll.poll(1000 * (left_s if ending is not None else min(left_s, _LOOK_S)))


def _take(descriptor: int, where: str, written: _Written) -> bool:
    """Take what lies in a pipe, a part of it where that is much; False where it is closed."""
    for _ in range(_CHUNKS):
        try:
            chunk = os.read(descriptor, _CHUNK)
        except BlockingIOError:
            return True
        if not chunk:
            return False
        if where == "errors":
            written.errors = (written.errors + chunk)[-OUTPUT_BYTES:]
            continue
        written.answer += chunk
        if len(written.answer) > LARGEST_ANSWER:
            raise _TooMuch
    return True


@contextlib.contextmanager
def _announced_end(pid: int) -> Iterator[int | None]:
    """A descriptor that becomes ready when a process ends; None where the system has none."""
    try:
        descriptor = os.pidfd_open(pid)
    except (AttributeError, OSError):  # no Linux, or one before 5.3
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _end(process: subprocess.Popen[bytes], mark: str) -> None:
    """Kill it and whatever it has started: what it left behind would disturb the next measurement."""

    def find() -> set[int]:
        first = {process.pid} if process.poll() is None else set()
        return {*first, *session_members(process.pid), *descendants(process.pid), *marked(f"{MARK}={mark}")}

    if process.poll() is None:  # also where /proc doesn't show who belongs to it
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    end_processes(find)
    with contextlib.suppress(subprocess.TimeoutExpired):  # stuck within the system
        process.wait(1)


def _named(command: DeviceCommand) -> str:
    return f"measure.command ({shlex.join(command.arguments)[:_WORDS]})"


def _ending(status: int) -> str:
    return f"ended with status {status}" if status > 0 else f"was killed by signal {-status}"


def _last_words(written: _Written) -> str:
    lines = [line for line in map(one_line, written.output.splitlines()) if line]
    return f"; its last words: {lines[-1][:_WORDS]}" if lines else ""


# --- its answer -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """What it says of the network."""

    metrics: Mapping[str, float]  #: Those that were asked for, and their spreads.
    device: str


def _checked(answer: bytes, command: DeviceCommand, key: str, digests: set[str]) -> _Answer:
    """The answer, if it is one for this network.

    Raises:
        CommandError: saying what came instead.
    """
    content = _object(answer, command)
    if content.get("key", key) != key:
        raise CommandError(f"{_named(command)} answered for network {_shown(content['key'])}; it was given {key}")
    if "digest" in content and content["digest"] not in list(digests):  # it may be anything: no set can be asked
        digest = _shown(content["digest"])
        raise CommandError(f"{_named(command)} answered for another network: no file that it got has SHA-256 {digest}")
    missing = [name for name in command.metrics if name not in content]
    if missing:
        came = ", ".join(map(_shown, content)) or "nothing"
        raise CommandError(f"{_named(command)} must give {', '.join(missing)}; its answer has {came}")
    wanted = [name for metric in command.metrics for name in (metric, spread_of(metric)) if name in content]
    device = content.get("device", f"by {shlex.join(command.arguments)}")
    if not isinstance(device, str) or not device.strip():
        raise CommandError(f"{_named(command)} must give the device as a text; got {_shown(device)}")
    return _Answer(
        metrics={name: _number(name, content[name], command) for name in wanted}, device=one_line(device)[:_WORDS]
    )


def _object(answer: bytes, command: DeviceCommand) -> dict[str, Any]:
    def refuse(word: str) -> None:
        raise ValueError(f"{word} is no number")

    def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise ValueError("a name comes twice")
        return found

    try:
        content = json.loads(answer.decode(), parse_constant=refuse, object_pairs_hook=distinct)
    except (ValueError, RecursionError) as error:
        shown = _shown(answer.decode(errors="replace").strip())
        text = f"{_named(command)} must print one JSON object and nothing else; got {shown} ({one_line(str(error))})"
        raise CommandError(text) from error
    if not isinstance(content, dict):
        raise CommandError(f"{_named(command)} must print one JSON object; got {_shown(content)}")
    return content


def _number(name: str, value: object, command: DeviceCommand) -> float:
    number = math.nan
    if isinstance(value, int | float) and not isinstance(value, bool):
        with contextlib.suppress(OverflowError):
            number = float(value)
    if not math.isfinite(number) or abs(number) > LARGEST:
        raise CommandError(f"{_named(command)} must give {name} as a finite number; got {_shown(value)}")
    if name == "latency_ms" and number <= 0:
        raise CommandError(f"{_named(command)} must give a latency_ms above 0; got {_shown(value)}")
    if number < 0 and (name.endswith(_AMOUNTS) or name.endswith("_spread")):
        raise CommandError(f"{_named(command)} must give {name} as at least 0; got {_shown(value)}")
    return number


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _WORDS else f"{text[:_WORDS]}..."


def _with(measured: Measurement, found: _Answer, command: DeviceCommand) -> Measurement:
    metrics = dict(found.metrics)
    changes: dict[str, Any] = {
        name: metrics.pop(name) for name in ("latency_ms", "latency_spread_ms", "energy_j") if name in metrics
    }
    if "latency_ms" in changes:  # ours, and its spread, are another device's
        changes = {"latency_spread_ms": None, "latency_device": found.device} | changes
    if "energy_j" in changes:
        changes["energy_source"] = "command"
    return replace(measured, **changes, others=tuple(sorted((dict(measured.others) | metrics).items())))
