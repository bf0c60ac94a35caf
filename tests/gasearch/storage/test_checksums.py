"""The checksum of every row: in force from the write on, and met by whoever goes on with the search."""

import sqlite3
from contextlib import closing

import pytest
from gasearch_workers.messages import Calibration, FailureKind
from sqlalchemy import select, text

from gasearch.errors import StoreError
from gasearch.objectives.fitness import FrontChange
from gasearch.storage import checksums
from gasearch.storage.access import LOCAL
from gasearch.storage.damage import find_damage, snapshot
from gasearch.storage.engines import parse_url, writing_engine
from gasearch.storage.records import EventRecord, ReplicateRecord, SearchStatus, TuningTrial
from gasearch.storage.sql import open_archive, open_reader
from tests.doubles.records import (
    PREDICTED,
    UNCHANGED,
    candidate,
    export,
    failed,
    final,
    generation,
    key_of,
    measured,
    new_search,
    new_submission,
    new_token,
    verification,
)


def silent(message):
    """No one listens."""


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request):
    return request.getfixturevalue("migrated_sqlite_url" if request.param == "sqlite" else "postgresql_url")


@pytest.fixture
def archive(url):
    archive = open_archive(url, notice=silent)
    yield archive
    archive.close()


@pytest.fixture
def lease(archive):
    """A row in every table that the store writes."""
    lease = archive.create_search(new_search(space_size=12), owner="alice", ttl_s=600.0)
    archive.add_candidates(lease, [candidate(number, predicted=PREDICTED) for number in range(5)])
    archive.add_replicates(lease, [ReplicateRecord(candidate=0, replicate=1, completed=1)])
    archive.add_evaluations(lease, [(measured(0, accuracy=0.5), FrontChange(entered=(0,)))])
    archive.add_evaluations(lease, [(failed(1, FailureKind.WORKER_LOST, arrival=-1), UNCHANGED)])
    archive.add_generation(lease, generation(0))
    archive.add_event(lease, EventRecord(kind="start", message="[]"))
    archive.add_calibration(lease, Calibration(device="cpu", reference_latency_ms=1))
    trial = TuningTrial(key="k", study="s", number=0, recipe_json="{}", value=1, message="")
    archive.add_trial(lease.search_id, trial)
    archive.add_final(lease.search_id, final(0), b"\x00\xff\x80")
    archive.add_export(lease.search_id, export())
    archive.add_verification(lease.search_id, verification())
    archive.add_token(new_token(searches=2, device_hours=3), lifetime_s=60, actor=LOCAL)
    archive.submit(new_submission("next", hours=1, device_hours=2), actor=LOCAL)
    return lease


def execute(url, statement):
    engine = writing_engine(parse_url(url))
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


def damage(url):
    with snapshot(url) as connection:
        return [found.text for found in find_damage(connection)]


def test_every_row_is_written_with_its_checksum(url, archive, lease):
    assert damage(url) == []
    with snapshot(url) as connection:
        for one in checksums.ALL:
            written = connection.execute(select(one.table.c[one.column])).scalars().all()
            assert all(len(value) == 32 for value in written)
            assert written


def queued_handed_back_and_ended(archive):
    """All that may become of a submission."""
    for step in (archive.hand_back, lambda claim: archive.end_submission(claim, exit_status=0, message="énough")):
        claim = archive.claim_submission(controller="one", ttl_s=9.0).claim
        archive.renew_submissions(controller="one", ttl_s=1)
        archive.stop_submission("next", actor=LOCAL)
        step(claim)


def test_a_submission_keeps_its_checksum_whatever_becomes_of_it(url, archive, lease):
    queued_handed_back_and_ended(archive)
    assert damage(url) == []


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_no_write_vouches_for_a_submission_that_it_did_not_write(url, archive, lease):
    archive.claim_submission(controller="one", ttl_s=9.0)
    execute(url, "UPDATE submissions SET priority = 7")
    with pytest.raises(StoreError, match="submission 1 of 'next' doesn't match"):
        archive.renew_submissions(controller="one", ttl_s=1)
    assert len([found for found in damage(url) if "submission 1 of 'next' doesn't match" in found]) == 1


