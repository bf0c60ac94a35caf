"""`README.md` of an artifact: its model card, made of what `model.json` says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from gasearch_workers.messages import FULL_PRECISION

Content = Mapping[str, Any]

_MARKUP: Final = "\\|`*[]"  #: What a backslash takes its meaning from.
MOST_CLASSES: Final = 20  #: Of a confusion matrix that is shown; larger ones stand in `model.json` alone.
_WHAT_FILES_ARE: Final = {
    "model.onnx": "integer kernels of ONNX Runtime; the exact form, and the one whose numbers stand here",
    "model.qdq.onnx": "quantize and dequantize nodes of the ONNX standard, for OpenVINO and others",
    "model.tflite": "LiteRT and TensorFlow Lite Micro",
    "model.c": "C99 for firmware, without dependencies or heap",
    "model.h": "its function and sizes",
    "vectors.h": "samples for a test on the device, with their outputs",
    "model.gap": "weights packed at their own bits: the search's `model_bytes`",
    "model.safetensors": 'weights of the torch module that `gasearch.load(".")` gives',
    "vocabulary.json": "what the codes of the input stand for, a list per column",
    "predict.py": "a program that predicts, by NumPy and ONNX Runtime alone",
}


def model_card(content: Content) -> str:
    """The card as Markdown.

    Args:
        content: Of `model.json`; its description may lack any part, which then is left out.
    """
    story = content["description"]
    parts = [
        _head(content, story),
        _numbers(story),
        _classes(story),
        _confusion(content, story),
        _thresholds(content, story),
        _running(content),
        _firmware(content, story),
        _making(story),
        _limits(content),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(content: Content, story: Content) -> str:
    blueprint, data = content["blueprint"], story.get("data", {})
    weights = sum(
        step["weights"] if step["kept_weights"] is None else step["kept_weights"] for step in content["steps"]
    )
    bits = sorted({step["weight_bits"] for step in content["steps"] if step["weight_bits"]})
    said = ["float" if bit == FULL_PRECISION else f"{bit}-bit" for bit in bits]
    task = f" for {data['kind']} on {_plain(data['name'])}" if {"kind", "name"} <= data.keys() else ""
    text = (
        f"# Network {story['key']}" if "key" in story else "# Network",
        f"A network of the family `{blueprint['family']}`{task}: {len(blueprint['layers'])} layers, {weights:,} "
        f"weights ({', '.join(said)}), found by gasearch and trained with fake quantization.",
        f"Input: {_tensor(content['input'])}{_names('columns', content['input']['columns'])}. "
        f"Output: {_tensor(content['output'])}{_names('labels', content['output']['labels'])}.",
    )
    return "\n\n".join(text)


def _tensor(described: Content) -> str:
    shape = ", ".join(map(str, described["shape"]))
    return f"`{described['name']}`, {described['dtype']} ({shape})"


def _names(what: str, names: Sequence[str]) -> str:
    if not names:
        return ""
    shown = ", ".join(_code(name) for name in names[:MOST_CLASSES])
    rest = len(names) - MOST_CLASSES
    return f", with the {what} {shown}" + (f" and {rest} more" if rest > 0 else "")


def _numbers(story: Content) -> str:
    """Scores by split: what the search claims, and what the written graph gives."""
    claimed, measured, data = (story.get(name, {}) for name in ("claimed", "measured", "data"))
    names = [name.removeprefix("test_") for name in measured if name.startswith("test_")]
    if not names:
        return ""
    rows = [
        (name, claimed.get(name), measured.get(f"validation_{name}"), measured.get(f"test_{name}")) for name in names
    ]
    samples = [f"{data[part]:,} samples" if part in data else "" for part in ("validation", "validation", "test")]
    titles = ("score", "claimed, validation", "`model.onnx`, validation", "`model.onnx`, test")
    table = [titles, ("", *samples), *((name, *map(_number, values)) for name, *values in rows)]
    lines = ["## Numbers", "", *_table(table), "", _costs(claimed, measured)]
    return "\n".join(lines).rstrip()


def _costs(claimed: Content, measured: Content) -> str:
    said = []
    if "model_bytes" in claimed:
        said.append(f"Packed it weighs {claimed['model_bytes']:,.0f} bytes.")
    if "macs" in claimed:
        said.append(f"An inference takes {claimed['macs']:,.0f} multiply-accumulates.")
    if "latency_ms" in measured:
        said.append(
            f"Latency at batch 1, one thread, on {measured['latency_device']}: "
            f"{measured['latency_ms']:.4g} ± {measured['latency_spread_ms']:.2g} ms by ONNX Runtime."
        )
    return " ".join(said)


def _classes(story: Content) -> str:
    rows = story.get("test_classes")
    if not rows:
        return ""
    titles = ("class", "precision", "recall", "F1", "support")
    cells = [
        (_plain(row["label"]), *(_number(row[name]) for name in ("precision", "recall", "f1", "support")))
        for row in rows
    ]
    return "\n".join(["## Each class, on the test split", "", *_table([titles, *cells])])


def _confusion(content: Content, story: Content) -> str:
    matrix = story.get("test_confusion")
    if not matrix or len(matrix) > MOST_CLASSES:
        return ""
    labels = [_plain(label) for label in content["output"]["labels"]] or [str(number) for number in range(len(matrix))]
    rows = [("true \\ predicted", *labels)]
    rows += [(label, *map(str, counts)) for label, counts in zip(labels, matrix, strict=True)]
    return "\n".join(["## Confusion, on the test split", "", *_table(rows)])


def _thresholds(content: Content, story: Content) -> str:
    found = story.get("thresholds")
    if not found:
        return ""
    label = content["output"]["labels"][1] if content["output"]["labels"] else "1"
    names = ("threshold", "precision", "recall", "f1")
    rows = [names, *(tuple(_number(row[name]) for name in names) for row in found["validation"])]
    best, test = found["best"], found["test"]
    return "\n".join(
        [
            f"## Thresholds for {_code(label)}, on the validation split",
            "",
            f"A sample counts as {_code(label)} if its probability is at least the threshold.",
            "",
            *_table(rows),
            "",
            f"The best F1 is at {_number(best)}. At that threshold the test split has precision "
            f"{_number(test['precision'])}, recall {_number(test['recall'])}, F1 {_number(test['f1'])}.",
        ]
    )


def _running(content: Content) -> str:
    files = {name: entry["bytes"] for name, entry in content["files"].items()}
    rows = [
        ("file", "bytes", "for"),
        *((f"`{n}`", f"{size:,}", _WHAT_FILES_ARE.get(n, "")) for n, size in files.items()),
    ]
    lines = [
        "## How to run it",
        "",
        "```sh",
        "pip install numpy onnxruntime",
        "python predict.py FILE",
        "```",
        "",
        "Its first lines say what FILE is; `model.json` says how a raw sample is encoded. `gasearch verify .` runs",
        "each form in every runtime that is installed, and compares what comes out with what stands here.",
        "",
        *_table(rows),
    ]
    return "\n".join(lines)


def _firmware(content: Content, story: Content) -> str:
    """How the C form is built and called, and what it takes."""
    if "model.c" not in content["files"]:
        return ""
    titles = ("CPU", "compiler", "flash", "of it code", "RAM", "stack", "instructions")
    names = ("flash_bytes", "code_bytes", "ram_bytes", "stack_bytes", "instructions")
    found = story.get("firmware", ())
    rows = [(one["cpu"], one.get("toolchain", "-"), *(_count(one.get(name)) for name in names)) for one in found]
    reasons = dict.fromkeys(reason for one in found for reason in one.get("absent", {}).values())
    sizes = [
        "Compiled with `-Os` and linked alone, without a floating-point unit, it takes so many bytes and, for one",
        "inference, instructions. The sample and the outputs are the caller's:",
        "",
        *_table([titles, *rows]),
        *(f"\nWhat has no number could not be measured: {_plain(reason)}." for reason in reasons),
    ]
    lines = [
        "## In firmware",
        "",
        "```sh",
        "arm-none-eabi-gcc -std=c99 -Os -mcpu=cortex-m4 -mthumb -ffunction-sections -fdata-sections -c model.c",
        "```",
        "",
        "`model.h` has the function `gasearch_predict` and its sizes, `vectors.h` samples with the outputs that every",
        "compiler and CPU must give for them, to the last bit.",
        "",
        *(sizes if rows else ["Flash, RAM and instructions were not measured: no cross compiler for ARM was there."]),
    ]
    return "\n".join(lines)


def _count(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _making(story: Content) -> str:
    data, made, recipe = story.get("data", {}), story.get("provenance", {}), story.get("recipe", {})
    search = made.get("search", {})
    rows = [
        ("search", search.get("name")),
        ("seed of the training", story.get("seed")),
        ("data", data.get("name")),
        ("fingerprint of the data", data.get("fingerprint")),
        ("training, validation, test", ", ".join(f"{data[part]:,}" for part in _SPLITS if part in data)),
        ("recipe", ", ".join(f"{name} {value}" for name, value in recipe.items() if value is not None)),
        ("versions", ", ".join(f"{name} {version}" for name, version in made.get("versions", {}).items())),
        ("commit of gasearch", made.get("commit")),
    ]
    known = [(name, _plain(value)) for name, value in rows if value not in (None, "")]
    return "\n".join(["## How it was made", "", *_table([("", ""), *known])]) if known else ""


_SPLITS = ("train", "validation", "test")


def _limits(content: Content) -> str:
    """What whoever uses it should know; nothing here is special to the data, of which we know nothing."""
    in_float = [step["name"] for step in content["steps"] if step["computes_in"] == "float"]
    lines = [
        "## Limits",
        "",
        "- The numbers hold for samples like those of the data. On others nothing is known; nobody looked at fairness,",
        "  robustness, or inputs that are made to mislead.",
        "- Probabilities are not calibrated.",
        "- Scores on the validation split are flattered: the search chose by them. Go by the test split.",
        "- Few bits save bytes; below 8 bits CPUs compute no faster.",
    ]
    if in_float:
        lines.append(f"- These steps compute in float: {', '.join(f'`{name}`' for name in in_float)}.")
    return "\n".join(lines)


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    first, *others = rows
    for row in (first, ["---"] * len(first), *others):
        yield f"| {' | '.join(row)} |"


def _plain(text: object) -> str:
    """A name as a reader of Markdown sees it: on one line, no tag, link or cell of a table."""
    marked = "".join(f"\\{sign}" if sign in _MARKUP else sign for sign in " ".join(str(text).split()))
    return marked.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _code(name: str) -> str:
    return f"`{' '.join(name.split()).replace('`', chr(39))}`"


def _number(value: object) -> str:
    match value:
        case None:
            return "-"
        case float():
            return f"{value:.4f}"
        case _:
            return str(value)
