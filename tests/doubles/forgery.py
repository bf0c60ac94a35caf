"""Rows edited past the store: by hand, or by somebody who knows how a checksum is made."""

import sqlite3
from contextlib import closing

from sqlalchemy import make_url, select, update

from gasearch.storage import checksums
from gasearch.storage.engines import parse_url, writing_engine
from gasearch.storage.tables import metadata


def edit(url, *statements):
    """Run statements in a SQLite file with no constraint in force."""
    with closing(sqlite3.connect(make_url(url).database, isolation_level=None)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        for statement in statements:
            connection.execute(statement)


def forge(url, name, where, **changes):
    """Change one row, its checksums with it: what only the sense of the whole gives away."""
    table = metadata.tables[name]
    of_row = [table.c[column] == value for column, value in where.items()]
    engine = writing_engine(parse_url(url))
    with engine.begin() as connection:
        row = {**connection.execute(select(table).where(*of_row)).mappings().one(), **changes}
        row = checksums.stamped(row, *(one for one in checksums.ALL if one.table is table))
        connection.execute(update(table).where(*of_row).values(row))
    engine.dispose()
