"""Which forms of a network are written: those that are asked for, if they can hold it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gasearch_workers.export.artifact import ArtifactError
from gasearch_workers.export.exporters import ALWAYS, EXPORTERS, with_zero_points_0
from gasearch_workers.network.steps import Plan

PREFERRED: Final = ("qdq",)  #: Forms that are written where nobody names others and they can hold the network.


def chosen_forms(asked: Sequence[str] | None, steps: Plan, *, is_symmetric: bool = False) -> tuple[str, ...]:
    """The forms to write beside those of every artifact.

    Args:
        asked: Names of exporters; "all" for every one that can hold the network. None: `PREFERRED` ones, likewise.
        steps: Of the network.
        is_symmetric: Whether the form `qdq` is to be written with zero point 0 everywhere, named or not.

    Raises:
        ArtifactError: naming a form that can't hold the network, and those that can; or two that write the same file.
        UnknownName: if there is no such exporter.
    """
    named = tuple(name for name in asked or () if name != "all")
    named = with_zero_points_0(named) if is_symmetric else named
    require_forms(named, steps)
    if asked is not None and "all" not in asked:
        return named
    known = EXPORTERS.names() if asked is not None else [name for name in PREFERRED if name in EXPORTERS.own]
    chosen = list(named)
    written = {file for name in named for file in EXPORTERS.get(name).files}
    for name in known:
        form = EXPORTERS.get(name)
        if written.isdisjoint(form.files) and not form.refusal(steps):
            chosen.append(name)
            written.update(form.files)
    return tuple(chosen)


def left_out_forms(asked: Sequence[str] | None, steps: Plan) -> dict[str, str]:
    """Of every form, where "all" are asked for, those that can't hold a network: by name what they can't hold."""
    if "all" not in (asked or ()):
        return {}
    return {name: reason for name in EXPORTERS.names() if (reason := EXPORTERS.get(name).refusal(steps))}


def require_forms(formats: Sequence[str], steps: Plan) -> None:
    """Refuse a form that can't hold a network, before anything is trained.

    Args:
        formats: Names of exporters.
        steps: Of the network.

    Raises:
        ArtifactError: naming the form, what it can't hold, and the forms that can; or two that write the same file.
        UnknownName: if there is no such exporter.
    """
    writers: dict[str, str] = {}
    for name in dict.fromkeys((*(form.name for form in ALWAYS), *formats)):
        for file in EXPORTERS.get(name).files:
            if (other := writers.setdefault(file, name)) != name:
                raise ArtifactError(f"{other} and {name} both write {file}; choose one of them")
    for name in formats:
        if reason := EXPORTERS.get(name).refusal(steps):
            able = [other for other in EXPORTERS.names() if not EXPORTERS.get(other).refusal(steps)]
            raise ArtifactError(f"{name} can't hold {reason}; forms that can hold this network: {', '.join(able)}")
