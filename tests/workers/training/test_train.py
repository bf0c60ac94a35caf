import hashlib
import math
import subprocess
import sys
import textwrap
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from gasearch_workers.data.normalize import fit_input
from gasearch_workers.machine.memory_errors import OutOfMemory
from gasearch_workers.messages import Blueprint, Fidelity, Layer, Recipe
from gasearch_workers.modules.build import build
from gasearch_workers.modules.lower import lower
from gasearch_workers.network.plan import plan
from gasearch_workers.training.inference import evaluate, outputs_of
from gasearch_workers.training.resident import ResidentSplit
from gasearch_workers.training.score import Target
from gasearch_workers.training.train import Diverged, TimedOut, train
from torch import nn

ONCE = Fidelity(epochs=1)


def striped(count: int = 130, *, seed: int = 0) -> ResidentSplit:
    """Two classes: horizontal or vertical stripes under noise."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, count)
    x = rng.integers(0, 100, (count, 1, 6, 6))
    x[y == 0, :, ::2] += 120
    x[y == 1, :, :, ::2] += 120
    return ResidentSplit(x=torch.from_numpy(x.astype(np.uint8)), y=torch.from_numpy(y))


def network_for(data: ResidentSplit, *, bits: int = 4, seed: int = 0):
    layer = Layer(kind="conv", width=6, kernel=3, weight_bits=bits, activation_bits=bits)
    head = Layer(kind="linear", width=2, weight_bits=bits)
    steps = plan(Blueprint(family="cnn", input_shape=tuple(data.x.shape[1:]), layers=(layer, head)))
    return build(steps, fit_input(data.x.numpy(), input_bits=steps.input_bits), seed=seed)


class Recorder(nn.Module):
    """Notes which samples it is shown; they hold their own index. Its logits don't change."""

    def __init__(self, logits: float = 0.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([logits, 0.0]))
        self.batches: list[list[int]] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.batches.append(x[:, 0].int().tolist())
        return self.weight.expand(len(x), 2)


def indices(count: int) -> ResidentSplit:
    return ResidentSplit(x=torch.arange(count).float()[:, None], y=torch.arange(count) % 2)


def shown(count: int, recipe: Recipe, fidelity: Fidelity, *, seed: int = 0) -> list[list[int]]:
    recorder = Recorder()
    train(recorder, indices(count), recipe, fidelity=fidelity, seed=seed)
    return recorder.batches


# --- learning ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", "rmsprop", "adafactor"])
@pytest.mark.parametrize("bits", [2, 4, 8, 32])
def test_a_network_learns_a_plain_pattern_at_every_precision(bits, optimizer):
    data = striped()
    network = network_for(data, bits=bits)
    rate = {"sgd": 0.1, "adafactor": 0.2}.get(optimizer, 0.02)
    recipe = Recipe(batch_size=16, optimizer=optimizer, learning_rate=rate)
    report = train(network, data, recipe, fidelity=Fidelity(epochs=4), seed=1)
    assert evaluate(network, striped(seed=1)) > 0.9
    assert report.curve[-1].train_loss < 0.7 * report.curve[0].train_loss


def test_the_report_counts_images_and_gives_one_point_per_epoch():
    data = striped(130)
    report = train(network_for(data), data, Recipe(batch_size=32), fidelity=Fidelity(epochs=2), seed=0)
    assert report.images_seen == 260
    assert [point.epoch for point in report.curve] == [1, 2]
    assert all(point.accuracy is None for point in report.curve)


def test_the_curve_holds_the_validation_accuracy_where_it_is_asked_for():
    data = striped()
    network = network_for(data)
    report = train(network, data, Recipe(batch_size=32), fidelity=ONCE, seed=0, validation=data)
    assert report.curve[-1].accuracy == evaluate(network, data)


