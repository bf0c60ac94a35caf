"""From a spec to all that a search needs, and what is refused on the way."""

import json
from dataclasses import replace

import pytest
from gasearch_workers.messages import Blueprint, Recipe

from gasearch.errors import SpecError, WrongState
from gasearch.jobs.setup import extended, require_same_data, set_up, with_workers
from gasearch.spec.loader import load_spec
from tests.doubles.archived import search_record

DIGITS = {
    "name": "digits",
    "seed": 3,
    "task": {"dataset": "digits"},
    "space": {"family": "mlp", "layers": [1, 2], "width": [8, 16], "weight_bits": [4, 8], "activation_bits": [8]},
    "objectives": {"accuracy": "max", "model_bytes": "min", "latency_ms": "min"},
    "constraints": ["model_bytes <= 1 KB"],
    "recipe": {"epochs": 2, "learning_rate": 0.01},
    "budget": {"evaluations": 20, "hours": 0.5},
    "workers": {"time_limit_s": 30.0},
}


@pytest.fixture(scope="module")
def setup():
    return set_up(load_spec(DIGITS))


def test_a_spec_becomes_a_problem_over_its_data(setup):
    problem = setup.problem
    assert (problem.name, problem.seed, problem.time_limit_s) == ("digits", 3, 30.0)
    assert problem.recipe == Recipe(epochs=2, learning_rate=0.01)
    assert problem.measures == {"latency_ms"}
    assert [objective.metric for objective in problem.objectives] == ["accuracy", "model_bytes", "latency_ms"]
    assert problem.task.data_fingerprint == setup.data.fingerprint
    assert (setup.budget.evaluations, setup.budget.seconds) == (20, 1800.0)


def test_its_engine_proposes_networks_for_the_data_that_meet_the_constraints(setup):
    engine = setup.engine()
    for _ in range(8):
        candidate = engine.ask()
        network = setup.problem.decode(candidate.genome)
        assert isinstance(network, Blueprint)
        assert (network.input_shape, network.outputs) == ((1, 8, 8), 10)
        assert setup.constraints.violation(candidate.genome) == 0


def test_the_store_learns_what_decides_the_search(setup):
    new = setup.new_search()
    assert load_spec(DIGITS) == type(setup.spec).from_json(new.spec_json)
    assert new.objectives == (("accuracy", True), ("model_bytes", False), ("latency_ms", False))
    assert json.loads(new.data_json)["fingerprint"] == setup.data.fingerprint
    assert new.space_size == (4 + 16) * 2  # one or two layers of 2 widths and 2 precisions; the head's precision


def test_the_data_tell_what_the_task_is():
    spec = DIGITS | {"task": {"dataset": "diabetes"}, "objectives": {"rmse": "min"}, "constraints": []}
    setup = set_up(load_spec(spec))
    network = setup.problem.decode(setup.engine().ask().genome)
    assert setup.problem.task.kind == "regression"
    assert (network.input_shape, network.outputs, network.is_regression) == ((10,), 1, True)


def test_networks_for_sentences_fit_their_words(tmp_path):
    lines = [f"{'good' if number % 2 else 'bad'} film number {number}\t{number % 2}" for number in range(60)]
    path = tmp_path / "films.tsv"
    path.write_text("\n".join(["sentence\tlabel", *lines]) + "\n", encoding="utf-8")
    spec = DIGITS | {
        "task": {"dataset": str(path), "length": 8},
        "space": {"family": "text", "layers": [0, 1], "width": [8], "vocabulary": [10, 100_000]},
        "objectives": {"accuracy": "max", "model_bytes": "min"},
        "constraints": [],
    }
    setup = set_up(load_spec(spec))
    words = setup.data.categories[0]
    assert setup.space.decisions[1].options == (10, words)
    network = setup.problem.decode(setup.engine().ask().genome)
    assert network.categories == (words,)
    assert setup.problem.task.kind == "classification"


