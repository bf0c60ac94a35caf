"""gasearch: how big, how deep and how many bits should a network be? An evolutionary search that measures its answer.

import gasearch

search = gasearch.run("examples/digits.yaml")
search.best(where=["model_bytes <= 8 KB"])
gasearch.open("digits-cnn").front()
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gasearch.api import Search, compare, run
    from gasearch.spec.model import SearchSpec

__version__ = "0.4.0"
__all__ = ["Search", "SearchSpec", "compare", "open", "run"]


def open(name: str, *, db: str | None = None) -> Search:
    """The stored search of that name, to be asked at any time.

    Raises:
        UnknownSearch: if there is none.
    """
    from gasearch.api import Search

    return Search(name, db=db)


def __getattr__(name: str) -> Any:
    """Load the rest when it is asked for: the command line answers in a moment because nothing heavy loads here."""
    if name in ("Search", "compare", "run"):
        from gasearch import api

        return getattr(api, name)
    if name == "SearchSpec":
        from gasearch.spec.model import SearchSpec

        return SearchSpec
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
