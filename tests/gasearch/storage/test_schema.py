import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from gasearch.errors import StoreError
from gasearch.storage import schema, sql
from gasearch.storage.engines import parse_url, writing_engine
from gasearch.storage.tables import REVISIONS, VERSION_TABLE, metadata

ROOT = Path(__file__).parents[3]


def silent(message):
    """No one listens."""


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request):
    """A database without a table, on each kind of database."""
    return request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "empty_postgresql_url")


@pytest.fixture
def execute(empty_url):
    """Runs a statement in that database, past the store."""
    engine = writing_engine(parse_url(empty_url))

    def run(statement):
        with engine.begin() as connection:
            return connection.execute(text(statement))

    yield run
    engine.dispose()


@pytest.fixture
def next_revision(tmp_path, monkeypatch):
    """A future version of gasearch, with one revision more, whose body the test writes."""

    def write(body):
        folder = tmp_path / "fut%ure"
        shutil.copytree(schema.migrations(), folder)
        head = (
            f'import sqlalchemy as sa\nfrom alembic import op\nrevision = "9000"\ndown_revision = "{REVISIONS[-1]}"\n'
        )
        (folder / "versions" / "9000_more.py").write_text(f"{head}\ndef upgrade():\n    {body}\n")
        monkeypatch.setattr(schema, "migrations", lambda: folder)
        monkeypatch.setattr(schema, "REVISIONS", (*REVISIONS, "9000"))
        monkeypatch.setattr(schema, "HEAD", "9000")

    return write


def test_the_revisions_known_to_readers_are_those_of_alembic():
    config = Config()
    config.set_main_option("script_location", str(schema.migrations()))
    scripts = ScriptDirectory.from_config(config)
    assert [script.revision for script in scripts.walk_revisions()][::-1] == list(REVISIONS)


def test_the_migrated_schema_is_that_of_the_tables(empty_url):
    sql.upgrade(empty_url, silent)
    engine = writing_engine(parse_url(empty_url))
    with engine.connect() as connection:
        ours = {"compare_type": True, "version_table": VERSION_TABLE}
        context = MigrationContext.configure(connection, opts=ours)
        assert compare_metadata(context, metadata) == []
        inspector = inspect(connection)
        for table in metadata.tables.values():  # what compare_metadata leaves out
            assert inspector.get_pk_constraint(table.name)["name"] == table.primary_key.name
            checks = {check["name"]: check["sqltext"] for check in inspector.get_check_constraints(table.name)}
            declared = {str(c.name) for c in table.constraints if type(c).__name__ == "CheckConstraint"}
            assert set(checks) == declared
            indexes = [index for index in inspector.get_indexes(table.name) if "duplicates_constraint" not in index]
            found = {index["name"]: condition_of(index) for index in indexes}
            assert found == {index.name: index.info.get("where") for index in table.indexes}
    engine.dispose()


def condition_of(index):
    """The condition of a partial index, as the database gives it back."""
    options = index.get("dialect_options", {})
    condition = options.get("sqlite_where", options.get("postgresql_where"))
    return None if condition is None else str(condition).strip("()")


def test_a_fresh_database_is_created_after_saying_so_once(empty_url):
    notices = []
    sql.open_archive(empty_url, notice=notices.append).close()
    sql.open_archive(empty_url, notice=notices.append).close()
    assert len(notices) == 1
    assert notices[0].startswith("creating the database ")
    assert sql.current(empty_url) == (REVISIONS[-1], REVISIONS[-1])


def test_an_older_database_is_upgraded_after_saying_so(empty_url, execute, next_revision):
    sql.upgrade(empty_url, silent)
    next_revision('op.add_column("searches", sa.Column("colour", sa.Text()))')
    notices = []
    assert sql.current(empty_url) == (REVISIONS[-1], "9000")
    sql.upgrade(empty_url, notices.append)
    [notice] = notices
    assert notice.startswith("upgrading the database ")
    assert notice.endswith(f" from revision {REVISIONS[-1]} to 9000")
    assert sql.current(empty_url) == ("9000", "9000")
    assert execute("SELECT colour FROM searches").all() == []


def test_a_reader_of_an_older_database_is_told_to_upgrade_it(empty_url, next_revision):
    sql.upgrade(empty_url, silent)
    next_revision("pass")
    with pytest.raises(
        StoreError, match=rf"has the older schema {REVISIONS[-1]} \(this version reads 9000\): run `gasearch db upg"
    ):
        sql.open_reader(empty_url)


