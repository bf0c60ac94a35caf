"""The sensitivity of a trained network, as the command line prints it."""

import json

import pytest

from gasearch.jobs.sensitivity import Reduced, Sensitivity


def row(decision, bits, drop, saved):
    return Reduced(
        decision=decision, bits=bits, score=0.9 - drop, drop=drop, output_error=0.1, model_bytes=1, saved_bytes=saved
    )


FOUND = Sensitivity(
    metric="accuracy",
    score=0.9,
    model_bytes=2000,
    most={"conv1.weight_bits": 8, "conv1.activation_bits": 8},
    rows=(
        row("conv1.weight_bits", 4, -0.0035, 10),
        row("conv1.weight_bits", 2, 0.25, 20),
        row("conv1.activation_bits", 4, 0.01, 0),
    ),
)


@pytest.fixture
def measured(gasearch, monkeypatch, tmp_path):
    """Runs the command with an answer that is known."""
    spec = tmp_path / "bits.yaml"
    spec.write_text("space: {family: bits, module: 'nets:make', weights: none}\nobjectives: {accuracy: max}\n")

    def measure(spec, *, observer):
        assert spec.space.weight_bits == (2, 4, 8)
        return FOUND

    monkeypatch.setattr("gasearch.jobs.sensitivity.measure_sensitivity", measure)
    return lambda *options: gasearch("sensitivity", str(spec), "--set", "space.weight_bits=[2, 4, 8]", *options)


def test_the_table_has_a_row_for_each_decision_and_a_column_for_each_number_of_bits(measured) -> None:
    status, out, _ = measured()
    assert status == 0
    lines = [line.split() for line in out.splitlines()]
    assert lines[1] == ["conv1.weight_bits", "-0.0035", "0.2500"]
    assert lines[2] == ["conv1.activation_bits", "0.0100", "-"]
    assert out.endswith("lost of accuracy 0.9000 (2 KB), on the validation split, without any training\n")


def test_json_has_the_networks_to_begin_with(measured) -> None:
    _, out, _ = measured("--format", "json")
    content = json.loads(out)
    assert [one["bits"] for one in content["rows"]] == [4, 2, 4]
    assert content["designs"][-1] == {"conv1.weight_bits": 2, "conv1.activation_bits": 8}


def test_csv_has_a_line_for_each(measured) -> None:
    _, out, _ = measured("--format", "csv")
    assert out.splitlines()[0] == "decision,bits,score,drop,output_error,model_bytes,saved_bytes"
    assert len(out.splitlines()) == 4


def test_another_family_is_bad_input(gasearch, tmp_path) -> None:
    spec = tmp_path / "cnn.yaml"
    spec.write_text("space: {family: cnn, layers: [1, 2], width: [4]}\nobjectives: {accuracy: max}\n")
    status, _, err = gasearch("sensitivity", str(spec))
    assert (status, "family bits; cnn has family cnn" in err) == (2, True)
