"""`predict.py`: the program of an artifact that predicts from a file of raw samples, by NumPy and ONNX Runtime alone.

It is put together of a part that opens the network, one that encodes samples of the input's kind, and one that prints
what the outputs mean. `docs/deploy.md` explains the same steps at length.
"""

from __future__ import annotations

from typing import Any, Final

_OPENING: Final = '''"""Predict with the network in this folder: python predict.py FILE

FILE is {what}.
It prints a line for each sample, and needs NumPy and ONNX Runtime alone.
"""

{imports}
from pathlib import Path

import numpy as np
import onnxruntime

WHAT = "{what}"
FOLDER = Path(__file__).resolve().parent
ABOUT = json.loads((FOLDER / "model.json").read_text(encoding="utf-8"))
INPUT, OUTPUT = ABOUT["input"], ABOUT["output"]
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
for name, value in ABOUT["session_options"].items():
    options.add_session_config_entry(name, value)
SESSION = onnxruntime.InferenceSession(FOLDER / "model.onnx", options, providers=["CPUExecutionProvider"])
'''
_CODES: Final = """WORDS = json.loads((FOLDER / "vocabulary.json").read_text(encoding="utf-8"))
CODES = [{word: code for code, word in enumerate(words)} for words in WORDS]
"""

_IMAGES: Final = """

def encode(file):
    channels, height, width = INPUT["shape"][1:]
    images = np.load(file)
    if images.shape[-3:] == (height, width, channels) != (channels, height, width):
        images = np.moveaxis(images, -1, -3)  # the channels come first
    if images.shape[-3:] != (channels, height, width) and (channels > 1 or images.shape[-2:] != (height, width)):
        raise ValueError(f"images are {(channels, height, width)} (channels, height, width); got {images.shape}")
    return images.reshape(-1, channels, height, width)
"""
_NUMBERS: Final = """

def encode(file):
    rows, columns = np.load(file).astype(np.float64), INPUT["shape"][1:]
    if list(rows.shape[-1:]) != columns:
        raise ValueError(f"numbers are (count, {columns[0]}); got {rows.shape}")
    return rows.reshape(-1, *columns) - INPUT["offsets"]
"""
_SENTENCES: Final = """

def encode(file):
    length, samples = INPUT["shape"][1], []
    for sentence in Path(file).read_text(encoding="utf-8").splitlines():
        words = re.findall(INPUT["token_pattern"], sentence.lower() if INPUT["is_lower"] else sentence)
        codes = [CODES[0].get(word, 1) for word in words[:length]]  # 1: a word that it doesn't know
        samples.append(codes + [0] * (length - len(codes)))  # 0: behind the end
    return samples
"""
_TAGGED: Final = """
SENTENCES = []  # the tokens of each


def shape_of(token):
    if len(token) > 1 and token[0] in "@#":
        return "@mention" if token[0] == "@" else "#hashtag"
    if token.lower().startswith(("http://", "https://", "www.")):
        return "URL"
    if not any(map(str.isalnum, token)):
        return "punctuation"
    if any(map(str.isdigit, token)):
        return "with-digit" if any(map(str.isalpha, token)) else "digits"
    if token.islower():
        return "lower"
    if token.isupper():
        return "Single" if len(token) == 1 else "UPPER"
    if token.istitle() or (token[:1].isupper() and token[1:].islower()):
        return "Title"
    return "mixedCase" if token.lower() != token.upper() else "other"


def encode(file):
    length, samples = INPUT["shape"][1], []
    for sentence in Path(file).read_text(encoding="utf-8").splitlines():
        SENTENCES.append(re.findall(INPUT["token_pattern"], sentence))
        words = [(word.lower() if INPUT["is_lower"] else word, shape_of(word)) for word in SENTENCES[-1][:length]]
        codes = [[CODES[0].get(word, 1), CODES[1][shape]] for word, shape in words]
        samples.append(codes + [[0, 0]] * (length - len(codes)))
    return samples
"""
_ROWS: Final = """

def number(cell, form):
    text = cell.strip()
    is_negative = text.startswith("(") and text.endswith(")")
    text = text[1:-1] if is_negative else text
    for mark in form["removed"]:
        text = text.replace(mark, "")
    value = float(text.replace(form["decimal"], ".").replace("\\u2212", "-"))
    return -value if is_negative else value


def encode(file):
    count = len(INPUT["missing_numbers"])
    numeric, named = INPUT["columns"][:count], INPUT["columns"][count:]
    samples = []
    with open(file, newline="", encoding="utf-8-sig") as lines:
        for row in csv.DictReader(lines, delimiter="\\t" if str(file).endswith(".tsv") else ","):
            sample = []
            reading = zip(numeric, INPUT["missing_numbers"], INPUT["offsets"], INPUT["formats"])
            for column, mean, offset, form in reading:
                cell = (row.get(column) or "").strip()
                sample.append(mean if cell in ("", *INPUT["missing"]) else number(cell, form) - offset)
            for column, codes, is_boolean in zip(named, CODES, INPUT["is_boolean"]):
                cell = (row.get(column) or "").strip()
                if is_boolean:
                    codes, cell = {word.lower(): code for word, code in codes.items()}, cell.lower()
                sample.append(codes.get(cell, 0))
            samples.append(sample)
    return samples
"""
_PAIRS: Final = """

def encode(file):
    with open(file, newline="", encoding="utf-8-sig") as lines:
        rows = list(csv.DictReader(lines, delimiter="\\t" if str(file).endswith(".tsv") else ","))
    return [[codes[row[column].strip()] for column, codes in zip(INPUT["columns"], CODES)] for row in rows]
"""

