"""The rule on tests: none touches a private name of the source, so that what is behind a border can change."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.architecture.source_tree import Module, called_name, read_modules

ROOT = Path(__file__).parents[2]
PACKAGES = ("gasearch", "workers/gasearch_workers")

#: Folders of tests that don't keep the rule yet.
NOT_YET: set[str] = set()

#: Calls whose second argument is the name of an attribute of the first.
BY_NAME = re.compile(r"(.*\.)?((get|set|has|del)attr|patch\.object)")

#: A private name of the source in a text: one to patch, or a program for a process of its own.
IN_A_TEXT = re.compile(
    r"\bgasearch(?:_workers)?(?:\.\w+)*\.(_[a-zA-Z]\w*)|\bfrom gasearch[\w.]* import[\w, ]* (_[a-zA-Z]\w*)"
)


def is_private(name: str) -> bool:
    """Whether the name begins with one underscore and is more than that."""
    return name.startswith("_") and name.strip("_") != "" and not name.startswith("__")


def private_names(syntax: ast.AST) -> set[str]:
    """The private functions, classes, variables, fields and attributes that a file defines."""
    found = set()
    for node in ast.walk(syntax):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                found.add(name)
            case ast.Name(id=name, ctx=ast.Store()):
                found.add(name)
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name, ctx=ast.Store()):
                found.add(name)
            case ast.Assign(targets=[ast.Name(id="__slots__")], value=ast.Tuple(elts=names)):
                found.update(name.value for name in names if isinstance(name, ast.Constant))
    return {name for name in found if is_private(name)}


def find_uses(test: Module, private: set[str]) -> Iterator[str]:
    """Each use of a private name of the source in a file of tests, with its line.

    An attribute counts where the source defines one of its name and the file itself doesn't: its own doubles may have
    private parts.
    """
    own = private_names(test.syntax)
    foreign = foreign_names(test.syntax)
    for node in ast.walk(test.syntax):
        match node:
            case ast.ImportFrom(module=str(source), names=names) if source.startswith("gasearch"):
                parts = [*source.split("."), *(alias.name for alias in names)]
                yield from (f"{node.lineno}: import of {name}" for name in parts if is_private(name))
            case ast.Import(names=names):
                parts = [part for alias in names if alias.name.startswith("gasearch") for part in alias.name.split(".")]
                yield from (f"{node.lineno}: import of {name}" for name in parts if is_private(name))
            case ast.Attribute(value=value, attr=name) if name in private - own and root_of(value) not in foreign:
                yield f"{node.lineno}: {ast.unparse(node)}"
            case ast.Call(args=[value, ast.Constant(value=str(name)), *_]) if BY_NAME.fullmatch(called_name(node)):
                if name in private - own and root_of(value) not in foreign:
                    yield f"{node.lineno}: {ast.unparse(value)}.{name} by {called_name(node)}"
            case ast.Constant(value=str(text)):
                names = {name for groups in IN_A_TEXT.findall(text) for name in groups}
                yield from (f"{node.lineno}: {name} in a text" for name in sorted(names) if is_private(name))


def root_of(value: ast.expr) -> str:
    """The first name of a dotted expression; "" where it begins otherwise."""
    while isinstance(value, ast.Attribute):
        value = value.value
    return value.id if isinstance(value, ast.Name) else ""


def foreign_names(syntax: ast.AST) -> set[str]:
    """The names under which a file imports what is neither the source's nor the tests'."""
    found = set()
    for node in ast.walk(syntax):
        match node:
            case ast.Import(names=names):
                found |= {(alias.asname or alias.name).partition(".")[0] for alias in names if is_foreign(alias.name)}
            case ast.ImportFrom(module=str(module), names=names) if is_foreign(module):
                found |= {alias.asname or alias.name for alias in names}
    return found


def is_foreign(module: str) -> bool:
    """Whether the module is of another project."""
    return module.partition(".")[0] not in ("gasearch", "gasearch_workers", "tests")


def all_uses(root: Path, packages: Iterable[str] = PACKAGES) -> Iterator[tuple[str, str]]:
    """Each folder of tests below the root with a use of a private name; this file's own samples don't count."""
    private = {name for module in read_modules(root, packages) for name in private_names(module.syntax)}
    for test in read_modules(root, ("tests",)):
        path = test.path.relative_to(root)
        for use in find_uses(test, private) if path.name != Path(__file__).name else ():
            yield path.parent.as_posix(), f"{path}:{use}"


@pytest.fixture(scope="module")
def uses() -> list[tuple[str, str]]:
    return list(all_uses(ROOT))


def test_no_test_touches_a_private_name_of_the_source(uses: list[tuple[str, str]]) -> None:
    assert [use for folder, use in uses if folder not in NOT_YET] == []


def test_a_folder_that_keeps_the_rule_is_no_longer_excused(uses: list[tuple[str, str]]) -> None:
    assert NOT_YET - {folder for folder, _ in uses} == set(), "take these out of NOT_YET"


SOURCE = (
    "def _run(): pass\nclass Loop:\n    __slots__ = ('_slot',)\n    def __init__(self):\n"
    "        self._state = 1\n    def _step(self): pass"
)


def uses_in(test: str, folder: Path) -> list[str]:
    for name, source in {"gasearch/loop.py": SOURCE, "tests/test_loop.py": test}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(source)
    return [use.partition(":")[2] for _, use in all_uses(folder, ("gasearch",))]


@pytest.mark.parametrize(
    ("test", "use"),
    [
        ("from gasearch.loop import _run", "1: import of _run"),
        ("import gasearch._loop", "1: import of _loop"),
        ("from gasearch import loop\nloop._run()", "2: loop._run"),
        ("def test_it():\n    assert build()._state == 2", "2: build()._state"),
        ("loop._slot = 3\nloop._Loop", "1: loop._slot"),
        ("monkeypatch.setattr(loop, '_run', None)", "1: loop._run by monkeypatch.setattr"),
        ("x = getattr(loop, '_step')", "1: loop._step by getattr"),
        ("monkeypatch.setattr('gasearch.loop._run', None)", "1: _run in a text"),
        ("code = 'from gasearch.loop import Loop, _run'", "1: _run in a text"),
        ("code = 'import gasearch; gasearch.loop._run()'", "1: _run in a text"),
    ],
)
def test_a_use_is_found(test: str, use: str, tmp_path: Path) -> None:
    assert uses_in(test, tmp_path) == [use]


@pytest.mark.parametrize(
    "test",
    [
        "class Fake:\n    def __init__(self):\n        self._state = 1\n    def n(self):\n        return self._state",
        "import os\nos._exit(0)",
        "import ray\nray._state",
        "loop._private_of_nobody",
        "loop.__init__()\nloop.state",
        "from gasearch.loop import __name__",
        "text = 'gasearch.loop of a run'",
    ],
)
def test_own_and_foreign_private_names_pass(test: str, tmp_path: Path) -> None:
    assert uses_in(test, tmp_path) == []
