"""How a front grew."""

from __future__ import annotations

from dataclasses import replace

from gasearch.query.history import falls_of, generations_of
from gasearch.storage.records import Fall
from tests.doubles.archived import (
    scripted_reader,
)


def test_history_names_the_best_values_by_their_metrics():
    first, second = generations_of(scripted_reader(), "digits")
    assert first.best == {"accuracy": 0.97, "model_bytes": 1000.0}
    assert second.row()["best_model_bytes"] == 1000.0
    assert list(second.row())[-1] == "finished_at"


def test_history_says_what_further_trainings_took_from_the_hypervolume():
    ends = [generation.evaluations for generation in generations_of(scripted_reader(), "digits")]
    falls = (
        Fall(arrival=0, key="a", by=0.5),
        Fall(arrival=ends[0] - 1, key="b", by=0.25),
        Fall(arrival=ends[0], key="a", by=1.0),
    )
    reader = replace(scripted_reader(), all_falls=falls)
    assert [generation.hypervolume_lost for generation in generations_of(reader, "digits")] == [0.75, 1.0]
    assert falls_of(reader, "digits") == list(falls)
