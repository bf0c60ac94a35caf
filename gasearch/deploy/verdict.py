"""What came of running an artifact: its claims with their verdicts, as sentences, rows and JSON values."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from gasearch_workers.evaluation.claims import Claim, RunCheck

from gasearch.deploy.exported import NOT_ASKED, Edit, Origin
from gasearch.deploy.provenance import shown
from gasearch.storage.records import Verdict

FORMAT: Final = "gasearch verification"
FORMAT_VERSION: Final = 1


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
    origin: Origin = NOT_ASKED  #: What the database knows of it.
    verified_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def is_verified(self) -> bool:
        """Whether something was run, a score was judged, every claim that was judged holds, and no file was edited."""
        ran = [check for check in self.checks if check.has_passed is not None]
        scores = (claim for check in ran for claim in check.claims if claim.name.startswith("test_"))
        is_kept = all(check.has_passed for check in ran) and any(claim.holds for claim in scores)
        return is_kept and not self.origin.edits

    @property
    def conclusion(self) -> str:
        """Whether it keeps what it claims, and what doesn't, in a sentence."""
        ran = [check for check in self.checks if check.has_passed is not None]
        failed = [edit.text for edit in self.origin.edits]
        failed += [f"{one.runtime} on {one.files[0]}: {one.failure}" for one in ran if not one.has_passed]
        if failed:
            return f"{self.directory} doesn't keep what it claims: {'; '.join(failed)}"
        if not self.is_verified:
            return f"{self.directory}: nothing that was run could be held against a claim"
        return f"{self.directory} keeps what it claims, in {', '.join(check.runtime for check in ran)}"

    @property
    def notes(self) -> list[str]:
        """What was left out, a sentence each."""
        left = [check.note for check in self.checks if check.has_passed is None]
        left += [f"no runtime is known for the form {form}" for form in self.unrun]
        return left if self.origin.is_known else [*left, self.origin.doubt]

    def claim_rows(self) -> list[dict[str, Any]]:
        """A row for each number of each run, and for each file that was edited."""
        return [
            *map(_edit_row, self.origin.edits),
            *self._run_rows(),
        ]

    def _run_rows(self) -> list[dict[str, Any]]:
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
        """A row for each form and runtime, for each file that was edited and each form that was left out."""
        rows: list[dict[str, Any]] = [
            {
                "file": edit.file,
                "bytes": None,
                "runtime": DATABASE,
                "agreement": None,
                "verdict": _VERDICTS[False],
                "message": edit.text,
            }
            for edit in self.origin.edits
        ]
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
            {"file": form, "bytes": None, "verdict": "left out", "message": f"it can't hold {reason}"}
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
            "export": {
                "is_known": self.origin.is_known,
                "edited": [edit.text for edit in self.origin.edits],
                "note": "" if self.origin.is_known else self.origin.doubt,
            },
            "checks": [_check_content(check) for check in self.checks],
            "not_run": list(self.unrun),
        }


DATABASE: Final = "database"  #: What holds a folder against its export, where runtimes hold files against claims.
_NO_OUTPUTS: Final = "outputs"
_VERDICTS: Final = {None: "not run", True: Verdict.PASSED.value, False: Verdict.FAILED.value}


def _edit_row(edit: Edit) -> dict[str, Any]:
    names = ("bytes", "claimed", "measured", "difference", "tolerance")
    row: dict[str, Any] = dict.fromkeys(("file", "bytes", "runtime", "claim", *names))
    return row | {"file": edit.file, "runtime": DATABASE, "claim": "export", "verdict": "fails", "note": edit.text}


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
