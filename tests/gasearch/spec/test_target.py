"""The sections on the device that a network is for."""

import pytest

from gasearch.errors import SpecError
from gasearch.spec.changes import changes
from gasearch.spec.loader import load_spec
from gasearch.spec.model import SearchSpec
from tests.gasearch.spec.spec_samples import CNN, CUSTOM, changed


def test_operators_are_kept_in_one_order_so_that_equal_lists_are_equal():
    one, other = (
        load_spec(changed(CNN, "target.operators", names)) for names in (["linear", "conv"], ["conv", "linear"])
    )
    assert one.target.operators == other.target.operators == ("conv", "linear")
    assert one.identity_hash() == other.identity_hash() != load_spec(CNN).identity_hash()
    assert SearchSpec.from_json(one.to_json()) == one


def test_a_spec_without_a_target_is_what_it_was_before_there_were_any():
    assert load_spec(CNN).target.operators is None
    assert load_spec(changed(CNN, "target", {})).identity_hash() == load_spec(CNN).identity_hash()


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("Conv", 'did you mean "conv"'),
        ("Gemm", 'did you mean "linear"'),
        ("MatMul", 'did you mean "linear"'),
        ("DEPTHWISE_CONV_2D", 'did you mean "depthwise_conv"'),
        ("GlobalAveragePool", 'did you mean "global_pool"'),
        ("max_poll", 'did you mean "max_pool"'),
        ("Relu", "it is part of the operator before it: leave it out"),
    ],
)
def test_an_unknown_operator_is_refused_with_the_one_that_was_meant(name, hint):
    with pytest.raises(SpecError, match=rf"target\.operators\[1\]: must be one of conv, .*; got '{name}'; {hint}"):
        load_spec(changed(CNN, "target.operators", ["linear", name]))


@pytest.mark.parametrize("value", [[], {}, ["conv", "conv"], [["conv"]], ["zzz"], 3])
def test_what_is_no_list_of_distinct_operators_is_refused(value):
    with pytest.raises(SpecError, match=r"target\.operators"):
        load_spec(changed(CNN, "target.operators", value))


def test_a_custom_evaluator_has_no_operators_that_we_know():
    with pytest.raises(SpecError, match=r"target\.operators: what a custom evaluator's networks are made of only it"):
        load_spec(changed(CUSTOM, "target.operators", ["conv"]))


def test_the_toolchain_is_one_that_is_known_and_auto_is_as_without_any():
    assert load_spec(changed(CNN, "target.toolchain", "auto")).identity_hash() == load_spec(CNN).identity_hash()
    operators = changed(CNN, "target", {"operators": ["conv", "linear"]})
    assert (
        load_spec(changed(operators, "target.toolchain", "auto")).identity_hash()
        == load_spec(operators).identity_hash()
    )
    assert load_spec(changed(CNN, "target.toolchain", "zig")).identity_hash() != load_spec(CNN).identity_hash()
    with pytest.raises(SpecError, match=r"target\.toolchain: must be one of auto, arm-none-eabi-gcc, zig; got 'gcc'"):
        load_spec(changed(CNN, "target.toolchain", "gcc"))


# --- measure ----------------------------------------------------------------------------------------------------

MEASURE = {"command": "ssh pi './my bench' --fast", "metrics": ["ram_bytes", "latency_ms"]}


def measuring(base=CNN, **changes):
    return changed(base, "measure", MEASURE | changes)


def test_a_command_is_split_as_a_shell_would_and_what_it_gives_can_be_an_objective_and_a_limit():
    spec = changed(measuring(), "objectives", {"accuracy": "max", "ram_bytes": "min"})
    found = load_spec(changed(spec, "constraints", ["ram_bytes <= 64 KB", "latency_ms <= 2"]))
    command = found.measure.to_command(folder="/here", environment=("BOARD",))
    assert command.arguments == ("ssh", "pi", "./my bench", "--fast")
    assert (command.metrics, command.timeout_s, command.formats) == (("ram_bytes", "latency_ms"), 60.0, ())
    assert (command.folder, command.environment) == ("/here", ("BOARD",))
    assert [limit.bound for limit in found.limits()] == [64_000, 2]
    assert SearchSpec.from_json(found.to_json()) == found


