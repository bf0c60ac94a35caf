import numpy as np
import pytest
import torch
from gasearch_workers.modules.quantize import (
    START_BATCHES,
    TIE_BREAK,
    ActivationQuantizer,
    DerivedQuantizer,
    WeightQuantizer,
    best_scale,
    binarize,
    round_to_grid,
    weight_range,
)

from tests.workers.trained_networks import blueprint, make, samples

BITS = [2, 3, 4, 5, 6, 8]


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_rounding_agrees_with_torchs_own_operator():
    x = normal(4, 6, 5, 5) * 3
    ours = round_to_grid(x, torch.tensor(0.1), 0, 15)
    torch.testing.assert_close(ours, torch.fake_quantize_per_tensor_affine(x, 0.1, 0, 0, 15))


@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_gradients_agree_with_torchs_learnable_operator(memory):
    x = (normal(4, 6, 5, 5) * 2).contiguous(memory_format=memory)
    upstream = normal(4, 6, 5, 5, seed=1)
    ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    scale, their_scale = torch.tensor(0.3, requires_grad=True), torch.tensor([0.3], requires_grad=True)
    round_to_grid(ours, scale, -4, 3, window=(-4.5, 3.5), factor=0.5).backward(upstream)
    torch._fake_quantize_learnable_per_tensor_affine(theirs, their_scale, torch.zeros(1), -4, 3, 0.5).backward(upstream)
    torch.testing.assert_close(ours.grad, theirs.grad)
    torch.testing.assert_close(scale.grad.reshape(1), their_scale.grad, rtol=1e-4, atol=1e-4)


def test_gradients_of_per_channel_scales_agree_with_torchs_learnable_operator():
    weight, upstream = normal(5, 3, 3, 3), normal(5, 3, 3, 3, seed=1)
    ours, theirs = weight.clone().requires_grad_(), weight.clone().requires_grad_()
    scale = torch.linspace(0.2, 0.6, 5).requires_grad_()
    their_scale = scale.detach().clone().requires_grad_()
    round_to_grid(ours, scale.view(5, 1, 1, 1), -2, 1, window=(-2.5, 1.5), factor=0.5).backward(upstream)
    result = torch._fake_quantize_learnable_per_channel_affine(theirs, their_scale, torch.zeros(5), 0, -2, 1, 0.5)
    result.backward(upstream)
    torch.testing.assert_close(ours.grad, theirs.grad)
    torch.testing.assert_close(scale.grad, their_scale.grad)


def test_an_unsigned_grid_passes_gradients_as_a_relu_does():
    x = torch.tensor([-0.04, 0.04, 0.5, 9.0], requires_grad=True)
    quantizer = ActivationQuantizer(4, is_signed=False).eval()
    quantizer(x).sum().backward()
    assert x.grad.tolist() == [0.0, 1.0, 1.0, 0.0]


@pytest.mark.parametrize("bits", BITS)
def test_weights_become_integers_of_their_range_times_a_positive_scale(bits):
    weight = normal(7, 5, 3, 3)
    quantizer = WeightQuantizer(bits, weight)
    integers, scale = quantizer.integers(weight)
    low, high = weight_range(bits)
    assert integers.min() >= low
    assert integers.max() <= high
    assert torch.equal(integers, integers.round())
    assert scale.shape == (7,)
    assert (scale > 0).all()
    torch.testing.assert_close(integers * scale.view(-1, 1, 1, 1), quantizer(weight).detach())


@pytest.mark.parametrize("bits", BITS)
def test_a_channel_of_zeros_stays_zero_and_finite(bits):
    weight = torch.zeros(2, 4)
    weight[1] = 1.0
    rounded = WeightQuantizer(bits, weight)(weight)
    assert rounded[0].tolist() == [0.0] * 4
    assert torch.isfinite(rounded).all()


def test_the_largest_weight_keeps_its_value_where_the_scale_follows_it():
    weight = normal(3, 20)
    rounded = WeightQuantizer(8, weight)(weight)
    torch.testing.assert_close(rounded.abs().amax(dim=1), weight.abs().amax(dim=1))


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_the_best_scale_rounds_with_less_error_than_the_largest_weights(bits):
    weight = normal(6, 100)
    low, high = weight_range(bits)

    def error(scale):
        return (round_to_grid(weight, scale, low, high) - weight).square().mean()

    assert error(best_scale(weight, bits)) < 0.9 * error(weight.abs().amax(dim=1, keepdim=True) / high)


def test_full_precision_has_no_quantizer():
    modules = make(blueprint("transformer", bits=32), samples("transformer")).modules()
    assert not any(isinstance(module, WeightQuantizer | ActivationQuantizer) for module in modules)