def test_an_upgrade_that_fails_halfway_changes_nothing(empty_url, execute, next_revision):
    sql.upgrade(empty_url, silent)
    next_revision('op.add_column("searches", sa.Column("colour", sa.Text())); op.execute("SELECT * FROM nowhere")')
    with pytest.raises(StoreError, match=r"nowhere"):
        sql.upgrade(empty_url, silent)
    assert sql.current(empty_url)[0] == REVISIONS[-1]
    with pytest.raises(Exception, match=r"colour"):
        execute("SELECT colour FROM searches")


@pytest.mark.parametrize("opener", [sql.open_reader, lambda url: sql.open_archive(url, notice=pytest.fail)])
def test_a_newer_database_is_refused_with_the_command_that_helps(empty_url, execute, opener):
    sql.upgrade(empty_url, silent)
    execute(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    with pytest.raises(
        StoreError,
        match=r"schema 9999; this one knows 0001, 0002, 0003, 0004, 0005, 0006, 0007, 0008, 0009, 0010\): pip install",
    ):
        opener(empty_url)


def test_a_database_without_our_tables_is_no_store_to_a_reader(empty_url, execute):
    execute("CREATE TABLE notes (id INTEGER)")
    with pytest.raises(
        StoreError, match=r"holds no gasearch data: run a search first, or name another database with --d"
    ):
        sql.open_reader(empty_url)


def test_optunas_tables_may_stand_beside_ours(empty_url, execute):
    for table in ("trials", "studies", "alembic_version"):
        execute(f"CREATE TABLE {table} (version_num INTEGER)")
    sql.open_archive(empty_url, notice=silent).close()
    sql.open_reader(empty_url).close()


def test_tables_of_another_program_with_our_names_are_left_alone(empty_url, execute):
    execute("CREATE TABLE events (id INTEGER)")
    execute("CREATE TABLE front (id INTEGER)")
    with pytest.raises(StoreError, match=r"already has tables of another program \(events, front\): name another data"):
        sql.open_archive(empty_url, notice=pytest.fail)
    assert execute("SELECT * FROM events").all() == []


FIRST_START = """
import sys, time
from gasearch.storage.sql import open_archive
from tests.doubles.records import new_search
url, name, start = sys.argv[1:]
time.sleep(max(0.0, float(start) - time.time()))
archive = open_archive(url, notice=print)
archive.create_search(new_search(name), owner=name, ttl_s=60.0)
archive.close()
"""


def test_four_first_starts_at_once_all_succeed(empty_url):
    start = str(time.time() + 2.5)
    starts = [
        subprocess.Popen(
            [sys.executable, "-c", FIRST_START, empty_url, name, start],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for name in ("first", "second", "third", "fourth")
    ]
    outputs = [process.communicate(timeout=90) for process in starts]
    assert [process.returncode for process in starts] == [0, 0, 0, 0], outputs
    assert "".join(out for out, _ in outputs).count("creating the database") == 1
    reader = sql.open_reader(empty_url)
    assert sorted(search.name for search in reader.searches()) == ["first", "fourth", "second", "third"]
    reader.close()


def test_a_reader_loads_no_alembic(migrated_sqlite_url):
    script = (
        "import sys; from gasearch.storage.sql import open_reader; open_reader(sys.argv[1]).searches(); "
        "print([name for name in ('alembic', 'torch', 'ray', 'scipy', 'sqlalchemy.dialects.postgresql') "
        "if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, migrated_sqlite_url], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout == "[]\n"


def test_revisions_are_found_in_an_installed_package_first(tmp_path, monkeypatch):
    package = tmp_path / "gasearch"
    for folder in (package / "_migrations", tmp_path / "alembic"):
        (folder / "versions").mkdir(parents=True)
    monkeypatch.setattr("importlib.resources.files", lambda name: package)
    assert schema.migrations() == package / "_migrations"
    shutil.rmtree(package / "_migrations")
    assert schema.migrations() == tmp_path / "alembic"


def test_an_installation_without_revisions_says_so(tmp_path, monkeypatch):
    (tmp_path / "alembic").mkdir()  # the library itself, beside an installed package
    monkeypatch.setattr("importlib.resources.files", lambda name: tmp_path / "gasearch")
    with pytest.raises(StoreError, match=r"lacks its database revisions: pip install gasearch again"):
        schema.migrations()


@pytest.mark.parametrize("name", ["with space", "100%", "f#ragment", "épreuve", "a&b=c"])
def test_a_file_may_have_any_name(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    path = folder / f"{name}.db"
    url = f"sqlite:///{path}"
    sql.open_archive(url, notice=silent).close()
    sql.open_reader(url).close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM searches").fetchone() == (0,)
