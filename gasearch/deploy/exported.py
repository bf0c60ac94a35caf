"""What the database knows of an exported folder: what was written there, and whether that is what lies there now."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gasearch_workers.messages import network_from_json

from gasearch.deploy.stored import require_same_search
from gasearch.errors import GasearchError, NoStore, StoreError, UnknownSearch
from gasearch.storage.records import ExportRecord, SearchRecord
from gasearch.storage.sql import open_archive, open_reader

_PARTS: Final = ("claimed", "measured")  #: Of a description: the search's numbers, and those of the written graph.
_MOST_NAMED: Final = 3  #: Claims that a sentence names.


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """A file of an artifact that is not the one that was exported."""

    file: str
    text: str  #: A sentence about it.


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What a database knows of an artifact."""

    record: SearchRecord | None = None  #: The search that it comes from; None: the database doesn't know it.
    reason: str = ""  #: Why its export isn't known there; "" where it is.
    edits: tuple[Edit, ...] = ()  #: Since its export.

    @property
    def is_known(self) -> bool:
        """Whether the database can tell whether a file was edited."""
        return not self.reason

    @property
    def doubt(self) -> str:
        """What can't be known, in a sentence."""
        return (
            f"whether it was edited since its export can't be known here ({self.reason}): what is judged is whether "
            "its files keep what its own model.json says"
        )


NOT_ASKED: Final = Origin(reason="no database was asked")


def record_export(
    directory: Path, record: SearchRecord, key: str, *, db_url: str, notice: Callable[[str], None]
) -> None:
    """Store what an artifact is as it was written; that this can't be is said, and no failure of the export.

    Args:
        directory: Of the artifact.
        record: Of its search.
        key: Of its network.
        db_url: Where the search is stored.
        notice: Takes why it can't be stored.
    """
    from gasearch_workers.export.artifact import DESCRIPTION_NAME

    described = (directory / DESCRIPTION_NAME).read_bytes()
    content = json.loads(described)
    export = ExportRecord(
        key=key,
        digest=_sha256(described),
        files=tuple(_digests(content).items()),
        claimed=tuple(_claims(content).items()),
    )
    try:
        with closing(open_archive(db_url, notice=notice)) as archive:
            require_same_search(archive, record)
            archive.add_export(record.id, export)
    except GasearchError as error:
        notice(f"the export could not be recorded in the database, so that verify will not know it: {error}")


def origin_of(directory: Path, content: Mapping[str, Any], db_url: str) -> Origin:
    """What a database knows of an artifact.

    Args:
        directory: Of the artifact.
        content: Of its `model.json`, with which its files agree.
        db_url: Of the database.

    Raises:
        OSError: if the folder can't be read.
    """
    from gasearch_workers.export.artifact import DESCRIPTION_NAME

    story = content["description"]
    search, key = story.get("provenance", {}).get("search", {}), story.get("key")
    if not search or key is None:
        return Origin(reason="the artifact doesn't say which search it comes from")
    name, blueprint = str(search.get("name")), json.dumps(content["blueprint"])
    try:
        with closing(open_reader(db_url)) as reader:
            record = reader.search(name)
            if record.spec_hash != search.get("digest"):
                return Origin(reason=f"the search {name} there is another one than the artifact's")
            network = reader.network(record.id, str(key))
            if network.key != key or network_from_json(network.network_json) != network_from_json(blueprint):
                return Origin(record=record, reason=f"the network {key} there is another one than the artifact's")
            exports = reader.exports(record.id, network.key)
    except NoStore:
        return Origin(reason="there is no database")
    except (UnknownSearch, StoreError) as error:
        return Origin(reason=str(error))
    if not exports:
        return Origin(record=record, reason=f"the database has no record of an export of {key}: export it again")
    digest = _sha256((directory / DESCRIPTION_NAME).read_bytes())
    if any(export.digest == digest for export in exports):  # its list of files has their digests
        return Origin(record=record)
    return Origin(record=record, edits=tuple(_edits(content, exports, DESCRIPTION_NAME)))


def _edits(content: Mapping[str, Any], exports: list[ExportRecord], description: str) -> list[Edit]:
    """How an artifact differs from that export of its network which it has most in common with."""
    files, claims = _digests(content), _claims(content)
    nearest = max(reversed(exports), key=lambda one: len(files.items() & dict(one.files).items()))
    before = dict(nearest.files)
    named = sorted(name for name in files.keys() | before.keys() if files.get(name) != before.get(name))
    exported = dict(nearest.claimed)
    changed = sorted(name for name in claims.keys() | exported.keys() if claims.get(name) != exported.get(name))
    told = [f"{name} {_shown(claims.get(name))}, exported as {_shown(exported.get(name))}" for name in changed]
    more = [f"and {len(told) - _MOST_NAMED} more"] if len(told) > _MOST_NAMED else []
    details = f" ({'; '.join([*told[:_MOST_NAMED], *more])})" if told else ""
    edits = [Edit(file=description, text=f"edited since export: {description}{details}")]
    return edits + [Edit(file=name, text=f"edited since export: {name}") for name in named]


def _digests(content: Mapping[str, Any]) -> dict[str, str]:
    """The files that a description lists, with their digests."""
    return {str(name): str(file["sha256"]) for name, file in content["files"].items()}


def _claims(content: Mapping[str, Any]) -> dict[str, float]:
    """The numbers that a description claims, by name."""
    found = {}
    for part in _PARTS:
        for name, value in dict(content["description"].get(part) or {}).items():
            if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
                found[f"{part}.{name}"] = float(value)
    return found


def _shown(value: float | None) -> str:
    return "none" if value is None else f"{value:.6g}"


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
