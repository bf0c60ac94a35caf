"""What a spec names outside itself: its data, or its evaluator."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from gasearch_workers.data import DataError, NotDownloaded, is_named, load_dataset
from gasearch_workers.data.dataset import Dataset
from gasearch_workers.data.options import DataOptions
from gasearch_workers.evaluation.custom import MAIN, OF_ITS_OWN, find_evaluator
from gasearch_workers.evaluation.metric_values import EvaluatorError

from gasearch.errors import DataNotHere, SpecError
from gasearch.search.progress import unheard
from gasearch.spec.model import SearchSpec

#: What whoever names data that aren't there may have meant.
PUBLIC: Final = "; public data sets are named torchvision:NAME or hf:NAME, and `gasearch data SPEC` brings them"


def load_data(spec: SearchSpec, notice: Callable[[str], None] = unheard, *, downloads: bool = False) -> Dataset | None:
    """The spec's data, checked and split; None where an evaluator, which is found, brings its own.

    Args:
        spec: Names them.
        notice: Takes what is downloaded, and of an evaluator that no other program can find.
        downloads: Whether data that are not here may be downloaded though the spec doesn't say so.

    Raises:
        DataNotHere: if they must be downloaded first.
        SpecError: if the data or the evaluator can't be used, with the reason.
    """
    if spec.task.evaluator is not None:
        if spec.task.evaluator.startswith(f"{MAIN}:") and spec.workers.count != 0:
            raise SpecError(
                f"task.evaluator: {spec.task.evaluator!r} is another module in a worker: {OF_ITS_OWN}; or evaluate in "
                "this process, with workers.count: 0"
            )
        try:
            find_evaluator(spec.task.evaluator)
        except EvaluatorError as error:
            raise SpecError(f"task.evaluator: {error}") from error
        if spec.task.evaluator.startswith(f"{MAIN}:"):
            notice(f"only this program can resume a search with task.evaluator {spec.task.evaluator!r}: {OF_ITS_OWN}")
        return None
    source, may_download = str(spec.task.dataset), downloads or spec.task.download
    try:
        return load_dataset(source, data_options(spec), download=notice if may_download else None)
    except NotDownloaded as error:
        if may_download:
            raise SpecError(f"task.dataset: {error}") from error
        raise DataNotHere(f"task.dataset: {error}; task.download: true lets it be downloaded") from error
    except DataError as error:
        raise SpecError(f"task.dataset: {error}{PUBLIC * _is_missing_file(source)}") from error
    except OSError as error:  # a name that no file can have, for instance
        raise SpecError(f"task.dataset: {spec.task.dataset} can't be read: {error.strerror or error}") from error


def _is_missing_file(source: str) -> bool:
    path = Path(source).expanduser()
    return not is_named(source) and (path.suffix != "" or len(path.parts) > 1) and not path.exists()


def data_options(spec: SearchSpec) -> DataOptions:
    """How the spec's data are to be read."""
    content: dict[str, Any] = spec.task.model_dump(exclude={"dataset", "download", "kind", "evaluator", "lower"})
    return DataOptions(kind=spec.kind, is_lower=spec.task.lower, **content)
