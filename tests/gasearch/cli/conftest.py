"""A stored search for the commands."""

from __future__ import annotations

import pytest

from tests.doubles.archived import fill_database


@pytest.fixture(scope="package")
def digits_url(tmp_path_factory):
    url = f"sqlite:///{tmp_path_factory.mktemp('store')}/gasearch.db"
    fill_database(url)
    return url


@pytest.fixture
def stored_digits(monkeypatch, digits_url):
    """A finished search, "digits", in the database that commands ask."""
    monkeypatch.setenv("GASEARCH_DB", digits_url)
    monkeypatch.delenv("GASEARCH_DEBUG", raising=False)
