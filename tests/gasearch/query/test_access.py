"""Tokens and the audit log as answers."""

from datetime import UTC, datetime

import pytest

from gasearch.query.access import audit_entries, token_summary
from gasearch.storage.access import AuditRecord, Role, TokenRecord
from tests.doubles.archived import scripted_reader

AT = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("revoked_at", "is_expired", "state"),
    [(None, False, "valid"), (None, True, "expired"), (AT, False, "revoked"), (AT, True, "revoked")],
)
def test_a_token_is_told_without_its_digest(revoked_at, is_expired, state):
    record = TokenRecord(
        id=1, name="ci", digest="d" * 64, role=Role.ADMIN, created_at=AT, expires_at=AT, revoked_at=revoked_at,
        used_at=None, is_expired=is_expired,
    )  # fmt: skip
    row = token_summary(record).row()
    assert (row["name"], row["role"], row["state"], row["used_at"]) == ("ci", "admin", state, None)
    assert "d" * 64 not in str(row)


def test_entries_of_the_audit_log_are_told_whole():
    reader = scripted_reader()
    reader.audits = lambda count, before: [AuditRecord(id=before, at=AT, who="ci", action="login", address="192.0.2.1")]
    [entry] = audit_entries(reader, count=1, before=7)
    assert entry.row() == {
        "id": 7, "at": AT.isoformat(), "who": "ci", "action": "login", "subject": "", "outcome": "done",
        "address": "192.0.2.1",
    }  # fmt: skip
