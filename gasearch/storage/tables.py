"""The tables, as SQLAlchemy sees them. What is not in here is not in the database.

Times are seconds since 1970 in UTC, as doubles, exact to the microsecond and the same on SQLite and PostgreSQL. Lists
and mappings are JSON text. A change here needs a revision in `alembic/versions` and its name in `REVISIONS`; a test
compares the two.
"""

from __future__ import annotations

from typing import Any

from gasearch_workers.messages import STANDARD_METRICS, WHOLE_METRICS, FailureKind
from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from gasearch.storage.access import Role
from gasearch.storage.queue import SubmissionState
from gasearch.storage.records import SearchStatus, Verdict

VERSION_TABLE = (
    "gasearch_alembic_version"  #: Not Alembic's default: Optuna keeps that one, perhaps in the same database.
)
#: Every schema there has been, oldest first; known here so that readers need no Alembic.
REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009", "0010")

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

_ROW_ID = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows by itself only in an INTEGER key
_KEY = String(64).with_variant(String(64, collation="C"), "postgresql")  # bytewise, so that a range finds a prefix


class _Bytes(LargeBinary):
    """Bytes as the driver gives them: a text that stands there by an edit is read, and found by its checksum."""

    cache_ok = True

    def result_processor(self, dialect: Any, coltype: Any) -> None:
        """Nothing: both drivers give bytes."""


def _checksum(name: str = "checksum") -> Column[str]:
    """The column of a row's checksum, see checksums.py; revision 0004 filled in those of the rows of before."""
    return Column(name, String(32))


class database_clock(FunctionElement[float]):
    """The database's own clock, in seconds since 1970 (UTC)."""

    type = Double()
    inherit_cache = True


