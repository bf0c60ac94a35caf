"""What a report says of a real search, and of one with finalists."""

from __future__ import annotations

from contextlib import closing
from dataclasses import fields

import pytest

import gasearch
from gasearch.errors import GasearchError
from gasearch.report.charts import Marks
from gasearch.report.content import report_on
from gasearch.report.document import Facts, Picture, Table
from gasearch.storage.records import FinalRecord, NewSearch, Verdict, VerificationRecord
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


@pytest.fixture(scope="module")
def document(url):
    return read(url)


def section(document, title):
    [found] = [one for one in document.sections if one.title == title]
    return found.parts


def table_of(document, title):
    return next(part for part in section(document, title) if isinstance(part, Table))


def facts_of(document, title):
    return dict(next(part for part in section(document, title) if isinstance(part, Facts)).rows)


def test_it_tells_a_search_from_its_question_to_its_provenance(document):
    assert [one.title for one in document.sections] == [
        "What was asked", "Where it stands", "The front", "How the front grew", "Which decisions mattered", "Operators",
        "Failures", "Provenance",
    ]  # fmt: skip
    asked = facts_of(document, "What was asked")
    assert (asked["evaluator"], asked["budget"]) == (CUSTOM_SPEC["task"]["evaluator"], "evaluations 40")
    assert facts_of(document, "Where it stands")["evaluations"] == "40 of 40"
    assert [picture.name for picture in document.pictures][:3] == ["front", "growth", "importance-1"]


def test_what_is_looked_for_first_stands_first(document, url):
    search = gasearch.open("small", db=url)
    knee = search.best(knee=True)
    assert document.lead.startswith("40 evaluations by nsga2 (")
    assert f"its knee, is {knee.key}: error " in document.lead
    headline = dict(document.headline)
    assert headline["evaluations"] == "40"
    assert headline["on the front"] == str(len(search.front()))
    assert headline["best cost"] == f"{min(point.metrics['cost'] for point in search.front()):.4g}"


def test_the_front_is_that_of_the_search_with_the_knee(document, url):
    search = gasearch.open("small", db=url)
    table = table_of(document, "The front")
    assert [column.title for column in table.columns] == ["key", "error", "cost", "note", "network"]
    assert [row[0] for row in table.rows] == [point.key for point in search.front()]
    assert [row[0] for row in table.rows if row[3] == "knee"] == [search.best(knee=True).key]


def test_it_says_which_decisions_mattered(document):
    parts = section(document, "Which decisions mattered")
    assert "permutation importance" in parts[0].text
    assert list(dict(parts[1].rows)) == ["error", "cost"]
    for picture in (part for part in parts if isinstance(part, Picture)):
        values = [value for _, value, _ in picture.figure.bars]
        assert sorted(values, reverse=True) == values


def test_finalists_and_verifications_stand_there_where_they_exist(url, document):
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
    assert "Finalists" not in [one.title for one in document.sections]
    document = read(url)
    [row] = table_of(document, "Finalists").rows
    assert row[0] == point.key
    assert row[2:4] == ("0.3 ± 0.14", "0.4 ± 0.14")
    assert row[-3:] == ("2", "9", "not verified")
    assert {"finalist" in row[3] for row in table_of(document, "The front").rows if row[0] == point.key} == {True}
    [verified] = table_of(document, "Verification").rows
    assert verified == ("openvino", "qdq", "failed", "120 B (100 B)", "20 % more")
    assert "on the front" in [layer.name for layer in document.pictures[0].figure.layers if isinstance(layer, Marks)]
    assert dict(document.headline)["finalists"] == "1"


def test_failures_are_told_by_kind_and_a_search_without_a_network_is_reported_too(tmp_path):
    url = f"sqlite:///{tmp_path}/failing.db"
    spec = CUSTOM_SPEC | {"task": {"evaluator": "tests.doubles.evaluators:raises"}}
    with pytest.raises(GasearchError):
        gasearch.run(spec, db=url)
    document = read(url)
    [row] = table_of(document, "Failures").rows
    assert (row[0], int(row[1]) > 0) == ("user_error", True)
    assert "no network that was measured" in document.lead
    assert "The front" not in [one.title for one in document.sections]


def test_a_single_objective_has_a_best_network_and_no_knee(tmp_path):
    url = f"sqlite:///{tmp_path}/single.db"
    search = gasearch.run(CUSTOM_SPEC | {"objectives": {"error": "min"}}, db=url)
    document = read(url)
    assert f"The best network is {search.best().key}: error " in document.lead
    assert "note" not in [column.title for column in table_of(document, "The front").columns]
    assert document.pictures[0].figure.title == "error of each candidate"


def test_a_search_that_died_before_its_first_outcome_is_reported_as_interrupted(url, tmp_path):
    with closing(open_reader(url)) as reader:
        record = reader.search("small")
    new = {field.name: getattr(record, field.name) for field in fields(NewSearch)} | {"name": "empty"}
    with closing(open_archive(f"sqlite:///{tmp_path}/empty.db", notice=lambda message: None)) as archive:
        archive.create_search(NewSearch(**new), owner="nobody", ttl_s=0.0)
        document = report_on(archive, "empty")
    assert document.headline == (("evaluations", "0 of 40"), ("state", "interrupted"))
    assert "No evaluation has been completed yet" in document.lead
    assert [one.title for one in document.sections] == ["What was asked", "Where it stands", "Provenance"]
