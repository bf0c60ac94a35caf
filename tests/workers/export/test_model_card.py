import pytest
from gasearch_workers.export.model_card import model_card

CONTENT = {
    "blueprint": {"family": "text", "layers": [{}, {}]},
    "input": {"name": "input", "dtype": "int32", "shape": ["batch", 7], "columns": []},
    "output": {"name": "logits", "dtype": "float32", "shape": ["batch", 2], "labels": ["neg|ative", "positive"]},
    "steps": [
        {"name": "embedding0", "weights": 40, "kept_weights": None, "weight_bits": 4, "computes_in": "integers"},
        {"name": "head", "weights": 20, "kept_weights": 5, "weight_bits": 32, "computes_in": "float"},
        {"name": "pool", "weights": 0, "kept_weights": None, "weight_bits": None, "computes_in": "integers"},
    ],
    "files": {"model.onnx": {"bytes": 1234}, "model.gap": {"bytes": 99}},
    "description": {},
}
ROW = {"threshold": 0.4, "precision": 0.5, "recall": 1.0, "f1": 0.6667}
STORY = {
    "key": "0a1b",
    "seed": 7,
    "recipe": {"epochs": 3, "teacher": None},
    "data": {"name": "reviews", "kind": "classification", "validation": 30, "test": 1050, "fingerprint": "f00d"},
    "claimed": {"accuracy": 0.91, "model_bytes": 99, "macs": 3.0},
    "measured": {
        "validation_accuracy": 0.9, "test_accuracy": 0.875, "test_auc": 0.5,
        "latency_ms": 0.01, "latency_spread_ms": 0.002, "latency_device": "a CPU",
    },
    "test_classes": [{"label": "neg|ative", "precision": 1.0, "recall": 0.5, "f1": 0.6667, "support": 8}],
    "test_confusion": [[3, 1], [0, 4]],
    "thresholds": {"validation": [ROW], "best": 0.4, "test": {**ROW, "recall": 0.25}},
    "provenance": {"search": {"name": "mine"}, "versions": {"torch": "2.13"}, "commit": "abc-dirty"},
}  # fmt: skip


def card(**story):
    return model_card(CONTENT | {"description": story})


@pytest.fixture
def full():
    return card(**STORY)


def test_it_says_what_the_network_is(full):
    assert full.startswith("# Network 0a1b\n")
    assert "of the family `text` for classification on reviews: 2 layers, 45 weights (4-bit, float)" in full
    assert "Output: `logits`, float32 (batch, 2), with the labels `neg|ative`, `positive`" in full


def test_each_number_stands_beside_its_split(full):
    assert "| score | claimed, validation | `model.onnx`, validation | `model.onnx`, test |" in full
    assert "|  | 30 samples | 30 samples | 1,050 samples |" in full
    assert "| accuracy | 0.9100 | 0.9000 | 0.8750 |" in full
    assert "| auc | - | - | 0.5000 |" in full
    assert "on a CPU: 0.01 ± 0.002 ms by ONNX Runtime" in full


def test_classes_confusion_and_thresholds_are_tables(full):
    assert "| neg\\|ative | 1.0000 | 0.5000 | 0.6667 | 8 |" in full
    assert "| true \\ predicted | neg\\|ative | positive |" in full
    assert "| positive | 0 | 4 |" in full
    assert "## Thresholds for `positive`, on the validation split" in full
    assert "| 0.4000 | 0.5000 | 1.0000 | 0.6667 |" in full
    assert "At that threshold the test split has precision 0.5000, recall 0.2500, F1 0.6667." in full


def test_it_says_where_the_network_comes_from_and_its_limits(full):
    assert "| search | mine |" in full
    assert "| recipe | epochs 3 |" in full
    assert "| commit of gasearch | abc-dirty |" in full
    assert "- These steps compute in float: `head`." in full


def test_of_what_is_not_known_nothing_is_said():
    bare = card()
    assert bare.startswith("# Network\n")
    for title in ("Numbers", "Each class", "Confusion", "Thresholds", "How it was made"):
        assert f"## {title}" not in bare
    assert "| `model.onnx` | 1,234 |" in bare


def test_a_large_confusion_matrix_is_left_to_the_description():
    assert "## Confusion" not in card(**STORY | {"test_confusion": [[0] * 30] * 30})


def test_names_of_the_data_are_no_markup():
    name = "a|b\n# <script>alert(1)</script> [x](http://y) `c` \\"
    shown = "a\\|b # &lt;script&gt;alert(1)&lt;/script&gt; \\[x\\](http://y) \\`c\\` \\\\"
    output = CONTENT["output"] | {"labels": [name, "positive"]}
    story = STORY | {
        "data": STORY["data"] | {"name": name},
        "test_classes": [STORY["test_classes"][0] | {"label": name}],
    }
    found = model_card(CONTENT | {"description": story, "output": output})
    assert f"for classification on {shown}: 2 layers" in found
    assert f"| {shown} | 1.0000 |" in found
    assert f"| true \\ predicted | {shown} | positive |" in found
    assert f"| data | {shown} |" in found
    assert "with the labels `a|b # <script>alert(1)</script> [x](http://y) 'c' \\`, `positive`" in found
    assert not any(line.startswith("# <") for line in found.splitlines())


def test_the_c_form_stands_with_how_it_is_compiled_and_what_it_takes():
    content = CONTENT | {"files": {"model.c": {"bytes": 5}, "model.h": {"bytes": 5}}}
    found = [
        {"cpu": "cortex-m4", "toolchain": "arm-none-eabi-gcc 12.2.1", "flash_bytes": 6644, "code_bytes": 2168,
         "ram_bytes": 4064, "absent": {"instructions": "no emulator", "stack_bytes": "no emulator"}},
    ]  # fmt: skip
    text = model_card(content | {"description": {"firmware": found}})
    assert "## In firmware" in text
    assert "arm-none-eabi-gcc -std=c99 -Os -mcpu=cortex-m4" in text
    assert "| cortex-m4 | arm-none-eabi-gcc 12.2.1 | 6,644 | 2,168 | 4,064 | - | - |" in text
    assert "What has no number could not be measured: no emulator." in text
    assert "no cross compiler for ARM was there" in model_card(content | {"description": {}})
    assert "## In firmware" not in model_card(CONTENT)
