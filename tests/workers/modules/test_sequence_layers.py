"""Sequence layers against plain expressions of what they mean, and how they treat padding."""

import dataclasses

import pytest
import torch
from gasearch_workers.modules.sequence_layers import (
    AttentionLayer,
    GruLayer,
    MaxTokensLayer,
    MeanTokensLayer,
    WindowLayer,
)
from gasearch_workers.network.plan import plan
from gasearch_workers.network.steps import Step

from tests.workers.trained_networks import blueprint, make, samples, train_a_little

LENGTHS = (0, 1, 3, 5)  #: Tokens of the sentences below, the rest of 5 is padding.
CODES = (torch.arange(5) < torch.tensor(LENGTHS)[:, None]).int()


def step(op, input_shape, output_shape, **fields):
    floats = {"input_bits": 32, "output_bits": 32, "is_output_signed": True}
    return Step(
        name="a", op=op, inputs=("x", "codes"), input_shape=input_shape, output_shape=output_shape, **floats, **fields
    )


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def gru_step_by_step(x, weight, bias):
    """One sentence (T, C), one direction, (3 x H, C + H) and (3 x H,) -> (T, H), by the textbook."""
    channels, hidden = x.shape[1], len(weight) // 3
    of_input, of_state = weight[:, :channels], weight[:, channels:]
    state, states = torch.zeros(hidden), []
    for token in x:
        from_input, from_state = of_input @ token + bias, of_state @ state
        reset = torch.sigmoid(from_input[:hidden] + from_state[:hidden])
        update = torch.sigmoid(from_input[hidden : 2 * hidden] + from_state[hidden : 2 * hidden])
        new = torch.tanh(from_input[2 * hidden :] + reset * from_state[2 * hidden :])
        state = (1 - update) * new + update * state
        states.append(state)
    return torch.stack(states)


def test_a_gru_runs_over_the_tokens_in_both_directions_and_gives_zeros_at_padding():
    layer = GruLayer(step("gru", (5, 4), (5, 6)), torch.Generator().manual_seed(0))
    with torch.no_grad():
        layer.bias.copy_(normal(18, seed=2))
    x = normal(4, 5, 4)
    expected = torch.zeros(4, 5, 6)
    for sentence, length in enumerate(LENGTHS):
        if length:
            tokens = x[sentence, :length]
            ahead = gru_step_by_step(tokens, layer.weight[:9], layer.bias[:9])
            back = gru_step_by_step(tokens.flip(0), layer.weight[9:], layer.bias[9:]).flip(0)
            expected[sentence, :length] = torch.cat((ahead, back), dim=1)
    torch.testing.assert_close(layer(x, CODES), expected)
    torch.testing.assert_close(layer.eval()(x, CODES), expected)


