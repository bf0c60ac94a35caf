"""From a spec to everything that a search needs; all that can be refused is refused here, before any work."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import gasearch
from gasearch.dispatch.dispatcher import Dispatcher
from gasearch.errors import BadInput, SpecError, WrongState
from gasearch.evolution.generational import GenerationalEngine
from gasearch.search import Problem, SearchBudget
from gasearch.space.build import build_space
from gasearch.space.constraints import ArithmeticConstraints
from gasearch.space.decisions import Space
from gasearch.space.decode import decode
from gasearch.space.size import space_size
from gasearch.spec.model import SearchSpec
from gasearch.storage.records import NewSearch, SearchRecord
from workers.custom import EvaluatorError, find_evaluator
from workers.data import load_dataset
from workers.data.dataset import DataError, Dataset
from workers.messages import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """A spec that is known to be workable, with its data loaded and its space built."""

    spec: SearchSpec
    data: Dataset | None  #: None for a custom evaluator.
    space: Space
    constraints: ArithmeticConstraints
    problem: Problem

    @property
    def budget(self) -> SearchBudget:
        """What the search may spend."""
        hours = self.spec.budget.hours
        return SearchBudget(evaluations=self.spec.budget.evaluations, seconds=None if hours is None else 3600 * hours)

    def engine(self) -> GenerationalEngine:
        """A fresh evolution, which knows nothing yet."""
        return GenerationalEngine(
            self.space,
            seed=self.spec.seed,
            population=self.spec.evolution.population,
            violation=self.constraints.violation,
        )
