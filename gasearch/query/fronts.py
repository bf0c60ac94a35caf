"""The Pareto front of the networks within limits, found among all outcomes of a search."""

from __future__ import annotations

from collections.abc import Sequence

from gasearch.objectives.constraints import Limit
from gasearch.objectives.fitness import Objective
from gasearch.objectives.metrics import spread_of
from gasearch.objectives.pareto import pareto
from gasearch.storage.archive import ArchiveReader
from gasearch.storage.measured import Measured, judged_by


def front_within(
    reader: ArchiveReader, search_id: int, objectives: Sequence[Objective], limits: Sequence[Limit]
) -> list[int]:
    """The numbers of the members of the front that the networks within all limits have; see `objectives.dominance`."""
    spreads = [spread_of(one.metric) for one in objectives]
    names = [*(one.metric for one in objectives), *spreads, *judged_by(limits)]
    measured = Measured.of(reader.outcomes(search_id, names)).within(limits).having(one.metric for one in objectives)
    members = pareto(measured.wvalues(objectives), measured.widths(spreads), measured.numbers)
    return [int(number) for number in measured.numbers[members]]
