"""One reader for all requests, opened anew where the old one is of no use."""

from __future__ import annotations

import shutil

from gasearch.errors import StoreError
from gasearch.web import create_app, shared
from tests.doubles.archived import fill_database, search_record
from tests.doubles.service import API, TOKEN, assert_is_error, client_of


def fails(error):
    def fail(*arguments):
        raise error

    return fail


def test_requests_share_a_reader_and_an_error_of_the_database_gives_it_up(url, tmp_path, monkeypatch):
    path = tmp_path / "copy.db"
    shutil.copy(url.removeprefix("sqlite:///"), path)
    client, opened = client_of(create_app(f"sqlite:///{path}", TOKEN)), []
    real = shared.open_reader
    monkeypatch.setattr(shared, "open_reader", lambda db_url: opened.append(real(db_url)) or opened[-1])
    assert [client.get(f"{API}/digits/status").status_code for _ in range(3)] == [200] * 3
    assert client.get(f"{API}/nope").status_code == 404
    assert len(opened) == 1
    monkeypatch.setattr(opened[0], "search", fails(StoreError("the disk that holds it fails")))
    assert_is_error(client.get(f"{API}/digits/status"), 503, "can't be read now")
    assert client.get(f"{API}/digits/status").status_code == 200
    assert len(opened) == 2


def test_a_database_that_was_replaced_is_opened_anew(url, tmp_path):
    path = tmp_path / "copy.db"
    shutil.copy(url.removeprefix("sqlite:///"), path)
    client = client_of(create_app(f"sqlite:///{path}", TOKEN))
    assert [one["name"] for one in client.get(API).json()] == ["other", "digits"]
    path.rename(tmp_path / "old.db")
    assert_is_error(client.get(API), 503, "can't be read now")
    fill_database(f"sqlite:///{path}", search_record("new"))
    assert [one["name"] for one in client.get(API).json()] == ["new"]
