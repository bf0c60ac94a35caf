"""The samples that are shown, and changes of images."""

import numpy as np
import pytest
import torch
from gasearch_workers.messages import Fidelity, Recipe
from gasearch_workers.training.batches import make_batches
from gasearch_workers.training.resident import ResidentSplit

ONCE = Fidelity(epochs=1)


def images(count=6, side=16, channels=2):
    """Every pixel holds its row in the first channel and its column in the second."""
    rows, columns = np.mgrid[:side, :side]
    x = np.stack([rows, columns][:channels]).astype(np.uint8)
    return ResidentSplit(x=torch.from_numpy(np.stack([x] * count)), y=torch.arange(count) % 2)


def shown(data, recipe, *, seed=0, epochs=1):
    batches = make_batches(data, recipe, ONCE, seed=seed)
    return torch.cat([batches.show(batch) for _ in range(epochs) for group in batches.epoch() for batch in group])


def test_without_augmentation_images_are_shown_as_they_are():
    data = images()
    assert torch.equal(shown(data, Recipe(batch_size=4)), data.x)


def test_a_shift_moves_each_image_by_at_most_an_eighth_and_repeats_the_edge():
    seen = shown(images(200), Recipe(batch_size=64, augment=("shift",)))
    rows, columns = seen[:, 0, :, 0].int(), seen[:, 1, 0, :].int()
    moves = set()
    for found in (rows, columns):
        shifts = found[:, 8] - 8
        assert shifts.abs().max() == 16 // 8
        expected = (torch.arange(16) + shifts[:, None]).clamp(0, 15)
        assert torch.equal(found, expected)
        moves.add(tuple(shifts.tolist()))
    assert len(moves) == 2  # rows and columns move on their own
    assert torch.equal(seen[:, 0], rows[:, :, None].expand(-1, -1, 16))  # whole rows, no pixel alone


def test_a_flip_turns_about_half_of_the_images_left_to_right():
    seen = shown(images(400), Recipe(batch_size=64, augment=("flip",)))
    is_flipped = seen[:, 1, 0, 0] == 15
    assert 150 < is_flipped.sum() < 250
    assert torch.equal(seen[is_flipped, 1, 0], torch.arange(15, -1, -1).expand(int(is_flipped.sum()), -1).byte())
    assert torch.equal(seen[~is_flipped], images(400).x[~is_flipped])
    assert torch.equal(seen[:, 0], images(400).x[:, 0])


def test_augmentation_is_the_same_for_a_seed_and_another_in_each_epoch():
    recipe = Recipe(batch_size=4, augment=("shift", "flip"))
    first, again = (shown(images(50), recipe, seed=3, epochs=2) for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first[:50], first[50:])
    assert not torch.equal(first, shown(images(50), recipe, seed=4, epochs=2))


def test_augmentation_leaves_the_order_of_the_samples_as_it_is():
    data = ResidentSplit(
        x=torch.arange(20, dtype=torch.uint8).expand(1, 1, 1, 20).permute(3, 0, 1, 2), y=torch.zeros(20)
    )
    plain, changed = (shown(data, Recipe(batch_size=8, augment=augment)) for augment in ((), ("shift", "flip")))
    assert torch.equal(plain, changed)


def test_augmented_images_lie_in_memory_as_convolutions_like_it():
    data = images()
    batches = make_batches(data, Recipe(batch_size=6, augment=("flip",)), ONCE, seed=0)
    [[batch]] = batches.epoch()
    assert batches.show(batch).is_contiguous(memory_format=torch.channels_last)


def test_augmentation_of_what_is_no_image_is_refused():
    data = ResidentSplit(x=torch.zeros(4, 3), y=torch.zeros(4))
    with pytest.raises(ValueError, match=r"shift and flip are for images; the samples have 1 axes"):
        make_batches(data, Recipe(augment=("shift", "flip")), ONCE, seed=0)


@pytest.mark.parametrize(("count", "accumulate", "sizes"), [(16, 1, [1] * 4), (16, 2, [2, 2]), (15, 3, [3, 1])])
def test_batches_are_grouped_into_updates(count, accumulate, sizes):
    batches = make_batches(images(count), Recipe(batch_size=4, accumulate=accumulate), ONCE, seed=0)
    assert [len(group) for group in batches.epoch()] == sizes
    assert batches.updates == len(sizes)


def sentences(count, tokens=30, seed=0):
    """Sentences of 1 to `tokens` words; the first word is the sentence's number, from 2 on."""
    lengths = np.random.default_rng(seed).integers(1, tokens + 1, count)
    x = np.where(np.arange(tokens) < lengths[:, None], 2, 0).astype(np.int32)
    x[:, 0] = np.arange(count) + 2
    return ResidentSplit(x=torch.from_numpy(x), y=torch.from_numpy(lengths))


@pytest.mark.parametrize("count", [200, 201, 70])
def test_each_sentence_is_shown_once_in_an_epoch_and_none_is_cut(count):
    data = sentences(count)
    batches = make_batches(data, Recipe(batch_size=4, accumulate=3), ONCE, seed=0, reach=0)
    groups = list(batches.epoch())
    assert len(groups) == batches.updates
    shown = {}
    for batch in (batch for group in groups for batch in group):
        x = batches.show(batch)
        for number, row in zip(batch.samples.tolist(), x, strict=True):
            shown[number] = int((row != 0).sum())
    assert len(shown) == count - (count % 4 == 1)
    assert all(words == int(data.y[number]) for number, words in shown.items())


def test_the_sentence_that_is_left_over_is_another_in_each_epoch():
    batches = make_batches(sentences(61), Recipe(batch_size=4), ONCE, seed=0, reach=0)
    left_out = set()
    for _ in range(20):
        shown = torch.cat([batch.samples for group in batches.epoch() for batch in group])
        left_out |= set(range(61)) - set(shown.tolist())
    assert len(left_out) > 10


def test_sentences_are_shown_without_the_padding_that_a_batch_has_in_common():
    data = sentences(400)
    for reach in (0, 5):
        batches = make_batches(data, Recipe(batch_size=8), ONCE, seed=0, reach=reach)
        shown = [(batches.show(batch), data.y[batch.samples]) for group in batches.epoch() for batch in group]
        assert all(x.shape[1] == min(int(lengths.max()) + reach, 30) for x, lengths in shown)
    padding = sum(int((x[:, :-5] == 0).sum()) for x, _ in shown) / sum(x[:, :-5].numel() for x, _ in shown)
    assert padding < 0.15
    everything = make_batches(data, Recipe(batch_size=8), ONCE, seed=0)
    assert all(everything.show(batch).shape[1] == 30 for group in everything.epoch() for batch in group)


def test_batches_of_short_sentences_do_not_come_first():
    batches = make_batches(sentences(800), Recipe(batch_size=8), ONCE, seed=0, reach=0)
    lengths = [batches.show(batch).shape[1] for group in batches.epoch() for batch in group]
    assert abs(np.corrcoef(lengths, np.arange(len(lengths)))[0, 1]) < 0.3
