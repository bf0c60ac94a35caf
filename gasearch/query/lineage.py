"""Why a network is what it is: its ancestors, what each step gained, its trainings, and its stays on the front."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from gasearch_workers.messages import RETRYABLE, Failure, FailureKind, Measurement

from gasearch.objectives.constraints import Limit
from gasearch.objectives.fitness import Objective
from gasearch.objectives.metrics import spread_of
from gasearch.query.answers import Answer
from gasearch.query.asked import constraints_of, objectives_of
from gasearch.query.network import failed_attempts
from gasearch.storage.archive import ArchiveReader
from gasearch.storage.records import REUSED, EvaluatedNetwork, EvaluationRecord

DEPTH = 3  #: Generations of ancestors that are shown where nobody asks for more.
MOST_ANCESTORS = 500
MOST_RIVALS = 5  #: Of the networks that dominate one.
IN_FLIGHT = "in flight"
MEASURED = "measured"

Metrics = dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """A metric as the surrogate expected it, and as it came; native units."""

    metric: str
    mean: float
    deviation: float
    measured: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A network in a lineage."""

    depth: int  #: 0 for the network itself, 1 for its parents.
    key: str
    number: int
    generation: int
    operator: str  #: What made it of its parents.
    parents: tuple[str, ...]  #: Their keys.
    outcome: str  #: "measured", "stopped", "in flight", or the kind of its failure.
    is_reused: bool  #: Whether that was taken over from an earlier search.
    is_on_front: bool
    metrics: Metrics  #: The objectives, means over all trainings.
    gain: float | None  #: By how much it raised the front's scaled hypervolume when it came; None: not known.


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingStory:
    """One training of the network."""

    replicate: int  #: 0 for the first, then one more for each further training.
    told: int  #: As which outcome of the search it came, 1 for the first.
    seed: int
    outcome: str  #: As in `Step`.
    message: str  #: Why it failed or was stopped; "" for a measurement.
    values: Metrics  #: The objectives in this training alone.
    means: Metrics  #: The objectives over all trainings so far: what the search went by.
    worker: str
    device: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontStay:
    """A stay on the front; outcomes are counted from 1."""

    entered: int  #: The outcome that brought it in.
    left: int | None  #: The outcome that ended the stay; None while it lasts.
    left_for: str | None  #: The key of the network whose outcome that was: its own after a further training.


@dataclass(frozen=True, slots=True, kw_only=True)
class Rival:
    """A member of the front that dominates the network."""

    key: str
    number: int
    metrics: Metrics  #: The objectives.


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorStats(Answer):
    """The outcomes of one operator's children."""

    operator: str
    children: int  #: Candidates with an outcome.
    measured: int  #: Of these, with a measurement.
    entered: int  #: Of these, entered the front when they were completed.
    gain: float  #: Sum of the scaled hypervolume that they added.
    gain_per_child: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation(Answer):
    """All that explains one network."""

    verdict: str  #: One sentence on where it stands and why.
    steps: list[Step]  #: The network itself, then its ancestors, the nearest first; each once.
    is_cut: bool  #: Whether there are ancestors beyond those shown.
    expected: list[Expectation]
    trainings: list[TrainingStory]
    stays: list[FrontStay]
    rivals: list[Rival]  #: The first few; none of a member, or of a network without a measurement.
    operators: list[OperatorStats]  #: Of the whole search so far, greatest gain first.


def why(reader: ArchiveReader, name: str, key: str, *, depth: int = DEPTH) -> Explanation:
    """How a network came about, what it reached, and why it stands where it stands.

    Args:
        reader: Where the search is stored.
        name: Of the search.
        key: Of the network, or a unique beginning of it.
        depth: How many generations of ancestors to give.

    Raises:
        UnknownSearch: if there is no such search, or not exactly one such key in it.
    """
    record = reader.search(name)
    objectives, limits = objectives_of(record), constraints_of(record)
    network = reader.network(record.id, key)
    family, is_cut = _family(reader, record.id, network, depth)
    trained = reader.trainings(record.id, [one.number for _, one in family])
    own = [one for one in trained if one.candidate == network.number]
    stays = _stays(reader, record.id, network)
    rivals, dominator = [], None
    if not network.is_on_front and all(one.metric in network.metrics for one in objectives):
        rivals = _rivals(reader.front(record.id), network, objectives)
        dominator = None if rivals else _earlier_dominator(reader, record.id, network, objectives, limits)
    return Explanation(
        verdict=_verdict(network, stays, rivals, limits, dominator) + _tried(reader, record.id, network),
        steps=_steps(family, trained, objectives),
        is_cut=is_cut,
        expected=[Expectation(**asdict(one), measured=network.metrics.get(one.metric)) for one in network.predicted],
        trainings=_stories(own, objectives),
        stays=stays,
        rivals=[Rival(key=one.key, number=one.number, metrics=_shown(one.metrics, objectives)) for one in rivals],
        operators=operators(reader, name),
    )


