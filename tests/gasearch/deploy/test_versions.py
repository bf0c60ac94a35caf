"""What differs between the world of an evaluation and today's."""

from types import SimpleNamespace

import pytest

from gasearch.deploy.versions import OtherVersion, other_versions
from gasearch.jobs.resume import current_versions

VERSIONS = "python 3.11.2, torch 2.13.0+cpu, AVX2, 1 thread"


def compared(before=VERSIONS, now=VERSIONS, *, device="cpu", began=None, stored="f00d", fingerprint="f00d"):
    record = SimpleNamespace(evaluator_source="", data_json=f'{{"fingerprint": "{stored}"}}')
    data = SimpleNamespace(fingerprint=fingerprint)
    setup = SimpleNamespace(problem=SimpleNamespace(toolchain=""), data=data, evaluator_source="")
    results = [SimpleNamespace(versions=text, device=on) for text, on in ((before, device), (now, "cpu"))]
    return list(other_versions(record, setup, began or {}, *results))


def test_where_nothing_differs_nothing_is_named():
    assert compared(began=current_versions()) == []


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        (VERSIONS.replace("2.13.0+cpu", "2.0"), ("torch", "2.0", "2.13.0+cpu")),
        (VERSIONS.replace("1 thread", "2 threads"), ("threads", "2", "1")),
        (VERSIONS.replace("AVX2", "AVX512"), ("cpu", "AVX512", "AVX2")),
    ],
)
def test_a_part_of_a_result_that_differs_is_named(before, expected):
    name, then, now = expected
    assert compared(before) == [OtherVersion(name=name, before=then, now=now)]


def test_the_kind_of_a_device_counts_and_not_its_number():
    assert compared(device="cuda:1") == [OtherVersion(name="device", before="cuda", now="cpu")]


def test_other_data_are_named():
    assert compared(stored="beef") == [OtherVersion(name="data", before="beef", now="f00d")]


def test_what_only_proposes_networks_is_no_difference():
    assert compared(began={"deap": "0.1", "optuna": "0.1"}) == []
