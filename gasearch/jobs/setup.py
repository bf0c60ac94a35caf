"""From a spec to everything that a search needs; all that can be refused is refused here, before any work."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.metadata import version

from gasearch_workers.data.dataset import Dataset
from gasearch_workers.messages import DEPLOYED, Recipe

from gasearch import __version__
from gasearch.errors import SpecError, WrongState
from gasearch.evolution.advice import LARGE, SurrogateAdvisor
from gasearch.evolution.engine import Engine
from gasearch.evolution.generational import GenerationalEngine
from gasearch.evolution.steady_state import SteadyStateEngine
from gasearch.evolution.surrogate.surrogate import Surrogate
from gasearch.jobs.sources import (
    load_data,
    measuring_command,
    require_forms,
    require_operators,
    require_tools,
    toolbox_of,
)
from gasearch.jobs.spec_check import build_on_data
from gasearch.search.budget import SearchBudget
from gasearch.search.early_stopping import EarlyStop
from gasearch.search.problem import Problem
from gasearch.search.progress import unheard
from gasearch.search.replication import is_noisy
from gasearch.settings import cache_folder
from gasearch.space.bit_widths import digest_of, uniform_choices
from gasearch.space.constraints import ArithmeticConstraints
from gasearch.space.costs import COST_METRICS, Extremes, NetworkCosts
from gasearch.space.decisions import Space
from gasearch.space.decode import decode, disagreement
from gasearch.space.genome import Genome, make_genome
from gasearch.space.size import space_size
from gasearch.spec.evaluator_source import evaluator_source
from gasearch.spec.loader import require_texts
from gasearch.spec.model import SearchSpec
from gasearch.storage.records import NewSearch, SearchRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """A spec that is known to be workable, with its data loaded and its space built."""

    spec: SearchSpec
    data: Dataset | None  #: None for a custom evaluator.
    space: Space
    constraints: ArithmeticConstraints
    costs: NetworkCosts
    designs: tuple[Genome, ...]  #: What the spec begins with.
    problem: Problem

    @property
    def evaluator_source(self) -> str:
        """The custom evaluator's files as they are now; "" where there is none."""
        return "" if self.spec.task.evaluator is None else evaluator_source(self.spec.task.evaluator)

    @property
    def operators_source(self) -> str:
        """The files of the user's own operators as they are now; "" where there are none."""
        return "" if self.spec.evolution.toolbox is None else evaluator_source(self.spec.evolution.toolbox)

    @property
    def budget(self) -> SearchBudget:
        """What the search may spend."""
        asked = self.spec.budget
        return SearchBudget(
            evaluations=asked.evaluations,
            seconds=_seconds(asked.hours),
            device_seconds=_seconds(asked.device_hours),
            stalled=asked.stalled,
            gain_per_device_hour=asked.gain_per_device_hour,
        )

    def engine(self, known: Sequence[Genome] = ()) -> Engine:
        """A fresh evolution, which knows nothing yet; it begins with the spec's designs, then those known ones."""
        algorithm, population = self.spec.algorithm, self.spec.evolution.population
        if algorithm.startswith("optuna:"):
            from gasearch.evolution.optuna_engine import OptunaEngine

            return OptunaEngine(
                self.space,
                sampler=algorithm.removeprefix("optuna:"),
                seed=self.spec.seed,
                objectives=len(self.problem.objectives),
                population=population,
                is_limited=bool(self.problem.limits),
                violation=self.constraints.violation,
                known=(*self.designs, *known),
            )
        policy = SteadyStateEngine if self.spec.is_steady else GenerationalEngine
        return policy(
            self.space,
            seed=self.spec.seed,
            population=population,
            toolbox=toolbox_of(self.spec, self.space),
            violation=self.constraints.violation,
            known=(*self.designs, *known),
            advisor=self._advisor() if self.spec.uses_surrogate else None,
        )

    def _advisor(self) -> SurrogateAdvisor:
        """Chooses children by a surrogate; what arithmetic knows of a network it need not learn."""
        metrics = COST_METRICS if self.space.data is not None else ()
        objectives = [objective.metric for objective in self.problem.objectives]
        surrogate = Surrogate(
            self.space,
            objectives=len(objectives),
            exact=[metrics.index(metric) if metric in metrics else None for metric in objectives],
        )
        return SurrogateAdvisor(
            self.space,
            surrogate,
            objectives=len(objectives),
            seed=self.spec.seed,
            costs=lambda genome: tuple(float(value) for value in self.costs.of(genome).values()),
            is_long=self.spec.evolution.population >= LARGE,
            is_paced=self.spec.paces_surrogate,
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
            evaluator_source=self.evaluator_source,
            context=self.problem.context,
        )


