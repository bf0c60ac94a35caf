"""What `gasearch db check` finds: rows edited by hand, and searches that make no sense as a whole."""

import json
import shutil

import pytest
from gasearch_workers.messages import network_to_json

from gasearch.errors import StoreError
from gasearch.jobs.stored_check import check_database
from gasearch.objectives.fitness import FrontChange
from gasearch.space.build import build_space
from gasearch.space.decode import decode
from gasearch.space.genome import make_genome
from gasearch.space.size import every_genome
from gasearch.spec.model import SearchSpec
from gasearch.storage import sql
from gasearch.storage.records import EventRecord
from gasearch.storage.tables import VERSION_TABLE
from tests.doubles.command_line import CommandLine
from tests.doubles.forgery import edit, forge
from tests.doubles.old_stores import make_old_store
from tests.doubles.records import candidate, measured, new_search


def silent(message):
    """No one listens."""


@pytest.fixture(scope="module")
def sound_file(tmp_path_factory):
    """A real search: replicates, stopped trainings, failures, retried attempts, a limit, a front that changed."""
    path = tmp_path_factory.mktemp("sound") / "store.db"
    make_old_store(f"sqlite:///{path}", "0003")
    sql.upgrade(f"sqlite:///{path}", silent)
    return path


@pytest.fixture
def url(sound_file, tmp_path):
    shutil.copy(sound_file, tmp_path / "store.db")
    return f"sqlite:///{tmp_path}/store.db"


@pytest.fixture
def postgresql_store(empty_postgresql_url):
    make_old_store(empty_postgresql_url, "0003")
    sql.upgrade(empty_postgresql_url, silent)
    return empty_postgresql_url


def findings(url):
    return [found.text for found in check_database(url)]


def test_a_sound_database_has_no_finding(url):
    assert findings(url) == []


MISMATCH = "doesn't match its checksum: the row was changed or damaged after it was written"
BY_HAND = {
    "state": ("UPDATE searches SET state = 'paused'", "search 'old': state 'paused' is unknown"),
    "spec": ("UPDATE searches SET spec_json = substr(spec_json, 1, 50)", "search 'old': spec_json is no JSON"),
    "standing": ("UPDATE searches SET active_seconds = 0.0", f"search 'old' {MISMATCH}"),
    "lease": ("UPDATE searches SET epoch = epoch + 1", f"search 'old' {MISMATCH}"),
    "boolean": ("UPDATE searches SET is_stop_requested = 2", "search 1: is_stop_requested is neither true nor false"),
    "genes": ("UPDATE candidates SET genes = '[1,2' WHERE number = 4", "candidate 4 (search 1): genes is no JSON"),
    "parent": ("UPDATE candidates SET parents = '[99]' WHERE number = 9", f"candidate 9 (search 1) {MISMATCH}"),
    "no text": (
        "UPDATE candidates SET operator = CAST(x'ff' AS TEXT) WHERE number = 2",
        f"candidate 2 (search 1) {MISMATCH}",
    ),
    "NaN": (
        """UPDATE evaluations SET others = '[["error",NaN]]' WHERE candidate = 3""",
        "evaluation of candidate 3, attempt 1 (search 1): others is no JSON (NaN is no number)",
    ),
    "failure": (
        "UPDATE evaluations SET failure = 'bored' WHERE candidate = 3",
        "evaluation of candidate 3, attempt 1 (search 1): failure 'bored' is unknown",
    ),
    "orphan": (
        "DELETE FROM candidates WHERE number = 5",
        "evaluation of candidate 5, attempt 1 (search 1) has no row in candidates",
    ),
    "orphan of no search": (
        "UPDATE events SET search_id = 7 WHERE id = 1",
        "event 1 (search 7) has no row in searches",
    ),
    "second copy": (
        "INSERT INTO replicates SELECT 90, search_id, candidate, replicate + 5, told, checksum FROM replicates LIMIT 1",
        "replicate 6 of candidate",
    ),
    "no checksum": ("UPDATE generations SET checksum = NULL WHERE number = 1", f"generation 1 (search 1) {MISMATCH}"),
    "front": ("UPDATE front SET entered = 6 WHERE candidate = 0", "the front's entry of candidate 0 at outcome 6"),
    "future": (f"UPDATE {VERSION_TABLE} SET version_num = '0999'", "the schema 0999 is none that this version of"),
}


