"""Evaluations whose own process died, and a checksum on every row, also on those that are there."""

import hashlib

import sqlalchemy as sa

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

BEFORE = "'infeasible', 'diverged', 'out_of_memory', 'timed_out', 'worker_lost', 'user_error', 'crashed', 'stopped'"
NAME = "ck_evaluations_failure"

FIXED = "name spec_json spec_hash objectives space_fingerprint space_size data_json version created_at context"
STANDING = "name state reason updated_at active_seconds worker_seconds reference_point reference_ideal"
LEASE = "name is_stop_requested owner epoch lease_until"
CANDIDATE = "search_id number key genes parents operator generation told network_json born_at predicted"
GENERATION = "search_id number evaluations failures front_size hypervolume best finished_at"
TRIAL = "search_id key study number recipe_json value message created_at"
#: Table, its primary key, the column of the checksum, and what that covers.
SUMS = (
    ("searches", "id", "checksum", FIXED),
    ("searches", "id", "standing_checksum", STANDING),
    ("searches", "id", "lease_checksum", LEASE),
    ("candidates", "search_id number", "checksum", CANDIDATE),
    ("replicates", "id", "checksum", "search_id candidate replicate told"),
    ("generations", "search_id number", "checksum", GENERATION),
    ("front", "search_id candidate entered", "checksum", "search_id candidate entered"),
    ("artifacts", "id", "checksum", "search_id key kind location digest size_bytes created_at"),
    ("events", "id", "checksum", "search_id token epoch kind message candidate at"),
    ("calibrations", "search_id device", "checksum", "search_id device reference_latency_ms created_at"),
    ("tuning_trials", "id", "checksum", TRIAL),
)
CHUNK = 1000  #: Rows in memory at a time.


def upgrade() -> None:
    with op.batch_alter_table("evaluations") as batch:  # SQLite can't change a check: the rows go into a new table
        batch.drop_constraint(op.f(NAME), type_="check")
        batch.create_check_constraint(op.f(NAME), f"failure IN ({BEFORE}, 'died')")
    for table, _, column, _ in SUMS:
        op.add_column(table, sa.Column(column, sa.String(length=32)))
    for table, key, column, covered in SUMS:
        fill(table, key.split(), column, covered.split())


def fill(name: str, key: list[str], column: str, covered: list[str]) -> None:
    """Give every row of a table its checksum."""
    kinds = {"is_stop_requested": sa.Boolean()}
    table = sa.table(name, *(sa.column(one, kinds.get(one)) for one in dict.fromkeys((*key, *covered, column))))
    keys = sa.tuple_(*(table.c[one] for one in key))
    rows = sa.select(*(table.c[one] for one in dict.fromkeys((*key, *covered)))).order_by(
        *(table.c[one] for one in key)
    )
    put = sa.update(table).where(*(table.c[one] == sa.bindparam(f"at_{one}") for one in key))
    put = put.values({column: sa.bindparam("sum")})
    connection = op.get_bind()
    chunk = connection.execute(rows.limit(CHUNK)).mappings().all()
    while chunk:
        sums = [checksum([row[one] for one in covered]) for row in chunk]
        found = [{f"at_{one}": row[one] for one in key} | {"sum": one} for row, one in zip(chunk, sums, strict=True)]
        connection.execute(put, found)
        last = [chunk[-1][one] for one in key]
        chunk = connection.execute(rows.where(keys > sa.tuple_(*last)).limit(CHUNK)).mappings().all()


def checksum(values: list) -> str:
    """As gasearch.storage.checksums makes it."""
    return hashlib.blake2b("\x00".join(map(str, values)).encode(), digest_size=16).hexdigest()


def downgrade() -> None:
    raise NotImplementedError("a database is not taken back to an older schema: restore the backup")
