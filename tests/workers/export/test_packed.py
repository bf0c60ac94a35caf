"""The packed file: an exact round trip at any precision, a size known beforehand, and no damage that goes unseen."""

import base64
import dataclasses
import zlib

import numpy as np
import pytest
from gasearch_workers.export.packed import PackedFormatError, pack, pack_bits, unpack
from gasearch_workers.export.packed_reader import unpack_bits
from gasearch_workers.messages import Blueprint, Layer
from gasearch_workers.network.compression import dense_bytes, sparse_bytes
from gasearch_workers.network.costs import costs
from gasearch_workers.network.integer import Grid, InputTransform, IntegerNetwork, IntegerStep
from gasearch_workers.network.packed_layout import step_bytes
from gasearch_workers.network.plan import plan
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.workers.integer_networks import FAMILIES, assert_equal_networks, random_blueprint, random_network

SEEDS = st.integers(0, 2**32 - 1)

#: What the first release's `pack` wrote of a network with 2 inputs, 3 hidden units and 2 classes.
VERSION_1 = (
    "R0FQSwEBCAECAJUAAAACAAAAAACAPwAAAEAAAEBAAACAQAAAAAAAAOA/gAEDBAZsYXllcjAAAAAAAAAAAMA/AAQBAQMAAAABAAAAD5pYAAAAPwAA"
    "gD4AAABAAACAPwAAgL8AAAAAAQQgBGhlYWQBAAgBAQIAAAABAAAAAP+FgH+BAAAAPwAAgD4AAIA/AACAv03AG3g="
)


def small_network(seed=3, bits=(4,)):
    rng = np.random.default_rng(seed)
    layers = (
        Layer(kind="conv", width=4, kernel=3, weight_bits=bits[0], activation_bits=4),
        Layer(kind="residual", width=6, kernel=3, stride=2, weight_bits=bits[0], activation_bits=4),
        Layer(kind="linear", width=3, weight_bits=bits[0]),
    )
    return random_network(Blueprint(family="cnn", input_shape=(1, 6, 6), layers=layers), rng, samples=8)


def network_of(family, seed=3, **options):
    """A random network of a family with whatever compression there is."""
    rng = np.random.default_rng(seed)
    options = {"side": (3, 7), "is_compressed": True, **options}
    return random_network(random_blueprint(rng, family=family, **options), rng, samples=4)


def resealed(packed):
    """Altered bytes with the checksum of what they now are."""
    return bytes(packed[:-4]) + zlib.crc32(packed[:-4]).to_bytes(4, "little")


def with_step(network, number, **changes):
    """The network with some fields of one step replaced."""
    steps = list(network.steps)
    steps[number] = dataclasses.replace(steps[number], **changes)
    return dataclasses.replace(network, steps=tuple(steps))


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(FAMILIES), SEEDS, st.booleans())
def test_unpacking_gives_back_an_equal_network(family, seed, is_compressed):
    network = network_of(family, seed, is_compressed=is_compressed)
    assert_equal_networks(unpack(pack(network)), network)


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(FAMILIES), SEEDS, st.booleans())
def test_the_file_weighs_exactly_what_costs_foretell(family, seed, is_compressed):
    network = network_of(family, seed, is_compressed=is_compressed)
    assert len(pack(network)) == costs(network.plan).model_bytes


def test_a_file_of_version_1_gives_the_network_that_was_packed():
    layers = (
        Layer(kind="linear", width=3, weight_bits=4, activation_bits=4),
        Layer(kind="linear", width=2, weight_bits=8),
    )
    layout = plan(Blueprint(family="mlp", input_shape=(2,), layers=layers))
    hidden = IntegerStep(
        step=layout.steps[0],
        weight=np.array([[-8, 7], [1, 2], [-3, 0]], np.int8),
        weight_scale=np.array([0.5, 0.25, 2], np.float32),
        bias=np.array([1, -1, 0], np.float32),
        output_grid=Grid(scale=0.125, zero_point=0, bits=4),
    )
    head = IntegerStep(
        step=layout.steps[1],
        weight=np.array([[-128, 127, 5], [0, -1, 1]], np.int8),
        weight_scale=np.array([0.5, 0.25], np.float32),
        bias=np.array([1, -1], np.float32),
    )
    transform = InputTransform(
        dtype="float32",
        mean=np.array([1, 2], np.float32),
        deviation=np.array([3, 4], np.float32),
        grid=Grid(scale=0.5, zero_point=128, bits=8),
    )
    expected = IntegerNetwork(plan=layout, input=transform, steps=(hidden, head))
    assert_equal_networks(unpack(base64.b64decode(VERSION_1)), expected)


def test_version_1_knows_no_later_operation():
    layer = Layer(kind="conv", width=4, kernel=3, stride=2, downsample="max_pool", weight_bits=4, activation_bits=4)
    layers = (layer, Layer(kind="linear", width=3, weight_bits=4))
    blueprint = Blueprint(family="cnn", input_shape=(1, 6, 6), layers=layers)
    packed = bytearray(pack(random_network(blueprint, np.random.default_rng(1), samples=4)))
    packed[4] = 1
    with pytest.raises(PackedFormatError, match=r"has operation 5 and \d+ bits: there are none such"):
        unpack(resealed(packed))


