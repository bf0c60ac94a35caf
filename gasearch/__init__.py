"""How big, how deep and how many bits should a network be? An evolutionary search that measures its answer.

    import gasearch

    search = gasearch.run("examples/digits.yaml")
    search.best(where=["model_bytes <= 8 KB"])
    gasearch.open("digits-cnn").front()

`run` starts a search, `open` gives a stored one, `list` tells of all, `compare` puts several side by side. What can be
asked of one, and done with it, are the methods of `Search`: those that the command line has as commands. `load` gives
the network of an exported folder as a torch module, `verify` runs its files; `sensitivity` says what each layer of a
trained network loses at fewer bits. `submit` puts a search into the queue of the controllers, which `queue` shows. For
networks of your own there are
`gasearch.quantize`, `pack`, `unpack` and `measure_latency`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from gasearch.api import Search, compare, queue, run, sensitivity, submit, verify
    from gasearch.api import list_searches as list
    from gasearch.api import load_network as load
    from gasearch.own_network import measure_latency, pack, unpack
    from gasearch.spec.model import SearchSpec

__version__ = "0.4.0"
__all__ = [
    "Search",
    "SearchSpec",
    "compare",
    "list",
    "load",
    "measure_latency",
    "open",
    "pack",
    "queue",
    "run",
    "sensitivity",
    "submit",
    "unpack",
    "verify",
]

#: Where the names are that load when they are asked for: the command line answers in a moment because nothing heavy
#: loads here.
_HOMES = {
    "Search": ("gasearch.api", "Search"),
    "SearchSpec": ("gasearch.spec.model", "SearchSpec"),
    "compare": ("gasearch.api", "compare"),
    "list": ("gasearch.api", "list_searches"),
    "load": ("gasearch.api", "load_network"),
    "measure_latency": ("gasearch.own_network", "measure_latency"),
    "pack": ("gasearch.own_network", "pack"),
    "queue": ("gasearch.api", "queue"),
    "run": ("gasearch.api", "run"),
    "sensitivity": ("gasearch.api", "sensitivity"),
    "submit": ("gasearch.api", "submit"),
    "unpack": ("gasearch.own_network", "unpack"),
    "verify": ("gasearch.api", "verify"),
}


def open(name: str, *, db: str | Path | None = None) -> Search:
    """The stored search of that name, to be asked at any time.

    Raises:
        UnknownSearch: if there is none.
    """
    from gasearch.api import Search

    return Search(name, db=db)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    module, attribute = _HOMES[name]
    return getattr(importlib.import_module(module), attribute)


def __dir__() -> Any:
    """The public names, those that aren't loaded yet among them: what `dir` and `help` tell of."""
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
