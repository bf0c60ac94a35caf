"""Losses of trainings, against PyTorch's own losses and hand-made values."""

import pytest
import torch
import torch.nn.functional as F
from gasearch_workers.messages import Recipe
from gasearch_workers.training.losses import make_loss
from gasearch_workers.training.resident import ResidentSplit
from gasearch_workers.training.score import Target

ALL = torch.arange(4)


def classes(y, *, outputs=3, teacher=None):
    y = torch.tensor(y)
    target = Target(kind="classification", outputs=outputs)
    return ResidentSplit(x=torch.zeros(len(y), 1), y=y, target=target, teacher=teacher)


def tags(y, *, teacher=None):
    y = torch.tensor(y)
    return ResidentSplit(x=torch.zeros(len(y), 1), y=y, target=Target(kind="tagging", outputs=3), teacher=teacher)


def numbers(y, *, kind="regression", teacher=None):
    y = torch.tensor(y)
    return ResidentSplit(x=torch.zeros(len(y), 1), y=y, target=Target(kind=kind, outputs=1), teacher=teacher)


def logits(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# --- against the truth ------------------------------------------------------------------------------------------


def test_classes_have_the_smoothed_cross_entropy_of_the_chosen_samples():
    data, outputs = classes([0, 1, 2, 1, 0]), logits(2, 3)
    found = make_loss(data, Recipe(label_smoothing=0.1))(outputs, torch.tensor([3, 4]))
    torch.testing.assert_close(found, F.cross_entropy(outputs, torch.tensor([1, 0]), label_smoothing=0.1))


def test_balanced_classes_weigh_the_same_whatever_their_number():
    data = classes([0, 0, 0, 1], outputs=2)
    outputs = torch.zeros(4, 2).requires_grad_()
    make_loss(data, Recipe(class_weights="balanced"))(outputs, ALL).backward()
    torch.testing.assert_close(outputs.grad[:3, 0].sum(), outputs.grad[3, 1])


def test_the_weights_of_balanced_classes_come_from_the_whole_training_split():
    data = classes([0, 0, 0, 1], outputs=2)
    outputs = logits(2, 2)
    found = make_loss(data, Recipe(class_weights="balanced"))(outputs, torch.tensor([0, 3]))
    torch.testing.assert_close(found, F.cross_entropy(outputs, torch.tensor([0, 1]), torch.tensor([2 / 3, 2.0])))


def test_a_class_without_a_sample_breaks_no_balance():
    loss = make_loss(classes([0, 0, 1, 1], outputs=3), Recipe(class_weights="balanced"))
    assert torch.isfinite(loss(logits(4, 3), ALL))


def test_tags_at_padding_count_neither_in_the_loss_nor_in_the_balance():
    outputs = logits(2, 3, 3)
    padded = make_loss(tags([[0, 1, -1], [2, -1, -1]]), Recipe(class_weights="balanced"))
    short = outputs[[0, 0, 1], [0, 1, 0]]
    torch.testing.assert_close(padded(outputs, torch.tensor([0, 1])), F.cross_entropy(short, torch.tensor([0, 1, 2])))


@pytest.mark.parametrize("kind", ["regression", "rating"])
def test_numbers_have_the_squared_error_in_standard_deviations(kind):
    data = numbers([1.0, 3.0, 1.0, 3.0], kind=kind)
    outputs = torch.tensor([[2.0], [2.0], [2.0], [5.0]])
    assert make_loss(data, Recipe())(outputs, ALL) == pytest.approx((1 + 1 + 1 + 4) / 4)
    scaled = numbers([100.0, 300.0, 100.0, 300.0], kind=kind)
    assert make_loss(scaled, Recipe())(outputs * 100, ALL) == pytest.approx((1 + 1 + 1 + 4) / 4)


def test_the_loss_is_in_float32_whatever_the_outputs_are_in():
    outputs = logits(4, 3).bfloat16()
    assert make_loss(classes([0, 1, 2, 0]), Recipe())(outputs, ALL).dtype == torch.float32


# --- against a teacher ------------------------------------------------------------------------------------------


def test_a_teacher_takes_its_share_of_the_loss_at_its_temperature():
    teacher, outputs = logits(4, 3, seed=1), logits(4, 3)
    data = classes([0, 1, 2, 0], teacher=teacher)
    recipe = Recipe(teacher="largest", distill_weight=0.25, temperature=3.0)
    soft = F.kl_div(F.log_softmax(outputs / 3, dim=1), F.softmax(teacher / 3, dim=1), reduction="batchmean")
    hard = F.cross_entropy(outputs, data.y)
    torch.testing.assert_close(make_loss(data, recipe)(outputs, ALL), 0.75 * hard + 0.25 * 9 * soft)


def test_who_answers_as_its_teacher_has_only_the_truth_to_learn():
    teacher = logits(4, 3)
    data = classes([0, 1, 2, 0], teacher=teacher)
    found = make_loss(data, Recipe(teacher="largest", distill_weight=1.0))(teacher.clone(), ALL)
    assert float(found) == pytest.approx(0, abs=1e-6)


def test_a_teacher_of_tags_says_nothing_of_padding():
    teacher, outputs = logits(1, 3, 3, seed=1), logits(1, 3, 3)
    recipe = Recipe(teacher="largest", distill_weight=1.0, temperature=1.0)
    found = make_loss(tags([[0, 1, -1]], teacher=teacher), recipe)(outputs, torch.tensor([0]))
    expected = F.kl_div(F.log_softmax(outputs[0, :2], 1), F.softmax(teacher[0, :2], 1), reduction="batchmean")
    torch.testing.assert_close(found, expected)


def test_a_teacher_of_numbers_is_followed_in_standard_deviations():
    data = numbers([0.0, 4.0, 0.0, 4.0], teacher=torch.tensor([[1.0], [1.0], [1.0], [1.0]]))
    recipe = Recipe(teacher="largest", distill_weight=1.0)
    assert make_loss(data, recipe)(torch.full((4, 1), 5.0), ALL) == pytest.approx(4.0)


def test_a_recipe_with_a_teacher_needs_outputs_of_one():
    with pytest.raises(ValueError, match=r"the recipe has the teacher 'largest', but the data hold no outputs"):
        make_loss(classes([0, 1]), Recipe(teacher="largest"))


def test_outputs_of_a_teacher_are_not_used_by_a_recipe_without_one():
    outputs = logits(4, 3)
    with_outputs = classes([0, 1, 2, 0], teacher=logits(4, 3, seed=1))
    assert make_loss(with_outputs, Recipe())(outputs, ALL) == F.cross_entropy(outputs, with_outputs.y)