@compiles(database_clock, "sqlite")
def _sqlite_clock(element: database_clock, compiler: Any, **options: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"  # unixepoch('subsec') needs SQLite 3.42; this is exact to 1 ms


@compiles(database_clock, "postgresql")
def _postgresql_clock(element: database_clock, compiler: Any, **options: Any) -> str:
    return "CAST(EXTRACT(EPOCH FROM clock_timestamp()) AS DOUBLE PRECISION)"


def _one_of(column: str, *values: str) -> CheckConstraint:
    """A check that a text column holds one of some words (a named enum would belong to the whole database)."""
    return CheckConstraint(f"{column} IN ({', '.join(repr(str(value)) for value in values)})", name=column)


def _partial_index(name: str, where: str, *columns: Column[Any], unique: bool = False) -> Index:
    """An index over the rows that fulfil a condition.

    The revision says the condition to each database. `Index` would take it as an argument of each dialect, and load
    PostgreSQL's with all its drivers for that: 0.1 s for every command.
    """
    return Index(name, *columns, unique=unique, info={"where": where})


def _of_search(**options: Any) -> Column[int]:
    """The column that says which search a row belongs to."""
    return Column("search_id", _ROW_ID, ForeignKey("searches.id"), nullable=False, **options)


searches = Table(
    "searches",
    metadata,
    Column("id", _ROW_ID, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("spec_json", Text, nullable=False),
    Column("spec_hash", Text, nullable=False),
    Column("objectives", Text, nullable=False),  # JSON: [[metric, is_maximized], ...]
    Column("space_fingerprint", Text, nullable=False),
    Column("space_size", Double, nullable=False),
    Column("data_json", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("is_stop_requested", Boolean, nullable=False),
    Column("created_at", Double, nullable=False, default=database_clock()),
    Column("updated_at", Double, nullable=False, default=database_clock()),
    Column("active_seconds", Double, nullable=False),
    Column("reference_point", Text),  # JSON list of numbers
    Column("reference_ideal", Text),  # JSON list of numbers
    Column("owner", Text),
    Column("epoch", BigInteger, nullable=False),
    Column("lease_until", Double, nullable=False),
    Column("context", Text, nullable=False, server_default=""),
    Column("worker_seconds", Double, nullable=False, server_default=text("0")),
    _checksum(),
    _checksum("standing_checksum"),
    _checksum("lease_checksum"),
    Column("evaluator_source", Text, nullable=False, server_default=""),
    _one_of("state", *SearchStatus),
    Index(None, "context"),
)

candidates = Table(
    "candidates",
    metadata,
    _of_search(primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("key", _KEY, nullable=False),
    Column("genes", Text, nullable=False),  # JSON list of option indices
    Column("parents", Text, nullable=False),  # JSON list of candidate numbers
    Column("operator", Text, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("told", Integer, nullable=False),
    Column("network_json", Text, nullable=False),
    Column("born_at", Double, nullable=False, default=database_clock()),
    Column("predicted", Text),  # JSON: [[metric, mean, deviation], ...]; NULL where nothing was expected
    _checksum(),
    UniqueConstraint("search_id", "key"),
)


evaluations = Table(
    "evaluations",
    metadata,
    Column("search_id", _ROW_ID, primary_key=True),
    Column("candidate", Integer, primary_key=True, autoincrement=False),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("arrival", Integer, nullable=False),  # -1: retried
    Column("key", _KEY, nullable=False),
    Column("failure", String(32)),  # kind; NULL for a measurement
    Column("failure_message", Text),
    *(
        Column(name, BigInteger if name in WHOLE_METRICS else Double)
        for name in (*STANDARD_METRICS, "flops")
        if name != "images_seen"  # below: what was added stands last, as in a database that was upgraded
    ),
    Column("others", Text, nullable=False),  # JSON: [[name, value], ...]
    # JSON: [{"epoch": .., "train_loss": .., "accuracy": .., "metrics": [[name, value], ...] where there are any}, ...]
    Column("curve", Text, nullable=False),
    Column("latency_device", Text),
    Column("worker", Text, nullable=False),
    Column("device", Text, nullable=False),
    Column("versions", Text, nullable=False),
    Column("started_at", Double, nullable=False),  # by the worker's clock
    Column("finished_at", Double, nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("epochs", Integer, nullable=False),
    Column("data_share", Double, nullable=False),
    Column("checksum", String(32), nullable=False),  # of all columns that never change, see checksums.py
    Column("images_seen", BigInteger),
    Column("energy_source", Text),  # "rapl", "estimate" or "command"
    Column("replicate", Integer),  # NULL for a first training
    Column("gain", Double),
    Column(
        "replaced", Integer
    ),  # the arrival that ended its answers (a failed replicate's: its own); NULL while it is the newest
    Column("seconds", Double),  # by a monotonic clock; NULL in rows of before, which have the two times alone
    Column("traceback", Text),  # of a failure, where there is one
    Column("output", Text),  # the end of what a failed attempt printed and logged
    Column("hypervolume", Double),  # after this outcome; NULL where no volume was taken then
    ForeignKeyConstraint(["search_id", "candidate"], ["candidates.search_id", "candidates.number"]),
    _one_of("failure", *FailureKind),
    # One for what is asked most, not one per metric: each index is a page more in every commit.
    Index("ix_evaluations_metrics", "search_id", "accuracy", "model_bytes", "latency_ms"),
)
#: Literal, not bound: SQLite uses a partial index only for a condition that it can read in the statement.
IS_FINAL = text("evaluations.arrival >= 0")
#: The one final row of each candidate that answers about it; a further training's outcome replaces the one before.
IS_NEWEST = text("evaluations.arrival >= 0 AND evaluations.replaced IS NULL")
HAS_FAILED = text("evaluations.failure IS NOT NULL")
_partial_index(
    "uq_evaluations_search_id_arrival",  # no two outcomes arrive at the same place
    "arrival >= 0",
    evaluations.c.search_id,
    evaluations.c.arrival,
    unique=True,
)
_partial_index(
    "ix_evaluations_failed",
    "failure IS NOT NULL",
    evaluations.c.search_id,
    evaluations.c.failure,
    evaluations.c.arrival,
)
_partial_index(
    "ix_evaluations_counted",  # all that is counted and summed, without the wide rows
    "arrival >= 0",
    *(evaluations.c[name] for name in ("search_id", "failure", "arrival", "replicate", "worker")),
    *(evaluations.c[name] for name in ("seconds", "started_at", "finished_at")),
)

replicates = Table(
    "replicates",
    metadata,
    Column("id", _ROW_ID, primary_key=True),  # their order
    Column("search_id", _ROW_ID, nullable=False),
    Column("candidate", Integer, nullable=False),
    Column("replicate", Integer, nullable=False),
    Column("told", Integer, nullable=False),
    _checksum(),
    ForeignKeyConstraint(["search_id", "candidate"], ["candidates.search_id", "candidates.number"]),
    UniqueConstraint("search_id", "candidate", "replicate"),
)

generations = Table(
    "generations",
    metadata,
    _of_search(primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("evaluations", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("front_size", Integer, nullable=False),
    Column("hypervolume", Double, nullable=False),
    Column("best", Text, nullable=False),  # JSON list of numbers
    Column("finished_at", Double, nullable=False),
    _checksum(),
)

front = Table(
    "front",
    metadata,
    Column("search_id", _ROW_ID, primary_key=True),
    Column("candidate", Integer, primary_key=True, autoincrement=False),
    Column("entered", Integer, primary_key=True, autoincrement=False),  # the arrival that brought it in
    Column("exited", Integer),  # the arrival that dominated it; NULL while it is on the front
    _checksum(),
    ForeignKeyConstraint(["search_id", "candidate"], ["candidates.search_id", "candidates.number"]),
)
IS_CURRENT = text("front.exited IS NULL")
_partial_index("uq_front_current", "exited IS NULL", front.c.search_id, front.c.candidate, unique=True)

events = Table(
    "events",
    metadata,
    Column("id", _ROW_ID, primary_key=True),
    _of_search(),
    Column("token", String(32), nullable=False, unique=True),  # makes a write repeatable after a lost connection
    Column("epoch", BigInteger, nullable=False),  # of the owner who wrote it
    Column("kind", String(64), nullable=False),
    Column("message", Text, nullable=False),
    Column("candidate", Integer),
    Column("at", Double, nullable=False, default=database_clock()),
    _checksum(),
    Index(None, "search_id"),
)

calibrations = Table(
    "calibrations",
    metadata,
    _of_search(primary_key=True),
    Column("device", Text, primary_key=True),
    Column("reference_latency_ms", Double, nullable=False),
    Column("created_at", Double, nullable=False, default=database_clock()),
    _checksum(),
)

#: Not `trials`: Optuna's own storage has a table of that name, and may live in the same database.
tuning_trials = Table(
    "tuning_trials",
    metadata,
    Column("id", _ROW_ID, primary_key=True),
    _of_search(),
    Column("key", _KEY, nullable=False),
    Column("study", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("recipe_json", Text, nullable=False),
    Column("value", Double),
    Column("message", Text, nullable=False),
    Column("created_at", Double, nullable=False, default=database_clock()),
    _checksum(),
    UniqueConstraint("search_id", "key", "study", "number"),
)

#: Trainings of chosen networks from scratch at full budget, each with a fresh seed.
finals = Table(
    "finals",
    metadata,
    Column("id", _ROW_ID, primary_key=True),
    _of_search(),
    Column("key", _KEY, nullable=False),
    Column("recipe_digest", String(32), nullable=False),  # BLAKE2b of the recipe, of which an index holds the whole
    Column("number", Integer, nullable=False),  # of the seed, from 0
    Column("seed", BigInteger, nullable=False),
    Column("epochs", Integer, nullable=False),
    Column("recipe_json", Text, nullable=False),
    Column("failure", String(32)),  # kind; NULL where it succeeded
    Column("message", Text, nullable=False),  # of the failure
    Column("metrics", Text, nullable=False),  # JSON: [[name, value], ...]; scores on the validation split
    Column("test", Text, nullable=False),  # the same on the test split
    Column("packed", _Bytes),  # the network as a packed file (model.gap); NULL where it failed
    Column("size_bytes", BigInteger, nullable=False),  # of that
    Column("worker", Text, nullable=False),
    Column("device", Text, nullable=False),
    Column("versions", Text, nullable=False),
    Column("seconds", Double, nullable=False),
    Column("created_at", Double, nullable=False, default=database_clock()),
    _checksum(),
    _checksum("packed_checksum"),  # apart, so that a table of finals needs no networks
    _one_of("failure", *FailureKind),
    UniqueConstraint("search_id", "key", "recipe_digest", "number"),
)

#: What was exported, as it was written.
exports = Table(
    "exports",
    metadata,
    Column("id", _ROW_ID, primary_key=True),
    _of_search(),
    Column("key", _KEY, nullable=False),
    Column("digest", String(64), nullable=False),  # of the artifact's model.json
    Column("files", Text, nullable=False),  # JSON: [[name, SHA-256], ...]
    Column("claimed", Text, nullable=False),  # JSON: [[name, value], ...]; what the artifact claims
    Column("created_at", Double, nullable=False, default=database_clock()),
    _checksum(),
    UniqueConstraint("search_id", "key", "digest"),
)

#: What came of running the files that were exported.
verifications = Table(
    "verifications",
    metadata,
    Column("id", _ROW_ID, primary_key=True),
    _of_search(),
    Column("key", _KEY, nullable=False),
    Column("digest", String(64), nullable=False),  # of the artifact's model.json
    Column("format", Text, nullable=False),
    Column("runtime", Text, nullable=False),
    Column("claimed", Text, nullable=False),  # JSON: [[name, value], ...]
    Column("measured", Text, nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("message", Text, nullable=False),
    Column("device", Text, nullable=False),
    Column("created_at", Double, nullable=False, default=database_clock()),
    _checksum(),
    _one_of("verdict", *Verdict),
    Index(None, "search_id", "key"),
)

#: Who may ask the service; no row of it belongs to a search.
tokens = Table(
    "tokens",
    metadata,
    Column("id", _ROW_ID, primary_key=True),
    Column("name", String(64), nullable=False),
    Column("digest", String(64), nullable=False, unique=True),  # SHA-256 of the secret, which is kept nowhere
    Column("role", String(16), nullable=False),
    Column("searches", Integer),  # at once; NULL: any number
    Column("device_hours", Double),  # NULL: any number
    Column("created_at", Double, nullable=False, default=database_clock()),
    Column("expires_at", Double),  # NULL: never
    Column("revoked_at", Double),
    Column("used_at", Double),
    _checksum(),
    _one_of("role", *Role),
)
_partial_index("ix_tokens_kept", "revoked_at IS NULL", tokens.c.name, unique=True)

#: What was done, and by whom; no row of it belongs to a search.
audit = Table(
    "audit",
    metadata,
    Column("id", _ROW_ID, primary_key=True),
    Column("at", Double, nullable=False, default=database_clock()),
    Column("who", String(64), nullable=False),
    Column("action", String(64), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("outcome", String(200), nullable=False),
    Column("address", String(64), nullable=False),
    _checksum(),
)

#: Searches that wait for a controller, run, or ran; no row of it belongs to a search, which may be none yet.
submissions = Table(
    "submissions",
    metadata,
    Column("id", _ROW_ID, primary_key=True),  # their order
    Column("name", Text, nullable=False),  # of the search
    Column("spec_json", Text),  # NULL: go on with the stored search
    Column("spec_hash", Text, nullable=False),
    Column("evaluations", BigInteger),  # its new budget; NULL: as it is
    Column("hours", Double),
    Column("priority", Integer, nullable=False),
    Column("submitter", String(64), nullable=False),
    Column("searches", Integer),  # at once; NULL: any number
    Column("device_hours", Double),  # NULL: any number
    Column("submitted_at", Double, nullable=False),
    Column("seconds_before", Double, nullable=False),
    Column("state", String(16), nullable=False),
    Column("is_stop_requested", Boolean, nullable=False),
    Column("controller", Text),
    Column("epoch", BigInteger, nullable=False),
    Column("lease_until", Double, nullable=False),
    Column("exit_status", Integer),
    Column("message", Text, nullable=False),
    Column("ended_at", Double),
    Column("worker_seconds", Double),
    _checksum(),
    _one_of("state", *SubmissionState),
    Index(None, "name"),
    Index(None, "submitter"),
    Index(None, "ended_at"),
)
#: Literal, as above: those that have not ended.
IS_OPEN = text("submissions.ended_at IS NULL")
_partial_index("uq_submissions_open", "ended_at IS NULL", submissions.c.name, unique=True)


def search_column(table: Table) -> Column[Any] | None:
    """The column that says which search a row is of; None for a table whose rows are of none."""
    return table.c.id if table is searches else table.c.get("search_id")
