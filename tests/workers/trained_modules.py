"""Torch modules of a user's, with weights as a training might leave them: what the tests of the family bits search."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn


class Residual(nn.Module):
    """Images (B, 1, 8, 8) -> (B, 10): normalization, both orders of ReLU and pooling, two kinds of skip connection."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.conv1 = nn.Conv2d(4, 4, 3, padding="same", bias=False)
        self.conv2 = nn.Conv2d(4, 6, 3, stride=2, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(6)
        self.skip = nn.Sequential(nn.Conv2d(4, 6, 1, stride=2, bias=False), nn.BatchNorm2d(6))
        self.dropout = nn.Dropout(0.5)
        self.classifier = nn.Linear(6, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Logarithms of probabilities."""
        x = F.relu(F.max_pool2d(self.norm(self.stem(x)), 2))
        x = torch.relu(self.conv1(x)) + x
        y = self.norm2(self.conv2(x))
        y += self.skip(x)
        y = F.adaptive_avg_pool2d(F.relu(y), 1)
        y = y.view(y.size(0), -1)
        return F.log_softmax(self.classifier(self.dropout(y)), dim=1)


def residual() -> nn.Module:
    """A `Residual`."""
    return Residual()


def dense() -> nn.Module:
    """Images (B, 1, 8, 8) -> (B, 10), by dense layers alone."""
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 10))


def of_table() -> nn.Module:
    """Ten columns -> a number."""
    return nn.Sequential(nn.Linear(10, 8), nn.ReLU(), nn.Linear(8, 1))


def with_sigmoid() -> nn.Module:
    """What no plan can hold."""
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.Sigmoid(), nn.Linear(16, 10))


def no_module() -> object:
    """Something else."""
    return "a text"


def raising() -> nn.Module:
    """Nothing, for a reason."""
    raise RuntimeError("no weights here")


def settled(module: nn.Module, seed: int = 0) -> nn.Module:
    """The module with drawn weights, and statistics of normalization that aren't those of the beginning."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 2.0, generator=generator)
            elif tensor.is_floating_point():
                tensor.normal_(0.0, 0.5, generator=generator)
    return module.eval()


def trained(make: Any, folder: Path, x: Any, y: Any, epochs: int = 6) -> Path:
    """Train a module shortly on samples that it takes, and write its weights."""
    torch.manual_seed(0)
    module = make()
    optimizer = torch.optim.Adam(module.parameters(), 0.01)
    for _ in range(epochs):
        for batch in torch.randperm(len(x)).split(64):
            optimizer.zero_grad()
            F.cross_entropy(module(x[batch]), y[batch]).backward()
            optimizer.step()
    return saved(module, folder)


def saved(module: nn.Module, folder: Path) -> Path:
    """Write a module's weights."""
    path = folder / "weights.safetensors"
    save_file(module.state_dict(), path)
    return path
