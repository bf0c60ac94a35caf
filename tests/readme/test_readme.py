"""Every command of the README runs, in its order; only budgets and ports are other ones."""

import ast
import json
import re
import shlex
import subprocess
import urllib.request

import numpy as np
import pytest

from gasearch.spec.loader import load_spec
from gasearch.spec.yaml12 import parse_yaml
from tests.readme.commands import ROOT, Place, blocks, end, free_port, shell_commands, shrink, until

pytestmark = pytest.mark.timeout(500)  # whole commands, one after the other

TOKEN = "a-token-for-the-tests-only"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    made = Place(tmp_path_factory.mktemp("readme"))
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 300)
    images = (rng.integers(0, 60, (300, 8, 8)) + 60 * labels[:, None, None]).astype(np.uint8)
    np.savez(made.folder / "own.npz", x_train=images, y_train=labels)
    made.run("gasearch run examples/digits.yaml")  # what `make search` runs
    return made


def test_the_make_targets_exist():
    targets = [shlex.split(command)[1] for command in shell_commands() if command.startswith("make ")]
    assert targets == ["search", "test"]
    for target in targets:
        done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def is_plain(command):
    """Whether a command runs as it stands, once KEY is filled in."""
    special = ("make ", "export ", "(umask ", "RAY_", "curl ", "gasearch serve")
    return not command.startswith(special) and not re.search(r"--name=cluster|name=(cluster|night)| night\b", command)


def test_every_plain_command_runs_in_the_order_of_the_readme(place):
    key = json.loads(place.run("gasearch best digits --format json"))[0]["key"]
    commands = shell_commands()
    before_postgresql = commands[: next(n for n, one in enumerate(commands) if one.startswith("export "))]
    plain = [command for command in before_postgresql if is_plain(command)]
    assert len(plain) > 12
    for command in plain:
        command = command.replace("KEY", key).replace("evaluations=60", "evaluations=4")
        command = command.replace("accuracy=+0.01", f"model_bytes=-1B --from {key}")  # so few have no better one
        out = place.run(command)
        assert out or command.startswith(("gasearch plot", "gasearch init", "gasearch failures")), command
        if command.startswith("gasearch init"):
            shrink(place.folder / "search.yaml")
    assert (place.folder / "digits.html").stat().st_size > 1_000_000
    story = json.loads((place.folder / "digits-model/model.json").read_text())["description"]
    assert story["measured"]["validation_accuracy"] == pytest.approx(story["claimed"]["accuracy"], abs=0.01)


def test_a_detached_search_is_watched_stopped_and_resumed(place):
    commands = [command for command in shell_commands() if re.search(r"name=night| night\b", command)]
    verbs = [shlex.split(command)[1] for command in commands]
    assert verbs == ["run", "status", "stop", "resume", "resume"]
    place.run("gasearch init -o night.yaml")
    shrink(place.folder / "night.yaml")
    place.run(commands[0].replace("search.yaml", "night.yaml") + " --set budget.evaluations=500")

    def status():
        return json.loads(place.run(f"{commands[1]} --format json"))

    until(lambda: status()["told"] > 0)
    place.run(commands[1])
    place.run(commands[2])
    until(lambda: status()["state"] == "stopped")
    told = status()["told"]
    place.run(commands[3].replace("--evaluations 150", f"--evaluations {told + 3}"))
    assert status()["told"] == told + 3
    place.run(commands[4].replace("evaluations=160", f"evaluations={told + 5}"))
    assert status()["told"] == told + 5


def test_the_commands_on_postgresql_run_against_a_real_one(place, empty_postgresql_url):
    commands = shell_commands()
    start = next(number for number, command in enumerate(commands) if command.startswith("export GASEARCH_DB"))
    place.environment["GASEARCH_DB"] = empty_postgresql_url
    try:
        for command in commands[start + 1 : start + 4]:
            assert place.run(command)
        assert "digits" in place.run("gasearch list")
    finally:
        del place.environment["GASEARCH_DB"]


def test_the_service_answers_the_readmes_call(place):
    serve, curl = (next(one for one in shell_commands() if one.startswith(verb)) for verb in ("gasearch serve", "curl"))
    port = str(free_port())
    place.environment["GASEARCH_TOKEN"] = TOKEN
    service = place.start(serve.replace("8080", port))
    try:
        _, _, header, url = shlex.split(curl.replace("8080", port).replace("$GASEARCH_TOKEN", TOKEN))
        name, _, value = header.partition(": ")
        request = urllib.request.Request(url, headers={name: value})
        until(lambda: "http://" in place.log())
        with urllib.request.urlopen(request, timeout=30) as answer:
            rows = json.loads(answer.read())
        limit = "model_bytes<=8000"
        assert rows == json.loads(place.run(f'gasearch best digits --where "{limit}" --format json'))
    finally:
        end(service)
        del place.environment["GASEARCH_TOKEN"]


def test_the_specs_of_the_readme_are_valid():
    spec, recipe, measure, bits, workers = (parse_yaml(block).content for block in blocks("yaml"))
    assert load_spec(spec).name == "mine"
    assert load_spec(spec | bits | {"target": {}}).space.weights == "weights.safetensors"
    assert load_spec(spec | workers).workers.environment == ("WANDB_MODE",)
    assert load_spec(spec | measure).measure.metrics == ("latency_ms", "ram_bytes")
    assert load_spec(spec | recipe).recipe.distillation.teacher == "largest"


def test_the_python_of_the_readme_runs(place, monkeypatch):
    _, definition, operators, session = blocks("python")  # test_targets runs the first
    ast.parse(definition)
    folder = place.folder / "python"
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / "examples").symlink_to(place.folder / "examples")
    (folder / "bit_moves.py").write_text(f"import random\nfrom deap import tools\n{operators}")
    spec = ROOT / "examples/own-operators.yaml"
    path = f"{shlex.quote(str(folder))}:{ROOT / 'examples'}"
    assert "operators by bit_moves:configure" in place.run(f"PYTHONPATH={path} gasearch check {spec}")
    (folder / "session.py").write_text(session)
    assert "0." in place.run(f"cd {shlex.quote(str(folder))} && python session.py")
