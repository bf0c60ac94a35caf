import numpy as np
import pytest
import torch
from gasearch_workers.training.inference import EVALUATION_BATCH, evaluate, outputs_of
from gasearch_workers.training.resident import ResidentSplit
from gasearch_workers.training.score import Target
from torch import nn


class Probe(nn.Module):
    """Gives its samples back, and notes how many came at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(2)
        self.sizes: list[int] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.sizes.append(len(x))
        self.norm(x)
        if x.isnan().any():
            raise ArithmeticError
        return x


def test_a_score_is_that_of_all_samples_over_several_batches():
    y = (torch.arange(1000) >= 250).long()
    data = ResidentSplit(x=torch.tensor([[1.0, 0.0]]).expand(1000, 2), y=y)
    probe = Probe()
    assert evaluate(probe, data) == 0.25
    assert (max(probe.sizes), sum(probe.sizes)) == (EVALUATION_BATCH, 1000)


def test_numbers_are_scored_by_their_error():
    data = ResidentSplit(x=torch.ones(4, 2), y=torch.full((4,), 3.0), target=Target(kind="regression", outputs=1))
    assert evaluate(Probe(), data) == 2.0


@pytest.mark.parametrize("is_training", [True, False])
@pytest.mark.parametrize("value", [1.0, float("nan")])
def test_the_network_is_left_as_it_was_whatever_happens(is_training, value):
    probe = Probe().train(is_training)
    before = probe.norm.running_mean.clone()
    data = ResidentSplit(x=torch.full((3, 2), value), y=torch.zeros(3, dtype=torch.int64))
    try:
        assert np.array_equal(outputs_of(probe, data), data.x.numpy())
    except ArithmeticError:
        assert np.isnan(value)
    assert probe.training is is_training
    assert torch.equal(probe.norm.running_mean, before)
