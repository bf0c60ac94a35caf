"""Images stay channels-last through a training step: mixed formats made a ReLU's backward pass ten times slower."""

import pytest
import torch
from gasearch_workers.modules.layers import PoolLayer

from benchmarks.support.networks import cnn, make_network, random_images


@pytest.mark.parametrize("bits", [2, 8, 32])
def test_the_gradient_of_pooled_images_comes_back_channels_last(bits):
    data = random_images(8)
    network = make_network(cnn(bits), data).train()
    found = []

    def watch(module, inputs):
        inputs[0].register_hook(lambda grad: found.append(grad.is_contiguous(memory_format=torch.channels_last)))

    (pool,) = (layer for layer in network.layers if isinstance(layer, PoolLayer))
    pool.register_forward_pre_hook(watch)
    network(data.x).sum().backward()
    assert found == [True]