def test_a_custom_space_has_no_data():
    custom = {
        "name": "own",
        "task": {"evaluator": "tests.doubles.evaluators:quick"},
        "space": {"family": "custom", "decisions": {"a": {"choices": [1, 2]}}},
        "objectives": {"cost": "min"},
    }
    setup = set_up(load_spec(custom))
    assert setup.data is None
    assert setup.new_search().data_json == "{}"
    assert setup.budget.seconds is None


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"task": {"dataset": "nowhere.npz"}}, r"task\.dataset: nowhere\.npz: no such file"),
        ({"task": {"dataset": "digit"}}, "did you mean 'digits'"),
        ({"constraints": ["model_bytes <= 10"]}, "no network"),
        ({"constraints": ["peak_memory_bytes <= 60 B"]}, "no network .* the smallest has peak_memory_bytes"),
        ({"task": {"dataset": "diabetes"}}, "a regression does not measure 'accuracy'"),
    ],
)
def test_what_does_not_fit_together_is_refused(changes, complaint):
    with pytest.raises(SpecError, match=complaint):
        set_up(load_spec(DIGITS | changes))


def test_only_the_budget_is_extended():
    spec = load_spec(DIGITS)
    assert extended(spec, evaluations=None, hours=None) is spec
    longer = extended(spec, evaluations=40, hours=None)
    assert (longer.budget.evaluations, longer.budget.hours) == (40, 0.5)
    assert longer.identity_hash() == spec.identity_hash()
    assert longer.model_copy(update={"budget": spec.budget}) == spec
    assert extended(spec, evaluations=None, hours=2.0).budget.hours == 2.0
    with pytest.raises(SpecError, match=r"budget\.hours"):
        extended(spec, evaluations=None, hours=-1.0)


def test_the_number_of_workers_is_replaced_where_one_is_given():
    spec = load_spec(DIGITS)
    assert with_workers(spec, None) is spec
    assert with_workers(spec, 0).workers.count == 0
    with pytest.raises(SpecError, match=r"workers\.count"):
        with_workers(spec, 5000)


def test_other_data_than_those_of_the_beginning_are_refused_with_both_fingerprints(setup):
    fingerprint = setup.data.fingerprint
    record = replace(search_record(), data_json=json.dumps({"fingerprint": fingerprint}))
    require_same_data(record, setup.data)
    changed = replace(setup.data, fingerprint="0123456789abcdef")
    with pytest.raises(
        WrongState, match=f"data of fingerprint {fingerprint}, and digits now has 0123456789abcdef: res"
    ):
        require_same_data(record, changed)
    require_same_data(replace(record, data_json="{}"), None)


def test_a_measuring_command_reaches_the_workers_and_is_part_of_what_outcomes_depend_on(setup, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    asked = DIGITS | {"measure": {"command": "sh bench.sh", "metrics": ["ram_bytes"]}}
    found = set_up(load_spec(asked))
    assert found.problem.command.arguments == ("sh", "bench.sh")
    assert found.problem.command.folder == str(tmp_path)
    slower, other = (
        set_up(load_spec(asked | {"measure": asked["measure"] | change}))
        for change in ({"timeout_s": 9}, {"command": "sh bench2.sh"})
    )
    contexts = [one.problem.context for one in (setup, found, slower, other)]
    assert contexts[1] == contexts[2]
    assert len(set(contexts)) == 3
    assert setup.problem.command is None


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"command": "no-such-program -x"}, "measure.command: there is no program 'no-such-program' on the path"),
        ({"command": "./bench.sh"}, r"measure.command: there is no program './bench.sh' here, in /"),
        ({"formats": "fortran"}, "measure.formats: .*fortran"),
    ],
)
def test_a_program_or_a_form_that_is_not_here_is_refused_before_any_work(change, complaint):
    measure = {"command": "sh bench.sh", "metrics": ["ram_bytes"]} | change
    with pytest.raises(SpecError, match=complaint):
        set_up(load_spec(DIGITS | {"measure": measure}))


def test_the_program_is_another_nodes_where_the_cluster_is_elsewhere():
    measure = {"command": "no-such-program", "metrics": ["ram_bytes"]}
    found = set_up(load_spec(DIGITS | {"measure": measure, "workers": {"address": "10.0.0.1:6379"}}))
    assert found.problem.command.arguments == ("no-such-program",)


def test_a_measure_of_a_form_that_nothing_here_can_take_is_refused_with_what_to_install(monkeypatch):
    reason = {"arena_bytes": "it needs TFLite Micro: pip install 'gasearch[tflite]'"}
    monkeypatch.setattr("gasearch_workers.evaluation.deployed.why_not_here", lambda wanted, compiler: reason)
    asked = DIGITS | {"objectives": {"accuracy": "max", "arena_bytes": "min"}}
    with pytest.raises(SpecError, match=r"^arena_bytes can't be measured here: it needs TFLite Micro: pip install"):
        set_up(load_spec(asked))
    assert set_up(load_spec(asked | {"workers": {"address": "10.0.0.1:6379"}})).problem.measures == {"arena_bytes"}