LIFE = {
    "renewed": lambda archive, lease: archive.renew(lease, ttl_s=1.0, active_s=1, worker_s=2),
    "asked to stop": lambda archive, lease: archive.request_stop("digits"),
    "of another spec": lambda archive, lease: archive.update_spec(lease, spec_json='{"name":"ünders"}'),
    "of another context": lambda archive, lease: archive.set_context(lease, context="c0ffee"),
    "with a scale": lambda archive, lease: archive.set_reference(lease, ideal=(1.0, 0.5), point=(0.0, -1e300)),
    "taken over": lambda archive, lease: archive.claim("digits", owner="alice", ttl_s=9.0),
    "released": lambda archive, lease: archive.release(lease, state=SearchStatus.STOPPED, reason="énough"),
}


@pytest.mark.parametrize("change", LIFE)
def test_a_search_keeps_its_checksums_whatever_becomes_of_it(url, archive, lease, change):
    LIFE[change](archive, lease)
    assert damage(url) == []


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("change", LIFE)
@pytest.mark.parametrize("damaged", ["lease_until = 7", "active_seconds = 7", "spec_hash = 'x'"])
def test_no_write_vouches_for_what_it_did_not_write(url, archive, lease, change, damaged):
    execute(url, f"UPDATE searches SET {damaged}")
    if change == "taken over" and "lease" not in damaged:
        with pytest.raises(StoreError, match="search 'digits' doesn't match its checksum"):
            LIFE[change](archive, lease)
    elif not (change == "asked to stop" and "lease" in damaged):  # the lease has run out: nobody to ask
        LIFE[change](archive, lease)
    is_overwritten = change == "taken over" and "lease" in damaged
    assert any("search 'digits' doesn't match" in found for found in damage(url)) is not is_overwritten


#: What a resume reads, and the row that it must name.
READ = {
    "fixed": ("searches SET data_json = '{}'", lambda archive: archive.search("digits"), "search 'digits'"),
    "standing": ("searches SET worker_seconds = 9", lambda archive: archive.search("digits"), "search 'digits'"),
    "candidates": (
        "candidates SET genes = '[1]' WHERE number = 3",
        lambda archive: list(archive.candidates(1)),
        r"candidate 3 \(search 1\)",
    ),
    "evaluations": (
        "evaluations SET accuracy = 0.75 WHERE candidate = 0",
        lambda archive: list(archive.evaluations(1)),
        r"evaluation of candidate 0, attempt 1 \(search 1\)",
    ),
    "attempts": (
        "evaluations SET failure = 'out_of_memory' WHERE candidate = 1",
        lambda archive: archive.retried(1),
        r"evaluation of candidate 1, attempt 1 \(search 1\)",
    ),
    "replicates": (
        "replicates SET told = 0",
        lambda archive: archive.replicates(1),
        r"replicate 1 of candidate 0 \(search 1\)",
    ),
    "generations": (
        "generations SET hypervolume = 0.25",
        lambda archive: archive.generations(1),
        r"generation 0 \(search 1\)",
    ),
    "events": ("events SET message = '[1]'", lambda archive: archive.events(1), r"event 1 \(search 1\)"),
    "calibrations": (
        "calibrations SET reference_latency_ms = 2",
        lambda archive: archive.calibrations(1),
        r"the calibration of 'cpu' \(search 1\)",
    ),
    "trials": ("tuning_trials SET value = 2", lambda archive: archive.trials(1, "k"), r"tuning trial 0 of network k"),
    "finals": ("finals SET test = '[]'", lambda archive: archive.finals(1), r"final training 0 of network 0"),
    "networks": ("finals SET packed = 'x'", lambda archive: archive.final_network(1, 1), r"final training 0 of netw"),
    "exports": ("exports SET claimed = '[]'", lambda archive: archive.exports(1, key_of(0)), r"export 1 of network 0"),
    "verifications": (
        "verifications SET verdict = 'failed'",
        lambda archive: archive.verifications(1),
        r"verification 1 of network 0",
    ),
    "tokens": ("tokens SET device_hours = 9", lambda archive: archive.tokens(), r"token 'ci'"),
    "audit": ("audit SET who = 'eve'", lambda archive: archive.audits(count=1), r"entry 2 of the audit log"),
    "queue": ("submissions SET searches = 9", lambda archive: archive.submissions(), r"submission 1 of 'next'"),
}