def test_ours_is_not_measured_where_the_command_gives_the_latency():
    objectives = {"accuracy": "max", "latency_ms": "min", "energy_j": "min", "efficiency": "max"}
    spec = changed(CNN, "objectives", objectives)
    assert load_spec(spec).measures() == {"latency_ms", "energy_j"}
    assert load_spec(measuring(spec)).measures() == frozenset()
    assert load_spec(measuring(spec, metrics="energy_j")).measures() == {"latency_ms"}
    assert load_spec(measuring(spec, metrics="ram_bytes")).measures() == {"latency_ms", "energy_j"}


def test_what_a_form_takes_is_asked_for_where_it_is_an_objective_or_a_limit_and_no_command_gives_it():
    spec = changed(CNN, "objectives", {"accuracy": "max", "flash_bytes": "min"})
    spec = changed(spec, "constraints", ["ram_bytes <= 8 KB", "instructions <= 5M"])
    assert load_spec(spec).measures() == {"flash_bytes", "ram_bytes", "instructions"}
    assert load_spec(measuring(spec)).measures() == {"flash_bytes", "instructions"}


def test_the_command_decides_the_result_and_the_time_it_may_take_does_not():
    same, slower, other = (load_spec(measuring(**change)) for change in ({}, {"timeout_s": 5}, {"command": "bench"}))
    assert same.identity_hash() == slower.identity_hash() != other.identity_hash() != load_spec(CNN).identity_hash()
    assert [change.is_free for change in changes(same, slower)] == [True]
    assert [change.is_free for change in changes(same, other)] == [False]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"command": ""}, "measure.command: must be an installed program and its arguments"),
        ({"command": ["ssh", "pi"]}, "measure.command: must be an installed program and its arguments"),
        (
            {"command": "bench 'a"},
            "measure.command: can't be read as a program and its arguments (no closing quotation)",
        ),
        ({"command": "bench | tail -1"}, "is run without a shell, which alone knows |: put it into a script"),
        ({"command": "bench && cat x"}, "is run without a shell, which alone knows &&: put it into a script"),
        ({"command": "bench $(date)"}, "is run without a shell, which alone knows $(date): put it into a script"),
        ({"metrics": []}, "measure.metrics: must be a list of the names of the numbers that the command gives"),
        ({"metrics": ["ram bytes"]}, "measure.metrics[0]: the name of a metric is up to 63 letters"),
        ({"metrics": ["key"]}, "measure.metrics[0]: no metric may be named 'key', which stands for the network"),
        (
            {"metrics": ["accuracy"]},
            "accuracy is measured by gasearch; a command may give latency_ms, energy_j, fla",
        ),
        ({"metrics": ["a_spread"]}, "a_spread may stand beside a in every answer: leave it out here"),
        ({"metrics": ["a", "a"]}, "measure.metrics: has 'a' twice"),
        ({"timeout_s": 0}, "measure.timeout_s: must be a number above 0"),
        ({"comand": "x"}, 'measure.comand: unknown key; did you mean "command"?'),
    ],
)
def test_a_measurement_that_can_not_work_is_refused(change, complaint):
    with pytest.raises(SpecError) as caught:
        load_spec(measuring(**change))
    assert complaint in str(caught.value)


def test_an_objective_that_neither_gasearch_nor_the_command_measures_is_refused_with_all_of_both():
    with pytest.raises(SpecError, match=r"does not measure 'ram_byte'; did you mean \"ram_bytes\"\? .*, watts$"):
        load_spec(changed(measuring(metrics=["watts"]), "objectives", {"accuracy": "max", "ram_byte": "min"}))


def test_a_custom_evaluator_measures_by_itself():
    with pytest.raises(SpecError, match="measure: a custom evaluator measures by itself, and gives whatever it finds"):
        load_spec(measuring(CUSTOM))
