"""Early stopping: what a training can still become, and which finished network is better than that.

Standard library only: the controller reads curves by the same rule by which a worker stops.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gasearch_workers.messages import CurvePoint, StoppingRule

Wvalues = tuple[float, ...]  #: A value per objective, of which greater is better.


class Stopped(BaseException):
    """The training ended at a rung, as what it could still reach is dominated already.

    Like `KeyboardInterrupt` no `Exception`: a user's evaluator that catches those doesn't go on by mistake, and its
    `finally` blocks are run.
    """

    def __init__(self, message: str, curve: Sequence[CurvePoint]) -> None:
        super().__init__(message)
        self.curve = tuple(curve)  #: The last point is the rung where it ended.


def rung_at(steps: Sequence[float], step: float) -> int | None:
    """The index of the last of the rungs, at ascending steps, that a training has reached; None before the first.

    A rung is judged at the first report in its reach, which ends where the next rung's begins.
    """
    reached = sum(rung <= step for rung in steps)
    return reached - 1 if reached else None


def reason_to_stop(rule: StoppingRule, step: float, metrics: Mapping[str, float]) -> str | None:
    """The reason why a training ends: what it has reached, what it could become, what is better, in native units.

    It is where a finished network is at least as good in all objectives as its optimistic end, and better in one.
    None where it isn't, and where the rule can't tell: before the first rung, or with an objective that is neither
    known nor reported.

    Args:
        rule: Of the search.
        step: Where the training stands.
        metrics: What it reports there.
    """
    end = optimistic_end(rule, step, metrics)
    if end is None:
        return None
    for point in rule.front:
        if point != end and all(mine >= other for mine, other in zip(point, end, strict=True)):
            reached = [f"{metric} {metrics[metric]:.4g}" for metric, _ in rule.objectives if metric in metrics]
            return (
                f"stopped at {step:.4g} with {', '.join(reached) or 'nothing reported'}: it could reach "
                f"{_named(rule, end)} at best, and a finished network has {_named(rule, point)}"
            )
    return None


def optimistic_end(rule: StoppingRule, step: float, metrics: Mapping[str, float]) -> Wvalues | None:
    """The wvalue per objective that a training can still reach; None where the rule can't tell.

    Args:
        rule: As for `reason_to_stop`.
        step: As for `reason_to_stop`.
        metrics: As for `reason_to_stop`.
    """
    place = rung_at([rung.step for rung in rule.points], step)
    if place is None or not rule.points[place].ends:
        return None
    found: list[float] = []
    for (metric, is_maximized), known, (slope, offset) in zip(
        rule.objectives, rule.known, rule.points[place].ends, strict=True
    ):
        if known is None and metric not in metrics:
            return None
        if known is None:
            known = slope * (metrics[metric] if is_maximized else -metrics[metric]) + offset
        found.append(known)
    return tuple(found)


def _named(rule: StoppingRule, wvalues: Wvalues) -> str:
    values = zip(rule.objectives, wvalues, strict=True)
    return ", ".join(f"{metric} {value if is_maximized else -value:.4g}" for (metric, is_maximized), value in values)
