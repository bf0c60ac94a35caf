"""What a spec spans on its data: its size, its extremes, what the budget buys; what can't work is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from gasearch_workers.network.operators import operators_of

from gasearch.errors import SpecError
from gasearch.objectives.metrics import usual_direction
from gasearch.objectives.units import format_quantity
from gasearch.search.progress import unheard
from gasearch.space.build import build_space
from gasearch.space.constraints import ArithmeticConstraints
from gasearch.space.costs import COST_METRICS, Extremes, NetworkCosts, SizedNetwork, cost_of
from gasearch.space.decisions import DataShape, Space
from gasearch.space.encode import starting_genomes
from gasearch.space.genome import Genome
from gasearch.space.operators import operators_in
from gasearch.space.size import SizeEstimate, space_size
from gasearch.spec.engine_text import measure_lines, search_lines
from gasearch.spec.fitting import input_problems, kind_problems, recipe_problems
from gasearch.spec.model import SearchSpec
from gasearch.spec.sections import BudgetSpec
from gasearch.spec.spaces import CustomSpace, LayeredSpace

TRAINING_PASSES = 3  #: Work of a training step in forward passes: the backward pass costs about two.


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecReport:
    """What a workable spec spans."""

    spec: SearchSpec
    data: Mapping[str, Any] | None  #: As `Dataset.describe` gives it; None for a custom evaluator.
    size: SizeEstimate
    smallest: SizedNetwork | None  #: By model_bytes; None for a custom space.
    largest: SizedNetwork | None
    operators: tuple[str, ...]  #: That its networks need; () for a custom space.
    notes: tuple[str, ...]  #: What is allowed but may be a mistake.
    toolchain: str = ""  #: The cross compiler that measures its networks, with its version; "": none is needed.

    def __str__(self) -> str:
        """The report in a few lines."""
        lines = [f"{self.spec.name}: {task_text(self.spec, self.data)}", f"space     {self.size}"]
        if self.operators:
            lacking = [name for name in self.operators if name not in (self.spec.target.operators or self.operators)]
            refused = f"; none with {' or '.join(lacking)} is proposed (target.operators)" if lacking else ""
            lines.append(f"operators {', '.join(self.operators)}{refused}")
        if self.smallest is not None and self.largest is not None:
            excluded = ", which the constraints exclude" if _is_excluded(self.largest, self.spec) else ""
            lines += [f"smallest  {_costs_text(self.smallest)}", f"largest   {_costs_text(self.largest)}{excluded}"]
        lines += _titled("measure", measure_lines(self.spec.measure))
        if self.toolchain:
            lines.append(f"firmware  {self.spec.target.cpu}, compiled by {self.toolchain}")
        lines += _titled("search", search_lines(self.spec))
        lines += _titled("budget", self._budget_lines())
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])

    def _budget_lines(self) -> Iterator[str]:
        budget = self.spec.budget
        until = "".join(f", or {end}" for end in _other_ends(budget))
        yield f"{budget.evaluations:,} evaluations{until}{', whichever is first' * bool(until)}"
        if self.data is None or self.smallest is None or self.largest is None:
            return
        samples = max(1, round(self.spec.recipe.data_share * self.data["train"]))
        passes = self.spec.recipe.epochs * samples
        low, high = (
            format_quantity(TRAINING_PASSES * network.costs.macs * passes, "macs")
            for network in (self.smallest, self.largest)
        )
        yield f"each a training of {self.spec.recipe.epochs:,} epochs over {samples:,} samples"
        yield f"{low} MACs for the smallest network, {high} for the largest"


def _titled(title: str, lines: Iterator[str]) -> Iterator[str]:
    """Lines below each other, the title before the first of them."""
    return (f"{'' if number else title:9} {line}" for number, line in enumerate(lines))


def check(spec: SearchSpec, data: Mapping[str, Any] | None) -> SpecReport:
    """What the spec spans on data as `Dataset.describe` gives it (None for a custom evaluator).

    Raises:
        SpecError: if the networks can't work on the data, or none of them can meet a constraint.
    """
    space, designs = build_on_data(spec, data)
    size = space_size(space)
    extremes = None if data is None else Extremes(space=space)
    return SpecReport(
        spec=spec,
        data=data,
        size=size,
        smallest=extremes.smallest("model_bytes") if extremes else None,
        largest=extremes.largest("model_bytes") if extremes else None,
        operators=() if extremes is None else operators_in(space, NetworkCosts(space)),
        notes=(
            *_notes(spec, size, space),
            *_start_notes(spec, len(designs)),
            *(() if data is None else data.get("notes", ())),
        ),
    )


def report(spec: SearchSpec, notice: Callable[[str], None] = unheard) -> str:
    """The report on a spec as text; loads the data, or finds the evaluator.

    Args:
        spec: To be checked.
        notice: Takes what is downloaded.

    Raises:
        DataNotHere: if the data must be downloaded first.
        SpecError: if the spec can't work, or its data, evaluator or operators can't be used.
    """
    from gasearch.jobs.sources import (  # loads NumPy and the data's libraries
        load_data,
        measuring_command,
        require_forms,
        require_operators,
        require_tools,
    )

    measuring_command(spec)
    toolchain = require_tools(spec)
    data = load_data(spec, notice)
    description = None if data is None else data.describe()
    found = check(spec, description)
    space = build_space(spec, None if description is None else DataShape.of(description))
    require_operators(spec, space, notice)
    require_forms(spec, space)
    return str(replace(found, toolchain=toolchain))


def build_on_data(spec: SearchSpec, data: Mapping[str, Any] | None) -> tuple[Space, tuple[Genome, ...]]:
    """The space of a spec and the designs that it begins with, where its networks work on the data.

    Raises:
        SpecError: saying which key doesn't fit the data, or what can't meet a constraint, and why.
    """
    limits = spec.limits()
    if data is None or isinstance(spec.space, CustomSpace):
        space = build_space(spec)
        return space, starting_genomes(spec.start.designs, limits, space)
    family, kind = spec.space.family, data["kind"]
    problems = [
        *input_problems(family, data),
        *kind_problems(family, kind),
        *spec.metric_problems(kind),
        *recipe_problems(spec.recipe, kind, data["input_kind"]),
    ]
    if problems:
        raise SpecError("\n".join(map(str, problems)))
    space = build_space(spec, DataShape.of(data))
    ArithmeticConstraints(limits, space, operators=spec.target.operators).require_possible()
    return space, starting_genomes(spec.start.designs, limits, space, spec.target.operators)


def _other_ends(budget: BudgetSpec) -> Iterator[str]:
    """What else than the number of evaluations may end the search."""
    if budget.hours is not None:
        yield format_quantity(3600 * budget.hours, "train_seconds")
    if budget.device_hours is not None:
        yield f"{budget.device_hours:,g} device-hours"
    if budget.stalled is not None:
        yield f"{budget.stalled:,} evaluations without a better front"
    if budget.gain_per_device_hour is not None:
        yield f"a front that would grow by less than {budget.gain_per_device_hour:.3g} of itself per device-hour"


def task_text(spec: SearchSpec, data: Mapping[str, Any] | None) -> str:
    """What the networks are for, and on which data."""
    if data is None:
        return f"a custom space, evaluated by {spec.task.evaluator}"
    return (
        f"{data['kind']} of {data['name']} by {spec.space.family} "
        f"({data['train']:,} training samples of {_sample_text(data)}{_outputs_text(data)})"
    )


def _sample_text(data: Mapping[str, Any]) -> str:
    shape, categories = data["input_shape"], data["categories"]
    match data["input_kind"]:
        case "image":
            return " x ".join(map(str, shape))
        case "tokens":
            return f"{shape[0]} tokens of {categories[0]:,} words"
        case "ids":
            return f"{categories[0]:,} users and {categories[1]:,} items"
        case _:
            columns = f", {len(categories)} of them categories" if categories else ""
            return f"{shape[0]} column{'' if shape[0] == 1 else 's'}{columns}"


def _outputs_text(data: Mapping[str, Any]) -> str:
    match data["kind"]:
        case "classification":
            return f", {data['outputs']:,} classes"
        case "tagging":
            return f", {data['outputs']:,} tags"
        case _:
            return ""


def _is_excluded(network: SizedNetwork, spec: SearchSpec) -> bool:
    operators = spec.target.operators
    if operators is not None and not operators_of(network.costs.plan).keys() <= set(operators):
        return True
    limits = [limit for limit in spec.limits() if limit.metric in COST_METRICS]
    return any(not limit.is_met(cost_of(network.costs, limit.metric)) for limit in limits)


def _costs_text(network: SizedNetwork) -> str:
    found, blueprint = network.costs, network.blueprint
    depth = sum(layer.kind != "embedding" for layer in blueprint.layers) - 1
    layers = "the head alone" if depth == 0 else f"{depth} layer{'' if depth == 1 else 's'} and the head"
    per_token = ""
    if found.plan.input_kind == "tokens":
        macs = round(found.macs / blueprint.input_shape[0])
        per_token = f" ({format_quantity(macs, 'macs')} a token)" if macs else ""
    return (
        f"{layers}: {format_quantity(found.params, 'params')} params, "
        f"{format_quantity(found.macs, 'macs')} MACs{per_token}, {format_quantity(found.bops, 'bops')} BOPs, "
        f"{format_quantity(found.model_bytes, 'model_bytes')}"
    )


def _notes(spec: SearchSpec, size: SizeEstimate, space: Space) -> Iterator[str]:
    from gasearch_workers.data import is_named  # loads NumPy and the data's libraries

    for objective in spec.objectives_tuple():
        usual = usual_direction(objective.metric)
        if usual is not None and usual is not objective.is_maximized:
            word = "more" if usual else "less"
            yield f"objectives.{objective.metric} is {spec.objectives[objective.metric]}, but {word} of it is better"
    if size.count < spec.budget.evaluations:
        yield f"the space holds only {size}, so the search ends before {spec.budget.evaluations:,} evaluations"
    elif spec.evolution.population > spec.budget.evaluations:
        yield (
            f"the budget of {spec.budget.evaluations:,} evaluations ends within the first population of "
            f"{spec.evolution.population:,}, which is a random sample"
        )
    if len(spec.objectives) == 1:
        yield "with one objective the front is a single network; a second one, such as a cost, shows the compromises"
    if not isinstance(spec.space, CustomSpace) and "latency_ms" in spec.measures() and min(spec.space.weight_bits) < 8:
        yield "weights below 8 bits save bytes and BOPs, but no time: a CPU computes with 8 bits"
    if spec.task.download and not is_named(str(spec.task.dataset)):
        yield "task.download decides nothing: only torchvision:NAME and hf:NAME are downloaded"
    if not spec.is_custom and "embedding" in spec.space.model_fields_set and not _has_embedding(space):
        yield "space.embedding decides nothing: the table has no columns of categories"
    if isinstance(spec.space, LayeredSpace) and len(spec.space.pruning) > 1 and max(spec.space.sparsity) == 0:
        yield "space.pruning decides nothing: space.sparsity has no share above 0"


def _start_notes(spec: SearchSpec, distinct: int) -> Iterator[str]:
    designs, count = len(spec.start.designs), spec.budget.evaluations
    if distinct < designs:
        yield f"start.designs repeats networks: its {designs:,} hold {distinct:,}, each evaluated once"
    if distinct >= count:
        yield f"start.designs takes the whole budget: {distinct:,} of {count:,} evaluations"
    if spec.is_custom and spec.start.reuse:
        yield "start.reuse takes outcomes over from earlier searches: clear it once the evaluator has changed"
    if spec.is_custom and spec.early_stop.rungs == "auto" and spec.early_stop.model_fields_set:
        yield "early_stop is off: give early_stop.rungs in the steps that the evaluator reports"


def _has_embedding(space: Space) -> bool:
    return any(layer == "embedding" for layer, _ in space.name_parts)
