"""Databases as earlier versions left them: the schema of the time, with rows that the version of the time wrote."""

import json
from pathlib import Path

from alembic.config import Config
from sqlalchemy import Boolean, Column, MetaData, Table, insert

from alembic import command
from gasearch.storage import schema
from gasearch.storage.engines import parse_url, writing_engine

ROWS = Path(__file__).parents[1] / "gasearch" / "storage"


def make_old_store(url, revision):
    """Fill an empty database with the schema of a revision and the rows of `rows_REVISION.json`."""
    engine = writing_engine(parse_url(url))
    with engine.begin() as connection:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(schema.migrations()))
        command.upgrade(config, revision)
        for name, rows in json.loads((ROWS / f"rows_{revision}.json").read_text()).items():
            types = {"is_stop_requested": Boolean()}
            table = Table(name, MetaData(), *(Column(column, types.get(column)) for column in rows[0]))
            connection.execute(insert(table), rows)
    engine.dispose()