def operators(reader: ArchiveReader, name: str) -> list[OperatorStats]:
    """Which operators paid in a search so far, greatest gain first.

    Raises:
        UnknownSearch: if there is none of that name.
    """
    return [
        OperatorStats(**asdict(one), gain_per_child=one.gain / one.children if one.children else 0.0)
        for one in reader.operators(reader.search(name).id)
    ]


# --- the lineage ------------------------------------------------------------------------------------------------


def _family(
    reader: ArchiveReader, search_id: int, network: EvaluatedNetwork, depth: int
) -> tuple[list[tuple[int, EvaluatedNetwork]], bool]:
    """The network and its ancestors with their depths; and whether there are more."""
    family, known = [(0, network)], {network.number}
    youngest = [network]
    for level in range(1, depth + 1):
        numbers = sorted({parent for one in youngest for parent in one.parents} - known)
        room = MOST_ANCESTORS + 1 - len(family)
        youngest = reader.numbered(search_id, numbers[:room]) if numbers[:room] else []
        family += [(level, one) for one in youngest]
        known.update(one.number for one in youngest)
        if len(numbers) > room:
            return family, True
    return family, any(parent not in known for _, one in family for parent in one.parents)


def _steps(
    family: Sequence[tuple[int, EvaluatedNetwork]], trained: Sequence[EvaluationRecord], objectives: Sequence[Objective]
) -> list[Step]:
    keys = {one.number: one.key for _, one in family}
    firsts = {one.candidate: one for one in trained if one.replicate == 0}
    return [
        Step(
            depth=depth,
            key=one.key,
            number=one.number,
            generation=one.generation,
            operator=one.operator,
            parents=tuple(keys.get(parent, f"number {parent}") for parent in one.parents),
            outcome=_outcome(one),
            is_reused=one.number in firsts and firsts[one.number].result.worker == REUSED,
            is_on_front=one.is_on_front,
            metrics=_shown(one.metrics, objectives),
            gain=firsts[one.number].gain if one.number in firsts else None,
        )
        for depth, one in family
    ]


def _outcome(network: EvaluatedNetwork) -> str:
    if network.failure is not None:
        return network.failure
    return MEASURED if network.metrics else IN_FLIGHT


# --- its trainings ----------------------------------------------------------------------------------------------


def _stories(trained: Sequence[EvaluationRecord], objectives: Sequence[Objective]) -> list[TrainingStory]:
    """Each training alone: stored are the means over all so far, from which each single value follows."""
    stories: list[TrainingStory] = []
    count = 0  # of those measured
    before: Metrics = {}
    for one in trained:
        means, values, message = Metrics(), Metrics(), ""
        match one.result.outcome:
            case Measurement() as measurement:
                count += 1
                means = _shown(measurement.metrics(), objectives)
                values = {name: _alone(mean, before.get(name), count) for name, mean in means.items()}
                before, outcome = means, MEASURED
            case Failure(kind=kind, message=message):
                outcome = str(kind)
        stories.append(
            TrainingStory(
                replicate=one.replicate,
                told=one.arrival + 1,
                seed=one.seed,
                outcome=outcome,
                message=message,
                values=values,
                means=means,
                worker=one.result.worker,
                device=one.result.device,
                seconds=one.result.duration_s,
            )
        )
    return stories


def _alone(mean: float, before: float | None, count: int) -> float:
    """The newest of `count` values with this mean, whose others have the mean `before`."""
    if before is None or mean == before:
        return mean
    return float(f"{before + (mean - before) * count:.12g}")  # what rounding adds is not the training's


# --- its place --------------------------------------------------------------------------------------------------


