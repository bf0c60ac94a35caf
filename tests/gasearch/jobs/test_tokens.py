"""Tokens: made once, and only their digests are kept."""

from __future__ import annotations

import pytest

from gasearch.errors import BadInput, NoStore
from gasearch.jobs.tokens import create_token, digest_of, is_secret, new_secret, parse_lifetime, revoke_token
from gasearch.storage.access import Role


def silent(message):
    """No one listens."""


def test_a_secret_is_recognizable_and_never_the_same():
    first, second = new_secret(), new_secret()
    assert first != second
    assert (is_secret(first), len(first), first.startswith("gas_")) == (True, 47, True)
    for other in ("", "gas_", first[:-1], first + "x", first + "\n", f"{first[:-1]}é", first[4:]):
        assert not is_secret(other)


def test_of_a_secret_only_the_digest_is_stored(sqlite_url, tmp_path):
    secret, stored = create_token(sqlite_url, "ci", Role.READER, notice=silent, lifetime_s=60, device_hours=2)
    assert (stored.digest, stored.name, stored.device_hours) == (digest_of(secret), "ci", 2)
    assert stored.expires_at > stored.created_at
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]


@pytest.mark.parametrize(
    ("text", "seconds"), [("90m", 5400), ("12h", 43200), ("30d", 2_592_000), ("2w", 1_209_600), ("1y", 31_536_000)]
)
def test_a_lifetime_is_a_number_with_its_unit(text, seconds):
    assert parse_lifetime(text) == seconds


@pytest.mark.parametrize("text", ["", "30", "d", "0d", "-1d", "1.5h", "11y", "999999d", "30 days", "1e3h", "\u0661d"])
def test_any_other_lifetime_is_refused(text):
    with pytest.raises(BadInput, match="reads like 12h, 30d or 1y, at most 10 years; got"):
        parse_lifetime(text)


@pytest.mark.parametrize("name", ["", " ", "a b", "-x", ".x", "ä", "a/b", "a" * 64, "a\n", "a\x00"])
def test_a_name_that_can_t_be_used_is_refused_before_any_database_is_made(sqlite_url, name):
    with pytest.raises(BadInput, match="a token's name has 1 to 63 letters"):
        create_token(sqlite_url, name, Role.READER, notice=pytest.fail)


@pytest.mark.parametrize("name", ["local", "Bootstrap", "nobody"])
def test_a_name_of_the_logs_is_no_token_s(sqlite_url, name):
    with pytest.raises(BadInput, match="stands for callers without a stored token"):
        create_token(sqlite_url, name, Role.READER, notice=pytest.fail)


@pytest.mark.parametrize("hours", [0.0, -1.0, float("nan"), float("inf")])
def test_device_hours_are_a_number_above_0(sqlite_url, hours):
    with pytest.raises(BadInput, match="device-hours must be a number above 0"):
        create_token(sqlite_url, "ci", Role.READER, notice=pytest.fail, device_hours=hours)


def test_revoking_makes_no_database(tmp_path):
    with pytest.raises(NoStore):
        revoke_token(f"sqlite:///{tmp_path}/none.db", "ci", notice=pytest.fail)
    assert list(tmp_path.iterdir()) == []
