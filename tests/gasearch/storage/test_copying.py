from contextlib import closing

import pytest

from gasearch.errors import BadInput, StoreError, WrongState
from gasearch.storage.copying import copy_from_file, copy_to_file, file_url
from gasearch.storage.sql import open_archive, open_reader
from tests.doubles.records import candidate, new_search


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
