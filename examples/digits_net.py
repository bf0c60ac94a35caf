"""A network for the digits of scikit-learn: what `bits.yaml` searches the bits of.

`python examples/digits_net.py` trains it in float for some seconds, and writes its weights beside this file.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn


class Block(nn.Module):
    """Two convolutions and a skip connection."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride=stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.skip = nn.Conv2d(channels, width, 1, stride=stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, width, H / stride, W / stride)."""
        y = torch.relu(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        return torch.relu(y + self.skip(x))


class DigitsNet(nn.Module):
    """Grey images of 8 x 8 -> logits of ten classes."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2))
        self.block1 = Block(16, 24, stride=1)
        self.block2 = Block(24, 32, stride=2)
        self.dropout = nn.Dropout(0.2)
        self.classifier = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1, 8, 8) -> (B, 10)."""
        y = self.block2(self.block1(self.stem(x)))
        return self.classifier(self.dropout(y.mean(dim=(2, 3))))


def make() -> nn.Module:
    """The network; what it begins with doesn't matter, as the weights come from a file."""
    return DigitsNet()


def train(epochs: int = 30, seed: int = 1) -> nn.Module:
    """Train it in float on the split that a search trains on."""
    from gasearch_workers.data import load_dataset

    data = load_dataset("digits")
    torch.manual_seed(seed)
    network = make()
    x, y = torch.from_numpy(data.train.x).float() / 16, torch.from_numpy(data.train.y)
    optimizer = torch.optim.Adam(network.parameters(), 0.003)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    for _ in range(epochs):
        for batch in torch.randperm(len(x)).split(64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(x[batch]), y[batch]).backward()
            optimizer.step()
        schedule.step()
    network.eval()
    with torch.no_grad():
        right = network(torch.from_numpy(data.validation.x).float() / 16).argmax(dim=1).numpy() == data.validation.y
    print(f"accuracy in float on the validation split: {right.mean():.4f}")
    return network


if __name__ == "__main__":
    from safetensors.torch import save_file

    path = Path(__file__).with_suffix(".safetensors")
    save_file(train().state_dict(), path)
    print(f"wrote {path}")
