from contextlib import closing
from dataclasses import replace

import pytest

from gasearch.storage.access import LOCAL
from gasearch.storage.damage import damage_and_searches
from gasearch.storage.sql import open_archive
from tests.doubles.connections import writing
from tests.doubles.forgery import edit, forge
from tests.doubles.records import UNCHANGED, candidate, measured, new_search, new_submission, new_token


@pytest.fixture(params=["migrated_sqlite_url", "postgresql_url"])
def url(request):
    """A store of two searches with one outcome each."""
    url = request.getfixturevalue(request.param)
    archive = open_archive(url, notice=pytest.fail)
    for name in ("one", "other"):
        lease = archive.create_search(replace(new_search(), name=name), owner="alice", ttl_s=600.0)
        archive.add_candidates(lease, [candidate(0), candidate(1)])
        assert archive.add_evaluations(lease, [(measured(0, accuracy=0.5), UNCHANGED)])
    archive.close()
    return url


def found_in(url):
    with damage_and_searches(url) as (damage, searches):
        return [one.text for one in damage], list(searches)


def test_sound_searches_are_read_whole(url):
    damage, searches = found_in(url)
    assert damage == []
    assert [(one.name, one.epoch, one.outcomes, one.replaced) for one in searches] == [
        (name, 1, [measured(0, accuracy=0.5)], [None]) for name in ("one", "other")
    ]
    assert searches[0].candidates == [candidate(0), candidate(1)]


def test_a_search_with_a_damaged_row_is_left_out_and_the_other_is_not(url):
    with writing(url) as connection:
        connection.exec_driver_sql("UPDATE evaluations SET accuracy = 0.75 WHERE search_id = 1")
    [text], [other] = found_in(url)
    assert text.startswith("evaluation of candidate 0, attempt 1 (search 1) doesn't match its checksum")
    assert other.name == "other"


def test_a_damaged_token_is_found_and_hides_no_search(url):
    with closing(open_archive(url, notice=pytest.fail)) as archive:
        archive.add_token(new_token(), lifetime_s=None, actor=LOCAL)
    with writing(url) as connection:
        connection.exec_driver_sql("UPDATE tokens SET role = 'admin'")
        connection.exec_driver_sql("UPDATE audit SET who = 'eve'")
    texts, searches = found_in(url)
    assert [text.partition(" doesn't")[0] for text in sorted(texts)] == ["entry 1 of the audit log", "token 'ci'"]
    assert [one.name for one in searches] == ["one", "other"]


def test_a_damaged_submission_is_found_and_hides_no_search(url):
    with closing(open_archive(url, notice=pytest.fail)) as archive:
        archive.submit(new_submission("next", spec_json="{"), actor=LOCAL)
        archive.submit(new_submission("later"), actor=LOCAL)
    with writing(url) as connection:
        connection.exec_driver_sql("UPDATE submissions SET submitter = 'eve' WHERE name = 'later'")
    texts, searches = found_in(url)
    assert [text.partition(" doesn't")[0].partition(" (")[0] for text in sorted(texts)] == [
        "submission 1 of 'next': spec_json is no JSON", "submission 2 of 'later'",
    ]  # fmt: skip
    assert [one.name for one in searches] == ["one", "other"]


@pytest.mark.parametrize("url", ["migrated_sqlite_url"], indirect=True)
def test_what_no_version_writes_is_found_whatever_the_checksum_says(url):
    forge(url, "candidates", {"search_id": 1, "number": 1}, genes="[NaN]")
    edit(url, "UPDATE searches SET is_stop_requested = 7 WHERE id = 2", "DELETE FROM candidates WHERE number = 0")
    texts, searches = found_in(url)
    assert searches == []
    assert [text for text in texts if "candidate 1 (search 1): genes is no JSON (NaN is no number)" in text]
    assert [text for text in texts if "search 2: is_stop_requested is neither true nor false" in text]
    assert len([text for text in texts if text.endswith("has no row in candidates")]) == 2
