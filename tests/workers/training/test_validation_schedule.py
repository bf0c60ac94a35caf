"""Scores while a training goes on: they change nothing in it, and end it at a rung where it can't come to anything."""

import numpy as np
import pytest
import torch
from gasearch_workers.data.normalize import fit_input
from gasearch_workers.messages import Blueprint, Fidelity, Layer, Recipe, StoppingPoint, StoppingRule
from gasearch_workers.modules.build import build
from gasearch_workers.network.plan import plan
from gasearch_workers.training.inference import evaluate
from gasearch_workers.training.resident import ResidentSplit
from gasearch_workers.training.score import Target
from gasearch_workers.training.stopping import Stopped
from gasearch_workers.training.train import TrainingReport, train

EXACT = ((1.0, 0.0),)
RNG = np.random.default_rng(0)
CLASSES = torch.from_numpy(RNG.integers(0, 3, 96))


def rule(*steps, worst=None, metric="accuracy", is_maximized=True):
    """Rungs at which a score below `worst` is hopeless; None: none is."""
    return StoppingRule(
        objectives=((metric, is_maximized),),
        known=(None,),
        points=tuple(StoppingPoint(step=step, ends=EXACT) for step in steps),
        front=() if worst is None else ((worst,),),
    )


def images():
    x = RNG.integers(0, 99, (96, 1, 6, 6))
    x[CLASSES == 0, :, ::2] += 120
    x[CLASSES == 1, :, :, ::2] += 120
    return ResidentSplit(x=torch.from_numpy(x.astype(np.uint8)), y=CLASSES)


def sentences():
    x = torch.from_numpy(RNG.integers(1, 20, (96, 8)).astype(np.int32))
    x[:, 3] = CLASSES.int() + 1
    for row, length in enumerate(RNG.integers(4, 9, 96)):
        x[row, length:] = 0
    return ResidentSplit(x=x, y=CLASSES)


def table():
    x = RNG.normal(size=(96, 5)).astype(np.float32)
    x[:, 0] += CLASSES.numpy()
    return ResidentSplit(x=torch.from_numpy(x), y=CLASSES)


def quantized(kind, width, **changes):
    return Layer(kind=kind, width=width, **{"weight_bits": 3, "activation_bits": 4} | changes)


IMAGES, SENTENCES, TABLE = images(), sentences(), table()
NUMBERS = ResidentSplit(x=TABLE.x, y=TABLE.x[:, 1] * 3, target=Target(kind="regression", outputs=1))
#: Data, family and hidden layers.
NETWORKS = {
    "mlp": (TABLE, "mlp", [quantized("linear", 12)]),
    "mlp pruned": (TABLE, "mlp", [quantized("linear", 12, sparsity=0.5)]),
    "regression": (NUMBERS, "mlp", [quantized("linear", 12)]),
    "cnn": (IMAGES, "cnn", [quantized("conv", 6, kernel=3), quantized("residual", 6, kernel=3)]),
    "cnn pruned": (IMAGES, "cnn", [quantized("separable", 6, kernel=3, sparsity=0.5)]),
    "text": (SENTENCES, "text", [quantized("embedding", 8), quantized("conv1d", 8, kernel=3)]),
    "gru": (SENTENCES, "text", [quantized("embedding", 8), quantized("gru", 6)]),
    "transformer": (SENTENCES, "transformer", [quantized("embedding", 8), quantized("transformer", 8, heads=2)]),
}
RECIPE = Recipe(batch_size=16, learning_rate=0.01, dropout=0.1, label_smoothing=0.1)  # 6 updates an epoch


def fit(name: str, stopping=None, *, epochs=3, recipe=RECIPE, clock=None) -> TrainingReport:
    data, family, hidden = NETWORKS[name]
    is_regression = data.target.is_number
    codes = {"categories": (20,)} if family in ("text", "transformer") else {}
    blueprint = Blueprint(
        family=family,
        input_shape=tuple(data.x.shape[1:]),
        layers=(*hidden, Layer(kind="linear", width=1 if is_regression else 3, weight_bits=8)),
        is_regression=is_regression,
        **codes,
    )
    start, deployed = plan(blueprint, is_pruned=False), plan(blueprint)
    transform = fit_input(
        data.x.numpy(), input_bits=start.input_bits, input_kind=start.input_kind, categories=len(start.categories)
    )
    return train(
        build(start, transform, seed=3),
        data,
        recipe,
        fidelity=Fidelity(epochs=epochs),
        seed=3,
        deployed=None if deployed == start else deployed,
        validation=data,
        stopping=stopping,
        **({"clock": clock} if clock else {}),
    )


