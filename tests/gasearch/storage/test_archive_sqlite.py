import pytest

from tests.contracts.archive_access_contract import AccessContract
from tests.contracts.archive_answers_contract import AnswersContract
from tests.contracts.archive_finals_contract import FinalsContract
from tests.contracts.archive_histories_contract import HistoriesContract
from tests.contracts.archive_outcomes_contract import OutcomesContract
from tests.contracts.archive_ownership_contract import OwnershipContract
from tests.contracts.archive_queue_contract import QueueContract
from tests.contracts.archive_retraining_contract import RetrainingContract


class TestSqliteArchive(
    OwnershipContract,
    OutcomesContract,
    RetrainingContract,
    HistoriesContract,
    AnswersContract,
    FinalsContract,
    AccessContract,
    QueueContract,
):
    @pytest.fixture
    def url(self, migrated_sqlite_url):
        return migrated_sqlite_url
