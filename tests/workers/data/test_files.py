import numpy as np
import pytest
from gasearch_workers.data import DataOptions, load_dataset
from gasearch_workers.data.dataset import DataError

RNG = np.random.default_rng(0)
LABELS = np.arange(60) % 3
IMAGES = RNG.integers(0, 256, (60, 5, 4), dtype=np.uint8)
TABLE = RNG.normal(size=(60, 7))


@pytest.fixture
def save(tmp_path):
    def write(**arrays):
        path = tmp_path / "set.npz"
        np.savez(path, **arrays)
        return str(path)

    return write


def test_a_file_without_a_test_part_is_split_three_ways(save):
    data = load_dataset(save(x_train=IMAGES, y_train=LABELS))
    assert (len(data.train), len(data.validation), len(data.test)) == (38, 10, 12)
    assert (data.name, data.classes, data.input_shape) == ("set", 3, (1, 5, 4))
    assert data.train.x.dtype == np.uint8


def test_a_given_test_part_is_kept_as_it_is(save):
    data = load_dataset(save(x_train=IMAGES, y_train=LABELS, x_test=IMAGES[:6], y_test=LABELS[:6]))
    assert (len(data.train), len(data.validation)) == (48, 12)
    assert (data.test.x[:, 0] == IMAGES[:6]).all()
    assert (data.test.y == LABELS[:6]).all()


def test_validation_takes_at_most_ten_thousand_samples(save):
    data = load_dataset(save(x_train=np.zeros((75_000, 1)), y_train=np.arange(75_000) % 2))
    assert (len(data.train), len(data.validation), len(data.test)) == (50_000, 10_000, 15_000)


def test_splits_are_the_same_in_every_run_and_change_with_the_seed(save):
    path = save(x_train=TABLE, y_train=LABELS)
    first, again, other = (load_dataset(path, seed=seed) for seed in (0, 0, 1))
    assert (first.validation.x == again.validation.x).all()
    assert not (first.validation.x == other.validation.x).all()
    assert first.fingerprint == again.fingerprint == other.fingerprint


AMBIGUOUS = [(3, 32, 3), (4, 4, 4), (1, 8, 3), (3, 5, 4), (6, 9, 8), (9, 8, 6), (8, 4, 4), (16, 3, 3), (4, 4, 16)]


@pytest.mark.parametrize("shape", AMBIGUOUS)
def test_images_whose_axes_cannot_be_told_are_refused_until_they_are_named(save, shape):
    x = RNG.integers(0, 256, (60, *shape), dtype=np.uint8)
    path = save(x_train=x, y_train=LABELS)
    with pytest.raises(DataError, match=r"x_train must hold images whose axis .*\(task\.channels: first, or last\)"):
        load_dataset(path)
    assert load_dataset(path, DataOptions(channels="first")).input_shape == shape
    assert load_dataset(path, DataOptions(channels="last")).input_shape == (shape[2], *shape[:2])


def test_the_axis_of_channels_is_for_images_of_four_axes(save):
    with pytest.raises(
        DataError, match=r"task\.channels is for images of four axes; got x_train of the shape \(60, 5, 4"
    ):
        load_dataset(save(x_train=IMAGES, y_train=LABELS), DataOptions(channels="last"))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((60, 5, 4), (1, 5, 4)),
        ((60, 5, 4, 1), (1, 5, 4)),
        ((60, 5, 4, 3), (3, 5, 4)),
        ((60, 3, 8, 9), (3, 8, 9)),
        ((60, 1, 8, 5), (1, 8, 5)),
        ((60, 4, 8, 9), (4, 8, 9)),
        ((60, 8, 9, 4), (4, 8, 9)),
        ((60, 8, 8, 2), (2, 8, 8)),
        ((60, 2, 2, 3), (3, 2, 2)),
        ((60, 3, 4, 4), (3, 4, 4)),
        ((60, 6, 9, 9), (6, 9, 9)),
        ((60, 9, 9, 6), (6, 9, 9)),
    ],
)
def test_images_become_channels_first(save, given, expected):
    x = RNG.integers(0, 256, given, dtype=np.uint8)
    data = load_dataset(save(x_train=x, y_train=LABELS, x_test=x, y_test=LABELS))
    assert data.input_shape == expected
    if len(given) == 4 and given[1:] != expected:
        assert (data.test.x.transpose(0, 2, 3, 1) == x).all()


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.int64, np.uint8])
def test_two_dimensional_numbers_become_a_float_table(save, kind):
    data = load_dataset(save(x_train=(10 * np.abs(TABLE)).astype(kind), y_train=LABELS.astype(np.uint8)))
    assert data.train.x.dtype == np.float32
    assert data.input_shape == (7,)
    assert data.train.y.dtype == np.int64