def test_label_smoothing_raises_the_loss_of_a_certain_network():
    def loss(smoothing):
        data = ResidentSplit(x=torch.zeros(8, 1), y=torch.zeros(8, dtype=torch.int64))
        recipe = Recipe(batch_size=8, label_smoothing=smoothing)
        return train(Recorder(20.0), data, recipe, fidelity=ONCE, seed=0).curve[0].train_loss

    assert loss(0.0) == pytest.approx(0, abs=1e-6)
    assert loss(0.1) == pytest.approx(1.0, rel=1e-3)  # 0.05 of the weight on a class with 20 nats of loss


def test_weights_decay_but_scales_and_biases_do_not():
    data = striped(32)
    network = network_for(data, bits=3)
    before = {name: value.detach().clone() for name, value in network.named_parameters()}
    recipe = Recipe(batch_size=32, optimizer="adamw", learning_rate=1e-3, weight_decay=100.0)
    train(network, data, recipe, fidelity=ONCE, seed=0)
    after = dict(network.named_parameters())
    assert after["steps.layer0:conv.weight"].norm() < 0.95 * before["steps.layer0:conv.weight"].norm()
    for name in (
        "steps.layer0:conv.norm.gamma",
        "steps.layer0:conv.quantizer.learned.factor",
        "steps.layer0:conv.weight_quantizer.learned.factor",
    ):
        torch.testing.assert_close(after[name], before[name], atol=2e-3, rtol=0)


def test_the_cosine_falls_from_the_rate_towards_zero_and_the_constant_stays():
    def rates(schedule):
        class Watched(Recorder):
            def forward(self, x):
                logits = super().forward(x)
                steps.append(self.weight.detach().clone())
                return logits

        steps: list[torch.Tensor] = []
        recipe = Recipe(batch_size=2, optimizer="sgd", momentum=0.0, learning_rate=0.5, schedule=schedule)
        data = ResidentSplit(x=torch.zeros(8, 1), y=torch.zeros(8, dtype=torch.int64))
        train(Watched(), data, recipe, fidelity=ONCE, seed=0)
        moves = [(later - earlier)[0].item() for earlier, later in pairwise(steps)]
        gradients = [1 - torch.softmax(step, dim=0)[0].item() for step in steps]
        return [move / gradient for move, gradient in zip(moves, gradients, strict=False)]

    assert rates("constant") == pytest.approx([0.5] * 3, rel=1e-4)
    assert rates("cosine") == pytest.approx([0.25 * (1 + math.cos(math.pi * step / 4)) for step in range(3)], rel=1e-4)


# --- a longer recipe --------------------------------------------------------------------------------------------


def pruned_pair(*, pruning="structured", sparsity=0.5):
    """The network in which a training begins, and the plan of what it ends in."""
    layer = Layer(kind="conv", width=8, kernel=3, weight_bits=4, activation_bits=8, sparsity=sparsity, pruning=pruning)
    head = Layer(kind="linear", width=2, weight_bits=8)
    blueprint = Blueprint(family="cnn", input_shape=(1, 6, 6), layers=(layer, head))
    start = plan(blueprint, is_pruned=False)
    return build(start, fit_input(striped().x.numpy(), input_bits=start.input_bits), seed=0), plan(blueprint)


def test_gradients_of_several_batches_make_one_step():
    def weight(**changes):
        network = nn.Linear(1, 2)
        nn.init.constant_(network.weight, 0.1)
        nn.init.constant_(network.bias, 0.0)
        recipe = Recipe(optimizer="sgd", momentum=0.0, learning_rate=0.1, **changes)
        data = ResidentSplit(x=torch.arange(12).float()[:, None], y=torch.arange(12) % 2)
        train(network, data, recipe, fidelity=ONCE, seed=0)
        return network.weight.detach()

    torch.testing.assert_close(weight(batch_size=4, accumulate=3), weight(batch_size=12))


def test_the_rate_warms_up_over_its_share_of_the_updates():
    class Watched(Recorder):
        def forward(self, x):
            seen.append(self.weight.detach()[0].item())
            return super().forward(x)

    seen: list[float] = []
    recipe = Recipe(batch_size=2, optimizer="sgd", momentum=0.0, learning_rate=1e-3, schedule="constant", warmup=0.5)
    train(Watched(), ResidentSplit(x=torch.zeros(16, 1), y=torch.zeros(16).long()), recipe, fidelity=ONCE, seed=0)
    moves = [later - before for before, later in pairwise(seen)]
    assert [move / moves[-1] for move in moves] == pytest.approx([0.25, 0.5, 0.75, 1, 1, 1, 1], rel=0.01)


