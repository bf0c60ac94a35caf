"""A database file with a flipped bit, and a log that was cut or flipped: found, or without effect; never believed."""

import json
import random
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest
from sqlalchemy import Engine, event

from gasearch.errors import GasearchError, StoreError
from gasearch.jobs import start
from gasearch.jobs.stored_check import check_database
from gasearch.search.progress import Silent
from gasearch.storage.sql import open_archive, open_reader
from tests.doubles.command_line import CommandLine
from tests.doubles.searches import OBJECTIVES, digest, loop_over, new_search

EVALUATIONS, EXTENDED = 100, 120
pytestmark = pytest.mark.timeout(600)


def silent(message):
    """No one listens."""


def drawn():
    """A generator with a seed that pytest shows where the test fails."""
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed: {seed}")
    return random.Random(seed)


@pytest.fixture(scope="module")
def intact(tmp_path_factory):
    """The file of a finished search with replicates."""
    commands = CommandLine(tmp_path_factory.mktemp("intact"))
    changes = {"evaluations: 40": f"evaluations: {EVALUATIONS}", "population: 8": "population: 8, surrogate: false"}
    spec = commands.write_spec(truth="quick", **changes)
    assert commands.here("run", spec, "--set", "evolution.replicates=0.2").status == 0
    with closing(sqlite3.connect(commands.folder / "store.db")) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    return commands.folder / "store.db"


def flip(path, content, draw):
    """Write the content with one bit flipped; returns where."""
    damaged = bytearray(content)
    place = draw.randrange(len(damaged))
    damaged[place] ^= 1 << draw.randrange(8)
    path.write_bytes(damaged)
    for end in ("-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)
    return place


def rows_of(path):
    """Every row of every table, as the bytes that SQLite gives; what it complained of where it couldn't."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            connection.text_factory = bytes
            tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
            names = [name.decode() for (name,) in tables]
            return {name: sorted(map(repr, connection.execute(f'SELECT * FROM "{name}"'))) for name in names}
    except (sqlite3.Error, ValueError) as error:
        return str(error)


@pytest.mark.parametrize("count", [25, pytest.param(200, marks=pytest.mark.slow)])
def test_every_flipped_bit_that_changes_data_is_found(intact, tmp_path, count):
    content, rows = intact.read_bytes(), rows_of(intact)
    path = tmp_path / "store.db"
    url = f"sqlite:///{path}"
    draw, silently, found = drawn(), [], 0
    for _ in range(count):
        place = flip(path, content, draw)
        is_changed = rows_of(path) != rows
        try:
            findings = [one.text for one in check_database(url)]
        except StoreError as error:
            findings = [str(error)]
        if is_changed:
            found += bool(findings)
            silently += [] if findings else [place]
    print(f"{count} flips of {len(content)} bytes: {found} that changed data were found, {len(silently)} were not")
    assert silently == []
    assert found > 0


def answer(url):
    """What an extended search comes to, and nothing that only readers look at."""
    start.go_on("small", db_url=url, observer=Silent(), evaluations=EXTENDED)
    with closing(open_reader(url)) as reader:
        found = digest(reader)
    return {name: found[name] for name in ("candidates", "outcomes", "generations", "reference")}


@pytest.mark.parametrize("count", [5, pytest.param(100, marks=pytest.mark.slow)])
def test_no_flipped_bit_leads_a_resume_astray(intact, tmp_path, count):
    """It is refused, in words of ours, or ends as it would have."""
    content, rows = intact.read_bytes(), rows_of(intact)
    path = tmp_path / "store.db"
    shutil.copy(intact, path)
    expected = answer(f"sqlite:///{path}")
    draw, refused, equal = drawn(), 0, 0
    while refused + equal < count:
        place = flip(path, content, draw)
        if rows_of(path) == rows:
            continue
        try:
            found = answer(f"sqlite:///{path}")
        except GasearchError:
            refused += 1
        else:
            assert found == expected, place
            equal += 1
    print(f"{count} flips that changed data: {refused} refused, {equal} of what a resume doesn't read")


# --- the log --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def logged(tmp_path_factory, migrated_sqlite_file):
    """A store whose search is all in the log, and how long the log was when each outcome was acknowledged."""
    path = tmp_path_factory.mktemp("logged") / "store.db"
    shutil.copy(migrated_sqlite_file, path)
    archive = open_archive(f"sqlite:///{path}", notice=silent)
    event.listen(Engine, "begin", keep_log)
    objectives = {one.metric: "max" if one.is_maximized else "min" for one in OBJECTIVES}
    new = replace(new_search(), spec_json=json.dumps({"objectives": objectives}))
    lease = archive.create_search(new, owner="alice", ttl_s=600.0)
    log = path.with_name("store.db-wal")
    lengths = []
    add = archive.add_evaluations

    def add_and_note(*arguments):
        is_new = add(*arguments)
        lengths.append(log.stat().st_size)
        return is_new

    archive.add_evaluations = add_and_note
    loop_over(archive, lease=lease, evaluations=60).run()
    copy = path.with_name("copy.db")
    shutil.copy(path, copy)
    shutil.copy(log, copy.with_name("copy.db-wal"))
    with closing(open_reader(f"sqlite:///{path}")) as reader:
        outcomes = list(reader.evaluations(1))
    archive.close()
    event.remove(Engine, "begin", keep_log)
    return copy, lengths, outcomes


def keep_log(connection):
    """Have it written back by nobody but the last to close the file."""
    connection.exec_driver_sql("PRAGMA wal_autocheckpoint = 0")


@pytest.mark.parametrize("how", ["cut", "flipped"])
@pytest.mark.parametrize("count", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_a_log_that_was_damaged_anywhere_leaves_all_that_was_acknowledged_before(logged, tmp_path, how, count):
    file, lengths, outcomes = logged
    log = file.with_name("copy.db-wal").read_bytes()
    draw = drawn()
    for trial in range(count):
        path = tmp_path / f"{trial}.db"
        shutil.copy(file, path)
        place = draw.randrange(len(log))
        damaged = bytearray(log[:place] if how == "cut" else log)
        if how == "flipped":
            damaged[place] ^= 1 << draw.randrange(8)
        path.with_name(path.name + "-wal").write_bytes(damaged)
        archive = open_archive(f"sqlite:///{path}", notice=silent)
        completed = list(archive.evaluations(1))
        archive.close()
        before = sum(length <= place for length in lengths)
        assert completed == outcomes[: len(completed)], place
        assert len(completed) >= before, place
        if trial % 5 == 0:
            assert check_database(f"sqlite:///{path}") == [], place
        path.unlink()
