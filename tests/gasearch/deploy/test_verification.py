"""A search, its export, and what comes of running it: the verdict in the folder and in the database."""

import json
import os
import shutil
from contextlib import closing

import numpy as np
import pytest
from gasearch_workers.data import load_dataset
from gasearch_workers.export.description import describe_files
from gasearch_workers.machine.isolated import kept
from gasearch_workers.runtimes.runtime import ONNX_RUNTIME, RUNTIMES, Runtime

import gasearch
from gasearch.deploy.exported import record_export
from gasearch.deploy.networks import export_network
from gasearch.deploy.verification import run_artifact, verify_artifact
from gasearch.errors import BadInput
from gasearch.jobs.stored_check import check_database
from gasearch.search.progress import Silent
from gasearch.storage.copying import copy_to_file
from gasearch.storage.records import Verdict
from gasearch.storage.sql import open_reader
from tests.doubles.command_line import TRAINED
from tests.doubles.connections import writing


@pytest.fixture(scope="module", autouse=True)
def _one_process():
    """All of them are run by one process."""
    with kept():
        yield


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A finished search for digits: its database, the key of a network, and its exported folder."""
    folder = tmp_path_factory.mktemp("verification")
    path = folder / "small.yaml"
    path.write_text(TRAINED.replace("batch_size: 128", "batch_size: 16").replace("evaluations: 8", "evaluations: 3"))
    url = f"sqlite:///{folder}/store.db"
    key = gasearch.run(path, db=url).best("accuracy").key
    artifact = export_network("small", key, folder / "model", db_url=url, observer=Silent(), formats=())
    # Latencies of another device are not judged: what neighbours do to ours is no matter of these tests.
    rewrite(artifact, lambda content: content["description"]["measured"].update(latency_device="another CPU"))
    record(artifact, url, key)
    return url, key, artifact


def record(artifact, url, key):
    """Have the database know the folder as it is now."""
    with closing(open_reader(url)) as reader:
        search = reader.search("small")
    record_export(artifact, search, key, db_url=url, notice=pytest.fail)


@pytest.fixture
def artifact(exported, tmp_path):
    """A copy of the folder, to be altered."""
    shutil.copytree(exported[2], tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def liar(monkeypatch):
    """A runtime that answers at random."""

    def lie(folder, x):
        return np.random.default_rng(0).normal(size=(len(x), 10)).astype(np.float32)

    runtime = Runtime(
        name="liar", form="onnx", needs="pip install liar", version=lambda: "7", run=lie, is_isolated=False
    )
    monkeypatch.setitem(RUNTIMES.own, "liar", runtime)


def records(url, key):
    with closing(open_reader(url)) as reader:
        return reader.verifications(reader.search("small").id, key)


def rewrite(folder, change):
    """Alter `model.json`, its list of files brought up to date."""
    content = json.loads((folder / "model.json").read_text())
    change(content)
    files = {name: (folder / name).read_bytes() for name in content["files"]}
    (folder / "model.json").write_text(json.dumps(content | {"files": describe_files(files)}))


def test_an_honest_artifact_is_verified_in_its_folder_and_in_the_database(exported, artifact):
    url, key, _ = exported
    found, unstored = verify_artifact(artifact, db_url=url, runtimes=["onnxruntime", "gasearch"])
    kept = json.loads((artifact / "verification.json").read_text())
    assert unstored == ""
    assert kept["checks"][0]["claims"][0]["name"] == "test_accuracy"
    assert [check["runtime"] for check in kept["checks"]] == ["onnxruntime", "gasearch"]
    assert kept["data"] == {"source": "digits", "samples": 359, "is_that_of_the_claims": True}
    assert {claim["verdict"] for check in kept["checks"] for claim in check["claims"]} <= {"holds", "not judged"}
    assert kept["is_verified"] is found.is_verified is True
    stored = {record.format: record for record in records(url, key)}
    assert set(stored) == {"onnx", "gap"}
    assert stored["onnx"].digest == kept["artifact"] == found.digest
    assert stored["onnx"].verdict is Verdict.PASSED
    assert dict(stored["onnx"].measured)["agreement"] >= 0.99
    assert stored["gap"].runtime.startswith("gasearch ")
    assert found.conclusion == f"{artifact} keeps what it claims, in onnxruntime, gasearch"
    run_artifact(artifact, is_timed=False)  # the verification is none of the files that must not change


def test_a_runtime_that_lies_makes_the_verdict_fail(exported, artifact, liar):
    url, key, _ = exported
    found, _ = verify_artifact(artifact, db_url=url, runtimes=["liar"])
    kept = json.loads((artifact / "verification.json").read_text())
    assert (found.is_verified, kept["is_verified"]) == (False, False)
    assert kept["checks"][0]["verdict"] == "failed"
    record = records(url, key)[-1]
    assert (record.runtime, record.verdict) == ("liar 7", Verdict.FAILED)
    assert "test_accuracy must be within" in record.message
    assert "doesn't keep what it claims: liar on model.onnx: test_accuracy must be" in found.conclusion


def test_what_the_database_does_not_know_is_said(artifact, exported, tmp_path):
    url, key, _ = exported
    known = len(records(url, key))

    def unstored(url=url):
        return verify_artifact(artifact, db_url=url, runtimes=["gasearch"])[1]

    assert unstored(f"sqlite:///{tmp_path}/none.db") == "there is no database"
    assert not (tmp_path / "none.db").exists()
    rewrite(artifact, lambda content: content["description"]["provenance"]["search"].update(name="other"))
    assert "there is no search named 'other'" in unstored()
    rewrite(artifact, lambda content: content["description"]["provenance"]["search"].update(name="small", digest="x"))
    assert unstored() == "the search small there is another one than the artifact's"
    rewrite(artifact, lambda content: content["description"].pop("provenance"))
    assert unstored() == "the artifact doesn't say which search it comes from"
    assert len(records(url, key)) == known


def lower_all(content):
    """Claims that everything keeps."""
    for part in ("claimed", "measured"):
        numbers = content["description"][part]
        numbers.update({name: 0.5 * value for name, value in numbers.items() if "accuracy" in name})
    return content


def test_claims_that_were_lowered_in_every_file_are_edits_since_the_export(exported, artifact):
    url, key, _ = exported
    claimed = json.loads((artifact / "model.json").read_text())["description"]["measured"]["test_accuracy"]
    (artifact / "README.md").write_text((artifact / "README.md").read_text().replace("accuracy", "Accuracy"))
    rewrite(artifact, lower_all)
    known = len(records(url, key))
    found, unstored = verify_artifact(artifact, db_url=url, runtimes=["gasearch"])
    assert not found.is_verified
    assert [edit.file for edit in found.origin.edits] == ["model.json", "README.md"]
    assert f"measured.test_accuracy {claimed / 2:.6g}, exported as {claimed:.6g}" in found.conclusion
    assert "edited since export: README.md" in found.conclusion
    assert unstored == "the folder was edited since its export"
    rows = [row for row in found.claim_rows() if row["runtime"] == "database"]
    assert [(row["file"], row["verdict"]) for row in rows] == [("model.json", "fails"), ("README.md", "fails")]
    assert [row["verdict"] for row in found.file_rows()][:2] == ["failed", "failed"]
    kept = json.loads((artifact / "verification.json").read_text())
    assert (kept["is_verified"], len(kept["export"]["edited"])) == (False, 2)
    assert len(records(url, key)) == known


def test_an_export_that_the_database_has_no_record_of_is_verified_in_its_folder_alone(exported, artifact, tmp_path):
    url, key, _ = exported
    copy = f"sqlite:///{tmp_path}/copy.db"
    copy_to_file(url, tmp_path / "copy.db")
    with writing(copy) as connection:
        connection.exec_driver_sql("DELETE FROM exports")
    found, unstored = verify_artifact(artifact, db_url=copy, runtimes=["gasearch"])
    assert found.is_verified
    assert unstored == f"the database has no record of an export of {key}: export it again"
    assert f"can't be known here ({unstored}): what is judged is whether its files" in found.notes[-1]
    assert records(copy, key) == records(url, key)


def test_a_copy_of_the_database_knows_what_was_exported(exported, artifact, tmp_path):
    url, key, _ = exported
    copy_to_file(url, tmp_path / "copy.db")
    copy = f"sqlite:///{tmp_path}/copy.db"
    assert verify_artifact(artifact, db_url=copy, runtimes=["gasearch"])[1] == ""
    assert len(records(copy, key)) == len(records(url, key)) + 1
    assert check_database(copy) == []


def test_a_folder_that_travelled_says_what_can_not_be_known(artifact, tmp_path):
    found, _ = verify_artifact(artifact, db_url=f"sqlite:///{tmp_path}/none.db", runtimes=["gasearch"])
    assert found.is_verified
    assert found.notes[-1].startswith(
        "whether it was edited since its export can't be known here (there is no database)"
    )
    kept = json.loads((artifact / "verification.json").read_text())
    assert (kept["export"]["is_known"], kept["export"]["note"]) == (False, found.notes[-1])


def test_a_claim_that_was_edited_does_not_hold(artifact):
    rewrite(artifact, lambda content: content["description"]["measured"].update(test_accuracy=0.999))
    found = run_artifact(artifact, runtimes=["gasearch"], is_timed=False)
    assert not found.is_verified
    assert "must be within 0.00557 of 0.999" in found.conclusion


def test_other_samples_are_judged_by_chance(artifact, tmp_path):
    train = load_dataset("digits").train
    np.savez(tmp_path / "more.npz", x_train=train.x[:300], y_train=train.y[:300])
    found = run_artifact(artifact, data=str(tmp_path / "more.npz"), is_timed=False)
    assert found.is_verified
    assert (found.is_same, found.samples, found.source) == (False, 300, str(tmp_path / "more.npz"))
    rows = {row["claim"]: row for row in found.claim_rows() if row["file"] == "model.onnx"}
    assert rows["test_macro_f1"]["verdict"] == "not judged"
    assert rows["test_macro_f1"]["note"] == "these are other samples than those of the claim"


def edited(name, change):
    def alter(folder):
        (folder / name).write_bytes(change((folder / name).read_bytes()))

    return alter


def description(change):
    return lambda folder: rewrite(folder, change)


def packed_of_a_newer_version(folder):
    content = bytearray((folder / "model.gap").read_bytes())
    content[4] = 3
    (folder / "model.gap").write_bytes(content)
    rewrite(folder, lambda content: None)


@pytest.mark.parametrize(
    ("alter", "text"),
    [
        (edited("model.onnx", lambda content: content[:-9]), r"model.onnx must have \d+ bytes; it has \d+"),
        (edited("model.gap", lambda content: content[:-1] + b"x"), r"model.gap was changed: its SHA-256"),
        (edited("model.safetensors", lambda content: content[:-1]), r"model.safetensors must have"),
        (edited("predict.py", lambda content: content + b"#"), r"predict.py must have"),
        (edited("README.md", lambda content: content[::-1]), r"README.md was changed"),
        (edited("model.json", lambda content: content[:100]), r"model.json is no JSON"),
        (edited("model.json", lambda content: b"[]"), r"lacks \"format\""),
        (
            description(lambda content: content.update(format_version=4)),
            r"format version 4; .* 1 to 3; a newer gasearch",
        ),
        (description(lambda content: content.pop("output")), r"is not as it was written: it lacks output"),
        (description(lambda content: content["output"].pop("labels")), r"not as it was written \(KeyError: 'labels'\)"),
        (description(lambda content: content["description"].update(data=3)), r"not as it was written \(AttributeError"),
        (
            description(lambda content: content["description"]["measured"].update(test_accuracy=float("nan"))),
            r"not as it was written: description.measured.test_accuracy must be a number; got nan",
        ),
        (
            description(lambda content: content["description"]["claimed"].update(model_bytes="few")),
            r"not as it was written: description.claimed.model_bytes must be a number; got 'few'",
        ),
        (packed_of_a_newer_version, r"model.gap: this program reads versions 1 and 2 of the packed format; got 3"),
        (
            lambda folder: shutil.rmtree(folder),
            r"no exported folder: there is no folder .*; export makes one: gasearch exp",
        ),
        (lambda folder: (folder / "model.onnx").unlink(), r"model.onnx can't be read: No such file"),
    ],
)
def test_an_artifact_that_is_not_as_it_was_written_is_refused(artifact, alter, text):
    alter(artifact)
    with pytest.raises(BadInput, match=text):
        run_artifact(artifact, is_timed=False)
    assert not (artifact / "verification.json").exists()


def test_a_folder_that_is_none_and_runtimes_that_cannot_be_are_refused(artifact, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match=r"no exported folder: .*/file is a file, not a folder; export makes one"):
        run_artifact(tmp_path / "file")
    absent = Runtime(name="absent", form="onnx", needs="pip install absent", version=lambda: None, run=ONNX_RUNTIME.run)
    monkeypatch.setitem(RUNTIMES.own, "absent", absent)
    for name, text in (("absent", "absent isn't installed: pip install absent"), ("abacus", "no runtime 'abacus'")):
        with pytest.raises(BadInput, match=text):
            run_artifact(artifact, runtimes=[name])
    assert "absent isn't installed: pip install absent" in run_artifact(artifact, is_timed=False).notes


def test_no_test_split_is_said_with_what_to_do(artifact):
    rewrite(artifact, lambda content: content["description"]["provenance"]["source"].update(dataset="gone.npz"))
    with pytest.raises(
        BadInput,
        match=r"there is no test split: where the data gone.npz lie .*; name a file of test samples with --data",
    ):
        run_artifact(artifact)
    with pytest.raises(BadInput, match=r"with --data \(there is no database\)$"):
        run_artifact(artifact, db_url="sqlite:////no/such/store.db")
    with pytest.raises(BadInput, match=r"none.npz"):
        run_artifact(artifact, data="none.npz")


def test_a_folder_that_cannot_be_written_is_named(artifact, exported):
    (artifact / "verification.json").mkdir()
    with pytest.raises(BadInput, match=r"verification.json can't be written: Is a directory"):
        verify_artifact(artifact, db_url=exported[0], runtimes=["gasearch"])
    assert not list(artifact.glob("*.writing"))


def test_the_rows_of_files_give_bytes_agreement_and_the_primary_score(artifact, liar):
    rows = {row["runtime"].split()[0]: row for row in run_artifact(artifact, is_timed=False).file_rows()}
    assert rows["onnxruntime"]["bytes"] == (artifact / "model.onnx").stat().st_size
    assert rows["onnxruntime"]["agreement"] >= 0.99
    assert 0 < rows["gasearch"]["test_accuracy"] < 1
    assert rows["liar"]["verdict"] == "failed"


def test_a_form_that_was_left_out_has_a_row_with_the_reason(artifact):
    rewrite(artifact, lambda content: content["description"].update(left_out_forms={"c": "float weights"}))
    row = run_artifact(artifact, is_timed=False, runtimes=["gasearch"]).file_rows()[-1]
    assert row == {"file": "c", "bytes": None, "verdict": "left out", "message": "it can't hold float weights"}
    rewrite(artifact, lambda content: content["description"].update(left_out_forms=["c"]))
    with pytest.raises(BadInput, match="is not as it was written"):
        run_artifact(artifact, is_timed=False, runtimes=["gasearch"])


def test_what_was_judged_by_nothing_is_not_stored_as_verified(exported, artifact):
    url, key, _ = exported
    known = len(records(url, key))
    rewrite(artifact, lambda content: content["description"].pop("measured"))
    record(artifact, url, key)
    found, unstored = verify_artifact(artifact, db_url=url, runtimes=["gasearch"])
    assert (found.is_verified, unstored) == (False, "nothing that was run could be held against a claim")
    assert len(records(url, key)) == known


def test_another_network_is_not_stored_as_this_one(exported, artifact):
    url, key, _ = exported
    known = len(records(url, key))
    others = [network.key for network in gasearch.open("small", db=url).evaluations() if network.key != key]
    for alias in (others[0], key[:6]):
        rewrite(artifact, lambda content, alias=alias: content["description"].update(key=alias))
        unstored = verify_artifact(artifact, db_url=url, runtimes=["gasearch"])[1]
        assert unstored == f"the network {alias} there is another one than the artifact's"
    assert len(records(url, key)) == known


def test_data_in_a_file_are_found_by_the_database_and_their_folder_is_shown_to_nobody(tmp_path):
    digits = load_dataset("digits")
    np.savez(tmp_path / "mine.npz", x_train=digits.train.x, y_train=digits.train.y)
    text = TRAINED.replace("evaluations: 8", "evaluations: 1").replace(
        "dataset: digits", f"dataset: {tmp_path}/mine.npz"
    )
    (tmp_path / "small.yaml").write_text(text)
    url = f"sqlite:///{tmp_path}/store.db"
    search = gasearch.run(tmp_path / "small.yaml", db=url)
    folder = search.export(search.best("accuracy").key, tmp_path / "model", formats=())
    for name in ("model.json", "README.md", "predict.py"):
        assert str(tmp_path) not in (folder / name).read_text()
    found = gasearch.verify(folder, runtimes=["gasearch"], timed=False, db=url)
    assert (found.is_verified, found.is_same) == (True, True)
    assert str(tmp_path) not in (folder / "verification.json").read_text()
    with pytest.raises(BadInput, match=r"where the data mine.npz lie only the database of its search knows"):
        gasearch.verify(folder, db=tmp_path / "none.db")


def test_a_folder_that_is_read_only_is_refused_before_the_work(artifact, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write everywhere
    monkeypatch.setattr("gasearch.deploy.verification.run_artifact", pytest.fail)
    with pytest.raises(BadInput, match=r"can't be written, and verification.json goes into it: copy the folder"):
        verify_artifact(artifact, db_url="sqlite:///store.db")
