"""Specs from files (YAML, TOML, JSON) or mappings, with overrides; whatever is wrong becomes one `SpecError`."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from gasearch.errors import SpecError
from gasearch.spec.explain import Problem, explain, path_text, show
from gasearch.spec.model import SearchSpec
from gasearch.spec.sections import EMBEDDED
from gasearch.spec.yaml12 import MAX_DEPTH, MAX_NODES, Document, SyntaxProblem, parse_yaml

MAX_BYTES: Final = 256 * 1024
MAX_SHOWN: Final = 20  #: Problems listed; the rest is counted.

#: The keys that may name files, and the values that don't.
_FILES: Final = (
    ("task", "dataset"),
    ("task", "validation"),
    ("task", "test"),
    ("space", "weights"),
    ("recipe", "distillation", "teacher"),
)
_NO_FILES: Final = (*EMBEDDED, "largest")


def load_spec(source: Path | str | Mapping[str, Any], overrides: Sequence[str] = ()) -> SearchSpec:
    """The validated spec of a file or a mapping.

    A file's name gives the search its name where the spec has none. A relative path of data, weights or a teacher is
    taken from the spec file's folder, else from the working directory, and made absolute if it exists there.

    Args:
        source: A path (`.toml` and `.json` by these names, all else is read as YAML), or the mapping itself.
        overrides: "key.path=value" each, the value read as YAML; later ones win.

    Raises:
        SpecError: with every problem on a line of its own: key path, what came, what is allowed, the nearest key.
    """
    if isinstance(source, Mapping):
        document, origin, folder = _document_of(_copied(dict(source))), "spec", Path.cwd()
    else:
        path = Path(source)
        document, origin, folder = _read(path), str(path), path.parent
        if isinstance(document.content, dict):
            document.content.setdefault("name", _name_of(path))
    if not isinstance(document.content, dict):
        came = "nothing" if document.content is None else show(document.content)
        raise SpecError(f"{origin}: a spec is a mapping with keys such as name, space and objectives; got {came}")
    for override in overrides:
        _override(document.content, override)
    _locate_files(document.content, folder)
    require_texts(document.content, origin)
    try:
        return SearchSpec.model_validate(document.content)
    except ValidationError as error:
        raise SpecError(_report(origin, explain(error, SearchSpec), document)) from error


def _copied(content: Any) -> Any:
    """A copy of the mappings and lists; what else there is (a generator, say) is left for the fields to judge."""
    if isinstance(content, dict):
        return {key: _copied(value) for key, value in content.items()}
    return [_copied(item) for item in content] if type(content) is list else content


def _report(origin: str, problems: Sequence[Problem], document: Document) -> str:
    lines = [f"{_line_of(problem, document)}{problem}" for problem in problems]
    if len(lines) == 1:
        return f"{origin}: {lines[0]}"
    listed = [f"  {line}" for line in lines[:MAX_SHOWN]]
    if len(lines) > MAX_SHOWN:
        listed.append(f"  and {len(lines) - MAX_SHOWN:,} more")
    return "\n".join([f"{origin} has {len(lines):,} problems:", *listed])


def _line_of(problem: Problem, document: Document) -> str:
    """The line of the problem's key, or of the nearest key above it that stands in the file."""
    above = (problem.path[:length] for length in range(len(problem.path), 0, -1))
    return next((f"line {document.lines[path]}: " for path in above if path in document.lines), "")


# --- reading ----------------------------------------------------------------------------------------------------


def _read(path: Path) -> Document:
    text = _text_of(path)
    try:
        match path.suffix.lower():
            case ".toml":
                return _document_of(tomllib.loads(text))
            case ".json":
                return _document_of(json.loads(text, object_pairs_hook=_object_of, parse_constant=_no_constant))
            case _:
                return parse_yaml(text)
    except SyntaxProblem as error:
        raise SpecError(f"{path}, line {error.line}: {error}") from error
    except json.JSONDecodeError as error:
        raise SpecError(f"{path}, line {error.lineno}: {error.msg} (column {error.colno})") from error
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise SpecError(f"{path} can't be read: {reason}") from error


