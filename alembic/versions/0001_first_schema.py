"""The first schema."""

import sqlalchemy as sa

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
KEY = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "searches",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("spec_json", sa.Text(), nullable=False),
        sa.Column("spec_hash", sa.Text(), nullable=False),
        sa.Column("objectives", sa.Text(), nullable=False),
        sa.Column("space_fingerprint", sa.Text(), nullable=False),
        sa.Column("space_size", sa.Double(), nullable=False),
        sa.Column("data_json", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("is_stop_requested", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.Column("active_seconds", sa.Double(), nullable=False),
        sa.Column("reference_point", sa.Text()),
        sa.Column("reference_ideal", sa.Text()),
        sa.Column("owner", sa.Text()),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("lease_until", sa.Double(), nullable=False),
        sa.CheckConstraint("state IN ('running', 'stopped', 'finished')", name=op.f("ck_searches_state")),
        sa.PrimaryKeyConstraint("id", name="pk_searches"),
        sa.UniqueConstraint("name", name="uq_searches_name"),
    )
    op.create_table(
        "artifacts",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("search_id", ROW_ID, nullable=False),
        sa.Column("key", KEY, nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["search_id"], ["searches.id"], name="fk_artifacts_searches"),
        sa.PrimaryKeyConstraint("id", name="pk_artifacts"),
        sa.UniqueConstraint("search_id", "key", "kind", "digest", name="uq_artifacts_search_id_key_kind_digest"),
    )
    op.create_table(
        "calibrations",
        sa.Column("search_id", ROW_ID, nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("reference_latency_ms", sa.Double(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["search_id"], ["searches.id"], name="fk_calibrations_searches"),
        sa.PrimaryKeyConstraint("search_id", "device", name="pk_calibrations"),
    )
    op.create_table(
        "candidates",
        sa.Column("search_id", ROW_ID, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", KEY, nullable=False),
        sa.Column("genes", sa.Text(), nullable=False),
        sa.Column("parents", sa.Text(), nullable=False),
        sa.Column("operator", sa.Text(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("told", sa.Integer(), nullable=False),
        sa.Column("network_json", sa.Text(), nullable=False),
        sa.Column("born_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["search_id"], ["searches.id"], name="fk_candidates_searches"),
        sa.PrimaryKeyConstraint("search_id", "number", name="pk_candidates"),
        sa.UniqueConstraint("search_id", "key", name="uq_candidates_search_id_key"),
    )
    op.create_table(
        "events",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("search_id", ROW_ID, nullable=False),
        sa.Column("token", sa.String(length=32), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("candidate", sa.Integer()),
        sa.Column("at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["search_id"], ["searches.id"], name="fk_events_searches"),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
        sa.UniqueConstraint("token", name="uq_events_token"),
    )
    op.create_index("ix_events_search_id", "events", ["search_id"])
    op.create_table(
        "generations",
        sa.Column("search_id", ROW_ID, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("evaluations", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("front_size", sa.Integer(), nullable=False),
        sa.Column("hypervolume", sa.Double(), nullable=False),
        sa.Column("best", sa.Text(), nullable=False),
        sa.Column("finished_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["search_id"], ["searches.id"], name="fk_generations_searches"),
        sa.PrimaryKeyConstraint("search_id", "number", name="pk_generations"),
    )
    op.create_table(
        "tuning_trials",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("search_id", ROW_ID, nullable=False),
        sa.Column("key", KEY, nullable=False),
        sa.Column("study", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("recipe_json", sa.Text(), nullable=False),
        sa.Column("value", sa.Double()),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["search_id"], ["searches.id"], name="fk_tuning_trials_searches"),
        sa.PrimaryKeyConstraint("id", name="pk_tuning_trials"),
        sa.UniqueConstraint("search_id", "key", "study", "number", name="uq_tuning_trials_search_id_key_study_number"),
    )
    op.create_table(
        "evaluations",
        sa.Column("search_id", ROW_ID, nullable=False),
        sa.Column("candidate", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("attempt", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("arrival", sa.Integer(), nullable=False),
        sa.Column("key", KEY, nullable=False),
        sa.Column("failure", sa.String(length=32)),
        sa.Column("failure_message", sa.Text()),
        sa.Column("accuracy", sa.Double()),
        sa.Column("macro_f1", sa.Double()),
        sa.Column("entity_f1", sa.Double()),
        sa.Column("auc", sa.Double()),
        sa.Column("rmse", sa.Double()),
        sa.Column("params", sa.BigInteger()),
        sa.Column("macs", sa.BigInteger()),
        sa.Column("bops", sa.BigInteger()),
        sa.Column("model_bytes", sa.BigInteger()),
        sa.Column("peak_memory_bytes", sa.BigInteger()),
        sa.Column("latency_ms", sa.Double()),
        sa.Column("latency_spread_ms", sa.Double()),
        sa.Column("train_seconds", sa.Double()),
        sa.Column("energy_j", sa.Double()),
        sa.Column("generalization_gap", sa.Double()),
        sa.Column("flops", sa.Double()),
        sa.Column("others", sa.Text(), nullable=False),
        sa.Column("curve", sa.Text(), nullable=False),
        sa.Column("latency_device", sa.Text()),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("versions", sa.Text(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("finished_at", sa.Double(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("epochs", sa.Integer(), nullable=False),
        sa.Column("data_share", sa.Double(), nullable=False),
        sa.Column("checksum", sa.String(length=32), nullable=False),
        sa.CheckConstraint(
            "failure IN ('infeasible', 'diverged', 'out_of_memory', 'timed_out', 'worker_lost', 'user_error', "
            "'crashed')",
            name=op.f("ck_evaluations_failure"),
        ),
        sa.ForeignKeyConstraint(
            ["search_id", "candidate"], ["candidates.search_id", "candidates.number"], name="fk_evaluations_candidates"
        ),
        sa.PrimaryKeyConstraint("search_id", "candidate", "attempt", name="pk_evaluations"),
    )
    op.create_index(
        "ix_evaluations_failed",
        "evaluations",
        ["search_id", "failure", "arrival"],
        sqlite_where=sa.text("failure IS NOT NULL"),
        postgresql_where=sa.text("failure IS NOT NULL"),
    )
    op.create_index("ix_evaluations_metrics", "evaluations", ["search_id", "accuracy", "model_bytes", "latency_ms"])
    op.create_index(
        "uq_evaluations_search_id_arrival",
        "evaluations",
        ["search_id", "arrival"],
        unique=True,
        sqlite_where=sa.text("arrival >= 0"),
        postgresql_where=sa.text("arrival >= 0"),
    )
    op.create_table(
        "front",
        sa.Column("search_id", ROW_ID, nullable=False),
        sa.Column("candidate", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("entered", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("exited", sa.Integer()),
        sa.ForeignKeyConstraint(
            ["search_id", "candidate"], ["candidates.search_id", "candidates.number"], name="fk_front_candidates"
        ),
        sa.PrimaryKeyConstraint("search_id", "candidate", "entered", name="pk_front"),
    )
    op.create_index(
        "uq_front_current",
        "front",
        ["search_id", "candidate"],
        unique=True,
        sqlite_where=sa.text("exited IS NULL"),
        postgresql_where=sa.text("exited IS NULL"),
    )


def downgrade() -> None:
    raise NotImplementedError("a database is not taken back to an older schema: restore the backup")