def test_binary_weights_take_one_bit_each():
    values = np.array([-1, 1, 1, -1, 1, 1, 1, 1, -1], dtype=np.int8)
    assert pack_bits(values, 1) == bytes([0b01101111, 0])
    np.testing.assert_array_equal(unpack_bits(pack_bits(values, 1), 1, 9), values)


def sparse_network(bits=4, sparsity=0.75):
    rng = np.random.default_rng(5)
    layer = Layer(
        kind="linear", width=16, weight_bits=bits, activation_bits=8, sparsity=sparsity, pruning="unstructured"
    )
    layers = (layer, Layer(kind="linear", width=3, weight_bits=8))
    return random_network(Blueprint(family="mlp", input_shape=(20,), layers=layers), rng, samples=8)


@pytest.mark.parametrize("bits", [2, 4, 8, 32])
def test_sparse_weights_take_a_bit_each_and_the_kept_ones_theirs(bits):
    sparse, dense = sparse_network(bits).plan.steps[0], sparse_network(bits, sparsity=0.0).plan.steps[0]
    assert sparse.nonzeros == 80
    assert step_bytes(sparse) - step_bytes(dense) == 4 + sparse_bytes(320, 80, bits) - dense_bytes(320, bits)


def test_a_kept_weight_may_be_0():
    network = sparse_network()
    weight = network.steps[0].weight.copy()
    weight[np.nonzero(weight)[0][0]] = 0
    changed = with_step(network, 0, weight=weight)
    assert len(pack(changed)) == len(pack(network))
    assert_equal_networks(unpack(pack(changed)), changed)


def test_more_weights_than_are_kept_are_refused():
    network = sparse_network()
    with pytest.raises(PackedFormatError, match=r"layer0 weight may have 80 that are not 0; got 320"):
        pack(with_step(network, 0, weight=np.ones((16, 20), np.int8)))


def test_a_bitmap_that_keeps_another_number_of_weights_is_refused():
    network = sparse_network()
    packed = bytearray(pack(network))
    start = len(packed) - 4 - step_bytes(network.plan.steps[1]) - 16 * 8 - 80 // 2 - 320 // 8
    packed[start] ^= 0b1000
    with pytest.raises(PackedFormatError, match=r"'layer0': 80 weights are kept; its bitmap has (79|81)"):
        unpack(resealed(packed))


def test_a_binary_weight_that_is_neither_is_refused():
    network = small_network(bits=(1,))
    weight = network.steps[0].weight.copy()
    weight[0, 0, 0, 0] = 0
    with pytest.raises(PackedFormatError, match=r"layer0 weight must be -1 or 1 at 1 bit; got -1, 0, 1"):
        pack(with_step(network, 0, weight=weight))


def test_a_table_of_vectors_with_another_grid_than_its_weights_is_refused():
    network = network_of("recommender", 4, bits=(4,), is_compressed=False)
    grid = Grid(scale=1.0, zero_point=8, bits=4)
    with pytest.raises(PackedFormatError, match=r"embedding1 must have the grid of its weights.*zero_point=8, bits=4"):
        pack(with_step(network, 0, output_grid=grid))


def test_a_table_of_vectors_with_a_bias_is_refused():
    network = network_of("recommender", 4)
    with pytest.raises(PackedFormatError, match=r"embedding1 is a table of vectors and must have no bias"):
        pack(with_step(network, 0, bias=np.zeros(3, np.float32)))


def test_raw_data_of_another_type_are_refused():
    network = network_of("text", 4)
    transform = dataclasses.replace(network.input, dtype="float32")
    with pytest.raises(PackedFormatError, match=r"raw tokens samples are int32; got float32"):
        pack(dataclasses.replace(network, input=transform))


