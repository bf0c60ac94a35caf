"""What a report on a search says, section by section; what isn't there is left out."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator, Sequence
from statistics import mean, stdev
from typing import Any

from gasearch.objectives.metrics import spread_of
from gasearch.objectives.units import format_quantity
from gasearch.query.answers import SearchSummary, layers_text
from gasearch.query.asked import constraints_of, objectives_of
from gasearch.query.failures import failures
from gasearch.query.figures import BLUE, Figure, failures_figure, front_figure, growth_figures, operators_figure
from gasearch.query.front import best_points, front_points, point_of
from gasearch.query.growth import completed_outcomes, growth, scaling_of
from gasearch.query.lineage import operators
from gasearch.query.summary import search_summary
from gasearch.report.document import Code, Document, Paragraph, Part, Picture, Section, Table
from gasearch.report.importance import FEWEST_NETWORKS, LEAST_EXPLAINED, Importance, importances
from gasearch.space.build import build_space
from gasearch.space.decisions import DataShape
from gasearch.spec.model import SearchSpec
from gasearch.storage.archive import ArchiveReader
from gasearch.storage.records import FinalRecord, SearchRecord

MOST_NETWORKS = 1000  #: Drawn beside the front, the newest: what is sent by mail stays below a megabyte.
MOST_DECISIONS = 12  #: Of an objective's importances, the greatest.
MOST_CAUSES = 20
LONGEST_MESSAGE = 400  #: Characters of a failure's.


def report_on(reader: ArchiveReader, name: str) -> Document:
    """The whole report.

    Raises:
        UnknownSearch: if there is no search of that name.
    """
    record, summary = reader.search(name), search_summary(reader, name)
    sections = [
        _asked(record, summary),
        _state(summary),
        _front(reader, record, summary),
        _growth(reader, record, summary),
        _decisions(reader, record),
        _operators(reader, name),
        _failures(reader, name, summary),
        _finalists(reader, record),
        _verifications(reader, record),
        _provenance(reader, record),
    ]
    front = f"{summary.front_size} networks on the front of {_objectives_text(summary)}"
    return Document(
        title=name,
        subtitle=f"{summary.told} evaluations by {summary.algorithm}, {front}; {_day(record.updated_at)}",
        sections=tuple(Section(title=title, parts=tuple(parts)) for title, parts in sections if parts),
    )


Content = tuple[str, list[Part]]  #: A section's title, and its parts; none: there is nothing to say.


def _asked(record: SearchRecord, summary: SearchSummary) -> Content:
    spec, data = json.loads(record.spec_json), json.loads(record.data_json)
    task, budget = spec.get("task") or {}, spec.get("budget") or {}
    rows = [("data", _data_text(data))] if data else [("evaluator", str(task.get("evaluator")))]
    rows += [
        ("family", str((spec.get("space") or {}).get("family"))),
        ("networks in the space", f"{record.space_size:.3g}"),
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
    return "What was asked", [_pairs(rows)]


def _state(summary: SearchSummary) -> Content:
    budget = "" if summary.budget is None else f" of {summary.budget}"
    rows = [
        ("state", f"{summary.state}: {summary.reason}" if summary.reason else str(summary.state)),
        ("evaluations", f"{summary.told}{budget}"),
        ("of these failed", str(sum(summary.failures.values()))),
        ("stopped early", str(summary.stopped)),
        ("further trainings", str(summary.replicates)),
        ("taken over from elsewhere", str(summary.reused)),
        ("front", f"{summary.front_size} networks"),
        ("hypervolume", "-" if summary.hypervolume is None else f"{summary.hypervolume:.4f}"),
        *((f"best {metric}", format_quantity(value, metric)) for metric, value in summary.best.items()),
        ("ran for", format_quantity(summary.active_seconds, "train_seconds")),
        ("workers were busy for", format_quantity(summary.busy_seconds, "train_seconds")),
    ]
    return "Where it stands", [_pairs(rows)]


def _front(reader: ArchiveReader, record: SearchRecord, summary: SearchSummary) -> Content:
    points = front_points(reader, record.name)
    if not points:
        return "The front", []
    knee = best_points(reader, record.name, knee=True)[0].key
    metrics = list(summary.objectives)
    has_spreads = any(spread_of(metric) in point.metrics for point in points for metric in metrics)
    rows = [
        (
            point.key + (" (knee)" if point.key == knee else ""),
            *(_with_spread(point.metrics, metric) for metric in metrics),
            layers_text(point.blueprint),
        )
        for point in points
    ]
    said = "No network of the search is better than one of these in every objective."
    said += " ± is the spread of the measurement; values whose spreads overlap count as equal." if has_spreads else ""
    return "The front", [
        Paragraph(text=said),
        Picture(name="front", figure=_front_figure(reader, record, summary)),
        Table(columns=("key", *metrics, "network"), rows=tuple(rows)),
    ]


def _front_figure(reader: ArchiveReader, record: SearchRecord, summary: SearchSummary) -> Figure:
    newest = reader.newest(record.id, count=MOST_NETWORKS)
    drawn = {one.number: one for one in (*newest, *reader.front(record.id)) if one.metrics}
    points = [point_of(one) for one in sorted(drawn.values(), key=lambda one: one.arrival)]
    counts = reader.counts(record.id)
    measured = counts.completed - sum(counts.failures.values()) - counts.stopped - counts.replicates
    return front_figure(summary, points, max(measured, len(points)))


def _growth(reader: ArchiveReader, record: SearchRecord, summary: SearchSummary) -> Content:
    scaling = scaling_of(record)
    if scaling is None:
        return "How the front grew", []
    completed = completed_outcomes(reader, record, objectives_of(record), constraints_of(record))
    figures = growth_figures({record.name: growth(completed, scaling)}, ["evaluations"])
    said = (
        "The hypervolume is the volume that what was measured dominates, in units of the box between the best and the "
        "worst values of the first generation; more is better."
    )
    return "How the front grew", [Paragraph(text=said), *(Picture(name="growth", figure=one) for one in figures)]


def _decisions(reader: ArchiveReader, record: SearchRecord) -> Content:
    spec, data = SearchSpec.from_json(record.spec_json), json.loads(record.data_json)
    space = build_space(spec, None if spec.is_custom else DataShape.of(data))
    found = importances(list(reader.networks(record.id)), space, objectives_of(record))
    said = (
        "By how much a random forest that predicts the objective for networks that it has not seen gets worse when the "
        "values of one decision are shuffled among them: in shares of the objective's variance (permutation "
        "importance, 5-fold). It says what mattered among the networks that were trained, no more."
    )
    parts = [part for number, one in enumerate(found, 1) for part in _importance_parts(number, one)]
    return "Which decisions mattered", [Paragraph(text=said), *parts] if parts else []


def _importance_parts(number: int, found: Importance) -> Iterator[Part]:
    if found.explained is None:
        few = f"{found.networks} measured networks are too few, or all alike; it takes {FEWEST_NETWORKS}"
        yield Paragraph(text=f"{found.metric}: not known: {few}.")
    elif not found.decisions:
        known = f"{max(0.0, found.explained):.0%} of the variance, less than {LEAST_EXPLAINED:.0%}"
        yield Paragraph(text=f"{found.metric}: not known: the forest explains {known}.")
    else:
        shown = dict(found.decisions[:MOST_DECISIONS])
        known = f"{found.explained:.0%} of the variance of {found.networks} networks"
        yield Paragraph(text=f"{found.metric}: the forest explains {known}.")
        yield Picture(name=f"importance-{number}", figure=_importance_figure(found.metric, shown))


def _importance_figure(metric: str, shares: dict[str, float]) -> Figure:
    bars = {"type": "bar", "x": list(map(html.escape, shares)), "y": [max(0.0, one) for one in shares.values()]}
    upward = {"title": {"text": "variance lost by shuffling"}, "rangemode": "tozero"}
    title = f"What decides {html.escape(metric)}"
    layout = {"title": {"text": title}, "height": 320, "xaxis": {"type": "category"}, "yaxis": upward}
    return {"data": [bars | {"marker": {"color": BLUE}}], "layout": layout}


def _operators(reader: ArchiveReader, name: str) -> Content:
    children = operators(reader, name)
    if not children:
        return "Operators", []
    rows = tuple(
        (one.operator, str(one.children), str(one.measured), str(one.entered), f"{one.gain_per_child:.5f}")
        for one in children
    )
    columns = ("operator", "children", "measured", "entered the front", "hypervolume gained per child")
    return "Operators", [
        Table(columns=columns, rows=rows),
        Picture(name="operators", figure=operators_figure(children)),
    ]


def _failures(reader: ArchiveReader, name: str, summary: SearchSummary) -> Content:
    causes = failures(reader, name)
    if not causes:
        return "Failures", [Paragraph(text="Nothing has failed.")]
    rows = tuple(
        (str(one.count), str(one.retried), one.failure, one.key, one.message[:LONGEST_MESSAGE])
        for one in causes[:MOST_CAUSES]
    )
    parts: list[Part] = [Table(columns=("attempts", "tried again", "kind", "such as", "message"), rows=rows)]
    if summary.failures:
        parts.append(Picture(name="failures", figure=failures_figure(summary.failures)))
    return "Failures", parts


def _finalists(reader: ArchiveReader, record: SearchRecord) -> Content:
    groups: dict[tuple[str, str], list[FinalRecord]] = {}
    for one in reader.finals(record.id):
        if one.failure is None:
            groups.setdefault((one.key, one.recipe_json), []).append(one)
    if not groups:
        return "Finalists", []
    score = objectives_of(record)[0].metric
    rows = []
    for (key, _), trained in groups.items():
        searched = reader.network(record.id, key).metrics.get(score)
        finals = [dict(one.metrics).get(score) for one in trained]
        tests = [dict(one.test).get(score) for one in trained]
        sizes = sorted({one.size_bytes for one in trained})
        rows.append(
            (
                key,
                str(len(trained)),
                str(trained[0].epochs),
                "-" if searched is None else format_quantity(searched, score),
                _mean_text(finals, score),
                _mean_text(tests, score),
                " to ".join(format_quantity(size, "model_bytes") for size in dict.fromkeys((sizes[0], sizes[-1]))),
            )
        )
    columns = (
        "key",
        "seeds",
        "epochs",
        f"{score} in the search",
        f"{score} now",
        f"{score} on the test split",
        "bytes",
    )
    said = (
        "Trained anew from scratch, with fresh seeds; the test split was read once for each training. A score in the "
        "search was chosen as one of the best of many: it is too good on average. ± is the deviation over seeds."
    )
    return "Finalists", [Paragraph(text=said), Table(columns=columns, rows=tuple(rows))]


def _verifications(reader: ArchiveReader, record: SearchRecord) -> Content:
    rows = []
    for one in reader.verifications(record.id):
        claimed, measured = dict(one.claimed), dict(one.measured)
        told = "; ".join(
            f"{name} {format_quantity(value, name)}"
            + (f" (claimed {format_quantity(claimed[name], name)})" if name in claimed else "")
            for name, value in measured.items()
        )
        rows.append((one.key, one.format, one.runtime, str(one.verdict), told, one.message, one.device))
    if not rows:
        return "Verification", []
    columns = ("key", "file", "runtime", "verdict", "measured", "message", "device")
    said = "What came of running the exported files themselves."
    return "Verification", [Paragraph(text=said), Table(columns=columns, rows=tuple(rows))]


def _provenance(reader: ArchiveReader, record: SearchRecord) -> Content:
    data, networks = json.loads(record.data_json), reader.newest(record.id, count=MOST_NETWORKS)
    versions = [event.message for event in reader.events(record.id) if event.kind == "versions"]
    rows = [("gasearch", record.version)]
    rows += [("libraries", _versions_text(one)) for one in dict.fromkeys(versions)]
    rows += [("evaluated with", one) for one in dict.fromkeys(one.versions for one in networks if one.versions)]
    rows += [("evaluated on", one) for one in dict.fromkeys(one.device for one in networks if one.device)]
    rows += [("latency measured on", one) for one in dict.fromkeys(one.latency_device or "" for one in networks) if one]
    rows += [
        ("data fingerprint", str(data.get("fingerprint", "-"))),
        ("space fingerprint", record.space_fingerprint),
        ("spec hash", record.spec_hash),
        ("evaluator's files", record.evaluator_source),
        ("began", f"{record.created_at:%Y-%m-%d %H:%M} UTC"),
        ("newest entry", f"{record.updated_at:%Y-%m-%d %H:%M} UTC"),
    ]
    said = "The seed of each training follows from the search's seed and the network; gasearch show NAME KEY prints it."
    commands = (
        "gasearch run spec.json --set name=again      # the spec below",
        f"gasearch front {record.name}",
        f"gasearch why {record.name} KEY",
    )
    spec = json.dumps(json.loads(record.spec_json), indent=2, ensure_ascii=False)
    return "Provenance", [
        _pairs([row for row in rows if row[1]]),
        Paragraph(text=said),
        Code(text="\n".join(commands)),
        Paragraph(text="spec.json:"),
        Code(text=spec),
    ]


# --- texts ------------------------------------------------------------------------------------------------------


def _pairs(rows: Sequence[tuple[str, str]]) -> Table:
    return Table(columns=("", ""), rows=tuple(rows))


def _objectives_text(summary: SearchSummary) -> str:
    return ", ".join(f"{metric} ({better})" for metric, better in summary.objectives.items())


def _data_text(data: dict[str, Any]) -> str:
    """The name, what a sample is, and the sizes of the parts."""
    shape = " x ".join(map(str, data.get("input_shape", ())))
    parts = ", ".join(f"{data[part]} for {part}" for part in ("train", "validation", "test") if data.get(part))
    return f"{data.get('name', '-')}: {data.get('kind', '')}, {data.get('input_kind', '')} of {shape}; {parts}"


def _with_spread(metrics: dict[str, float], metric: str) -> str:
    if metric not in metrics:
        return "-"
    spread = metrics.get(spread_of(metric))
    value = format_quantity(metrics[metric], metric)
    return f"{value} ± {format_quantity(spread, spread_of(metric))}" if spread else value


def _mean_text(values: Sequence[float | None], metric: str) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "-"
    text = format_quantity(mean(known), metric)
    return f"{text} ± {format_quantity(stdev(known), metric)}" if len(known) > 1 else text


def _versions_text(message: str) -> str:
    return ", ".join(f"{library} {version}" for library, version in json.loads(message).items())


def _day(moment: Any) -> str:
    return f"{moment:%Y-%m-%d}"
