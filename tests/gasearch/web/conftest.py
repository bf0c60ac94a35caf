import pytest

from tests.doubles.archived import fill_database, search_record


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """The URL of a store with two searches."""
    url = f"sqlite:///{tmp_path_factory.mktemp('store')}/gasearch.db"
    fill_database(url)
    fill_database(url, search_record("other"))
    return url