def test_patience_ends_a_training_that_gets_no_better_and_keeps_the_best_weights():
    class Spoiled(Recorder):
        """Right about every sample in its second epoch, wrong in all others."""

        def forward(self, x):
            if self.training:
                self.epochs = getattr(self, "epochs", 0) + 1
                self.weight.data = torch.tensor([1.0, 0.0] if self.epochs == 2 else [0.0, 1.0])
            return super().forward(x)

    data = ResidentSplit(x=torch.zeros(4, 1), y=torch.zeros(4).long())
    recipe = Recipe(batch_size=4, patience=2, learning_rate=1e-9)
    network = Spoiled()
    report = train(network, data, recipe, fidelity=Fidelity(epochs=9), seed=0, validation=data)
    assert [point.accuracy for point in report.curve] == [0.0, 1.0, 0.0, 0.0]
    assert (report.best_epoch, report.images_seen) == (2, 16)
    assert network.weight[0] > network.weight[1]
    assert report.outputs.argmax(axis=1).tolist() == [0, 0, 0, 0]


def test_without_patience_the_last_weights_stay():
    data = striped()
    network = network_for(data)
    report = train(network, data, Recipe(batch_size=32), fidelity=Fidelity(epochs=3), seed=0, validation=data)
    assert report.best_epoch == 3
    np.testing.assert_array_equal(report.outputs, outputs_of(network, data))


def test_patience_without_a_validation_split_is_refused():
    with pytest.raises(ValueError, match="a patience of 2 epochs needs a validation split; got none"):
        train(Recorder(), indices(8), Recipe(patience=2), fidelity=ONCE, seed=0)


@pytest.mark.parametrize("pruning", ["structured", "unstructured"])
def test_a_pruned_network_takes_over_and_learns_on(pruning):
    data = striped()
    network, deployed = pruned_pair(pruning=pruning)
    recipe = Recipe(batch_size=16, learning_rate=0.02)
    report = train(network, data, recipe, fidelity=Fidelity(epochs=5), seed=1, deployed=deployed, validation=data)
    assert report.network is not network
    assert report.network.plan == deployed
    assert [point.accuracy is None for point in report.curve] == [True, False, False, False, False]
    assert evaluate(report.network, striped(seed=1)) > 0.9


def test_a_training_of_one_update_is_pruned_too():
    data = striped(16)
    network, deployed = pruned_pair()
    report = train(network, data, Recipe(batch_size=16), fidelity=ONCE, seed=0, deployed=deployed)
    assert report.network.plan == deployed


def test_pruned_weights_stay_zero_to_the_end():
    data = striped()
    network, deployed = pruned_pair(pruning="unstructured", sparsity=0.75)
    recipe = Recipe(batch_size=16, learning_rate=0.02)
    report = train(network, data, recipe, fidelity=Fidelity(epochs=3), seed=1, deployed=deployed)
    lowered = lower(report.network)
    sparse = [step for step in lowered.steps if step.step.nonzeros is not None]
    assert sparse
    assert all(np.count_nonzero(step.weight) <= step.step.nonzeros for step in sparse)


def test_dropout_changes_the_training_and_not_the_evaluation():
    data = striped()

    def trained(share):
        network = network_for(data)
        report = train(network, data, Recipe(batch_size=32, dropout=share), fidelity=ONCE, seed=0)
        return network, report.curve[0].train_loss

    (_, plain), (network, dropped), (_, again) = trained(0.0), trained(0.5), trained(0.5)
    assert dropped != plain
    assert dropped == again
    assert np.array_equal(outputs_of(network, data), outputs_of(network, data))


