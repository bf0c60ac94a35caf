import numpy as np
import pytest
from gasearch_workers.data import DataError, DataOptions, load_dataset

FILE = "ratings.csv"

RATINGS = [(10 * (n % 7), f"film {n % 9}", n % 10 / 2) for n in range(63)]
TEXT = "userId,movieId,rating,timestamp\n" + "".join(f"{user},{item},{stars},0\n" for user, item, stars in RATINGS)


def test_usual_names_of_columns_mean_ratings(save):
    data = load_dataset(save(TEXT))
    assert (data.kind, data.input_kind, data.outputs, data.labels) == ("rating", "ids", 1, ())
    assert (data.categories, data.columns) == ((7, 9), ("userId", "movieId"))
    assert (data.train.x.dtype, data.train.x.shape[1], data.train.y.dtype) == (np.int32, 2, np.float32)
    assert data.vocabularies[0] == ("0", "10", "20", "30", "40", "50", "60")  # As numbers, not by alphabet.


def test_every_rating_is_kept_once_with_its_user_and_item(save):
    data = load_dataset(save(TEXT))
    found = [
        (int(data.vocabularies[0][user]), data.vocabularies[1][item], float(stars))
        for split in (data.train, data.validation, data.test)
        for (user, item), stars in zip(split.x, split.y, strict=True)
    ]
    assert sorted(found) == sorted(RATINGS)
    assert (len(data.train), len(data.validation), len(data.test)) == (40, 10, 13)


def test_columns_of_other_names_are_named_by_the_options(save):
    renamed = save(TEXT.replace("userId,movieId,rating", "who,what,stars"), "other.csv")
    data = load_dataset(renamed, DataOptions(user="who", item="what", target="stars"))
    assert data.kind == "rating"
    assert (data.train.x == load_dataset(save(TEXT)).train.x).all()


def test_items_of_a_given_part_alone_are_known_to_the_system(save):
    test = save(TEXT.replace("film 8", "film 9"), "test.csv")
    data = load_dataset(save(TEXT), DataOptions(test=test))
    assert data.categories == (7, 10)
    assert data.test.x[:, 1].max() == 9


def test_ratings_are_scaled_by_the_training_split(save):
    data = load_dataset(save(TEXT))
    assert (data.target_mean, data.target_deviation) == pytest.approx((data.train.y.mean(), data.train.y.std()))


def test_the_splits_follow_the_seed(save):
    first, again, other = (load_dataset(save(TEXT), seed=seed) for seed in (0, 0, 1))
    assert (first.test.x == again.test.x).all()
    assert not (first.test.x == other.test.x).all()
    assert first.fingerprint == other.fingerprint


@pytest.mark.parametrize(
    ("change", "options", "text"),
    [
        (
            ("20,film 2,1.0", ",film 2,1.0"),
            {},
            r"ratings\.csv:4: expected an id in the column 'userId'; the cell is emp",
        ),
        (
            ("20,film 2,1.0", "20,,1.0"),
            {},
            r"ratings\.csv:4: expected an id in the column 'movieId'; the cell is empty",
        ),
        (
            ("20,film 2,1.0", "NaN,film 2,1.0"),
            {},
            r"ratings\.csv:4: expected an id in the column 'userId'; got 'NaN' .task\.missing lists what is none",
        ),
        (
            ("20,film 2,1.0", "20,film 2,good"),
            {},
            r"ratings\.csv:4: expected a number in the column 'rating', as in most rows; got 'good' .classes belong",
        ),
        (("20,film 2,1.0", "20,film 2,nan"), {}, r"ratings\.csv:4: expected a finite number in .* 'rating'; got 'nan'"),
        (
            ("20,film 2,1.0", "20,film 2,"),
            {},
            r"ratings\.csv:4: expected a finite number in .* 'rating'; the cell is em",
        ),
        (
            ("userId", "who"),
            {"kind": "rating"},
            r"expected the column of users in task\.user; the columns are who, movie",
        ),
        (
            ("rating", "given"),
            {"kind": "rating"},
            r"expected the column of ratings in task\.target; the columns are user",
        ),
        (("", ""), {"text": "movieId"}, r"ratings are told from user and item alone; got task\.text = 'movieId'"),
    ],
)
def test_ratings_that_cannot_be_used_are_refused_with_their_line(save, change, options, text):
    with pytest.raises(DataError, match=text):
        load_dataset(save(TEXT.replace(*change)), DataOptions(**options))


def test_one_rating_for_everything_is_refused(save):
    with pytest.raises(DataError, match=r"ratings: expected a target that varies; got 4 for every training sample"):
        load_dataset(save("user,item,rating\n" + "".join(f"{n % 5},{n % 7},4\n" for n in range(35))))


def test_too_few_ratings_for_three_parts_are_refused(save):
    with pytest.raises(DataError, match=r"ratings: expected enough samples for training, validation and test; to hold"):
        load_dataset(save("user,item,rating\n1,1,4\n2,2,5\n"))
