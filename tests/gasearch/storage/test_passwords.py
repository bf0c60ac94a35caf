"""No password is printed, wherever in a URL it stands and whoever prints it."""

import os
import subprocess
import sys

import pytest

from gasearch.errors import BadInput, StoreError
from gasearch.storage.engines import parse_url
from gasearch.storage.faults import shown
from gasearch.storage.passwords import hidden, scrubbed
from gasearch.storage.sql import current, open_reader
from tests.doubles.command_line import ROOT

SECRET = "hunter2x"
URLS = [
    f"postgresql://me:{SECRET}@127.0.0.1:1/db",
    f"postgresql://me:{SECRET}%40%2F@127.0.0.1:1/db",
    f"postgresql://me@127.0.0.1:1/db?password={SECRET}",
    f"postgresql://me@127.0.0.1:1/db?application_name=a&pass%77ord={SECRET}",
    f"postgresql://127.0.0.1:1/db?user=me&sslpassword={SECRET}",
    f"postgresql://me:a@{SECRET}@127.0.0.1:1/db",
    f"postgresql://me:a?{SECRET}@127.0.0.1:1/db",
    f"postgresql://me:a/{SECRET}@127.0.0.1:1/db",
    f"postgresql://me:{SECRET}@127.0.0.1:port/db",
    f"mysql://me:{SECRET}@host/db",
    f"me:{SECRET}@host/db",
    f"//me:{SECRET}@host/db",
    f"postgresql:/me:{SECRET}@host/db",
    f"sqlite://me:{SECRET}@/x.db",
    f"sqlite:///x.db?password={SECRET}",
]


@pytest.mark.parametrize("url", URLS)
def test_a_password_is_hidden_wherever_it_stands(url):
    for opener in (open_reader, current):
        with pytest.raises((BadInput, StoreError)) as caught:  # no such address, or nobody there
            opener(url)
        assert SECRET not in str(caught.value)
    assert SECRET not in hidden(url)


def test_a_url_without_a_password_stays_as_it_is():
    for url in ("sqlite:///a b.db", "postgresql://me@host:5432/db?sslmode=require", "postgresql:///db?host=/run/pg"):
        assert hidden(url) == url
    assert hidden("postgresql://me:x@host/db", "PASSWORD") == "postgresql://me:PASSWORD@host/db"


def test_what_a_driver_says_is_printed_without_the_password():
    url = "postgresql://me:s%40crt%20x@host/db?sslpassword=oth%26er"
    said = "no user s@crt x with s%40crt%20x, nor oth&er or oth%26er"
    assert scrubbed(said, url) == "no user *** with ***, nor *** or ***"


def test_a_url_is_shown_without_its_password():
    url = parse_url(f"postgresql://me:{SECRET}@host/db?password={SECRET}&host=/run")
    assert SECRET not in shown(url)
    assert "host=%2Frun" in shown(url)


@pytest.mark.parametrize("more", [[], ["--supervise"], ["--detach"]])
def test_no_password_reaches_a_log_or_a_process_list(tmp_path, more):
    (tmp_path / "small.yaml").write_text(
        "name: small\ntask: {evaluator: 'tests.doubles.evaluators:quick'}\nspace: {family: custom, decisions: "
        "{a: {choices: [0, 1]}}}\nobjectives: {error: min}\nbudget: {evaluations: 2}\nworkers: {count: 0}\n"
    )
    url = f"postgresql://me@127.0.0.1:1/db?password={SECRET}"
    environment = os.environ | {"GASEARCH_DB": url, "PYTHONPATH": str(ROOT), "GASEARCH_DB_PATIENCE": "0"}
    command = [sys.executable, "-m", "gasearch", "run", "small.yaml", *more]
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=-1, stderr=-1, text=True)
    seen = ""
    while process.poll() is None and "starting it again in 2 s" not in seen:
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline") as file:
                    seen += file.read()
            except OSError:
                continue
        if more == ["--supervise"]:
            seen += process.stderr.readline()
    process.terminate()
    out, err = process.communicate(timeout=60)
    seen += out + err + "".join(path.read_text() for path in tmp_path.iterdir())
    assert "can't be reached" in seen
    assert SECRET not in seen


@pytest.mark.parametrize("name", ["a b", "100%", "100%41", "a?b", "a#b", "é"])
def test_a_file_of_any_name_is_the_same_one_to_everybody(tmp_path, name):
    import shutil

    from gasearch import cli
    from gasearch.jobs.detach import log_file
    from gasearch.storage.copying import file_url

    path = tmp_path / name / f"{name}.db"
    path.parent.mkdir()
    url = file_url(path)
    assert log_file("small", url).parent == path.parent
    assert cli.call(["db", "upgrade", "--db", url]) == 0
    assert [found.name for found in path.parent.iterdir()] == [path.name]
    assert cli.call(["list", "--db", url]) == 0
    assert cli.call(["db", "current", "--db", url]) == 0
    shutil.rmtree(path.parent)
