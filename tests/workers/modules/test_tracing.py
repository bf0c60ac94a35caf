"""Torch modules as traced layers, and what is refused of them."""

import pytest
import torch
import torch.nn.functional as F
from gasearch_workers.modules.tracing import TraceError, trace
from gasearch_workers.network.kinds.traced import name_of
from torch import nn

from tests.workers.trained_modules import Residual, dense, settled

IMAGE = (1, 8, 8)


def test_a_residual_network_becomes_its_operations_with_normalization_and_relu_inside() -> None:
    traced = trace(settled(Residual()), IMAGE)
    *hidden, head = traced.layers
    found = [(name_of(layer), layer.option("op"), layer.option("inputs"), layer.option("has_relu")) for layer in hidden]
    assert found == [
        ("stem", "conv", "input", True),
        ("max_pool", "max_pool", "stem", False),
        ("conv1", "conv", "max_pool", True),
        ("add", "add", "conv1 max_pool", False),
        ("conv2", "conv", "add", False),
        ("skip.0", "conv", "add", False),
        ("add_1", "add", "conv2 skip.0", True),
        ("global_pool", "global_pool", "add_1", False),
    ]
    assert [name_of(layer) for layer in hidden if layer.option("is_branch")] == ["conv2", "skip.0"]
    assert (head.kind, head.width, traced.softmax) == ("linear", 10, "log_softmax")
    assert [weight.shape for weight in traced.weights] == [
        (4, 1, 3, 3), (4, 4, 3, 3), (6, 4, 3, 3), (6, 4, 1, 1), (10, 6),
    ]  # fmt: skip


def test_normalization_is_folded_into_weights_and_bias() -> None:
    module = settled(dense())
    traced = trace(module, IMAGE)
    x = torch.rand(5, 64)
    folded = x @ torch.from_numpy(traced.weights[0]).T + torch.from_numpy(traced.biases[0])
    torch.testing.assert_close(folded, module[2](module[1](x)))


def test_layers_of_a_sequence_have_names_that_begin_with_a_letter() -> None:
    assert [name_of(layer) for layer in trace(dense(), IMAGE).layers[:-1]] == ["flatten", "layer1"]


class Branching(nn.Module):
    """Computes by the values of its input."""

    def forward(self, x):
        return x if x.sum() > 0 else -x


class Twice(nn.Module):
    """Uses a layer twice."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 3, padding=1)

    def forward(self, x):
        return self.conv(self.conv(x))


class BothSides(nn.Module):
    """Reads a tensor with its ReLU and without."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1)

    def forward(self, x):
        x = self.conv(x)
        return F.relu(x) + x


def ending(*layers):
    return nn.Sequential(*layers, nn.Flatten(), nn.LazyLinear(10))


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (nn.Sequential(nn.Flatten(), nn.Linear(64, 4), nn.Sigmoid(), nn.Linear(4, 10)), "it uses Sigmoid (at 2)"),
        (nn.Sequential(nn.Conv2d(1, 4, 3)), "has a Conv2d with padding=(0, 0) for kernel_size=(3, 3) (at 0)"),
        (nn.Sequential(nn.Conv2d(1, 4, 4, padding=2)), "has a Conv2d with kernel_size=(4, 4)"),
        (nn.Sequential(nn.Conv2d(1, 4, 3, padding=1, stride=4)), "stride=(4, 4)"),
        (nn.Sequential(nn.Conv2d(1, 4, 3, padding=2, dilation=2)), "dilation=(2, 2)"),
        (
            nn.Sequential(nn.BatchNorm2d(1), nn.Conv2d(1, 4, 1)),
            "a normalization that doesn't follow a Conv2d or Linear",
        ),
        (nn.Sequential(nn.MaxPool2d(3)), "has a max pooling of 3 with stride 3"),
        (nn.Sequential(nn.AvgPool2d(2)), "averages (1, 8, 8) to (1, 4, 4), which is no global average pooling"),
        (nn.Sequential(nn.AdaptiveAvgPool2d(1)), "a global average pooling of what no ReLU has made"),
        (nn.Sequential(nn.Linear(8, 8)), "applies Linear to a tensor of the shape (1, 8, 8), where it takes vectors"),
        (nn.Sequential(nn.ReLU()), "applies ReLU to its input"),
        (nn.Sequential(nn.Flatten(), nn.Linear(64, 10), nn.ReLU()), "its last layer must be a Linear"),
        (
            nn.Sequential(nn.Conv2d(1, 4, 1)),
            "its last layer must be a Linear, whose outputs are the module's; got conv",
        ),
        (nn.Sequential(nn.Linear(3, 4)), "it doesn't take samples of the shape (1, 8, 8)"),
        (Branching(), "torch.fx can't follow it (TraceError"),
        (Twice(), "uses the layer conv twice"),
        (BothSides(), "applies ReLU to conv, which something reads without it"),
    ],
)
def test_whatever_no_plan_can_hold_is_named(module: nn.Module, message: str) -> None:
    with pytest.raises(TraceError) as caught:
        trace(module, IMAGE)
    assert message in str(caught.value)


def test_a_max_pooling_that_leaves_a_row_out_is_refused() -> None:
    with pytest.raises(TraceError, match=r"odd sides \(7, 7\) that leaves the last row"):
        trace(nn.Sequential(nn.MaxPool2d(2)), (1, 7, 7))


def test_the_refusal_says_what_is_supported() -> None:
    with pytest.raises(TraceError, match=r"supported are Conv2d .*, Linear, BatchNorm .*, ReLU, MaxPool2d"):
        trace(nn.Sequential(nn.GELU()), IMAGE)
