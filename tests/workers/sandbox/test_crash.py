"""Where an evaluator was, by what Python's faulthandler wrote; whole crashes are in tests/faults/test_last_words.py."""

import os
import subprocess
import sys

import pytest
from gasearch_workers.sandbox import crash, host
from gasearch_workers.sandbox.crash import place_in, report_in

LIBRARY = os.__file__
INSTALLED = "/usr/lib/python3/site-packages/fast/core.py"


def report(*frames, head="Current thread 0x0001"):
    lines = [f'  File "{file}", line {line} in {name}' for file, line, name in frames]
    return f"{head} (most recent call first):\n" + "\n".join(lines)


OURS = (host.__file__, 9, "prepare")


@pytest.mark.parametrize(
    ("frames", "place"),
    [
        ([("/home/me/toy.py", 3, "evaluate"), OURS], "/home/me/toy.py, line 3 in evaluate"),
        ([(LIBRARY, 1, "read"), ("/home/me/toy.py", 3, "evaluate"), OURS], "/home/me/toy.py, line 3 in evaluate"),
        ([(INSTALLED, 7, "run"), ("/home/me/toy.py", 3, "evaluate"), OURS], "/home/me/toy.py, line 3 in evaluate"),
        ([(INSTALLED, 7, "run"), OURS], f"{INSTALLED}, line 7 in run"),
        ([(LIBRARY, 1, "read"), OURS], f"{host.__file__}, line 9 in prepare"),
        ([(LIBRARY, 1, "read")], ""),
        ([], ""),
    ],
)
def test_the_place_is_the_innermost_frame_of_the_users(frames, place):
    assert place_in(report(*frames)) == place


def test_of_several_threads_the_one_that_crashed_counts():
    other = report(("/home/me/other.py", 1, "wait"), head="Thread 0x0002")
    assert place_in(f"{other}\n\n{report(('/home/me/toy.py', 3, 'f'))}") == "/home/me/toy.py, line 3 in f"


def test_a_report_within_what_was_printed_is_found_without_the_list_of_modules():
    printed = "my words\nFatal Python error: Aborted\n\nStack\n\nExtension modules: numpy"
    assert report_in(printed) == "Fatal Python error: Aborted\n\nStack"
    assert report_in("my words") == ""


def test_a_process_that_is_asked_where_it_is_writes_it_to_the_file_of_its_host(tmp_path):
    descriptor = crash.open_report(str(tmp_path))
    code = (
        "import sys, time\n"
        "from gasearch_workers.sandbox.crash import report_crashes\n"
        f"report_crashes({descriptor})\n"
        "print('ready', flush=True)\n"
        "time.sleep(600)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, pass_fds=[descriptor])
    process.stdout.readline()
    crash.ask_where(process.pid, descriptor)
    assert 'File "<string>", line ' in crash.read_report(descriptor)
    crash.forget_report(descriptor)
    assert crash.read_report(descriptor) == ""
    process.kill()
    process.communicate()
    os.close(descriptor)
