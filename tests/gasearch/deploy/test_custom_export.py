"""The export of a network that a custom evaluator makes, by the hook in its module."""

import hashlib
import json
import sys
from pathlib import Path

import pytest
from gasearch_workers.measure.reference_model import reference_model

import gasearch
from gasearch.deploy.networks import export_network
from gasearch.deploy.verification import run_artifact
from gasearch.errors import BadInput, GasearchError
from tests.doubles.command_line import CommandLine
from tests.doubles.custom_search import CUSTOM_SPEC
from tests.doubles.listening import Listening

MODULE = """
import json, os, pathlib

def evaluate(choices, budget, report):
    return {"error": 1.0 / (1 + choices["a"]), "cost": float(choices["a"] + choices["b"]), "seed": float(budget.seed)}
"""
WRITING = """
def export(choices, budget, directory):
    print("writing")
    (directory / "weights").mkdir()
    (directory / "weights" / "all.bin").write_bytes(b"abc")
    (directory / "model.onnx").write_bytes(pathlib.Path(MODEL).read_bytes())
    (directory / "broken.onnx").write_text("no graph")
    (directory / "about.json").write_text(json.dumps([choices, budget.seed, budget.epochs]))
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A finished search by an evaluator of a module that tests add a hook to: its database, and a network's key."""
    (tmp_path / "cells.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    url = f"sqlite:///{tmp_path}/store.db"
    spec = CUSTOM_SPEC | {"task": {"evaluator": "cells:evaluate"}, "budget": {"evaluations": 6}, "constraints": []}
    key = gasearch.run(spec, db=url).best("cost").key

    def with_hook(hook):
        (tmp_path / "cells.py").write_text(MODULE + hook)
        sys.modules.pop("cells", None)
        return url, key

    yield with_hook
    sys.modules.pop("cells", None)


def exported(folder, place, hook, **options):
    url, key = place(hook)
    observer = Listening()
    return export_network("small", key[:8], folder, db_url=url, observer=observer, **options), key, observer.notices


def test_what_the_hook_writes_is_listed_hashed_and_where_it_is_onnx_timed(place, tmp_path, capfd):
    (tmp_path / "reference.onnx").write_bytes(reference_model())
    hook = WRITING.replace("MODEL", repr(str(tmp_path / "reference.onnx")))
    folder, key, notices = exported(tmp_path / "out" / "model", place, hook)
    content = json.loads((folder / "export.json").read_text())
    assert (content["format"], content["search"], content["key"]) == ("gasearch custom export", "small", key)
    assert content["evaluator"] == "cells:evaluate"
    files = content["files"]
    assert list(files) == ["about.json", "broken.onnx", "model.onnx", "weights/all.bin"]
    assert files["weights/all.bin"] == {"bytes": 3, "sha256": hashlib.sha256(b"abc").hexdigest()}
    assert files["model.onnx"]["latency_spread_ms"] > 0
    assert files["model.onnx"]["latency_ms"] > 0
    assert files["broken.onnx"]["not_timed"].startswith("broken.onnx is no ONNX file that ONNX Runtime opens: ")
    assert json.loads((folder / "about.json").read_text()) == [content["choices"], content["seed"], 3]
    assert content["claimed"]["seed"] == content["seed"]
    assert [notice.partition(":")[0] for notice in notices] == ["about.json", "broken.onnx", "model.onnx", "all.bin"]
    assert [path.name for path in folder.parent.iterdir()] == ["model"]
    assert "writing" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("hook", "complaint"),
    [
        ("def export(c, b, d):\n    raise RuntimeError('no\\nboard')\n", r"module raised RuntimeError: no board$"),
        ("def export(c, b, d):\n    raise SystemExit(0)\n", r"module raised SystemExit: 0$"),
        ("def export(c, d):\n    pass\n", r"module raised TypeError: export\(\) takes 2 positional arguments but 3"),
        ("def export(c, b, d):\n    pass\n", r"module wrote no file into the folder that it was given$"),
        (
            "def export(c, b, d):\n    (d / 'export.json').write_text('')\n",
            r"wrote export\.json, as gasearch calls its",
        ),
        ("def export(c, b, d):\n    os.symlink('/etc/passwd', d / 'x')\n", r"left x, which is no file of its own$"),
        ("def export(c, b, d):\n    os.mkfifo(d / 'x')\n", r"left x, which is no file of its own$"),
    ],
)
def test_a_hook_that_fails_is_told_and_leaves_nothing(place, tmp_path, hook, complaint):
    (tmp_path / "out").mkdir()
    with pytest.raises(GasearchError, match=complaint):
        exported(tmp_path / "out" / "model", place, hook)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_module_without_a_hook_says_what_to_define(place, tmp_path):
    with pytest.raises(BadInput, match=r"small has a custom evaluator, whose module 'cells' defines no export\(cho"):
        exported(tmp_path / "model", place, "export = 3\n")


def test_only_an_empty_folder_is_written(place, tmp_path):
    hook = "def export(c, b, d):\n    (d / 'x').write_text('1')\n"
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("kept")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match=r"full is not an empty folder; name another one with -o$"):
        exported(tmp_path / "full", place, hook)
    with pytest.raises(BadInput, match=r"mine is not an empty folder"):
        exported(tmp_path / "full" / "mine", place, hook)
    with pytest.raises(BadInput, match=r"can't be written: Not a directory; name another folder with -o$"):
        exported(tmp_path / "full" / "mine" / "deep" / "er", place, hook)
    assert sorted(path.name for path in exported(tmp_path / "empty", place, hook)[0].iterdir()) == ["export.json", "x"]
    assert (tmp_path / "full" / "mine").read_text() == "kept"


@pytest.mark.parametrize("options", [{"is_tuned": True}, {"formats": ["c"]}, {"is_symmetric": True}])
def test_recipes_and_forms_are_not_for_it(place, tmp_path, options):
    with pytest.raises(BadInput, match="recipes and forms are of networks that gasearch trains itself; small has"):
        exported(tmp_path / "model", place, WRITING, **options)


@pytest.mark.parametrize("form", ["plain", "own", "linked"])
def test_an_empty_folder_that_is_there_is_filled(place, tmp_path, monkeypatch, form):
    hook = "\ndef export(c, b, d):\n    (d / 'a').mkdir(); (d / 'a/b').write_text('c')\n"
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.chdir(folder)
    (tmp_path / "link").symlink_to(folder)
    exported({"plain": folder, "own": Path(), "linked": tmp_path / "link"}[form], place, hook)
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*")) == ["a", "a/b", "export.json"]


def test_what_it_exported_is_not_for_verify_and_check(place, tmp_path):
    folder, key, _ = exported(tmp_path / "model", place, "\ndef export(c, b, d):\n    (d / 'a').touch()\n")
    with pytest.raises(BadInput, match=r"holds what a custom evaluator exported, which claims nothing"):
        run_artifact(folder)
    done = CommandLine(tmp_path).here("export", "small", key, "-o", "other", "--check")
    assert done.status == 2
    assert "--check is for networks that gasearch trains itself; small has a custom evaluator" in done.err
    assert not (tmp_path / "other").exists()


def test_the_command_prints_the_folder_alone_on_stdout(place, tmp_path):
    url, key = place("def export(c, b, d):\n    print('hello')\n    (d / 'x').write_text('1')\n")
    line = CommandLine(tmp_path)
    assert line.url == url
    done = line.here("export", "small", key, "-o", "out")
    assert (done.status, done.out) == (0, "out\n"), done.err
    assert "x: 1 bytes" in done.err
