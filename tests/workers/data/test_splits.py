import numpy as np
import pytest
from gasearch_workers.data.dataset import DataError, Split
from gasearch_workers.data.splits import hold_out
from hypothesis import given, settings
from hypothesis import strategies as st


def labelled(labels: list[int]) -> Split:
    """Samples that hold their own index."""
    return Split(x=np.arange(len(labels), dtype=np.float32)[:, None], y=np.array(labels, dtype=np.int64))


def members(split: Split) -> list[int]:
    return split.x[:, 0].astype(int).tolist()


@given(sizes=st.lists(st.integers(2, 40), min_size=2, max_size=6), share=st.floats(0.05, 0.5), seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_parts_are_disjoint_complete_and_stratified(sizes, share, seed):
    split = labelled([label for label, size in enumerate(sizes) for _ in range(size)])
    count = max(1, round(len(split) * share))
    if count > len(split) - len(sizes):
        return
    rest, held_out = hold_out(split, count, seed=seed, name="t")
    assert len(held_out) == count
    assert sorted(members(rest) + members(held_out)) == list(range(len(split)))
    assert (np.bincount(rest.y, minlength=len(sizes)) >= 1).all()
    if (np.array(sizes) * count / len(split) <= np.array(sizes) - 1).all():
        exact = np.array(sizes) * count / len(split)
        assert np.abs(np.bincount(held_out.y, minlength=len(sizes)) - exact).max() < 1


def test_the_same_seed_gives_the_same_parts_and_another_seed_others():
    split = labelled([0, 1] * 50)
    first, again, other = (members(hold_out(split, 20, seed=seed, name="t")[1]) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_both_parts_keep_the_order_of_the_samples():
    rest, held_out = hold_out(labelled([0, 1, 2] * 20), 12, seed=0, name="t")
    assert members(rest) == sorted(members(rest))
    assert members(held_out) == sorted(members(held_out))


def test_samples_keep_their_labels():
    split = labelled([0, 1, 1] * 20)
    for part in hold_out(split, 12, seed=0, name="t"):
        assert (split.y[members(part)] == part.y).all()


@pytest.mark.parametrize("labels", [[0, 1], [0, 0, 1]])
def test_too_few_samples_are_refused_with_their_number(labels):
    with pytest.raises(DataError, match=rf"t: expected enough samples .* got {len(labels)} samples in 2 classes"):
        hold_out(labelled(labels), round(len(labels) * 0.2) if len(labels) < 3 else 2, seed=0, name="t")


@given(size=st.integers(2, 60), share=st.floats(0.05, 0.9), seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_plain_parts_are_disjoint_complete_and_in_order(size, share, seed):
    split = Split(x=np.arange(size, dtype=np.float32)[:, None], y=np.linspace(0, 1, size, dtype=np.float32))
    count = min(max(1, round(size * share)), size - 1)
    rest, held_out = hold_out(split, count, seed=seed, name="t", is_stratified=False)
    assert len(held_out) == count
    assert sorted(members(rest) + members(held_out)) == list(range(size))
    assert all(members(part) == sorted(members(part)) for part in (rest, held_out))
    assert members(hold_out(split, count, seed=seed, name="t", is_stratified=False)[1]) == members(held_out)


@pytest.mark.parametrize(("size", "count"), [(5, 5), (5, 0), (1, 1)])
def test_a_plain_part_that_leaves_nothing_is_refused(size, count):
    split = Split(x=np.zeros((size, 1), dtype=np.float32), y=np.zeros(size, dtype=np.float32))
    with pytest.raises(DataError, match=rf"t: expected enough samples .* to hold out {count} .* got {size} samples"):
        hold_out(split, count, seed=0, name="t", is_stratified=False)