def test_bfloat16_trains_nearly_as_well_and_leaves_float32_weights():
    data = striped()
    network = network_for(data)
    recipe = Recipe(batch_size=16, learning_rate=0.02, precision="bfloat16")
    train(network, data, recipe, fidelity=Fidelity(epochs=4), seed=1)
    assert evaluate(network, striped(seed=1)) > 0.9
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}


def test_a_regression_learns_in_the_unit_of_its_target():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 3)).astype(np.float32)
    y = (1000 + 50 * x[:, 0] - 30 * x[:, 1]).astype(np.float32)
    data = ResidentSplit(x=torch.from_numpy(x), y=torch.from_numpy(y), target=Target(kind="regression", outputs=1))
    layers = (Layer(kind="linear", width=16, weight_bits=8, activation_bits=8), Layer(kind="linear", width=1))
    steps = plan(Blueprint(family="mlp", input_shape=(3,), layers=layers, is_regression=True))
    target = (float(y.mean()), float(y.std()))
    network = build(steps, fit_input(x, input_bits=steps.input_bits), seed=0, target=target)
    report = train(network, data, Recipe(batch_size=32), fidelity=Fidelity(epochs=10), seed=0, validation=data)
    assert report.curve[-1].accuracy == evaluate(network, data) < 0.4 * y.std()


# --- batches ----------------------------------------------------------------------------------------------------


def test_an_epoch_shows_each_sample_once_in_an_order_of_its_own():
    first, second = (shown(10, Recipe(batch_size=4), Fidelity(epochs=2))[start : start + 3] for start in (0, 3))
    assert [len(batch) for batch in first] == [4, 4, 2]
    assert sorted(chain(*first)) == sorted(chain(*second)) == list(range(10))
    assert first != second


def test_a_last_batch_of_one_sample_is_left_out():
    assert [len(batch) for batch in shown(9, Recipe(batch_size=4), ONCE)] == [4, 4]


def test_a_batch_larger_than_the_data_holds_all_of_it():
    assert [len(batch) for batch in shown(6, Recipe(batch_size=128), ONCE)] == [6]


def test_a_smaller_share_of_the_data_is_part_of_a_larger_one():
    def samples(share):
        return set(chain(*shown(40, Recipe(batch_size=8), Fidelity(epochs=2, data_share=share))))

    assert len(samples(0.25)) == 10
    assert samples(0.25) < samples(0.5) < samples(1.0)


def test_the_order_depends_on_the_seed():
    assert shown(20, Recipe(batch_size=20), ONCE, seed=1) != shown(20, Recipe(batch_size=20), ONCE, seed=2)


@pytest.mark.parametrize(("count", "size"), [(1, 8), (8, 1)])
def test_batches_of_one_sample_are_refused(count, size):
    with pytest.raises(ValueError, match=rf"at least 2 samples; got a batch size of {size} and {count} samples"):
        train(Recorder(), indices(count), Recipe(batch_size=size), fidelity=ONCE, seed=0)


# --- ends before its time ---------------------------------------------------------------------------------------


def test_a_loss_that_is_not_finite_ends_the_training():
    data = indices(8)
    with pytest.raises(Diverged, match=r"loss became nan in epoch 1 at learning rate 0\.003"):
        train(Recorder(float("nan")), data, Recipe(batch_size=4), fidelity=ONCE, seed=0)


def test_divergence_is_noticed_within_fifty_steps():
    recorder = Recorder(float("inf"))
    with pytest.raises(Diverged):
        train(recorder, indices(1000), Recipe(batch_size=2), fidelity=ONCE, seed=0)
    assert len(recorder.batches) == 50


def test_weights_that_the_last_step_broke_end_the_training():
    recipe = Recipe(batch_size=8, optimizer="sgd", learning_rate=float("inf"))
    with pytest.raises(Diverged, match="sum of weights became nan"):
        train(Recorder(), ResidentSplit(x=torch.zeros(8, 1), y=torch.arange(8) % 2), recipe, fidelity=ONCE, seed=0)


