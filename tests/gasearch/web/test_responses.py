"""The models of the answers are those of the values that are answered."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import datetime

import pytest
from fastapi.testclient import TestClient
from pydantic import TypeAdapter, ValidationError

from gasearch.storage.access import LOCAL
from gasearch.storage.sql import open_archive
from gasearch.web import create_app
from gasearch.web.responses import array_of, object_of
from tests.doubles.archived import fill_database, search_record
from tests.doubles.records import final, new_token

TOKEN = "a-token-for-tests-only"


@dataclass(frozen=True)
class Part:
    """A part."""

    gain: float | None


@dataclass(frozen=True)
class Whole:
    """Something."""

    at: datetime
    size: float
    metrics: dict[str, float]
    parts: tuple[Part, ...]
    inner: str = ""


ROW = {"at": "2026-01-02T03:04:05+00:00", "size": None, "metrics": {"macs": 5, "error": 0.5}, "parts": [{"gain": 1.0}]}


def test_a_row_comes_out_as_it_went_in_its_dates_and_whole_numbers_too():
    adapter = TypeAdapter(array_of(object_of(Whole, without="inner")))
    assert adapter.dump_python(adapter.validate_python([ROW])) == [ROW]
    assert b'"macs":5,' in adapter.dump_json(adapter.validate_python([ROW]))


def test_metrics_stand_beside_the_fields_only_where_they_may():
    assert object_of(Whole, without="inner", has_metrics=True)(**ROW, latency_ms=2).model_extra == {"latency_ms": 2}
    with pytest.raises(ValidationError, match="latency_ms"):
        object_of(Whole, without="inner")(**ROW, latency_ms=2)


def test_every_answer_is_described_by_the_fields_that_it_has(tmp_path):
    url = f"sqlite:///{tmp_path}/gasearch.db"
    fill_database(url)
    fill_database(url, search_record("other"))
    with closing(open_archive(url, notice=pytest.fail)) as archive:
        search_id = archive.search("digits").id
        archive.add_final(search_id, final(0, key=archive.front(search_id)[0].key), b"gap")
        archive.add_token(new_token(), lifetime_s=None, actor=LOCAL)
    client = TestClient(create_app(url, TOKEN), base_url="http://localhost")
    client.headers["Authorization"] = f"Bearer {TOKEN}"
    described = client.app.openapi()
    for path, route in described["paths"].items():
        if not path.startswith("/api/v1/") or path.endswith("/openapi.json"):
            continue
        query = {"compare": {"name": ["digits", "other"]}, "trade": {"for": "accuracy=+1%"}}.get(
            path.rpartition("/")[2]
        )
        given = client.get(path.replace("{name}", "digits").replace("{key}", "0001"), params=query).json()
        schema = route["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        reference = schema.get("items", schema)["$ref"].rpartition("/")[2]
        fields = described["components"]["schemas"][reference]["properties"]
        assert fields.keys() <= (given[0] if isinstance(given, list) else given).keys()
        assert described["components"]["schemas"][reference]["description"]
