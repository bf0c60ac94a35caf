"""The check of a stored search as a whole: one order of outcomes, and a front and statistics that follow from it.

What can be wrong with single rows is found by `gasearch.storage.damage`; only a search whose rows are all sound is
looked at here. All of it reads one snapshot, also of a search that runs.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from gasearch_workers.messages import Failure

from gasearch.errors import SpecError
from gasearch.objectives.constraints import parse_limit
from gasearch.objectives.fitness import Objective
from gasearch.search.problem import Aims
from gasearch.search.state import Completed, SearchState
from gasearch.space.build import build_space
from gasearch.space.decisions import DataShape, Space
from gasearch.space.decode import disagreement
from gasearch.spec.model import SearchSpec
from gasearch.storage.damage import Finding, StoredSearch, damage_and_searches
from gasearch.storage.records import EvaluationRecord


def check_database(url: str) -> list[Finding]:
    """All that is wrong with a database; [] where it is as gasearch wrote it.

    Raises:
        StoreError: if there is no database, it can't be reached, or it has an older schema.
    """
    with damage_and_searches(url) as (damage, searches):
        return [*damage, *(found for search in searches for found in check_search(search))]


def check_search(search: StoredSearch) -> Iterator[Finding]:
    """All that is wrong with a search whose rows are sound."""
    problems = [
        *_candidates(search),
        *_networks(search),
        *_outcomes(search),
        *_replicates(search),
        *_replaced(search),
        *_effects(search),
        *_events(search),
    ]
    for text in problems:
        yield Finding(text=f"search {search.name!r}: {text}", search_id=search.id)


def _candidates(search: StoredSearch) -> Iterator[str]:
    """Numbers without a gap, parents before their children, and each proposed after the one before."""
    completed = 0
    for place, one in enumerate(search.candidates):
        if one.number != place:
            yield f"candidate {place} is missing (the next one is {one.number})"
            return
        if any(not 0 <= parent < one.number for parent in one.parents):
            yield f"candidate {one.number} has a parent that isn't older: {list(one.parents)}"
        if one.completed < completed:
            text = f"candidate {one.number} was proposed after {one.completed} outcomes, the one before it after"
            yield f"{text} {completed}"
        completed = max(completed, one.completed)
    if completed > len(search.outcomes):
        yield f"a candidate was proposed after {completed} outcomes, and there are {len(search.outcomes)}"


def _networks(search: StoredSearch) -> Iterator[str]:
    """Each candidate is the network that its genes make in the space of the search."""
    space = _space(search)
    if space is None:
        return
    for one in search.candidates:
        text = disagreement(one.genes, one.key, one.network_json, space)
        if text is not None:
            yield f"candidate {one.number} {text}"


def _space(search: StoredSearch) -> Space | None:
    """The space that the stored spec describes; None where it isn't one that gasearch can use."""
    try:
        spec, data = SearchSpec.from_json(search.spec_json), json.loads(search.data_json)
        return build_space(spec, None if spec.is_custom else DataShape.of(data))
    except (SpecError, KeyError):
        return None


def _outcomes(search: StoredSearch) -> Iterator[str]:
    """One by one, each of a candidate that was proposed before, and none of them twice."""
    trainings: set[tuple[int, int]] = set()
    keys = {one.number: (one.key, one.completed) for one in search.candidates}
    for place, one in enumerate(search.outcomes):
        if one.arrival != place:
            yield f"outcome {place} is missing (the next one is {one.arrival})"
            return
        key, completed = keys.get(one.candidate, ("", 0))
        if one.result.key != key:
            yield f"outcome {place} is that of network {one.result.key}, and candidate {one.candidate} is {key}"
        if completed > place:
            text = f"outcome {place} of candidate {one.candidate} came before it was proposed"
            yield f"{text} (after {completed} outcomes)"
        if (one.candidate, one.replicate) in trainings:
            yield f"training {one.replicate + 1} of candidate {one.candidate} was completed twice"
        trainings.add((one.candidate, one.replicate))


def _replicates(search: StoredSearch) -> Iterator[str]:
    """Each further training was decided before it was made, one after the other."""
    trainings: dict[int, list[int]] = defaultdict(list)
    for one in search.outcomes:
        trainings[one.candidate].append(one.replicate)
    decided: dict[int, list[int]] = defaultdict(list)
    for decision in search.replicates:
        earlier = decided[decision.candidate]
        if decision.replicate != len(earlier) + 1:
            yield f"replicate {decision.replicate} of candidate {decision.candidate} was decided out of turn"
        earlier.append(decision.replicate)
    for candidate, completed in trainings.items():
        if completed != sorted(completed) or completed[0] != 0:
            yield f"the trainings of candidate {candidate} were completed out of turn: {completed}"
        if undecided := set(completed) - {0, *decided[candidate]}:
            yield f"replicate {min(undecided)} of candidate {candidate} was completed and never decided"


