"""The rule on the tree of tests: it mirrors the source, so that whoever changes a module knows where its tests are."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.architecture.source_tree import Module, read_modules

ROOT = Path(__file__).parents[2]

#: Each package, and the folder that mirrors it; scenarios that span packages are in `tests/scenarios`.
MIRRORS = {"gasearch": "tests/gasearch", "workers/gasearch_workers": "tests/workers"}


def has_logic(module: Module) -> bool:
    """Whether a function of the module does more than one thing: fields, names and contracts need no tests."""
    functions = (node for node in ast.walk(module.syntax) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))
    return any(len(without_docstring(function)) > 1 for function in functions)


def without_docstring(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.stmt]:
    """The statements of a function."""
    return function.body[1:] if ast.get_docstring(function) is not None else function.body


def topics(module: Module, source: Path, mirror: Path) -> Path:
    """Where the tests of a module are: this file, or one of this name with a topic; a package's own by its name."""
    place = module.path.relative_to(source)
    place = place.parent / place.parent.name if module.is_package else place.with_suffix("")
    return mirror / place.parent / f"test_{place.name or source.name}"


def is_named_after(test: Path, name: Path) -> bool:
    """Whether it is `test_MODULE.py` or `test_MODULE_topic.py`, beside where the module is."""
    return test.parent == name.parent and (test.stem == name.name or test.stem.startswith(f"{name.name}_"))


def find_gaps(root: Path, mirrors: dict[str, str] = MIRRORS) -> tuple[list[str], list[str]]:
    """The modules with logic that have no tests, and the tests that are named after no module; from the root."""
    lonely, strays = [], []
    for package, mirror in mirrors.items():
        modules = read_modules(root, [package])
        names = {module.path: topics(module, root / package, root / mirror) for module in modules}
        tests = sorted((root / mirror).rglob("test_*.py"))
        lonely += [
            module.path.relative_to(root).as_posix()
            for module in modules
            if has_logic(module) and not any(is_named_after(test, names[module.path]) for test in tests)
        ]
        strays += [
            test.relative_to(root).as_posix()
            for test in tests
            if not any(is_named_after(test, name) for name in names.values())
        ]
    return lonely, strays


@pytest.fixture(scope="module")
def gaps() -> tuple[list[str], list[str]]:
    return find_gaps(ROOT)


def test_every_module_with_logic_has_tests_of_its_name(gaps: tuple[list[str], list[str]]) -> None:
    lonely, _ = gaps
    assert lonely == []


def test_every_file_of_tests_is_named_after_a_module(gaps: tuple[list[str], list[str]]) -> None:
    _, strays = gaps
    assert strays == [], "scenarios are in tests/scenarios"


LOGIC = "def f(x):\n    y = x\n    return y\n"


@pytest.mark.parametrize(
    ("files", "lonely", "strays"),
    [
        ({"gasearch/space/size.py": LOGIC}, ["gasearch/space/size.py"], []),
        ({"gasearch/space/size.py": LOGIC, "tests/gasearch/space/test_size.py": ""}, [], []),
        ({"gasearch/space/size.py": LOGIC, "tests/gasearch/space/test_size_limits.py": ""}, [], []),
        ({"gasearch/space/size.py": LOGIC, "tests/gasearch/test_size.py": ""},
         ["gasearch/space/size.py"], ["tests/gasearch/test_size.py"]),
        ({"gasearch/web/__init__.py": LOGIC, "tests/gasearch/web/test_web_sockets.py": ""}, [], []),
        ({"gasearch/__init__.py": LOGIC, "tests/gasearch/test_gasearch.py": ""}, [], []),
        ({"gasearch/space/genome.py": "class G:\n    def n(self):\n        return 1\n"}, [], []),
        ({"gasearch/space/__init__.py": "", "tests/gasearch/space/test_places.py": ""},
         [], ["tests/gasearch/space/test_places.py"]),
    ],
)  # fmt: skip
def test_a_gap_is_found(files: dict[str, str], lonely: list[str], strays: list[str], tmp_path: Path) -> None:
    for name, source in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(source)
    assert find_gaps(tmp_path, {"gasearch": "tests/gasearch"}) == (lonely, strays)