@pytest.mark.parametrize("case", BY_HAND)
def test_a_row_edited_by_hand_is_named(url, case):
    statement, expected = BY_HAND[case]
    edit(url, statement)
    assert any(expected in text for text in findings(url)), findings(url)


# --- what each row by itself doesn't show -------------------------------------------------------------------------


def completed(url):
    """The final rows of the search, by arrival."""
    reader = sql.open_reader(url)
    found = list(reader.evaluations(1))
    reader.close()
    return found


def place_of(url, number, attempt=1):
    return {"search_id": 1, "candidate": number, "attempt": attempt}


FORGED = {
    "parents": (
        lambda url: forge(url, "candidates", {"number": 9}, parents="[9]"),
        "candidate 9 has a parent that isn't older: [9]",
    ),
    "completed": (
        lambda url: forge(url, "candidates", {"number": 9}, told=0),
        "candidate 9 was proposed after 0 outcomes, the one before it after",
    ),
    "too early": (
        lambda url: forge(url, "candidates", {"number": 25}, told=99),
        "a candidate was proposed after 99 outcomes, and there are 30",
    ),
    "a gap": (
        lambda url: forge(url, "evaluations", place_of(url, completed(url)[12].candidate), arrival=77),
        "outcome 12 is missing (the next one is 13)",
    ),
    "another's key": (
        lambda url: forge(url, "evaluations", place_of(url, 3), key="0123"),
        "is that of network 0123, and candidate 3 is",
    ),
    "decision": (
        lambda url: edit(url, "DELETE FROM replicates WHERE id = 1"),
        "was completed and never decided",
    ),
    "replaced": (
        lambda url: edit(url, "UPDATE evaluations SET replaced = NULL WHERE replaced IS NOT NULL"),
        "is said to be replaced by None, and is by",
    ),
    "on the front": (
        lambda url: edit(url, "UPDATE front SET exited = NULL"),
        "is stored as having left it by outcome None; it left by",
    ),
    "off the front": (
        lambda url: edit(url, "UPDATE front SET exited = 29 WHERE exited IS NULL"),
        "is stored as having left it by outcome 29; it left by None",
    ),
    "unknown member": (
        lambda url: edit(url, "DELETE FROM front WHERE exited IS NULL"),
        "and that isn't stored",
    ),
    "better": (
        lambda url: forge(url, "evaluations", place_of(url, 0), others='[["cost",0.0],["error",0.0]]'),
        "is stored as on the front from outcome",
    ),
    "failures": (
        lambda url: forge(url, "generations", {"number": 3}, failures=99),
        "generation 3 counts 99 failures, and there were",
    ),
    "front size": (
        lambda url: forge(url, "generations", {"number": 3}, front_size=99),
        "generation 3 says that the front had 99 members; it had",
    ),
    "order": (
        lambda url: forge(url, "generations", {"number": 3}, evaluations=1),
        "generation 3 ended after 1 outcomes: not between",
    ),
    "missing": (
        lambda url: edit(url, "DELETE FROM generations WHERE number = 1"),
        "generation 1 is missing (the next one is 2)",
    ),
    "epoch": (
        lambda url: forge(url, "events", {"id": 1}, epoch=9),
        "was written by an owner of epoch 1 after one of epoch 9",
    ),
    "subject": (
        lambda url: forge(url, "events", {"id": 1}, candidate=99),
        "event 1 is about candidate 99, which isn't there",
    ),
}


@pytest.mark.parametrize("case", FORGED)
def test_a_search_that_makes_no_sense_is_named_with_what_is_wrong(url, case):
    change, expected = FORGED[case]
    change(url)
    found = findings(url)
    assert any(text.startswith("search 'old': ") and expected in text for text in found), found


