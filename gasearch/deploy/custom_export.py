"""The export of a network that the user's own evaluator makes: its module writes the files, which are then listed.

The module of the evaluator may define `export(choices, budget, directory)`. It gets the choices and the budget of the
evaluation, and an empty folder to fill. What it leaves there is hashed; what is ONNX is timed.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from gasearch_workers.evaluation.custom import Budget, find_evaluator
from gasearch_workers.evaluation.metric_values import EvaluatorError
from gasearch_workers.messages import Choices, network_from_json

from gasearch.errors import BadInput, GasearchError
from gasearch.spec.model import SearchSpec
from gasearch.storage.records import EvaluatedNetwork, SearchRecord

HOOK: Final = "export"  #: What the function in the evaluator's module is called.
LIST_NAME: Final = "export.json"  #: The list of the files, which is written last.
FORMAT: Final = "gasearch custom export"
FORMAT_VERSION: Final = 1


def export_custom(
    record: SearchRecord,
    spec: SearchSpec,
    network: EvaluatedNetwork,
    directory: Path,
    *,
    notice: Callable[[str], None],
) -> Path:
    """Have the evaluator's module write a network, and list what it wrote in `export.json`.

    Args:
        record: Of the search.
        spec: Of the search.
        network: One that was measured.
        directory: To be made; an empty one may be there, which then is filled.
        notice: Takes each file, and what could not be timed.

    Raises:
        BadInput: if the module can't be imported or has no such function, or the folder isn't empty or can't be made.
        GasearchError: if the function raises, or leaves no file, or what isn't a plain file.
    """
    hook = _find_hook(record, str(spec.task.evaluator))
    _require_empty(directory)
    choices = network_from_json(network.network_json)
    assert isinstance(choices, Choices)
    budget = Budget(
        epochs=spec.recipe.epochs,
        data_share=spec.recipe.data_share,
        seed=network.seed or 0,
        time_limit_s=spec.workers.time_limit_s,
    )
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        # Within one that is there: it may be this process's own, a link, or a disk's root, which nothing can replace.
        folder = Path(tempfile.mkdtemp(prefix=".writing-", dir=directory if directory.is_dir() else directory.parent))
    except OSError as error:
        raise BadInput(f"{directory} can't be written: {error.strerror}; name another folder with -o") from error
    try:
        _call(hook, choices.as_dict(), budget, folder)
        content: dict[str, Any] = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "search": record.name,
            "key": network.key,
            "evaluator": spec.task.evaluator,
            "choices": choices.as_dict(),
            "seed": budget.seed,
            "claimed": dict(network.metrics),
            "files": {name: _described(folder / name, notice) for name in _files_in(folder)},
        }
        _write(folder / LIST_NAME, (json.dumps(content, indent=2, allow_nan=False) + "\n").encode())
        _put_in_place(folder, directory)
    except OSError as error:
        raise GasearchError(f"{directory} can't be written: {error.strerror}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return directory


def _put_in_place(folder: Path, directory: Path) -> None:
    if not directory.is_dir():
        folder.chmod(0o755)
        folder.replace(directory)
        return
    for path in sorted(folder.iterdir(), key=lambda path: path.name == LIST_NAME):  # the list last
        path.replace(directory / path.name)


def _find_hook(record: SearchRecord, evaluator: str) -> Callable[..., object]:
    try:
        find_evaluator(evaluator)
    except EvaluatorError as error:
        raise BadInput(f"task.evaluator: {error}") from error
    module = evaluator.partition(":")[0]
    hook = getattr(importlib.import_module(module), HOOK, None)
    if not callable(hook):
        raise BadInput(
            f"export needs a network that gasearch trains itself; {record.name} has a custom evaluator, whose module "
            f"{module!r} defines no {HOOK}(choices, budget, directory) that writes one"
        )
    return hook  # type: ignore[no-any-return]


def _require_empty(directory: Path) -> None:
    try:
        is_free = not directory.exists() or (directory.is_dir() and not any(directory.iterdir()))
    except OSError as error:
        raise BadInput(f"{directory} can't be read: {error.strerror}; name another folder with -o") from error
    if not is_free:
        raise BadInput(f"{directory} is not an empty folder; name another one with -o")


def _call(hook: Callable[..., object], choices: dict[str, Any], budget: Budget, folder: Path) -> None:
    try:
        with contextlib.redirect_stdout(sys.stderr), contextlib.chdir("."):
            hook(choices, budget, folder)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # the user's code may raise anything, and must not end ours
        text = " ".join(str(error).split())
        raise GasearchError(f"{HOOK} of the evaluator's module raised {type(error).__name__}: {text}") from error


def _files_in(folder: Path) -> list[str]:
    """The names of all files, those of folders within it with /.

    Raises:
        GasearchError: if there is none, or something else than files and folders.
    """
    found = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise GasearchError(f"{HOOK} of the evaluator's module left {name}, which is no file of its own")
        if path.is_file():
            found.append(name)
    if not found:
        raise GasearchError(f"{HOOK} of the evaluator's module wrote no file into the folder that it was given")
    if LIST_NAME in found:
        raise GasearchError(f"{HOOK} of the evaluator's module wrote {LIST_NAME}, as gasearch calls its own list")
    return found


def _described(path: Path, notice: Callable[[str], None]) -> dict[str, Any]:
    """Size and hash; of an ONNX file its latency, or why there is none."""
    content = path.read_bytes()
    with path.open("rb") as file:
        os.fsync(file.fileno())
    found: dict[str, Any] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    text = f"{path.name}: {len(content):,} bytes"
    if path.suffix == ".onnx":
        from gasearch_workers.measure.own_model import ModelError, measure_model

        try:
            timed = measure_model(path)
            found |= {
                "latency_ms": timed.latency_ms,
                "latency_spread_ms": timed.spread_ms,
                "latency_device": timed.device,
            }
            text += f", {timed.latency_ms:.3g} ms"
        except ModelError as error:
            found["not_timed"] = str(error).replace(str(path), path.name)
            text += f"; not timed: {found['not_timed']}"
    notice(text)
    return found


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
