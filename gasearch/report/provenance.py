"""What a report says of where its numbers come from."""

from __future__ import annotations

import json
from collections.abc import Sequence

from gasearch.report.document import Code, Facts, Paragraph, Part
from gasearch.storage.records import EvaluatedNetwork, EventRecord, SearchRecord


def provenance_parts(
    record: SearchRecord, networks: Sequence[EvaluatedNetwork], events: Sequence[EventRecord]
) -> list[Part]:
    """Versions, devices, fingerprints, and the spec, by which the search can be run again.

    Args:
        record: The search.
        networks: Some of its networks.
        events: Of the search.
    """
    data = json.loads(record.data_json)
    versions = [event.message for event in events if event.kind == "versions"]
    rows = [("gasearch", record.version)]
    rows += [("libraries", _versions_text(one)) for one in dict.fromkeys(versions)]
    rows += [("evaluated with", one) for one in dict.fromkeys(one.versions for one in networks if one.versions)]
    rows += [("evaluated on", one) for one in dict.fromkeys(one.device for one in networks if one.device)]
    rows += [("latency measured on", one) for one in dict.fromkeys(one.latency_device or "" for one in networks) if one]
    rows += [
        ("data fingerprint", str(data.get("fingerprint", ""))),
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
    return [
        Facts(rows=tuple(row for row in rows if row[1])),
        Paragraph(text=said, is_note=True),
        Code(title="To run and ask it again", text="\n".join(commands)),
        Code(title="spec.json", text=spec),
    ]


def _versions_text(message: str) -> str:
    return ", ".join(f"{library} {version}" for library, version in json.loads(message).items())
