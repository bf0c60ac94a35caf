import numpy as np
import pytest
from gasearch_workers.data import load_dataset
from gasearch_workers.data.dataset import Split
from gasearch_workers.data.source import Parts, Source

LABELS = np.arange(60) % 3
IMAGES = np.random.default_rng(0).integers(0, 256, (60, 5, 4), dtype=np.uint8)


def test_the_fingerprint_follows_every_array_and_no_file_format(save_arrays, tmp_path):
    def fingerprint(**arrays):
        return load_dataset(save_arrays(**arrays)).fingerprint

    base = fingerprint(x_train=IMAGES, y_train=LABELS)
    changed = IMAGES.copy()
    changed[-1, -1, -1] ^= 1
    np.savez_compressed(tmp_path / "other.npz", x_train=IMAGES[..., None], y_train=LABELS.astype(np.int32))
    assert len(base) == 16
    assert load_dataset(str(tmp_path / "other.npz")).fingerprint == base
    assert fingerprint(x_train=changed, y_train=LABELS) != base
    assert fingerprint(x_train=IMAGES, y_train=(LABELS + 1) % 3) != base
    assert fingerprint(x_train=IMAGES, y_train=LABELS, x_test=IMAGES, y_test=LABELS) != base


CHANGES = [{"kind": "regression"}, {"most_words": 9}, {"offsets": (1.0,)}, {"reading": ("a",)}, {"words": (("a",),)}]


@pytest.mark.parametrize("changes", CHANGES, ids=lambda changes: next(iter(changes)))
def test_the_fingerprint_follows_what_the_numbers_stand_for(changes):
    split = Split(x=np.zeros((2, 1), dtype=np.float32), y=np.arange(2))
    plain = {"name": "t", "kind": "classification", "input_kind": "table", "parts": Parts("t", split), "outputs": 2}
    base = Source(**plain).fingerprint()
    assert Source(**plain | {"name": "other", "notes": ("said",)}).fingerprint() == base
    assert Source(**plain | changes).fingerprint() != base


def test_parts_that_are_not_there_stay_so():
    parts = Parts("t", 1, None, 3)
    assert parts.named == (("train", 1), ("test", 3))
    assert parts.map(str) == parts.refilled(["1", "3"]) == Parts("t", "1", None, "3")
    with pytest.raises(ValueError, match="longer"):
        parts.refilled([1, 2, 3])
