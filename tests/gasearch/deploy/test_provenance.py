import shutil
import subprocess

import pytest

import gasearch
from gasearch.deploy import provenance as module
from gasearch.deploy.provenance import commit, data_source, provenance, shown
from gasearch.spec.loader import load_spec
from tests.doubles.records import new_search

SPACE = {"family": "mlp", "layers": [1, 2], "width": [4, 8]}
GIT = shutil.which("git")


@pytest.fixture
def repository(tmp_path):
    """A repository with one commit."""
    (tmp_path / "file").write_text("1")
    author = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["add", "file"], [*author, "commit", "-q", "-m", "first"]):
        subprocess.run([GIT, "-C", tmp_path, *command], check=True)
    return tmp_path


@pytest.mark.skipif(GIT is None, reason="there is no git")
def test_the_commit_of_a_source_tree_says_whether_it_was_changed(repository):
    head = subprocess.run([GIT, "-C", repository, "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
    assert commit(repository) == head
    (repository / "file").write_text("2")
    assert commit(repository) == f"{head}-dirty"


def test_a_tree_inside_another_repository_is_not_taken_for_it(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "distribution", lambda name: Installed('{"vcs_info": {"commit_id": "abc"}}'))
    assert commit(tmp_path) == "abc"
    for noted in (None, "{}", "no JSON", '{"vcs_info": {"commit_id": 3}}'):
        monkeypatch.setattr(module, "distribution", lambda name, noted=noted: Installed(noted))
        assert commit(tmp_path) is None


def test_a_repository_that_git_refuses_has_no_commit(tmp_path):
    (tmp_path / ".git").write_text("gitdir: /nowhere")
    assert commit(tmp_path) is None


class Installed:
    """An installed distribution with what pip noted of its origin."""

    def __init__(self, noted):
        self.noted = noted

    def read_text(self, name):
        return self.noted if name == "direct_url.json" else None


def test_the_origin_names_the_search_the_data_and_the_versions(tmp_path):
    spec = load_spec({"name": "small", "seed": 4, "space": SPACE, "objectives": {"accuracy": "max"}})
    found = provenance(new_search("small"), spec)
    assert found["search"] == {"name": "small", "digest": "5bec", "version": "0.1.0"}
    assert found["source"]["dataset"] == "digits"
    assert found["source"]["options"]["length"] == 64
    assert found["seeds"] == {"search": 4}
    assert found["versions"] == {"gasearch": gasearch.__version__}
    assert set(found) == {"search", "source", "seeds", "versions", "commit"}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("digits", "digits"),
        ("/home/ann/data/set.npz", "set.npz"),
        ("C:\\Users\\ann\\set.csv", "set.csv"),
        ("/home/ann/parts/", "parts"),
        ("torchvision:MNIST", "torchvision:MNIST"),
        ("hf:owner/name", "hf:owner/name"),
        (None, None),
    ],
)
def test_no_folder_of_a_machine_is_shown(source, expected):
    assert shown(source) == expected


def test_the_origin_names_files_without_their_folders(tmp_path):
    for name in ("train.csv", "test.csv"):
        (tmp_path / name).write_text("a,label\n1,x\n2,y\n")
    task = {"dataset": str(tmp_path / "train.csv"), "test": str(tmp_path / "test.csv")}
    spec = load_spec({"name": "small", "task": task, "space": SPACE, "objectives": {"accuracy": "max"}})
    found = provenance(new_search("small"), spec)
    assert (found["source"]["dataset"], found["source"]["options"]["test"]) == ("train.csv", "test.csv")
    assert str(tmp_path) not in str(found)
    assert data_source(spec)["dataset"] == str(tmp_path / "train.csv")