def _stays(reader: ArchiveReader, search_id: int, network: EvaluatedNetwork) -> list[FrontStay]:
    stays = reader.stays(search_id, network.number)
    enders = {one.exited_by for one in stays if one.exited_by is not None}
    keys = {one.number: one.key for one in reader.numbered(search_id, sorted(enders))} if enders else {}
    return [
        FrontStay(
            entered=one.entered + 1,
            left=None if one.exited is None else one.exited + 1,
            left_for=None if one.exited_by is None else keys.get(one.exited_by),
        )
        for one in stays
    ]


def _rivals(
    front: Iterable[EvaluatedNetwork], network: EvaluatedNetwork, objectives: Sequence[Objective]
) -> list[EvaluatedNetwork]:
    """The first members that dominate the network; by single values, or clearly where values are intervals."""
    members = [one for one in front if all(objective.metric in one.metrics for objective in objectives)]
    return [one for one in members if _dominates(one.metrics, network.metrics, objectives)][:MOST_RIVALS]


def _earlier_dominator(
    reader: ArchiveReader,
    search_id: int,
    network: EvaluatedNetwork,
    objectives: Sequence[Objective],
    limits: Sequence[Limit],
) -> EvaluatedNetwork | None:
    """A network off the front, or one that equals it, that keeps a network off the front; None where none is found."""
    as_good = [
        Limit(metric=one.metric, operator=">=" if one.is_maximized else "<=", bound=network.metrics[one.metric])
        for one in objectives
    ]
    first = objectives[0]
    found = reader.best(
        search_id, metric=first.metric, is_maximized=first.is_maximized, limits=[*limits, *as_good], count=2
    )
    return next((one for one in found if one.number != network.number), None)


def _dominates(first: Metrics, second: Metrics, objectives: Sequence[Objective]) -> bool:
    gaps = [one.wvalue(first[one.metric]) - one.wvalue(second[one.metric]) for one in objectives]
    widths = [first.get(name, 0.0) + second.get(name, 0.0) for name in (spread_of(one.metric) for one in objectives)]
    is_plainly = all(gap >= 0 for gap in gaps) and any(gap > 0 for gap in gaps)
    pairs = list(zip(gaps, widths, strict=True))
    return is_plainly or (all(gap >= -width for gap, width in pairs) and any(gap > width for gap, width in pairs))


def _verdict(
    network: EvaluatedNetwork,
    stays: Sequence[FrontStay],
    rivals: Sequence[EvaluatedNetwork],
    limits: Sequence[Limit],
    dominator: EvaluatedNetwork | None,
) -> str:
    """One sentence."""
    if network.failure == FailureKind.STOPPED:
        return network.failure_message or "stopped early"
    if network.failure is not None:
        return f"failed, {network.failure}: {network.failure_message}"
    if not network.metrics:
        return "in flight: it has no outcome yet"
    if network.is_on_front:
        return f"on the front since outcome {stays[-1].entered}" if stays else "on the front"
    if stays and stays[-1].left_for == network.key:
        return f"left the front at outcome {stays[-1].left}, when a further training of its own lowered it"
    if stays:
        return f"left the front at outcome {stays[-1].left}, for {stays[-1].left_for}"
    if broken := [limit for limit in limits if not limit.is_kept_by(network.metrics)]:
        return f"never on the front: it breaks {' and '.join(map(str, broken))}"
    if rivals:
        return f"never on the front: dominated by {', '.join(one.key for one in rivals)}"
    if dominator is None:
        return "never on the front: what dominated it then has left the front, or was lowered by a later training"
    if dominator.is_on_front:
        return f"never on the front: {dominator.key}, which came before, equals it"
    return f"never on the front: dominated by {dominator.key}, which is not on the front itself"


def _tried(reader: ArchiveReader, search_id: int, network: EvaluatedNetwork) -> str:
    """How often it was tried, where it was given up after more than one attempt."""
    if network.failure not in RETRYABLE:
        return ""
    earlier = [str(one) for one in failed_attempts(reader, search_id, network.number)[0]]
    return f" (tried {len(earlier) + 1} times; {'; '.join(earlier)})" if earlier else ""


def _shown(metrics: Metrics, objectives: Sequence[Objective]) -> Metrics:
    """The objectives among the metrics."""
    return {one.metric: metrics[one.metric] for one in objectives if one.metric in metrics}
