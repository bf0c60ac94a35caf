"""A search's data with a teacher's outputs in them, where its recipe has a teacher."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from gasearch.errors import SpecError
from gasearch.jobs.setup import Setup
from gasearch.settings import cache_folder
from gasearch.space.costs import Extremes


def with_teacher_outputs(setup: Setup, *, device: str, notice: Callable[[str], None]) -> Setup:
    """The setup, its training split with the teacher's outputs; as it is where there is no teacher.

    The largest network of the space is trained here, once: its outputs are kept in the cache folder.

    Args:
        setup: Of the search.
        device: Where to train the teacher.
        notice: Takes what takes long.

    Raises:
        SpecError: if the teacher doesn't fit the data or can't be trained; before any other training.
    """
    teacher, data = setup.problem.recipe.teacher, setup.data
    if teacher is None or data is None:
        return setup
    from gasearch_workers.evaluation.teacher import (
        LARGEST,
        TeacherError,
        at_full_precision,
        run_teacher,
        train_teacher,
        with_teacher,
    )

    try:
        if teacher == LARGEST:
            outputs = train_teacher(
                at_full_precision(Extremes(space=setup.space).largest("params").blueprint),
                data,
                setup.problem.recipe,
                seed=setup.spec.seed,
                device=device,
                folder=cache_folder() / "teachers",
                notice=notice,
            )
        else:
            outputs = run_teacher(teacher, data)
    except TeacherError as error:
        raise SpecError(f"recipe.distillation.teacher: {error}") from error
    return replace(setup, data=with_teacher(data, outputs))