def test_the_gradient_of_a_gru_is_that_of_the_textbook():
    layer = GruLayer(step("gru", (5, 4), (5, 6)), torch.Generator().manual_seed(0))
    x, upstream = normal(1, 5, 4).requires_grad_(), normal(5, 6, seed=1)
    (layer(x, CODES[-1:])[0] * upstream).sum().backward()
    found = [x.grad, layer.weight.grad, layer.bias.grad]
    x.grad, layer.weight.grad, layer.bias.grad = None, None, None
    ahead = gru_step_by_step(x[0], layer.weight[:9], layer.bias[:9])
    back = gru_step_by_step(x[0].flip(0), layer.weight[9:], layer.bias[9:]).flip(0)
    (torch.cat((ahead, back), dim=1) * upstream).sum().backward()
    for ours, theirs in zip(found, [x.grad, layer.weight.grad, layer.bias.grad], strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("bits", [1, 4, 8])
def test_a_gru_rounds_its_weights_per_gate_and_unit(bits):
    layer = GruLayer(step("gru", (5, 4), (5, 6), weight_bits=bits), torch.Generator().manual_seed(0))
    deployed = layer.deployed()
    assert deployed.scale.shape == (18,)
    torch.testing.assert_close(deployed.real_weight(), layer.rounded_weight().detach())
    assert len(deployed.weight.unique()) <= 2**bits


@pytest.mark.parametrize("is_training", [True, False])
def test_a_gru_says_whether_it_trains_without_which_a_gpu_gives_no_gradients(is_training, monkeypatch):
    network, x = make(blueprint("gru"), samples("gru")), samples("gru")
    flags, gru = [], torch.gru

    def noting(*operands):
        flags.append(operands[6])
        return gru(*operands)

    monkeypatch.setattr(torch, "gru", noting)
    network.train(is_training)(x)
    assert flags == [is_training] * 4


def test_attention_is_a_softmax_over_the_tokens_that_are_no_padding_in_each_head():
    layer = AttentionLayer(step("attention", (5, 24), (5, 8), heads=2))
    x = normal(4, 5, 24)
    found = layer(x, CODES)
    for sentence, length in enumerate(LENGTHS[1:], start=1):
        queries, keys, values = x[sentence].split(8, dim=1)
        for head in (slice(0, 4), slice(4, 8)):
            scores = queries[:, head] @ keys[:length, head].T / 4**0.5
            torch.testing.assert_close(found[sentence, :, head], scores.softmax(dim=1) @ values[:length, head])


def test_attention_of_padding_alone_is_finite_and_so_is_its_gradient():
    layer = AttentionLayer(step("attention", (5, 24), (5, 8), heads=2))
    x = normal(4, 5, 24).requires_grad_()
    y = layer(x, torch.zeros(4, 5, dtype=torch.int32))
    y.sum().backward()
    assert torch.isfinite(y).all()
    assert torch.isfinite(x.grad).all()


def test_a_window_holds_each_token_between_its_neighbours_earliest_first():
    x = torch.arange(1.0, 5.0).view(1, 4, 1).expand(1, 4, 2)
    found = WindowLayer(dataclasses.replace(step("window", (4, 2), (4, 6)), kernel=3))(x)
    assert found[0].tolist() == [[0, 0, 1, 1, 2, 2], [1, 1, 2, 2, 3, 3], [2, 2, 3, 3, 4, 4], [3, 3, 4, 4, 0, 0]]


def test_the_mean_counts_no_padding():
    x = normal(4, 5, 3)
    found = MeanTokensLayer(step("mean_tokens", (5, 3), (3,)))(x, CODES)
    assert found[0].tolist() == [0, 0, 0]
    for sentence, length in enumerate(LENGTHS[1:], start=1):
        torch.testing.assert_close(found[sentence], x[sentence, :length].mean(dim=0))


def test_the_maximum_counts_no_padding():
    x = normal(4, 5, 3).abs()
    found = MaxTokensLayer()(x, CODES)
    assert found[0].tolist() == [0, 0, 0]
    for sentence, length in enumerate(LENGTHS[1:], start=1):
        torch.testing.assert_close(found[sentence], x[sentence, :length].amax(dim=0))


def test_padding_is_told_by_the_first_of_several_codes():
    codes = torch.stack((CODES, 1 - CODES), dim=2)
    x = normal(4, 5, 3)
    layer = MeanTokensLayer(step("mean_tokens", (5, 3), (3,)))
    assert torch.equal(layer(x, codes), layer(x, CODES))


@pytest.mark.parametrize("name", ["gru", "transformer"])
def test_a_sentence_is_read_alike_however_much_padding_follows(name):
    x = samples(name)[2:]
    x[:, 4:] = 0
    long = train_a_little(make(blueprint(name, bits=4), x), x).eval()
    cut = dataclasses.replace(blueprint(name, bits=4), input_shape=(4,))
    short = make(plan(cut), x[:, :4]).eval()
    state = long.state_dict()
    if "steps.positions:position.weight" in state:
        state["steps.positions:position.weight"] = state["steps.positions:position.weight"][:4]
    short.load_state_dict(state)
    torch.testing.assert_close(short(x[:, :4]), long(x), rtol=1e-4, atol=1e-5)


def test_normalization_of_a_sequence_is_over_all_tokens():
    x = samples("convolutions")
    network = make(blueprint("convolutions"), x)
    seen = {}
    layer = network.steps["layer0:linear"]
    layer.register_forward_hook(lambda _, args, out: seen.update(x=args[0], y=out))
    network(x)
    plain = (seen["x"] @ layer.weight.T).detach()  # (B, T, C)
    torch.testing.assert_close(layer.norm.mean, plain.mean(dim=(0, 1)), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(layer.norm.variance, plain.flatten(0, 1).var(dim=0), rtol=1e-4, atol=1e-5)
