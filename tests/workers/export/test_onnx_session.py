"""Sessions of ONNX Runtime: default options, save for a model that names the slower exact kernels."""

import dataclasses

import numpy as np
import onnxruntime
import pytest
from gasearch_workers.export.onnx_graph import to_onnx
from gasearch_workers.export.onnx_session import has_vnni, open_session, read_cpuinfo

from tests.workers.integer_networks import random_blueprint, random_network, random_samples

ENTRY = "session.x64quantprecision"


@pytest.mark.parametrize("flag", ["avx512_vnni", "avx_vnni"])
def test_vnni_is_read_off_the_flags_of_the_first_cpu(flag):
    assert has_vnni(f"processor\t: 0\nmodel name\t: Some CPU\nflags\t\t: fpu avx2 {flag} sse2\n")


def test_a_flag_that_only_begins_like_vnni_is_another():
    assert not has_vnni("flags\t\t: fpu avx2 avx512_vnni_not avx512f\n")


def test_no_cpuinfo_names_no_vnni():
    assert not has_vnni("")


def test_an_arm_cpu_has_no_x86_flags():
    assert not has_vnni("processor\t: 0\nFeatures\t: fp asimd asimddp\n")


@pytest.mark.parametrize(
    ("is_named", "cpuinfo", "asked"),
    [
        (True, "flags : avx2", "1"),
        (True, "flags : avx2 avx512_vnni", None),
        (False, "flags : avx2", None),
        (False, "flags : avx2 avx512_vnni", None),
    ],
)
def test_exact_kernels_are_asked_for_where_the_model_names_them_and_the_cpu_lacks_vnni(
    monkeypatch, is_named, cpuinfo, asked
):
    entries = {}

    class Options(onnxruntime.SessionOptions):
        def add_session_config_entry(self, name, value):
            entries[name] = value
            super().add_session_config_entry(name, value)

    model, _ = _model(np.random.default_rng(0), largest=128 if is_named else 64)
    monkeypatch.setattr("gasearch_workers.export.onnx_session.read_cpuinfo", lambda: cpuinfo)
    monkeypatch.setattr("onnxruntime.SessionOptions", Options)
    open_session(model)
    assert entries.get(ENTRY) == asked


@pytest.mark.parametrize("seed", range(10))
def test_the_fast_kernels_of_a_cpu_with_vnni_give_the_same_bits(monkeypatch, seed):
    rng = np.random.default_rng(seed)
    model, x = _model(rng)
    logits = []
    for cpuinfo in ("", read_cpuinfo()):
        monkeypatch.setattr("gasearch_workers.export.onnx_session.read_cpuinfo", lambda cpuinfo=cpuinfo: cpuinfo)
        logits.append(open_session(model).run(None, {"input": x})[0])
    assert np.array_equal(*logits)


def _model(rng, largest=128):
    network = random_network(random_blueprint(rng, family="cnn", bits=(8,), widths=(16, 33)), rng)
    steps = [
        item if item.weight is None else dataclasses.replace(item, weight=_clipped(item.weight, largest))
        for item in network.steps
    ]
    x = random_samples(rng, network.input, network.plan.input_shape, 32)
    return to_onnx(dataclasses.replace(network, steps=tuple(steps))).SerializeToString(), x


def _clipped(weight, largest):
    return weight.astype(int).clip(-largest, min(largest, 127)).astype(weight.dtype)
