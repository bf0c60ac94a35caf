"""The rule on docstrings, over the syntax: what takes three arguments says what each is, and what raises says what.

Ruff has no such rule: its D417 looks into sections that are there, and DOC501 asks private functions too.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.source_tree import Module, read_modules

ROOT = Path(__file__).parents[2]
PACKAGES = ("gasearch", "workers/gasearch_workers")

#: From this many parameters on, `self` and `cls` not counted, each is said what it is.
FEW = 3

#: Raised to say something to a developer or to Typer, not to a caller.
NO_CALLERS_BUSINESS = {"AssertionError", "NotImplementedError", "typer.Exit"}

#: What these decorate is called by Typer, FastAPI or a type checker alone: the help of each option, or the other
#: signature, says more.
CALLED_BY_OTHERS = re.compile(
    r"\w+\.(command|callback|get|post|put|delete|patch|websocket|exception_handler|setter)|overload"
)

Function = ast.FunctionDef | ast.AsyncFunctionDef


def parameters(function: Function, *, is_method: bool) -> tuple[str, ...]:
    """What a caller passes, by name, in the order of the signature."""
    arguments = function.args
    names = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
    is_static = any(ast.unparse(decorator) == "staticmethod" for decorator in function.decorator_list)
    names = names[1:] if is_method and not is_static else names
    names += [arguments.vararg.arg] if arguments.vararg else []
    names += [argument.arg for argument in arguments.kwonlyargs]
    return (*names, *([arguments.kwarg.arg] if arguments.kwarg else []))


def raised(function: Function) -> list[str]:
    """The exceptions that the function's own statements raise, those of functions inside it left out."""
    found, waiting = [], list(function.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Raise) and node.exc is not None:
            found.append(ast.unparse(node.exc.func if isinstance(node.exc, ast.Call) else node.exc))
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            waiting.extend(ast.iter_child_nodes(node))
    return [name for name in found if name not in NO_CALLERS_BUSINESS]


def section(docstring: str, title: str) -> str:
    """What stands indented below the title; "" where there is none."""
    found = re.search(rf"^{title}:\n((?:[ ]+.*(?:\n|\Z)|\n)+)", docstring, re.MULTILINE)
    return found[1] if found else ""


def lacks(function: Function, docstring: str, *, is_method: bool) -> Iterator[str]:
    """What the docstring should say and doesn't."""
    names = parameters(function, is_method=is_method)
    described = set(re.findall(r"^ +\*{0,2}(\w+)(?: \(.*\))?:", section(docstring, "Args"), re.MULTILINE))
    if len(names) >= FEW and (missing := [name for name in names if name not in described]):
        yield f"Args: lacks {', '.join(missing)}"
    if raised(function) and not section(docstring, "Raises"):
        yield f"Raises: lacks {', '.join(dict.fromkeys(raised(function)))}"


def public_functions(
    body: list[ast.stmt], owner: ast.ClassDef | None = None
) -> Iterator[tuple[Function, ast.ClassDef | None]]:
    """Public functions and the public methods of public classes, each with its class; nothing inside a function."""
    for node in body:
        match node:
            case ast.ClassDef(name=name) if not name.startswith("_"):
                yield from public_functions(node.body, node)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) if not name.startswith("_"):
                decorators = [ast.unparse(decorator) for decorator in node.decorator_list]
                if not any(CALLED_BY_OTHERS.match(decorator) for decorator in decorators):
                    yield node, owner
            case ast.If() | ast.Try():
                yield from public_functions([*node.body, *node.orelse], owner)


def is_protocol(owner: ast.ClassDef) -> bool:
    """Whether the class is a contract that others implement."""
    return any(re.match(r"(\w+\.)?(Protocol|ABC)\b", ast.unparse(base)) for base in owner.bases)


