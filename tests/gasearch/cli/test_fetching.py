"""`gasearch data`, and what `check` and `run` say of data that must be downloaded first."""

import sys

import pytest

from gasearch.jobs.sources import PUBLIC
from tests.doubles.image_server import ImageServer, torchvision_like

SPEC = """
name: images
seed: 1
task: {dataset: "torchvision:MNIST"}
space: {family: cnn, layers: [1, 1], width: [2, 3], kernel: [3]}
objectives: {accuracy: max, model_bytes: min}
recipe: {epochs: 1}
budget: {evaluations: 2}
workers: {count: 0}
evolution: {population: 4}
"""


@pytest.fixture
def server():
    found = ImageServer()
    yield found
    found.close()


@pytest.fixture(autouse=True)
def folder(server, tmp_path, monkeypatch):
    package = torchvision_like(server.url)
    monkeypatch.setitem(sys.modules, "torchvision", package)
    monkeypatch.setitem(sys.modules, "torchvision.datasets", package.datasets)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GASEARCH_DB", f"sqlite:///{tmp_path}/gasearch.db")
    (tmp_path / "my images.yaml").write_text(SPEC)
    return tmp_path


@pytest.mark.parametrize("verb", ["check", "run"])
def test_the_error_of_data_that_are_not_here_names_the_command_that_brings_them(gasearch, server, folder, verb):
    status, _, err = gasearch(verb, "my images.yaml", "--set", "seed=2")
    assert status == 2
    assert "expected the files of MNIST in the folder data" in err
    assert "or download it now with: gasearch data 'my images.yaml' --set seed=2" in err
    assert server.asked == []
    assert not (folder / "gasearch.db").exists()


def test_after_data_a_run_works(gasearch, folder):
    status, out, err = gasearch("data", "my images.yaml")
    assert status == 0
    assert out.splitlines()[0] == "classification of MNIST by cnn (48 training samples of 1 x 28 x 28, 10 classes)"
    assert out.splitlines()[1] == "48 training, 12 validation and 60 test samples"
    assert "downloading MNIST, about 12 MB, into data" in err
    assert "next:  gasearch run 'my images.yaml'" in err
    assert gasearch("run", "my images.yaml")[0] == 0


def test_a_spec_that_says_so_downloads_by_itself_and_is_the_same_search(gasearch, folder):
    status, _, err = gasearch("run", "my images.yaml", "--set", "task.download=true")
    assert (status, "downloading MNIST" in err) == (0, True)
    status, _, err = gasearch("resume", "images", "--evaluations", "3", "--set", "task.download=false")
    assert status == 0, err


def test_own_files_and_evaluators_have_nothing_to_download(gasearch, folder):
    status, _, err = gasearch("data", "my images.yaml", "--set", "task.dataset=none.npz")
    assert (status, err) == (2, f"gasearch: task.dataset: none.npz: no such file{PUBLIC}\n")
    custom = "{evaluator: 'no.such:module'}"
    decisions = "{family: custom, decisions: {a: {choices: [1, 2]}}}"
    arguments = ["--set", f"task={custom}", "--set", f"space={decisions}", "--set", "recipe={}"]
    status, out, _ = gasearch("data", "my images.yaml", *arguments)
    assert (status, out) == (0, "no.such:module brings its own data: there is nothing to download\n")


def test_a_download_that_decides_nothing_is_noted(gasearch):
    status, out, _ = gasearch("check", "my images.yaml", "--set", "task.dataset=digits", "--set", "task.download=true")
    assert status == 0
    assert "note: task.download decides nothing: only torchvision:NAME and hf:NAME are downloaded" in out