def _text_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise SpecError(f"there is no spec file {str(path)!r}; write one with: gasearch init -o {path}") from None
    except IsADirectoryError:
        raise SpecError(f"{str(path)!r} is a folder; give the spec file in it") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise SpecError(f"the spec file {str(path)!r} can't be read: {reason}") from error
    if len(content) > MAX_BYTES:
        raise SpecError(f"{path} is too large for a spec: at most {MAX_BYTES // 1024} KiB")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise SpecError(
            f"{path}, line {line}: a spec is UTF-8 text; got the byte 0x{content[error.start]:02x}"
        ) from error


def _object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for key, value in pairs:
        if key in content:
            raise ValueError(f"the key {key!r} stands twice in one object")
        content[key] = value
    return content


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON, and no number that a spec can use")


def _document_of(content: Any) -> Document:
    """A document without lines, within the bounds that YAML has.

    Raises:
        SpecError: for a mapping with keys that are no texts, or beyond the bounds.
    """
    nodes, level, depth = 0, [content], 0
    while level:
        nodes, depth = nodes + len(level), depth + 1
        if nodes > MAX_NODES or depth > MAX_DEPTH:
            raise SpecError(f"a spec holds at most {MAX_NODES:,} values, nested at most {MAX_DEPTH} deep")
        for node in level:
            if isinstance(node, dict) and not all(isinstance(key, str) for key in node):
                raise SpecError(
                    f"the keys of a spec are texts; got {show(next(k for k in node if type(k) is not str))}"
                )
        values = (list(node.values()) if isinstance(node, dict) else node for node in level)
        level = [below for node in values if isinstance(node, list | tuple) for below in node]
    return Document(content=content, lines={})


def require_texts(node: Any, origin: str, path: tuple[str | int, ...] = ()) -> None:
    """Refuse texts that UTF-8 can't hold: halves of surrogate pairs, such as a file's name that is no UTF-8 becomes.

    Neither the database nor a worker could take them.

    Args:
        node: What to look through.
        origin: The file, for the message.
        path: Where the node stands in it.

    Raises:
        SpecError: with the key.
    """
    if isinstance(node, dict):
        for key, below in node.items():
            require_texts(str(key), origin, path)
            require_texts(below, origin, (*path, str(key)))
    elif isinstance(node, list | tuple):
        for number, below in enumerate(node):
            require_texts(below, origin, (*path, number))
    elif isinstance(node, str) and any("\ud800" <= letter <= "\udfff" for letter in node):
        where = f"{path_text(path)}: " if path else ""
        raise SpecError(f"{origin}: {where}must be text that UTF-8 can hold; got {node!r}")


def _name_of(path: Path) -> str:
    """The file's name without its ending, as the name of a search."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).lstrip(".-")[:100] or "search"


# --- overrides and data -----------------------------------------------------------------------------------------


def _override(content: dict[str, Any], override: str) -> None:
    """Set one value; sections that are missing are made, and what they may hold is checked with all the rest."""
    key_path, equals, text = override.partition("=")
    keys = key_path.strip().split(".")
    if not equals or not all(keys):
        raise SpecError(f"--set takes key.path=value, such as recipe.epochs=5; got {override!r}")
    try:
        value = parse_yaml(text).content
    except SyntaxProblem as error:
        raise SpecError(f"--set {override}: the value is no YAML: {error}") from error
    section = content
    for depth, key in enumerate(keys[:-1]):
        below = section.setdefault(key, {})
        if not isinstance(below, dict):
            raise SpecError(f"--set {override}: {path_text(tuple(keys[: depth + 1]))} is {show(below)}, not a mapping")
        section = below
    section[keys[-1]] = value


def _locate_files(content: dict[str, Any], folder: Path) -> None:
    """Make the relative paths of data and of a teacher absolute where they lead to something."""
    for *sections, key in _FILES:
        holder: Any = content
        for section in sections:
            holder = holder.get(section) if isinstance(holder, dict) else None
        value = holder.get(key) if isinstance(holder, dict) else None
        if isinstance(value, str) and value not in _NO_FILES and "\0" not in value:
            places = (base / os.path.expanduser(value) for base in (folder, Path.cwd()))
            holder[key] = next((str(place.resolve()) for place in places if os.path.exists(place)), value)