def find_lacks(modules: list[Module]) -> Iterator[tuple[str, str]]:
    """Each package with a problem of one of its functions.

    A contract is described once: a method of the name and the parameters of a protocol's is described there.
    """
    functions = [(module, *found) for module in modules for found in public_functions(module.syntax.body)]
    contracts = {
        (function.name, parameters(function, is_method=True)): ast.get_docstring(function) or ""
        for _, function, owner in functions
        if owner and is_protocol(owner)
    }
    for module, function, owner in functions:
        contract = contracts.get((function.name, parameters(function, is_method=True)), "") if owner else ""
        docstring = f"{ast.get_docstring(function) or ''}\n\n{contract}"
        for problem in lacks(function, docstring, is_method=owner is not None):
            name = f"{owner.name}.{function.name}" if owner else function.name
            package = ".".join(module.name.split(".")[:2])
            yield package, f"{module.path}:{function.lineno} {name}: {problem}"


@pytest.fixture(scope="module")
def problems() -> list[tuple[str, str]]:
    return list(find_lacks(read_modules(ROOT, PACKAGES)))


def test_public_functions_say_what_they_take_and_raise(problems: list[tuple[str, str]]) -> None:
    assert [problem for _, problem in problems] == []


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ('def f(a, b, *, c):\n    """Do it."""', "f: Args: lacks a, b, c"),
        ('def f(a, b, c):\n    """Do it.\n\n    Args:\n        a: One.\n        b: Two.\n    """', "f: Args: lacks c"),
        ('class C:\n    def f(self, a, *b, **c):\n        """Do it."""', "C.f: Args: lacks a, b, c"),
        ('class C:\n    @staticmethod\n    def f(a, b, c):\n        """Do it."""', "C.f: Args: lacks a, b, c"),
        ('def f():\n    """Do it."""\n    if x:\n        raise ValueError("x")', "f: Raises: lacks ValueError"),
        ('def f():\n    """Do it.\n\n    Raises: something.\n    """\n    raise E', "f: Raises: lacks E"),
        ('class P(Protocol):\n    def f(self, a, b, c):\n        """Do it."""', "P.f: Args: lacks a, b, c"),
        ("if x:\n    async def f(a, b, c): pass", "f: Args: lacks a, b, c"),
    ],
)
def test_an_offender_is_found(source: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / "gasearch/space").mkdir(parents=True)
    (tmp_path / "gasearch/space/size.py").write_text(source)
    [(package, found)] = find_lacks(read_modules(tmp_path, ("gasearch",)))
    assert package == "gasearch.space"
    assert found.endswith(problem)


@pytest.mark.parametrize(
    "source",
    [
        'def f(a, b):\n    """Do it."""',
        'def _f(a, b, c):\n    """Do it."""',
        'class _C:\n    def f(self, a, b, c): pass',
        'class C:\n    def f(self, a, b):\n        """Do it."""',
        'def f():\n    def g(a, b, c):\n        raise ValueError',
        'def f():\n    try:\n        g()\n    except ValueError:\n        raise',
        'def f():\n    raise AssertionError("never")',
        'def f():\n    raise typer.Exit',
        'def f(a, b, *c):\n    """Do it.\n\n    Args:\n        a: One,\n'
        '            in two lines.\n        b (int): Two.\n\n        *c: More.\n    """',
        'def f():\n    """Do it.\n\n    Raises:\n        ValueError: Always.\n    """\n    raise ValueError',
        '@app.command("run")\ndef f(a, b, c): pass',
        '@router.get("/")\ndef f(a, b, c): pass',
        "@overload\ndef f(a, b, c): ...",
        'class P(Protocol):\n    def f(self, a, b, c):\n        """Do it.\n\n        Args:\n'
        '            a: One.\n            b: Two.\n            c: Three.\n        """'
        "\nclass C:\n    def f(self, a, b, c): pass",
    ],
)  # fmt: skip
def test_what_keeps_the_rule_or_is_none_of_its_business_passes(source: str, tmp_path: Path) -> None:
    (tmp_path / "gasearch").mkdir()
    (tmp_path / "gasearch/size.py").write_text(source)
    assert list(find_lacks(read_modules(tmp_path, ("gasearch",)))) == []
