"""The built wheel, away from the checkout: it holds both packages and the revisions, and a search runs with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pydantic
import pytest

ROOT = Path(__file__).parents[2]
SPEC = """\
name: tiny
seed: 1
task: {dataset: digits}
space: {family: mlp, layers: [1, 2], width: [8, 16], weight_bits: [4, 8], activation_bits: [8]}
objectives: {accuracy: max, model_bytes: min}
recipe: {epochs: 1}
evolution: {population: 4}
budget: {evaluations: 6}
"""


def run(*command: str | Path, cwd: Path) -> str:
    """The stdout of a command that knows nothing of the checkout; its stderr is in the error if it fails."""
    foreign = ("PYTHONPATH", "VIRTUAL_ENV", "RAY_ADDRESS")
    environment = {
        k: v for k, v in os.environ.items() if k not in foreign and not k.startswith(("GASEARCH_", "PYTEST_"))
    }
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built by the installed, pinned backend: no network is needed."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    (built,) = folder.glob("gasearch-*.whl")
    return built


def test_the_wheel_holds_both_packages_and_every_revision(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for folder in (ROOT / "gasearch", ROOT / "workers/gasearch_workers"):
        files = {path.relative_to(folder.parent).as_posix() for ext in ("py", "c") for path in folder.rglob(f"*.{ext}")}
        assert files - names == set()
    revisions = {path.relative_to(ROOT / "alembic").as_posix() for path in (ROOT / "alembic").rglob("*.py")}
    assert any(name.startswith("versions/") for name in revisions)
    assert {f"gasearch/_migrations/{name}" for name in revisions} - names == set()
    assert {name.split("/")[0] for name in names} <= {
        "gasearch",
        "gasearch_workers",
        f"{wheel.name.rsplit('-', 3)[0]}.dist-info",
    }


def test_a_search_runs_from_the_wheel_with_the_libraries_of_the_checkout(wheel: Path, tmp_path: Path) -> None:
    assert_a_search_runs(install_beside_the_libraries(wheel, tmp_path), tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_search_runs_from_the_wheel_in_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    python = make_environment(tmp_path)
    constraints = ["--constraint", ROOT / "constraints.txt"]
    run(python, "-m", "pip", "install", *constraints, "torch", cwd=tmp_path)
    run(python, "-m", "pip", "install", *constraints, wheel, cwd=tmp_path)
    assert_a_search_runs(python, tmp_path)


def install_beside_the_libraries(wheel: Path, folder: Path) -> Path:
    """The interpreter of a new environment with the wheel, and with the libraries that are installed already."""
    python = make_environment(folder)
    run(python, "-m", "pip", "install", "--no-deps", "--no-index", wheel, cwd=folder)
    # Our own editable install is not among them, since a .pth file of theirs isn't followed from here.
    (site_packages(folder) / "libraries.pth").write_text(str(Path(pydantic.__file__).parents[1]))
    return python


def make_environment(folder: Path) -> Path:
    """The interpreter of a new, empty virtual environment."""
    run(sys.executable, "-m", "venv", folder / "environment", cwd=folder)
    return folder / "environment/bin/python"


def site_packages(folder: Path) -> Path:
    (found,) = (folder / "environment/lib").glob("python*/site-packages")
    return found


#: A module of the user's own, as many projects have one, and an evaluator that uses it.
OWN_FILES = {
    "workers.py": "COUNT = 3\n",
    "mine.py": "import workers\n\n\ndef evaluate(choices, budget, report):\n"
    "    return {'error': float(choices['x'] + workers.COUNT)}\n",
    "own.yaml": "{name: own, task: {evaluator: 'mine:evaluate'}, objectives: {error: min}, budget: {evaluations: 3}, "
    "space: {family: custom, decisions: {x: {choices: [1, 2, 3]}}}, workers: {count: 1}}\n",
}


def test_a_file_of_the_users_own_named_workers_hides_nothing_and_is_not_hidden(wheel: Path, tmp_path: Path) -> None:
    python = install_beside_the_libraries(wheel, tmp_path)
    for name, text in OWN_FILES.items():
        (tmp_path / name).write_text(text)
    run(python, "-m", "gasearch", "run", "own.yaml", cwd=tmp_path)  # -m puts the folder on the path, before all else
    (best,) = json.loads(run(python, "-m", "gasearch", "best", "own", "--format", "json", cwd=tmp_path))
    assert best["error"] == 4.0


def assert_a_search_runs(python: Path, folder: Path) -> None:
    """`gasearch run` in a folder of its own, then the questions that need the revisions and the front."""
    gasearch = python.with_name("gasearch")
    (folder / "spec.yaml").write_text(SPEC)
    where = run(
        python,
        "-c",
        "import gasearch, gasearch_workers; print(gasearch.__file__, gasearch_workers.__file__)",
        cwd=folder,
    )
    assert str(ROOT) not in where
    run(gasearch, "run", "spec.yaml", "--workers", "0", cwd=folder)
    assert "up to date" in run(gasearch, "db", "current", cwd=folder)
    keys = run(gasearch, "front", "tiny", "--format", "csv", cwd=folder).splitlines()
    assert len(keys) >= 2, f"a header and at least one network; got {keys}"
