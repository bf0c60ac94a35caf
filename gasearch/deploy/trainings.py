"""Trainings outside of a search's loop, on the search's own workers: retried and interrupted as the search does it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

from gasearch_workers.messages import Calibration, EvaluationRequest

from gasearch.errors import Interrupted
from gasearch.jobs.setup import Setup, with_teacher_outputs, with_workers
from gasearch.jobs.start import make_dispatcher, own_device
from gasearch.search.ownership import StopSignal, signals_stop
from gasearch.search.progress import Observer
from gasearch.search.trainings import OnResult, Trainings


def run_trainings(
    setup: Setup,
    requests: Iterable[EvaluationRequest],
    *,
    again: str,
    observer: Observer,
    on_result: OnResult,
    workers: int | None = None,
    stop: StopSignal | None = None,
    calibrations: tuple[Calibration, ...] | None = None,
    is_measured_by_command: bool = False,
) -> None:
    """Make trainings on workers as the search's spec wants them; where it has a teacher, by its outputs.

    Args:
        setup: Of the search.
        requests: What to train, asked for one by one as workers become free; two may have the same key and attempt.
        again: The command that goes on after an interruption.
        observer: Takes notices.
        on_result: Stores each training that is finished, before anything else happens; failed ones too.
        workers: How many; None: as the spec says; 0: in this process.
        stop: The wish to stop, where others must hear of it; signals ask for it, too.
        calibrations: What is known of the measuring device, where latency is measured; None: it isn't.
        is_measured_by_command: Whether requests ask for the search's own command, too.

    Raises:
        SpecError: if the teacher can't be used.
        WorkersUnavailable: if the workers don't start.
        Interrupted: if the user stopped it; it names the command.
        GasearchError: if too much fails in a row.
    """
    stop = stop or StopSignal()
    problem = replace(
        setup.problem,
        measures=frozenset() if calibrations is None else frozenset({"latency_ms"}),
        command=setup.problem.command if is_measured_by_command else None,
    )
    setup = replace(setup, spec=with_workers(setup.spec, workers), problem=problem)
    with _ended_by_name(again):
        if setup.problem.recipe.teacher is not None:  # asking for a device loads torch
            setup = with_teacher_outputs(setup, device=own_device(setup.spec.workers), notice=observer.on_notice)
        with (
            closing(make_dispatcher(setup, observer, None)) as dispatcher,
            signals_stop(stop, observer.on_notice),
        ):
            calibration = None if calibrations is None else dispatcher.calibrate(calibrations)
            Trainings(dispatcher, again=again, on_result=on_result, stop=stop, calibration=calibration).run(requests)


@contextmanager
def _ended_by_name(again: str) -> Iterator[None]:
    """Let an interrupt name the command that goes on."""
    try:
        yield
    except KeyboardInterrupt as error:
        raise Interrupted(f"stopped at once; what was in flight runs again; go on with: {again}") from error
