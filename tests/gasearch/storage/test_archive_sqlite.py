import pytest

from tests.contracts.archive_contract import ArchiveContract


class TestSqliteArchive(ArchiveContract):
    @pytest.fixture
    def url(self, migrated_sqlite_url):
        return migrated_sqlite_url