@pytest.mark.parametrize("table", READ)
def test_what_a_resume_reads_is_refused_with_its_name_where_it_changed(url, archive, lease, table):
    change, read, name = READ[table]
    read(archive)
    execute(url, f"UPDATE {change}")
    with pytest.raises(StoreError, match=rf"{name}.* doesn't match its checksum: .*; restore a backup"):
        read(archive)


@pytest.mark.parametrize("one", checksums.ALL, ids=lambda one: f"{one.table.name}.{one.column}")
def test_a_checksum_covers_each_of_its_columns(one):
    row = dict.fromkeys((column.name for column in one.table.columns), 1)
    row |= {one.column: one.of(row)}
    assert one.fits(row)
    for name in one.columns:
        assert not one.fits(row | {name: 2})
        assert not one.fits(row | {name: None})


def test_a_text_that_is_no_unicode_is_no_row_of_ours():
    row = dict.fromkeys((column.name for column in checksums.REPLICATES.table.columns), 1) | {"told": "\udcff"}
    assert not checksums.REPLICATES.fits(row)


def test_a_file_whose_index_lacks_an_outcome_is_not_gone_on_with(tmp_path, migrated_sqlite_url):
    archive = open_archive(migrated_sqlite_url, notice=silent)
    lease = archive.create_search(new_search(), owner="alice", ttl_s=600.0)
    archive.add_candidates(lease, [candidate(number) for number in range(3)])
    archive.add_evaluations(lease, [(measured(0, accuracy=0.5), UNCHANGED)])
    archive.release(lease, state=SearchStatus.STOPPED, reason="")
    archive.close()
    with closing(sqlite3.connect(tmp_path / "store.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        index = "uq_evaluations_search_id_arrival"
        connection.execute(f"UPDATE sqlite_master SET sql = replace(sql, '>= 0', '>= 9') WHERE name = '{index}'")
        connection.execute("PRAGMA writable_schema = RESET")
        connection.execute(f"REINDEX {index}")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(f"UPDATE sqlite_master SET sql = replace(sql, '>= 9', '>= 0') WHERE name = '{index}'")
    again = open_archive(migrated_sqlite_url, notice=silent)
    with pytest.raises(
        StoreError, match=r"is damaged \(.*missing from index uq_evaluations.*\): see `gasearch db check`"
    ):
        again.claim("digits", owner="bob", ttl_s=60.0)
    again.close()


def test_a_reader_of_a_damaged_text_says_that_it_is_damaged(tmp_path, migrated_sqlite_url):
    archive = open_archive(migrated_sqlite_url, notice=silent)
    archive.create_search(new_search(), owner="alice", ttl_s=600.0)
    archive.close()
    execute(migrated_sqlite_url, "UPDATE searches SET reason = CAST(x'ff' AS TEXT)")
    reader = open_reader(migrated_sqlite_url)
    with pytest.raises(StoreError, match=r"is damaged \(a text is no Unicode\): see `gasearch db check`, restore a"):
        reader.searches()
    reader.close()


def test_a_name_in_the_schema_that_is_no_text_is_damage(tmp_path, migrated_sqlite_url):
    path = tmp_path / "store.db"
    content = path.read_bytes()
    place = content.rindex(b"CREATE TABLE calibrations") + len("CREATE TABLE c")
    path.write_bytes(content[:place] + b"\xe1" + content[place + 1 :])
    for opener in (open_reader, lambda url: open_archive(url, notice=silent)):
        with pytest.raises(StoreError, match=r"is damaged"):
            opener(migrated_sqlite_url)
