"""What a report says of the networks that were trained again, and of the files that were run."""

from __future__ import annotations

from collections.abc import Sequence

from gasearch.objectives.fitness import Objective
from gasearch.objectives.metrics import spread_of
from gasearch.objectives.units import format_quantity
from gasearch.query.finals import Finalist
from gasearch.query.verified import SCORE_PREFIX
from gasearch.report.document import Column, Paragraph, Part, Picture, Table
from gasearch.report.pictures import finals_chart
from gasearch.report.text import with_spread
from gasearch.storage.records import VerificationRecord


def finals_parts(finals: Sequence[Finalist], objective: Objective) -> list[Part]:
    """The finalists, best first.

    Args:
        finals: Of the search.
        objective: Its first one.
    """
    if not finals:
        return []
    score = objective.metric
    said = (
        "Trained anew from scratch, with fresh seeds; the test split was read once for each training. A score in the "
        "search was chosen as one of the best of many: it is too good on average. ± is the deviation over seeds."
    )
    names = {
        f"searched_{score}": f"{score} in the search",
        score: f"{score} now",
        f"test_{score}": f"{score} on the test split",
        f"test_{score}_drop": "lost since the search",
        "model_bytes": "model_bytes",
    }
    shown = [name for name in names if any(name in one.metrics for one in finals)]
    columns = (
        Column(title="key", kind="name"),
        *(Column(title=names[name], kind="number") for name in shown),
        Column(title="trainings", kind="number"),
        Column(title="epochs", kind="number"),
        Column(title="files", kind="verdict"),
    )
    rows = [
        (one.key, *(_value(one, name) for name in shown), _trainings(one), str(one.epochs), _verdict(one))
        for one in finals
    ]
    table = Table(caption="Finalists, best first", columns=columns, rows=tuple(rows))
    chart = finals_chart(finals, objective)
    pictures = [] if chart is None else [Picture(name="finalists", figure=chart)]
    return [Paragraph(text=said, is_note=True), *pictures, table]


def _value(one: Finalist, name: str) -> str:
    if name not in one.metrics:
        return "-"
    metric = name.removeprefix("searched_").removeprefix("test_").removesuffix("_drop")
    return with_spread(one.metrics[name], one.metrics.get(f"{name}_deviation"), metric)


def _trainings(one: Finalist) -> str:
    return f"{one.seeds}, {one.failed} failed" if one.failed else str(one.seeds)


def _verdict(one: Finalist) -> str:
    return "verified" if one.is_verified else "not verified"


def verification_parts(verifications: Sequence[VerificationRecord], score: str) -> list[Part]:
    """What came of running exported files: a table for each artifact, in which each file has its newest run.

    Args:
        verifications: Of the search, in the order in which they were stored.
        score: Its first objective.
    """
    artifacts: dict[tuple[str, str], dict[tuple[str, str], VerificationRecord]] = {}
    for one in verifications:
        artifacts.setdefault((one.key, one.digest), {})[one.format, one.runtime] = one
    if not artifacts:
        return []
    said = "What came of running the exported files themselves; what was claimed stands in brackets where it differs."
    tables = [_verification_table(key, list(runs.values()), score) for (key, _), runs in artifacts.items()]
    return [Paragraph(text=said, is_note=True), *tables]


def _verification_table(key: str, runs: Sequence[VerificationRecord], score: str) -> Table:
    measured = list(dict.fromkeys(name for one in runs for name, _ in one.measured))
    scores = [name for name in measured if name.startswith(SCORE_PREFIX)]
    others = [name for name in measured if name not in scores and not _is_spread(name)]
    names = [*([SCORE_PREFIX + score] if SCORE_PREFIX + score in scores else scores), *others]
    columns = (
        Column(title="runtime", kind="name"),
        Column(title="file"),
        Column(title="verdict", kind="verdict"),
        *(Column(title=name, kind="number") for name in names),
        Column(title="message", kind="long"),
    )
    rows = [
        (one.runtime, one.format, str(one.verdict), *(_measured(one, name) for name in names), one.message)
        for one in runs
    ]
    if not any(one.message for one in runs):
        columns, rows = columns[:-1], [row[:-1] for row in rows]
    devices = " and ".join(dict.fromkeys(one.device for one in runs))
    return Table(caption=f"{key} on {devices}", columns=columns, rows=tuple(rows))


def _is_spread(name: str) -> bool:
    return name.endswith("_spread_ms")


def _measured(run: VerificationRecord, name: str) -> str:
    measured, claimed, metric = dict(run.measured), dict(run.claimed), name.removeprefix(SCORE_PREFIX)
    if name not in measured:
        return "-"
    text = with_spread(measured[name], measured.get(spread_of(name)), metric)
    if name not in claimed or claimed[name] == measured[name]:
        return text
    return f"{text} ({format_quantity(claimed[name], metric)})"
