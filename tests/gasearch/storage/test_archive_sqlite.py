import pytest

from tests.contracts.archive_contract import ArchiveContract
from tests.contracts.archive_histories_contract import HistoriesContract
from tests.contracts.archive_retraining_contract import RetrainingContract


class TestSqliteArchive(ArchiveContract, RetrainingContract, HistoriesContract):
    @pytest.fixture
    def url(self, migrated_sqlite_url):
        return migrated_sqlite_url
