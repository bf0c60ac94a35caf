"""Requests for tests of dispatchers and workers."""

from __future__ import annotations

from gasearch_workers.messages import Calibration, Choices, EvaluationRequest, Fidelity, Network, Recipe, Scalar, Task


def custom_request(key: str = "0a", evaluator: str = "tests.doubles.evaluators:measure", **choices: Scalar):
    return request_for(
        Choices(values=tuple(choices.items())), key=key, task=Task(kind=None, evaluator=evaluator), time_limit_s=None
    )


def request_for(
    network: Network,
    *,
    key: str = "0a",
    attempt: int = 1,
    task: Task | None = None,
    recipe: Recipe | None = None,
    seed: int = 1,
    measures: frozenset[str] = frozenset(),
    time_limit_s: float | None = None,
    calibration: Calibration | None = None,
) -> EvaluationRequest:
    recipe = recipe or Recipe(epochs=1)
    return EvaluationRequest(
        key=key,
        attempt=attempt,
        network=network,
        recipe=recipe,
        task=task or Task(dataset="digits"),
        seed=seed,
        fidelity=Fidelity(epochs=recipe.epochs),
        measures=measures,
        time_limit_s=time_limit_s,
        calibration=calibration,
    )
