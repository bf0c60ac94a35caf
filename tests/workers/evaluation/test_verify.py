"""Real exports of digits, run by the real runtimes, and by doubles that lie, raise or aren't installed."""

import dataclasses
import json
import re
import shutil

import numpy as np
import pytest
from gasearch_workers.data import load_dataset
from gasearch_workers.evaluation.evaluate import Evaluator
from gasearch_workers.evaluation.export import export
from gasearch_workers.evaluation.held_out import held_out
from gasearch_workers.evaluation.verify import chosen_runtimes, target_of, unrun_forms, verify
from gasearch_workers.export.artifact import ArtifactError, read_artifact
from gasearch_workers.export.description import describe_files
from gasearch_workers.export.exporters import EXPORTERS, of_one_file
from gasearch_workers.machine.isolated import kept
from gasearch_workers.measure.footprint import CPUS
from gasearch_workers.measure.toolchains import toolchain
from gasearch_workers.messages import Blueprint, Layer, Recipe
from gasearch_workers.network.registry import UnknownName
from gasearch_workers.runtimes.runtime import C99_RUNTIME, ONNX_RUNTIME, PACKED, RUNTIMES, TORCH, Runtime

from tests.doubles.requests import request_for
from tests.workers.hostile_graphs import endless, of_100_gb

NETWORK = Blueprint(
    family="mlp",
    input_shape=(1, 8, 8),
    layers=(
        Layer(kind="linear", width=16, weight_bits=3, activation_bits=8),
        Layer(kind="linear", width=10, weight_bits=8),
    ),
)


@pytest.fixture(scope="module", autouse=True)
def _one_process():
    """All of them are run by one process."""
    with kept():
        yield


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    """An exported folder with what its `model.json` holds."""
    data = load_dataset("digits")
    request = request_for(NETWORK, recipe=Recipe(epochs=1, batch_size=16), seed=9)
    evaluator = Evaluator(data)
    claimed = evaluator.evaluate(request).outcome.metrics()
    folder = tmp_path_factory.mktemp("verified") / "model"
    export(request, folder, evaluator=evaluator, data=data, claimed=claimed, formats=())
    return folder, read_artifact(folder)


@pytest.fixture(scope="module")
def in_every_form(tmp_path_factory):
    """The same in every form that can hold it."""
    data = load_dataset("digits")
    request = request_for(NETWORK, recipe=Recipe(epochs=1, batch_size=16), seed=9)
    folder = tmp_path_factory.mktemp("forms") / "model"
    export(request, folder, evaluator=Evaluator(data), data=data, claimed={}, formats=("all",))
    return folder, read_artifact(folder)


def run(artifact, *runtimes, **options):
    folder, content = artifact
    chosen = list(runtimes) or chosen_runtimes(content)
    return {check.runtime: check for check in verify(folder, content, held_out(folder, content), chosen, **options)}


def claims_of(check):
    return {claim.name: claim for claim in check.claims}


def test_every_form_of_an_honest_export_keeps_what_it_claims(artifact):
    checks = run(artifact, is_timed=False)
    assert set(checks) == {"onnxruntime", "gasearch", "torch"}
    assert all(check.has_passed for check in checks.values()), [check.failure for check in checks.values()]
    onnx = claims_of(checks["onnxruntime"])
    assert set(onnx) == {"test_accuracy", "test_macro_f1", "test_auc", "agreement"}
    assert onnx["test_accuracy"].difference == 0
    assert claims_of(checks["torch"])["agreement"].measured == 1
    assert claims_of(checks["gasearch"])["model_bytes"].difference == 0


def test_latencies_are_measured_in_turns_with_the_reference_or_plainly(artifact):
    checks = run(artifact)
    assert claims_of(checks["onnxruntime"])["latency_ms"].measured > 0
    assert claims_of(checks["onnxruntime"])["latency_ms"].claimed > 0
    plain = claims_of(checks["torch"])
    assert plain["plain_latency_ms"].holds is None
    assert plain["plain_latency_ms"].measured > 0
    assert "latency_ms" not in plain


def double(name="double", run=None, **changes):
    """A runtime of our own for `model.onnx`."""
    return Runtime(
        **{"name": name, "form": "onnx", "needs": "pip install double", "version": lambda: "1", "run": run}
        | {"is_isolated": False}
        | changes
    )


