"""What a search may be resumed with, and what a resume says of a world that has changed since the start.

A search goes on with the spec that it began with, save what it may spend and where it runs. Other versions, and weights
that are gone, change what it finds: it goes on, and says so.
"""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from gasearch_workers.messages import CROSS_COMPILERS

from gasearch import __version__
from gasearch.errors import BadInput, SpecError, UnknownSearch, WrongState
from gasearch.jobs.setup import extended
from gasearch.jobs.turns import is_being_run
from gasearch.search.budget import EXHAUSTED, SLOW, STALLED
from gasearch.spec.changes import Change, as_lines, changed, changes
from gasearch.spec.evaluator_source import changed_files
from gasearch.spec.model import SearchSpec
from gasearch.storage.archive import Archive, ArchiveReader
from gasearch.storage.owner import being_run
from gasearch.storage.records import EventRecord, Lease, SearchRecord, SearchStatus

MOST_SHOWN: Final = 5  #: Files of an evaluator that are named.
#: The kinds of the events that keep what a search began with.
_OPERATORS: Final = "operators"
_VERSIONS: Final = "versions"
#: The libraries that decide what is proposed, or what comes of it.
_LIBRARIES: Final = ("numpy", "torch", "deap", "moocore", "optuna", "scikit-learn")


# --- the spec ---------------------------------------------------------------------------------------------------


def spec_to_go_on_with(
    record: SearchRecord,
    *,
    source: Path | str | Mapping[str, Any] | None,
    overrides: Sequence[str],
    evaluations: int | None,
    hours: float | None,
    completed: int = 0,
) -> tuple[SearchSpec, list[Change]]:
    """The spec of a resume, and in what it differs from the stored one.

    A search that has failed gets its evaluations once more, unless it is given others: what failed stays failed.

    Args:
        record: The search as it is stored.
        source: The spec's file or mapping, where it is given again.
        overrides: "key.path=value" each.
        evaluations: The new budget, in all.
        hours: The new wall time, in all.
        completed: The evaluations that it has.

    Raises:
        SpecError: if it can't be used.
        WrongState: if it differs in what decides the result, with every such key.
    """
    stored = SearchSpec.from_json(record.spec_json)
    spec = extended(changed(stored, source, overrides), evaluations=evaluations, hours=hours)
    asked = spec.budget.evaluations
    if record.state is SearchStatus.FAILED and completed >= asked == stored.budget.evaluations:
        spec = extended(spec, evaluations=completed + asked, hours=None)
    found = changes(stored, spec)
    others = [change for change in found if not change.is_free]
    if others and (spec.name != stored.name or spec.identity_hash() != stored.identity_hash()):
        raise WrongState(
            f"search {record.name!r} goes on with the spec that it began with, save budget.* and workers.*; these keys "
            f"differ:{as_lines(others)}\nleave them as they were, or begin a new search: its start.searches: "
            f"[{record.name}] begins with this one's front"
        )
    return spec, found


def note_changes(archive: Archive, lease: Lease, record: SearchRecord, spec: SearchSpec, found: list[Change]) -> None:
    """Store what a resume changes, and that it does.

    Args:
        archive: Where the search is stored.
        lease: On it.
        record: The search as it is stored.
        spec: What it goes on with.
        found: In what that differs from the stored one.
    """
    if any(change.path[0] == "budget" for change in found):
        archive.add_event(lease, EventRecord(kind="extended", message=json.dumps(spec.budget.model_dump())))
    others = [change for change in found if change.path[0] != "budget"]
    if others:
        archive.add_event(lease, EventRecord(kind="changed", message="; ".join(map(str, others))))
    stored = SearchSpec.from_json(record.spec_json)
    kept = spec.model_copy(update={"workers": stored.workers})  # those of one run are not the search's
    if kept != stored:
        archive.update_spec(lease, spec_json=kept.to_json())


def require_free_name(archive: ArchiveReader, name: str, spec: SearchSpec) -> None:
    """Refuse a new search of a name that is taken, and say how its spec differs.

    Args:
        archive: Where searches are stored.
        name: Of the new search.
        spec: Of the new search.

    Raises:
        WrongState: if there is such a search.
    """
    try:
        record = archive.search(name)
    except UnknownSearch:
        return
    try:
        found = changes(SearchSpec.from_json(record.spec_json), spec)
    except SpecError:  # an earlier version's, which this one can't use
        found = []
    going_on = _going_on(archive, record, spec, found)
    differs = f"; its spec differs from this one:{as_lines(found)}" if found else ""
    raise WrongState(
        f"there is a search named {name!r} already ({record.state.value}): {going_on}give this one another name with "
        f"--set name=OTHER{differs}"
    )


