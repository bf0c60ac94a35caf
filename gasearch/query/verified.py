"""Which networks keep what their exported files claim: those whose newest verification passed."""

from __future__ import annotations

from gasearch.storage.archive import ArchiveReader
from gasearch.storage.records import Verdict, VerificationRecord

SCORE_PREFIX = "test_"  #: Of the scores that a run of a file gives.


def verified_networks(reader: ArchiveReader, search_id: int) -> dict[str, bool] | None:
    """By key, whether the newest verification of a network passed; None where none was ever made of the search.

    The newest is that of the artifact that was verified last, with the last verdict of each of its forms and runtimes:
    all must have passed, and some have measured a score.
    """
    by_key: dict[str, list[VerificationRecord]] = {}
    for one in reader.verifications(search_id):
        by_key.setdefault(one.key, []).append(one)
    return {key: _has_passed(records) for key, records in by_key.items()} or None


def _has_passed(records: list[VerificationRecord]) -> bool:
    newest = {
        (one.format, one.runtime.partition(" ")[0]): one  # whatever the runtime's version
        for one in records
        if one.digest == records[-1].digest
    }
    has_score = any(name.startswith(SCORE_PREFIX) for one in newest.values() for name, _ in one.measured)
    return has_score and all(one.verdict is Verdict.PASSED for one in newest.values())
