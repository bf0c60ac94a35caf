"""What was exported, as it was written: the digest of each file, and what the artifact claims."""

import sqlalchemy as sa

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
KEY = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "exports",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("search_id", ROW_ID, nullable=False),
        sa.Column("key", KEY, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("files", sa.Text(), nullable=False),
        sa.Column("claimed", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("checksum", sa.String(length=32)),
        sa.ForeignKeyConstraint(["search_id"], ["searches.id"], name="fk_exports_searches"),
        sa.PrimaryKeyConstraint("id", name="pk_exports"),
        sa.UniqueConstraint("search_id", "key", "digest", name="uq_exports_search_id_key_digest"),
    )


def downgrade() -> None:
    raise NotImplementedError("a database is not taken back to an older schema: restore the backup")
