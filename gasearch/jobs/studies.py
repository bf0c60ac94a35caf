"""Studies of Optuna: their storages, and their finished trials as outcomes that a custom search begins with."""

from __future__ import annotations

import json
import math
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gasearch_workers.evaluation.metric_values import EvaluatorError, checked_metrics
from gasearch_workers.messages import Scalar

from gasearch.errors import GasearchError, SpecError
from gasearch.objectives.fitness import Objective
from gasearch.search.progress import unheard
from gasearch.space.decisions import Space
from gasearch.space.encode import encode
from gasearch.space.genome import Genome, make_genome
from gasearch.spec.sections import StudySpec
from gasearch.storage.passwords import hidden, scrubbed

if TYPE_CHECKING:  # Optuna takes most of a second to import
    import optuna

MOST_REASONS = 3  #: Of those why trials don't fit, the most frequent.
SAME = 1e-9  #: Share by which a fraction may differ from the choice that it is.


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownOutcomes:
    """Networks whose metrics are known from elsewhere."""

    genomes: tuple[Genome, ...] = ()  #: In the order of the trials.
    metrics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)  #: By key.

    def to_json(self) -> str:
        """As an event keeps it: a resume needs the study no more."""
        return json.dumps([[genome.genes, self.metrics[genome.key]] for genome in self.genomes])

    @classmethod
    def from_json(cls, text: str, space: Space) -> KnownOutcomes:
        """What `to_json` wrote."""
        rows = [(make_genome(genes, space), metrics) for genes, metrics in json.loads(text)]
        return cls(
            genomes=tuple(genome for genome, _ in rows), metrics={genome.key: metrics for genome, metrics in rows}
        )


def read_study(
    start: StudySpec,
    space: Space,
    *,
    most: int,
    objectives: Sequence[Objective] = (),
    notice: Callable[[str], None] = unheard,
) -> KnownOutcomes:
    """The finished trials of a study that are networks of a space; parameters are decisions by their names.

    Args:
        start: Names the study, and what its values are.
        space: Custom.
        most: So many are taken, the first ones.
        objectives: Of the search, which the study must have in the same directions.
        notice: Takes how many fit, and why others don't.

    Raises:
        SpecError: if there is no such study, its trials have too few values, or it says itself that a value is another
            metric, or better the other way.
        GasearchError: if the storage can't be read.
    """
    study, trials = _load(start)
    _require_same_values(start, study, objectives)
    finished = [trial for trial in trials if trial.state.name == "COMPLETE"]
    genomes: dict[str, Genome] = {}
    metrics: dict[str, dict[str, float]] = {}
    misfits: Counter[str] = Counter()
    for trial in finished:
        values = {metric: trial.values[place] for metric, place in start.values.items()}
        try:
            genome = encode(_as_choices(trial.params, space), space)
            measured = checked_metrics({metric: value for metric, value in values.items() if math.isfinite(value)})
            lacking = [metric for metric in values if metric not in measured]
            if lacking:
                raise EvaluatorError(f"{', '.join(lacking)} is not finite")
        except (SpecError, EvaluatorError) as error:
            misfits[str(error).splitlines()[0]] += 1
            continue
        if genome.key in genomes:
            misfits["the network of an earlier trial"] += 1
        elif len(genomes) == most:
            misfits[f"beyond the budget of {most} evaluations"] += 1
        else:
            genomes[genome.key], metrics[genome.key] = genome, measured
    notice(_summary(start, len(trials), len(finished), len(genomes), misfits))
    return KnownOutcomes(genomes=tuple(genomes.values()), metrics=metrics)


def _summary(start: StudySpec, trials: int, finished: int, fitting: int, misfits: Counter[str]) -> str:
    text = (
        f"start.optuna: of the {trials} trials of {start.study} {finished} are finished, and {fitting} are taken over"
    )
    reasons = [f"{count} are not: {reason}" for reason, count in misfits.most_common(MOST_REASONS)]
    more = len(misfits) - MOST_REASONS
    return "; ".join([text, *reasons, *([f"and {more} other reasons"] if more > 0 else [])])