def test_an_outcome_completed_twice_is_named(url):
    [*_, last] = completed(url)
    again = {"attempt": 9, "arrival": 30, "replicate": last.replicate or None}
    columns = (
        "candidate, key, others, curve, worker, device, versions, started_at, finished_at, seed, epochs, data_share"
    )
    edit(
        url,
        f"INSERT INTO evaluations (search_id, attempt, arrival, checksum, {columns}) "
        f"SELECT search_id, 9, 30, '', {columns} FROM evaluations WHERE arrival = 29",
    )
    forge(url, "evaluations", place_of(url, last.candidate, 9), **again)
    assert any(f"of candidate {last.candidate} was completed twice" in text for text in findings(url))


def test_a_damaged_search_says_nothing_about_a_sound_one(url):
    archive = sql.open_archive(url, notice=silent)
    lease = archive.create_search(new_search("other"), owner="alice", ttl_s=60)
    archive.add_candidates(lease, [candidate(0), candidate(1)])
    archive.add_evaluations(lease, [(measured(0, arrival=1), FrontChange())])
    archive.close()
    edit(url, "UPDATE candidates SET operator = 'x' WHERE search_id = 1 AND number = 1")
    assert [(found.search_id, found.text) for found in check_database(url)] == [
        (1, f"candidate 1 (search 1) {MISMATCH}"),
        (2, "search 'other': outcome 0 is missing (the next one is 1)"),
    ]


@pytest.mark.parametrize("case", ["state", "parent", "NaN", "front"])
def test_postgresql_is_checked_as_well(postgresql_store, case):
    from gasearch.storage.engines import parse_url, writing_engine

    engine = writing_engine(parse_url(postgresql_store))
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE searches DROP CONSTRAINT ck_searches_state")
        connection.exec_driver_sql(BY_HAND[case][0])
    engine.dispose()
    assert any(BY_HAND[case][1] in text for text in findings(postgresql_store))


def test_a_search_that_is_written_meanwhile_is_sound_at_any_moment(url):
    archive = sql.open_archive(url, notice=silent)
    lease = archive.claim("old", owner="alice", ttl_s=60)
    space = build_space(SearchSpec.from_json(archive.search("old").spec_json))
    known = {stored.genes for stored in archive.candidates(lease.search_id)}
    unknown = (make_genome(genes, space) for genes in every_genome(space) if genes not in known)
    for number, genome in zip(range(26, 60), unknown, strict=False):
        network_json = network_to_json(decode(genome, space))
        network = {"key": genome.key, "genes": genome.genes, "network_json": network_json}
        archive.add_candidates(lease, [candidate(number, completed=30, **network)])
        archive.add_event(lease, EventRecord(kind="test", message="", candidate=number))
        if number % 8 == 0:
            assert findings(url) == []
    archive.close()


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.fixture
def commands(tmp_path, url):
    return CommandLine(tmp_path)


def test_the_command_says_that_all_is_well(commands):
    done = commands.here("db", "check")
    assert (done.status, done.out) == (0, "everything is as it was written\n")


def test_the_command_prints_a_line_for_each_finding_and_fails(commands, url):
    edit(url, "UPDATE candidates SET operator = 'x' WHERE number IN (1, 2)")
    done = commands.here("db", "check")
    assert done.status == 1
    assert done.out.splitlines() == [f"candidate {number} (search 1) {MISMATCH}" for number in (1, 2)]
    assert done.sentence.startswith("2 findings: go on from a backup (gasearch db restore)")


def test_the_command_answers_in_json(commands, url):
    assert json.loads(commands.here("db", "check", "--format", "json").out) == []
    edit(url, "UPDATE candidates SET operator = 'x' WHERE number = 1")
    done = commands.here("db", "check", "--format", "json")
    assert done.status == 1
    assert json.loads(done.out) == [{"search_id": 1, "finding": f"candidate 1 (search 1) {MISMATCH}"}]


def test_an_older_schema_is_to_be_upgraded_first(sqlite_url):
    make_old_store(sqlite_url, "0003")
    with pytest.raises(StoreError, match=r"has the older schema 0003 .*: run `gasearch db upgrade`"):
        check_database(sqlite_url)
