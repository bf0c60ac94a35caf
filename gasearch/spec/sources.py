"""What a spec names outside itself: its data, or its evaluator."""

from __future__ import annotations

from typing import Any

from gasearch_workers.custom import EvaluatorError, find_evaluator
from gasearch_workers.data import DataError, load_dataset
from gasearch_workers.data.dataset import Dataset
from gasearch_workers.data.options import DataOptions

from gasearch.errors import SpecError
from gasearch.spec.model import SearchSpec


def load_data(spec: SearchSpec) -> Dataset | None:
    """The spec's data, checked and split; None where an evaluator, which is found, brings its own.

    Raises:
        SpecError: if the data or the evaluator can't be used, with the reason.
    """
    if spec.task.evaluator is not None:
        try:
            find_evaluator(spec.task.evaluator)
        except EvaluatorError as error:
            raise SpecError(f"task.evaluator: {error}") from error
        return None
    try:
        return load_dataset(str(spec.task.dataset), data_options(spec))
    except DataError as error:
        raise SpecError(f"task.dataset: {error}") from error


def data_options(spec: SearchSpec) -> DataOptions:
    """How the spec's data are to be read."""
    content: dict[str, Any] = spec.task.model_dump(exclude={"dataset", "kind", "evaluator", "lower"})
    return DataOptions(kind=spec.kind, is_lower=spec.task.lower, **content)
