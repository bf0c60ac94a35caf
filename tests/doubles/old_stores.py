"""Databases as earlier versions left them: the schema of the time, with rows that the version of the time wrote."""

import json
from pathlib import Path

from alembic.config import Config
from sqlalchemy import Boolean, Column, MetaData, Table, insert, select

from alembic import command
from gasearch.storage import schema
from gasearch.storage.engines import parse_url, writing_engine

ROWS = Path(__file__).parents[1] / "gasearch" / "storage"


def rows_of(revision):
    """The rows of `rows_REVISION.json` by table; networks, which JSON can't hold, are in hexadecimal digits there."""
    tables = json.loads((ROWS / f"rows_{revision}.json").read_text())
    for row in tables.get("finals", ()):
        row["packed"] = row["packed"] and bytes.fromhex(row["packed"])
    return tables


def make_old_store(url, revision):
    """Fill an empty database with the schema of a revision and the rows of `rows_REVISION.json`."""
    engine = writing_engine(parse_url(url))
    with engine.begin() as connection:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(schema.migrations()))
        command.upgrade(config, revision)
        for name, rows in rows_of(revision).items():
            types = {"is_stop_requested": Boolean()}
            table = Table(name, MetaData(), *(Column(column, types.get(column)) for column in rows[0]))
            connection.execute(insert(table), rows)
            if connection.dialect.name == "postgresql" and "id" in rows[0]:  # as if it had given the numbers itself
                sequence = f"pg_get_serial_sequence('{name}', 'id')"
                connection.exec_driver_sql(f"SELECT setval({sequence}, {max(row['id'] for row in rows)})")
    engine.dispose()


def rows_in(url, revision):
    """The rows of that file as a database of any later schema holds them: what was added since is left out.

    So are checksums, which cover what was added: whether they fit is what `gasearch db check` says.
    """
    before = {
        name: [{column: value for column, value in row.items() if column != "checksum"} for row in rows]
        for name, rows in rows_of(revision).items()
    }
    engine = writing_engine(parse_url(url))
    found = {}
    with engine.connect() as connection:
        for name, rows in before.items():
            types = {"is_stop_requested": Boolean()}
            table = Table(name, MetaData(), *(Column(column, types.get(column)) for column in rows[0]))
            found[name] = sorted(map(dict, connection.execute(select(table)).mappings()), key=repr)
    engine.dispose()
    return {name: sorted(rows, key=repr) for name, rows in before.items()}, found
