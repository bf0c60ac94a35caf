"""Checksums of outcomes that are made as those of all other rows."""

import hashlib
import json

import sqlalchemy as sa

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

#: The columns that the checksum of before covered in any case, in order.
FIRST = [
    *("search_id", "candidate", "attempt", "arrival", "key", "failure", "failure_message", "accuracy", "macro_f1"),
    *("entity_f1", "auc", "rmse", "params", "macs", "bops", "model_bytes", "peak_memory_bytes", "latency_ms"),
    *("latency_spread_ms", "train_seconds", "energy_j", "generalization_gap", "flops", "others", "curve"),
    *("latency_device", "worker", "device", "versions", "started_at", "finished_at", "seed", "epochs", "data_share"),
]
#: Those that it covered where they hold something.
ADDED = ["images_seen", "energy_source", "replicate", "gain", "seconds", "traceback", "output", "hypervolume"]
KEY = ["search_id", "candidate", "attempt"]
PART = 5000


def upgrade() -> None:
    """A checksum that was wrong stays wrong."""
    columns = [sa.column(name) for name in (*FIRST, *ADDED, "checksum")]
    table = sa.table("evaluations", *columns)
    key = [table.c[name] for name in KEY]
    put = sa.update(table).where(*(table.c[name] == sa.bindparam(f"of_{name}") for name in KEY))
    put = put.values(checksum=sa.bindparam("fresh"))
    connection, last = op.get_bind(), (-1, -1, -1)
    while True:  # a part after the other: outcomes may be a million
        part = (
            sa.select(*columns).select_from(table).where(sa.tuple_(*key) > sa.tuple_(*last)).order_by(*key).limit(PART)
        )
        rows = connection.execute(part).mappings().all()
        if not rows:
            return
        last = tuple(rows[-1][name] for name in KEY)
        found = [
            {f"of_{name}": row[name] for name in KEY} | {"fresh": digest("\x00".join(map(str, values)))}
            for row in rows
            if checksum_of_before(row) == row["checksum"]
            for values in [[row[name] for name in (*FIRST, *ADDED)]]
        ]
        if found:
            connection.execute(put, found)


def checksum_of_before(row) -> str | None:
    """None where the row holds what was never written."""
    values = [row[name] for name in FIRST]
    values += [[name, row[name]] for name in ADDED if row[name] is not None]
    try:
        return digest(json.dumps(values, separators=(",", ":"), allow_nan=False))
    except (TypeError, ValueError):
        return None


def digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def downgrade() -> None:
    raise NotImplementedError("a database is not taken back to an older schema: restore the backup")
