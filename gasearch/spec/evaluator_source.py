"""The source of an installed function, an evaluator or the operators of a toolbox, by which a change of it is seen.

These are its module, the packages that hold it, and what they import from where it lies: of an installed function its
own package, of one in a folder all of the folder's modules. Libraries have versions, and data are not looked at.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import json
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Final

MOST_FILES: Final = 1_000  #: Beyond it the rest isn't looked at.


def evaluator_source(function: str) -> str:
    """The hash of each file of "package.module:function" by its name, as JSON; "" where there is no source to see."""
    name = function.partition(":")[0]
    try:
        file = importlib.import_module(name).__file__
    except (Exception, SystemExit):  # whoever calls it says why
        return ""
    if file is None or not file.endswith(".py"):
        return ""
    depth = name.count(".") + (Path(file).name == "__init__.py")
    above = Path(file).resolve().parents
    root = above[min(depth, len(above) - 1)]
    others = (Path(sysconfig.get_path(key)).resolve() for key in ("stdlib", "purelib", "platlib"))
    own = name.partition(".")[0] if root in others else ""  # there, other packages lie as well
    hashes = {
        str(path.relative_to(root)): hashlib.blake2b(path.read_bytes(), digest_size=8).hexdigest()
        for path in sorted(_reached(name, root, own))
    }
    return json.dumps(hashes)


def changed_files(before: str, now: str) -> list[str]:
    """The files that differ between two such sources, those that came or went included; none where one isn't known."""
    if not before or not now:
        return []
    old, new = json.loads(before), json.loads(now)
    return [file for file in sorted({*old, *new}) if old.get(file) != new.get(file)]


def _reached(name: str, root: Path, own: str) -> set[Path]:
    """The files below `root` of a module and of what it imports; only those of the package `own` if one is given."""
    found: set[Path] = set()
    waiting = [name]
    seen: set[str] = set()
    while waiting and len(found) < MOST_FILES:
        module = waiting.pop()
        if module in seen or (own and module.partition(".")[0] != own):
            continue
        seen.add(module)
        parent, place = module.rpartition(".")[0], root.joinpath(*module.split("."))
        path = next((path for path in (place.with_suffix(".py"), place / "__init__.py") if path.is_file()), None)
        if path is None:
            continue
        if parent:
            waiting.append(parent)
        if path not in found:
            found.add(path)
            waiting.extend(_imports(path, module if path.name == "__init__.py" else parent))
    return found


def _imports(path: Path, package: str) -> Iterator[str]:
    """The modules that a file names in its imports, wherever in it they stand; `from a import b` may mean two."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):  # whoever imports it says why
        return
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                above = package.split(".")[: len(package.split(".")) - level + 1] if level else []
                base = ".".join([*above, *([module] if module else [])])
                yield base
                yield from (f"{base}.{alias.name}" for alias in names)
            case _:
                pass
