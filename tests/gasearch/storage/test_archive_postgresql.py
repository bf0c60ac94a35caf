import pytest

from tests.contracts.archive_contract import ArchiveContract


class TestPostgresqlArchive(ArchiveContract):
    @pytest.fixture
    def url(self, postgresql_url):
        return postgresql_url