def test_a_column_of_labels_is_taken_as_labels(save):
    assert load_dataset(save(x_train=TABLE, y_train=LABELS[:, None])).classes == 3


def test_floating_targets_of_a_table_mean_regression(save):
    data = load_dataset(save(x_train=TABLE, y_train=LABELS + 0.5))
    assert (data.kind, data.outputs, data.labels, data.train.y.dtype) == ("regression", 1, (), np.float32)
    assert data.target_mean == pytest.approx(float(data.train.y.mean()))
    assert data.target_deviation == pytest.approx(float(data.train.y.std()))


def test_whole_targets_are_amounts_where_the_options_say_so(save):
    path = save(x_train=TABLE, y_train=LABELS[:, None], x_test=TABLE, y_test=LABELS * 5)
    data = load_dataset(path, DataOptions(kind="regression"))
    assert (data.kind, data.train.y.ndim, data.test.y.max()) == ("regression", 1, 10)
    with pytest.raises(DataError, match=r"y_test must hold labels 0 \.\. 2 as y_train does; got 10"):
        load_dataset(path)


@pytest.mark.parametrize(
    ("arrays", "kind", "text"),
    [
        ({"y_train": np.full(60, np.nan)}, None, r"y_train must hold finite float32 numbers; got nan at sample 0"),
        ({"y_train": np.where(LABELS == 2, 1e39, 0.5)}, None, r"y_train must hold finite .*; got 1e\+39 at sample 2"),
        (
            {"y_train": np.full(60, 0.5)},
            None,
            r"set: expected a target that varies; got 0\.5 for every training sample",
        ),
        ({"y_train": LABELS + 0.5}, "classification", r"y_train must hold integer labels .* got type float64"),
        (
            {"y_train": np.eye(3)[LABELS]},
            "regression",
            r"y_train must have the shape \(count,\), one number .* \(60, 3\)",
        ),
        ({"y_train": np.array(["a"] * 60)}, "regression", r"y_train must hold numbers for regression; got type <U1"),
        ({"x_train": IMAGES}, "regression", r"x_train must hold a table .* for regression; got \(60, 5, 4\)"),
        ({}, "rating", r"set\.npz: arrays serve classification or regression; got kind 'rating'"),
    ],
)
def test_targets_that_cannot_be_used_are_refused_by_name(save, arrays, kind, text):
    with pytest.raises(DataError, match=text):
        load_dataset(save(**({"x_train": TABLE, "y_train": LABELS} | arrays)), DataOptions(kind=kind))


def test_options_that_arrays_cannot_heed_are_refused(save):
    with pytest.raises(DataError, match=r"set\.npz: arrays have no named columns .*; got task\.target = 'y'"):
        load_dataset(save(x_train=TABLE, y_train=LABELS), DataOptions(target="y"))


def test_a_test_part_that_leaves_a_class_out_is_refused(save):
    with pytest.raises(
        DataError, match=r"set: the test part must hold every class; it leaves out 2, of which the train"
    ):
        load_dataset(save(x_train=TABLE, y_train=LABELS, x_test=TABLE, y_test=LABELS % 2))


@pytest.mark.parametrize("name", ["length", "vocabulary"])
def test_numbers_of_the_options_must_be_positive(name):
    with pytest.raises(ValueError, match=rf"{name} must be at least 1; got 0"):
        DataOptions(**{name: 0})


def test_the_fingerprint_follows_every_array_and_no_file_format(save, tmp_path):
    def fingerprint(**arrays):
        return load_dataset(save(**arrays)).fingerprint

    base = fingerprint(x_train=IMAGES, y_train=LABELS)
    changed = IMAGES.copy()
    changed[-1, -1, -1] ^= 1
    np.savez_compressed(tmp_path / "other.npz", x_train=IMAGES[..., None], y_train=LABELS.astype(np.int32))
    assert len(base) == 16
    assert load_dataset(str(tmp_path / "other.npz")).fingerprint == base
    assert fingerprint(x_train=changed, y_train=LABELS) != base
    assert fingerprint(x_train=IMAGES, y_train=(LABELS + 1) % 3) != base
    assert fingerprint(x_train=IMAGES, y_train=LABELS, x_test=IMAGES, y_test=LABELS) != base


