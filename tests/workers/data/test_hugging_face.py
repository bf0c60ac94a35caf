import json

import numpy as np
import pytest
from gasearch_workers.data import DataError, DataOptions, load_dataset

RNG = np.random.default_rng(0)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """The library, with a cache of its own and without a progress bar."""
    library = pytest.importorskip("datasets", reason="the library datasets isn't installed")
    monkeypatch.setattr(library.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    library.disable_progress_bars()
    return library


def save(hub, folder, features: dict, **parts: dict) -> str:
    """The source of a dataset that was saved to disk."""
    kinds = hub.Features(features)
    splits = {name: hub.Dataset.from_dict(columns, features=kinds) for name, columns in parts.items()}
    hub.DatasetDict(splits).save_to_disk(str(folder / "saved"))
    return f"hf:{folder / 'saved'}"


def sentences(count: int) -> dict:
    return {
        "sentence": [["a bad film", "a good film"][n % 2] for n in range(count)],
        "label": [n % 2 for n in range(count)],
    }


def test_sentences_of_hugging_face_keep_their_parts_and_names(hub, tmp_path):
    features = {"sentence": hub.Value("string"), "label": hub.ClassLabel(names=["neg", "pos"])}
    source = save(hub, tmp_path, features, train=sentences(40), validation=sentences(8), test=sentences(6))
    data = load_dataset(source)
    assert (data.name, data.input_kind, data.labels) == ("saved", "tokens", ("neg", "pos"))
    assert (len(data.train), len(data.validation), len(data.test)) == (40, 8, 6)
    assert data.vocabularies[0][2:4] == ("a", "film")


def test_a_part_with_hidden_labels_is_left_out_and_it_is_said(hub, tmp_path):
    features = {"sentence": hub.Value("string"), "label": hub.ClassLabel(names=["neg", "pos"])}
    hidden = sentences(6) | {"label": [-1] * 6}
    data = load_dataset(save(hub, tmp_path, features, train=sentences(40), test=hidden))
    assert data.notes == ("the test split of the source is left out: it has no labels",)
    assert len(data.test) == 8


def test_plain_columns_of_hugging_face_are_a_table(hub, tmp_path):
    features = {"size": hub.Value("float64"), "colour": hub.Value("string"), "price": hub.Value("float32")}
    columns = {
        "size": [None if n == 3 else n / 2 for n in range(40)],
        "colour": [["red", "blue", None][n % 3] for n in range(40)],
        "price": [n * 1.5 for n in range(40)],
    }
    data = load_dataset(save(hub, tmp_path, features, train=columns), DataOptions(target="price"))
    assert (data.kind, data.columns, data.categories) == ("regression", ("size", "colour"), (3,))


def test_words_and_tags_of_hugging_face_are_tagged_sentences(hub, tmp_path):
    tags = hub.ClassLabel(names=["O", "B-place"])
    features = {"tokens": hub.Sequence(hub.Value("string")), "ner_tags": hub.Sequence(tags)}
    columns = {"tokens": [["to", "Rome"], ["here"]] * 20, "ner_tags": [[0, 1], [0]] * 20}
    data = load_dataset(save(hub, tmp_path, features, train=columns))
    assert (data.kind, data.labels, data.input_shape) == ("tagging", ("B-place", "O"), (2, 2))
    columns["ner_tags"][2] = [0]
    with pytest.raises(DataError, match=r"saved\[train\]:3: expected one tag per token, 2; got 1"):
        load_dataset(save(hub, tmp_path / "other", features, train=columns))


def test_images_of_hugging_face_must_have_one_size(hub, tmp_path):
    features = {"image": hub.Image(), "label": hub.ClassLabel(names=["x", "y"])}
    pixels = [RNG.integers(0, 256, (6, 5, 3), dtype=np.uint8) for _ in range(40)]
    columns = {"image": pixels, "label": [n % 2 for n in range(40)]}
    data = load_dataset(save(hub, tmp_path, features, train=columns, test=columns))
    assert (data.input_shape, data.labels) == ((3, 6, 5), ("x", "y"))
    assert (data.test.x[7] == pixels[7].transpose(2, 0, 1)).all()
    pixels[4] = pixels[4][:5]
    with pytest.raises(
        DataError, match=r"saved\[train\]:5: expected an image of the shape \(6, 5, 3\) .* got \(5, 5, 3"
    ):
        load_dataset(save(hub, tmp_path / "other", features, train=columns))


def test_a_name_is_read_from_the_cache_without_asking_the_network(hub, tmp_path):
    rows = [{"text": f"word{n % 4} {'good' if n % 2 else 'bad'}", "label": "yes" if n % 2 else "no"} for n in range(40)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    hub.load_dataset("json", data_files=str(tmp_path / "rows.jsonl"), cache_dir=str(tmp_path / "cache"))
    (made,) = (tmp_path / "cache" / "json").glob("*/*/*/dataset_info.json")
    target = tmp_path / "cache" / "owner___tiny" / "small" / "0.0.0" / ("0" * 40)
    target.parent.mkdir(parents=True)
    made.parent.rename(target)
    info = json.loads((target / "dataset_info.json").read_text())
    changed = info | {"dataset_name": "tiny", "config_name": "small", "builder_name": "parquet"}
    (target / "dataset_info.json").write_text(json.dumps(changed))
    (target / "json-train.arrow").rename(target / "tiny-train.arrow")
    before = (hub.config.HF_HUB_OFFLINE, hub.config.HF_DATASETS_OFFLINE)
    data = load_dataset("hf:owner/tiny/small")
    assert (data.labels, len(data.train) + len(data.validation) + len(data.test)) == (("no", "yes"), 40)
    assert load_dataset("hf:owner/tiny").fingerprint == data.fingerprint
    assert before == (hub.config.HF_HUB_OFFLINE, hub.config.HF_DATASETS_OFFLINE)


def test_a_name_that_was_never_loaded_is_refused(hub):
    for name in ("no_such_set", "nobody/no_such_set", "nobody/no_such_set/small"):
        with pytest.raises(
            DataError, match=rf"hf:{name}: expected a saved folder or a dataset in the cache of Hugging"
        ):
            load_dataset(f"hf:{name}")