def _going_on(archive: ArchiveReader, record: SearchRecord, spec: SearchSpec, found: Sequence[Change]) -> str:
    """How to go on with a search whose name is taken, towards the budget of this spec; "" where nothing lets it."""
    if is_being_run(record):
        return f"watch it with `gasearch status {record.name} --watch`, or "
    counts = archive.counts(record.id)
    try:
        stored = SearchSpec.from_json(record.spec_json)
    except SpecError:
        return ""
    is_free = all(change.is_free for change in found)
    wanted = [change for change in found if change.path[0] == "budget"] if is_free else []
    if spec.budget.evaluations < counts.completed:  # a budget counts in all: this one is spent already
        wanted = [change for change in wanted if change.key != "budget.evaluations"]
    budget = stored.budget.model_copy(update={str(change.path[1]): change.after for change in wanted})
    asked = stored.model_copy(update={"budget": budget})
    options = [change.override for change in wanted]
    if record.state is SearchStatus.FINISHED:
        more = _spent(record, asked, completed=counts.completed, busy_s=counts.busy_seconds)
        if not more and budget == stored.budget:
            return f"it has ended ({record.reason}); "
        options = [change.override for change in wanted if change.path[1] not in more] + list(more.values())
    return f"go on with `gasearch resume {' '.join([record.name, *options])}`, or "


# --- its state --------------------------------------------------------------------------------------------------


def require_nobody_runs(record: SearchRecord) -> None:
    """Refuse now what the lease would refuse once the workers have started.

    Raises:
        WrongState: naming the owner.
    """
    if is_being_run(record):
        raise WrongState(being_run(record.name, str(record.owner)))


def require_unfinished(record: SearchRecord, spec: SearchSpec, *, completed: int, busy_s: float) -> None:
    """Refuse to go on with a search that has ended and would end again at once.

    Args:
        record: The search as it is stored.
        spec: What it is to go on with.
        completed: The evaluations that it has.
        busy_s: The time that its workers were busy.

    Raises:
        BadInput: if it has more evaluations than the new budget.
        WrongState: if it is finished, with what extends it.
    """
    if completed > spec.budget.evaluations:
        raise BadInput(
            f"search {record.name!r} has {completed} evaluations already; the new budget counts in all: give more, "
            f"such as --evaluations {2 * completed}; got {spec.budget.evaluations}"
        )
    if record.state not in (SearchStatus.FINISHED, SearchStatus.FAILED):
        return
    more = _spent(record, spec, completed=completed, busy_s=busy_s)
    beginning = f"begin a new one with its front, by start.searches: [{record.name}]"
    if more:
        advice = f"extend it with: gasearch resume {record.name} {' '.join(more.values())}"
        if record.reason.startswith((STALLED, SLOW)):
            advice += f", or {beginning}"
    elif EXHAUSTED in record.reason and record.state is SearchStatus.FAILED:
        advice = "try the same networks again under another name, with --set name=OTHER"
    elif EXHAUSTED in record.reason:
        advice = "widen the space in a new one"
    elif spec.budget != SearchSpec.from_json(record.spec_json).budget:
        return
    else:
        advice = beginning
    ended = "has failed" if record.state is SearchStatus.FAILED else "is finished"
    raise WrongState(f"search {record.name!r} {ended}: {record.reason}; {advice}")


def _spent(record: SearchRecord, spec: SearchSpec, *, completed: int, busy_s: float) -> dict[str, str]:
    """What of the budget must be raised for the search not to end at once, by its key: as an option of `resume`."""
    budget, before = spec.budget, SearchSpec.from_json(record.spec_json).budget
    more = {}
    if completed >= budget.evaluations:
        more["evaluations"] = f"--evaluations {2 * completed}"
    if budget.hours is not None and record.active_seconds >= 3600 * budget.hours:
        more["hours"] = f"--hours {_twice(budget.hours, record.active_seconds)}"
    if budget.device_hours is not None and busy_s >= 3600 * budget.device_hours:
        more["device_hours"] = f"--set budget.device_hours={_twice(budget.device_hours, busy_s)}"
    if budget.stalled is not None and budget.stalled == before.stalled and record.reason.startswith(STALLED):
        more["stalled"] = f"--set budget.stalled={2 * max(budget.stalled, completed)}"
    least = budget.gain_per_device_hour
    if least is not None and least == before.gain_per_device_hour and record.reason.startswith(SLOW):
        more["gain_per_device_hour"] = "--set budget.gain_per_device_hour=null"
    return more


