import numpy as np
import pytest
import torch
import torch.nn.functional as F
from gasearch_workers.data.normalize import fit_input
from gasearch_workers.messages import Blueprint, Layer
from gasearch_workers.modules.build import build
from gasearch_workers.modules.layers import WeightLayer
from gasearch_workers.network.plan import PlanError, plan

IMAGES = np.random.default_rng(0).integers(0, 256, (8, 3, 9, 7), dtype=np.uint8)
TABLE = np.random.default_rng(0).normal(5, 3, (8, 6)).astype(np.float32)


def blueprint(*layers: Layer, shape=(3, 9, 7), outputs: int = 5, head_bits: int = 4) -> Blueprint:
    head = Layer(kind="linear", width=outputs, weight_bits=head_bits)
    return Blueprint(family="cnn", input_shape=shape, layers=(*layers, head))


def make(network: Blueprint, x: np.ndarray, *, seed: int = 0):
    return build(network, fit_input(x, input_bits=plan(network).input_bits), seed=seed)


@pytest.mark.parametrize("bits", [4, 8, 32])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kind", ["linear", "conv", "separable", "residual"])
def test_every_tensor_has_the_shape_that_the_plan_foretells(kind, stride, bits):
    layer = Layer(kind=kind, width=6, kernel=3, stride=stride, weight_bits=bits, activation_bits=bits)
    network = make(blueprint(layer, layer, head_bits=bits), IMAGES)
    seen = {}
    for step, module in zip(network.plan.steps, network.layers, strict=True):
        module.register_forward_hook(lambda _, __, out, step=step: seen.update({step.name: tuple(out.shape[1:])}))
    assert network(torch.from_numpy(IMAGES)).shape == (8, 5)
    assert seen == {step.name: step.output_shape for step in network.plan.steps}


def test_weights_depend_on_the_seed_alone():
    network = blueprint(Layer(kind="conv", width=6, kernel=3, weight_bits=2, activation_bits=2))
    torch.manual_seed(1)
    first = make(network, IMAGES).state_dict()
    torch.manual_seed(2)
    second = make(network, IMAGES).state_dict()
    third = make(network, IMAGES, seed=1).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["steps.layer0:conv.weight"], third["steps.layer0:conv.weight"])


def test_building_leaves_the_global_generator_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    make(blueprint(Layer(kind="conv", width=6, kernel=3)), IMAGES)
    assert torch.equal(torch.rand(3), expected)


def test_convolution_weights_lie_channels_last():
    network = make(blueprint(Layer(kind="conv", width=6, kernel=3)), IMAGES)
    assert network.layers[0].weight.is_contiguous(memory_format=torch.channels_last)


def test_a_layer_that_does_not_fit_its_input_is_refused():
    network = blueprint(Layer(kind="conv", width=6, kernel=3), shape=(6,))
    with pytest.raises(PlanError, match=r"layer0: conv needs an input of .* got \(6,\)"):
        build(network, fit_input(TABLE, input_bits=32), seed=0)


def test_bytes_are_normalized_on_a_grid_whose_zero_point_is_the_rounded_mean():
    network = make(blueprint(Layer(kind="conv", width=6, kernel=3, weight_bits=8, activation_bits=8)), IMAGES)
    grid = network.input.grid()
    x = network.input(torch.from_numpy(IMAGES))["input"]
    assert grid.zero_point == round(IMAGES.mean())
    assert grid.scale == pytest.approx(1 / IMAGES.std(), rel=1e-6)
    torch.testing.assert_close(x, (torch.from_numpy(IMAGES).float() - grid.zero_point) * grid.scale)
    transform = network.input.transform
    assert transform.mean.tolist() == [grid.zero_point]
    assert transform.deviation[0] == pytest.approx(1 / grid.scale)


def test_a_float_network_takes_images_with_mean_0_and_deviation_1():
    network = make(blueprint(Layer(kind="conv", width=6, kernel=3), head_bits=32), IMAGES)
    x = network.input(torch.from_numpy(IMAGES))["input"]
    assert network.input.grid() is None
    assert x.mean().item() == pytest.approx(0, abs=1e-4)
    assert x.std(unbiased=False).item() == pytest.approx(1, rel=1e-4)


def test_tables_are_normalized_per_feature_and_rounded_to_a_grid_of_4_deviations():
    network = make(blueprint(shape=(6,)), TABLE)
    grid = network.input.grid()
    x = network.input(torch.from_numpy(TABLE))["input"]
    exact = (TABLE - TABLE.mean(axis=0)) / TABLE.std(axis=0)
    assert np.abs(x.numpy() - exact).max() <= grid.scale / 2 + 1e-5
    assert (grid.zero_point, grid.bits) == (128, 8)
    assert 127 * grid.scale == pytest.approx(4)
    assert network.input(torch.full((1, 6), 1e6))["input"].max() == pytest.approx(4)


def test_a_constant_feature_and_a_constant_image_stay_finite():
    table, images = TABLE.copy(), np.full_like(IMAGES, 7)
    table[:, 2] = 1e6
    for network, x in [(blueprint(shape=(6,)), table), (blueprint(), images)]:
        assert torch.isfinite(make(network, x).input(torch.from_numpy(x))["input"]).all()


def test_folding_changes_nothing_but_the_order_of_operations():
    step = plan(blueprint(Layer(kind="conv", width=6, kernel=3, weight_bits=4))).steps[0]
    layer = WeightLayer(step, torch.Generator().manual_seed(0))
    x = torch.randn(16, 3, 9, 7, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        layer.bias.uniform_(-1, 1, generator=torch.Generator().manual_seed(2))
        layer.norm.gamma.uniform_(0.5, 2, generator=torch.Generator().manual_seed(3))
        for _ in range(3):
            layer(x)
        y = F.conv2d(x, layer.weight_quantizer(layer.weight), padding=1)
        norm = layer.norm
        unfolded = F.batch_norm(y, norm.mean, norm.variance, norm.gamma, layer.bias, training=False).relu()
        torch.testing.assert_close(layer.eval()(x), unfolded, rtol=1e-4, atol=1e-5)


def test_running_statistics_forget_their_start_with_the_first_batch():
    network = make(blueprint(Layer(kind="conv", width=6, kernel=3), head_bits=32), IMAGES)
    x = torch.from_numpy(IMAGES)
    layer = network.layers[0]
    network(x)
    y = F.conv2d(network.input(x)["input"], layer.weight.detach(), padding=1)
    torch.testing.assert_close(layer.norm.mean, y.mean(dim=(0, 2, 3)), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(layer.norm.variance, y.var(dim=(0, 2, 3)), rtol=1e-4, atol=1e-5)