def set_up(spec: SearchSpec, notice: Callable[[str], None] = unheard, compiler: str = "") -> Setup:
    """Load the data, build the space, and check that they and the constraints fit together.

    Args:
        spec: Of the search.
        notice: Takes what is downloaded.
        compiler: The cross compiler by which the search measures, where it has begun; see `compiler_at_start`.

    Raises:
        DataNotHere: if the data must be downloaded first.
        SpecError: if the data, the evaluator or the user's operators can't be used, the family doesn't fit the data, or
            no network can meet a constraint.
    """
    require_texts(spec.model_dump(), "the spec")  # one made in Python was read by nobody
    command = measuring_command(spec)
    data = load_data(spec, notice)
    space, designs = build_on_data(spec, None if data is None else data.describe())
    if space.trained is not None:
        designs = (*designs, *_uniform(space, designs))
    require_operators(spec, space, notice)
    toolchain = require_tools(spec, compiler)
    require_forms(spec, space)
    costs = NetworkCosts(space)
    objectives = spec.objectives_tuple()
    problem = Problem(
        name=spec.name,
        seed=spec.seed,
        task=spec.to_task() if data is None else spec.to_task(data.fingerprint, data.kind),
        recipe=spec.recipe.to_recipe(),
        objectives=objectives,
        limits=spec.limits(),
        decode=partial(decode, space=space),
        disagreement=lambda stored: disagreement(stored.genes, stored.key, stored.network_json, space),
        measures=spec.measures(),
        command=command,
        cpu=spec.target.cpu,
        toolchain=toolchain,
        time_limit_s=spec.workers.time_limit_s,
        memory_limit_bytes=spec.workers.memory_limit_bytes,
        disk_limit_bytes=spec.workers.disk_limit_bytes,
        fidelity=spec.recipe.to_fidelity(),
        costs=costs.of,
        counted=frozenset() if data is None else frozenset(COST_METRICS),
        early_stop=EarlyStop(steps=spec.rung_steps(), risk=spec.early_stop.risk) if spec.rung_steps() else None,
        replicates=spec.replicate_share,
        noisy=tuple(one.metric for one in objectives if is_noisy(one.metric, is_custom=spec.is_custom)),
        context="" if spec.recipe.tune else _context(spec, data, spec.recipe.to_recipe(), toolchain),
    )
    return Setup(
        spec=spec,
        data=data,
        space=space,
        constraints=ArithmeticConstraints(spec.limits(), space, costs, spec.target.operators),
        costs=costs,
        designs=designs,
        problem=problem,
    )


def _uniform(space: Space, known: Sequence[Genome]) -> list[Genome]:
    """The networks whose layers all have the same bits, where they aren't known yet: what mixtures are to beat."""
    found = {genome.key: genome for genome in (make_genome(genes, space) for genes in uniform_choices(space))}
    return [genome for key, genome in found.items() if key not in {one.key for one in known}]


def with_recipe(setup: Setup, recipe: Recipe) -> Setup:
    """The setup with a recipe that was tuned in the place of its spec's; outcomes are reused only among equal ones."""
    context = _context(setup.spec, setup.data, recipe, setup.problem.toolchain)
    return replace(setup, problem=replace(setup.problem, recipe=recipe, context=context))