def test_what_the_store_keeps_is_plain_data(save):
    assert load_dataset(save(x_train=IMAGES, y_train=LABELS)).describe() == {
        "name": "set",
        "kind": "classification",
        "input_kind": "image",
        "input_shape": [1, 5, 4],
        "dtype": "uint8",
        "classes": 3,
        "outputs": 3,
        "categories": [],
        "labels": [],
        "tags": None,
        "columns": [],
        "offsets": [],
        "target_offset": 0.0,
        "target_mean": 0.0,
        "target_deviation": 1.0,
        "notes": [],
        "train": 38,
        "validation": 10,
        "test": 12,
        "fingerprint": load_dataset(save(x_train=IMAGES, y_train=LABELS)).fingerprint,
    }


BAD_ARRAYS = [
    ({"x_train": IMAGES}, r"set\.npz: expected the arrays x_train, y_train .* missing y_train, found x_train"),
    ({"images": IMAGES}, r"missing x_train, y_train, found images"),
    ({"x_test": IMAGES}, r"expected x_test and y_test together; got x_test without y_test"),
    ({"y_test": LABELS}, r"expected x_test and y_test together; got y_test without x_test"),
    ({"y_train": LABELS[:50]}, r"y_train must have one label per sample; got 50 labels for 60 samples"),
    ({"y_train": LABELS + 0.5}, r"y_train must hold integer labels 0 \.\. classes - 1; got type float64"),
    ({"y_train": np.array(["a", "b"] * 30)}, r"y_train must hold integer labels .* got type <U1"),
    ({"y_train": np.eye(3)[LABELS]}, r"y_train must have the shape \(count,\), .* got \(60, 3\)"),
    ({"y_train": LABELS - 1}, r"y_train must hold labels 0 \.\. classes - 1; got -1 at sample 0"),
    ({"y_train": LABELS + 1}, r"without gaps; got 3 different labels from 1 to 3, but no 0"),
    ({"y_train": LABELS * 2}, r"without gaps; got 3 different labels from 0 to 4, but no 1"),
    ({"y_train": np.where(LABELS == 2, 2**40, LABELS)}, r"got 1099511627776 at sample 2"),
    ({"y_train": LABELS * 0}, r"y_train must hold at least 2 classes; got only label 0"),
    (
        {"x_train": np.zeros((0, 5, 4), dtype=np.uint8), "y_train": LABELS[:0]},
        r"at least one sample; got .*\(0, 5, 4\)",
    ),
    ({"x_train": np.zeros((60, 0))}, r"at least one sample; got the shape \(60, 0\)"),
    ({"x_train": np.zeros(60)}, r"x_train must have the shape \(count, features\), .* got \(60,\)"),
    ({"x_train": IMAGES / 255}, r"x_train must hold images as uint8 .* got type float64 .* values from 0 to 1"),
    ({"x_train": np.array([["a"]] * 60)}, r"x_train must hold numbers; got type <U1"),
    ({"x_train": np.where(TABLE[3, 2] == TABLE, np.nan, TABLE)}, r"finite float32 numbers; got nan in row 3, column 2"),
    ({"x_train": np.where(TABLE[0, 1] == TABLE, np.inf, TABLE)}, r"finite float32 numbers; got inf in row 0, column 1"),
    ({"x_train": np.where(TABLE[0, 1] == TABLE, 1e300, TABLE)}, r"got 1e\+300 in row 0, column 1"),
    (
        {"x_test": IMAGES[:, 1:], "y_test": LABELS},
        r"x_test must hold samples like .* \(1, 5, 4\); got \(1, 4, 4\)",
    ),
    ({"x_test": TABLE, "y_test": LABELS}, r"x_test must hold samples like .* got \(7,\)"),
    ({"x_test": IMAGES, "y_test": LABELS + 1}, r"y_test must hold labels 0 \.\. 2 as y_train does; got 3"),
]


@pytest.mark.parametrize(("arrays", "text"), BAD_ARRAYS, ids=range(len(BAD_ARRAYS)))
def test_arrays_that_cannot_be_used_are_refused_by_name(save, arrays, text):
    is_alone = set(arrays) in ({"images"}, {"x_train"}) and "missing" in text
    with pytest.raises(DataError, match=text):
        load_dataset(save(**(arrays if is_alone else {"x_train": IMAGES, "y_train": LABELS} | arrays)))


def test_ragged_samples_are_refused_without_unpickling(save):
    ragged = np.empty(60, dtype=object)
    ragged[:] = [[0] * (number % 3) for number in range(60)]
    with pytest.raises(DataError, match=r"set\.npz: .* equal shape; got Python objects \(ragged or pickled\)"):
        load_dataset(save(x_train=ragged, y_train=LABELS))


