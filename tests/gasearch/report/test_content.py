"""What a report says of a real search, and of one with finalists."""

from __future__ import annotations

from contextlib import closing

import pytest

import gasearch
from gasearch.errors import GasearchError
from gasearch.report.content import report_on
from gasearch.report.document import Paragraph, Picture, Table
from gasearch.storage.records import FinalRecord, Verdict, VerificationRecord
from gasearch.storage.sql import open_archive, open_reader
from tests.doubles.custom_search import CUSTOM_SPEC


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    url = f"sqlite:///{tmp_path_factory.mktemp('report')}/store.db"
    gasearch.run(CUSTOM_SPEC | {"budget": {"evaluations": 40}}, db=url)
    return url


def read(url, name="small"):
    with closing(open_reader(url)) as reader:
        return report_on(reader, name)


def section(document, title):
    [found] = [one for one in document.sections if one.title == title]
    return found.parts


def table_of(document, title):
    return next(part for part in section(document, title) if isinstance(part, Table))


def test_it_tells_a_search_from_its_question_to_its_provenance(url):
    document = read(url)
    assert [one.title for one in document.sections] == [
        "What was asked", "Where it stands", "The front", "How the front grew", "Which decisions mattered", "Operators",
        "Failures", "Provenance",
    ]  # fmt: skip
    asked = dict(table_of(document, "What was asked").rows)
    assert (asked["evaluator"], asked["budget"]) == (CUSTOM_SPEC["task"]["evaluator"], "evaluations 40")
    assert dict(table_of(document, "Where it stands").rows)["evaluations"] == "40 of 40"
    assert [picture.name for picture in document.pictures][:3] == ["front", "growth", "importance-1"]


def test_the_front_is_that_of_the_search_with_the_knee(url):
    search = gasearch.open("small", db=url)
    keys = [row[0] for row in table_of(read(url), "The front").rows]
    assert [key.removesuffix(" (knee)") for key in keys] == [point.key for point in search.front()]
    assert [key.removesuffix(" (knee)") for key in keys if key.endswith("knee)")] == [search.best(knee=True).key]


def test_it_says_which_decisions_mattered(url):
    parts = section(read(url), "Which decisions mattered")
    assert "permutation importance" in parts[0].text
    bars = [part.figure["data"][0] for part in parts if isinstance(part, Picture)]
    assert all(sorted(one["y"], reverse=True) == one["y"] for one in bars)
    assert [part.text for part in parts if isinstance(part, Paragraph)][1].startswith("error: ")


def test_finalists_and_verifications_stand_there_where_they_exist(url):
    search = gasearch.open("small", db=url)
    point = search.best()
    spread = {"worker": "w", "device": "cpu", "versions": "v", "seconds": 1.0, "epochs": 9, "recipe_json": "{}"}
    with closing(open_archive(url, notice=lambda message: None)) as archive:
        record = archive.search("small")
        for number, error in enumerate((0.2, 0.4)):
            final = FinalRecord(
                key=point.key,
                number=number,
                seed=number,
                metrics=(("error", error),),
                test=(("error", error + 0.1),),
                size_bytes=100,
                **spread,
            )
            archive.add_final(record.id, final, b"x" * 100)
        verification = VerificationRecord(
            key=point.key, digest="d", format="qdq", runtime="openvino", claimed=(("model_bytes", 100.0),),
            measured=(("model_bytes", 120.0),), verdict=Verdict.FAILED, message="20 % more", device="cpu",
        )  # fmt: skip
        archive.add_verification(record.id, verification)
    document = read(url)
    [row] = table_of(document, "Finalists").rows
    assert row[:3] == (point.key, "2", "9")
    assert row[4:] == ("0.3 ± 0.1414", "0.4 ± 0.1414", "100 B")
    [verified] = table_of(document, "Verification").rows
    assert verified[1:4] == ("qdq", "openvino", "failed")
    assert verified[4] == "model_bytes 120 B (claimed 100 B)"


def test_failures_are_told_by_kind_and_a_search_without_a_network_is_reported_too(tmp_path):
    url = f"sqlite:///{tmp_path}/failing.db"
    spec = CUSTOM_SPEC | {"task": {"evaluator": "tests.doubles.evaluators:raises"}}
    with pytest.raises(GasearchError):
        gasearch.run(spec, db=url)
    document = read(url)
    [row] = table_of(document, "Failures").rows
    assert (int(row[0]) > 0, row[2]) == (True, "user_error")
    assert "The front" not in [one.title for one in document.sections]