def _replaced(search: StoredSearch) -> Iterator[str]:
    """A further training's measurement ends the answers of the outcome before; one that failed answers nothing."""
    newest: dict[int, EvaluationRecord] = {}
    expected: dict[int, int | None] = {}
    for one in search.outcomes:
        expected[one.arrival] = None
        if one.replicate and isinstance(one.result.outcome, Failure):
            expected[one.arrival] = one.arrival
            continue
        if one.candidate in newest:
            expected[newest[one.candidate].arrival] = one.arrival
        newest[one.candidate] = one
    for one, replaced in zip(search.outcomes, search.replaced, strict=True):
        if replaced != expected[one.arrival]:
            yield f"outcome {one.arrival} is said to be replaced by {replaced}, and is by {expected[one.arrival]}"
    for number, attempt, replaced in search.retried:
        if replaced is not None:
            yield f"attempt {attempt} of candidate {number}, which was made again, is said to be replaced by {replaced}"


def _effects(search: StoredSearch) -> Iterator[str]:
    """Whoever entered and left the front, and the statistics of generations, follow from the outcomes.

    The log is folded once more, and what its events give is held against what is stored.
    """
    if any(one.arrival != place for place, one in enumerate(search.outcomes)):
        return
    aims = _aims(search)
    state = SearchState(aims, evaluations=len(search.outcomes))
    failures, sizes = [0], [0]  # after so many outcomes
    stays: dict[tuple[int, int], int | None] = {}
    entered: dict[int, int] = {}
    for one in search.outcomes:
        event = Completed(number=one.candidate, replicate=one.replicate, outcome=one.result.outcome)
        change = state.apply(event).change
        for number in change.left:
            stays[number, entered.pop(number)] = one.arrival
        for number in change.entered:
            entered[number] = one.arrival
            stays[number, one.arrival] = None
        failures.append(state.statistics.failures)
        sizes.append(len(state.frontier.front))
    if aims.objectives:
        yield from _stays(search, stays)
    yield from _generations(search, failures, sizes if aims.objectives else None)


def _aims(search: StoredSearch) -> Aims:
    """What the search is after; nothing where the spec doesn't say it (it is none that gasearch wrote)."""
    spec = json.loads(search.spec_json)
    if not isinstance(spec, dict) or "objectives" not in spec:
        return Aims(objectives=(), limits=())
    return Aims(
        objectives=tuple(Objective(metric=metric, is_maximized=is_max) for metric, is_max in search.objectives),
        limits=tuple(parse_limit(text) for text in spec.get("constraints", ())),
        replicates=float(bool(search.replicates)),
    )


def _stays(search: StoredSearch, stays: Mapping[tuple[int, int], int | None]) -> Iterator[str]:
    """The stored times on the front are these: (candidate, entered) to exited."""
    stored = {(candidate, arrival): exited for candidate, arrival, exited in search.stays}
    for number, arrival in sorted(stays.keys() - stored.keys()):
        yield f"candidate {number} entered the front by outcome {arrival}, and that isn't stored"
    for number, arrival in sorted(stored.keys() - stays.keys()):
        yield f"candidate {number} is stored as on the front from outcome {arrival}, and didn't enter it then"
    for stay in sorted(stays.keys() & stored.keys()):
        if stays[stay] != stored[stay]:
            number, arrival = stay
            yield (
                f"candidate {number}, on the front from outcome {arrival}, is stored as having left it by outcome "
                f"{stored[stay]}; it left by {stays[stay]}"
            )


def _generations(search: StoredSearch, failures: Sequence[int], sizes: Sequence[int] | None) -> Iterator[str]:
    """Numbers without a gap, and statistics of the outcomes until then.

    Args:
        search: The stored one.
        failures: How many there were after so many outcomes.
        sizes: How many members the front had; None: that isn't known.
    """
    evaluations = 0
    for place, one in enumerate(search.generations):
        name = f"generation {one.number}"
        if one.number != place:
            yield f"generation {place} is missing (the next one is {one.number})"
            return
        if not evaluations <= one.evaluations <= len(search.outcomes):
            yield f"{name} ended after {one.evaluations} outcomes: not between {evaluations} and {len(search.outcomes)}"
            return
        evaluations = one.evaluations
        if one.failures != failures[evaluations]:
            yield f"{name} counts {one.failures} failures, and there were {failures[evaluations]}"
        if sizes is not None and one.front_size != sizes[evaluations]:
            yield f"{name} says that the front had {one.front_size} members; it had {sizes[evaluations]}"


def _events(search: StoredSearch) -> Iterator[str]:
    """Each written by the owner of the time, about a candidate that there was."""
    newest = 0
    for number, epoch, candidate in search.events:
        if epoch < newest:
            yield f"event {number} was written by an owner of epoch {epoch} after one of epoch {newest}"
        newest = max(newest, epoch)
        if candidate is not None and not 0 <= candidate < len(search.candidates):
            yield f"event {number} is about candidate {candidate}, which isn't there"
    if newest > search.epoch:
        yield f"an event was written by an owner of epoch {newest}, and the newest owner is of epoch {search.epoch}"
