"""Submitted searches, which wait for a controller."""

import sqlalchemy as sa

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
IS_OPEN = "ended_at IS NULL"


def upgrade() -> None:
    op.create_table(
        "submissions",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("spec_json", sa.Text()),
        sa.Column("spec_hash", sa.Text(), nullable=False),
        sa.Column("evaluations", sa.BigInteger()),
        sa.Column("hours", sa.Double()),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("submitter", sa.String(length=64), nullable=False),
        sa.Column("searches", sa.Integer()),
        sa.Column("device_hours", sa.Double()),
        sa.Column("submitted_at", sa.Double(), nullable=False),
        sa.Column("seconds_before", sa.Double(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("is_stop_requested", sa.Boolean(), nullable=False),
        sa.Column("controller", sa.Text()),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("lease_until", sa.Double(), nullable=False),
        sa.Column("exit_status", sa.Integer()),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.Double()),
        sa.Column("worker_seconds", sa.Double()),
        sa.Column("checksum", sa.String(length=32)),
        sa.CheckConstraint("state IN ('queued', 'claimed', 'ended')", name=op.f("ck_submissions_state")),
        sa.PrimaryKeyConstraint("id", name="pk_submissions"),
    )
    op.create_index("ix_submissions_name", "submissions", ["name"])
    op.create_index("ix_submissions_submitter", "submissions", ["submitter"])
    op.create_index("ix_submissions_ended_at", "submissions", ["ended_at"])
    op.create_index(
        "uq_submissions_open",
        "submissions",
        ["name"],
        unique=True,
        sqlite_where=sa.text(IS_OPEN),
        postgresql_where=sa.text(IS_OPEN),
    )


def downgrade() -> None:
    raise NotImplementedError("a database is not taken back to an older schema: restore the backup")
