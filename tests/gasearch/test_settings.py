"""What the environment decides, and what it can't."""

from __future__ import annotations

from pathlib import Path

import pytest

from gasearch import settings
from gasearch.errors import BadInput


def test_the_option_comes_before_the_variable_and_that_before_a_file_here(monkeypatch):
    monkeypatch.setenv("GASEARCH_DB", "sqlite:///mine.db")
    assert settings.database_url("sqlite:///option.db") == "sqlite:///option.db"
    assert settings.database_url() == "sqlite:///mine.db"
    monkeypatch.setenv("GASEARCH_DB", "")
    assert settings.database_url() == settings.DEFAULT_DATABASE


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("results.db", "sqlite:///results.db"),
        ("/data/a b.SQLite", "sqlite:////data/a b.SQLite"),
        ("../50%?#.sqlite3", "sqlite:///../50%25%3F%23.sqlite3"),
        ("sqlite:///results.db", "sqlite:///results.db"),
        ("postgresql://me@host/all.db", "postgresql://me@host/all.db"),
        ("sqlite:results.db", "sqlite:results.db"),
        ("//me:secret@host/all.db", "//me:secret@host/all.db"),
        ("results", "results"),
    ],
)
def test_a_plain_path_that_ends_as_sqlite_files_do_stands_for_the_file(monkeypatch, text, url):
    assert settings.database_url(text) == url
    monkeypatch.setenv("GASEARCH_DB", text)
    assert settings.database_url() == url
    assert settings.is_sqlite_path(text) is (text != url)


@pytest.mark.parametrize(("text", "seconds"), [("", 600.0), ("0", 0.0), ("2.5", 2.5)])
def test_patience_is_a_number_of_seconds(monkeypatch, text, seconds):
    monkeypatch.setenv("GASEARCH_DB_PATIENCE", text)
    assert settings.database_patience_s() == seconds


@pytest.mark.parametrize("text", ["ten", "-1", "nan", "inf"])
def test_no_other_patience_is_taken(monkeypatch, text):
    monkeypatch.setenv("GASEARCH_DB_PATIENCE", text)
    with pytest.raises(BadInput, match=f"GASEARCH_DB_PATIENCE is a number of seconds; got '{text}'"):
        settings.database_patience_s()


@pytest.mark.parametrize(
    ("folder", "own", "shared", "default"),
    [
        (settings.cache_folder, "GASEARCH_CACHE", "XDG_CACHE_HOME", ".cache/gasearch"),
        (settings.state_folder, "GASEARCH_STATE", "XDG_STATE_HOME", ".local/state/gasearch"),
    ],
)
def test_a_folder_is_ours_else_one_in_the_users(monkeypatch, tmp_path, folder, own, shared, default):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(own, raising=False)
    monkeypatch.delenv(shared, raising=False)
    assert folder() == tmp_path / default
    monkeypatch.setenv(shared, str(tmp_path / "shared"))
    assert folder() == tmp_path / "shared" / "gasearch"
    monkeypatch.setenv(own, "relative")
    assert folder() == Path("relative").absolute()
    monkeypatch.setenv(own, "~nobody-of-that-name/cache")
    with pytest.raises(BadInput, match=f"name a folder by {own}"):
        folder()
