"""The files as their makers hand them out, against the counts that are published or were taken beside them."""

from collections import Counter

import numpy as np
import pytest
from gasearch_workers.data import DataOptions, load_dataset

from tests.real_data import MARK, real

pytestmark = MARK


def load(path: str, **options):
    return load_dataset(str(real(path)), DataOptions(**options))


def sizes(data) -> tuple[int, int, int]:
    return len(data.train), len(data.validation), len(data.test)


def all_labels(data) -> np.ndarray:
    return np.concatenate([data.train.y, data.validation.y, data.test.y])


def test_adult_is_a_table_of_six_numbers_and_eight_categories():
    data = load("adult/adult.csv.gz", target="income-per-year")
    assert (data.name, data.kind, data.input_shape) == ("adult", "classification", (14,))
    assert sum(sizes(data)) == 32_561
    assert data.labels == ("<=50K", ">50K")
    assert np.bincount(all_labels(data)).tolist() == [24_720, 7_841]
    assert len(data.categories) == 8
    assert data.columns[6:] == (
        *("workclass", "education", "marital-status", "occupation", "relationship", "race", "sex", "native-country"),
    )
    rows = np.concatenate([data.train.x, data.validation.x, data.test.x])
    assert np.isfinite(rows).all()
    assert (rows[:, [6, 9, 13]] == 0).any(axis=1).sum() >= 2_399  # Rows with "?", and categories unseen in training.


def test_movielens_has_its_users_films_and_mean():
    data = load("movielens_small/ratings.csv.gz")
    assert (data.kind, data.categories) == ("rating", (610, 9_724))
    assert sum(sizes(data)) == 100_836
    assert all_labels(data).mean(dtype=np.float64) == pytest.approx(3.5016, abs=5e-5)
    assert (all_labels(data).min(), all_labels(data).max()) == (0.5, 5.0)


def test_sst2_has_its_three_parts():
    data = load("sst2")
    assert sizes(data) == (6_920, 872, 1_821)
    assert (data.labels, data.input_kind) == (("0", "1"), "tokens")


def test_rt_polarity_has_as_many_good_as_bad_sentences():
    data = load("mr_rt_polarity")
    assert data.labels == ("negative", "positive")
    assert np.bincount(all_labels(data)).tolist() == [5_331, 5_331]


def test_tweets_have_their_parts_and_classes():
    data = load("tweeteval_emotion")
    assert sizes(data) == (3_257, 374, 1_421)
    assert data.labels == ("anger", "joy", "optimism", "sadness")
    assert np.bincount(data.train.y).tolist() == [1_400, 708, 294, 855]
    assert np.bincount(data.test.y).tolist() == [558, 358, 123, 382]


def test_wnut_has_its_sentences_tokens_and_entities():
    data = load("wnut17", length=200)
    assert sizes(data) == (3_394, 1_009, 1_287)
    tokens = tuple(int((split.y >= 0).sum()) for split in (data.train, data.validation, data.test))
    assert tokens == (62_730, 15_733, 23_394)  # In the second part one line more holds a byte-order mark alone.
    kinds = Counter(label.partition("-")[0] for label in data.labels)
    assert kinds == {"B": 6, "I": 6, "O": 1}
    begins = [number for number, label in enumerate(data.labels) if label.startswith("B-")]
    entities = [int(np.isin(split.y, begins).sum()) for split in (data.train, data.validation, data.test)]
    assert entities[::2] == [1_975, 1_079]
    assert data.notes == ()


def test_mnist_has_its_digits():
    data = load("mnist/mnist.npz")
    assert (sizes(data), data.input_shape) == ((50_000, 10_000, 10_000), (1, 28, 28))
    assert np.bincount(data.test.y).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_cifar_has_as_many_pictures_of_each_class():
    data = load("cifar10_small/cifar10_small.npz")
    assert (sizes(data), data.input_shape) == ((8_000, 2_000, 2_000), (3, 32, 32))
    assert np.bincount(data.test.y).tolist() == [200] * 10


def test_latencies_of_transformers_are_a_regression():
    columns = ("encoder_embed_dim", "encoder_layer_num", "decoder_embed_dim", "decoder_layer_num")
    data = load("hat_latency/wmt14ende_cpu_xeon_all.csv.gz", target="latency_mean_decoder", features=columns)
    assert (data.kind, data.columns, sum(sizes(data))) == ("regression", columns, 2_000)
