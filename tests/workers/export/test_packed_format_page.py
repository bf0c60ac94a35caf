"""docs/packed-format.md: a reader written from it reads what ours does, and its tables are those of the code."""

import ast
import base64
import itertools
import re

import numpy as np
import pytest
from gasearch_workers.export.packed import pack, unpack
from gasearch_workers.messages import FULL_PRECISION
from gasearch_workers.network import packed_layout as layout
from gasearch_workers.network.steps import LAYER_NORM_EPSILON, MASKED_SCORE, OPERATIONS

from tests.readme.commands import ROOT
from tests.workers.export import packed_stranger as stranger
from tests.workers.export.test_packed import VERSION_1
from tests.workers.integer_networks import FAMILIES, random_blueprint, random_network

PAGE = (ROOT / "docs/packed-format.md").read_text(encoding="utf-8").replace("\u2212", "-").replace("\u00d7", "x")
TYPES = {"B": "u8", "H": "u16", "I": "u32", "h": "i16"}


def table(title):
    """The rows of the page's table whose first column has that title."""
    lines = PAGE.splitlines()
    [start] = [at for at, line in enumerate(lines) if line.startswith(f"| {title} |") and "---" in lines[at + 1]][:1]
    rows = itertools.takewhile(lambda line: line.startswith("|"), lines[start + 2 :])
    return [[cell.strip().strip("`") for cell in row.strip().strip("|").split("|")] for row in rows]


def assert_equal(found, network):
    """What the stranger's reader gives is the network."""
    plan = network.plan
    assert (found["kind"], found["shape"], found["categories"]) == (plan.input_kind, plan.input_shape, plan.categories)
    assert (found["is_regression"], found["input_bits"]) == (plan.is_regression, plan.input_bits)
    assert_same_grid(found["grid"], network.input.grid)
    np.testing.assert_array_equal(found["mean"], network.input.mean)
    np.testing.assert_array_equal(found["deviation"], network.input.deviation)
    for theirs, ours in zip(found["steps"], network.steps, strict=True):
        step = ours.step
        assert (theirs["name"], theirs["op"], tuple(theirs["inputs"])) == (step.name, step.op, step.inputs)
        assert (theirs["shape"], theirs["bits"], theirs["kept"]) == (step.output_shape, step.output_bits, step.nonzeros)
        flags = [bool(theirs["flags"] & value) for value in (1, 2, 4)]
        assert flags == [step.has_norm, step.has_relu, step.is_output_signed]
        assert {name: getattr(step, name) for name in theirs["fields"]} == theirs["fields"]
        assert_same_grid(theirs["grid"], network.grids[step.name])
        for name, value in (("weight", ours.weight), ("scale", ours.weight_scale), ("bias", ours.bias)):
            assert (theirs[name] is None) == (value is None)
            if value is not None:
                assert theirs[name].shape == value.shape
                np.testing.assert_array_equal(theirs[name], value)


def assert_same_grid(theirs, ours):
    assert theirs == (None if ours is None else (ours.scale, ours.zero_point))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("seed", range(12))
def test_a_reader_written_from_the_page_alone_reads_every_network(family, seed):
    rng = np.random.default_rng(seed)
    blueprint = random_blueprint(rng, family=family, side=(3, 7), is_compressed=bool(seed % 3))
    packed = pack(random_network(blueprint, rng, samples=4))
    assert_equal(stranger.read(packed), unpack(packed))


def test_it_reads_files_of_version_1():
    packed = base64.b64decode(VERSION_1)
    assert_equal(stranger.read(packed), unpack(packed))


def test_it_refuses_what_is_damaged_or_cut():
    rng = np.random.default_rng(0)
    packed = bytearray(pack(random_network(random_blueprint(rng), rng, samples=4)))
    for other in (packed[:-1], packed[:40] + bytes([packed[40] ^ 1]) + packed[41:], b"PAGK" + packed[4:]):
        with pytest.raises(AssertionError):
            stranger.read(bytes(other))


def test_the_reader_knows_nothing_of_ours():
    tree = ast.parse((ROOT / "tests/workers/export/packed_stranger.py").read_text())
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert names == {"math", "struct", "zlib", "numpy"}
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]


def test_the_operations_are_those_of_the_code():
    rows = [row for row in table("operation") if len(row) == 8]
    assert [row[0] for row in rows] == list(OPERATIONS) == list(layout.OPS)
    for number, (name, code, inputs, masked, dimensions, weights, grid, fields) in enumerate(rows):
        known = OPERATIONS[name]
        assert int(code) == number
        assert inputs == (str(known.sources) if known.sources else "any")
        assert masked == ("yes" if known.is_masked else "no")
        assert dimensions == ", ".join(map(str, known.dimensions))
        assert weights == (known.weights or "none")
        stored = layout.may_store_grid(name)
        assert grid == ("own" if stored else "passed" if known.is_passing else "weights")
        types = [TYPES[letter] for letter in known.form]
        assert fields == ", ".join(f"{field} {kind}" for field, kind in zip(known.fields, types, strict=True))


def test_the_flags_and_the_kinds_of_input_are_those_of_the_code():
    flags = {name: int(value) for name, value, _ in table("flag")}
    assert list(flags.values()) == [layout.HAS_NORM, layout.HAS_RELU, layout.IS_SIGNED, layout.IS_SPARSE]
    kinds = table("kind")
    assert [row[0] for row in kinds] == list(layout.INPUT_KINDS)
    assert [int(row[1]) for row in kinds] == list(range(len(kinds)))
    assert [row[2] for row in kinds] == [layout.DTYPES[kind] for kind in layout.INPUT_KINDS]
    assert f"{layout.IS_REGRESSION} is added where" in PAGE


def test_the_header_is_that_of_the_code():
    rows = table("part")
    sizes = {"4 bytes": "4s", "u8": "B", "u16": "H", "u32": "I"}
    header = "".join(sizes[kind] for _, kind, *_ in rows[:7])
    assert f"<{header}" == layout.HEADER.format
    assert rows[0][2] == layout.MAGIC.decode()
    assert rows[1][2].startswith(f"{layout.VERSION};")
    assert layout.READABLE == (1, 2)
    assert "| columns | u16, then u32 x columns |" in PAGE
    assert (layout.COUNT.format, layout.DIMENSION.format, layout.SOURCE.format) == ("<H", "<I", "<H")
    assert (layout.GRID.format, layout.STEP.format, layout.CHECKSUM.format) == ("<dB", "<BBBB", "<I")


def test_the_numbers_in_the_text_are_those_of_the_code():
    assert f"`codes` (number {layout.CODES_SOURCE})" in PAGE
    assert f"{layout.CODES_SOURCE} `codes`" in PAGE
    assert f"or {FULL_PRECISION} for float" in PAGE
    assert (MASKED_SCORE, LAYER_NORM_EPSILON) == (-1e9, 1e-5)
    assert "-10^9" in PAGE
    assert "10^-5" in PAGE
    assert list(OPERATIONS)[layout.VERSION_1_OPS - 1] == "flatten"
    assert "the operations up to `flatten`" in PAGE
    shapes = [name for row in table("operation") for name in re.findall(r"\w+", row[0])]
    assert set(shapes) == set(OPERATIONS)
