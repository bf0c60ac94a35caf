"""The record of the generations, as DEAP's programs keep theirs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from deap import tools


def make_logbook(generations: Iterable[Mapping[str, Any]]) -> tools.Logbook:
    """A `deap.tools.Logbook` with the columns `gen` and `nevals` first, as those of `deap.algorithms`.

    A mapping in an entry becomes a chapter.
    """
    logbook = tools.Logbook()
    for generation in generations:
        logbook.record(**generation)
        chapters = [name for name, value in generation.items() if isinstance(value, Mapping)]
        logbook.header = [name for name in generation if name not in chapters] + chapters
        for name in chapters:  # which DEAP gives the columns of the whole as well
            logbook.chapters[name].header = list(generation[name])
    return logbook
