"""A disk that is full or fails at any write or sync: what was acknowledged is there, nothing else, and it resumes.

`strace` makes the n-th system call of a real search fail; no rights are needed for that but those to trace a child.
"""

import re
import shutil
import subprocess
import sys
from contextlib import closing

import pytest

from gasearch.jobs.stored_check import check_database
from gasearch.storage.sql import open_archive, open_reader
from tests.doubles.command_line import ROOT, CommandLine
from tests.doubles.searches import digest, loop_over

pytestmark = pytest.mark.timeout(900)
EVALUATIONS = 60


def can_trace():
    """Whether strace is here and may trace."""
    if shutil.which("strace") is None:
        return False
    return subprocess.run(["strace", "-f", "-o", "/dev/null", "true"], capture_output=True).returncode == 0


needs_strace = pytest.mark.skipif(not can_trace(), reason="needs strace, and the right to trace a child")

#: A search that prints each outcome's arrival as soon as it is acknowledged.
DRIVER = """
import os, sys
from contextlib import closing, suppress
from gasearch.errors import StoreError
from gasearch.storage.records import SearchStatus
from gasearch.storage.sql import open_archive
from gasearch.storage.sql_writer import SqlArchive
from tests.doubles.searches import loop_over
add = SqlArchive.add_evaluations
def add_and_tell(self, lease, outcomes):
    is_new = add(self, lease, outcomes)
    for record, _ in outcomes:
        os.write(1, f"{record.arrival}\\n".encode())
    return is_new
SqlArchive.add_evaluations = add_and_tell
try:
    with closing(open_archive(sys.argv[1], notice=lambda message: None)) as archive:
        loop = loop_over(archive, evaluations=int(sys.argv[2]))
        try:
            loop.run()
        except StoreError as error:  # as gasearch.jobs.start does
            with suppress(StoreError):
                archive.release(loop.log.lease, state=SearchStatus.STOPPED, reason=str(error))
            raise
except StoreError as error:
    sys.stderr.write(str(error))
    sys.exit(error.exit_status)
"""
FAULTS = {
    "full": ("pwrite64", "ENOSPC", "+"),  # from the n-th on, as a full disk is
    "broken write": ("pwrite64", "EIO", ""),
    "broken sync": ("fdatasync", "EIO", ""),
}


def traced(fault, number, *command):
    """The command with the n-th such call failing."""
    call, error, repeat = FAULTS[fault]
    inject = f"inject={call}:error={error}:when={number}{repeat}"
    return ["strace", "-f", "--seccomp-bpf", "-o", "/dev/null", "-e", f"trace={call}", "-e", inject, *command]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """What the search comes to."""
    url = f"sqlite:///{tmp_path_factory.mktemp('undisturbed')}/store.db"
    with closing(open_archive(url, notice=lambda message: None)) as archive:
        loop_over(archive, evaluations=EVALUATIONS).run()
        return digest(archive)


SENTENCES = re.compile(r"the disk that holds .* is full: free some space|the disk that holds .* fails to read or write")


def survives(migrated, folder, fault, number, undisturbed):
    """Run the search with one fault, compare what is there with what was acknowledged, and go on with it."""
    path = folder / f"{fault}-{number}.db"
    shutil.copy(migrated, path)
    url = f"sqlite:///{path}"
    command = traced(fault, number, sys.executable, "-c", DRIVER, url, str(EVALUATIONS))
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    acknowledged = [int(line) for line in done.stdout.split()]
    assert acknowledged == list(range(len(acknowledged)))
    if done.returncode != 0:  # SQLite may do without that very call
        assert done.returncode == 4, done.stderr
        assert SENTENCES.search(done.stderr), done.stderr
    with closing(open_archive(url, notice=lambda message: None)) as archive:
        durable = [one.arrival for one in archive.evaluations(1)]
        assert durable == acknowledged, (fault, number)
        lease = archive.claim("small", owner="again", ttl_s=60.0) if archive.searches() else None
        loop_over(archive, lease=lease, evaluations=EVALUATIONS).run()
        assert digest(archive) == undisturbed, (fault, number)
    assert check_database(url) == []
    return done.returncode


@needs_strace
@pytest.mark.parametrize(("fault", "numbers"), [("full", (40,)), ("broken sync", (12,))])
def test_a_disk_that_fails_in_the_middle_of_a_search_loses_nothing_acknowledged(
    migrated_sqlite_file, tmp_path, undisturbed, fault, numbers
):
    for number in numbers:
        survives(migrated_sqlite_file, tmp_path, fault, number, undisturbed)


@needs_strace
@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_a_disk_that_fails_at_any_call_loses_nothing_acknowledged(migrated_sqlite_file, tmp_path, undisturbed, fault):
    statuses = [survives(migrated_sqlite_file, tmp_path, fault, number, undisturbed) for number in range(1, 61)]
    print(f"{fault}: calls 1 to 60, {statuses.count(4)} ended the search with its sentence")
    assert statuses.count(4) >= 55  # SQLite does without some: it goes on where a folder can't be synced, say


@needs_strace
@pytest.mark.slow
@pytest.mark.parametrize(("fault", "number"), [("full", 60), ("broken sync", 25)])
def test_the_command_ends_with_its_own_status_and_resumes(migrated_sqlite_url, tmp_path, fault, number):
    commands = CommandLine(tmp_path)
    assert commands.url == migrated_sqlite_url
    fast = {"population: 8": "population: 8, surrogate: false"}
    spec = commands.write_spec(truth="quick", **fast)
    command = traced(fault, number, sys.executable, "-m", "gasearch", "run", spec)
    done = subprocess.run(command, cwd=tmp_path, env=commands.environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 4, done.stderr
    assert SENTENCES.search(done.stderr), done.stderr
    completed = commands.completed()
    assert 0 < completed < 40
    commands.resumes(completed=40)
    with closing(open_reader(commands.url)) as reader:
        found = digest(reader)
    twin = CommandLine(tmp_path / "twin")
    twin.folder.mkdir()
    assert twin.here("run", twin.write_spec(truth="quick", **fast)).status == 0
    with closing(open_reader(twin.url)) as reader:
        assert found == digest(reader)
