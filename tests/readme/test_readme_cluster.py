"""The README's Ray cluster: its commands start one of two nodes, and whoever comes wrongly is told at once."""

import json
import os
import socket
import stat
import subprocess
import sys

import pytest

from tests.readme.commands import Place, end, free_port, shell_commands, until

pytestmark = pytest.mark.timeout(500)  # whole commands, one after the other

SMALL = " --num-cpus 1"
IS_UP = "This command will now block forever"


@pytest.fixture(scope="module")
def commands():
    """The README's, with the port of this test's cluster: token, head, other node, search."""
    found = [command for command in shell_commands() if "ray " in command or "name=cluster" in command]
    assert [command.startswith(("(umask", "RAY_", "gasearch")) for command in found] == [True] * 4
    port = str(free_port())
    return [command.replace("6379", port) for command in found]


@pytest.fixture(scope="module")
def place(tmp_path_factory, commands):
    """A place whose cluster runs: the head has its token in a file, the other node in its environment alone."""
    made = Place(tmp_path_factory.mktemp("cluster"))
    other_home = tmp_path_factory.mktemp("other")
    made.run(commands[0])
    head = made.start(commands[1] + SMALL + " --include-dashboard=false", log="head.log")
    nodes = [head]
    try:
        until(lambda: IS_UP in made.log("head.log"))
        join = commands[2].replace("HEAD", "127.0.0.1").replace("TOKEN=TOKEN", f"TOKEN={token_of(made).read_text()}")
        nodes.append(made.start(join + SMALL, log="node.log", HOME=str(other_home)))
        until(lambda: IS_UP in made.log("node.log"))
        yield made
    finally:
        for node in reversed(nodes):
            end(node)


def token_of(place):
    return place.folder / ".ray/auth_token"


def refused(place, address, **variables):
    """The sentence that a search on a cluster ends with, where it can't begin."""
    run = "run examples/digits.yaml --set workers.count=1 --set"
    done = subprocess.run(
        [sys.executable, "-m", "gasearch", *run.split(), f"workers.address={address}"],
        cwd=place.folder,
        env=place.environment | variables,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    return done.stderr.splitlines()[-1]


def address_of(commands):
    return commands[3].rpartition("workers.address=")[2]


def test_the_token_is_for_its_user_alone(place):
    assert stat.S_IMODE(token_of(place).stat().st_mode) == 0o600
    assert stat.S_IMODE(token_of(place).parent.stat().st_mode) == 0o700


def test_a_search_runs_on_both_nodes(place, commands):
    place.run(f"{commands[3]} --set workers.count=2 --set budget.evaluations=6")
    script = "import gasearch, json; print(json.dumps([n.worker for n in gasearch.open('cluster').evaluations()]))"
    workers = json.loads(place.run(f'{sys.executable} -c "{script}"'))
    assert len(workers) == 6
    assert len(set(workers)) == 2


def test_a_wrong_token_is_told(place, commands):
    sentence = refused(place, address_of(commands), RAY_AUTH_TOKEN=64 * "a")
    assert f"the Ray cluster at {address_of(commands)} refuses our token: " in sentence


def test_no_token_is_told(place, commands, tmp_path):
    sentence = refused(place, address_of(commands), HOME=str(tmp_path))
    assert f"there is no token for the Ray cluster at {address_of(commands)}: " in sentence
    assert not os.listdir(tmp_path)


def test_another_service_is_told(place):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        sentence = refused(place, address)
    assert f"what listens at {address} doesn't answer as the head of a Ray cluster" in sentence
