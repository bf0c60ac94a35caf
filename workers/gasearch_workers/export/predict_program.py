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
_NO_CODES: Final = "CODES = []  # every column is of numbers\n"

_ARRAY: Final = """

def array_in(file):
    array = np.load(file)
    if not isinstance(array, np.ndarray):
        raise ValueError(f"it holds several arrays: {', '.join(array)}; save one of them by numpy.save")
    return array
"""
_IMAGES: Final = """

def encode(file):
    channels, height, width = INPUT["shape"][1:]
    images = array_in(file)
    if images.dtype != np.uint8:
        raise ValueError(f"images are uint8, from 0 to 255; got {images.dtype}")
    if images.shape[-3:] == (height, width, channels) != (channels, height, width):
        images = np.moveaxis(images, -1, -3)  # the channels come first
    if images.shape[-3:] != (channels, height, width) and (channels > 1 or images.shape[-2:] != (height, width)):
        raise ValueError(f"images are {(channels, height, width)} (channels, height, width); got {images.shape}")
    return images.reshape(-1, channels, height, width)
"""
_NUMBERS: Final = """

def encode(file):
    rows, columns = array_in(file).astype(np.float64), INPUT["shape"][1:]
    if list(rows.shape[-1:]) != columns:
        raise ValueError(f"numbers are (count, {columns[0]}); got {rows.shape}")
    if not np.isfinite(rows).all():
        raise ValueError("numbers are finite; some of these are not")
    return rows.reshape(-1, *columns) - INPUT["offsets"]
"""
_LINES: Final = """

def lines_of(file):  # str.splitlines would end a line at marks that stand within sentences, too
    return Path(file).read_text(encoding="utf-8-sig").removesuffix("\\n").split("\\n")
"""
_SENTENCES: Final = """

def encode(file):
    length, samples = INPUT["shape"][1], []
    for sentence in lines_of(file):
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
    for sentence in lines_of(file):
        SENTENCES.append(re.findall(INPUT["token_pattern"], sentence))
        words = [(word.lower() if INPUT["is_lower"] else word, shape_of(word)) for word in SENTENCES[-1][:length]]
        codes = [[CODES[0].get(word, 1), CODES[1][shape]] for word, shape in words]
        samples.append(codes + [[0, 0]] * (length - len(codes)))
    return samples
"""
_CELLS: Final = """

def rows_of(file):
    columns, is_tsv = INPUT["columns"], str(file).endswith(".tsv")
    with open(file, newline="", encoding="utf-8-sig") as opened:
        text = opened.read()
    quoting = csv.QUOTE_NONE if is_tsv else csv.QUOTE_MINIMAL
    for mark in "\\t" if is_tsv else ",;\\t|":
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark, quoting=quoting, skipinitialspace=True)
        try:
            lines = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if row]
        except csv.Error as error:
            raise ValueError(f"line {reader.line_num}: {error}") from error
        names, width = lines[0][1] if lines else [], len(lines[0][1]) if lines else 0
        if set(columns) <= set(names):
            del lines[0]
            break
        names = [str(number + 1) for number in range(width)]
        if set(columns) <= set(names):  # the training file had no header
            break
    else:
        first = text.partition("\\n")[0][:200]
        raise ValueError(f"its first line must name the columns {', '.join(columns)}; got {first!r}")
    for line, cells in lines:
        if len(cells) != width:
            raise ValueError(f"line {line} has {len(cells)} cells, the first one {width}")
    places = [names.index(column) for column in columns]
    return [(line, [cells[place] for place in places]) for line, cells in lines]
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
    count, samples = len(INPUT["missing_numbers"]), []
    reading = list(zip(INPUT["missing_numbers"], INPUT["offsets"], INPUT["formats"]))
    for line, cells in rows_of(file):
        sample = []
        for cell, (mean, offset, form) in zip(cells, reading):
            try:
                value = mean if cell in ("", *INPUT["missing"]) else number(cell, form) - offset
            except ValueError as error:
                raise ValueError(f"line {line}: {cell!r} is no number of this column") from error
            sample.append(value)
        for cell, codes, is_boolean in zip(cells[count:], CODES, INPUT["is_boolean"]):
            if is_boolean:
                codes, cell = {word.lower(): code for word, code in codes.items()}, cell.lower()
            sample.append(codes.get(cell, 0))
        samples.append(sample)
    return samples
"""
_PAIRS: Final = """

def encode(file):
    return [[codes[cell] for cell, codes in zip(cells, CODES)] for _, cells in rows_of(file)]
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
NOTHING = [label for label, (role, _) in zip(OUTPUT["labels"], OUTPUT["tags"]) if role == "O"] or ["O"]


def meaning(outputs, number):
    tags = [OUTPUT["labels"][tag] for tag in outputs.argmax(axis=-1)]
    tokens = SENTENCES[number]
    return " ".join(f"{token}/{tag}" for token, tag in zip(tokens, tags + NOTHING[:1] * len(tokens)))
"""

_RUNNING: Final = """

if len(sys.argv) != 2:
    print(__doc__.strip(), file=sys.stderr)
    sys.exit(2)
try:
    samples = np.asarray(encode(sys.argv[1]), INPUT["dtype"])
except KeyError as error:
    print(f"{sys.argv[1]}: not known to the network: {error}", file=sys.stderr)
    sys.exit(2)
except (OSError, ValueError) as error:
    print(f"{sys.argv[1]} can't be read as {WHAT}: {error}", file=sys.stderr)
    sys.exit(2)
sys.stdout.reconfigure(errors="backslashreplace")  # where its encoding lacks a letter of a label
for start in range(0, len(samples), 256):
    for number, outputs in enumerate(SESSION.run(None, {INPUT["name"]: samples[start : start + 256]})[0], start):
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
    codes = _CODES if given["vocabulary"] else _NO_CODES if given["columns"] else ""
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
                _ARRAY + _IMAGES,
                "an .npy file of images, uint8 (count, height, width), or with the channels first or last",
            )
        case "tokens" if len(content["output"]["shape"]) == 3:
            return ("re",), _LINES + _TAGGED, "a text in UTF-8, a sentence a line"
        case "tokens":
            return ("re",), _LINES + _SENTENCES, "a text in UTF-8, a sentence a line"
        case "table" if not given["columns"]:
            return (), _ARRAY + _NUMBERS, "an .npy file of numbers (count, columns)"
        case "table":
            return ("csv", "io"), _CELLS + _ROWS, "a CSV file (or TSV) with the columns that model.json names"
        case _:
            return ("csv", "io"), _CELLS + _PAIRS, "a CSV file (or TSV) with the columns that model.json names"
