"""Verify an artifact: run its files, hold what comes out against what they claim, and keep the verdict."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from gasearch_workers.evaluation.claims import RunCheck
from gasearch_workers.machine.files import replaced
from gasearch_workers.network.registry import UnknownName

from gasearch.deploy.custom_export import LIST_NAME
from gasearch.deploy.exported import NOT_ASKED, origin_of
from gasearch.deploy.provenance import data_source
from gasearch.deploy.stored import require_same_search
from gasearch.deploy.verdict import Verification
from gasearch.errors import BadInput, NoStore, StoreError, UnknownSearch
from gasearch.jobs.caller import left_as_found
from gasearch.spec.model import SearchSpec
from gasearch.storage.engines import parse_url
from gasearch.storage.records import SearchRecord, Verdict, VerificationRecord
from gasearch.storage.sql import open_archive

LIMIT_S: Final = 600.0  #: For a file in one runtime.
_CLAIMED: Final = ("model_bytes", "latency_ms", "latency_spread_ms", "arena_bytes")  #: Beside the scores.


@left_as_found()
def run_artifact(
    directory: Path | str,
    *,
    data: str | None = None,
    runtimes: Sequence[str] = (),
    is_timed: bool = True,
    seconds: float = LIMIT_S,
    db_url: str | None = None,
) -> Verification:
    """Run an artifact's forms on the test split, and write nothing.

    Args:
        directory: Of the artifact.
        data: A file of test samples; None: the test split of the data that the artifact was made of.
        runtimes: Names of runtimes, which must be installed; () for all that there are.
        is_timed: Whether to measure latencies.
        seconds: That a file may take in one runtime.
        db_url: Where its search may be stored, which knows where its data lie; None: that isn't looked up.

    Raises:
        BadInput: if the folder is no artifact, was altered, or was made by a newer version; if a named runtime is
            unknown, isn't installed, or runs none of its forms; if there is no test split, or another one's samples.
    """
    from gasearch_workers.data.dataset import DataError
    from gasearch_workers.evaluation.held_out import held_out
    from gasearch_workers.evaluation.verify import chosen_runtimes, unrun_forms, verify
    from gasearch_workers.export.artifact import DESCRIPTION_NAME, ArtifactError, read_artifact
    from gasearch_workers.measure.device import device_name

    directory = Path(directory)
    if not (math.isfinite(seconds) and seconds > 0):
        raise BadInput(f"the time limit must be a number of seconds greater than 0; got {seconds:g}")
    if (directory / LIST_NAME).is_file() and not (directory / DESCRIPTION_NAME).exists():
        raise BadInput(f"{directory} holds what a custom evaluator exported, which claims nothing that could be judged")
    try:
        content = read_artifact(directory)
        _require_story(directory / DESCRIPTION_NAME, content)
        chosen = chosen_runtimes(content, runtimes)
        origin = NOT_ASKED if db_url is None else origin_of(directory, content, db_url)
        source = None if data is not None or origin.record is None else _source(origin.record)
        try:
            test = held_out(directory, content, data, source=source)
        except DataError as error:
            is_unknown = data is None and origin.record is None and origin.reason  # an older schema, another search
            raise BadInput(f"{error} ({origin.reason})" if is_unknown else str(error)) from error
        checks = verify(directory, content, test, chosen, is_timed=is_timed, seconds=seconds)
        left_out = {str(form): str(why) for form, why in (content["description"].get("left_out_forms") or {}).items()}
        digest = hashlib.sha256((directory / DESCRIPTION_NAME).read_bytes()).hexdigest()
    except (ArtifactError, DataError, UnknownName) as error:
        raise BadInput(str(error)) from error
    except OSError as error:
        raise BadInput(f"{error.filename or directory} can't be read: {error.strerror or error}") from error
    except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError, MemoryError, RecursionError) as error:
        what = f"{type(error).__name__}: {error}"
        raise BadInput(f"{directory / DESCRIPTION_NAME} is not as it was written ({what}): export it again") from error
    return Verification(
        directory=directory,
        digest=digest,
        device=device_name(),
        source=test.source,
        samples=len(test.split),
        is_same=test.is_same,
        checks=tuple(checks),
        unrun=tuple([] if runtimes else unrun_forms(content)),
        left_out=tuple(left_out.items()),
        origin=origin,
    )


def verify_artifact(
    directory: Path | str,
    *,
    data: str | None = None,
    runtimes: Sequence[str] = (),
    is_timed: bool = True,
    seconds: float = LIMIT_S,
    db_url: str,
) -> tuple[Verification, str]:
    """Run an artifact, and keep what came of it: in its folder, and in the database where its search is stored.

    The second value says why the database has no record of it; "" where it has.

    Args:
        directory: Of the artifact.
        data: See `run_artifact`.
        runtimes: See `run_artifact`.
        is_timed: See `run_artifact`.
        seconds: See `run_artifact`.
        db_url: Where the search may be stored.

    Raises:
        BadInput: as `run_artifact`, where the folder can't be written, and for what names no database.
    """
    from gasearch_workers.export.artifact import DESCRIPTION_NAME, VERIFICATION_NAME

    parse_url(db_url)  # a mistyped one is refused before the work
    if Path(directory).is_dir() and not os.access(directory, os.W_OK):
        raise BadInput(
            f"{directory} can't be written, and {VERIFICATION_NAME} goes into it: copy the folder, and verify the copy"
        )
    found = run_artifact(directory, data=data, runtimes=runtimes, is_timed=is_timed, seconds=seconds, db_url=db_url)
    path = found.directory / VERIFICATION_NAME
    text = json.dumps(found.content(), indent=2, allow_nan=False) + "\n"
    try:
        with replaced(path) as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise BadInput(f"{path} can't be written: {error.strerror}") from error
    described = (found.directory / DESCRIPTION_NAME).read_bytes()
    if hashlib.sha256(described).hexdigest() != found.digest:
        return found, "the artifact was replaced meanwhile"
    return found, _store(found, str(json.loads(described)["description"].get("key")), db_url)


def _source(record: SearchRecord) -> dict[str, Any] | None:
    """Where the data of a search lie."""
    spec = SearchSpec.from_json(record.spec_json)
    return None if spec.is_custom else data_source(spec)


def _store(found: Verification, key: str, db_url: str) -> str:
    """Store what came of each run with the artifact's search; returns why that can't be."""
    origin = found.origin
    if origin.record is None or not origin.is_known:
        return origin.reason
    if origin.edits:
        return "the folder was edited since its export"
    if not found.is_verified and all(check.has_passed is not False for check in found.checks):
        return "nothing that was run could be held against a claim"
    try:
        with closing(open_archive(db_url, notice=lambda message: None)) as archive:
            require_same_search(archive, origin.record)
            for check in found.checks:
                if check.has_passed is not None:
                    archive.add_verification(origin.record.id, _record(found, check, key))
    except (NoStore, UnknownSearch, StoreError) as error:
        return str(error)
    return ""


def _record(found: Verification, check: RunCheck, key: str) -> VerificationRecord:
    return VerificationRecord(
        key=key,
        digest=found.digest,
        format=check.form,
        runtime=f"{check.runtime} {check.version}",
        claimed=tuple((claim.name, claim.claimed) for claim in check.claims if claim.claimed is not None),
        measured=tuple((claim.name, claim.measured) for claim in check.claims),
        verdict=Verdict.PASSED if check.has_passed else Verdict.FAILED,
        message=check.failure or check.note,
        device=found.device,
    )


def _require_story(path: Path, content: Mapping[str, Any]) -> None:
    """Refuse a description whose parts are none of the kinds that ours have."""
    wanted = ("input", "output", "description", "blueprint")
    lacking = [name for name in wanted if not isinstance(content.get(name), dict)]
    if lacking:
        raise BadInput(f"{path} is not as it was written: it lacks {', '.join(lacking)}; export it again")
    for part in ("claimed", "measured"):
        for name, value in dict(content["description"].get(part) or {}).items():
            is_claim = name.startswith("test_") or name in _CLAIMED
            if is_claim and not (isinstance(value, int | float) and math.isfinite(value)):
                raise BadInput(
                    f"{path} is not as it was written: description.{part}.{name} must be a number; got {value!r}; "
                    "export it again"
                )
