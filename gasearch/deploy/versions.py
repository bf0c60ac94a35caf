"""What an evaluation depends on besides itself, then and today: versions, device, data, the evaluator's files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gasearch_workers.messages import CROSS_COMPILERS, EvaluationResult

from gasearch.jobs.resume import current_versions
from gasearch.jobs.setup import Setup
from gasearch.spec.evaluator_source import changed_files
from gasearch.storage.records import SearchRecord

#: What only proposes networks; it changes no training.
_PROPOSING: Final = ("deap", "moocore", "optuna")
#: What a result's versions say of a part: "torch 2.13.0+cpu".
_VERSION: Final = re.compile(rf"({'|'.join(('python', 'torch', *CROSS_COMPILERS))}) (\S+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherVersion:
    """A part of the world in which the evaluation was made that is another one today."""

    name: str
    before: str
    now: str


def other_versions(
    record: SearchRecord, setup: Setup, began: Mapping[str, str], before: EvaluationResult, now: EvaluationResult
) -> Iterator[OtherVersion]:
    """Whatever differs between then and today of what an evaluation depends on.

    Args:
        record: Of its search.
        setup: Of it, as it is today.
        began: The versions of the libraries as the search began, by name.
        before: The evaluation's result as it is stored.
        now: As it came out again.
    """
    then = {name: text for name, text in began.items() if name not in _PROPOSING} | _parts(before.versions)
    today: dict[str, Any] = current_versions(setup.problem.toolchain) | _parts(now.versions)
    then["device"], today["device"] = _kind(before.device), _kind(now.device)
    if setup.data is not None:
        then["data"] = json.loads(record.data_json).get("fingerprint", "unknown")
        today["data"] = setup.data.fingerprint
    for name, text in then.items():
        if name in today and today[name] != text:
            yield OtherVersion(name=name, before=text, now=today[name])
    files = changed_files(record.evaluator_source, setup.evaluator_source)
    if files:
        yield OtherVersion(name="evaluator", before="as the search began", now=f"changed: {', '.join(files)}")


def _parts(versions: str) -> dict[str, str]:
    """The parts of a result's versions by their names: "python 3.11.2, torch 2.13.0+cpu, AVX2, 1 thread"."""
    found: dict[str, str] = {}
    for part in filter(None, versions.split(", ")):
        if match := _VERSION.fullmatch(part):
            found[match[1]] = match[2]
        elif match := re.fullmatch(r"(\d+) threads?", part):
            found["threads"] = match[1]
        else:
            found["cpu"] = part
    return found


def _kind(device: str) -> str:
    """The kind of a device, whichever of several it was."""
    return device.partition(":")[0]