def _context(spec: SearchSpec, data: Dataset | None, recipe: Recipe, toolchain: str) -> str:
    """Hash of all that an outcome depends on besides the network and the machine; "" where it can't be taken over.

    The seed of a training follows from the search's seed and the network's key, so that with an equal seed an equal
    network is trained alike. Inherited weights depend on a network's lineage, and a teacher on files and on the space;
    what a study of Optuna's says is nobody else's.
    """
    if spec.start.optuna is not None or not spec.reuses_outcomes or recipe.is_inheriting or recipe.teacher is not None:
        return ""
    task = spec.to_task() if data is None else spec.to_task(data.fingerprint, data.kind)
    libraries = [] if data is None else [f"torch {version('torch')}", f"gpus {spec.workers.gpus}"]
    content = [__version__, *libraries, spec.seed, asdict(task), asdict(recipe), asdict(spec.recipe.to_fidelity())]
    content.append(spec.rung_steps())
    if spec.measures().intersection(DEPLOYED):
        content += [spec.target.cpu, toolchain]
    if spec.measure is not None:
        content.append([spec.measure.arguments, spec.measure.metrics, spec.measure.formats])
    return hashlib.blake2b(json.dumps(content, sort_keys=True).encode(), digest_size=8).hexdigest()


def _seconds(hours: float | None) -> float | None:
    return None if hours is None else 3600 * hours


def extended(spec: SearchSpec, *, evaluations: int | None, hours: float | None) -> SearchSpec:
    """The spec with another budget: the only thing that a resume may change in the store.

    Args:
        spec: Of the search.
        evaluations: The new budget, in all; None: as it is.
        hours: The new wall time, in all; None: as it is.
    """
    asked = {"evaluations": evaluations, "hours": hours}
    return _with(spec, "budget", {name: value for name, value in asked.items() if value is not None})


def with_workers(spec: SearchSpec, count: int | None) -> SearchSpec:
    """The spec with another number of workers, where one is given."""
    return _with(spec, "workers", {} if count is None else {"count": count})


def with_toolbox(spec: SearchSpec, name: str) -> SearchSpec:
    """The spec with operators by that function."""
    return _with(spec, "evolution", {"toolbox": name})


def _with(spec: SearchSpec, section: str, values: dict[str, object]) -> SearchSpec:
    """The spec with other values in a section, checked like any; itself where there are none."""
    if not values:
        return spec
    content = spec.model_dump(mode="json")
    content[section] |= values
    return SearchSpec.from_json(json.dumps(content))


def require_same_data(record: SearchRecord, data: Dataset | None) -> None:
    """Refuse to go on with data other than those that the search began with.

    Raises:
        WrongState: naming both fingerprints, or both trained networks.
    """
    before = json.loads(record.data_json).get("fingerprint")
    now = None if data is None else data.fingerprint
    if before != now:
        raise WrongState(
            f"search {record.name!r} began with data of fingerprint {before}, and {data.name if data else 'its data'} "
            f"now has {now}: restore the data, or run a new search"
        )
    trained = digest_of(json.loads(record.data_json))
    loaded = "" if data is None else digest_of(data.describe())
    if trained != loaded:
        raise WrongState(
            f"search {record.name!r} began with the trained network {trained}, and what space.module and space.weights "
            f"now give is {loaded}: restore both, or run a new search"
        )


def with_teacher_outputs(setup: Setup, *, device: str, notice: Callable[[str], None]) -> Setup:
    """The setup, its training split with the teacher's outputs; as it is where there is no teacher.

    The largest network of the space is trained here, once, by the spec's own recipe, whatever was tuned: its outputs
    are kept in the cache folder.

    Args:
        setup: Of the search.
        device: Where to train the teacher.
        notice: Takes what takes long.

    Raises:
        SpecError: if the teacher doesn't fit the data or can't be trained; before any other training.
    """
    teacher, data = setup.problem.recipe.teacher, setup.data
    if teacher is None or data is None:
        return setup
    from gasearch_workers.evaluation.teacher import (
        LARGEST,
        TeacherError,
        at_full_precision,
        run_teacher,
        train_teacher,
        with_teacher,
    )

    try:
        if teacher == LARGEST:
            outputs = train_teacher(
                at_full_precision(Extremes(space=setup.space).largest("params").blueprint),
                data,
                setup.spec.recipe.to_recipe(),
                seed=setup.spec.seed,
                device=device,
                folder=cache_folder() / "teachers",
                notice=notice,
            )
        else:
            outputs = run_teacher(teacher, data)
    except TeacherError as error:
        raise SpecError(f"recipe.distillation.teacher: {error}") from error
    return replace(setup, data=with_teacher(data, outputs))
