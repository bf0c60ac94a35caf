"""What must hold of a search after whatever happened to it."""

from __future__ import annotations

import os
import random
from contextlib import closing
from pathlib import Path
from typing import Any

from gasearch.dispatch.in_process import InProcess
from gasearch.evolution.engine import Candidate, Engine
from gasearch.jobs.setup import set_up
from gasearch.objectives.front import ParetoFront
from gasearch.search.log import SearchLog
from gasearch.search.loop import SearchLoop
from gasearch.spec.model import SearchSpec
from gasearch.storage.archive import ArchiveReader
from gasearch.storage.records import Lease
from gasearch.storage.sql import open_reader
from tests.chaos.mined import acknowledged
from tests.doubles.scripted import Scripted
from tests.doubles.searches import digest, without_times


def seed_of_chaos() -> int:
    """GASEARCH_CHAOS_SEED, else a new one; printed, so that a failure can be had again."""
    seed = int(os.environ.get("GASEARCH_CHAOS_SEED") or random.SystemRandom().randrange(10**9))
    print(f"GASEARCH_CHAOS_SEED={seed}")
    return seed


def whole_digest(url: str, name: str) -> dict[str, Any]:
    """All of a search that must not depend on interruptions: every row but for times, owners and events."""
    with closing(open_reader(url)) as reader:
        record = reader.search(name)
        numbers = [one.number for one in reader.candidates(record.id)]
        counts = reader.counts(record.id)
        return digest(reader, name) | {
            "attempts": {number: _attempts(reader, record.id, number) for number in numbers},
            "stays": {number: reader.stays(record.id, number) for number in numbers},
            "replicates": reader.replicates(record.id),
            "operators": reader.operators(record.id),
            "counts": (
                counts.candidates,
                counts.completed,
                counts.failures,
                counts.stopped,
                counts.retries,
                counts.front_size,
            ),
            "calibrations": reader.calibrations(record.id),
            "state": (record.state, record.reason),
            "spec": (SearchSpec.from_json(record.spec_json).identity_hash(), record.spec_hash, record.objectives),
            "space": (record.space_fingerprint, record.space_size, record.data_json),
        }


def _attempts(reader: ArchiveReader, search_id: int, number: int) -> list[Any]:
    return [
        (one.result.attempt, one.arrival, one.replicate, one.gain, one.epochs, without_times(one.result.outcome))
        for one in reader.attempts_of(search_id, number)
    ]


#: What of a digest depends on the order in which outcomes arrive, even where the search doesn't.
IN_ORDER_OF_ARRIVAL = ("outcomes", "attempts", "stays", "operators")


def without_order(content: dict[str, Any]) -> dict[str, Any]:
    """A digest without what depends on the order in which several workers answer."""
    left = {name: part for name, part in content.items() if name not in IN_ORDER_OF_ARRIVAL}
    outcomes = sorted(content["outcomes"], key=lambda outcome: outcome[0])
    return left | {"by number": [(number, outcome, seed) for number, _, outcome, seed in outcomes]}


class _Asked:
    """An engine that proposes each stored candidate itself, instead of adopting it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.asked = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def adopt(self, candidate: Candidate) -> None:
        """Require that it would have proposed just this one."""
        own = self._engine.ask()
        assert own == candidate, f"candidate {candidate.number} is {candidate}, but a replay proposes {own}"
        self.asked += 1


def require_replay(url: str, name: str) -> int:
    """Require that a fresh engine, told the stored outcomes in their order, asks for each of the stored candidates.

    Returns:
        How many there are.
    """
    with closing(open_reader(url)) as reader:
        record = reader.search(name)
        setup = set_up(SearchSpec.from_json(record.spec_json))
        lease = Lease(search_id=record.id, owner="nobody", epoch=0)
        assert not setup.spec.start.searches, "what it began with would have to be read too"
        engine = _Asked(setup.engine())
        SearchLoop(
            problem=setup.problem,
            budget=setup.budget,
            log=SearchLog(reader, lease),  # type: ignore[arg-type]  # it writes nothing, and could not
            engine=engine,  # type: ignore[arg-type]
            dispatcher=InProcess(Scripted()),
        ).resume()
        return engine.asked


def require_sound(reader: ArchiveReader, name: str) -> None:
    """Require what holds of a search at any instant: nothing told twice, none beyond the budget, the true front."""
    record = reader.search(name)
    outcomes = list(reader.evaluations(record.id))
    assert [one.arrival for one in outcomes] == list(range(len(outcomes))), "arrivals have gaps"
    completed = [(one.candidate, one.replicate) for one in outcomes]
    assert len(completed) == len(set(completed)), "an outcome is told twice"
    keys = [one.key for one in reader.candidates(record.id)]
    assert len(keys) == len(set(keys)), "a network is proposed twice"
    if record.spec_json != "{}":
        spec = SearchSpec.from_json(record.spec_json)
        assert len(outcomes) <= spec.budget.evaluations, "the budget is exceeded"
    front = ParetoFront()
    for network in reader.networks(record.id):
        if network.metrics:
            from gasearch.objectives.fitness import Fitness
            from gasearch.query.asked import constraints_of, objectives_of

            if all(limit.is_kept_by(network.metrics) for limit in constraints_of(record)):
                wvalues = tuple(one.wvalue(network.metrics[one.metric]) for one in objectives_of(record))
                front.add(network.number, Fitness(values=wvalues))
    assert sorted(front.numbers) == [one.number for one in reader.front(record.id)], "the stored front is another one"


def require_acknowledged(url: str, name: str, log: Path) -> int:
    """Require that each write that was acknowledged is there.

    Returns:
        How many were.
    """
    writes = acknowledged(log)
    with closing(open_reader(url)) as reader:
        search_id = reader.search(name).id
        keys = {one.number: one.key for one in reader.candidates(search_id)}
        stored = {
            (number, one.result.attempt, one.arrival)
            for number in keys
            for one in reader.attempts_of(search_id, number)
        }
        generations = {one.number for one in reader.generations(search_id)}
    for write in writes:
        match write["method"], write["wrote"]:
            case "add_candidates", records:
                assert all(keys.get(number) == key for number, key in records), "an acknowledged candidate is lost"
            case "add_evaluations", [*outcomes]:
                lost = {tuple(outcome) for outcome in outcomes} - stored
                assert not lost, f"acknowledged outcomes are lost (candidate, attempt, arrival): {lost}"
            case "add_generation", number:
                assert number in generations, f"acknowledged generation {number} is lost"
    return len(writes)