def test_a_training_past_its_limit_ends_with_the_limit_and_the_epoch():
    ticks = iter(range(1000))
    recorder = Recorder()
    with pytest.raises(TimedOut, match=r"limit of 5 s in epoch 2 of 3"):
        train(
            recorder,
            indices(8),
            Recipe(batch_size=2),
            fidelity=Fidelity(epochs=3),
            seed=0,
            time_limit_s=5,
            clock=lambda: float(next(ticks)),
        )
    assert len(recorder.batches) < 12


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("no room"),
        torch.OutOfMemoryError("CUDA out of memory: no room"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: no room"),
    ],
)
def test_a_lack_of_memory_says_in_which_epoch_it_came(error):
    class Greedy(torch.nn.Linear):
        calls = 0

        def forward(self, x):
            self.calls += 1
            if self.calls > 2:
                raise error
            return super().forward(x)

    data = ResidentSplit(x=torch.zeros(8, 3), y=torch.zeros(8, dtype=torch.int64))
    with pytest.raises(OutOfMemory, match=r"no memory left in epoch 2 of 3: .*no room"):
        train(Greedy(3, 2), data, Recipe(batch_size=4), fidelity=Fidelity(epochs=3), seed=0)


def test_another_error_of_a_network_stays_what_it_is():
    class Broken(torch.nn.Linear):
        def forward(self, x):
            raise RuntimeError("shapes do not match")

    data = ResidentSplit(x=torch.zeros(8, 3), y=torch.zeros(8, dtype=torch.int64))
    with pytest.raises(RuntimeError, match=r"^shapes do not match$"):
        train(Broken(3, 2), data, Recipe(batch_size=4), fidelity=Fidelity(epochs=1), seed=0)


def test_training_seconds_come_from_the_clock():
    ticks = iter(range(0, 1000, 10))
    report = train(
        Recorder(), indices(8), Recipe(batch_size=8), fidelity=Fidelity(epochs=2), seed=0, clock=lambda: next(ticks)
    )
    assert report.train_seconds == 20


# --- another device ---------------------------------------------------------------------------------------------


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_trains_and_evaluates_as_the_cpu_does():
    split = striped()
    data = ResidentSplit(x=split.x.cuda(), y=split.y.cuda())
    network = network_for(split)
    recipe = Recipe(batch_size=16, learning_rate=0.02)
    train(network, data, recipe, fidelity=Fidelity(epochs=4), seed=1, validation=data)
    on_gpu = outputs_of(network, data).argmax(axis=1)
    assert (on_gpu == split.truth).mean() > 0.9
    assert (outputs_of(network, split).argmax(axis=1) == on_gpu).mean() > 0.98


# --- reproducibility --------------------------------------------------------------------------------------------

SCRIPT = """
    import sys
    sys.path.insert(0, {folder!r})
    from test_train import digest
    print(digest("conv"), digest("residual"))
"""


def digest(kind: str) -> str:
    """Hash of every number that a short training leaves behind."""
    data = striped()
    layer = Layer(kind=kind, width=6, kernel=3, weight_bits=3, activation_bits=8, sparsity=0.5)
    blueprint = Blueprint(family="cnn", input_shape=(1, 6, 6), layers=(layer, Layer(kind="linear", width=2)))
    start = plan(blueprint, is_pruned=False)
    network = build(start, fit_input(data.x.numpy(), input_bits=start.input_bits), seed=7)
    recipe = Recipe(batch_size=16, weight_decay=0.01, dropout=0.1, augment=("shift", "flip"), warmup=0.1, patience=1)
    fidelity = Fidelity(epochs=2, data_share=0.8)
    report = train(network, data, recipe, fidelity=fidelity, seed=7, deployed=plan(blueprint), validation=data)
    content = hashlib.blake2b(repr((report.curve, report.images_seen)).encode())
    for value in report.network.state_dict().values():
        content.update(value.contiguous().numpy().tobytes())
    return content.hexdigest()


def test_another_process_arrives_at_the_same_weights_and_curve_bit_for_bit():
    script = textwrap.dedent(SCRIPT).format(folder=str(Path(__file__).parent))
    other = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    torch.manual_seed(99)
    assert other.stdout.split() == [digest("conv"), digest("residual")]