_CLASS: Final = """

def meaning(outputs, number):
    powers = np.exp(outputs - outputs.max())
    label = int(outputs.argmax())
    return f"{OUTPUT['labels'][label] if OUTPUT['labels'] else label}\\t{powers[label] / powers.sum():.4f}"
"""
_VALUE: Final = """

def meaning(outputs, number):
    return repr(float(outputs[0]) + OUTPUT.get("offset", 0.0))
"""
_TAGS: Final = """

def meaning(outputs, number):
    tags = [OUTPUT["labels"][tag] for tag in outputs.argmax(axis=-1)]
    tokens = SENTENCES[number]
    return " ".join(f"{token}/{tag}" for token, tag in zip(tokens, tags + ["O"] * len(tokens)))
"""

_RUNNING: Final = """

if len(sys.argv) != 2:
    print(__doc__.strip(), file=sys.stderr)
    sys.exit(2)
try:
    samples = np.asarray(encode(sys.argv[1]), INPUT["dtype"])
except KeyError as error:
    print(f"{sys.argv[1]}: no such column, or not known to the network: {error}", file=sys.stderr)
    sys.exit(2)
except (OSError, ValueError) as error:
    print(f"{sys.argv[1]} can't be read as {WHAT}: {error}", file=sys.stderr)
    sys.exit(2)
for number, outputs in enumerate(SESSION.run(None, {INPUT["name"]: samples})[0] if len(samples) else ()):
    print(meaning(outputs, number))
"""


def predict_program(content: dict[str, Any]) -> str:
    """The program's text.

    Args:
        content: Of `model.json`.
    """
    given, is_number = content["input"], content["output"]["name"] == "prediction"
    meaning = _VALUE if is_number else _TAGS if len(content["output"]["shape"]) == 3 else _CLASS
    imports, encoding, what = _encoding(content)
    codes = _CODES if given["vocabulary"] else ""
    names = "\n".join(f"import {name}" for name in sorted({"json", "sys", *imports}))
    opening = _OPENING.replace("{what}", what).replace("{imports}", names)
    return opening + codes + encoding + meaning + _RUNNING


def _encoding(content: dict[str, Any]) -> tuple[tuple[str, ...], str, str]:
    """The libraries, the program's part that encodes, and what a file of raw samples is.

    No name of the data's becomes part of the program: what stands in a data file is never run.
    """
    given = content["input"]
    match given["kind"]:
        case "image":
            return (
                (),
                _IMAGES,
                "an .npy file of images, uint8 (count, height, width), or with the channels first or last",
            )
        case "tokens" if len(content["output"]["shape"]) == 3:
            return ("re",), _TAGGED, "a text in UTF-8, a sentence a line"
        case "tokens":
            return ("re",), _SENTENCES, "a text in UTF-8, a sentence a line"
        case "table" if not given["columns"]:
            return (), _NUMBERS, "an .npy file of numbers (count, columns)"
        case "table":
            return ("csv",), _ROWS, "a CSV file (or TSV) with the columns that model.json names"
        case _:
            return ("csv",), _PAIRS, "a CSV file (or TSV) with the columns that model.json names"
