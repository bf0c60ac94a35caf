"""What a training has been shown, and how an energy is known."""

import sqlalchemy as sa

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Nullable, at the end: both databases add such a column without rewriting the table.
    op.add_column("evaluations", sa.Column("images_seen", sa.BigInteger()))
    op.add_column("evaluations", sa.Column("energy_source", sa.Text()))


def downgrade() -> None:
    raise NotImplementedError("a database is not taken back to an older schema: restore the backup")
