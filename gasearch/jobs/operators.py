"""Operators of the user's own: the installed function `configure(toolbox, space)` that a spec names."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, Final

from gasearch_workers.evaluation.custom import MAIN

from gasearch.errors import OperatorFailed, SpecError
from gasearch.evolution.seeded_toolbox import SeededToolbox
from gasearch.evolution.toolbox import make_toolbox
from gasearch.search.progress import unheard
from gasearch.space.decisions import Space
from gasearch.spec.model import SearchSpec

KEY: Final = "evolution.toolbox"
_OF_ITS_OWN: Final = 'put it into a module of its own, such as mine.py, and name it "mine:configure"'

#: Changes a DEAP toolbox, as `gasearch.evolution.toolbox` makes it, in place.
Configure = Callable[[Any, Space], object]


def toolbox_of(spec: SearchSpec, space: Space) -> Any:
    """A fresh toolbox for the spec's algorithm, with the user's operators where it names any.

    Raises:
        SpecError: if what it names can't be found, or raises.
    """
    toolbox = make_toolbox(space, spec.algorithm)
    if spec.evolution.toolbox is not None:
        configure = find_configure(spec.evolution.toolbox)
        try:
            configure(toolbox, space)
        except Exception as error:  # whatever the user's function raises
            text = f"{spec.evolution.toolbox} raised {type(error).__name__}: {error}"
            raise SpecError(f"{KEY}: {text}") from error
    return toolbox


def require_operators(spec: SearchSpec, space: Space, notice: Callable[[str], None] = unheard) -> None:
    """Find the user's operators, if the spec names any, and try each of them on random individuals.

    Args:
        spec: Of the search.
        space: What genes mean.
        notice: Is told of a function that no other program can find.

    Raises:
        SpecError: if they can't be used, with the reason.
    """
    name = spec.evolution.toolbox
    if name is None:
        return
    if name.startswith(f"{MAIN}:") and spec.workers.count != 0:
        raise SpecError(
            f"{KEY}: {name!r} is another module in the program that resumes the search: {_OF_ITS_OWN}; or evaluate in "
            "this process, with workers.count: 0"
        )
    try:
        SeededToolbox(toolbox_of(spec, space), space, seed=spec.seed).try_out(len(spec.objectives))
    except (OperatorFailed, ValueError) as error:
        raise SpecError(f"{KEY}: {name}: {error}") from error
    if name.startswith(f"{MAIN}:"):
        notice(f"only this program can resume a search with {KEY} {name!r}: {_OF_ITS_OWN}")


def find_configure(name: str) -> Configure:
    """The function that "package.module:function" names.

    Raises:
        SpecError: if the module can't be imported, or has no such function.
    """
    module_name, _, function_name = name.partition(":")
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # whatever the user's module raises while it is imported
        raise SpecError(
            f"{KEY}: {name!r} can't be imported ({type(error).__name__}: {error}); install the package that holds "
            f"{module_name!r}, or put its folder on PYTHONPATH"
        ) from error
    function = getattr(module, function_name, None)
    if not callable(function):
        elsewhere = f"; {_OF_ITS_OWN}" if module_name == MAIN else ""
        raise SpecError(f"{KEY}: the module {module_name!r} has no function {function_name!r}{elsewhere}")
    return function  # type: ignore[no-any-return]


def named(function: Configure) -> str:
    """The name by which a resume finds a function: "package.module:function".

    Raises:
        SpecError: if it would find none, or another one.
    """
    name = getattr(function, "__qualname__", type(function).__qualname__)
    module = getattr(function, "__module__", "")
    if "." in name or "<" in name:
        raise SpecError(f"{KEY}: {name!r} has no name by which a resume could find it: {_OF_ITS_OWN}")
    if find_configure(f"{module}:{name}") is not function:
        raise SpecError(f"{KEY}: {module}:{name} is another function than the one that was given: {_OF_ITS_OWN}")
    return f"{module}:{name}"
