"""The sensitivity of a trained network: what each layer alone, at fewer bits, loses of its score."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from gasearch_workers.messages import (
    NUMERIC_KINDS,
    PRIMARY,
    EvaluationRequest,
    Fidelity,
    Scalar,
)

from gasearch.errors import BadInput, GasearchError
from gasearch.jobs.caller import left_as_found
from gasearch.jobs.setup import Setup, set_up
from gasearch.jobs.start import own_device
from gasearch.search.progress import Observer
from gasearch.space.decisions import Genes
from gasearch.space.genome import make_genome
from gasearch.spec.model import SearchSpec

MOST_DESIGNS = 12  #: Networks that follow from a sensitivity.


@dataclass(frozen=True, slots=True, kw_only=True)
class Reduced:
    """The network with one decision at fewer bits, all others at the most."""

    decision: str  #: Such as "block1.conv1.weight_bits".
    bits: int
    score: float  #: On the validation split, without any training.
    drop: float  #: By how much it is worse than with the most bits everywhere; below 0: better.
    #: Mean squared change of its outputs, a share of their mean square: finer than scores of few samples.
    output_error: float
    model_bytes: int
    saved_bytes: int  #: Of the packed file.


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensitivity:
    """What a network loses, decision by decision."""

    metric: str  #: The primary score of its task.
    score: float  #: With the most bits everywhere.
    model_bytes: int
    most: Mapping[str, Scalar]  #: The most bits of each decision.
    rows: tuple[Reduced, ...]  #: By decision in the order of the network, from many bits to few.

    def designs(self, count: int = MOST_DESIGNS) -> list[dict[str, Scalar]]:
        """Networks for `start.designs`: from the most bits on, each time the step that changes outputs least per byte.

        Changes are added up, which is a guess; steps that save no byte are left out.

        Args:
            count: How many, evenly along the way to the fewest bits.
        """
        way = [dict(self.most)]
        ladders = {name: [row for row in self.rows if row.decision == name] for name in self.most}
        at: dict[str, tuple[float, int]] = dict.fromkeys(ladders, (0.0, 0))
        while steps := [
            (max(0.0, ladder[0].output_error - at[name][0]) / saved, name)
            for name, ladder in ladders.items()
            if ladder and (saved := ladder[0].saved_bytes - at[name][1]) > 0
        ]:
            _, name = min(steps)
            taken = ladders[name].pop(0)
            at[name] = (max(at[name][0], taken.output_error), taken.saved_bytes)
            way.append({**way[-1], name: taken.bits})
        last = len(way) - 1
        places = sorted({round(number * last / max(1, count - 1)) for number in range(count)})
        return [way[place] for place in places]


@left_as_found()
def measure_sensitivity(spec: SearchSpec, *, observer: Observer) -> Sensitivity:
    """Quantize a trained network once for each decision and each fewer bits, without any training, in this process.

    Args:
        spec: Of family bits.
        observer: Takes notices.

    Raises:
        BadInput: for another family, or whatever `set_up` refuses.
        GasearchError: if a network can't be evaluated.
    """
    from gasearch_workers.evaluation.evaluate import Evaluator  # loads torch

    if spec.space.family != "bits":
        raise BadInput(f"sensitivity is of a trained network, family bits; {spec.name} has family {spec.space.family}")
    setup = set_up(spec, observer.on_notice)
    assert setup.data is not None
    evaluator = Evaluator(setup.data, device=own_device(spec.workers))
    highest = tuple(size - 1 for size in setup.space.sizes)
    changes = list(_changes(setup))
    observer.on_notice(f"quantizing {len(changes) + 1} networks, without any training")
    sign = -1 if setup.data.kind in NUMERIC_KINDS else 1
    score, outputs = _validated(setup, evaluator, highest)
    model_bytes = _bytes(setup, highest)
    rows = []
    for index, gene in changes:
        genes = (*highest[:index], gene, *highest[index + 1 :])
        found, others = _validated(setup, evaluator, genes)
        decision, reduced_bytes = setup.space.decisions[index], _bytes(setup, genes)
        rows.append(
            Reduced(
                decision=decision.name,
                bits=int(decision.options[gene]),
                score=found,
                drop=sign * (score - found),
                output_error=float(((others - outputs) ** 2).mean() / ((outputs**2).mean() or 1.0)),
                model_bytes=reduced_bytes,
                saved_bytes=model_bytes - reduced_bytes,
            )
        )
    decided = [decision for decision in setup.space.decisions if isinstance(decision.options[-1], int)]
    return Sensitivity(
        metric=PRIMARY[setup.data.kind],
        score=score,
        model_bytes=model_bytes,
        most={decision.name: decision.options[-1] for decision in decided},
        rows=tuple(rows),
    )


def _changes(setup: Setup) -> Iterator[tuple[int, int]]:
    """Each decision with each of its options but the last, from many bits to few."""
    for index, size in enumerate(setup.space.sizes):
        yield from ((index, gene) for gene in reversed(range(size - 1)))


def _bytes(setup: Setup, genes: Genes) -> int:
    return setup.costs.of(make_genome(genes, setup.space))["model_bytes"]


def _validated(setup: Setup, evaluator: Any, genes: Genes) -> tuple[float, Any]:
    """The primary score of a network, and its outputs (count, ...)."""
    genome = make_genome(genes, setup.space)
    request = EvaluationRequest(
        key=genome.key,
        attempt=1,
        network=setup.problem.decode(genome),
        recipe=replace(setup.problem.recipe, epochs=0, teacher=None),
        task=setup.problem.task,
        seed=setup.problem.seed,
        fidelity=Fidelity(epochs=0),
        memory_limit_bytes=setup.problem.memory_limit_bytes,
    )
    try:
        return evaluator.validated(request)  # type: ignore[no-any-return]
    except (ArithmeticError, MemoryError) as error:
        raise GasearchError(f"network {genome.key} can't be evaluated on this machine: {error}") from error
