"""What the charts of a report show, of a search's numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from gasearch.objectives.fitness import Objective
from gasearch.objectives.metrics import metric_named, spread_of
from gasearch.objectives.units import format_quantity
from gasearch.query.answers import FrontPoint, layers_text
from gasearch.query.finals import Finalist
from gasearch.query.growth import GrowthPoint
from gasearch.query.lineage import OperatorStats
from gasearch.report.charts import Axis, Bars, Chart, Dots, Form, Layer, Look, Mark, Marks, Ranges, Steps
from gasearch.report.importance import Importance
from gasearch.report.text import with_spread

MOST_DECISIONS = 10  #: Of an objective's importances, the greatest.
MOST_STEPS = 2000  #: Of a curve.
MOST_HINTS = 300  #: Marks that say more when they are pointed at: each takes some 300 bytes.
LOG_SPAN = 5.0  #: Costs that span more than this factor are drawn by factors,
LOG_SPAN_OF_OTHERS = 50.0  #: all other values from here on.
NEARLY_1 = 0.9  #: From a best score of this on what is missing to 1 says more than what is there.
MOST_FINALISTS = 12  #: In a chart, the best.
MOST_OPERATORS = 8  #: In the chart, those that paid most.


def front_charts(
    points: Sequence[FrontPoint], objectives: Sequence[Objective], finals: Sequence[Finalist], knee: str
) -> list[Chart]:
    """The first objective over each other one; a single one over the numbers of the candidates.

    Args:
        points: Measured networks, the front among them.
        objectives: Of the search.
        finals: Networks that were trained again.
        knee: The key of the best bargain.
    """
    score, *others = objectives
    costs: list[Objective | None] = [*others] or [None]
    shown = [one for one in points if all(goal.metric in one.metrics for goal in objectives)]
    return [_front_chart(shown, score, cost, finals, knee) for cost in costs]


def _front_chart(
    points: Sequence[FrontPoint], score: Objective, cost: Objective | None, finals: Sequence[Finalist], knee: str
) -> Chart:
    front = [one for one in points if one.is_on_front]
    places = {one.key: (_cost_of(one, cost), one.metrics[score.metric]) for one in points}
    has_other_label = cost is not None and any(one.key == knee for one in finals)
    labels = {} if has_other_label else {knee: knee[:6] + (" (knee)" if cost else "")}
    marks = [
        _front_mark(one, places[one.key], score, cost, labels.get(one.key, ""), has_hint=number < MOST_HINTS)
        for number, one in enumerate(front)
    ]
    layers: list[Layer] = [
        Dots(name="dominated", places=tuple(places[one.key] for one in points if not one.is_on_front)),
        *([] if cost is None else [_frontier([places[one.key] for one in front], score, cost)]),
        Marks(name="on the front", look="front", marks=tuple(marks)),
        *([] if cost is None else _final_layers(finals, score, cost, knee)),
    ]
    return Chart(
        title=f"{score.metric} over {cost.metric}" if cost else f"{score.metric} of each candidate",
        description=_front_text(len(points), front, [score, *([cost] if cost else [])]),
        across=_axis(cost, points) if cost else Axis(title="candidate"),
        upward=_axis(score, points),
        layers=tuple(layer for layer in layers if not isinstance(layer, Marks) or layer.marks),
    )


def _front_text(networks: int, front: Sequence[FrontPoint], goals: Sequence[Objective]) -> str:
    ends = [max(front, key=lambda one: goal.wvalue(one.metrics[goal.metric])) for goal in goals]
    told = (" at ".join(_text(one, goal) for goal in goals) for one in ends)
    return f"{networks} networks, {len(front)} of them on the front: {' to '.join(dict.fromkeys(told))}."


def _final_layers(finals: Sequence[Finalist], score: Objective, cost: Objective, knee: str) -> Iterator[Marks]:
    looks: dict[Look, str] = {"finalist": "trained again", "verified": "trained again, verified"}
    for look, name in looks.items():
        drawn = [one for one in finals if bool(one.is_verified) == (look == "verified")]
        drawn = [one for one in drawn if score.metric in one.metrics and cost.metric in one.metrics]
        yield Marks(name=name, look=look, marks=tuple(_final_mark(one, score, cost, knee) for one in drawn))


def _cost_of(point: FrontPoint, cost: Objective | None) -> float:
    return float(point.number) if cost is None else point.metrics[cost.metric]


def _text(point: FrontPoint, goal: Objective) -> str:
    return f"{format_quantity(point.metrics[goal.metric], goal.metric)} {goal.metric}"


def _axis(goal: Objective, points: Sequence[FrontPoint]) -> Axis:
    values = [one.metrics[goal.metric] for one in points]
    better = "more" if goal.is_maximized else "less"
    return Axis(
        title=f"{goal.metric} ({better} is better)", metric=goal.metric, form=_form(goal, min(values), max(values))
    )


def _form(goal: Objective, low: float, high: float) -> Form:
    """How values of that range are drawn: costs by factors, scores that come near to 1 by what is missing to it."""
    dimension = metric_named(goal.metric).dimension
    if low > 0 and high / low > (LOG_SPAN if dimension in ("bytes", "count", "time", "energy") else LOG_SPAN_OF_OTHERS):
        return "log"
    is_score = goal.is_maximized and dimension in ("share", "number") and low >= 0
    return "shortfall" if is_score and NEARLY_1 <= high <= 1 and 1 - low > LOG_SPAN * (1 - high) else "linear"


def _front_mark(
    point: FrontPoint,
    place: tuple[float, float],
    score: Objective,
    cost: Objective | None,
    label: str,
    *,
    has_hint: bool,
) -> Mark:
    """A network of the front with its intervals.

    Args:
        point: The network.
        place: Where it stands.
        score: The objective of the upward axis.
        cost: That of the other one, if there is one.
        label: Written beside it.
        has_hint: Whether it says more when it is pointed at.
    """
    lines = [point.key, layers_text(point.blueprint), _text(point, score)]
    lines += [] if cost is None else [_text(point, cost)]
    return Mark(
        x=place[0],
        y=place[1],
        x_spread=0.0 if cost is None else point.metrics.get(spread_of(cost.metric), 0.0),
        y_spread=point.metrics.get(spread_of(score.metric), 0.0),
        label=label,
        hint="\n".join(lines) if has_hint else "",
    )


def _frontier(places: Sequence[tuple[float, float]], score: Objective, cost: Objective) -> Steps:
    """The best score that is to be had at each cost."""
    best: list[tuple[float, float]] = []
    for place in sorted(places, key=lambda one: (-cost.wvalue(one[0]), -score.wvalue(one[1]))):
        if not best or score.wvalue(place[1]) > score.wvalue(best[-1][1]):
            best.append(place)
    return Steps(places=tuple(best))


def _final_mark(one: Finalist, score: Objective, cost: Objective, knee: str) -> Mark:
    x, y = one.metrics[cost.metric], one.metrics[score.metric]
    deviation = one.metrics.get(f"{score.metric}_deviation", 0.0)
    label = one.key[:6] + (" (knee)" if one.key == knee else "")
    told = f"{one.key}\n{score.metric} {format_quantity(y, score.metric)}, the mean of {one.seeds} trainings"
    return Mark(x=x, y=y, y_spread=deviation, label=label, hint=told)


def finals_chart(finals: Sequence[Finalist], score: Objective) -> Ranges | None:
    """What the search has of each finalist, and what came of training it again; None where nothing came.

    Args:
        finals: Of the search, best first; the first ones are shown.
        score: Its first objective.
    """
    kinds: tuple[tuple[Look, str], ...] = (
        ("front", "in the search"),
        ("finalist", "trained again"),
        ("test", "on the test split"),
    )
    names = (f"searched_{score.metric}", score.metric, f"test_{score.metric}")
    shown = [one for one in finals if score.metric in one.metrics][:MOST_FINALISTS]
    values = [one.metrics[name] for one in shown for name in names if name in one.metrics]
    if not values:
        return None
    better = "more" if score.is_maximized else "less"
    return Ranges(
        title=f"{score.metric} of the finalists, in the search and after",
        description=f"{len(shown)} finalists, from {shown[0].key} on, each with up to three values.",
        axis=Axis(
            title=f"{score.metric} ({better} is better)",
            metric=score.metric,
            form=_form(score, min(values), max(values)),
        ),
        kinds=kinds,
        rows=tuple((one.key, tuple(_final_value(one, name, score.metric) for name in names)) for one in shown),
    )


def _final_value(one: Finalist, name: str, metric: str) -> Mark | None:
    if name not in one.metrics:
        return None
    value, deviation = one.metrics[name], one.metrics.get(f"{name}_deviation", 0.0)
    return Mark(x=value, y=0.0, x_spread=deviation, hint=f"{name} {with_spread(value, deviation, metric)}")


def growth_chart(curve: Sequence[GrowthPoint]) -> Chart:
    """The hypervolume over the evaluations."""
    every = -(-len(curve) // MOST_STEPS) or 1
    kept = curve if every == 1 else [*curve[:-1:every], curve[-1]]
    places = tuple((float(one.evaluations), one.hypervolume) for one in kept)
    last = curve[-1]
    label = f"{last.hypervolume:.4f}"
    return Chart(
        title="Hypervolume over evaluations",
        description=f"From {curve[0].hypervolume:.4f} to {label} after {last.evaluations} evaluations.",
        across=Axis(title="evaluations", is_from_zero=True),
        upward=Axis(title="hypervolume (more is better)"),
        layers=(Steps(places=places, look="curve", label=label),),
    )


def importance_bars(found: Importance) -> Bars:
    """What each decision takes of what is explained of a metric."""
    shown = found.decisions[:MOST_DECISIONS]
    bars = tuple((name, max(0.0, share), f"{max(0.0, share):.2f}") for name, share in shown)
    return Bars(
        title=f"What decides {found.metric}",
        description=f"{shown[0][0]} matters most." if shown else "",
        unit="share of the variance that shuffling it costs",
        bars=bars,
    )


def operator_bars(children: Sequence[OperatorStats]) -> Bars:
    """The gain of each operator's children on average."""
    order = sorted(children, key=lambda one: (-one.gain_per_child, one.operator))[:MOST_OPERATORS]
    return Bars(
        title="Which operators paid most",
        description=f"{order[0].operator} gained most per child.",
        unit="hypervolume gained per child",
        bars=tuple((one.operator, max(0.0, one.gain_per_child), f"{one.gain_per_child:.5f}") for one in order),
    )


def failure_bars(failures: Mapping[str, int]) -> Bars:
    """How many evaluations failed, by kind."""
    order = sorted(failures.items(), key=lambda one: (-one[1], one[0]))
    return Bars(
        title="Failures by kind",
        description=f"{sum(failures.values())} evaluations failed, most of them {order[0][0]}.",
        unit="evaluations",
        bars=tuple((kind, float(count), str(count)) for kind, count in order),
        is_bad=True,
    )
