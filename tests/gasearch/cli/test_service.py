"""The commands of the service and of the database."""

from __future__ import annotations

import sys

import pytest

pytestmark = pytest.mark.usefixtures("stored_digits")


def test_the_schema_is_shown_and_upgraded(gasearch, tmp_path):
    status, out, _ = gasearch("db", "current")
    assert (status, out.endswith("(up to date)\n")) == (0, True)
    url = f"sqlite:///{tmp_path}/new.db"
    status, out, _ = gasearch("db", "upgrade", "--db", url)
    assert (status, out.startswith("the schema is at ")) == (0, True)
    assert gasearch("db", "current", "--db", url)[0] == 0


def test_serving_without_its_libraries_names_the_command_that_installs_them(gasearch, monkeypatch):
    monkeypatch.setitem(sys.modules, "fastapi", None)
    for name in [name for name in sys.modules if name.startswith("gasearch.web")]:
        monkeypatch.delitem(sys.modules, name)
    status, _, err = gasearch("serve")
    assert (status, err) == (1, "gasearch: the service needs fastapi: pip install 'gasearch[serve]'\n")


def test_serving_beyond_this_machine_needs_a_token_of_one_s_own(gasearch, monkeypatch):
    monkeypatch.delenv("GASEARCH_TOKEN", raising=False)
    status, _, err = gasearch("serve", "--host", "0.0.0.0", "--port", "0")
    assert (status, "set GASEARCH_TOKEN" in err) == (2, True)
    monkeypatch.setenv("GASEARCH_TOKEN", "short")
    status, _, err = gasearch("serve")
    assert (status, "at least 16 characters; got 5" in err) == (2, True)


def test_a_database_without_a_search_was_not_checked(gasearch, tmp_path):
    url = f"sqlite:///{tmp_path}/new.db"
    assert gasearch("db", "upgrade", "--db", url)[0] == 0
    status, out, err = gasearch("db", "check", "--db", url)
    assert (status, out) == (1, "")
    assert err == f"gasearch: {url} holds no search: nothing was checked\n"
    assert gasearch("db", "check") == (0, "everything is as it was written\n", "")
