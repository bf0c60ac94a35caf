"""Tables of vectors: unknown words, the grid that a table shares with what is read from it."""

import pytest
import torch
from gasearch_workers.modules.quantize import WeightQuantizer
from gasearch_workers.modules.sequence_layers import EmbeddingLayer
from gasearch_workers.network.steps import Step

from tests.workers.trained_networks import blueprint, make, samples

BITS = [1, 2, 4, 5, 8]


def embedding(bits=32, *, column=-1, rows=6, has_unknown=False):
    step = Step(
        name="embedding0",
        op="embedding",
        inputs=("codes",),
        input_shape=(3,),
        output_shape=(3, 4),
        input_bits=32,
        output_bits=max(bits, 2),
        is_output_signed=True,
        weight_bits=bits,
        column=column,
        rows=rows,
    )
    return EmbeddingLayer(step, torch.Generator().manual_seed(0), has_unknown=has_unknown)


def test_a_code_gives_its_row_of_the_table():
    layer = embedding()
    codes = torch.tensor([[0, 5, 2]], dtype=torch.int32)
    assert torch.equal(layer(codes)[0], layer.weight[[0, 5, 2]])


def test_a_code_beyond_the_rows_takes_the_row_of_the_unknown():
    layer = embedding(has_unknown=True)
    codes = torch.tensor([[6, 5, 900]], dtype=torch.int32)
    assert torch.equal(layer(codes)[0], layer.weight[[1, 5, 1]])


def test_a_column_of_several_is_read():
    layer = embedding(column=1)
    codes = torch.tensor([[[9, 0], [9, 3], [9, 5]]], dtype=torch.int32)
    assert torch.equal(layer(codes)[0], layer.weight[[0, 3, 5]])


def test_a_smaller_vocabulary_reads_the_rare_words_of_a_network_as_unknown():
    x = samples("bag of words")
    network = make(blueprint("bag of words"), x)
    assert x.max() >= 20 == network.plan.steps[0].rows
    assert torch.equal(network(x), network(torch.where(x < 20, x, 1)))


@pytest.mark.parametrize("bits", BITS)
def test_what_is_read_lies_on_the_grid_of_the_table(bits):
    layer = embedding(bits)
    deployed, grid = layer.deployed(), layer.grid()
    codes = torch.tensor([[0, 5, 2]])
    rows = layer(codes)[0].detach()
    assert deployed.scale.tolist() == [pytest.approx(grid.scale)]
    torch.testing.assert_close(rows, deployed.real_weight()[[0, 5, 2]])
    integers = rows / grid.scale + grid.zero_point
    torch.testing.assert_close(integers, integers.round(), rtol=0, atol=1e-4)
    assert 0 <= integers.min().round() <= integers.max().round() <= 2**grid.bits - 1
    assert grid.bits == max(bits, 2)


@pytest.mark.parametrize("bits", BITS)
def test_only_the_rows_that_were_read_get_a_gradient(bits):
    layer = embedding(bits)
    layer(torch.tensor([[0, 5, 5]])).sum().backward()
    assert layer.weight.grad.abs().sum(dim=1).bool().tolist() == [True, False, False, False, False, True]


@pytest.mark.parametrize("bits", BITS)
def test_rows_are_rounded_as_the_whole_table_is(bits):
    table = torch.randn(50, 8, generator=torch.Generator().manual_seed(0))
    quantizer = WeightQuantizer(bits, table, is_table=True)
    integers, scale = quantizer.integers(table)
    torch.testing.assert_close(quantizer(table[[3, 40]], table).detach(), (integers * scale)[[3, 40]])


@pytest.mark.parametrize("bits", [5, 8])
def test_the_largest_vector_of_a_table_keeps_its_value_where_the_scale_follows_it(bits):
    table = torch.zeros(5, 3)
    table[2, 1] = -7.0
    table[4, 0] = 3.0
    rounded = WeightQuantizer(bits, table, is_table=True)(table, table)
    assert rounded[2, 1].item() == pytest.approx(-7.0)
