"""What the contracts of the archive stand on: an empty store, and a search with candidates in it."""

import pytest

from gasearch.storage.sql import open_archive, open_reader
from tests.doubles.records import candidate, new_search

LONG = 600.0  #: Seconds of a lease that no test outlives.


def numbers(networks):
    return [network.number for network in networks]


def best(archive, lease, *, metric="accuracy", is_maximized=True, limits=(), count=1):
    """The numbers of the best networks."""
    found = archive.best(lease.search_id, metric=metric, is_maximized=is_maximized, limits=limits, count=count)
    return numbers(found)


class EmptyStore:
    """Subclasses give a `url` fixture: the address of an empty store."""

    @pytest.fixture
    def archive(self, url):
        archive = open_archive(url, notice=lambda message: None)
        yield archive
        archive.close()

    @pytest.fixture
    def lease(self, archive):
        """The lease of a new search with 12 candidates."""
        lease = archive.create_search(new_search(), owner="alice", ttl_s=LONG)
        archive.add_candidates(lease, [candidate(number) for number in range(12)])
        return lease

    @pytest.fixture
    def reader(self, url, archive):
        reader = open_reader(url)
        yield reader
        reader.close()


def as_listed(column):
    """A column of a metric with None where an outcome lacks it."""
    return [None if value != value else value for value in column]


def everything(archive, search_id):
    """All that a search holds, but for the time of its last change."""
    [search] = [search for search in archive.searches() if search.id == search_id]
    return (
        [getattr(search, name) for name in search.__dataclass_fields__ if name != "updated_at"],
        list(archive.candidates(search_id)),
        archive.replicates(search_id),
        list(archive.evaluations(search_id)),
        list(archive.networks(search_id)),
        archive.front(search_id),
        archive.generations(search_id),
        archive.events(search_id),
        archive.calibrations(search_id),
        archive.counts(search_id),
    )
