"""Verify an artifact: run its files, hold what comes out against what they claim, and keep the verdict."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from gasearch_workers.evaluation.claims import Claim, RunCheck
from gasearch_workers.machine.files import replaced
from gasearch_workers.messages import network_from_json
from gasearch_workers.network.registry import UnknownName

from gasearch.deploy.provenance import data_source, shown
from gasearch.errors import BadInput, NoStore, StoreError, UnknownSearch
from gasearch.jobs.caller import left_as_found
from gasearch.spec.model import SearchSpec
from gasearch.storage.engines import parse_url
from gasearch.storage.records import Verdict, VerificationRecord
from gasearch.storage.sql import open_archive, open_reader

FORMAT: Final = "gasearch verification"
FORMAT_VERSION: Final = 1
_CLAIMED: Final = ("model_bytes", "latency_ms", "latency_spread_ms", "arena_bytes")  #: Beside the scores.


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What came of running an artifact."""

    directory: Path
    digest: str  #: SHA-256 of its model.json.
    device: str
    source: str  #: Of the samples.
    samples: int
    is_same: bool  #: Whether these are the samples of the claims.
    checks: tuple[RunCheck, ...]  #: Of every form and runtime, those that aren't installed among them.
    unrun: tuple[str, ...] = ()  #: Forms that no runtime is known for.
    #: (form, what it can't hold) of forms that were to be written and were not.
    left_out: tuple[tuple[str, str], ...] = ()
    verified_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def is_verified(self) -> bool:
        """Whether something was run, a score of it was judged, and every claim that was judged holds."""
        ran = [check for check in self.checks if check.has_passed is not None]
        scores = (claim for check in ran for claim in check.claims if claim.name.startswith("test_"))
        return all(check.has_passed for check in ran) and any(claim.holds for claim in scores)

    @property
    def conclusion(self) -> str:
        """Whether it keeps what it claims, and what doesn't, in a sentence."""
        ran = [check for check in self.checks if check.has_passed is not None]
        failed = [check for check in ran if not check.has_passed]
        if failed:
            said = "; ".join(f"{check.runtime} on {check.files[0]}: {check.failure}" for check in failed)
            return f"{self.directory} doesn't keep what it claims: {said}"
        if not self.is_verified:
            return f"{self.directory}: nothing that was run could be held against a claim"
        return f"{self.directory} keeps what it claims, in {', '.join(check.runtime for check in ran)}"

    @property
    def notes(self) -> list[str]:
        """What was left out, a sentence each."""
        left = [check.note for check in self.checks if check.has_passed is None]
        return left + [f"no runtime is known for the form {form}" for form in self.unrun]

    def claim_rows(self) -> list[dict[str, Any]]:
        """A row for each number of each run."""
        return [
            {
                "file": check.files[0],
                "bytes": check.file_bytes,
                "runtime": f"{check.runtime} {check.version}",
                "claim": claim.name,
                "claimed": claim.claimed,
                "measured": claim.measured,
                "difference": claim.difference,
                "tolerance": claim.tolerance,
                "verdict": _verdict_of(claim),
                "note": claim.note,
            }
            for check in self.checks
            for claim in check.claims or ([_failed(check)] if check.has_passed is False else [])
        ]

    def file_rows(self) -> list[dict[str, Any]]:
        """A row for each form and runtime, and for each form that was left out."""
        rows: list[dict[str, Any]] = []
        for check in self.checks:
            found = {claim.name: claim.measured for claim in check.claims}
            score = next((claim for claim in check.claims if claim.name.startswith("test_")), None)
            rows.append(
                {
                    "file": check.files[0],
                    "bytes": check.file_bytes,
                    "runtime": f"{check.runtime} {check.version}"
                    if check.version
                    else f"{check.runtime}: not installed",
                    "agreement": found.get("agreement"),
                    **({} if score is None else {score.name: score.measured}),
                    "verdict": _VERDICTS[check.has_passed],
                    "message": check.failure or check.note,
                }
            )
        rows += [
            {"file": form, "verdict": "left out", "message": f"it can't hold {reason}"}
            for form, reason in self.left_out
        ]
        return rows

    def content(self) -> dict[str, Any]:
        """As JSON values: what `verification.json` holds."""
        return {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "artifact": self.digest,
            "verified_at": self.verified_at.isoformat(timespec="seconds"),
            "device": self.device,
            "data": {"source": shown(self.source), "samples": self.samples, "is_that_of_the_claims": self.is_same},
            "is_verified": self.is_verified,
            "checks": [_check_content(check) for check in self.checks],
            "not_run": list(self.unrun),
        }


_NO_OUTPUTS: Final = "outputs"
_VERDICTS: Final = {None: "not run", True: Verdict.PASSED.value, False: Verdict.FAILED.value}


