"""Runs the revisions on the connection, and in the transaction, that gasearch.storage.schema hands over."""

from alembic import context
from gasearch.storage.tables import VERSION_TABLE, metadata

connection = context.config.attributes.get("connection")
if connection is None:
    raise RuntimeError("revisions run through `gasearch db upgrade`, which brings the connection and the lock")

context.configure(
    connection=connection,
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    render_as_batch=connection.dialect.name == "sqlite",
)
with context.begin_transaction():
    context.run_migrations()
