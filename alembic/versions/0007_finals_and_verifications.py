"""Final trainings with their networks, and verifications of exported files; artifacts, which nobody wrote, are gone."""

import sqlalchemy as sa

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
KEY = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")
FAILURES = (
    "'infeasible', 'diverged', 'out_of_memory', 'timed_out', 'worker_lost', 'died', 'user_error', 'crashed', 'stopped'"
)


def upgrade() -> None:
    op.drop_table("artifacts")
    op.create_table(
        "finals",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("search_id", ROW_ID, nullable=False),
        sa.Column("key", KEY, nullable=False),
        sa.Column("recipe_digest", sa.String(length=32), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("epochs", sa.Integer(), nullable=False),
        sa.Column("recipe_json", sa.Text(), nullable=False),
        sa.Column("failure", sa.String(length=32)),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("metrics", sa.Text(), nullable=False),
        sa.Column("test", sa.Text(), nullable=False),
        sa.Column("packed", sa.LargeBinary()),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("versions", sa.Text(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("checksum", sa.String(length=32)),
        sa.Column("packed_checksum", sa.String(length=32)),
        sa.CheckConstraint(f"failure IN ({FAILURES})", name=op.f("ck_finals_failure")),
        sa.ForeignKeyConstraint(["search_id"], ["searches.id"], name="fk_finals_searches"),
        sa.PrimaryKeyConstraint("id", name="pk_finals"),
        sa.UniqueConstraint(
            "search_id", "key", "recipe_digest", "number", name="uq_finals_search_id_key_recipe_digest_number"
        ),
    )
    op.create_table(
        "verifications",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("search_id", ROW_ID, nullable=False),
        sa.Column("key", KEY, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("runtime", sa.Text(), nullable=False),
        sa.Column("claimed", sa.Text(), nullable=False),
        sa.Column("measured", sa.Text(), nullable=False),
        sa.Column("verdict", sa.String(length=16), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("checksum", sa.String(length=32)),
        sa.CheckConstraint("verdict IN ('passed', 'failed')", name=op.f("ck_verifications_verdict")),
        sa.ForeignKeyConstraint(["search_id"], ["searches.id"], name="fk_verifications_searches"),
        sa.PrimaryKeyConstraint("id", name="pk_verifications"),
    )
    op.create_index("ix_verifications_search_id_key", "verifications", ["search_id", "key"])


def downgrade() -> None:
    raise NotImplementedError("a database is not taken back to an older schema: restore the backup")
