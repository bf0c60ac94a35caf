"""Further trainings of a candidate, stopped trainings, what was expected and gained, and what may be reused."""

import sqlalchemy as sa

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
BEFORE = "'infeasible', 'diverged', 'out_of_memory', 'timed_out', 'worker_lost', 'user_error', 'crashed'"
NAME = "ck_evaluations_failure"


def upgrade() -> None:
    op.add_column("searches", sa.Column("context", sa.Text(), nullable=False, server_default=""))
    op.add_column("searches", sa.Column("worker_seconds", sa.Double(), nullable=False, server_default=sa.text("0")))
    op.create_index("ix_searches_context", "searches", ["context"])
    op.add_column("candidates", sa.Column("predicted", sa.Text()))
    # SQLite can't change a check: batch mode copies the rows into a new table, with the columns that come in any case.
    with op.batch_alter_table("evaluations") as batch:
        batch.drop_constraint(op.f(NAME), type_="check")
        batch.create_check_constraint(op.f(NAME), f"failure IN ({BEFORE}, 'stopped')")
        batch.add_column(sa.Column("replicate", sa.Integer()))
        batch.add_column(sa.Column("gain", sa.Double()))
        batch.add_column(sa.Column("replaced", sa.Integer()))
    op.create_table(
        "replicates",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("search_id", ROW_ID, nullable=False),
        sa.Column("candidate", sa.Integer(), nullable=False),
        sa.Column("replicate", sa.Integer(), nullable=False),
        sa.Column("told", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["search_id", "candidate"], ["candidates.search_id", "candidates.number"], name="fk_replicates_candidates"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_replicates"),
        sa.UniqueConstraint("search_id", "candidate", "replicate", name="uq_replicates_search_id_candidate_replicate"),
    )


def downgrade() -> None:
    raise NotImplementedError("a database is not taken back to an older schema: restore the backup")
