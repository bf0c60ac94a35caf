"""Where a report's numbers come from."""

from __future__ import annotations

from gasearch.report.document import Code, Facts
from gasearch.report.provenance import provenance_parts
from gasearch.storage.records import EventRecord
from tests.doubles.archived import NETWORKS, scripted_reader


def test_versions_devices_and_the_spec_are_there_and_what_isn_t_known_is_left_out():
    record = scripted_reader().record
    events = [EventRecord(kind="versions", message='{"torch": "2.13"}'), EventRecord(kind="stop", message="no")]
    parts = provenance_parts(record, NETWORKS, events)
    [facts] = [dict(part.rows) for part in parts if isinstance(part, Facts)]
    assert (facts["gasearch"], facts["libraries"]) == (record.version, "torch 2.13")
    assert all(facts.values())
    commands, spec = (part.text for part in parts if isinstance(part, Code))
    assert f"gasearch front {record.name}" in commands
    assert spec.startswith("{")