def _failed(check: RunCheck) -> Claim:
    """In place of the claims of a run that gave no output."""
    return Claim(name=_NO_OUTPUTS, claimed=None, measured=0.0, note=check.fault)


def _check_content(check: RunCheck) -> dict[str, Any]:
    verdict = _VERDICTS[check.has_passed]
    return {
        "form": check.form,
        "files": list(check.files),
        "bytes": check.file_bytes,
        "runtime": check.runtime,
        "version": check.version,
        "verdict": verdict,
        "message": check.failure or check.note,
        "claims": [_claim_content(claim) for claim in check.claims],
    }


def _claim_content(claim: Claim) -> dict[str, Any]:
    return {
        "name": claim.name,
        "claimed": claim.claimed,
        "measured": claim.measured,
        "difference": claim.difference,
        "tolerance": claim.tolerance,
        "verdict": _verdict_of(claim),
        "note": claim.note,
    }


def _verdict_of(claim: Claim) -> str:
    if claim.name == _NO_OUTPUTS:
        return "fails"
    return {None: "not judged", True: "holds", False: "fails"}[claim.holds]


@left_as_found()
def run_artifact(
    directory: Path | str,
    *,
    data: str | None = None,
    runtimes: Sequence[str] = (),
    is_timed: bool = True,
    db_url: str | None = None,
) -> Verification:
    """Run an artifact's forms on the test split, and write nothing.

    Args:
        directory: Of the artifact.
        data: A file of test samples; None: the test split of the data that the artifact was made of.
        runtimes: Names of runtimes, which must be installed; () for all that there are.
        is_timed: Whether to measure latencies.
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
    try:
        content = read_artifact(directory)
        _require_story(directory / DESCRIPTION_NAME, content)
        chosen = chosen_runtimes(content, runtimes)
        source = None if data is not None or db_url is None else _source(content["description"], db_url)
        test = held_out(directory, content, data, source=source)
        checks = verify(directory, content, test, chosen, is_timed=is_timed)
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
        left_out=tuple(dict(content["description"].get("left_out_forms") or {}).items()),
    )


def verify_artifact(
    directory: Path | str, *, data: str | None = None, runtimes: Sequence[str] = (), is_timed: bool = True, db_url: str
) -> tuple[Verification, str]:
    """Run an artifact, and keep what came of it: in its folder, and in the database where its search is stored.

    The second value says why the database has no record of it; "" where it has.

    Args:
        directory: Of the artifact.
        data: See `run_artifact`.
        runtimes: See `run_artifact`.
        is_timed: See `run_artifact`.
        db_url: Where the search may be stored.

    Raises:
        BadInput: as `run_artifact`, where the folder can't be written, and for what names no database.
    """
    from gasearch_workers.export.artifact import DESCRIPTION_NAME, VERIFICATION_NAME

    parse_url(db_url)  # a mistyped one is refused before the work
    found = run_artifact(directory, data=data, runtimes=runtimes, is_timed=is_timed, db_url=db_url)
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
    content = json.loads(described)
    return found, _store(found, content["description"], json.dumps(content["blueprint"]), db_url)


def _source(story: Mapping[str, Any], db_url: str) -> dict[str, Any] | None:
    """Where the data of an artifact's search lie, by the database that it is stored in; None where it isn't."""
    search = story.get("provenance", {}).get("search", {})
    try:
        with closing(open_reader(db_url)) as reader:
            record = reader.search(str(search.get("name")))
    except (NoStore, UnknownSearch, StoreError):
        return None
    if record.spec_hash != search.get("digest"):
        return None
    spec = SearchSpec.from_json(record.spec_json)
    return None if spec.is_custom else data_source(spec)


def _store(found: Verification, story: Mapping[str, Any], blueprint: str, db_url: str) -> str:
    """Store what came of each run with the artifact's search; returns why that can't be."""
    search, key = story.get("provenance", {}).get("search", {}), story.get("key")
    if not search or key is None:
        return "the artifact doesn't say which search it comes from"
    if not found.is_verified and all(check.has_passed is not False for check in found.checks):
        return "nothing that was run could be held against a claim"
    name = str(search.get("name"))
    try:
        with closing(open_reader(db_url)) as reader:
            record = reader.search(name)
            if record.spec_hash != search.get("digest"):
                return f"the search {name} there is another one than the artifact's"
            network = reader.network(record.id, str(key))
            if network.key != key or network_from_json(network.network_json) != network_from_json(blueprint):
                return f"the network {key} there is another one than the artifact's"
        with closing(open_archive(db_url, notice=lambda message: None)) as archive:
            for check in found.checks:
                if check.has_passed is not None:
                    archive.add_verification(record.id, _record(found, check, str(key)))
    except NoStore:
        return "there is no database"
    except (UnknownSearch, StoreError) as error:
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
