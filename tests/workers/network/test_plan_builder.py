"""Steps appended one after the other."""

from gasearch_workers.messages import Layer
from gasearch_workers.network.plan_builder import PlanBuilder

LAYER = Layer(kind="linear", width=8, weight_bits=4, activation_bits=4, rank=0.25)


def builder_on(shape, **options):
    builder = PlanBuilder(is_float=False, **{"is_pruned": True, **options})
    builder.begin("input", shape, 8)
    return builder


def test_a_matrix_of_a_lower_rank_becomes_two_and_only_the_second_has_the_relu():
    builder = builder_on((16,))
    builder.add_matrix("layer0", LAYER, op="linear", width=8, has_relu=True)
    assert [(step.name, step.weight_shape, step.has_relu) for step in builder.steps] == [
        ("layer0.down", (2, 16), False),
        ("layer0", (8, 2), True),
    ]
    assert [step.output_bits for step in builder.steps] == [8, 4]


def test_a_convolution_is_strided_in_the_first_of_its_factors():
    builder = builder_on((8, 9, 9))
    builder.add_matrix("layer0", LAYER, op="conv", width=16, kernel=3, stride=2)
    assert [(step.kernel, step.stride) for step in builder.steps] == [(3, 2), (1, 1)]
    assert builder.shape == (16, 5, 5)


def test_channels_that_pruning_removes_are_there_until_it_has():
    widths = []
    for is_pruned in (True, False):
        builder = builder_on((16,), is_pruned=is_pruned)
        builder.add_matrix("layer0", Layer(kind="linear", width=8), op="linear", width=8, kept=3)
        widths.append((builder.shape, builder.tensor.full, builder.tensor.kept))
    assert widths == [((3,), 8, 3), ((8,), 8, 3)]


def test_a_sum_reads_both_and_is_unsigned_behind_a_relu():
    builder = builder_on((4,))
    first = builder.tensor
    builder.add_matrix("layer0", Layer(kind="linear", width=4), op="linear", width=4)
    builder.add_sum("sum", first, bits=8, has_relu=True)
    assert builder.steps[-1].inputs == ("layer0", "input")
    assert not builder.tensor.is_signed
