"""From a spec to everything that a search needs; all that can be refused is refused here, before any work."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial

from gasearch import __version__
from gasearch.errors import WrongState
from gasearch.evolution.generational import GenerationalEngine
from gasearch.search import Problem, SearchBudget
from gasearch.space.build import build_space
from gasearch.space.constraints import ArithmeticConstraints
from gasearch.space.data_shape import DataShape
from gasearch.space.decisions import Space
from gasearch.space.decode import decode
from gasearch.space.size import space_size
from gasearch.spec.check import check_against_data
from gasearch.spec.model import SearchSpec
from gasearch.spec.sources import load_data
from gasearch.storage.records import NewSearch, SearchRecord
from workers.data.dataset import Dataset


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

    def new_search(self) -> NewSearch:
        """What the store keeps about the search."""
        return NewSearch(
            name=self.spec.name,
            spec_json=self.spec.to_json(),
            spec_hash=self.spec.identity_hash(),
            objectives=tuple((objective.metric, objective.is_maximized) for objective in self.problem.objectives),
            space_fingerprint=self.space.fingerprint,
            space_size=space_size(self.space).as_float,
            data_json=json.dumps({} if self.data is None else self.data.describe(), sort_keys=True),
            version=__version__,
        )


def set_up(spec: SearchSpec) -> Setup:
    """Load the data, build the space, and check that they and the constraints fit together.

    Raises:
        SpecError: if the data or the evaluator can't be used, the family doesn't fit the data, or no network can meet a
            constraint.
    """
    data = load_data(spec)
    description = None if data is None else data.describe()
    check_against_data(spec, description)
    space = build_space(spec, None if description is None else DataShape.of(description))
    problem = Problem(
        name=spec.name,
        seed=spec.seed,
        task=spec.to_task() if data is None else spec.to_task(data.fingerprint, data.kind),
        recipe=spec.to_recipe(),
        objectives=spec.objectives_tuple(),
        limits=spec.limits(),
        decode=partial(decode, space=space),
        measures=spec.measures(),
        time_limit_s=spec.workers.time_limit_s,
        fidelity=spec.to_fidelity(),
    )
    constraints = ArithmeticConstraints(spec.limits(), space)
    return Setup(spec=spec, data=data, space=space, constraints=constraints, problem=problem)


def extended(spec: SearchSpec, *, evaluations: int | None, hours: float | None) -> SearchSpec:
    """The spec with another budget: the only thing that a resume may change in the store."""
    changes = {name: value for name, value in (("evaluations", evaluations), ("hours", hours)) if value is not None}
    if not changes:
        return spec
    content = spec.model_dump(mode="json")
    content["budget"] |= changes
    return SearchSpec.from_json(json.dumps(content))


def with_workers(spec: SearchSpec, count: int | None) -> SearchSpec:
    """The spec with another number of workers, where one is given."""
    if count is None:
        return spec
    content = spec.model_dump(mode="json")
    content["workers"]["count"] = count
    return SearchSpec.from_json(json.dumps(content))


def require_same_data(record: SearchRecord, data: Dataset | None) -> None:
    """Refuse to go on with data other than those that the search began with.

    Raises:
        WrongState: naming both fingerprints.
    """
    before = json.loads(record.data_json).get("fingerprint")
    now = None if data is None else data.fingerprint
    if before != now:
        raise WrongState(
            f"search {record.name!r} began with data of fingerprint {before}, and {data.name if data else 'its data'} "
            f"now has {now}: restore the data, or run a new search"
        )