def test_too_few_samples_for_three_parts_are_refused(save):
    with pytest.raises(DataError, match=r"set: expected enough samples .* got 2 samples in 2 classes"):
        load_dataset(save(x_train=TABLE[:3], y_train=LABELS[:3] % 2))


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", r"expected data; the file is empty \(0 bytes\)"),
        (b"not an archive", r"set\.npz: .*Python objects|expected a NumPy archive"),
        (b"PK\x03\x04 but no more", r"expected a NumPy archive \(\.npz\); it can't be read"),
    ],
)
def test_files_that_are_no_archive_are_refused(tmp_path, content, text):
    path = tmp_path / "set.npz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=text):
        load_dataset(str(path))


def test_a_single_array_is_no_archive(tmp_path):
    with (tmp_path / "set.npz").open("wb") as file:
        np.save(file, IMAGES)
    with pytest.raises(DataError, match=r"expected an archive of named arrays .* got a single array"):
        load_dataset(str(tmp_path / "set.npz"))


def test_a_damaged_archive_is_refused_whatever_byte_is_lost(save):
    path = save(x_train=IMAGES, y_train=LABELS)
    with open(path, "rb") as file:
        content = file.read()
    for length in range(0, len(content), 97):
        with open(path, "wb") as file:
            file.write(content[:length])
        with pytest.raises(DataError, match=r"set\.npz"):
            load_dataset(path)


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path):
    with pytest.raises(DataError, match=r"none\.npz: no such file"):
        load_dataset(str(tmp_path / "none.npz"))
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(DataError, match=r"folder\.npz: expected a file; this is a folder"):
        load_dataset(str(tmp_path / "folder.npz"))


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("digit", r"unknown dataset 'digit'; did you mean 'digits'\?"),
        ("imagenet", r"unknown dataset 'imagenet'; known are digits, diabetes, the path of a file"),
        ("data/set.csv", r"data/set\.csv: no such file"),
        ("data/set.pdf", r"data/set\.pdf: expected a NumPy archive .* there is no such file or folder"),
    ],
)
def test_an_unknown_source_is_refused_with_the_nearest_name(source, text):
    with pytest.raises(DataError, match=text):
        load_dataset(source)


def test_another_kind_of_file_is_refused(tmp_path):
    (tmp_path / "set.txt").write_text("1,2\n")
    with pytest.raises(DataError, match=r"set\.txt: expected a NumPy archive .* the file is named otherwise"):
        load_dataset(str(tmp_path / "set.txt"))


def test_digits_need_no_file():
    data = load_dataset("digits")
    assert (data.name, data.classes, data.input_shape) == ("digits", 10, (1, 8, 8))
    assert (len(data.train), len(data.validation), len(data.test)) == (1150, 288, 359)
    assert (data.train.x.min(), data.train.x.max()) == (0, 16)
    assert data.fingerprint == load_dataset("digits").fingerprint == "0c074d70b2075017"


def test_whole_numbers_as_fractions_are_asked_about(save):
    path = save(x_train=TABLE, y_train=LABELS.astype(float))
    with pytest.raises(
        DataError, match=r"y_train holds 3 different whole numbers as float64 \(task\.kind: classification, or"
    ):
        load_dataset(path)
    assert load_dataset(path, DataOptions(kind="classification")).outputs == 3
    assert load_dataset(path, DataOptions(kind="regression")).outputs == 1


def test_arrays_that_are_not_read_are_told(save):
    data = load_dataset(save(x_train=TABLE, y_train=LABELS, x_val=TABLE, y_val=LABELS, ids=LABELS))
    assert data.notes == (
        "the archive's arrays x_val, y_val are left out: only x_train, y_train, x_test, y_test are read",
    )


@pytest.mark.parametrize("part", ["validation", "test"])
@pytest.mark.parametrize("name", ["nowhere", "folder", "below.csv/x", "n" * 300, "n" * 300 + ".csv", "/dev/full"])
def test_a_further_part_that_can_t_be_read_is_a_sentence(tmp_path, part, name):
    (tmp_path / "below.csv").write_text("a,label\n" + "".join(f"{row},{row % 2}\n" for row in range(60)))
    (tmp_path / "folder").mkdir()
    options = DataOptions(target="label", **{part: str(tmp_path / name)})
    with pytest.raises(DataError, match=r"expected a file|expected a text file|there is no|can't be read"):
        load_dataset(str(tmp_path / "below.csv"), options)
