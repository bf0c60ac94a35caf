"""Nothing from a request or a file is executed or unpickled: the calls that would do so stand nowhere."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.source_tree import called_name, read_modules

ROOT = Path(__file__).parents[2]

#: Calls that execute or unpickle what they are given.
CALLS = {
    "eval", "exec", "builtins.eval", "builtins.exec", "os.system", "os.popen", "yaml.load", "yaml.unsafe_load",
    "yaml.full_load", "torch.export.load",
}  # fmt: skip

#: Modules whose whole use that is.
MODULES = {"pickle", "cloudpickle", "dill", "marshal", "shelve", "joblib"}

#: Names of theirs that do nothing: errors to catch.
HARMLESS = {"PickleError", "UnpicklingError", "PicklingError"}

#: Keyword arguments that open a door.
ARGUMENTS = {("shell", True), ("allow_pickle", True), ("weights_only", False)}


def is_forbidden(module: str) -> bool:
    """Whether it is, or is in, a module whose use is forbidden."""
    return module.split(".")[0] in MODULES


def find_forbidden(syntax: ast.AST) -> Iterator[str]:
    """Each forbidden call or import of a file, with its line."""
    for node in ast.walk(syntax):
        match node:
            case ast.Import():
                # Under another name its use could not be seen below.
                aliased = (alias for alias in node.names if alias.asname and is_forbidden(alias.name))
                yield from (f"line {node.lineno}: import {alias.name} as {alias.asname}" for alias in aliased)
            case ast.ImportFrom(module=str(module)) if is_forbidden(module):
                names = {alias.name for alias in node.names} - HARMLESS
                yield from (f"line {node.lineno}: from {module} import {name}" for name in sorted(names))
            case ast.Attribute(value=ast.Name(id=name), attr=attr) if name in MODULES and attr not in HARMLESS:
                yield f"line {node.lineno}: {name}.{attr}"
            case ast.Call() if called_name(node) in CALLS:
                yield f"line {node.lineno}: {called_name(node)}(...)"
            case ast.keyword(arg=str(name), value=ast.Constant(value=value)) if (name, value) in ARGUMENTS:
                yield f"line {node.value.lineno}: {name}={value}"


def test_no_file_of_the_product_executes_or_unpickles_what_it_reads() -> None:
    modules = read_modules(ROOT, ("gasearch", "workers/gasearch_workers", "alembic"))
    assert len(modules) > 20
    found = [f"{module.name} {problem}" for module in modules for problem in find_forbidden(module.syntax)]
    assert found == []


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import pickle\nx = pickle.loads(b)", "line 2: pickle.loads"),
        ("from cloudpickle import loads", "line 1: from cloudpickle import loads"),
        ("import dill as d", "line 1: import dill as d"),
        ("x = eval(text)", "line 1: eval(...)"),
        ("exec(code)", "line 1: exec(...)"),
        ("run(command, shell=True)", "line 1: shell=True"),
        ("numpy.load(path, allow_pickle=True)", "line 1: allow_pickle=True"),
        ("torch.load(path, weights_only=False)", "line 1: weights_only=False"),
        ("def f():\n    return yaml.load(text)", "line 2: yaml.load(...)"),
    ],
)
def test_a_forbidden_call_is_found(source: str, message: str) -> None:
    assert list(find_forbidden(ast.parse(source))) == [message]


@pytest.mark.parametrize(
    "source",
    [
        "import pickle\nx = pickle.UnpicklingError",
        "model.eval()",
        "connection.exec_driver_sql(text)",
        "torch.load(p, weights_only=True)",
    ],
)
def test_a_harmless_namesake_passes(source: str) -> None:
    assert list(find_forbidden(ast.parse(source))) == []