@given(st.integers(2, 8), st.lists(st.integers(-128, 127), max_size=40))
def test_integers_of_any_width_take_their_bits_and_come_back(bits, integers):
    half = 2 ** (bits - 1)
    values = np.array([max(-half, min(half - 1, integer)) for integer in integers], dtype=np.int8)
    packed = pack_bits(values, bits)
    assert len(packed) == -(-len(values) * bits // 8)
    np.testing.assert_array_equal(unpack_bits(packed, bits, len(values)), values)


def test_the_extremes_of_two_bits_are_the_documented_bytes():
    assert pack_bits(np.array([-2, -1, 0, 1, 1], dtype=np.int8), 2) == bytes([0b00011011, 0b11000000])


def test_a_layer_costs_tens_of_bytes_beside_its_weights_and_channels():
    network = small_network()
    numbers = sum(item.weight.size // 2 + 8 * len(item.bias) for item in network.steps if item.weight is not None)
    assert (len(pack(network)) - numbers) / len(network.steps) < 50


def test_another_file_is_refused_by_its_beginning():
    with pytest.raises(PackedFormatError, match=r"begins with b'GAPK'; got b'\\x7fELF'"):
        unpack(b"\x7fELF and so on, longer than any header")


def test_a_newer_version_is_refused_by_its_number():
    packed = bytearray(pack(small_network()))
    packed[4] = 9
    with pytest.raises(PackedFormatError, match=r"reads versions 1 and 2 of the packed format; got 9"):
        unpack(bytes(packed))


@pytest.mark.parametrize("kept", [5, 13, 100, -1])
def test_a_file_cut_short_is_refused_with_both_lengths(kept):
    packed = pack(small_network())
    with pytest.raises(PackedFormatError, match=rf"cut short: .* {len(packed[:kept])}$"):
        unpack(packed[:kept])


def test_a_file_with_more_behind_it_is_refused():
    packed = pack(small_network())
    with pytest.raises(PackedFormatError, match=rf"too long: its header promises {len(packed)} bytes"):
        unpack(packed + b"\0")


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_no_flipped_bit_goes_unseen(data):
    packed = bytearray(data.draw(st.sampled_from(PACKED)))
    packed[data.draw(st.integers(0, len(packed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(PackedFormatError):
        unpack(bytes(packed))


def test_damage_is_reported_with_both_checksums():
    packed = bytearray(pack(small_network()))
    packed[60] ^= 1
    with pytest.raises(PackedFormatError, match=r"damaged: its checksum is [0-9a-f]{8}; its content gives [0-9a-f]{8}"):
        unpack(bytes(packed))


@settings(deadline=None, max_examples=600)
@given(st.data())
def test_a_forged_file_gives_a_network_or_a_format_error_and_nothing_else(data):
    packed = bytearray(data.draw(st.sampled_from(PACKED)))
    for _ in range(data.draw(st.integers(1, 4))):
        packed[data.draw(st.integers(5, len(packed) - 5))] = data.draw(st.integers(0, 255))
    try:
        network = unpack(resealed(packed))
    except PackedFormatError:
        return
    assert [item.weight.shape for item in network.steps if item.step.has_weights] == [
        step.weight_shape for step in network.plan.steps if step.has_weights
    ]


def test_weights_beyond_their_bits_are_refused():
    network = small_network()
    weight = network.steps[0].weight.copy()
    weight[0, 0, 0, 0] = 8
    with pytest.raises(PackedFormatError, match=r"layer0 weight must lie in -8\.\.7 at 4 bits; got -?\d\.\.8"):
        pack(with_step(network, 0, weight=weight))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"bias": None}, r"layer0 bias must be float32 of shape \(4,\); got none"),
        ({"bias": np.zeros(4)}, r"layer0 bias must be float32 of shape \(4,\); got float64 of shape \(4,\)"),
        ({"bias": np.full(4, np.nan, np.float32)}, r"layer0 bias must be finite; 4 of its values are not"),
        (
            {"weight_scale": np.ones(3, np.float32)},
            r"layer0 weight scale must be .*\(4,\); got float32 of shape \(3,\)",
        ),
        ({"weight": np.zeros((4, 9), np.int8)}, r"layer0 weight must be int8 of shape \(4, 1, 3, 3\); got int8"),
        ({"output_grid": None}, r"layer0 must have a grid of 4 bits with a scale above 0; got None"),
        ({"output_grid": Grid(scale=1.0, zero_point=0, bits=8)}, r"layer0 must have a grid of 4 bits"),
    ],
)
def test_numbers_that_do_not_fit_the_plan_are_refused(changes, text):
    with pytest.raises(PackedFormatError, match=text):
        pack(with_step(small_network(), 0, **changes))


def test_a_float_output_with_a_grid_is_refused():
    grid = Grid(scale=1.0, zero_point=0, bits=8)
    with pytest.raises(PackedFormatError, match=r"head is float by its plan and must have no grid"):
        pack(with_step(small_network(), -1, output_grid=grid))


def test_a_flatten_that_changes_the_grid_is_refused():
    rng = np.random.default_rng(1)
    layers = (Layer(kind="linear", width=2, weight_bits=8),)
    network = random_network(Blueprint(family="mlp", input_shape=(1, 3, 3), layers=layers), rng, samples=8)
    assert network.steps[0].step.op == "flatten"
    with pytest.raises(PackedFormatError, match=r"'flatten': flatten must keep the grid of its input"):
        pack(with_step(network, 0, output_grid=Grid(scale=1.0, zero_point=0, bits=8)))


def test_steps_that_are_not_the_plans_are_refused():
    network = small_network()
    with pytest.raises(PackedFormatError, match=r"steps are not those of its plan"):
        pack(dataclasses.replace(network, steps=network.steps[:-1]))


PACKED = [pack(small_network()), *(pack(network_of(family, 4, layers=(1, 2))) for family in FAMILIES)]
