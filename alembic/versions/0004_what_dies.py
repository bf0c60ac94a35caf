"""Evaluations whose own process died."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

BEFORE = "'infeasible', 'diverged', 'out_of_memory', 'timed_out', 'worker_lost', 'user_error', 'crashed', 'stopped'"
NAME = "ck_evaluations_failure"


def upgrade() -> None:
    with op.batch_alter_table("evaluations") as batch:  # SQLite can't change a check: the rows go into a new table
        batch.drop_constraint(op.f(NAME), type_="check")
        batch.create_check_constraint(op.f(NAME), f"failure IN ({BEFORE}, 'died')")


def downgrade() -> None:
    raise NotImplementedError("a database is not taken back to an older schema: restore the backup")
