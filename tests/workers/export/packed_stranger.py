"""A reader of `model.gap`, written from docs/packed-format.md alone: it knows nothing of the code that writes them."""

import math
import struct
import zlib

import numpy as np

CODES = 65535
#: name: (inputs, is masked, weights, grid, fields and their type), in the order of the codes.
OPERATIONS = {
    "conv": (1, False, "matrix", "own", ("BBBII", "weight_bits kernel stride width groups")),
    "linear": (1, False, "matrix", "own", ("BBBII", "weight_bits kernel stride width groups")),
    "add": (2, False, None, "own", ("", "")),
    "global_pool": (1, False, None, "own", ("", "")),
    "flatten": (1, False, None, "passed", ("", "")),
    "max_pool": (1, False, None, "passed", ("", "")),
    "embedding": (1, False, "table", "weights", ("BhII", "weight_bits column rows width")),
    "position": (1, False, "table", "own", ("B", "weight_bits")),
    "concat": (None, False, None, "own", ("", "")),
    "product": (2, False, None, "own", ("", "")),
    "window": (1, False, None, "passed", ("B", "kernel")),
    "gru": (1, True, "matrix", "own", ("BI", "weight_bits width")),
    "attention": (1, True, None, "own", ("H", "heads")),
    "layer_norm": (1, False, "vector", "own", ("", "")),
    "mean_tokens": (1, True, None, "own", ("", "")),
    "max_tokens": (1, True, None, "passed", ("", "")),
}


class Reader:
    def __init__(self, content):
        self.content, self.at = content, 0

    def take(self, form):
        values = struct.unpack_from("<" + form, self.content, self.at)
        self.at += struct.calcsize("<" + form)
        return values

    def one(self, form):
        return self.take(form)[0]

    def floats(self, count):
        return np.array(self.take(f"{count}f"), np.float32)

    def bits(self, count, bits):
        """That many unsigned integers of so many bits."""
        size = (count * bits + 7) // 8
        raw = np.unpackbits(np.frombuffer(self.content, np.uint8, size, self.at))[: count * bits].reshape(count, bits)
        self.at += size
        return raw.astype(np.int64) @ (1 << np.arange(bits - 1, -1, -1))


def read(content):
    magic, version, kind, input_bits, rank, count, length = struct.unpack_from("<4sBBBBHI", content)
    assert (magic, length) == (b"GAPK", len(content)), "no packed file, or not all of it"
    assert version in (1, 2), "another version"
    assert zlib.crc32(content[:-4]) == struct.unpack("<I", content[-4:])[0], "damaged"
    reader = Reader(content)
    reader.at = 14
    shape = reader.take(f"{rank}I")
    name = ("image", "table", "tokens", "ids")[kind & 127]
    categories = reader.take(f"{reader.one('H')}I") if version > 1 and name != "image" else ()
    numbers = {"image": 1, "table": shape[0] - len(categories)}.get(name, 0)
    found = {"kind": name, "shape": shape, "categories": categories, "is_regression": kind >= 128}
    found |= {"input_bits": input_bits, "mean": reader.floats(numbers), "deviation": reader.floats(numbers)}
    found["grid"] = reader.take("dB") if input_bits != 32 else None
    codes_shape = shape if name == "tokens" else (len(categories),)
    tensors = {CODES: ("codes", codes_shape, 32, None)}
    tensors[0] = ("input", shape if name == "image" else (numbers,), input_bits, found["grid"])
    found["steps"] = []
    for number in range(1, count + 1):
        step = read_step(reader, tensors, is_tokens=name == "tokens")
        tensors[number] = (step["name"], step["shape"], step["bits"], step["grid"])
        found["steps"].append(step)
    assert reader.at == len(content) - 4
    return found


def read_step(reader, tensors, *, is_tokens):
    code, flags, bits, length = reader.take("BBBB")
    op = list(OPERATIONS)[code]
    inputs, is_masked, weights, grid, (form, names) = OPERATIONS[op]
    step = {"op": op, "bits": bits, "name": reader.take(f"{length}s")[0].decode("ascii"), "flags": flags}
    count = reader.one("H") if inputs is None else inputs + is_masked
    sources = [tensors[number] for number in reader.take(f"{count}H")]
    step["inputs"], (_, shape, _, first_grid) = [source[0] for source in sources], sources[0]
    if grid == "own":
        step["grid"] = reader.take("dB") if bits != 32 else None
    else:
        step["grid"] = first_grid if grid == "passed" else None
    fields = dict(zip(names.split(), reader.take(form), strict=True))
    step["shape"] = shape_of(op, [source[1] for source in sources], fields, is_tokens=is_tokens)
    kept = reader.one("I") if flags & 8 else None
    step |= {"fields": fields, "kept": kept, "weight": None, "scale": None, "bias": None}
    if weights:
        read_weights(reader, step, weights, shape, fields.get("weight_bits", 32), kept)
    return step


def shape_of(op, shapes, fields, *, is_tokens):
    shape, width = shapes[0], fields.get("width")
    match op:
        case "conv" | "max_pool":
            stride = fields.get("stride", 2)
            return (width or shape[0], *(math.ceil(side / stride) for side in shape[1:]))
        case "linear":
            return (*shape[:-1], width)
        case "global_pool":
            return shape[:1]
        case "flatten":
            return (math.prod(shape),)
        case "embedding":
            return (shape[0], width) if is_tokens else (width,)
        case "concat":
            return (sum(one[0] for one in shapes),)
        case "window":
            return (shape[0], fields["kernel"] * shape[1])
        case "gru":
            return (shape[0], 2 * width)
        case "attention":
            return (shape[0], shape[1] // 3)
        case "mean_tokens" | "max_tokens":
            return shape[1:]
    return shape


def weight_shape(op, shape, step, fields):
    match op:
        case "conv":
            return (fields["width"], shape[0] // fields["groups"], fields["kernel"], fields["kernel"])
        case "linear":
            return (fields["width"], shape[-1])
        case "embedding":
            return (fields["rows"], fields["width"])
        case "gru":
            return (6 * fields["width"], shape[-1] + fields["width"])
        case "position":
            return step["shape"]
    return step["shape"][-1:]


def read_weights(reader, step, kind, shape, bits, kept):
    shape = weight_shape(step["op"], shape, step, step["fields"])
    count = math.prod(shape)
    is_kept = np.ones(count, bool) if kept is None else reader.bits(count, 1).astype(bool)
    stored = int(is_kept.sum())
    if bits == 32:
        values = reader.floats(stored)
    else:
        values = reader.bits(stored, bits)
        values = 2 * values - 1 if bits == 1 else values - 2 ** (bits - 1)
        step["scale"] = reader.floats(1 if kind == "table" else shape[0])
    weight = np.zeros(count, np.float32 if bits == 32 else np.int64)
    weight[is_kept] = values
    step["weight"] = weight.reshape(shape)
    if kind != "table":
        step["bias"] = reader.floats(shape[0])
    if step["op"] == "embedding" and bits != 32:
        step["grid"] = (float(step["scale"][0]), 1 if bits == 1 else 2 ** (bits - 1))
