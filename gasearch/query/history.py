"""How the front of a search grew."""

from __future__ import annotations

from gasearch.query.answers import GenerationStats
from gasearch.storage.archive import ArchiveReader
from gasearch.storage.records import Fall


def generations_of(reader: ArchiveReader, name: str) -> list[GenerationStats]:
    """Every finished generation, in order.

    Raises:
        UnknownSearch: if there is no search of that name.
    """
    record = reader.search(name)
    metrics = [metric for metric, _ in record.objectives]
    generations, falls = reader.generations(record.id), reader.falls(record.id)
    begins = [0, *(generation.evaluations for generation in generations)]
    return [
        GenerationStats(
            generation=generation.number,
            evaluations=generation.evaluations,
            failures=generation.failures,
            front_size=generation.front_size,
            hypervolume=generation.hypervolume,
            hypervolume_lost=sum(fall.by for fall in falls if begin <= fall.arrival < generation.evaluations),
            best=dict(zip(metrics, generation.best, strict=False)),
            finished_at=generation.finished_at,
        )
        for begin, generation in zip(begins, generations, strict=False)
    ]


def falls_of(reader: ArchiveReader, name: str) -> list[Fall]:
    """The further trainings that lowered the hypervolume, in the order of their outcomes.

    Raises:
        UnknownSearch: if there is no search of that name.
    """
    return reader.falls(reader.search(name).id)
