"""The commands of the service's tokens."""

from __future__ import annotations

import json

import pytest


@pytest.fixture(autouse=True)
def database(monkeypatch, tmp_path):
    monkeypatch.setenv("GASEARCH_DB", f"sqlite:///{tmp_path}/gasearch.db")


def test_a_secret_alone_is_on_stdout_and_shown_once(gasearch):
    status, out, err = gasearch("token", "create", "alice", "--expires", "30d")
    assert status == 0
    secret = out.strip()
    assert (out, secret[:4], len(secret)) == (f"{secret}\n", "gas_", 47)
    assert "token 'alice', reader until 20" in err
    assert "its secret is shown only now" in err
    assert secret not in err
    for command in (["token", "list"], ["token", "list", "--format", "json"], ["token", "audit"], ["db", "check"]):
        assert secret not in "".join(map(str, gasearch(*command)))


def test_tokens_are_listed_with_what_became_of_them(gasearch):
    created = gasearch("token", "create", "ci", "--role", "admin", "--searches", "2", "--device-hours", "1.5",
                       "--format", "json")  # fmt: skip
    row = json.loads(created[1])
    assert row.pop("secret").startswith("gas_")
    assert json.loads(gasearch("token", "list", "--format", "json")[1]) == [row]
    names = ("name", "role", "state", "searches", "device_hours")
    assert [row[name] for name in names] == ["ci", "admin", "valid", 2, 1.5]
    assert gasearch("token", "revoke", "ci") == (0, "revoked ci\n", "")
    assert json.loads(gasearch("token", "list", "--format", "json")[1])[0]["state"] == "revoked"
    audit = json.loads(gasearch("token", "audit", "--format", "json")[1])
    assert [(one["who"], one["action"], one["subject"]) for one in audit] == [
        ("local", "token.revoke", "ci"), ("local", "token.create", "ci"),
    ]  # fmt: skip
    assert len(json.loads(gasearch("token", "audit", "--count", "1", "--format", "json")[1])) == 1


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["create", "a b"], "a token's name has 1 to 63 letters"),
        (["create", "x", "--expires", "soon"], "a token's lifetime reads like 12h, 30d or 1y"),
        (["create", "x", "--role", "root"], "'root'"),
        (["create", "x", "--searches", "0"], "'--searches'"),
        (["create", "ci"], "there is a token named 'ci' already"),
        (["revoke", "nobody"], "there is no token named 'nobody' to revoke; `gasearch token list` shows all"),
    ],
)
def test_bad_input_is_named(gasearch, arguments, text):
    assert gasearch("token", "create", "ci")[0] == 0
    status, out, err = gasearch("token", *arguments)
    assert (status, out) == (2, "")
    assert text in err


def test_without_a_database_there_is_nothing_to_list(gasearch):
    for command in ("list", "audit"):
        status, _, err = gasearch("token", command)
        assert (status, "there is no database" in err) == (4, True)