def _require_same_values(start: StudySpec, study: _Values, objectives: Sequence[Objective]) -> None:
    """Refuse values that aren't what the spec says they are, as far as the study tells."""
    count = len(study.is_maximized)
    if max(start.values.values()) >= count:
        has = f"the study has {count} values a trial"
        raise SpecError(f"start.optuna.values: {has}, counted from 0; got {dict(start.values)}")
    directions = {one.metric: one.is_maximized for one in objectives}
    for metric, place in start.values.items():
        is_maximized = study.is_maximized[place]
        if metric in study.names and study.names[place] != metric:
            named = ", ".join(f"{number} {name}" for number, name in enumerate(study.names))
            raise SpecError(f"start.optuna.values.{metric}: the study calls its values {named}; got {place}")
        if directions.get(metric, is_maximized) != is_maximized:
            there, here = ("maximized", "minimized") if is_maximized else ("minimized", "maximized")
            raise SpecError(
                f"start.optuna.values.{metric}: value {place} is {there} in the study, and {metric} is {here} here: "
                f"name another value, or change objectives.{metric}"
            )


def _as_choices(params: Mapping[str, object], space: Space) -> dict[str, object]:
    """The parameters, fractions as the choice that they are: a step of 0.1 leads Optuna to 0.30000000000000004."""
    options = {decision.name: decision.options for decision in space.decisions}
    return {name: _nearest_choice(value, options.get(name, ())) for name, value in params.items()}


def _nearest_choice(value: object, options: Sequence[Scalar]) -> object:
    if not isinstance(value, float):
        return value
    numbers = [option for option in options if isinstance(option, int | float) and not isinstance(option, bool)]
    return next((option for option in numbers if math.isclose(option, value, rel_tol=SAME, abs_tol=0.0)), value)


class _Values(NamedTuple):
    """What a study says of its trials' values."""

    is_maximized: tuple[bool, ...]
    names: tuple[str, ...]  #: () where it names none.


def _load(start: StudySpec) -> tuple[_Values, list[optuna.trial.FrozenTrial]]:
    """What a study says of its values, and its trials; the storage is only read: none is made.

    Raises:
        SpecError: if there is none, or the URL holds a password.
        GasearchError: if the storage can't be read.
    """
    if hidden(start.url) != start.url:
        text = "a spec is stored with its search: leave the password out, and name it by PGPASSWORD or ~/.pgpass"
        raise SpecError(f"start.optuna.url: {text}; got {hidden(start.url)!r}")
    scheme, _, place = start.url.partition(":///")
    if scheme.startswith("sqlite") and not Path(place.partition("?")[0]).is_file():
        raise SpecError(f"start.optuna.url: there is no such file: {place.partition('?')[0]!r}")
    with storage_faults(start.url):
        import optuna

        storage = optuna.storages.RDBStorage(start.url, skip_table_creation=True)
        try:
            names = [one.study_name for one in optuna.get_all_study_summaries(storage, include_best_trial=False)]
            if start.study not in names:
                there_are = f"there are {', '.join(sorted(names)[:20])}" if names else "there is none"
                raise SpecError(f"start.optuna.study: no study {start.study!r}; {there_are}")
            study = optuna.load_study(study_name=start.study, storage=storage)
            maximized = tuple(direction.name == "MAXIMIZE" for direction in study.directions)
            return _Values(maximized, tuple(study.metric_names or ())), study.trials
        finally:
            storage.remove_session()


@contextmanager
def storage_faults(url: str) -> Iterator[None]:
    """Optuna's errors, and those of whatever it reaches its storage by, as ours; without a password.

    Raises:
        GasearchError: in the place of any other error.
    """
    import optuna

    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # It says of each study that it is new.
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # experimental constraints, and categories that are no plain values
            yield
    except GasearchError:
        raise
    except Exception as error:
        [first, *_] = str(error).splitlines() or [type(error).__name__]
        raise GasearchError(f"Optuna can't use {hidden(url)}: {scrubbed(first, url)}") from None
    finally:
        optuna.logging.set_verbosity(level)
