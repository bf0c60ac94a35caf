"""A command of the user's measures a network: what it gets, and what becomes of whatever it says."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from gasearch_workers.machine.processes import is_alive
from gasearch_workers.measure.command import LARGEST_ANSWER, CommandError, measure_by_command
from gasearch_workers.messages import DeviceCommand, Measurement

FILES = (("model.json", b'{"about": "a network"}'), ("model.gap", b"\x00\x01"))
KNOWN = Measurement(accuracy=0.5, latency_ms=9.0, latency_spread_ms=1.0, latency_device="here", others=(("old", 1.0),))
PATIENCE_S = 30.0


@pytest.fixture
def script(tmp_path):
    """Writes a program, and gives the command that runs it."""

    def write(body, *, metrics=("ram_bytes",), timeout_s=PATIENCE_S, **changes):
        path = tmp_path / "bench.py"
        path.write_text(f"import json, os, pathlib, sys, time\nfolder = pathlib.Path(sys.argv[-1])\n{body}\n")
        arguments = (sys.executable, str(path), "--board", "a b")
        return DeviceCommand(arguments=arguments, metrics=metrics, timeout_s=timeout_s, folder=str(tmp_path), **changes)

    return write


def measured(command, key="abc"):
    return measure_by_command(command, FILES, key=key, measured=KNOWN)


def saying(text):
    return f"print({text!r})"


def test_it_gets_a_folder_with_the_files_which_is_gone_afterwards(script, tmp_path):
    note = tmp_path / "note.json"
    command = script(
        "found = {one.name: one.read_text() for one in folder.iterdir()}\n"
        "seen = [sys.argv[1:-1], str(folder), os.getcwd(), found]\n"
        f"pathlib.Path({str(note)!r}).write_text(json.dumps(seen))\n"
        'print(json.dumps({"ram_bytes": 12}))'
    )
    assert dict(measured(command).others) == {"old": 1.0, "ram_bytes": 12.0}
    arguments, folder, where, files = json.loads(note.read_text())
    assert (arguments, where) == (["--board", "a b"], str(tmp_path))
    assert files == {name: content.decode() for name, content in FILES}
    assert not Path(folder).exists()


def test_it_sees_no_secret_and_the_variables_that_are_passed_on(script, monkeypatch):
    for name in ("GASEARCH_DB", "MY_TOKEN", "BOARD", "SSH_AUTH_SOCK"):
        monkeypatch.setenv(name, "7")
    names = ["GASEARCH_DB", "MY_TOKEN", "BOARD", "SSH_AUTH_SOCK"]
    body = f"print(json.dumps({{'seen_' + name: int(os.environ.get(name, 0)) for name in {names}}}))"
    found = measured(script(body, metrics=tuple(f"seen_{name}" for name in names), environment=("BOARD",)))
    assert dict(found.others) == {"old": 1, "seen_GASEARCH_DB": 0, "seen_MY_TOKEN": 0, "seen_BOARD": 7,
                                  "seen_SSH_AUTH_SOCK": 7}  # fmt: skip


def test_its_latency_and_energy_take_the_place_of_ours_with_their_spread_and_device(script):
    answer = '{"latency_ms": 2, "latency_spread_ms": 0.25, "energy_j": 0.001, "device": "Pi 4", "other": "unasked"}'
    found = measured(script(saying(answer), metrics=("latency_ms", "energy_j")))
    assert found == replace(
        KNOWN, latency_ms=2.0, latency_spread_ms=0.25, latency_device="Pi 4", energy_j=0.001, energy_source="command"
    )


def test_a_latency_without_a_spread_has_none_of_ours_and_names_the_command(script):
    found = measured(script(saying('{"latency_ms": 2}'), metrics=("latency_ms",)))
    assert (found.latency_ms, found.latency_spread_ms) == (2.0, None)
    assert found.latency_device.startswith(f"by {sys.executable} ")


def test_it_may_say_which_network_it_has_measured(script):
    body = (
        "import hashlib\n"
        "digest = hashlib.sha256((folder / 'model.gap').read_bytes()).hexdigest()\n"
        'print(json.dumps({"key": "abc", "digest": digest, "ram_bytes": 3}))'
    )
    assert dict(measured(script(body)).others)["ram_bytes"] == 3
    with pytest.raises(CommandError, match=r"answered for network 'abc'; it was given xyz$"):
        measured(script(body), key="xyz")
    other = hashlib.sha256(b"another").hexdigest()
    with pytest.raises(CommandError, match=rf"answered for another network: no file that it got has SHA-256 '{other}'"):
        measured(script(saying(json.dumps({"digest": other, "ram_bytes": 3}))))


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ("", r"must print one JSON object and nothing else; got ''"),
        ("ram: 12", r"must print one JSON object and nothing else; got 'ram: 12'"),
        ('{"ram_bytes": 12} done', r"must print one JSON object and nothing else; got '{\"ram_bytes\": 12} done'"),
        ("[12]", r"must print one JSON object; got \[12\]"),
        ("[" * 20_000, r"must print one JSON object and nothing else; got '\[\["),
        ('{"ram_bytes": NaN}', r"NaN is no number"),
        ('{"ram_bytes": -Infinity}', r"-Infinity is no number"),
        ('{"ram_bytes": 1, "ram_bytes": 2}', r"a name comes twice"),
        ('{"ram_bytes": 1e400}', r"must give ram_bytes as a finite number; got inf"),
        ('{"ram_bytes": 1' + "0" * 400 + "}", r"must give ram_bytes as a finite number; got 1000"),
        ('{"ram_bytes": 1e200}', r"must give ram_bytes as a finite number; got 1e\+200"),
        ('{"ram_bytes": "12"}', r"must give ram_bytes as a finite number; got '12'"),
        ('{"ram_bytes": true}', r"must give ram_bytes as a finite number; got True"),
        ('{"ram_bytes": null}', r"must give ram_bytes as a finite number; got None"),
        ('{"ram_bytes": [12]}', r"must give ram_bytes as a finite number; got \[12\]"),
        ('{"ram_bytes": -1}', r"must give ram_bytes as at least 0; got -1"),
        ('{"ram_bytes": 1, "ram_bytes_spread": -1}', r"must give ram_bytes_spread as at least 0; got -1"),
        ('{"ram": 12, "rom": 3}', r"must give ram_bytes; its answer has 'ram', 'rom'"),
        ("{}", r"must give ram_bytes; its answer has nothing"),
        ('{"ram_bytes": 1, "device": 4}', r"must give the device as a text; got 4"),
        ('{"ram_bytes": 1, "digest": ["a"]}', r"answered for another network: no file that it got has SHA-256 \['a'\]"),
        ('{"ram_bytes": 1, "digest": {}}', r"answered for another network: no file that it got has SHA-256 \{\}"),
        ('{"ram_bytes": 1, "key": ["a"]}', r"answered for network \['a'\]; it was given abc"),
    ],
)
def test_what_is_no_answer_is_refused_with_what_came(script, answer, complaint):
    with pytest.raises(CommandError, match=rf"^measure\.command \(.*bench\.py.*\) .*{complaint}") as caught:
        measured(script(saying(answer)))
    assert answer[-1000:] in caught.value.output


@pytest.mark.parametrize("value", [0, -2])
def test_no_inference_takes_no_time_or_less(script, value):
    with pytest.raises(CommandError, match=rf"must give a latency_ms above 0; got {value}$"):
        measured(script(saying(json.dumps({"latency_ms": value})), metrics=("latency_ms",)))


def test_a_command_that_fails_is_a_failure_whatever_it_has_printed(script):
    body = 'print(\'{"ram_bytes": 1}\')\nprint("no such board", file=sys.stderr)\nsys.exit(3)'
    with pytest.raises(CommandError, match=r'ended with status 3; its last words: \{"ram_bytes": 1\}$') as caught:
        measured(script(body))
    assert caught.value.output == 'no such board\n{"ram_bytes": 1}\n'
    with pytest.raises(CommandError, match=r"was killed by signal 9$"):
        measured(script("os.kill(os.getpid(), 9)"))


def test_one_that_prints_a_megabyte_is_ended(script):
    with pytest.raises(CommandError, match=rf"wrote more than {LARGEST_ANSWER:,} bytes"):
        measured(script("print('x' * 2**20)\ntime.sleep(600)"))


def test_what_it_says_on_stderr_without_end_is_cut_from_the_front(script):
    found = measured(script("sys.stderr.write('y' * 2**20)\nprint('{\"ram_bytes\": 1}')"))
    assert dict(found.others)["ram_bytes"] == 1


def test_a_program_that_is_not_there_or_can_not_be_run_is_told(script, tmp_path):
    nowhere = replace(script(""), arguments=("./no-such-program",))
    with pytest.raises(CommandError, match=r"^measure\.command: \./no-such-program can't be started: No such file"):
        measured(nowhere)
    with pytest.raises(CommandError, match=r"can't be started: Permission denied"):
        measured(replace(nowhere, arguments=(str(tmp_path),)))


def test_it_runs_in_its_folder_with_the_files_where_the_other_one_is_not_there(script):
    command = replace(script('print(json.dumps({"ram_bytes": int(folder.samefile("."))}))'), folder="/no/such/folder")
    assert dict(measured(command).others)["ram_bytes"] == 1


# --- processes --------------------------------------------------------------------------------------------------

#: Starts one process in its session and one in another, says who they are, and goes on as the rest says.
FORKING = """
import subprocess
sleeping = [sys.executable, "-c", "import time; time.sleep(600)"]
pids = [os.getpid(), *(subprocess.Popen(sleeping, start_new_session=own).pid for own in (False, True))]
pathlib.Path(r"{note}").with_suffix(".part").write_text(json.dumps([pids, str(folder)]))
pathlib.Path(r"{note}").with_suffix(".part").rename(r"{note}")
"""


def read(note):
    until = time.monotonic() + PATIENCE_S
    while not note.exists():
        assert time.monotonic() < until, "the command never began"
        time.sleep(0.01)
    return json.loads(note.read_text())


def are_gone(pids, folder):
    until = time.monotonic() + PATIENCE_S
    while any(map(is_alive, pids)) or Path(folder).exists():
        assert time.monotonic() < until, "something is left"
        time.sleep(0.02)
    return True


def test_one_that_hangs_is_ended_with_all_that_it_has_started(script, tmp_path):
    note = tmp_path / "note"
    command = script(FORKING.format(note=note) + "time.sleep(600)", timeout_s=1.5)
    with pytest.raises(CommandError, match=r"gave no answer within 1\.5 s \(measure\.timeout_s\)$"):
        measured(command)
    assert are_gone(*read(note))


def test_what_it_leaves_running_is_ended_and_its_answer_counts(script, tmp_path):
    note = tmp_path / "note"
    command = script(FORKING.format(note=note) + "print('{\"ram_bytes\": 1}', flush=True)")
    assert dict(measured(command).others)["ram_bytes"] == 1
    assert are_gone(*read(note))


MEASURING = """
from gasearch_workers.measure.command import measure_by_command
from gasearch_workers.messages import DeviceCommand, Measurement
command = DeviceCommand(arguments={arguments!r}, metrics=("ram_bytes",), timeout_s=600.0)
measure_by_command(command, {files!r}, key="abc", measured=Measurement())
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill-9"])
def test_nothing_is_left_of_it_where_the_process_that_measures_is_interrupted_or_killed(script, tmp_path, number):
    note = tmp_path / "note"
    command = script(FORKING.format(note=note) + "time.sleep(600)")
    code = MEASURING.format(arguments=command.arguments, files=FILES)
    measuring = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, start_new_session=True)
    try:
        pids, folder = read(note)
        assert all(map(is_alive, pids))
        assert Path(folder).is_dir()
        os.kill(measuring.pid, number)
        _, errors = measuring.communicate(timeout=PATIENCE_S)
    finally:
        measuring.kill()
    assert are_gone(pids, folder)
    assert (b"KeyboardInterrupt" in errors) == (number == signal.SIGINT)