def test_a_runtime_that_lies_fails_by_score_and_agreement(artifact):
    def lie(folder, x):
        outputs = ONNX_RUNTIME.run(folder, x)
        return np.where(np.arange(len(x))[:, None] % 10 == 0, -outputs, outputs)

    check = run(artifact, double(run=lie))["double"]
    assert check.has_passed is False
    claims = claims_of(check)
    assert claims["agreement"].holds is False
    assert claims["agreement"].measured == pytest.approx(0.9, abs=0.02)
    assert "test_accuracy must be within" in check.failure
    assert "no latency" in check.note


def fail(folder, x):
    raise RuntimeError("kernel not\n  found")


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (fail, r"RuntimeError: kernel not found"),
        (lambda folder, x: np.zeros((len(x), 3)), r"expected outputs of the shape \(359, 10\); got shape \(359, 3\)"),
        (lambda folder, x: np.full((len(x), 10), np.nan), r"expected outputs .*; got numbers that are not finite"),
    ],
)
def test_a_runtime_that_gives_no_outputs_has_failed(artifact, answer, text):
    check = run(artifact, double(run=answer))["double"]
    assert check.has_passed is False
    assert not check.claims
    assert re.search(text, check.fault), check.fault


def test_one_that_is_not_installed_is_noted_and_not_run(artifact):
    check = run(artifact, double(run=fail, version=lambda: None))["double"]
    assert (check.has_passed, check.note) == (None, "double isn't installed: pip install double")


def test_runtimes_are_chosen_by_name_and_refused_with_what_to_do(artifact, monkeypatch):
    _, content = artifact
    monkeypatch.setitem(RUNTIMES.own, "absent", double("absent", version=lambda: None))
    monkeypatch.setitem(RUNTIMES.own, "other", double("other", form="c"))
    assert [runtime.name for runtime in chosen_runtimes(content, ["torch", "torch"])] == ["torch"]
    with pytest.raises(ArtifactError, match=r"^absent isn't installed: pip install double"):
        chosen_runtimes(content, ["absent"])
    with pytest.raises(ArtifactError, match=r"other runs the form c, and the artifact holds onnx, gap, .*--formats c"):
        chosen_runtimes(content, ["other"])
    with pytest.raises(UnknownName, match="there is no runtime 'abacus'; there are onnxruntime, "):
        chosen_runtimes(content, ["abacus"])


def test_a_form_that_nothing_runs_is_named(artifact, monkeypatch):
    _, content = artifact
    assert unrun_forms(content) == []
    monkeypatch.setitem(EXPORTERS.own, "card", of_one_file("card", "README.md", lambda network: b""))
    assert unrun_forms(content) == ["card"]


def test_a_claim_that_is_too_good_fails(artifact):
    folder, content = artifact
    better = json.loads(json.dumps(content))
    better["description"]["measured"]["test_accuracy"] += 0.05
    better["description"]["claimed"]["model_bytes"] -= 1
    checks = run((folder, better), is_timed=False)
    assert not any(check.has_passed for check in checks.values())
    assert claims_of(checks["gasearch"])["model_bytes"].difference == 1


def test_samples_of_another_shape_are_refused(artifact):
    folder, content = artifact
    test = held_out(folder, content)
    wide = dataclasses.replace(test, split=dataclasses.replace(test.split, x=test.split.x[..., :4]))
    with pytest.raises(ArtifactError, match=r"takes samples of the shape \(1, 8, 8\); digits has \(1, 8, 4\)"):
        verify(folder, content, wide, [])


def test_the_target_is_read_off_the_description(artifact):
    target = target_of(artifact[1])
    assert (target.kind, target.outputs, target.labels) == ("classification", 10, ())


def test_every_form_in_every_runtime_that_is_installed_keeps_what_it_claims(in_every_form):
    checks = run(in_every_form, is_timed=False)
    assert {"onnxruntime", "gasearch", "torch", "onnxruntime-qdq", "onnx-reference", "c99", "litert"} <= set(checks)
    ran = [check for check in checks.values() if check.version is not None]
    assert len(ran) >= 5
    assert all(check.has_passed for check in ran), [check.failure for check in ran]