def test_a_space_that_no_form_holds_is_refused_before_any_training(monkeypatch):
    monkeypatch.setattr("gasearch_workers.evaluation.deployed.why_not_here", lambda wanted, compiler: {})
    floats = {"space": DIGITS["space"] | {"weight_bits": 32, "activation_bits": 32}, "constraints": []}
    asked = DIGITS | floats | {"objectives": {"accuracy": "max", "flash_bytes": "min"}}
    with pytest.raises(SpecError, match=r"^flash_bytes: its form c can't hold any of 64 networks of this space: a ne"):
        set_up(load_spec(asked))
    some = DIGITS | {"space": DIGITS["space"] | {"weight_bits": [4, 32], "activation_bits": [8, 32]}, "constraints": []}
    choices = r"choose space\.weight_bits: \[4\] and space\.activation_bits: \[8\]$"
    with pytest.raises(
        SpecError, match=rf"^ram_bytes: its form c can't hold networks with 32 bits, .* float; {choices}"
    ):
        set_up(load_spec(some | {"objectives": {"accuracy": "max", "ram_bytes": "min"}}))
    assert set_up(load_spec(some | {"objectives": {"accuracy": "max", "model_bytes": "min"}}))
    measured = {"measure": {"command": "sh x", "metrics": ["watts"], "formats": ["c"]}}
    with pytest.raises(SpecError, match=r"^measure\.formats: c can't hold any of 64 networks"):
        set_up(load_spec(DIGITS | floats | measured))


def test_the_cpu_of_a_form_is_part_of_what_its_outcomes_depend_on(monkeypatch):
    monkeypatch.setattr("gasearch_workers.evaluation.deployed.why_not_here", lambda wanted, compiler: {})
    asked = DIGITS | {"objectives": {"accuracy": "max", "flash_bytes": "min"}}
    one, other = (set_up(load_spec(asked | {"target": {"cpu": cpu}})) for cpu in ("cortex-m4", "cortex-m0plus"))
    assert (one.problem.cpu, other.problem.cpu) == ("cortex-m4", "cortex-m0plus")
    assert one.problem.context != other.problem.context
    assert one.spec.identity_hash() != other.spec.identity_hash()


def test_the_cross_compiler_is_named_once_and_its_version_is_part_of_what_outcomes_depend_on(monkeypatch):
    here = {"arm-none-eabi-gcc": "12.2.1", "zig": "0.17.1"}
    monkeypatch.setattr("gasearch_workers.evaluation.deployed.why_not_here", lambda wanted, compiler: {})
    monkeypatch.setattr(
        "gasearch_workers.evaluation.deployed.compiled_by",
        lambda wanted, compiler: next((f"{name} {here[name]}" for name in here if compiler in ("", name)), ""),
    )
    asked = load_spec(DIGITS | {"objectives": {"accuracy": "max", "flash_bytes": "min"}})
    zig = load_spec(DIGITS | {"objectives": asked.objectives, "target": {"toolchain": "zig"}})
    one, other, begun = set_up(asked), set_up(zig), set_up(asked, compiler="zig")
    assert (one.problem.toolchain, one.problem.compiler) == ("arm-none-eabi-gcc 12.2.1", "arm-none-eabi-gcc")
    assert other.problem.toolchain == begun.problem.toolchain == "zig 0.17.1"
    assert one.problem.context != other.problem.context == begun.problem.context
    here["zig"] = "0.18.0"
    assert set_up(zig).problem.context != other.problem.context


def test_a_cluster_whose_compiler_nothing_here_tells_of_wants_its_name(monkeypatch):
    monkeypatch.setattr("gasearch_workers.evaluation.deployed.compiled_by", lambda wanted, compiler: "")
    asked = DIGITS | {
        "objectives": {"accuracy": "max", "flash_bytes": "min"},
        "workers": {"address": "10.0.0.1:6379"},
    }
    with pytest.raises(
        SpecError, match=r"^target\.toolchain: no cross compiler is here; name that of the workers: arm"
    ):
        set_up(load_spec(asked))
    assert set_up(load_spec(asked | {"target": {"toolchain": "zig"}})).problem.toolchain == "zig"