def _twice(hours: float, spent_s: float) -> str:
    """Twice the hours of a budget, or of what was spent where that is more; for a minute more at least."""
    return f"{max(2 * max(hours, spent_s / 3600), (spent_s + 60) / 3600):.3g}"


# --- the world around it ----------------------------------------------------------------------------------------


def current_versions(toolchain: str = "") -> dict[str, str]:
    """Of gasearch, Python, the libraries that decide what a search finds, and the cross compiler that measures it."""
    compiler, _, its_version = toolchain.partition(" ")
    found = {"gasearch": __version__, "python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # whoever does without it has nothing to notice
            continue
    return found | ({compiler: its_version} if its_version else {})


def compiler_at_start(reader: ArchiveReader, record: SearchRecord) -> str:
    """The name of the cross compiler with which a search began; "" where it began with none."""
    began = versions_at_start(reader, record)
    return next((name for name in CROSS_COMPILERS if name in began), "")


def versions_at_start(reader: ArchiveReader, record: SearchRecord) -> dict[str, str]:
    """The versions with which a search began; of an earlier version's what itself and its first outcome tell."""
    kept = _kept(reader, record, _VERSIONS)
    if kept is not None:
        found: dict[str, str] = json.loads(kept)
        return found
    first = next(reader.evaluations(record.id), None)
    text = "" if first is None else first.result.versions
    return {"gasearch": record.version} | dict(re.findall(r"\b(python|torch) (\d[\w.+]*)", text))


def _kept(reader: ArchiveReader, record: SearchRecord, kind: str) -> str | None:
    """The message of the first event of a kind."""
    return next((event.message for event in reader.events(record.id) if event.kind == kind), None)


@dataclass(frozen=True, slots=True)
class World:
    """Says, and stores as an event, in what the world differs from that in which a search began."""

    archive: Archive
    lease: Lease
    record: SearchRecord  #: The search as it is stored.
    notice: Callable[[str], None]  #: Takes what the user should know.

    def note_versions(self, toolchain: str) -> None:
        """Keep the versions that a search begins with; say so where it goes on with others.

        `toolchain` is the cross compiler that measures, with its version.
        """
        now, kept = current_versions(toolchain), _kept(self.archive, self.record, _VERSIONS)
        began = versions_at_start(self.archive, self.record)
        differing = [name for name in began if name in now and began[name] != now[name]]
        if differing:
            before, after = (", ".join(f"{name} {found[name]}" for name in differing) for found in (began, now))
            self._say(
                "other versions",
                f"{self.record.name} began with {before} and goes on with {after}: what it finds may differ",
            )
        if kept is None:
            self._store(_VERSIONS, json.dumps(now | began))

    def note_evaluator(self, source: str) -> None:
        """Say so where the evaluator's files, as they are now, aren't what they were when the search began."""
        consequence = "may not compare with what it has; for networks that do, begin a new search"
        self._note_changed("evaluator", self.record.evaluator_source, source, consequence)

    def note_operators(self, source: str) -> None:
        """Keep the files of the user's own operators that a search begins with; say so where it goes on with others."""
        if not source:
            return
        kept = _kept(self.archive, self.record, _OPERATORS)
        if kept is None:
            self._store(_OPERATORS, source)
        else:
            self._note_changed("toolbox", kept, source, "is another search than that which began")

    def note_weights(self, folder: str) -> None:
        """Say that trained weights are gone which children would have begun with, where there were any."""
        if not Path(folder).is_dir() and self.archive.counts(self.record.id).completed:
            message = (
                f"the folder {folder} with the weights that {self.record.name} has trained is missing: networks whose "
                "parents it held begin from scratch, so what it finds may differ"
            )
            self._say("lost weights", message)

    def _note_changed(self, what: str, before: str, now: str, consequence: str) -> None:
        files = changed_files(before, now)
        if files:
            more = f" and {len(files) - MOST_SHOWN} more" if len(files) > MOST_SHOWN else ""
            message = (
                f"the {what} of {self.record.name} has changed since the search began "
                f"({', '.join(files[:MOST_SHOWN])}{more}): what it finds from here on {consequence}"
            )
            self._say(f"other {what}", message)

    def _say(self, kind: str, message: str) -> None:
        self.notice(message)
        self._store(kind, message)

    def _store(self, kind: str, message: str) -> None:
        self.archive.add_event(self.lease, EventRecord(kind=kind, message=message))
