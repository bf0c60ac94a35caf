"""Observers that note a search in an experiment tracker: MLflow, TensorBoard, Weights & Biases.

`with MLflow() as tracker: gasearch.run(spec, observer=tracker)`. Each outcome is a step; its metrics are noted as they
are, and the progress of the search beside them. None of the trackers is part of gasearch: each is imported when its
observer is made. A tracker that fails afterwards must not end a search: that is logged once, and nothing more is noted.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

from gasearch_workers.messages import Measurement

from gasearch.errors import GasearchError
from gasearch.search.progress import Progress, Silent
from gasearch.storage.records import EvaluationRecord

_LOG = logging.getLogger(__name__)


class Tracker(Silent, ABC):
    """An observer that notes numbers by step; a subclass says where."""

    def __init__(self) -> None:
        """One that has noted nothing."""
        self.has_failed = False  #: Whether what it observed ended with an error.
        self._is_broken = False
        self._step = 0

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        """Close it."""
        self.has_failed = kind is not None
        self.close()

    @abstractmethod
    def note(self, values: Mapping[str, float], step: int) -> None:
        """Note numbers by their names at a step."""

    @abstractmethod
    def finish(self) -> None:
        """End the tracker's run."""

    def close(self) -> None:
        """End the tracker's run, of one that has failed before, too; what it still holds is written."""
        if self._is_broken:
            with suppress(Exception):
                self.finish()
        self._try(self.finish)

    def on_outcome(self, record: EvaluationRecord) -> None:
        """Note the metrics of a measurement at its place among the outcomes."""
        self._step = record.arrival
        if isinstance(record.result.outcome, Measurement):
            metrics = record.result.outcome.metrics()
            self._try(lambda: self.note({f"network/{name}": value for name, value in metrics.items()}, record.arrival))

    def on_progress(self, progress: Progress) -> None:
        """Note how far the search is: front, hypervolume, failures, the best so far."""
        values: dict[str, float] = {"search/front_size": progress.front_size, "search/failures": progress.failures}
        if progress.hypervolume is not None:
            values["search/hypervolume"] = progress.hypervolume
        values |= {f"best/{metric}": value for metric, value in progress.best}
        self._try(lambda: self.note(values, self._step))

    def _try(self, act: Callable[[], None]) -> None:
        if self._is_broken:
            return
        try:
            act()
        except Exception as error:  # whatever a tracker and its network raise
            self._is_broken = True
            _LOG.warning("%s notes nothing more: %s", type(self).__name__, error)


class MLflow(Tracker):
    """A run of MLflow (`pip install 'gasearch[mlflow]'`)."""

    def __init__(
        self, experiment: str = "gasearch", *, run: str | None = None, tracking_uri: str | None = None
    ) -> None:
        """Begin the run.

        Args:
            experiment: Is made where there is none.
            run: Its name; None: MLflow makes one up.
            tracking_uri: Where it is noted; None: as MLflow is set up.

        Raises:
            GasearchError: where MLflow isn't installed, or can't begin a run.
        """
        super().__init__()
        with _beginning("mlflow"):
            from mlflow import MlflowClient

            self._client = MlflowClient(tracking_uri=tracking_uri)
            found = self._client.get_experiment_by_name(experiment)
            identifier = self._client.create_experiment(experiment) if found is None else found.experiment_id
            self.run_id: str = self._client.create_run(identifier, run_name=run).info.run_id  #: Of MLflow.

    def note(self, values: Mapping[str, float], step: int) -> None:
        """Note numbers as the run's metrics."""
        for name, value in values.items():
            self._client.log_metric(self.run_id, name, value, step=step)

    def finish(self) -> None:
        """End the run."""
        self._client.set_terminated(self.run_id, "FAILED" if self.has_failed else "FINISHED")


class TensorBoard(Tracker):
    """Event files that TensorBoard shows (`pip install 'gasearch[tensorboard]'`)."""

    def __init__(self, folder: Path | str) -> None:
        """Begin a file in the folder.

        Raises:
            GasearchError: where TensorBoard isn't installed, or the folder can't be written.
        """
        super().__init__()
        with _beginning("tensorboard"):
            from tensorboard.summary import Writer

            self._writer: Any = Writer(str(folder))

    def note(self, values: Mapping[str, float], step: int) -> None:
        """Note numbers as scalars."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def finish(self) -> None:
        """Write what is left."""
        self._writer.close()


class WandB(Tracker):
    """A run of Weights & Biases (`pip install 'gasearch[wandb]'`)."""

    def __init__(self, project: str = "gasearch", **options: Any) -> None:
        """Begin the run.

        Args:
            project: Of Weights & Biases.
            **options: What else `wandb.init` takes, such as `mode="offline"`.

        Raises:
            GasearchError: where wandb isn't installed, or can't begin a run.
        """
        super().__init__()
        with _beginning("wandb"):
            import wandb

            self._run: Any = wandb.init(project=project, **options)

    def note(self, values: Mapping[str, float], step: int) -> None:
        """Note numbers as a step of the run."""
        self._run.log(dict(values), step=step)

    def finish(self) -> None:
        """End the run."""
        self._run.finish(exit_code=int(self.has_failed))


@contextmanager
def _beginning(extra: str) -> Iterator[None]:
    """Whatever a tracker raises when it begins, as ours.

    Raises:
        GasearchError: where what the extra brings isn't installed, or can't begin a run.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise GasearchError(
            f"the tracker needs {error.name}, which isn't installed: pip install 'gasearch[{extra}]'"
        ) from error
    except Exception as error:  # whatever a tracker and its network raise
        [first, *_] = str(error).splitlines() or [type(error).__name__]
        raise GasearchError(f"the tracker can't begin a run: {first}") from error
