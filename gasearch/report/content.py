"""What a report on a search says, section by section; what isn't there is left out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gasearch.objectives.metrics import spread_of
from gasearch.objectives.units import format_quantity
from gasearch.query.answers import FrontPoint, SearchSummary, layers_text
from gasearch.query.asked import constraints_of, objectives_of
from gasearch.query.failures import failures
from gasearch.query.finals import Finalist, finalists
from gasearch.query.front import best_points, front_points, point_of
from gasearch.query.growth import completed_outcomes, growth, scaling_of
from gasearch.query.lineage import operators
from gasearch.query.summary import search_summary
from gasearch.report.deployed import finals_parts, verification_parts
from gasearch.report.document import Column, Document, Facts, Paragraph, Part, Picture, Section, Table
from gasearch.report.importance import FEWEST_NETWORKS, LEAST_EXPLAINED, Importance, importances
from gasearch.report.pictures import failure_bars, front_charts, growth_chart, importance_bars, operator_bars
from gasearch.report.provenance import provenance_parts
from gasearch.report.text import with_spread
from gasearch.space.build import build_space
from gasearch.space.decisions import DataShape
from gasearch.spec.model import SearchSpec
from gasearch.storage.archive import ArchiveReader
from gasearch.storage.records import SearchRecord

MOST_NETWORKS = 1000  #: Drawn beside the front, the newest: what is sent by mail stays below a megabyte.
MOST_LISTED = 200  #: Networks of the front in the table, the best.
MOST_CAUSES = 20
LONGEST_MESSAGE = 400  #: Characters of a failure's.


def report_on(reader: ArchiveReader, name: str) -> Document:
    """The whole report.

    Raises:
        UnknownSearch: if there is no search of that name.
    """
    record, summary = reader.search(name), search_summary(reader, name)
    front, finals = front_points(reader, name), finalists(reader, name)
    knee, score = best_points(reader, name, knee=True), objectives_of(record)[0]
    sections: dict[str, list[Part]] = {
        "What was asked": _asked(record, summary),
        "Where it stands": _state(summary),
        "The front": _front(reader, record, front, finals, knee[0].key) if front else [],
        "How the front grew": _growth(reader, record),
        "Which decisions mattered": _decisions(reader, record),
        "Operators": _operators(reader, name),
        "Failures": _failures(reader, name, summary),
        "Finalists": finals_parts(finals, score),
        "Verification": verification_parts(reader.verifications(record.id), score.metric),
        "Provenance": provenance_parts(record, reader.newest(record.id, count=MOST_NETWORKS), reader.events(record.id)),
    }
    return Document(
        title=name,
        lead=_lead(summary, knee[0] if knee else None),
        headline=tuple(_headline(summary, finals)),
        sections=tuple(Section(title=title, parts=tuple(parts)) for title, parts in sections.items() if parts),
    )


def _lead(summary: SearchSummary, knee: FrontPoint | None) -> str:
    """What came of it, in words."""
    day = f"{summary.updated_at:%Y-%m-%d}"
    if not summary.told:
        return f"A search for {_objectives_text(summary)}. No evaluation has been completed yet ({day})."
    told = f"{_counted(summary.told, 'evaluation')} by {summary.algorithm} ({day})"
    if knee is None:
        return f"{told}, and no network that was measured and keeps the limits."
    values = ", ".join(f"{one} {format_quantity(knee.metrics[one], one)}" for one in summary.objectives)
    if len(summary.objectives) == 1:
        return f"{told} for {_objectives_text(summary)}. The best network is {knee.key}: {values}."
    size = f"{_counted(summary.front_size, 'network')} on the front of {_objectives_text(summary)}"
    return f"{told} left {size}. The best bargain, its knee, is {knee.key}: {values}."


def _headline(summary: SearchSummary, finals: Sequence[Finalist]) -> Iterator[tuple[str, str]]:
    is_done = summary.budget in (None, summary.told)
    yield "evaluations", str(summary.told) if is_done else f"{summary.told} of {summary.budget}"
    yield "state", _state_word(summary)
    if summary.front_size:
        yield "on the front", str(summary.front_size)
    for metric, value in summary.best.items():
        yield f"best {metric}", format_quantity(value, metric)
    if summary.failures:
        yield "failed", str(sum(summary.failures.values()))
    if finals:
        verified = sum(bool(one.is_verified) for one in finals)
        yield "finalists", f"{len(finals)}, {verified} verified" if verified else str(len(finals))


def _asked(record: SearchRecord, summary: SearchSummary) -> list[Part]:
    spec, data = json.loads(record.spec_json), json.loads(record.data_json)
    task, budget = spec.get("task") or {}, spec.get("budget") or {}
    rows = [("data", _data_text(data))] if data else [("evaluator", str(task.get("evaluator")))]
    rows += [
        ("family", str((spec.get("space") or {}).get("family"))),
        ("networks in the space", format_quantity(record.space_size, "params")),
        ("objectives", _objectives_text(summary)),
        ("limits", "; ".join(map(str, constraints_of(record))) or "none"),
        ("budget", ", ".join(f"{key} {value}" for key, value in budget.items() if value is not None)),
        ("searched by", f"{summary.algorithm}, {summary.mode}"),
        ("seed", str(spec.get("seed"))),
    ]
    recipe = spec.get("recipe") or {}
    if data and recipe:
        shown = ("epochs", "batch_size", "optimizer", "learning_rate", "schedule", "data_share")
        rows.append(("recipe", ", ".join(f"{key} {recipe[key]}" for key in shown if key in recipe)))
    return [Facts(rows=tuple(rows))]


def _state(summary: SearchSummary) -> list[Part]:
    budget = "" if summary.budget is None else f" of {summary.budget}"
    rare = {
        "stopped early": summary.stopped,
        "further trainings": summary.replicates,
        "taken over from elsewhere": summary.reused,
    }
    rows = [
        ("state", f"{_state_word(summary)}: {summary.reason}" if summary.reason else _state_word(summary)),
        ("evaluations", f"{summary.told}{budget}"),
        ("of these failed", str(sum(summary.failures.values()))),
        *((name, str(count)) for name, count in rare.items() if count),
        ("front", _counted(summary.front_size, "network")),
        ("hypervolume", "not known yet" if summary.hypervolume is None else f"{summary.hypervolume:.4f}"),
        ("ran for", format_quantity(summary.active_seconds, "train_seconds")),
        ("workers were busy for", format_quantity(summary.busy_seconds, "train_seconds")),
    ]
    return [Facts(rows=tuple(rows))]


def _front(
    reader: ArchiveReader, record: SearchRecord, front: Sequence[FrontPoint], finals: Sequence[Finalist], knee: str
) -> list[Part]:
    objectives, finalized = objectives_of(record), {one.key for one in finals}
    metrics = [goal.metric for goal in objectives]
    has_spreads = any(spread_of(metric) in point.metrics for point in front for metric in metrics)
    said = "No network of the search is better than one of these in every objective." if len(metrics) > 1 else ""
    said += " ± is the spread of the measurement; values whose spreads overlap count as equal." if has_spreads else ""
    charts = front_charts(_drawn(reader, record), objectives, finals, knee)
    parts: list[Part] = [Paragraph(text=said.strip(), is_note=True)] if said else []
    names = ["front", *(f"front-{number}" for number in range(2, len(charts) + 1))]
    parts += [Picture(name=name, figure=chart) for name, chart in zip(names, charts, strict=True)]
    bargain = {} if len(metrics) == 1 else {knee: "knee"}
    notes = [_notes(point, bargain, finalized) for point in front]
    has_notes = any(notes)
    rows = [
        (
            point.key,
            *(_with_spread(point.metrics, metric) for metric in metrics),
            *((note,) if has_notes else ()),
            layers_text(point.blueprint),
        )
        for point, note in zip(front, notes, strict=True)
    ]
    columns = [Column(title="key", kind="name"), *(Column(title=metric, kind="number") for metric in metrics)]
    columns += [Column(title="note")] if has_notes else []
    columns.append(Column(title="network", kind="code"))
    shown = f", the best {MOST_LISTED} by {metrics[0]}" if len(rows) > MOST_LISTED else ""
    caption = f"{_counted(len(rows), 'network')} on the front{shown}"
    parts.append(Table(caption=caption, columns=tuple(columns), rows=tuple(rows[:MOST_LISTED])))
    return parts


def _notes(point: FrontPoint, bargain: Mapping[str, str], finalized: set[str]) -> str:
    said = [bargain.get(point.key, "")]
    said += ["finalist" if point.key in finalized else "", "verified" if point.is_verified else ""]
    return ", ".join(filter(None, said))


def _drawn(reader: ArchiveReader, record: SearchRecord) -> list[FrontPoint]:
    """The front and the newest of the others, in the order of arrival."""
    newest = reader.newest(record.id, count=MOST_NETWORKS)
    drawn = {one.number: one for one in (*newest, *reader.front(record.id)) if one.metrics}
    return [point_of(one) for one in sorted(drawn.values(), key=lambda one: one.arrival)]


def _growth(reader: ArchiveReader, record: SearchRecord) -> list[Part]:
    scaling = scaling_of(record)
    if scaling is None:
        return []
    curve = growth(completed_outcomes(reader, record, objectives_of(record), constraints_of(record)), scaling)
    said = (
        "The hypervolume is the volume that what was measured dominates, in units of the box between the best and the "
        "worst values of the first generation."
    )
    return [Paragraph(text=said, is_note=True), Picture(name="growth", figure=growth_chart(curve))] if curve else []


def _decisions(reader: ArchiveReader, record: SearchRecord) -> list[Part]:
    networks = [one for one in reader.networks(record.id) if one.metrics]
    if not networks:
        return []
    spec, data = SearchSpec.from_json(record.spec_json), json.loads(record.data_json)
    space = build_space(spec, None if spec.is_custom else DataShape.of(data))
    found = importances(networks, space, objectives_of(record))
    said = (
        "By how much a random forest that predicts the objective for networks that it has not seen gets worse when the "
        "values of one decision are shuffled among them: in shares of the objective's variance (permutation "
        "importance, 5-fold). It says what mattered among the networks that were trained, no more."
    )
    known = [(number, one) for number, one in enumerate(found, 1) if one.decisions]
    parts: list[Part] = [Paragraph(text=said, is_note=True)] if known else []
    parts.append(Facts(rows=tuple(map(_explained, found))))
    return parts + [Picture(name=f"importance-{number}", figure=importance_bars(one)) for number, one in known]


def _explained(found: Importance) -> tuple[str, str]:
    if found.explained is None:
        few = f"{found.networks} measured networks are too few, or all alike; it takes {FEWEST_NETWORKS}"
        return found.metric, f"not known: {few}"
    share = f"{max(0.0, found.explained):.0%} of the variance"
    if not found.decisions:
        return found.metric, f"not known: the forest explains {share}, less than {LEAST_EXPLAINED:.0%}"
    return found.metric, f"the forest explains {share} of {found.networks} networks"


def _operators(reader: ArchiveReader, name: str) -> list[Part]:
    children = operators(reader, name)
    if not children:
        return []
    rows = tuple(
        (one.operator, str(one.children), str(one.measured), str(one.entered), f"{one.gain_per_child:.5f}")
        for one in children
    )
    counts = ("children", "measured", "entered the front", "hypervolume gained per child")
    columns = (Column(title="operator", kind="name"), *(Column(title=title, kind="number") for title in counts))
    table = Table(caption="Children of each operator", columns=columns, rows=rows)
    has_gain = any(one.gain_per_child > 0 for one in children)
    return [*([Picture(name="operators", figure=operator_bars(children))] if has_gain else []), table]


def _failures(reader: ArchiveReader, name: str, summary: SearchSummary) -> list[Part]:
    causes = failures(reader, name)
    if not causes:
        return [Paragraph(text="Nothing has failed.")] if summary.told else []
    rows = tuple(
        (one.failure, str(one.count), str(one.retried), one.key, one.message[:LONGEST_MESSAGE])
        for one in causes[:MOST_CAUSES]
    )
    columns = (
        Column(title="kind", kind="name"),
        Column(title="attempts", kind="number"),
        Column(title="tried again", kind="number"),
        Column(title="such as", kind="name"),
        Column(title="message", kind="long"),
    )
    shown = f", the most frequent {MOST_CAUSES} of {len(causes)}" if len(causes) > MOST_CAUSES else ""
    table = Table(caption=f"Attempts that failed, by cause{shown}", columns=columns, rows=rows)
    bars = [Picture(name="failures", figure=failure_bars(summary.failures))] if len(summary.failures) > 1 else []
    return [*bars, table]


# --- texts ------------------------------------------------------------------------------------------------------


def _state_word(summary: SearchSummary) -> str:
    return "interrupted" if summary.is_abandoned else str(summary.state)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _objectives_text(summary: SearchSummary) -> str:
    return ", ".join(f"{metric} ({better})" for metric, better in summary.objectives.items())


def _data_text(data: dict[str, Any]) -> str:
    """The name, what a sample is, and the sizes of the parts."""
    shape = " x ".join(map(str, data.get("input_shape", ())))
    parts = ", ".join(f"{data[part]} for {part}" for part in ("train", "validation", "test") if data.get(part))
    return f"{data.get('name', '-')}: {data.get('kind', '')}, {data.get('input_kind', '')} of {shape}; {parts}"


def _with_spread(metrics: dict[str, float], metric: str) -> str:
    return with_spread(metrics[metric], metrics.get(spread_of(metric)), metric) if metric in metrics else "-"
