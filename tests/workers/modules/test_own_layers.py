"""Quantized layers for networks of one's own."""

import pytest
import torch
from gasearch_workers.modules.own_layers import (
    QuantizedActivation,
    QuantizedConv2d,
    QuantizedLinear,
    integers_of,
    quantize_weight,
)
from torch import nn

EVERY_WIDTH = [1, 2, 3, 4, 6, 8]


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.mark.parametrize("bits", EVERY_WIDTH)
def test_integers_times_scales_are_the_weights_that_the_layer_computes_with(bits):
    for layer, x in (
        (QuantizedLinear(12, 5, weight_bits=bits), torch.randn(3, 12)),
        (QuantizedConv2d(4, 6, 3, 2, 1, groups=2, weight_bits=bits), torch.randn(3, 4, 8, 8)),
    ):
        integers, scale = integers_of(layer)
        assert (integers.dtype, scale.shape) == (torch.int8, (len(layer.weight),))
        weight = integers * scale.reshape(-1, *[1] * (integers.dim() - 1))
        plain = nn.Linear(12, 5) if x.dim() == 2 else nn.Conv2d(4, 6, 3, 2, 1, groups=2)
        plain.load_state_dict({"weight": weight, "bias": layer.bias})
        torch.testing.assert_close(layer(x), plain(x))
        assert len(integers[0].unique()) <= 2**bits


@pytest.mark.parametrize("bits", EVERY_WIDTH)
def test_a_trained_layer_is_taken_over_with_a_grid_that_fits_its_weights(bits):
    layer = nn.Linear(40, 7).eval()
    with torch.no_grad():
        layer.weight.mul_(30)  # which a layer that is drawn anew never has
    made = QuantizedLinear.from_float(layer, weight_bits=bits)
    integers, scale = integers_of(made)
    error = (integers * scale[:, None] - layer.weight).square().mean() / layer.weight.square().mean()
    assert error < {1: 0.4, 2: 0.2, 3: 0.05, 4: 0.02}.get(bits, 0.01)
    assert not made.training
    assert torch.equal(made.bias, layer.bias)


def test_a_convolution_is_taken_over_with_all_that_it_is():
    layer = nn.Conv2d(4, 8, (3, 5), stride=2, padding=(1, 2), dilation=(1, 2), groups=2, bias=False)
    made = QuantizedConv2d.from_float(layer, weight_bits=8)
    x = torch.randn(2, 4, 16, 16)
    torch.testing.assert_close(made(x), layer(x), atol=0.05, rtol=0.05)
    assert made.bias is None
    with pytest.raises(ValueError, match=r"only a padding of a number of zeros is taken over; got 'same', zeros"):
        QuantizedConv2d.from_float(nn.Conv2d(1, 1, 3, padding="same"), weight_bits=8)


def test_a_network_of_them_learns_and_is_the_same_when_its_state_is_loaded():
    def make():
        return nn.Sequential(
            QuantizedLinear(2, 16, weight_bits=2), QuantizedActivation(3), QuantizedLinear(16, 2, weight_bits=4)
        )

    network, x = make(), torch.randn(256, 2)
    y = (x[:, 0] * x[:, 1] > 0).long()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    losses = []
    for _ in range(150):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(network(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]
    other = make().eval()
    other.load_state_dict(network.state_dict())
    assert torch.equal(other(x), network.eval()(x))


@pytest.mark.parametrize(("is_signed", "low"), [(False, 0.0), (True, -2.0)])
def test_an_activation_is_on_a_grid_of_its_bits(is_signed, low):
    activation = QuantizedActivation(4, is_signed=is_signed)
    y = activation(torch.linspace(-2, 2, 1000)[None])
    assert len(y.unique()) <= 16
    assert y.min() >= low - 0.2
    assert bool((y < 0).any()) == is_signed


@pytest.mark.parametrize("weight", [torch.tensor([[float("nan"), 1.0]]), torch.tensor([[1, 2]])])
def test_a_weight_that_is_not_of_finite_floats_is_refused(weight):
    with pytest.raises(ValueError, match=r"^a weight is of finite floats; got torch\.(float32|int64) from (nan|1) to "):
        quantize_weight(weight, 4)


def test_a_single_weight_is_quantized_without_a_layer():
    weight = torch.tensor([[1.0, -0.5, 0.24], [0.0, 0.0, 0.0]])
    integers, scale = quantize_weight(weight, 8)
    assert integers[0].tolist() == [127, -64, 30]
    assert scale[0].item() == pytest.approx(1 / 127)
    assert integers[1].tolist() == [0, 0, 0]
    assert quantize_weight(weight, 1)[0].unique().tolist() == [-1, 1]


@pytest.mark.parametrize("bits", [0, 9, 2.0, True, None])
def test_other_bits_are_refused(bits):
    for make in (
        lambda: QuantizedLinear(2, 2, weight_bits=bits),
        lambda: QuantizedConv2d(2, 2, 1, weight_bits=bits),
        lambda: QuantizedActivation(bits),
        lambda: quantize_weight(torch.ones(2, 2), bits),
    ):
        with pytest.raises(ValueError, match=rf"bits must be a whole number from [12] to 8; got {bits!r}"):
            make()
    with pytest.raises(ValueError, match=r"a weight is \(out, in, \.\.\.\) with at least one of each; got \(3,\)"):
        quantize_weight(torch.ones(3), 4)
