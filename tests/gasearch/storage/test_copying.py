from contextlib import closing

import pytest
from sqlalchemy import update

from gasearch.errors import BadInput, StoreError, WrongState
from gasearch.storage.access import LOCAL
from gasearch.storage.copying import copy_from_file, copy_to_file, file_url
from gasearch.storage.damage import find_damage, snapshot
from gasearch.storage.sql import open_archive, open_reader
from gasearch.storage.tables import finals
from tests.doubles.connections import writing
from tests.doubles.forgery import edit
from tests.doubles.records import candidate, export, final, key_of, new_search, new_submission, new_token, verification


def silent(message):
    """No one listens."""


@pytest.fixture(params=["migrated_sqlite_url", "postgresql_url"])
def url(request):
    """A store with a search that alice owns."""
    url = request.getfixturevalue(request.param)
    with closing(open_archive(url, notice=pytest.fail)) as archive:
        lease = archive.create_search(new_search(), owner="alice", ttl_s=600.0)
        archive.add_candidates(lease, [candidate(0), candidate(1)])
    return url


def test_a_copy_holds_all_and_nobody_owns_it(url, tmp_path):
    assert copy_to_file(url, tmp_path / "copy.db") == ["digits"]
    with closing(open_reader(file_url(tmp_path / "copy.db"))) as copy, closing(open_reader(url)) as original:
        assert (original.search("digits").owner, copy.search("digits").owner) == ("alice", None)
        assert list(copy.candidates(1)) == list(original.candidates(1)) == [candidate(0), candidate(1)]
    with pytest.raises(WrongState, match=r"holds 1 searches already: restore into an empty database"):
        copy_from_file(tmp_path / "copy.db", url, silent)


def test_a_copy_goes_back_into_an_empty_database(url, tmp_path):
    copy_to_file(url, tmp_path / "copy.db")
    copy_from_file(tmp_path / "copy.db", f"sqlite:///{tmp_path}/new.db", silent)
    with closing(open_archive(f"sqlite:///{tmp_path}/new.db", notice=pytest.fail)) as back:
        assert back.claim("digits", owner="bob", ttl_s=60.0).epoch == 2


def test_a_database_with_tokens_of_its_own_takes_no_copy(url, tmp_path):
    copy_to_file(url, tmp_path / "copy.db")
    new = f"sqlite:///{tmp_path}/new.db"
    with closing(open_archive(new, notice=silent)) as archive:
        archive.add_token(new_token(), lifetime_s=None, actor=LOCAL)
    with pytest.raises(WrongState, match=r"holds tokens of its own: restore into an empty database"):
        copy_from_file(tmp_path / "copy.db", new, silent)


def test_a_queue_comes_through_a_copy_and_a_database_with_one_takes_none(url, tmp_path):
    with closing(open_archive(url, notice=silent)) as archive:
        for name in ("one", "two"):
            archive.submit(new_submission(name), actor=LOCAL)
        archive.claim_submission(controller="elsewhere/1/x-1", ttl_s=0.0)
    copy_to_file(url, tmp_path / "copy.db")
    with closing(open_archive(file_url(tmp_path / "copy.db"), notice=silent)) as copy:
        assert [one.name for one in copy.submissions()] == ["one", "two"]
        assert copy.claim_submission(controller="here", ttl_s=60.0).name == "one"
    new = f"sqlite:///{tmp_path}/new.db"
    with closing(open_archive(new, notice=silent)) as archive:
        archive.submit(new_submission(), actor=LOCAL)
    edit(new, "DELETE FROM audit")
    with pytest.raises(WrongState, match=r"holds a queue of its own: restore into an empty database"):
        copy_from_file(tmp_path / "copy.db", new, silent)


@pytest.mark.parametrize("into", ["sqlite", "postgresql"])
def test_networks_come_through_a_file_and_back_byte_for_byte_and_one_that_flipped_is_found(
    request, url, into, tmp_path, postgresql
):
    every_byte = bytes(range(256)) * 5
    with closing(open_archive(url, notice=pytest.fail)) as archive:
        for number in range(20):  # more than are in memory at a time
            archive.add_final(1, final(number), every_byte[number:])
        archive.add_final(1, final(20, failure="died", message="gone", metrics=(), test=()))
        archive.add_export(1, export())
        archive.add_verification(1, verification())
        archive.add_token(new_token(), lifetime_s=None, actor=LOCAL)
    copy_to_file(url, tmp_path / "copy.db")
    new = f"sqlite:///{tmp_path}/new.db" if into == "sqlite" else postgresql.new_database(is_migrated=False)
    if into == "postgresql":
        request.addfinalizer(lambda: postgresql.drop_database(new))
    copy_from_file(tmp_path / "copy.db", new, silent)
    with closing(open_archive(new, notice=pytest.fail)) as back, closing(open_reader(url)) as original:
        assert back.finals(1) == original.finals(1)
        assert back.exports(1, key_of(0)) == original.exports(1, key_of(0)) != []
        assert back.verifications(1) == original.verifications(1)
        assert back.tokens() == original.tokens() != []
        assert back.audits(count=9) == original.audits(count=9) != []
        assert [back.final_network(1, one.id) for one in back.finals(1)[:20]] == [every_byte[n:] for n in range(20)]
        back.add_final(1, final(20), b"a")  # with an id of its own
        assert len(back.finals(1)) == 21
        assert back.add_token(new_token("other", secret="t"), lifetime_s=None, actor=LOCAL).id == 2
    with snapshot(new) as connection:
        assert list(find_damage(connection)) == []
    with writing(new) as connection:
        flipped = bytes([every_byte[0] ^ 1]) + every_byte[1:]
        connection.execute(update(finals).where(finals.c.number == 0).values(packed=flipped))
    with snapshot(new) as connection:
        [found] = find_damage(connection)
    assert found.text.startswith(f"final training 0 of network {key_of(0)} (search 1) doesn't match its checksum")


def test_a_file_that_is_there_is_not_written_over(url, tmp_path):
    (tmp_path / "copy.db").write_text("mine")
    with pytest.raises(OSError, match="exists"):
        copy_to_file(url, tmp_path / "copy.db")
    assert (tmp_path / "copy.db").read_text() == "mine"


def test_a_database_that_is_none_is_not_copied(tmp_path):
    with pytest.raises(StoreError, match=r"there is no database"):
        copy_to_file(f"sqlite:///{tmp_path}/none.db", tmp_path / "copy.db")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(BadInput, match=r"a database's name is text that UTF-8 can hold"):
        file_url(tmp_path / "\udcff.db")
