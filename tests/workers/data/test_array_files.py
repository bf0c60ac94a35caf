import numpy as np
import pytest
from gasearch_workers.data import DataError, DataOptions, load_dataset

RNG = np.random.default_rng(0)
LABELS = np.arange(60) % 3
IMAGES = RNG.integers(0, 256, (60, 5, 4), dtype=np.uint8)
TABLE = RNG.normal(size=(60, 7))


def test_a_file_without_a_test_part_is_split_three_ways(save_arrays):
    data = load_dataset(save_arrays(x_train=IMAGES, y_train=LABELS))
    assert (len(data.train), len(data.validation), len(data.test)) == (38, 10, 12)
    assert (data.name, data.classes, data.input_shape) == ("set", 3, (1, 5, 4))
    assert data.train.x.dtype == np.uint8


def test_a_given_test_part_is_kept_as_it_is(save_arrays):
    data = load_dataset(save_arrays(x_train=IMAGES, y_train=LABELS, x_test=IMAGES[:6], y_test=LABELS[:6]))
    assert (len(data.train), len(data.validation)) == (48, 12)
    assert (data.test.x[:, 0] == IMAGES[:6]).all()
    assert (data.test.y == LABELS[:6]).all()


def test_validation_takes_at_most_ten_thousand_samples(save_arrays):
    data = load_dataset(save_arrays(x_train=np.zeros((75_000, 1)), y_train=np.arange(75_000) % 2))
    assert (len(data.train), len(data.validation), len(data.test)) == (50_000, 10_000, 15_000)


def test_splits_are_the_same_in_every_run_and_change_with_the_seed(save_arrays):
    path = save_arrays(x_train=TABLE, y_train=LABELS)
    first, again, other = (load_dataset(path, seed=seed) for seed in (0, 0, 1))
    assert (first.validation.x == again.validation.x).all()
    assert not (first.validation.x == other.validation.x).all()
    assert first.fingerprint == again.fingerprint == other.fingerprint


def test_the_axis_of_channels_is_for_images_of_four_axes(save_arrays):
    with pytest.raises(
        DataError, match=r"task\.channels is for images of four axes; got x_train of the shape \(60, 5, 4"
    ):
        load_dataset(save_arrays(x_train=IMAGES, y_train=LABELS), DataOptions(channels="last"))


def test_options_that_arrays_cannot_heed_are_refused(save_arrays):
    with pytest.raises(DataError, match=r"set\.npz: arrays have no named columns .*; got task\.target = 'y'"):
        load_dataset(save_arrays(x_train=TABLE, y_train=LABELS), DataOptions(target="y"))


def test_a_test_part_that_leaves_a_class_out_is_refused(save_arrays):
    with pytest.raises(
        DataError, match=r"set: the test part must hold every class; it leaves out 2, of which the train"
    ):
        load_dataset(save_arrays(x_train=TABLE, y_train=LABELS, x_test=TABLE, y_test=LABELS % 2))


def test_ragged_samples_are_refused_without_unpickling(save_arrays):
    ragged = np.empty(60, dtype=object)
    ragged[:] = [[0] * (number % 3) for number in range(60)]
    with pytest.raises(DataError, match=r"set\.npz: .* equal shape; got Python objects \(ragged or pickled\)"):
        load_dataset(save_arrays(x_train=ragged, y_train=LABELS))


def test_too_few_samples_for_three_parts_are_refused(save_arrays):
    with pytest.raises(DataError, match=r"set: expected enough samples .* got 2 samples in 2 classes"):
        load_dataset(save_arrays(x_train=TABLE[:3], y_train=LABELS[:3] % 2))


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


def test_a_damaged_archive_is_refused_whatever_byte_is_lost(save_arrays):
    path = save_arrays(x_train=IMAGES, y_train=LABELS)
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


def test_arrays_that_are_not_read_are_told(save_arrays):
    data = load_dataset(save_arrays(x_train=TABLE, y_train=LABELS, x_val=TABLE, y_val=LABELS, ids=LABELS))
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