# --- a training that isn't stopped ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETWORKS)
def test_a_training_that_is_scored_more_often_gives_the_same_network_bit_for_bit(name):
    plain, scored = fit(name), fit(name, rule(1 / 6, 1 / 3, 1 / 2, 1, 4 / 3, 2.5))
    assert len(scored.curve) > len(plain.curve) == 3
    after_epochs = [point for point in scored.curve if point.epoch in (1, 2, 3)]
    assert [(p.train_loss, p.accuracy) for p in after_epochs] == [(p.train_loss, p.accuracy) for p in plain.curve]
    assert np.array_equal(plain.outputs, scored.outputs)
    first, second = plain.network.state_dict(), scored.network.state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_a_rung_within_an_epoch_stands_in_the_curve_with_its_score():
    curve = fit("mlp", rule(1 / 3, 1, 2.5)).curve
    assert [point.epoch for point in curve] == [1 / 3, 1, 2, 2.5, 3]
    assert [dict(point.metrics).get("accuracy") for point in curve] == [
        None if point.epoch in (2, 3) else point.accuracy for point in curve
    ]
    assert all(point.accuracy is not None and point.train_loss > 0 for point in curve)


def test_a_rung_comes_after_the_update_that_completes_its_share_of_an_epoch():
    first = fit("mlp", rule(1 / 3, 1 / 2)).curve[:2]  # after 2 and 3 of 6 updates
    assert fit("mlp", rule(0.34)).curve[0].train_loss == first[1].train_loss != first[0].train_loss


def test_rungs_at_the_end_and_behind_it_are_none():
    assert [point.epoch for point in fit("mlp", rule(3, 4.5, worst=9.0)).curve] == [1, 2, 3]


def test_rungs_before_pruning_are_passed_over():
    report = fit("mlp pruned", rule(1 / 6, 1 / 2, 1, worst=0.0))  # 18 updates, pruned after 3
    assert [point.epoch for point in report.curve] == [1, 2, 3]
    with pytest.raises(Stopped, match="stopped at 1 with"):
        fit("mlp pruned", rule(1 / 6, 1 / 2, 1, worst=9.0))


def test_scores_at_rungs_do_not_count_as_training_seconds():
    ticks = iter(range(1000))
    scored = fit("mlp", rule(1 / 3, 1 / 2, 1.5), clock=lambda: float(next(ticks)))
    assert scored.train_seconds == 2 * 3 + 3 - 3  # two reads more for each rung, one of the three ticks is the score's


def test_patience_ends_a_training_after_the_same_epoch_with_a_rule():
    recipe = Recipe(batch_size=16, learning_rate=0.03, schedule="constant", patience=1)
    plain, scored = (fit("mlp", stopping, epochs=30, recipe=recipe) for stopping in (None, rule(0.5, 1.5)))
    assert len(plain.curve) < 30
    assert (scored.best_epoch, len(scored.curve)) == (plain.best_epoch, len(plain.curve) + 2)


def test_all_scores_are_taken_where_an_objective_is_another_than_the_primary_one():
    metrics = dict(fit("mlp", rule(0.5, metric="macro_f1")).curve[0].metrics)
    assert metrics.keys() == {"accuracy", "macro_f1", "auc"}


# --- one that is ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [1 / 3, 2])
def test_a_hopeless_training_ends_at_its_rung_with_its_curve(step):
    whole = fit("mlp", rule(step)).curve
    with pytest.raises(
        Stopped, match=rf"stopped at {step:.4g} with accuracy .* a finished network has accuracy 2$"
    ) as stop:
        fit("mlp", rule(step, worst=2.0))
    assert stop.value.curve == whole[: [point.epoch for point in whole].index(step) + 1]


def test_of_an_error_less_is_better():
    worst = -fit("regression").curve[0].accuracy
    metric = {"metric": "rmse", "is_maximized": False}
    assert len(fit("regression", rule(1, worst=worst - 1e-6, **metric)).curve) == 3
    with pytest.raises(Stopped, match="it could reach rmse"):
        fit("regression", rule(1, worst=worst + 1e-6, **metric))


def test_the_score_is_that_of_the_quantized_network():
    report = fit("cnn", rule(1), epochs=1)
    assert report.curve[0].accuracy == evaluate(report.network, IMAGES)


def test_a_rule_needs_a_validation_split():
    with pytest.raises(ValueError, match="stopping rule needs a validation split; got none"):
        train(torch.nn.Linear(5, 3), TABLE, Recipe(), fidelity=Fidelity(epochs=1), seed=0, stopping=rule(1))
