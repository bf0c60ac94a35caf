"""What every archive does with tokens and the audit log."""

from contextlib import closing

import pytest
from sqlalchemy import select, update

from gasearch.errors import BadInput, StoreError, WrongState
from gasearch.storage import tables
from gasearch.storage.access import LOCAL, Actor, AuditRecord, Role
from gasearch.storage.sql import open_archive
from tests.contracts.empty_store import EmptyStore
from tests.doubles.connections import reading, writing
from tests.doubles.records import new_search, new_token

BOB = Actor(name="bob", address="192.0.2.7")


def told(archive):
    return [(one.who, one.action, one.subject, one.outcome, one.address) for one in archive.audits(count=9)]


class AccessContract(EmptyStore):
    """Subclasses give a `url` fixture: the address of an empty store."""

    def test_a_token_reads_back_and_is_found_by_its_digest_alone(self, archive, reader):
        given = new_token("ci", role=Role.ADMIN, searches=2, device_hours=1.5)
        made = archive.add_token(given, lifetime_s=None, actor=LOCAL)
        assert {name: getattr(made, name) for name in given.__dataclass_fields__} == {
            name: getattr(given, name) for name in given.__dataclass_fields__
        }
        assert (made.expires_at, made.revoked_at, made.used_at, made.is_valid) == (None, None, None, True)
        assert reader.token(given.digest) == made == reader.tokens()[0]
        assert reader.token("0" * 64) is None
        assert told(reader) == [("local", "token.create", "ci", "done", "")]

    def test_the_time_of_a_token_ends_by_the_database_s_clock(self, archive, reader):
        later = archive.add_token(new_token("later"), lifetime_s=600, actor=LOCAL)
        over = archive.add_token(new_token("over", secret="t"), lifetime_s=-1, actor=LOCAL)
        assert (later.expires_at - later.created_at).total_seconds() == pytest.approx(600)
        assert (later.is_expired, later.is_valid) == (False, True)
        assert (over.is_expired, over.is_valid) == (True, False)
        assert reader.token(over.digest) == over

    def test_a_name_is_taken_until_its_token_is_revoked_or_expired(self, archive, reader):
        archive.add_token(new_token(), lifetime_s=None, actor=LOCAL)
        with pytest.raises(WrongState, match="a token named 'ci' already: revoke it first, or choose another name"):
            archive.add_token(new_token(secret="t"), lifetime_s=None, actor=LOCAL)
        assert [one.digest for one in reader.tokens()] == [new_token().digest]
        assert archive.revoke_token("ci", actor=BOB).is_valid is False
        second = archive.add_token(new_token(secret="t"), lifetime_s=-1, actor=LOCAL)
        third = archive.add_token(new_token(secret="u"), lifetime_s=60, actor=BOB)
        assert [(one.revoked_at is None, one.is_valid) for one in reader.tokens()] == [
            (False, False), (False, False), (True, True),
        ]  # fmt: skip
        assert reader.token(second.digest).revoked_at <= third.created_at
        assert told(reader)[:3] == [
            ("bob", "token.create", "ci", "done", "192.0.2.7"),
            ("local", "token.create", "ci", "done", ""),
            ("bob", "token.revoke", "ci", "done", "192.0.2.7"),
        ]

    def test_what_can_t_be_revoked_is_named(self, archive, reader):
        archive.add_token(new_token(), lifetime_s=None, actor=LOCAL)
        revoked = archive.revoke_token("ci", actor=LOCAL)
        assert reader.token(revoked.digest) == revoked
        for name in ("ci", "nobody", "a\x00b"):
            with pytest.raises(BadInput, match="there is no token named"):
                archive.revoke_token(name, actor=LOCAL)
        assert len(told(reader)) == 2

    def test_a_use_is_noted_and_covered_by_no_checksum(self, url, archive, reader):
        made = archive.add_token(new_token(), lifetime_s=60, actor=LOCAL)
        archive.note_token_use(made.id)
        assert reader.token(made.digest).used_at >= made.created_at
        assert archive.revoke_token("ci", actor=LOCAL).used_at is not None
        archive.note_token_use(999)

    def test_a_token_that_was_edited_is_refused(self, url, archive, reader):
        made = archive.add_token(new_token(), lifetime_s=None, actor=LOCAL)
        with writing(url) as connection:
            connection.execute(update(tables.tokens).values(role="admin"))
        with pytest.raises(StoreError, match="token 'ci' doesn't match its checksum"):
            reader.token(made.digest)
        archive.note_token_use(made.id)
        with pytest.raises(StoreError, match="token 'ci' doesn't match its checksum"):
            archive.revoke_token("ci", actor=LOCAL)
        with pytest.raises(StoreError, match="token 'ci' doesn't match its checksum"):
            reader.tokens()

    def test_the_audit_log_is_read_backwards_in_pages(self, archive, reader):
        for number in range(5):
            archive.add_audit(AuditRecord(who="bob", action="login", subject=str(number)))
        first = reader.audits(count=2)
        assert [one.subject for one in first] == ["4", "3"]
        assert [one.subject for one in reader.audits(count=9, before=first[-1].id)] == ["2", "1", "0"]
        assert all(one.at is not None for one in first)

    def test_texts_of_the_audit_log_are_cut_and_storable(self, archive, reader):
        archive.add_audit(
            AuditRecord(who="w" * 999, action="a\x00b", subject="\ud800" * 999, outcome="é", address="x" * 99)
        )
        [found] = reader.audits(count=1)
        assert (found.who, found.action, found.outcome) == ("w" * 64, "a\N{SYMBOL FOR NULL}b", "é")
        assert (len(found.subject), len(found.address)) == (200, 64)

    def test_no_secret_is_in_the_database(self, url, archive):
        archive.add_token(new_token(secret="the-secret-itself"), lifetime_s=None, actor=LOCAL)
        with reading(url) as connection:
            for table in (tables.tokens, tables.audit):
                assert "the-secret-itself" not in str(connection.execute(select(table)).all())

    def test_tokens_and_the_audit_log_outlive_every_search(self, archive, reader):
        archive.add_token(new_token(), lifetime_s=None, actor=LOCAL)
        lease = archive.create_search(new_search(), owner="alice", ttl_s=0.0)
        assert lease.search_id == reader.tokens()[0].id  # whose rows a careless deletion would take along
        archive.delete_search("digits")
        assert [one.name for one in reader.tokens()] == ["ci"]
        assert len(told(reader)) == 1

    def test_a_reader_says_whether_the_schema_is_still_its_own(self, url, archive, reader):
        reader.require_current()
        with writing(url) as connection:
            connection.exec_driver_sql(f"UPDATE {tables.VERSION_TABLE} SET version_num = '0001'")
        with pytest.raises(StoreError, match="has the older schema 0001"):
            reader.require_current()
        with writing(url) as connection:
            connection.exec_driver_sql(f"UPDATE {tables.VERSION_TABLE} SET version_num = '{tables.REVISIONS[-1]}'")

    def test_two_archives_give_a_name_once(self, url, archive):
        with closing(open_archive(url, notice=pytest.fail)) as other:
            other.add_token(new_token(), lifetime_s=None, actor=LOCAL)
            with pytest.raises(WrongState, match="already"):
                archive.add_token(new_token(secret="t"), lifetime_s=None, actor=LOCAL)