@pytest.mark.parametrize("bits", range(1, 9))
def test_a_largest_integer_bounds_weights_of_8_bits_and_leaves_the_others_alone(bits):
    weight = normal(6, 40)
    bounded, free = (WeightQuantizer(bits, weight, largest=largest) for largest in (64, None))
    integers, scale = bounded.integers(weight)
    if bits < 8:
        assert torch.equal(integers, free.integers(weight)[0])
        return
    assert torch.equal(integers.abs().amax(dim=1), torch.full((6,), 64.0))
    assert torch.allclose(bounded(weight), integers * scale[:, None])


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("is_signed", [False, True])
def test_activations_lie_on_the_grid_that_is_deployed(bits, is_signed):
    quantizer = ActivationQuantizer(bits, is_signed=is_signed)
    x = normal(64, 10)
    quantizer(x)
    values, grid = quantizer.eval()(x).detach(), quantizer.grid()
    integers = values / grid.scale + grid.zero_point
    torch.testing.assert_close(integers, integers.round(), atol=1e-4, rtol=0)
    assert integers.min().round() >= 0
    assert integers.max().round() <= 2**bits - 1
    assert grid.zero_point == (2 ** (bits - 1) if is_signed else 0)


def test_the_first_batch_sets_the_observed_range():
    quantizer = ActivationQuantizer(8, is_signed=False)
    quantizer(torch.tensor([[0.0, 5.1]]))
    assert quantizer.grid().scale == pytest.approx(5.1 / 255)


def test_a_signed_range_covers_the_larger_side():
    quantizer = ActivationQuantizer(8, is_signed=True)
    quantizer(torch.tensor([[-6.0, 2.0]]))
    assert quantizer.grid().scale == pytest.approx(6.0 / 127)


@pytest.mark.parametrize("bits", [4, 8])
def test_evaluation_leaves_the_scale_alone(bits):
    quantizer = ActivationQuantizer(bits, is_signed=False)
    quantizer(normal(8, 4))
    before = quantizer.grid()
    quantizer.eval()(100 * normal(8, 4))
    assert quantizer.grid() == before


def test_averages_have_a_grid_over_the_same_range_with_room_against_ties():
    source = ActivationQuantizer(4, is_signed=False)
    source(normal(8, 4))
    grid = DerivedQuantizer(source, 8).grid()
    assert grid.scale == pytest.approx(source.grid().scale * 15 / 255 * TIE_BREAK)
    assert (grid.zero_point, grid.bits) == (0, 8)


# --- binary weights ---------------------------------------------------------------------------------------------


def test_binary_weights_are_plus_and_minus_the_mean_magnitude_at_the_start():
    weight = torch.tensor([[1.0, -3.0], [0.0, -0.5]])
    quantizer = WeightQuantizer(1, weight)
    assert quantizer(weight).tolist() == [[2.0, -2.0], [0.25, -0.25]]
    integers, scale = quantizer.integers(weight)
    assert integers.tolist() == [[1.0, -1.0], [1.0, -1.0]]
    assert scale.tolist() == [2.0, 0.25]


def test_the_mean_magnitude_is_the_binary_scale_of_least_squared_error():
    weight = normal(1, 200)
    start = WeightQuantizer(1, weight).scale(weight)

    def error(scale):
        return (binarize(weight, scale) - weight).square().sum()

    assert all(error(start) <= error(start * factor) for factor in (0.9, 0.99, 1.01, 1.1))


def test_binary_weights_pass_gradients_straight_through_near_zero():
    weight = torch.tensor([-9.0, -0.5, 0.5, 9.0], requires_grad=True)
    scale = torch.tensor(2.0, requires_grad=True)
    binarize(weight, scale).backward(torch.tensor([1.0, 2.0, 3.0, 4.0]))
    assert weight.grad.tolist() == [0.0, 2.0, 3.0, 0.0]
    assert scale.grad.item() == pytest.approx(-1 - 2 + 3 + 4)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_a_restarted_scale_fits_the_weights_that_it_is_given(bits):
    quantizer = WeightQuantizer(bits, normal(3, 20))
    other = 10 * normal(3, 20, seed=1)
    quantizer.restart(other)
    assert torch.equal(quantizer.scale(other), WeightQuantizer(bits, other).scale(other))


def test_a_quantizer_that_takes_over_keeps_the_grid_with_its_next_batch():
    old, new = ActivationQuantizer(3, is_signed=True), ActivationQuantizer(3, is_signed=True)
    for _ in range(START_BATCHES):
        old(normal(8, 4))
    new.take_over(old)
    new(100 * normal(8, 4))
    assert new.grid() == old.grid()


def test_a_learned_activation_scale_starts_from_the_mean_range_of_the_first_batches():
    quantizer = ActivationQuantizer(2, is_signed=False)
    for number in range(1, 2 * START_BATCHES):
        quantizer(torch.tensor([[-9.0, float(number)]]))
    assert quantizer.scale().item() == pytest.approx(np.mean(range(1, START_BATCHES + 1)) / 3)
    quantizer.eval()(torch.tensor([[100.0]]))
    assert quantizer.scale().item() == pytest.approx(np.mean(range(1, START_BATCHES + 1)) / 3)
