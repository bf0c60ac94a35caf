"""When a training isn't worth its end: what it can still become, and which finished network is better than that.

Standard library only: the controller reads curves by the same rule by which a worker stops.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gasearch_workers.messages import CurvePoint, StoppingRule

Worths = tuple[float, ...]


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


def is_hopeless(rule: StoppingRule, step: float, metrics: Mapping[str, float]) -> bool:
    """Whether a training that reports these metrics at that step could end on no front, as far as the rule can tell.

    It couldn't where a finished network is at least as good in all objectives and better in one as its optimistic end.
    Nothing is said of a training before the first rung, or with an objective that is neither known nor reported.
    """
    ends = optimistic_end(rule, step, metrics)
    return ends is not None and _better(rule.front, ends) is not None


def optimistic_end(rule: StoppingRule, step: float, metrics: Mapping[str, float]) -> Worths | None:
    """The worth per objective that a training can still reach; None where the rule can't tell (see `is_hopeless`)."""
    place = rung_at([rung.step for rung in rule.rungs], step)
    if place is None or not rule.rungs[place].ends:
        return None
    found: list[float] = []
    for (metric, is_maximized), known, (slope, offset) in zip(
        rule.objectives, rule.known, rule.rungs[place].ends, strict=True
    ):
        if known is not None:
            found.append(known)
        elif metric in metrics:
            value = metrics[metric]
            found.append(slope * (value if is_maximized else -value) + offset)
        else:
            return None
    return tuple(found)


def explain_stop(rule: StoppingRule, step: float, metrics: Mapping[str, float]) -> str:
    """Why a hopeless training ended: what it had reached, what it could become, what is better. In native units.

    Raises:
        ValueError: if it isn't hopeless.
    """
    ends = optimistic_end(rule, step, metrics)
    better = None if ends is None else _better(rule.front, ends)
    if ends is None or better is None:
        raise ValueError(f"a training at {step:g} with {dict(metrics)} isn't hopeless")
    reached = [f"{metric} {metrics[metric]:.4g}" for metric, _ in rule.objectives if metric in metrics]
    return (
        f"stopped at {step:.4g} with {', '.join(reached) or 'nothing reported'}: it could reach {_named(rule, ends)} "
        f"at best, and a finished network has {_named(rule, better)}"
    )


def _better(front: Sequence[Worths], worths: Worths) -> Worths | None:
    """The first point of a front that dominates these worths."""
    for point in front:
        if point != worths and all(mine >= other for mine, other in zip(point, worths, strict=True)):
            return point
    return None


def _named(rule: StoppingRule, worths: Worths) -> str:
    values = zip(rule.objectives, worths, strict=True)
    return ", ".join(f"{metric} {worth if is_maximized else -worth:.4g}" for (metric, is_maximized), worth in values)