def test_flash_ram_and_instructions_of_the_c_form_are_what_was_claimed_of_the_same_compiler(in_every_form):
    folder, content = in_every_form
    if C99_RUNTIME.version() is None or toolchain() is None:
        pytest.skip("no C compiler, or no cross compiler, is installed")
    claims = claims_of(run(in_every_form, C99_RUNTIME, is_timed=False)["c99"])
    for cpu in CPUS:
        assert claims[f"{cpu} flash_bytes"].holds is True
        assert claims[f"{cpu} flash_bytes"].measured > claims[f"{cpu} ram_bytes"].measured > 0
    story = content["description"]
    other = [one | {"flash_bytes": one["flash_bytes"] - 1} for one in story["firmware"]]
    check = run((folder, content | {"description": story | {"firmware": other}}), C99_RUNTIME, is_timed=False)["c99"]
    assert "cortex-m4 flash_bytes must be within 0 B of" in check.failure
    elsewhere = [one | {"toolchain": f"{toolchain().name} 0.0.1"} for one in other]
    check = run((folder, content | {"description": story | {"firmware": elsewhere}}), C99_RUNTIME, is_timed=False)[
        "c99"
    ]
    assert check.has_passed
    assert claims_of(check)["cortex-m4 flash_bytes"].holds is None
    assert "claimed of" in claims_of(check)["cortex-m4 flash_bytes"].note


def test_what_a_microcontroller_takes_is_told_beside_what_was_claimed(in_every_form):
    runtime = RUNTIMES.get("tflite-micro")
    if runtime.version() is None:
        pytest.skip("TFLite Micro isn't installed")
    arena = claims_of(run(in_every_form, runtime, is_timed=False)["tflite-micro"])["arena_bytes"]
    assert arena.measured == arena.claimed > 0
    assert arena.holds is None


def test_the_standard_graph_is_timed_in_turns_too_and_claims_no_latency(in_every_form):
    latency = claims_of(run(in_every_form, RUNTIMES.get("onnxruntime-qdq"))["onnxruntime-qdq"])["latency_ms"]
    assert latency.measured > 0
    assert (latency.claimed, latency.note) == (None, "nothing is claimed")


def test_a_test_split_without_samples_is_refused(artifact):
    folder, content = artifact
    test = held_out(folder, content)
    none = dataclasses.replace(test.split, x=test.split.x[:0], y=test.split.y[:0])
    with pytest.raises(ArtifactError, match=r"there are no test samples in digits; name a file of some with --data"):
        verify(folder, content, dataclasses.replace(test, split=none), chosen_runtimes(content))


@pytest.mark.parametrize(
    ("content", "text"), [(endless(), r"it took more than 5 s"), (of_100_gb(), r"allocate|bad_alloc|of memory")]
)
def test_a_graph_that_hangs_or_takes_all_memory_is_a_claim_that_fails_and_the_others_are_judged(
    artifact, tmp_path, content, text
):
    folder, described = artifact
    shutil.copytree(folder, tmp_path / "model")
    (tmp_path / "model" / "model.onnx").write_bytes(content)
    files = {name: (tmp_path / "model" / name).read_bytes() for name in described["files"]}
    described = described | {"files": describe_files(files)}
    (tmp_path / "model" / "model.json").write_text(json.dumps(described))
    checks = run((tmp_path / "model", described), ONNX_RUNTIME, PACKED, TORCH, is_timed=False, seconds=5.0)
    assert checks["onnxruntime"].has_passed is False
    assert re.search(text, checks["onnxruntime"].failure), checks["onnxruntime"].failure
    assert checks["gasearch"].has_passed
    assert checks["torch"].has_passed


def test_a_runtime_whose_installation_is_broken_is_noted_and_no_fault_of_the_artifact(artifact):
    def broken(folder, x):
        raise ImportError("libmissing.so: cannot open")

    runtime = dataclasses.replace(ONNX_RUNTIME, name="broken", run=broken, is_isolated=False)
    check = run(artifact, runtime)["broken"]
    assert (check.has_passed, check.version, check.claims) == (None, None, ())
    assert "broken can't be imported (libmissing.so: cannot open): pip install onnxruntime" in check.note
