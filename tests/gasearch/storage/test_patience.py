"""How long a store waits, as the environment and the archive say."""

import pytest

from gasearch.errors import BadInput
from gasearch.settings import database_patience_s


def test_a_search_waits_ten_minutes_unless_told_otherwise(monkeypatch):
    monkeypatch.delenv("GASEARCH_DB_PATIENCE", raising=False)
    assert database_patience_s() == 600.0
    monkeypatch.setenv("GASEARCH_DB_PATIENCE", "")
    assert database_patience_s() == 600.0
    monkeypatch.setenv("GASEARCH_DB_PATIENCE", "2.5")
    assert database_patience_s() == 2.5


@pytest.mark.parametrize("text", ["long", "-1", "nan", "inf", "1e10"])
def test_a_patience_that_is_no_number_of_seconds_is_refused(monkeypatch, text):
    monkeypatch.setenv("GASEARCH_DB_PATIENCE", text)
    with pytest.raises(BadInput, match=rf"GASEARCH_DB_PATIENCE is a number of seconds; got '{text}'"):
        database_patience_s()
