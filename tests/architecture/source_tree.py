"""What a tree of Python files imports and calls, read from its syntax; nothing of it is imported or run."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """One file of a tree."""

    name: str  #: Dotted, as it is imported: "gasearch.storage.sql"; a package by its own name.
    path: Path
    is_package: bool
    syntax: ast.Module

    @property
    def package(self) -> str:
        """What the relative imports of this module start from."""
        return self.name if self.is_package else self.name.rpartition(".")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """One import statement, or one `import_module("...")`, of one module."""

    importer: str
    target: str  #: A module of the tree where there is one of that name, else the foreign module as written.
    line: int
    is_lazy: bool  #: Doesn't run at import: inside a function, or what a lazy `__init__` shows to type checkers only.

    @property
    def library(self) -> str:
        """The top-level package of the target."""
        return self.target.partition(".")[0]

    def __str__(self) -> str:
        """Where and what, for a message."""
        return f"{self.importer}:{self.line} imports {self.target}"


def read_modules(root: Path, packages: Iterable[str]) -> list[Module]:
    """Every module of the packages, folders such as "gasearch" or "workers/gasearch_workers" under `root`, by name."""
    found = []
    for package in packages:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to((root / package).parent).with_suffix("").parts
            is_package = parts[-1] == "__init__"
            name = ".".join(parts[:-1] if is_package else parts)
            found.append(Module(name=name, path=path, is_package=is_package, syntax=parse(path.read_text())))
    return sorted(found, key=lambda module: module.name)


@functools.cache
def parse(source: str) -> ast.Module:
    """The syntax of a file, read once for all rules: none changes it."""
    return ast.parse(source)


def read_imports(modules: Iterable[Module]) -> list[Import]:
    """Every import of the modules; those under TYPE_CHECKING count like any other, save in an `__init__`."""
    modules = list(modules)
    names = {module.name for module in modules}
    return [
        Import(importer=module.name, target=target, line=line, is_lazy=is_lazy)
        for module in modules
        for target, line, is_lazy in _targets(module, names)
    ]


def _targets(module: Module, names: set[str]) -> Iterator[tuple[str, int, bool]]:
    for node, is_lazy in _walk(module.syntax, is_facade=module.is_package):
        match node:
            case ast.Import():
                for alias in node.names:
                    yield alias.name, node.lineno, is_lazy
            case ast.ImportFrom():
                source = _source(node, module.package)
                # `from a import b` loads a.b where that is a module, and a alone where b is a name in it.
                for target in {f"{source}.{a.name}" if f"{source}.{a.name}" in names else source for a in node.names}:
                    yield target, node.lineno, is_lazy
            case ast.Call(args=[ast.Constant(value=str(target)), *_]) if called_name(node) in _LOADERS:
                yield target, node.lineno, is_lazy


_LOADERS = ("import_module", "importlib.import_module", "__import__")


def _source(node: ast.ImportFrom, package: str) -> str:
    """The absolute name of what is imported from."""
    base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
    return ".".join([*base, *([node.module] if node.module else [])])


def _walk(node: ast.AST, *, is_facade: bool, is_lazy: bool = False) -> Iterator[tuple[ast.AST, bool]]:
    for child in ast.iter_child_nodes(node):
        inside = is_lazy or isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        inside |= is_facade and isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING")
        yield child, inside
        yield from _walk(child, is_facade=is_facade, is_lazy=inside)


def called_name(call: ast.Call) -> str:
    """The dotted name of what is called, as written; "" where it is an expression."""
    match call.func:
        case ast.Name() | ast.Attribute():
            return ast.unparse(call.func)
    return ""


def find_cycles(imports: Iterable[Import]) -> list[list[str]]:
    """The groups of modules that can't be imported without each other, by the imports that run at import.

    Tarjan, "Depth-first search and linear graph algorithms", SIAM J. Comput. 1972: strongly connected components.
    """
    edges: dict[str, set[str]] = {}
    for item in imports:
        if not item.is_lazy:
            edges.setdefault(item.importer, set()).add(item.target)
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    cycles: list[list[str]] = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for target in sorted(edges.get(name, ())):
            if target not in index:
                visit(target)
                low[name] = min(low[name], low[target])
            elif target in stack:
                low[name] = min(low[name], index[target])
        if low[name] == index[name]:
            group = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            if len(group) > 1 or name in edges.get(name, ()):
                cycles.append(sorted(group))

    for name in sorted(edges):
        if name not in index:
            visit(name)
    return cycles


def loaded_at_import(name: str, imports: Iterable[Import]) -> set[str]:
    """Everything that importing the module loads, however far: modules of the tree, and foreign ones as written."""
    edges: dict[str, set[str]] = {}
    for item in imports:
        if not item.is_lazy:
            edges.setdefault(item.importer, set()).add(item.target)
    loaded: set[str] = set()
    waiting = [name]
    while waiting:
        parts = waiting.pop().split(".")
        # Importing a.b.c runs a and a.b first.
        for step in {".".join(parts[: count + 1]) for count in range(len(parts))} - loaded:
            loaded.add(step)
            waiting.extend(edges.get(step, ()))
    return loaded
