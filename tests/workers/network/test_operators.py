"""The operators that a network needs."""

import pytest
from gasearch_workers.messages import Blueprint, Layer
from gasearch_workers.network.operators import FUSED, OPERATORS, SYNONYMS, operators_of
from gasearch_workers.network.plan import plan
from gasearch_workers.network.steps import OPERATIONS

HEAD = Layer(kind="linear", width=10, weight_bits=8)


def needed(*layers, shape=(3, 8, 8)):
    return operators_of(plan(Blueprint(family="cnn", input_shape=shape, layers=(*layers, HEAD))))


def conv(kind, **fields):
    return Layer(kind=kind, width=8, kernel=3, weight_bits=4, activation_bits=8, **fields)


def test_a_convolution_a_mean_and_a_dense_head_are_all_that_a_plain_network_needs():
    assert needed(conv("conv")) == {"conv": 1, "global_pool": 1, "linear": 1}


def test_a_residual_block_needs_a_sum_and_a_halved_image_a_pooling():
    found = needed(conv("residual", stride=2, downsample="max_pool"))
    assert found == {"conv": 3, "add": 1, "max_pool": 1, "global_pool": 1, "linear": 1}


def test_a_separable_block_needs_a_depthwise_convolution():
    assert needed(conv("separable")) == {"depthwise_conv": 1, "conv": 1, "global_pool": 1, "linear": 1}


def test_a_depthwise_convolution_of_one_channel_is_a_plain_one():
    assert needed(conv("separable"), shape=(1, 8, 8)) == {"conv": 2, "global_pool": 1, "linear": 1}


def test_every_operation_is_an_operator():
    assert set(OPERATIONS) < set(OPERATORS)
    assert len(set(OPERATORS)) == len(OPERATORS)


@pytest.mark.parametrize("word", SYNONYMS)
def test_what_others_call_it_leads_to_an_operator_of_ours(word):
    assert SYNONYMS[word] in OPERATORS
    assert word not in FUSED
