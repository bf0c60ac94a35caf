"""Monotonic durations, hypervolumes, last words of failed evaluations, failed searches, sources of evaluators."""

import hashlib

import sqlalchemy as sa

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

NAME = "ck_searches_state"
BEFORE = [
    "name",
    "spec_json",
    "spec_hash",
    "objectives",
    "space_fingerprint",
    "space_size",
    "data_json",
    "version",
    "created_at",
    "context",
]


def upgrade() -> None:
    op.add_column("evaluations", sa.Column("seconds", sa.Double()))
    op.add_column("evaluations", sa.Column("traceback", sa.Text()))
    op.add_column("evaluations", sa.Column("output", sa.Text()))
    op.add_column("evaluations", sa.Column("hypervolume", sa.Double()))
    with op.batch_alter_table("searches") as batch:  # SQLite can't change a check: the rows go into a new table
        batch.drop_constraint(op.f(NAME), type_="check")
        batch.create_check_constraint(op.f(NAME), "state IN ('running', 'stopped', 'finished', 'failed')")
        batch.add_column(sa.Column("evaluator_source", sa.Text(), nullable=False, server_default=""))
    op.create_index(
        "ix_evaluations_counted",
        "evaluations",
        ["search_id", "failure", "arrival", "replicate", "worker", "seconds", "started_at", "finished_at"],
        sqlite_where=sa.text("arrival >= 0"),
        postgresql_where=sa.text("arrival >= 0"),
    )
    cover_the_source()


def cover_the_source() -> None:
    """Let the checksum of a search cover its new column; one that was wrong stays wrong."""
    columns = [sa.column(name) for name in (*BEFORE, "id", "checksum")]
    table = sa.table("searches", *columns)
    connection = op.get_bind()
    for row in connection.execute(sa.select(*columns)).mappings().all():
        values = [row[name] for name in BEFORE]
        if row["checksum"] == checksum(values):
            put = sa.update(table).where(table.c.id == row["id"]).values(checksum=checksum([*values, ""]))
            connection.execute(put)


def checksum(values: list) -> str:
    """As gasearch.storage.checksums makes it."""
    return hashlib.blake2b("\x00".join(map(str, values)).encode(), digest_size=16).hexdigest()


def downgrade() -> None:
    raise NotImplementedError("a database is not taken back to an older schema: restore the backup")
