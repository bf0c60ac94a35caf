"""What the database knows of an exported folder: as it was written, edited since, or nothing."""

import json
from contextlib import closing

import pytest
from gasearch_workers.export.description import describe_files

from gasearch.deploy.exported import NOT_ASKED, origin_of, record_export
from gasearch.storage.records import SearchStatus
from gasearch.storage.sql import open_archive, open_reader
from tests.doubles.records import candidate, key_of, new_search

FILES = {"model.onnx": b"graph", "model.gap": b"packed", "README.md": b"card"}


@pytest.fixture
def url(migrated_sqlite_url):
    """A database with one search of two networks."""
    with closing(open_archive(migrated_sqlite_url, notice=pytest.fail)) as archive:
        lease = archive.create_search(new_search(), owner="alice", ttl_s=60.0)
        archive.add_candidates(lease, [candidate(number) for number in range(2)])
        archive.release(lease, state=SearchStatus.FINISHED, reason="done")
    return migrated_sqlite_url


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path / "model")


def write(folder, *, measured=0.9, files=FILES, **changes):
    """A folder with a description of its files."""
    folder.mkdir(exist_ok=True)
    search = {"name": "digits", "digest": "5bec"} | changes.pop("search", {})
    story = {
        "key": key_of(0),
        "provenance": {"search": search},
        "claimed": {"accuracy": 0.95},
        "measured": {"test_accuracy": measured, "latency_device": "A CPU"},
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    content = {"blueprint": {"choices": {"x": 0}}, "description": story | changes, "files": describe_files(files)}
    (folder / "model.json").write_text(json.dumps(content))
    return folder


def keep(folder, url):
    with closing(open_reader(url)) as reader:
        record = reader.search("digits")
    record_export(folder, record, key_of(0), db_url=url, notice=pytest.fail)


def known(folder, url):
    return origin_of(folder, json.loads((folder / "model.json").read_text()), url)


def test_what_was_exported_is_known_without_edits(url, folder):
    keep(folder, url)
    keep(folder, url)
    origin = known(folder, url)
    assert (origin.is_known, origin.edits, origin.record.name) == (True, (), "digits")
    with closing(open_reader(url)) as reader:
        [stored] = reader.exports(origin.record.id, key_of(0))
    assert dict(stored.claimed) == {"claimed.accuracy": 0.95, "measured.test_accuracy": 0.9}
    assert set(dict(stored.files)) == set(FILES)


def test_each_file_that_differs_is_an_edit_and_claims_are_named(url, folder):
    keep(folder, url)
    write(folder, measured=0.5, files=FILES | {"model.gap": b"others", "more": b""})
    assert [edit.text for edit in known(folder, url).edits] == [
        "edited since export: model.json (measured.test_accuracy 0.5, exported as 0.9)",
        "edited since export: model.gap",
        "edited since export: more",
    ]


def test_it_is_held_against_the_export_that_it_has_most_in_common_with(url, folder, tmp_path):
    keep(folder, url)
    keep(write(tmp_path / "other", measured=0.7, files=dict.fromkeys(FILES, b"others")), url)
    write(folder, measured=0.8)
    assert [edit.text for edit in known(folder, url).edits] == [
        "edited since export: model.json (measured.test_accuracy 0.8, exported as 0.9)"
    ]


def test_of_many_claims_three_are_named(url, folder):
    keep(folder, url)
    write(folder, claimed={f"m{number}": number for number in range(9)})
    [edit] = known(folder, url).edits
    assert edit.text.endswith("claimed.m1 1, exported as none; and 7 more)")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"provenance": {}}, "the artifact doesn't say which search it comes from"),
        ({"search": {"name": "other"}}, "there is no search named 'other'"),
        ({"search": {"digest": "x"}}, "the search digits there is another one than the artifact's"),
        ({"key": key_of(1)}, f"the network {key_of(1)} there is another one than the artifact's"),
        ({}, f"the database has no record of an export of {key_of(0)}: export it again"),
    ],
)
def test_what_the_database_does_not_know_is_said_in_words(url, tmp_path, changes, reason):
    origin = known(write(tmp_path / "model", **changes), url)
    assert not origin.is_known
    assert origin.reason.startswith(reason)
    assert f"can't be known here ({reason}" in origin.doubt


def test_without_a_database_nothing_is_known_and_none_is_made(folder, tmp_path):
    assert known(folder, f"sqlite:///{tmp_path}/none.db").reason == "there is no database"
    assert not (tmp_path / "none.db").exists()
    assert not NOT_ASKED.is_known


def test_that_an_export_can_not_be_recorded_is_said_and_no_failure(url, folder):
    with closing(open_reader(url)) as reader:
        record = reader.search("digits")
    with closing(open_archive(url, notice=pytest.fail)) as archive:
        archive.delete_search("digits")
    said = []
    record_export(folder, record, key_of(0), db_url=url, notice=said.append)
    assert said[0].startswith("the export could not be recorded in the database, so that verify will not know it: ")
