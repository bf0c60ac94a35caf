"""Tokens and the audit log in SQL: what the contract of the archive doesn't say of it."""

from contextlib import closing

from gasearch.storage.access import LOCAL, AuditRecord, Role
from gasearch.storage.sql import open_archive
from gasearch.storage.sql_access import AUDITS, TOKENS
from gasearch.storage.tables import tokens
from tests.doubles.connections import reading
from tests.doubles.records import new_token


def plan(connection, statement):
    compiled = statement.compile(connection, compile_kwargs={"literal_binds": True})
    return [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}")]


def test_a_token_is_found_and_the_newest_entries_are_read_by_an_index(migrated_sqlite_url):
    with closing(open_archive(migrated_sqlite_url, notice=lambda message: None)) as archive:
        archive.add_token(new_token(), lifetime_s=None, actor=LOCAL)
        archive.add_audit(AuditRecord(who="bob", action="login"))
    with reading(migrated_sqlite_url) as connection:
        [by_digest] = plan(connection, TOKENS.where(tokens.c.digest == "d"))
        [by_name] = plan(connection, TOKENS.where(tokens.c.name == "ci", tokens.c.revoked_at.is_(None)))
        newest = plan(connection, AUDITS.limit(2))
    assert by_digest.endswith("(digest=?)")
    assert by_name.endswith("INDEX ix_tokens_kept (name=?)")
    assert newest == ["SCAN audit"]  # in the order of its key: no sorting


def test_an_admin_may_what_a_reader_may():
    assert [[one.includes(other) for other in Role] for one in Role] == [[True, False], [True, True]]
