"""Texts that UTF-8 can't hold are refused wherever in a spec they stand."""

import copy

import pytest

from gasearch import cli
from gasearch.errors import SpecError
from gasearch.jobs.setup import set_up
from gasearch.spec.loader import load_spec
from gasearch.spec.model import SearchSpec

HALF = "a\udcff"
SPEC = {
    "name": "s",
    "task": {"evaluator": "tests.doubles.evaluators:quick"},
    "space": {"family": "custom", "decisions": {"x": {"choices": ["a", "b"]}}},
    "objectives": {"error": "min"},
    "budget": {"evaluations": 2},
    "workers": {"count": 0},
}


@pytest.mark.parametrize(
    ("path", "change"),
    [
        ("name", lambda spec: spec.update(name=HALF)),
        ("space.decisions.x.choices[1]", lambda spec: spec["space"]["decisions"]["x"].update(choices=["a", HALF])),
        ("space.decisions", lambda spec: spec["space"]["decisions"].update({HALF: {"choices": [0, 1]}})),
        ("objectives", lambda spec: spec["objectives"].update({HALF: "min"})),
        ("task.dataset", lambda spec: spec.update(task={"dataset": HALF})),
        ("start.designs[0].x", lambda spec: spec.update(start={"designs": [{"x": HALF}]})),
        ("workers.address", lambda spec: spec["workers"].update(address=HALF)),
    ],
)
def test_half_of_a_surrogate_pair_is_refused_with_its_key(path, change):
    spec = copy.deepcopy(SPEC)
    change(spec)
    with pytest.raises(SpecError) as caught:
        load_spec(spec)
    assert str(caught.value).startswith(f"spec: {path}: must be text that UTF-8 can hold; got ")


def test_so_it_is_in_a_spec_that_nobody_read():
    spec = SearchSpec.model_validate(SPEC | {"space": {"family": "custom", "decisions": {"x": {"choices": [HALF, 1]}}}})
    with pytest.raises(SpecError, match=r"the spec: .*choices\[0\]: must be text that UTF-8 can hold"):
        set_up(spec)


def test_an_escape_in_a_file_is_no_way_around_it(tmp_path, capsys):
    (tmp_path / "s.json").write_text('{"name": "s", "task": {"evaluator": "a:b\\ud800"}}')
    assert cli.call(["check", str(tmp_path / "s.json")]) == 2
    assert r"task.evaluator: must be text that UTF-8 can hold; got 'a:b\ud800'" in capsys.readouterr().err
