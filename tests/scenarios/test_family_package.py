"""The example of a package that adds a family, a kind of layer and an exporter: installed, searched with, exported."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from gasearch_workers.export.artifact import read_artifact
from gasearch_workers.export.packed import unpack

EXAMPLE = Path(__file__).parents[2] / "examples/family_package"

#: Runs commands one after the other in one process, as importing torch takes longer than all of them. KEY is that of
#: the search's best network.
CALL = """
import json, sys
import gasearch
from gasearch.cli import call
for arguments in json.loads(sys.argv[1]):
    if "KEY" in arguments:
        arguments[arguments.index("KEY")] = gasearch.open("digits-bottlenecks").front()[0].key
    status = call(arguments)
    print(f"status {status}", file=sys.stderr)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder to import from, as pip leaves it."""
    folder = tmp_path_factory.mktemp("family")
    shutil.copytree(EXAMPLE, folder / "source")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", folder / "packages", folder / "source"], check=True, capture_output=True)
    return folder / "packages"


def call(folder, *commands, path=""):
    """Run commands with the folder `path` to import from; their output."""
    return subprocess.run(
        [sys.executable, "-c", CALL, json.dumps(commands)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(path), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )


def test_the_example_is_searched_with_and_exported(installed, tmp_path):
    search = str(EXAMPLE / "search.yaml")
    quick = ["--set", "recipe.epochs=1", "--set", "budget.evaluations=4", "--set", "recipe.data_share=0.2"]
    done = call(
        tmp_path,
        ["run", search, *quick],
        ["export", "digits-bottlenecks", "KEY", "-o", "out", "--formats", "c-header"],
        ["export", "digits-bottlenecks", "KEY", "-o", "out", "--formats", "fortran"],
        path=installed,
    )
    assert [line for line in done.stderr.splitlines() if line.startswith("status")] == ["status 0"] * 2 + ["status 2"]
    (refused,) = (line for line in done.stderr.splitlines() if "there is no exporter 'fortran'" in line)
    assert refused.endswith(", c-header")
    described = read_artifact(tmp_path / "out")
    assert set(described["files"]) >= {"model.onnx", "model.gap", "model.safetensors", "model.h"}
    assert described["blueprint"]["layers"][0]["extras"]["expansion"] in (1, 2, 4)
    assert (tmp_path / "out/model.h").read_text().startswith("#define OUTPUTS 10\n")
    packed = unpack((tmp_path / "out/model.gap").read_bytes())
    assert [step.name for step in packed.plan.steps][:3] == ["layer0.widen", "layer0.depthwise", "layer0.narrow"]


def test_without_the_package_its_family_is_refused_with_those_there_are(tmp_path):
    done = call(tmp_path, ["check", str(EXAMPLE / "search.yaml")])
    known = "mlp, cnn, text, transformer, tagger, recommender, bits, custom"
    assert f"space.family: must be one of {known}; got 'bottlenecks'" in done.stderr
    assert "status 2" in done.stderr


def test_the_keys_of_the_family_are_checked_by_its_own_model(installed, tmp_path):
    wrong = ["--set", "space.expansion=[3]", "--set", "space.width=0"]
    done = call(tmp_path, ["check", str(EXAMPLE / "search.yaml"), *wrong], path=installed)
    assert "space.expansion[0]: must fit a list of 1, 2, 4, 6; got 3" in done.stderr
    assert "space.width[0]: must fit" in done.stderr
