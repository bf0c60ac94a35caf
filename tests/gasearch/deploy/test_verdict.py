"""What came of running an artifact, as a verdict, sentences and rows."""

from pathlib import Path

import pytest
from gasearch_workers.evaluation.claims import Claim, RunCheck

from gasearch.deploy.exported import Edit, Origin
from gasearch.deploy.verdict import Verification

SCORE = Claim(name="test_accuracy", claimed=0.9, measured=0.9, tolerance=0.002)
LOW = Claim(name="test_accuracy", claimed=0.9, measured=0.8, tolerance=0.002)
EDITED = Origin(edits=(Edit(file="README.md", text="edited since export: README.md"),))


def check(*claims, **changes):
    given = {"form": "onnx", "files": ("model.onnx",), "file_bytes": 7, "runtime": "onnxruntime", "version": "1"}
    return RunCheck(**given | {"claims": claims} | changes)


def verification(*checks, origin=None):
    return Verification(
        directory=Path("model"),
        digest="d",
        device="A CPU",
        source="digits",
        samples=10,
        is_same=True,
        checks=checks,
        origin=Origin() if origin is None else origin,
    )


@pytest.mark.parametrize(
    ("found", "is_verified", "conclusion"),
    [
        (verification(check(SCORE)), True, "model keeps what it claims, in onnxruntime"),
        (
            verification(check(LOW)),
            False,
            "onnxruntime on model.onnx: test_accuracy must be",
        ),
        (verification(check(fault="E: gone")), False, "onnxruntime on model.onnx: E: gone"),
        (verification(check()), False, "model: nothing that was run could be held against a claim"),
        (
            verification(check(SCORE), origin=EDITED),
            False,
            "model doesn't keep what it claims: edited since export: README.md",
        ),
    ],
)
def test_it_is_verified_where_every_claim_that_is_judged_holds_and_nothing_was_edited(found, is_verified, conclusion):
    assert found.is_verified == found.content()["is_verified"] == is_verified
    assert conclusion in found.conclusion


def test_an_edit_is_a_row_of_both_tables_with_the_columns_of_the_others():
    found = verification(check(SCORE), origin=EDITED)
    edit, score = found.claim_rows()
    assert list(edit) == list(score)
    assert (edit["file"], edit["runtime"], edit["verdict"]) == ("README.md", "database", "fails")
    assert edit["note"] == "edited since export: README.md"
    assert [row["verdict"] for row in found.file_rows()] == ["failed", "passed"]
    assert found.content()["export"] == {"is_known": True, "edited": ["edited since export: README.md"], "note": ""}


def test_what_can_not_be_known_is_noted():
    [note] = verification(check(SCORE), origin=Origin(reason="there is no database")).notes
    assert "can't be known here (there is no database)" in note


def test_what_gave_no_outputs_is_a_row_that_fails():
    [row] = verification(check(fault="E: gone")).claim_rows()
    assert (row["claim"], row["verdict"], row["note"]) == ("outputs", "fails", "E: gone")
